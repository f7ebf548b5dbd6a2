"""Nothing of a Keras model is read wrongly without a word: it is read as Keras computes it, or refused by name."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from edgekit import network
from edgekit.network import keras as reading


def model_of(function, shape=(4,)):
    source = keras.Input(shape)
    return keras.Model(source, function(source), name="net")


def agrees(model):
    x = np.random.default_rng(0).normal(0, 3, (5, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(network.from_keras(model).run(x), np.asarray(model(x, training=False)), atol=1e-4)


def relu(x):
    """Keras's name for another function."""
    return 2 * x


class Dense(layers.Dense):
    """Keras's name for another layer."""

    def call(self, inputs, training=None):
        return 2 * super().call(inputs)


class Doubled(keras.Model):
    """A functional model with a call of its own."""

    def __init__(self):
        source = keras.Input((4,))
        super().__init__(source, layers.Dense(2)(source), name="doubled")

    def call(self, inputs, training=None, mask=None):
        return 2 * super().call(inputs)


def with_another_call():
    layer = layers.Dense(2, name="changed")
    model = model_of(lambda x: layer(x))
    layer.call = lambda x: x[:, :2]
    return model


def quantized(mode):
    model = model_of(layers.Dense(2, name="d"))
    model.quantize(mode, filters=lambda layer: isinstance(layer, layers.Dense))
    return model


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: model_of(lambda x: keras.ops.arctan2(layers.Dense(3)(x), 1.5)), "operation 'arctan2' is a Arctan2 of"),
        (lambda: model_of(lambda x: keras.ops.softmax(layers.Dense(3)(x), axis=0)), "is a softmax over axis=0"),
        (lambda: model_of(layers.Dense(3, "mish", name="d")), "layer 'd' has the activation mish"),
        (
            lambda: model_of(layers.Dense(3, relu, name="d")),
            "the activation relu, a function of .*refused",
        ),
        (lambda: model_of(Dense(3, name="d")), "layer 'd' is a class Dense of .*refused, not Keras's"),
        (
            lambda: model_of(lambda x: layers.Lambda(lambda y: 2 * y, name="f")(x)),
            "layer 'f' is a Lambda, which",
        ),
        (lambda: Doubled(), "'doubled' is a Doubled, which has a call of its own"),
        (lambda: model_of(lambda x: Doubled()(x)), "'doubled' is a Doubled, which has a call of its own"),
        (with_another_call, "layer 'changed' has another function in place of its call"),
        (lambda: quantized("int8"), "layer 'd' was quantized by Keras to int8"),
        (lambda: quantized("float8"), "layer 'd' was quantized by Keras to float8"),
        (lambda: model_of(lambda x: layers.BatchNormalization(name="b")(x, training=True)), "'b' is called with train"),
        (lambda: model_of(layers.Conv2D(2, 1, data_format="channels_first", name="c"), (4, 4, 4)), "'c' has data_form"),
        (lambda: model_of(lambda x: layers.Dense(2)(layers.Masking(name="m")(x)), (4, 4)), "layer 'm' is a Masking"),
    ],
)
def test_another_thing_than_keras_own_is_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        network.from_keras(make())


@pytest.mark.parametrize("activation", [tf.nn.relu, tf.nn.softmax, keras.ops.sigmoid, keras.activations.tanh, "relu6"])
def test_an_activation_may_be_named_or_a_function_of_keras_or_tensorflow(activation):
    agrees(model_of(layers.Dense(3, activation)))


def test_operations_are_read():
    agrees(model_of(lambda x: keras.ops.softmax(layers.Dense(3)(keras.ops.relu(keras.ops.tanh(x))))))
    agrees(model_of(lambda x: layers.Dense(3)(keras.ops.sigmoid(keras.ops.relu6(x)))))


def test_a_low_rank_adaptation_is_read():
    model = model_of(layers.Dense(3))
    model.layers[1].enable_lora(2)
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape))
    agrees(model)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
def test_a_model_in_another_precision_is_read_as_float32(policy):
    source = keras.Input((6, 6, 2))
    x = layers.Conv2D(4, 3, activation="relu", dtype=policy)(source)
    x = layers.Dense(3, activation="softmax", dtype=policy)(layers.Flatten(dtype=policy)(x))
    net = network.from_keras(keras.Model(source, x))
    assert all(op.weights is None or op.weights.dtype == np.float32 for op in net.ops)


def test_a_sequential_model_inside_another_is_read_also_twice():
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(4, "relu", name="d"), layers.Dense(4, name="e")])
    other = model_of(layers.Dense(4, name="d"))
    agrees(model_of(lambda x: layers.Add()([inner(other(x)), inner(inner(x), training=False)])))


def test_integers_may_be_the_input():
    source = keras.Input((4,), dtype="uint8")
    network.from_keras(keras.Model(source, layers.Dense(3)(source)))


# A layer that is read wrongly is named, wherever the network is saturated.


def hide(x):
    """What is below 0 here, as everything is, cannot be seen at the end."""
    x = layers.Dense(3, "softmax", kernel_initializer=keras.initializers.RandomNormal(0, 1000), name="one_hot")(x)
    return layers.Dense(2, "relu", bias_initializer=keras.initializers.Constant(-100), name="dead")(x)


def deep(x):
    keras.utils.set_random_seed(0)
    x = layers.Conv2D(4, 3, name="c")(x)
    x = layers.ReLU(6.0, name="r")(layers.BatchNormalization(name="b")(x))
    return hide(layers.Dense(3, "tanh", name="d")(layers.Flatten()(layers.AveragePooling2D(2, name="p")(x))))


def wrong(monkeypatch, layer, change):
    right = reading.LAYERS[layer]

    def read(reader, layer, inputs):
        output = right(reader, layer, inputs)
        place = next(place for place, op in reversed(list(enumerate(reader.ops))) if op.weights is not None)
        reader.ops[place] = change(reader.ops[place])
        return output

    monkeypatch.setitem(reading.LAYERS._functions, layer, read)
    monkeypatch.setitem(reading._UNDERSTOOD, read, ())


@pytest.mark.parametrize(
    ("layer", "name", "factor"),
    [
        ("Conv2D", "c", 1.001),
        ("BatchNormalization", "b", 1.0005),
        *(("Dense", name, 1.001) for name in ("d", "one_hot", "dead")),
    ],
)
def test_a_layer_that_is_read_wrongly_is_refused_by_its_name(monkeypatch, layer, name, factor):
    def change(op):
        return replace(op, weights=op.weights * factor) if op.name == name else op

    model = model_of(deep, (8, 8, 2))
    network.from_keras(model)
    wrong(monkeypatch, layer, change)
    with pytest.raises(ValueError, match=f"'net' is not read rightly: at layer '{name}'"):
        network.from_keras(model)


def test_a_constant_that_is_lost_and_a_layer_that_is_dropped_wrongly_are_refused(monkeypatch):
    def lost(reader, operation, x1, x2):
        return x1

    def dropped(reader, layer, inputs):
        return inputs[0]

    monkeypatch.setitem(reading.OPERATIONS._functions, "ops.numpy.Add", lost)
    monkeypatch.setitem(reading.LAYERS._functions, "ReLU", dropped)
    for function in (lost, dropped):
        monkeypatch.setitem(reading._UNDERSTOOD, function, ())
    with pytest.raises(ValueError, match=r"not read rightly: at operation 'add.*' \(a Add\)"):
        network.from_keras(model_of(lambda x: hide(layers.Dense(3)(x) + 1.5)))
    with pytest.raises(ValueError, match=r"not read rightly: at layer 'r' \(a ReLU\)"):
        network.from_keras(model_of(lambda x: layers.ReLU(name="r")(layers.Dense(3)(x))))


def test_an_op_that_is_folded_wrongly_is_refused(monkeypatch):
    right = reading.folding.fold

    def fold(ops, shapes, outputs):
        return [replace(op, activation="none") if len(ops) > 2 else op for op in right(ops, shapes, outputs)]

    monkeypatch.setattr(reading.folding, "fold", fold)
    with pytest.raises(ValueError, match="'net' is not read rightly: at layer 'r'"):
        network.from_keras(model_of(deep, (8, 8, 2)))


@pytest.mark.parametrize("weights", [lambda w: 0 * w, lambda w: 1e4 * w, lambda w: 0 * w - 3])
def test_weights_that_saturate_a_network_are_read(weights):
    model = model_of(deep, (8, 8, 2))
    for layer in model.layers:
        if not isinstance(layer, layers.BatchNormalization):
            layer.set_weights([weights(w) for w in layer.get_weights()])
    network.from_keras(model)
