"""Arithmetic of Keras, with constants and between tensors: read exactly, folded where that is exact, never lost."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from reference import describe, differences

from edgekit import calibration, network, quantization
from edgekit.network import broadcasting

SHAPE = (6, 5, 3)
RANDOM = np.random.default_rng(0)
CHANNELS = RANDOM.normal(size=3).astype(np.float32)
ROWS = RANDOM.normal(size=(6, 1, 1))
WHOLE = RANDOM.normal(size=SHAPE).astype(np.float32)
IMAGES = RANDOM.normal(size=(16, *SHAPE)).astype(np.float32)


def conv(x, **options):
    return layers.Conv2D(3, 3, padding="same", **options)(x)


def squeezed(x):
    return layers.Dense(3, activation="sigmoid")(layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D()(x)))


def normalized(**options):
    return layers.Normalization(mean=CHANNELS, variance=CHANNELS**2 + 0.1, **options)


IMAGE = ["reshape", "depthwise_conv2d", "reshape"]  # a factor and an offset for all values, with nothing to fold into
LAYER_NORMALIZATION = ["conv2d", "sub", "mul", "conv2d", "rsqrt", "mul"]
# Functions of a tensor, and the kinds of op that they become.
CASES = {
    "x + 1.5": (lambda x: x + 1.5, IMAGE),
    "1 - x": (lambda x: 1 - x, IMAGE),
    "x * 2 + 1": (lambda x: -x / 4 * 2 + 1, IMAGE),
    "x + channels": (lambda x: x + CHANNELS, ["depthwise_conv2d"]),
    "conv(x) * 2 + 1": (lambda x: conv(x) * 2 + 1, ["conv2d"]),
    "an array - x": (lambda x: ops.subtract(WHOLE, x), ["sub"]),
    "x - an array": (lambda x: x - WHOLE, ["add"]),
    "x / an array": (lambda x: ops.divide(x, WHOLE), ["mul"]),
    "rows * x": (lambda x: ops.multiply(ROWS, x), ["mul"]),
    "an array with a batch": (lambda x: x + WHOLE[None], ["add"]),
    "x ** 2": (lambda x: x**2, ["mul"]),
    "square of a difference": (lambda x: ops.square(x - conv(x)), ["conv2d", "squared_difference"]),
    "maximum with a number": (lambda x: ops.maximum(x, 0.25), ["maximum"]),
    "minimum with an array": (lambda x: ops.minimum(CHANNELS, x), ["minimum"]),
    "maximum with 0": (lambda x: ops.maximum(0, conv(x)), ["conv2d"]),
    "swish": (lambda x: x * ops.sigmoid(x), ["sigmoid", "mul"]),
    "tensors that repeat values of each other": (
        lambda x: layers.Reshape((6, 1, 15))(x) + layers.Reshape((1, 6, 15))(x),
        ["reshape", "reshape", "add"],
    ),
    "Add of three": (lambda x: layers.Add()([x, conv(x), x]), ["conv2d", "add", "add"]),
    "Subtract": (lambda x: layers.ReLU()(layers.Subtract()([x, conv(x)])), ["conv2d", "sub"]),
    "Multiply": (lambda x: layers.Multiply()([x, conv(x), x]), ["conv2d", "mul", "mul"]),
    "Average": (lambda x: conv(layers.Average()([x, conv(x)])), ["conv2d", "add", "conv2d"]),
    "Maximum": (lambda x: layers.Maximum()([x, conv(x)]), ["conv2d", "maximum"]),
    "Minimum": (lambda x: layers.Minimum()([x, conv(x)]), ["conv2d", "minimum"]),
    "squeeze and excite": (
        lambda x: layers.Multiply()([x, squeezed(x)]),
        ["mean", "fully_connected", "fully_connected", "sigmoid", "mul"],
    ),
    "Rescaling": (lambda x: conv(layers.Rescaling(1 / 255)(x)), ["conv2d"]),
    "Rescaling with an offset": (lambda x: conv(layers.Rescaling(1 / 127.5, -1)(x)), [*IMAGE, "conv2d"]),
    "Rescaling by channel": (lambda x: layers.Conv2D(4, 3)(layers.Rescaling(CHANNELS, 1)(x)), ["conv2d"]),
    "Rescaling before depthwise": (
        lambda x: layers.DepthwiseConv2D(3, depth_multiplier=2)(layers.Rescaling(CHANNELS, 1)(x)),
        ["depthwise_conv2d"],
    ),
    "Normalization": (lambda x: layers.Conv2D(4, 1, padding="same")(normalized()(x)), ["conv2d"]),
    "Normalization before Dense": (
        lambda x: layers.Dense(4)(layers.Flatten()(normalized()(x))),
        ["reshape", "fully_connected"],
    ),
    "batch norm before reshapes": (
        lambda x: layers.Conv2D(4, 1)(
            layers.Reshape((5, 6, 3))(layers.Reshape((30, 3))(layers.BatchNormalization()(x)))
        ),
        ["reshape", "conv2d"],
    ),
    "LayerNormalization": (
        lambda x: layers.LayerNormalization()(layers.Reshape((3, 2, 15))(x)),
        ["reshape", *LAYER_NORMALIZATION],
    ),
    "LayerNormalization before Dense": (
        lambda x: layers.Dense(4)(layers.LayerNormalization(beta_initializer="ones")(layers.Reshape((5, 18))(x))),
        ["reshape", *LAYER_NORMALIZATION, "conv2d", "reshape"],
    ),
    "Normalization, inverted": (lambda x: normalized(invert=True)(x), ["depthwise_conv2d"]),
    "Normalization of every value": (
        lambda x: layers.Normalization(axis=(1, 2, 3), mean=WHOLE, variance=WHOLE**2 + 0.1)(x),
        ["mul", "add"],
    ),
    "Normalization by two numbers": (lambda x: layers.Normalization(axis=None, mean=0.3, variance=2.0)(x), IMAGE),
    "batch norm by row": (layers.BatchNormalization(axis=1), ["mul", "add"]),
    "batch norm before a convolution": (
        lambda x: layers.Conv2D(4, 3)(layers.BatchNormalization()(x)),
        ["conv2d"],
    ),
    "batch norm after a ReLU": (
        lambda x: conv(layers.BatchNormalization()(conv(x, activation="relu"))),
        ["conv2d", "depthwise_conv2d", "conv2d"],
    ),
}


def model(function, shape=SHAPE):
    keras.utils.set_random_seed(1)
    source = keras.Input(shape)
    result = keras.Model(source, function(source))
    random = np.random.default_rng(2)
    for layer in result.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.2, 2, w.shape) for w in layer.get_weights()])
    return result


@pytest.mark.parametrize("case", CASES)
def test_arithmetic_is_read_as_keras_computes_it_and_is_bit_exact_with_micro(case):
    function, kinds = CASES[case]
    made = model(function)
    net = network.from_keras(made)
    assert [op.kind for op in net.ops] == kinds
    expected = np.asarray(made(IMAGES, training=False))
    np.testing.assert_allclose(net.run(IMAGES), expected, atol=2e-6 * max(1, np.abs(expected).max()))
    quantized = quantization.quantize(net, calibration.calibrate(net, IMAGES))
    assert np.abs(quantized.predict(IMAGES) - expected).max() < 0.02 * np.ptp(expected)
    assert not describe(quantized, differences(quantized, quantized.quantize_input(IMAGES)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 / x, "a division by a tensor"),
        (lambda x: x / conv(x), "a division by a tensor"),
        (lambda x: x / 0, "a division by 0"),
        (lambda x: x**3, "another exponent"),
        (lambda x: 2**x, "another exponent"),
        (lambda x: x + np.nan, "not a number"),
        (lambda x: x + np.ones((1, 1, 1, 1, 3)), r"a constant of shape \(1, 1, 1, 1, 3\)"),
        (lambda x: x * np.ones((2, *SHAPE)) * 2, r"a constant of shape \(2, 6, 5, 3\)"),
        (lambda x: ops.add(layers.GlobalAveragePooling2D()(x), x), r"tensors of the shapes \(3,\) and \(6, 5, 3\)"),
        (lambda x: ops.floor_divide(x, 2), "FloorDivide"),
        (layers.LayerNormalization(axis=1), r"axis=\[1\]"),
        (lambda x: layers.Add()([x, np.ones((1, *SHAPE), np.float32)]), "not one of the model's tensors"),
    ],
)
def test_arithmetic_that_is_not_understood_is_refused_by_name(function, message):
    with pytest.raises(ValueError, match=message):
        network.from_keras(model(function))


def test_values_repeated_over_more_axes_than_micro_has_are_refused():
    with pytest.raises(ValueError, match=r"repeats values over 4 axes .* at most 3"):
        network.from_keras(model(lambda x: x * np.full((2, 1, 4, 1), 2.0) * np.ones((2, 1, 4, 1)), (2, 3, 4, 5)))
    with pytest.raises(ValueError, match="each side must be the same in both, or 1 in one"):
        broadcasting.output_shape("sum", [(2, 3), (4, 3)])


def test_a_product_that_must_share_a_scale_with_far_smaller_inputs_is_refused():
    """A maximum needs one scale for both: a product of values in steps of 2^20 has no room in an int32."""
    net = network.from_keras(model(lambda x: ops.maximum(x, x * x), (4,)))
    ranges = calibration.calibrate(net, 2.0**28 * RANDOM.normal(size=(4, 4)))
    with pytest.raises(ValueError, match=r"int8 cannot compute 'multiply.*': its output shares a scale"):
        quantization.quantize(net, ranges)


def test_loops_over_two_shapes_are_as_few_as_possible():
    assert broadcasting.loops([(4, 5, 3), (4, 5, 3)]) == ([60], [[1], [1]])
    assert broadcasting.loops([(4, 5, 3), ()]) == ([60], [[1], [0]])
    assert broadcasting.loops([(4, 5, 3), (1, 1, 3)]) == ([20, 3], [[3, 1], [0, 1]])
    assert broadcasting.loops([(4, 1, 3), (5, 1)]) == ([4, 5, 3], [[3, 0, 1], [0, 1, 0]])
    assert broadcasting.loops([(1,), (1, 1)]) == ([1], [[1], [1]])


def test_an_offset_is_not_folded_into_a_layer_whose_border_stays_0():
    """The border's zeros come after the offset: folded, they would have it too."""
    for padding, kinds in {"same": [*IMAGE, "conv2d"], "valid": ["conv2d"]}.items():
        net = network.from_keras(model(lambda x, padding=padding: layers.Conv2D(2, 3, padding=padding)(x + 1)))
        assert [op.kind for op in net.ops] == kinds


def test_a_constant_keeps_its_whole_range_whatever_the_observer_cuts_off():
    constant = np.zeros(SHAPE, np.float32)
    constant[0, 0, 0] = 100
    net = network.from_keras(model(lambda x: ops.multiply(constant, x)))
    (name,) = net.constants
    for observer in calibration.OBSERVERS:
        assert calibration.calibrate(net, IMAGES, observer, percentile=90)[name] == (0, 100)
