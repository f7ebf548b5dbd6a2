"""Keras's LSTM is read as Keras computes it; what the op of TensorFlow Lite Micro lacks is refused by name."""

import keras
import numpy as np
import pytest
from keras import layers
from reference import describe, differences

from edgekit import calibration, network, quantization


def model_of(*stack, shape=(6, 5), batch=None):
    keras.utils.set_random_seed(2)
    model = keras.Sequential([keras.Input(shape, batch_size=batch), *stack])
    for weight in model.weights:
        if "bias" in weight.path:
            weight.assign(keras.random.normal(weight.shape, seed=3))
    return model


STACKS = {
    "all outputs": [layers.LSTM(4, return_sequences=True)],
    "no bias, unrolled, with dropout": [
        layers.LSTM(3, use_bias=False, unroll=True, dropout=0.1, recurrent_dropout=0.2)
    ],
    "all outputs, backwards": [layers.LSTM(4, go_backwards=True, return_sequences=True)],
    "two, then a layer": [layers.LSTM(4, return_sequences=True), layers.LSTM(3), layers.Dense(2)],
    "after a convolution": [layers.Conv1D(3, 3, activation="relu"), layers.LSTM(4), layers.Dense(2, "softmax")],
    "both ways, all outputs": [layers.Bidirectional(layers.LSTM(3, return_sequences=True)), layers.LSTM(2)],
    "both ways, their mean": [layers.Bidirectional(layers.LSTM(3), merge_mode="ave")],
    "both ways, multiplied": [layers.Bidirectional(layers.LSTM(3), merge_mode="mul")],
}


@pytest.mark.parametrize("name", STACKS)
def test_an_lstm_is_read_as_keras_computes_it_and_bit_exact_with_micro(name):
    model = model_of(*STACKS[name])
    net = network.from_keras(model)
    x = np.random.default_rng(0).normal(size=(12, 6, 5)).astype(np.float32)
    np.testing.assert_allclose(net.run(x), np.asarray(model(x)), atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))


REFUSED = {
    "layer 'memory' has the activation relu in place of tanh": {"activation": "relu"},
    "layer 'memory' has the recurrent activation hard_sigmoid in place of sigmoid": {
        "recurrent_activation": "hard_sigmoid"
    },
    "layer 'memory' has stateful=True": {"stateful": True},
    "layer 'memory' has return_state=True": {"return_state": True},
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_an_lstm_of_another_kind_is_refused_by_name(sentence):
    source = keras.Input((6, 5), batch_size=1)
    result = layers.LSTM(3, name="memory", **REFUSED[sentence])(source)
    with pytest.raises(ValueError, match=f"^{sentence}"):
        network.from_keras(keras.Model(source, result[0] if isinstance(result, list | tuple) else result))


def test_other_recurrent_layers_and_calls_are_refused_by_name():
    for layer, sentence in (
        (layers.GRU(3, name="r"), "layer 'r' is a GRU"),
        (layers.SimpleRNN(3, name="r"), "layer 'r' is a SimpleRNN"),
        (layers.Bidirectional(layers.GRU(3), name="r"), "layer 'r' has a GRU inside"),
        (layers.Bidirectional(layers.LSTM(3, stateful=True), name="r"), "layer 'r' has stateful=True"),
    ):
        with pytest.raises(ValueError, match=f"^{sentence}"):
            network.from_keras(model_of(layer, batch=1))
    source, state = keras.Input((6, 5)), keras.Input((3,))
    with pytest.raises(ValueError, match="is called with initial_state="):
        network.from_keras(keras.Model([source, state], layers.LSTM(3)(source, initial_state=[state, state])))


def test_a_cell_of_the_users_own_is_refused_by_name():
    model = model_of(layers.LSTM(3, name="memory"))

    class Cell(layers.LSTMCell):
        pass

    model.layers[0].cell.__class__ = Cell
    with pytest.raises(ValueError, match="layer 'memory' has the cell Cell in place of Keras's LSTMCell"):
        network.from_keras(model)
