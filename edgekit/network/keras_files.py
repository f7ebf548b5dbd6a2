"""Opens the files in which Keras models are published: .keras and .h5, of Keras 3, Keras 2 and tf_keras.

Keras 3 does not know some settings that Keras 2 wrote. So the description of the layers in a file is rewritten first; a
class that is not Keras's own, or a setting that cannot be translated, is refused by its name. No code in a file is ever
executed, and parts that only training needs (optimizer, losses, initializers) are left out.
"""

import inspect
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import InvalidValue, MissingFile
from edgekit.extras import extra

if TYPE_CHECKING:
    import keras

WAY_OUT = "save the model as .tflite with TensorFlow's converter, and give that file"
LARGEST = 2**30  # bytes of weights that are read

_ZIP, _HDF5 = b"PK", b"\x89HDF\r\n\x1a\n"
_TRAINING_ONLY = ("_initializer", "_regularizer", "_constraint")
_FORMER = {"BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization"}
_FORMER |= {"SyncBatchNormalization": "BatchNormalization", "Model": "Functional"}
# Settings of Keras 2 that Keras 3 lacks, with the values at which they change nothing; () where no value matters.
_DROPPED: dict[str, tuple] = {
    "groups": (1,),
    "sparse": (False,),
    "ragged": (False,),
    "optional": (False,),
    "time_major": (False,),
    "renorm": (False,),
    "fused": (),
    "implementation": (),
    "input_dtype": (),
    "virtual_batch_size": (None,),
    "adjustment": (None,),
}


def load_keras(path: str | Path) -> "keras.Model":
    """The Keras model in a file.

    Args:
        path: a .keras or .h5 file of Keras 3, Keras 2 or tf_keras. Its content counts, not its name.

    Returns:
        A `keras.Model`, not compiled.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is another file, is damaged, or holds a layer that is not Keras's own; says what to do.
    """
    path = Path(path)
    if path.is_dir():
        what = "a SavedModel" if (path / "saved_model.pb").exists() else "a folder"
        raise InvalidValue(f"{path} is {what}; a .keras or .h5 file is needed: {WAY_OUT}")
    if not path.exists():
        raise MissingFile(f"there is no file {path}")
    with path.open("rb") as file:
        start = file.read(8)
    if start == _HDF5:
        return _load(path, ".h5", _rewrite_h5, str(path))
    if start.startswith(_ZIP):
        return _load(path, ".keras", _rewrite_archive, str(path))
    what = "a TensorFlow Lite file" if start[4:] == b"TFL3" else "empty" if not start else "no Keras model"
    raise InvalidValue(f"{path} is {what}; a file that model.save(...) of Keras wrote begins otherwise")


def converted(model: Any) -> "keras.Model":
    """A model of tf_keras as one of Keras 3; any other model as it is.

    Raises:
        ValueError: Keras 3 cannot hold it, or computes other values.
    """
    if not any(base.__module__.startswith("tf_keras.") for base in type(model).__mro__):
        return model
    name = model.name
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        try:
            model.save(path, include_optimizer=False)
        except NotImplementedError:
            raise InvalidValue(
                f"{name!r} is a {type(model).__name__} with a call of its own, which is not read: {WAY_OUT}"
            ) from None
        again = _load(path, ".h5", _rewrite_h5, f"{name!r} of tf_keras")
    random = np.random.default_rng(0)
    x = [np.stack([random.normal(0, size, t.shape[1:]) for size in (0.1, 1, 8)]) for t in again.inputs]
    given = [values.astype(np.float32) for values in x]
    ours = _flat(again(given if len(given) > 1 else given[0], training=False))
    theirs = _flat(model(given if len(given) > 1 else given[0], training=False))
    for our, their in zip(ours, theirs, strict=True):
        if not np.allclose(our, their, rtol=1e-3, atol=1e-3 * np.abs(their).max()):
            raise InvalidValue(
                f"{name!r} of tf_keras computes other values than the same layers in Keras 3: perhaps a class or "
                f"function of its own has the name of one of Keras's; {WAY_OUT}"
            )
    return again


def _flat(results):
    return [np.asarray(value) for value in (results if isinstance(results, list | tuple) else [results])]


def _load(path: Path, suffix: str, rewrite: Callable[[Path, Path, str], None], source: str) -> "keras.Model":
    """Load a rewritten copy of a file; messages call it `source`."""
    with extra("lessons"):
        import keras

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"model{suffix}"
        try:
            rewrite(path, copy, source)
            return keras.saving.load_model(copy, compile=False, safe_mode=True)
        except InvalidValue:
            raise
        except Exception as error:
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise InvalidValue(f"{source} is damaged, or Keras cannot read it: {first.strip()[:200]}") from error


def _rewrite_h5(path: Path, copy: Path, source: str) -> None:
    import h5py

    shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        config = file.attrs.get("model_config")
        if config is None:
            raise InvalidValue(
                f"{source} holds weights only, without the layers that use them: build the model in Python, call "
                "model.load_weights(...) on it, and save it with model.save('model.keras')"
            )
        _check_size(source, file)
        config = json.loads(config)
        version = file.attrs.get("keras_version", "2")
        largest = _largest_dimension(file)
        rewriter = _Rewriter(source, str(version), largest)
        file.attrs["model_config"] = json.dumps(rewriter.model(config))
        if "training_config" in file.attrs:
            del file.attrs["training_config"]
        for group in file["model_weights"].values():
            names = group.attrs.get("weight_names")
            if names is not None:
                kept = [name for name in names if not _is_of_pruning(name, rewriter.pruned)]
                if len(kept) < len(names):
                    group.attrs["weight_names"] = kept


def _is_of_pruning(name, pruned):
    text = name.decode() if isinstance(name, bytes) else str(name)
    last = text.rpartition("/")[2].partition(":")[0]
    return last in ("mask", "threshold", "pruning_step") and any(layer in text for layer in pruned)


def _rewrite_archive(path: Path, copy: Path, source: str) -> None:
    import h5py

    members = ("metadata.json", "config.json", "model.weights.h5")
    try:
        with zipfile.ZipFile(path) as archive:
            missing = [name for name in members if name not in archive.namelist()]
            if missing:
                raise InvalidValue(f"{source} is a zip file without {', '.join(missing)}, so it holds no Keras model")
            if sum(archive.getinfo(name).file_size for name in members) > LARGEST:
                raise InvalidValue(f"{source} unpacks to more than {LARGEST:,} bytes, too much for a microcontroller")
            metadata, config, weights = (archive.read(name) for name in members)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise InvalidValue(f"{source} is damaged: {error}") from None
    version = str(json.loads(metadata).get("keras_version", "3"))
    weights_file = copy.with_suffix(".weights.h5")
    weights_file.write_bytes(weights)
    with h5py.File(weights_file, "r+") as file:
        _check_size(source, file)
        largest = _largest_dimension(file)
        _rename_groups(file)
    rewriter = _Rewriter(source, version, largest)
    described = rewriter.model(json.loads(config))
    if rewriter.pruned:
        raise InvalidValue(f"{source} holds pruning wrappers: call strip_pruning(model), and save what it returns")
    with zipfile.ZipFile(copy, "w") as archive:
        archive.writestr("metadata.json", metadata)
        archive.writestr("config.json", json.dumps(described))
        archive.write(weights_file, "model.weights.h5")


def _rename_groups(group):
    """tf_keras before 2.16 had another name for the groups of layers."""
    import h5py

    former = "_layer_checkpoint_dependencies"
    if former in group:
        group.move(former, "layers")
    for part in list(group.values()):
        if isinstance(part, h5py.Group):
            _rename_groups(part)


def _datasets(file):
    import h5py

    found = []
    file.visititems(lambda name, item: found.append(item) if isinstance(item, h5py.Dataset) else None)
    return found


def _check_size(source, file):
    total = sum(int(dataset.size) * dataset.dtype.itemsize for dataset in _datasets(file))
    if total > LARGEST:
        raise InvalidValue(f"{source} says that it holds {total:,} bytes of weights, too many for a microcontroller")


def _largest_dimension(file):
    return max((size for dataset in _datasets(file) for size in dataset.shape), default=0)


class _Rewriter:
    """Rewrites the description of a model as Keras 3 takes it."""

    def __init__(self, source: str, version: str, largest: int) -> None:
        import keras

        self.source, self.keras, self.largest = source, keras, largest
        self.former = not version.startswith("3")
        self.pruned: list[str] = []

    def model(self, entry: Any) -> dict:
        if not isinstance(entry, dict) or not isinstance(entry.get("config"), dict | list):
            raise InvalidValue(f"{self.source} is damaged: its description of the model is no description of layers")
        kind = _FORMER.get(entry.get("class_name", ""), entry.get("class_name", ""))
        if kind not in ("Functional", "Sequential"):
            raise InvalidValue(
                f"{self.source} holds a {_text(kind)}, a class of its own; a Sequential or functional Keras model is "
                f"needed: {WAY_OUT}"
            )
        entry = self.layer(entry)
        if self.former:
            module = "keras" if kind == "Sequential" else "keras.src.models.functional"
            entry |= {"module": module, "registered_name": kind}
        return entry

    def layer(self, entry: dict) -> dict:
        kind = _FORMER.get(entry["class_name"], entry["class_name"])
        config = entry["config"]
        if isinstance(config, list):  # a Sequential of the first Keras 2
            config = {"layers": config}
        config = dict(config)
        name = _text(config.get("name", kind))
        inner = config.get("layer")
        if kind == "PruneLowMagnitude" and isinstance(inner, dict):
            self.pruned.append(name)
            plain = {"class_name": inner["class_name"], "config": {**inner["config"], "name": config["name"]}}
            return self.layer({**{key: entry[key] for key in entry if key != "module"}, **plain})
        if kind.startswith("Quantize"):
            self.refuse(name, kind, "which quantization-aware training put there:")
        if kind.startswith("Cluster"):
            self.refuse(name, kind, "which clustering put there: call strip_clustering(model) before you save it, or")
        if kind == "Lambda":
            self.refuse(name, kind, "whose code is in the file and is not executed:")
        own = entry.get("registered_name") not in (None, kind) and ">" in str(entry.get("registered_name"))
        own = own or not str(entry.get("module") or "keras").startswith(("keras", "tf_keras"))
        known = kind in ("Functional", "Sequential") or hasattr(self.keras.layers, kind)
        if own or not known:
            self.refuse(name, _text(kind), "which is not a class of Keras 3:")
        if "layers" in config:
            parts = config["layers"]
            config["layers"] = [self.layer(part) for part in parts]
            if self.former:
                inner_models = {part["config"]["name"] for part in parts if _starts_with_input(part)}
                config["layers"] = [
                    {**part, "inbound_nodes": _without_first_node(part.get("inbound_nodes", []), inner_models)}
                    for part in config["layers"]
                ]
                for key in ("input_layers", "output_layers"):
                    config[key] = _without_first_node(config.get(key, []), inner_models)
        elif isinstance(inner, dict):
            config["layer"] = self.layer(inner)
        if self.former:
            config = self.settings(kind, name, config)
        self.sizes(name, config)
        result = {**entry, "class_name": kind, "config": config}
        if self.former:
            for key in ("module", "registered_name", "build_config"):
                result.pop(key, None)
        return result

    def refuse(self, name, kind, why):
        raise InvalidValue(f"{self.source} has a layer {name!r}, a {kind}, {why} {WAY_OUT}")

    def sizes(self, name, config):
        """A file does not say that a layer is larger than its weights."""
        for key in ("units", "filters", "depth_multiplier"):
            if isinstance(config.get(key), int) and config[key] > max(self.largest, 1):
                raise InvalidValue(f"{self.source} is damaged: {name!r} has {key}={config[key]}, more than its weights")

    def settings(self, kind, name, config):
        """The settings of a layer of Keras 2 for the class of the same name in Keras 3."""
        known = _known(getattr(self.keras.layers, kind, None))
        kept = {}
        for key, value in config.items():
            if key.endswith(_TRAINING_ONLY):
                continue
            if key in ("activation", "recurrent_activation"):
                value = self.activation(name, value)
            if key in ("dtype", "dtype_policy"):
                value = value if kind == "InputLayer" and isinstance(value, str) else "float32"
            elif known and key not in known:
                if key not in _DROPPED or (_DROPPED[key] and value not in _DROPPED[key]):
                    raise InvalidValue(
                        f"{self.source} comes from Keras 2, and its layer {name!r} (a {kind}) has "
                        f"{_text(key)}={_text(value)}, which Keras 3 does not know: {WAY_OUT}"
                    )
                continue
            kept[key] = value
        return kept

    def activation(self, name, value):
        if isinstance(value, dict) and value.get("class_name") == "function":
            value = value.get("config")
        if isinstance(value, str):
            if value == "hard_sigmoid":  # 0.2 x + 0.5 in Keras 2, x / 6 + 0.5 in Keras 3
                raise InvalidValue(
                    f"{self.source} comes from Keras 2, whose hard_sigmoid (layer {name!r}) is another function than "
                    f"Keras 3's: {WAY_OUT}"
                )
            try:
                self.keras.activations.get(value)
            except ValueError:
                raise InvalidValue(
                    f"{self.source} has a layer {name!r} with the activation {_text(value)}, which is not a function "
                    f"of Keras: {WAY_OUT}"
                ) from None
        return value


def _starts_with_input(entry):
    """Whether it is a model that begins with an input: Keras 2 counts the making of such a model as its first call."""
    config = entry["config"]
    parts = config.get("layers") if isinstance(config, dict) else config
    return bool(parts) and parts[0]["class_name"] == "InputLayer"


def _without_first_node(nodes, models):
    """References [layer, call, tensor, ...] with the calls of these inner models counted as Keras 3 does."""
    if isinstance(nodes, dict):
        return {key: _without_first_node(part, models) for key, part in nodes.items()}
    if not isinstance(nodes, list):
        return nodes
    if len(nodes) >= 3 and isinstance(nodes[0], str) and isinstance(nodes[1], int):
        return [nodes[0], nodes[1] - (nodes[0] in models), *nodes[2:]]
    return [_without_first_node(part, models) for part in nodes]


def _known(kind):
    """Names of the settings of a class of layer, its bases' included; empty if it is a model."""
    if kind is None:
        return set()
    names = {"batch_input_shape", "batch_shape", "input_shape", "alpha", "name", "trainable", "dtype", "layer"}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base.__module__.startswith("keras."):
            names |= set(inspect.signature(base.__init__).parameters)
    return names - {"self", "args", "kwargs"}


def _text(value):
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
