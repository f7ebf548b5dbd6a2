"""The networks: their shape, their size, and the one rule by which images enter them."""

import numpy as np
import pytest

from edgekit import models


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
    assert models.preprocess(np.array([0, 255], np.uint8)).tolist() == [-1, 1]
    with pytest.raises(TypeError, match="uint8"):
        models.preprocess(np.zeros(3))
