"""Files of Keras 3 and Keras 2 are read; any other file, and any code in a file, is refused in one sentence."""

import contextlib
import json
import zipfile

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from published import published

from edgekit import network

X = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)


def small():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential([keras.Input((4, 4, 4)), layers.Conv2D(4, 1, name="c"), layers.ReLU(6.0)], name="inner")
    source = keras.Input((6, 6, 2), name="source")
    x = layers.Conv2D(4, 3, activation="relu", name="first")(source)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(layers.BatchNormalization(name="norm")(x))
    x = layers.Add(name="sum")([inner(x), x])
    return keras.Model(source, layers.Dense(3, "softmax", name="last")(layers.Flatten(name="flat")(x)), name="small")


def keras_2(model, path, change=lambda layer: None):
    """Write a model as Keras 2 wrote it: references as lists, inner models called twice, settings that are gone."""
    model.save(path)
    calls = {layer.name: 1 if isinstance(layer, keras.Sequential) else 0 for layer in model.layers}

    def described(layer, sources):
        config = layer.get_config()
        config = {key: value for key, value in config.items() if key not in ("build_config", "dtype")}
        if isinstance(layer, keras.Sequential):
            begin = {"batch_input_shape": [None, *layer.input_shape[1:]], "name": "begin", "ragged": False}
            parts = [{"class_name": "InputLayer", "config": begin}, *(described(part, None) for part in layer.layers)]
            config = {"name": layer.name, "layers": parts}
        elif isinstance(layer, layers.InputLayer):
            config = {"batch_input_shape": config["batch_shape"], "dtype": "float32", "sparse": False, "ragged": False}
            config["name"] = layer.name
        else:
            config |= {"dtype": {"class_name": "Policy", "config": {"name": "float32"}}}
        if isinstance(layer, layers.DepthwiseConv2D):
            config |= {"groups": 1, "depthwise_initializer": {"class_name": "Unknown", "config": {}}}
        if isinstance(layer, layers.BatchNormalization):
            config |= {"axis": [3], "renorm": False, "fused": None, "virtual_batch_size": None}
        entry = {"class_name": type(layer).__name__, "config": config}
        if sources is not None:
            nodes = [[[name, calls[name], 0, {}] for name in sources]] if sources else []
            entry |= {"name": layer.name, "inbound_nodes": nodes}
        change(entry)
        return entry

    def sources(layer):
        return [tensor._keras_history.operation.name for tensor in layer._inbound_nodes[-1].input_tensors]

    config = {
        "name": model.name,
        "layers": [described(layer, sources(layer)) for layer in model.layers],
        "input_layers": [["source", 0, 0]],
        "output_layers": [["last", 0, 0]],
    }
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Model", "config": config})
        file.attrs["keras_version"] = "2.11.0"
        file.attrs["training_config"] = json.dumps({"optimizer_config": {"class_name": "Mine", "config": {"lr": 0.1}}})
    return path


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model.save(folder / "model.keras")
    model.save(folder / "model.h5")
    model.save_weights(folder / "model.weights.h5")
    return folder


def agrees(path, model):
    net = network.from_keras(network.load_keras(path))
    np.testing.assert_allclose(net.run(X), np.asarray(model(X, training=False)), atol=1e-5)
    return net


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_file_of_keras_3_is_read_under_any_name(saved, model, name, tmp_path):
    assert agrees(saved / name, model).name == "small"
    (tmp_path / "renamed.bin").write_bytes((saved / name).read_bytes())
    agrees(tmp_path / "renamed.bin", model)


def test_a_file_of_keras_2_is_read(model, tmp_path):
    agrees(keras_2(model, tmp_path / "former.h5"), model)


def test_a_pruned_file_of_keras_2_is_read_without_its_wrappers(model, tmp_path):
    def wrap(entry):
        if entry["class_name"] == "Dense":
            inner = {"class_name": "Dense", "config": {**entry["config"], "name": "last_inside"}}
            entry |= {"class_name": "PruneLowMagnitude", "config": {"name": "last", "layer": inner, "schedule": {}}}

    path = keras_2(model, tmp_path / "pruned.h5", wrap)
    with h5py.File(path, "r+") as file:
        group = file["model_weights/last"]
        group["last"]["mask:0"] = np.ones((64, 3), np.float32)
        group.attrs["weight_names"] = [*group.attrs["weight_names"], "last/mask:0"]
    agrees(path, model)


def setting(layer, **config):
    def change(entry):
        if entry["config"]["name"] == layer:
            entry["config"] |= config

    return change


def renamed(layer, kind):
    def change(entry):
        if entry["config"]["name"] == layer:
            entry["class_name"] = kind

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("depthwise", groups=2), "'depthwise' .a DepthwiseConv2D. has groups=2, which Keras 3 does not know"),
        (setting("first", activation="hard_sigmoid"), "hard_sigmoid .layer 'first'. is another function"),
        (setting("first", activation="mine"), "'first' with the activation mine, which is not a function of Keras"),
        (renamed("first", "Mine"), "a layer 'first', a Mine, which is not a class of Keras 3"),
        (renamed("first", "Lambda"), "a layer 'first', a Lambda, whose code is in the file and is not executed"),
        (renamed("first", "QuantizeWrapperV2"), "'first', a QuantizeWrapperV2, which quantization-aware training put"),
        (setting("last", units=2**31), "is damaged: 'last' has units=2147483648, more than its weights"),
    ],
)
def test_a_setting_that_keras_3_cannot_have_is_refused_by_name(model, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        network.load_keras(keras_2(model, tmp_path / "former.h5", change))


def test_code_in_a_file_is_refused(tmp_path):
    source = keras.Input((4,))
    keras.Model(source, layers.Lambda(lambda x: 2 * x, name="f")(source)).save(tmp_path / "code.keras")
    with pytest.raises(
        ValueError, match=r"code\.keras has a layer 'f', a Lambda, whose code is in the file and is not"
    ):
        network.load_keras(tmp_path / "code.keras")

    @keras.saving.register_keras_serializable("mine")
    class Dense(layers.Dense):
        pass

    keras.Model(source, Dense(2, name="d")(source)).save(tmp_path / "own.keras")
    with pytest.raises(ValueError, match=r"own\.keras has a layer 'd', a Dense, which is not a class of Keras 3"):
        network.load_keras(tmp_path / "own.keras")


def test_another_file_is_refused_in_one_sentence(saved, tmp_path):
    with pytest.raises(ValueError, match="holds weights only"):
        network.load_keras(saved / "model.weights.h5")
    with pytest.raises(ValueError, match=r"is a folder; a \.keras or \.h5 file is needed"):
        network.load_keras(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        network.load_keras(tmp_path / "none.keras")
    for content, what in ((b"", "empty"), (b"\0\0\0\0TFL3", "a TensorFlow Lite file"), (b"hello", "no Keras model")):
        (tmp_path / "other.keras").write_bytes(content)
        with pytest.raises(ValueError, match=f"other.keras is {what};"):
            network.load_keras(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ValueError, match=r"a zip file without metadata\.json, model\.weights\.h5"):
        network.load_keras(tmp_path / "other.zip")


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_mutated_file_is_read_or_refused_with_a_value_error(saved, tmp_path, name):
    content = (saved / name).read_bytes()
    random = np.random.default_rng(0)
    for trial in range(8):
        bytes_ = bytearray(content)
        if trial % 2:
            bytes_ = bytes_[: random.integers(1, len(content))]
        for place in random.integers(0, len(bytes_), 20):
            bytes_[place] = random.integers(256)
        (tmp_path / name).write_bytes(bytes_)
        with contextlib.suppress(ValueError):
            network.load_keras(tmp_path / name)


@pytest.mark.parametrize("name", ["mlperf_resnet8.h5", "mlperf_strww.h5"])
def test_a_published_file_of_keras_2_is_read(name):
    network.from_keras(network.load_keras(published(name)))
