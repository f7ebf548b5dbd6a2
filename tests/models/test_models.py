"""The networks have the right shape and size, and one rule turns images into their inputs."""

import numpy as np
import pytest

from edgekit import calibration, models, quantization
from edgekit.network import Network, Op


def test_mobilenet_has_the_layers_and_weights_of_keras_applications():
    import keras

    ours = models.mobilenet_v1()
    theirs = keras.applications.MobileNet((96, 96, 3), alpha=0.25, include_top=False, weights=None, pooling="avg")
    assert sum(int(np.prod(w.shape)) for w in ours.trainable_weights) == 213_329
    kept = [layer for layer in theirs.layers[1:] if not isinstance(layer, keras.layers.ZeroPadding2D)]
    assert [(layer.name, type(layer)) for layer in kept[:-1]] == [
        (layer.name, type(layer)) for layer in ours.layers[1:-2]
    ]
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.2, 1.0, w.shape) - 0.5 * (w.ndim > 1) for w in theirs.get_weights()]
    theirs.set_weights(weights)
    ours.set_weights([*weights, *ours.layers[-1].get_weights()])
    image = models.preprocess(rng.integers(0, 256, (2, 96, 96, 3), np.uint8))
    features = keras.Model(ours.inputs, ours.layers[-2].output)
    np.testing.assert_allclose(features(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_mobilenet_refuses_shapes_that_it_cannot_pad():
    with pytest.raises(ValueError, match="multiples of 32"):
        models.mobilenet_v1((100, 96, 3))
    with pytest.raises(ValueError, match="alpha"):
        models.mobilenet_v1(alpha=0)


def test_preprocess_maps_0_to_255_onto_minus_1_to_1():
    assert models.preprocess(np.array([0, 255], np.uint8)).tolist() == [-1, 127 / 128]
    with pytest.raises(TypeError, match="uint8"):
        models.preprocess(np.zeros(3))


def test_preprocessed_pixels_quantize_to_themselves_less_128():
    pixels = np.arange(256, dtype=np.uint8)
    images = np.broadcast_to(pixels[:, None, None, None], (256, 1, 1, 1))
    net = Network("copy", "x", "y", {"x": (1, 1, 1), "y": (1,)}, [Op("reshape", "flat", ("x",), "y")])
    ranges = calibration.calibrate(net, models.preprocess(images))
    quantized = quantization.quantize(net, ranges)
    np.testing.assert_array_equal(quantized.quantize_input(models.preprocess(images)).ravel(), pixels.astype(int) - 128)


def test_weights_are_read_back_and_others_refused(tmp_path):
    import keras

    from edgekit.models import weights

    model, other = models.mobilenet_v1(), models.mobilenet_v1()
    weights.save(model, tmp_path / "a.npz")
    weights.load(other, tmp_path / "a.npz")
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    with pytest.raises(ValueError, match=r"a\.npz does not fit"):
        weights.load(models.mobilenet_v1(alpha=0.5), tmp_path / "a.npz")
    with pytest.raises(ValueError, match="does not fit"):
        weights.load(keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), tmp_path / "a.npz")


def test_unknown_networks_list_the_known():
    with pytest.raises(ValueError, match="there are carclassifier"):
        models.load_pretrained("catclassifier")
