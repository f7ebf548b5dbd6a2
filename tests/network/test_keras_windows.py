"""Keras layers that move a window or reduce axes: the network computes what Keras does, in int8 what Micro does."""

import keras
import numpy as np
import pytest
from reference import describe, differences

from edgekit import calibration, network, quantization

L = keras.layers
IMAGE, SEQUENCE = (9, 8, 4), (13, 4)
LAYERS = {
    "dilated": (IMAGE, L.Conv2D(3, 3, dilation_rate=(2, 3), padding="same", activation="relu")),
    "dilated valid": (IMAGE, L.Conv2D(3, (3, 2), dilation_rate=(3, 2))),
    "grouped": (IMAGE, L.Conv2D(6, 3, groups=2, strides=2, padding="same")),
    "grouped 1x1": (IMAGE, L.Conv2D(8, 1, groups=4, activation="relu6")),
    "dilated and grouped": (IMAGE, L.Conv2D(4, 2, groups=2, dilation_rate=2)),
    "depthwise dilated": (IMAGE, L.DepthwiseConv2D(3, depth_multiplier=2, dilation_rate=2, padding="same")),
    "separable": (IMAGE, L.SeparableConv2D(5, 3, strides=2, padding="same", depth_multiplier=2, activation="relu")),
    "conv1d": (SEQUENCE, L.Conv1D(5, 4, strides=3, padding="same", activation="relu")),
    "causal": (SEQUENCE, L.Conv1D(5, 3, padding="causal", activation="relu")),
    "causal dilated": (SEQUENCE, L.Conv1D(5, 3, padding="causal", dilation_rate=4)),
    "causal strided": (SEQUENCE, L.Conv1D(5, 4, padding="causal", strides=2)),
    "grouped conv1d": (SEQUENCE, L.Conv1D(6, 3, groups=2)),
    "depthwise 1d": (SEQUENCE, L.DepthwiseConv1D(3, depth_multiplier=2, padding="same")),
    "separable 1d": (SEQUENCE, L.SeparableConv1D(5, 3, dilation_rate=2, padding="same")),
    "transposed": (IMAGE, L.Conv2DTranspose(3, 3, strides=2, padding="same", activation="relu")),
    "transposed valid": (IMAGE, L.Conv2DTranspose(2, (2, 4), strides=(3, 2), use_bias=False)),
    "transposed with output padding": (
        IMAGE,
        L.Conv2DTranspose(2, 3, strides=3, padding="same", output_padding=(1, 2)),
    ),
    "transposed 1d": (SEQUENCE, L.Conv1DTranspose(3, 5, strides=2)),
    "average 1d": (SEQUENCE, L.AveragePooling1D(3, strides=2, padding="same")),
    "max 1d": (SEQUENCE, L.MaxPooling1D(4, strides=5, padding="same")),
    "pool larger than its input": (IMAGE, L.AveragePooling2D((20, 11), strides=(5, 7), padding="same")),
    "global average 1d": (SEQUENCE, L.GlobalAveragePooling1D()),
    "global average 1d kept": (SEQUENCE, L.GlobalAveragePooling1D(keepdims=True)),
    "global max 1d": (SEQUENCE, L.GlobalMaxPooling1D()),
    "global max": (IMAGE, L.GlobalMaxPooling2D()),
    "global max kept": (IMAGE, L.GlobalMaxPooling2D(keepdims=True)),
    "mean of channels": (IMAGE, lambda x: keras.ops.mean(x, axis=-1)),
    "mean of rows and channels": (IMAGE, lambda x: keras.ops.mean(x, axis=(1, 3), keepdims=True)),
    "sum of columns": (IMAGE, lambda x: keras.ops.sum(x, axis=2)),
    "max of all": (IMAGE, lambda x: keras.ops.max(x, axis=(1, 2, 3), keepdims=True)),
    "min of rows": (IMAGE, lambda x: keras.ops.min(x, axis=1)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_computes_what_keras_does_and_its_int8_is_bit_exact_with_micro(name):
    shape, layer = LAYERS[name]
    random = np.random.default_rng(0)
    source = keras.Input(shape)
    model = keras.Model(source, layer(source))
    if hasattr(layer, "get_weights"):
        layer.set_weights([random.normal(size=w.shape) for w in layer.get_weights()])
    x = random.normal(size=(16, *shape)).astype(np.float32)
    net = network.from_keras(model)
    np.testing.assert_allclose(net.run(x), np.asarray(model(x)), atol=1e-4)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))


def sequence_network():
    source = keras.Input((16, 3))
    x = L.BatchNormalization()(L.Conv1D(4, 3, padding="same", use_bias=False)(source))
    x = L.MaxPooling1D(2)(L.ReLU()(x))
    y = L.BatchNormalization()(L.Conv1D(4, 3, dilation_rate=2, padding="same")(x))
    x = L.ReLU()(L.Add()([x, y]))
    x = L.SeparableConv1D(6, 3, activation="relu")(x)
    return keras.Model(source, L.Dense(3)(L.Flatten()(x)))


def test_layers_over_a_sequence_fuse_as_over_an_image_and_reshapes_between_them_cancel_out():
    net = network.from_keras(sequence_network())
    kinds = [op.kind for op in net.ops]
    assert kinds.count("reshape") <= 5
    assert "depthwise_conv2d" in kinds
    assert kinds[:3] == ["reshape", "conv2d", "max_pool2d"]
    assert net.ops[1].activation == "relu"
    quantized = quantization.quantize(net, calibration.calibrate(net, np.ones((1, 16, 3), np.float32)))
    assert [op.kind for op in quantized.ops] == kinds


def test_a_network_over_a_sequence_computes_what_keras_does():
    model, random = sequence_network(), np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([random.uniform(0.2, 1.5, w.shape) for w in layer.get_weights()])
    x = random.normal(size=(8, 16, 3)).astype(np.float32)
    np.testing.assert_allclose(network.from_keras(model).run(x), model(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (L.Conv2DTranspose(2, 3, dilation_rate=2), r"dilation_rate=\(2, 2\)"),
        (lambda x: keras.ops.mean(x), "axis=None, which includes the batch"),
        (lambda x: keras.ops.sum(x, axis=(0, 1)), "which includes the batch"),
        (lambda x: keras.ops.max(x, axis=(1, 2, 3)), "all axes without keepdims"),
        (lambda x: keras.ops.max(x, axis=1, initial=0.0), "initial=0.0"),
    ],
)
def test_what_the_specification_does_not_have_is_refused_by_name(layer, reason):
    source = keras.Input(IMAGE)
    with pytest.raises(ValueError, match=reason):
        network.from_keras(keras.Model(source, layer(source)))
