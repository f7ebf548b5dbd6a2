"""A network assembled from the numbers of `quantize` equals its network, and errors name wrong numbers."""

import numpy as np
import pytest

from edgekit import calibration, quantization
from edgekit.network import Network, Op, map_weights
from edgekit.notebook.lesson import TODO, StillToDo
from edgekit.quantization import assemble, by_channel, from_channels


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(0, 1, shape).astype(np.float32)

    shapes = {"x": (6, 6, 3), "a": (3, 3, 4), "b": (3, 3, 4), "m": (4,), "y": (1,), "p": (1,)}
    ops = (
        Op(
            *("conv2d", "first", ("x",), "a"),
            draw(4, 3, 3, 3),
            draw(4),
            stride=(2, 2),
            padding="same",
            activation="relu6",
        ),
        Op(*("depthwise_conv2d", "second", ("a",), "b"), draw(1, 3, 3, 4), draw(4), padding="same"),
        Op("mean", "mean", ("b",), "m"),
        Op(*("fully_connected", "sum", ("m",), "y"), draw(1, 4), draw(1)),
        Op("sigmoid", "score", ("y",), "p"),
    )
    return Network("net", "x", "p", shapes, ops)


@pytest.fixture(scope="module")
def images(net):
    return np.random.default_rng(1).normal(0, 1, (20, 6, 6, 3)).astype(np.float32)


def numbers(net, images):
    """The activations and weights that `quantize` would choose."""
    quantized = quantization.quantize(net, calibration.calibrate(net, images))
    weights = {op.name: (op.weights, op.weight_scales) for op in quantized.ops if op.weights is not None}
    return quantized, dict(quantized.quantization), weights


def test_the_numbers_of_quantize_make_the_network_of_quantize(net, images):
    quantized, activations, weights = numbers(net, images)
    pairs = {name: (q.scale, q.zero_point) for name, q in activations.items()}
    pairs["p"] = (0.5, 3)  # a sigmoid's output is fixed, whatever is given
    rows = {
        op.name: (by_channel(weights[op.name][0], op.kind), weights[op.name][1])
        for op in net.ops
        if op.weights is not None
    }
    for given_activations, given_weights in ((activations, weights), (pairs, rows)):
        mine = assemble(net, given_activations, given_weights)
        np.testing.assert_array_equal(mine.predict(images), quantized.predict(images))


def test_rows_of_channels_go_back_to_the_ops_own_shape(net):
    for op in net.ops:
        if op.weights is not None:
            np.testing.assert_array_equal(from_channels(by_channel(op.weights, op.kind), op), op.weights)


@pytest.mark.parametrize(
    ("tensor", "pair", "message"),
    [
        ("a", (0.0, 0), "the scale of 'a' must be above 0, got 0"),
        ("a", (float("nan"), 0), "the scale of 'a' must be above 0, got nan"),
        ("a", (0.1, 300), "the zero point of 'a' must be a whole number from -128 to 127, got 300"),
        ("a", (0.1, 2.5), "the zero point of 'a' must be a whole number"),
        ("a", ..., "is the task above it done"),
        ("a", 0.1, "the tensor 'a' needs two things, got 0.1"),
        ("a", ("much", 0), "the scale of 'a' should be a number, got 'much'"),
        ("a", (np.ones(4), 0), "has one scale and one zero point, got 4 and 1"),
    ],
)
def test_a_wrong_activation_is_named(net, images, tensor, pair, message):
    _, activations, weights = numbers(net, images)
    with pytest.raises(ValueError, match=message):
        assemble(net, activations | {tensor: pair}, weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q, s: (q.astype(float) + 0.5, s), "should be whole numbers from -127 to 127"),
        (lambda q, s: (q[:, :1], s), r"the weights of 'first' should have the shape \(4, 27\) or \(4, 3, 3, 3\)"),
        (lambda q, s: (q, s[:3]), "'first' needs 4 scales, one for each channel, or a single one; got shape"),
        (lambda q, s: (q, s * 0), "the scale of channel 0 of 'first' must be above 0, got 0"),
        (lambda q, s: (q, s * 1e-12), "is so small that its bias does not fit into an int32"),
    ],
)
def test_wrong_weights_are_named(net, images, change, message):
    _, activations, weights = numbers(net, images)
    with pytest.raises(ValueError, match=message):
        assemble(net, activations, weights | {"first": change(*weights["first"])})


def test_what_is_missing_is_named(net, images):
    _, activations, weights = numbers(net, images)
    with pytest.raises(ValueError, match="nothing is given for the op 'second'"):
        assemble(net, activations, {name: pair for name, pair in weights.items() if name != "second"})
    with pytest.raises(ValueError, match="expected a dict from the name of each tensor to its numbers, got a list"):
        assemble(net, [], weights)


def test_other_weights_must_fit_into_the_network(net):
    with pytest.raises(ValueError, match="the new weights of 'first' should be numbers of shape"):
        map_weights(net, lambda op: op.weights[0])
    with pytest.raises(ValueError, match="the new weights of 'first' hold NaN or infinity"):
        map_weights(net, lambda op: op.weights * np.nan)


def test_what_is_still_to_do_says_where():
    def scales():
        return TODO("the largest of each row")

    with pytest.raises(StillToDo, match=r"^Still to do in scales\(\): the largest of each row$"):
        scales()
    with pytest.raises(NotImplementedError):
        exec("x = TODO('a number')", {"TODO": TODO})
