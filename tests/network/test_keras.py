"""Reading a Keras model keeps its name, and names the layer that cannot be read."""

import keras
import pytest

from edgekit import network


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


def test_a_layer_that_is_not_supported_is_named_with_those_that_are():
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.UnitNormalization(name="larger")])
    with pytest.raises(ValueError, match=r"layer 'larger' is a UnitNormalization.*supported are Conv2D, .*Flatten"):
        network.from_keras(model)
