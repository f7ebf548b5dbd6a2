"""Reading a Keras model keeps its name, and names the layer that cannot be read."""

import keras
import numpy as np
import pytest

from edgekit import calibration, network, quantization


def test_a_sequential_model_keeps_its_name():
    for _ in range(2):  # Keras numbers what it makes inside
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)], name="gesture")
        assert network.from_keras(model).name == "gesture"
        assert network.from_keras(model).name == "gesture"


def test_a_functional_model_keeps_its_name():
    x = keras.Input((2,))
    assert network.from_keras(keras.Model(x, keras.layers.Dense(3)(x), name="wave")).name == "wave"


def test_an_add_of_three_inputs_becomes_ops_with_names_of_their_own():
    x = keras.Input((4,))
    layer = keras.layers.Dense(4, name="twice")
    both = keras.layers.Add(name="plus")([x, layer(x), layer(layer(x))])
    names = [op.name for op in network.from_keras(keras.Model(x, both)).ops]
    assert len(set(names)) == len(names)
    assert {"plus", "plus_1", "twice", "twice_1", "twice_2"} >= set(names)


def test_layers_of_one_name_in_two_inner_models_have_names_and_numbers_of_their_own():
    inner = [keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="d")]) for _ in range(2)]
    x = keras.Input((4,))
    net = network.from_keras(keras.Model(x, inner[1](inner[0](inner[1](x)))))
    assert [op.name for op in net.ops] == ["d", "d_1", "d_2"]
    images = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    quantized = quantization.quantize(net, calibration.calibrate(net, images))
    activations = dict(quantized.quantization)
    weights = {op.name: (op.weights, op.weight_scales) for op in quantized.ops}
    again = quantization.assemble(net, activations, weights)
    q = quantized.quantize_input(images)
    np.testing.assert_array_equal(again.run(q), quantized.run(q))
    np.testing.assert_array_equal(again.ops[0].weights, again.ops[2].weights)
    assert not np.array_equal(again.ops[0].weights, again.ops[1].weights)


def test_reading_a_model_leaves_it_as_it_was():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    before = [np.array(weight) for weight in model.get_weights()]
    network.from_keras(model)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_layer_that_is_not_supported_is_named_with_those_that_are():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.UnitNormalization(name="larger")])
    with pytest.raises(ValueError, match=r"layer 'larger' is a UnitNormalization.*supported are .*Flatten, .*Conv2D"):
        network.from_keras(model)


def test_a_layer_that_does_nothing_may_follow_one_that_is_folded():
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3), keras.layers.Dropout(0.5), keras.layers.BatchNormalization()]
    )
    assert [op.kind for op in network.from_keras(model).ops] == ["fully_connected"]
