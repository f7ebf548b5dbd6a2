"""The trained car network: the model card's figures are true, and its training can be repeated."""

import json

import numpy as np
import pytest

from edgekit import datasets, models
from recipes.cars import evaluate, train
from recipes.cars.photographs import find_folder, load_photographs

needs_photographs = pytest.mark.skipif(find_folder() is None, reason="the photographs are not here (EDGEKIT_PHOTOS)")


@pytest.fixture(scope="module")
def network():
    return models.load_pretrained("carclassifier")


@pytest.fixture(scope="module")
def figures(network):
    """Of the float network on everything that is here."""
    return evaluate.measure(network, find_folder(), schemes=("float",))


@pytest.fixture(scope="module")
def scene_figures(network):
    """In every scheme, on the scenes."""
    return evaluate.measure(network)


def test_the_float_network_has_its_size_and_reaches_its_figure_on_the_scenes(network, figures):
    assert sum(int(np.prod(w.shape)) for w in network.trainable_weights) == 213_329
    assert figures["scenes"]["float"]["count"] == 500
    assert figures["scenes"]["float"]["accuracy"] >= 0.97


@needs_photographs
@pytest.mark.parametrize(("photographs", "least"), [("photos_64", 0.93), ("photos_32", 0.96)])
def test_the_float_network_reaches_its_figures_on_photographs(figures, photographs, least):
    assert figures[photographs]["float"]["accuracy"] >= least


def test_int8_keeps_the_accuracy_and_naive_rounding_ruins_it(scene_figures):
    accuracy = {scheme: figure["accuracy"] for scheme, figure in scene_figures["scenes"].items()}
    assert accuracy["per_channel"] >= accuracy["float"] - 0.005
    assert accuracy["per_tensor"] < accuracy["per_channel"]
    assert accuracy["naive"] == pytest.approx(0.5, abs=0.05)


@needs_photographs
def test_the_fifth_that_is_measured_is_not_trained_on():
    folder = find_folder()
    kept, used = load_photographs(folder, held_out=True), load_photographs(folder, held_out=False)
    for name in used:
        with np.load(folder / f"{name}.npz") as arrays:
            count = len(arrays["labels"])
        assert len(kept[name]) == count // 5
        assert len(kept[name]) + len(used[name]) == count
        assert not {image.tobytes() for image in kept[name].images[:200]} & {i.tobytes() for i in used[name].images}


def test_wilson_interval_is_the_published_one():
    # Newcombe 1998, table I: 81 of 263, and 0 of 20.
    assert evaluate.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert evaluate.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


@pytest.fixture
def small(tmp_path):
    """Sources and ImageNet-like weights small enough to train on in a test."""
    import h5py

    rng = np.random.default_rng(0)
    scenes = datasets.load("cars", "calibration")[:24]
    model = models.mobilenet_v1()
    with h5py.File(tmp_path / "imagenet.h5", "w") as file:
        for layer in model.layers[:-1]:
            for weight in layer.weights:
                name = (
                    "depthwise_kernel" if layer.name.startswith("conv_dw") and weight.name == "kernel" else weight.name
                )
                value = np.abs(rng.normal(0, 0.3, weight.shape)) + 0.1
                file[f"model_weights/{layer.name}/{layer.name}/{name}:0"] = value.astype(np.float32)
    return {"scenes": (scenes.images, scenes.labels)}, tmp_path


RECIPE = train.Recipe(epochs=1, rounded_epochs=1, batch_size=8, mixture=(("scenes", 1.0),))


def _trained(small, name):
    sources, folder = small
    return train.train(sources, RECIPE, folder / "imagenet.h5", folder / f"{name}.npz")


def test_interrupted_training_goes_on_to_the_same_weights(small, monkeypatch, capsys):
    whole, history = _trained(small, "whole")
    saved = train.Trainer.save

    def save_and_stop(self, *arguments):
        saved(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "save", save_and_stop)
        with pytest.raises(KeyboardInterrupt):
            _trained(small, "cut")
    resumed, again = _trained(small, "cut")
    assert "going on after epoch 1 of 2" in capsys.readouterr().out
    assert again["loss"] == pytest.approx(history["loss"], rel=1e-4)
    for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_a_checkpoint_of_other_settings_is_refused(small):
    other = train.Trainer(train.Recipe(epochs=1), small[1] / "imagenet.h5")
    other.save(small[1] / "one.npz", 0, {})
    with pytest.raises(SystemExit, match="made with other settings"):
        _trained(small, "one")


def test_an_epoch_sees_each_source_as_often_as_the_recipe_says():
    recipe = train.Recipe(mixture=(("a", 2.0), ("b", 0.5)))
    rows = train.epoch_rows({"a": 10, "b": 20}, recipe, 0)
    counts = np.bincount(rows, minlength=30)
    assert (counts[:10] == 2).all()
    assert counts[10:].sum() == 10
    assert counts[10:].max() == 1
    assert not np.array_equal(rows, train.epoch_rows({"a": 10, "b": 20}, recipe, 1))


def test_augmentation_changes_the_picture_and_not_the_subject():
    from recipes.cars.augmentation import augment

    images = datasets.load("cars", "calibration").images[:32]
    one, two = (np.asarray(augment(images, np.array([0, step], np.int32))) for step in (0, 1))
    assert one.shape == images.shape
    assert one.min() >= -1
    assert one.max() <= 1
    assert np.abs(one - two).mean() > 0.1
    assert np.array_equal(one, np.asarray(augment(images, np.array([0, 0], np.int32))))
    plain = models.preprocess(images)
    brightness = [np.corrcoef(plain.mean((1, 2, 3)), x.mean((1, 2, 3)))[0, 1] for x in (one, two)]
    assert min(brightness) > 0.3


def test_missing_photographs_are_explained(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("EDGEKIT_PHOTOS", raising=False)
    for program in (train.main, lambda arguments: evaluate.main(["carclassifier", *arguments])):
        with pytest.raises(SystemExit):
            program(["--photos", str(tmp_path)])
        assert "photos_*.npz" in capsys.readouterr().err


def test_figures_are_printed_as_a_table_and_as_json(capsys, monkeypatch, scene_figures):
    monkeypatch.setattr(evaluate, "measure", lambda model, photos: scene_figures)
    monkeypatch.setattr(evaluate, "find_folder", lambda folder: None)
    evaluate.main(["carclassifier"])
    printed = capsys.readouterr().out
    assert "per_channel" in printed
    assert "only the rendered scenes were measured" in printed
    monkeypatch.setattr(evaluate, "find_folder", lambda folder: "anywhere")
    evaluate.main(["carclassifier", "--json"])
    assert json.loads(capsys.readouterr().out) == scene_figures
