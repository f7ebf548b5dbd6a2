"""The fast code for an op with weights gives the integers of the plain code, wherever it has a proof."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit.network import Op, output_shape
from edgekit.quantization import Quantization, QuantizedNetwork, fast_integer, integer


def one_op(kind, seed, *, activation="none", stride=(1, 1), padding="same", bias=2**13, scale=0.02, output_scale=0.05):
    rng = np.random.default_rng(seed)
    channels, out = 4, 8
    shape = {"conv2d": (out, 3, 2, channels), "depthwise_conv2d": (1, 3, 3, out), "fully_connected": (out, 4 * 9 * 7)}
    source = (4 * 9 * 7,) if kind == "fully_connected" else (9, 7, channels)
    op = Op(
        kind,
        kind,
        ("x",),
        "y",
        weights=rng.integers(-127, 128, shape[kind]).astype(np.int8),
        bias=rng.integers(-bias, bias, out).astype(np.int32),
        weight_scales=(rng.uniform(0.5, 2, out if kind != "fully_connected" else 1) * scale).astype(np.float32),
        activation=activation,
        stride=stride,
        padding=padding,
    )
    tensors = {
        "x": Quantization(np.float32(0.03), int(rng.integers(-128, 128))),
        "y": Quantization(np.float32(output_scale), int(rng.integers(-128, 128))),
    }
    network = QuantizedNetwork("one", "x", "y", {"x": source, "y": output_shape(op, [source])}, (op,), tensors)
    q = rng.integers(-128, 128, (5, *source)).astype(np.int8)
    return network, op, q


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d", "fully_connected"])
def test_fast_and_plain_are_bit_exact(kind, seed):
    network, op, q = one_op(
        kind,
        seed,
        activation=("none", "relu", "relu6")[seed % 3],
        stride=((1, 1), (2, 2), (2, 1), (3, 2))[seed % 4],
        padding=("same", "valid")[seed % 2],
        # Outputs from a few steps to many, so that halves, which the two bodies round by different means, come up.
        output_scale=(0.3, 1.2, 4.8, 40.0)[seed // 3],
    )
    fast = fast_integer.fast_step(network, op)
    np.testing.assert_array_equal(fast(q, fast_integer.Workspace()), integer.STEP[op.kind](network, op)([q]))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("dilation", "groups"), [((2, 1), 1), ((1, 1), 2), ((2, 3), 4)])
@pytest.mark.parametrize("kind", ["conv2d", "depthwise_conv2d"])
def test_fast_and_plain_are_bit_exact_with_dilation_and_groups(kind, dilation, groups, padding):
    network, op, q = one_op(kind, 5, stride=(2, 1), padding=padding)
    if kind == "conv2d":
        op = replace(op, weights=op.weights[..., : 4 // groups])
    op = replace(op, dilation=dilation)
    shapes = network.shapes | {"y": output_shape(op, [network.shapes["x"]])}
    network = replace(network, ops=(op,), shapes=shapes)
    fast = fast_integer.fast_step(network, op)
    np.testing.assert_array_equal(fast(q, fast_integer.Workspace()), integer.STEP[op.kind](network, op)([q]))


def test_a_border_of_zeros_is_not_one_that_another_op_wrote_to():
    """Both ops need an array of 7 x 7, with a border on other sides of it."""
    random = np.random.default_rng(0)
    scales = {"weight_scales": np.full(3, 0.01, np.float32), "bias": np.zeros(3, np.int32)}
    filters = [random.integers(-127, 128, (3, *size, 3)).astype(np.int8) for size in ((2, 2), (3, 3))]
    ops = (
        Op("conv2d", "first", ("x",), "y", filters[0], **scales),
        Op("conv2d", "second", ("y",), "z", filters[1], **scales, stride=(2, 2), padding="same"),
    )
    shapes = {"x": (7, 7, 3), "y": (6, 6, 3), "z": (3, 3, 3)}
    network = QuantizedNetwork("two", "x", "z", shapes, ops, dict.fromkeys("xyz", Quantization(np.float32(0.05), 3)))
    q = random.integers(-128, 128, (2, 7, 7, 3)).astype(np.int8)
    plain = [q]
    for op in ops:
        plain.append(integer.STEP["conv2d"](network, op)([plain[-1]]))
    np.testing.assert_array_equal(network.run(q), plain[-1])


def test_halves_below_zero_round_away_from_it():
    """A multiplier of 1/4 and sums of whole numbers: every fourth output is a half before the last rounding."""
    op = Op(
        "fully_connected",
        "op",
        ("x",),
        "y",
        weights=np.ones((1, 1), np.int8),
        bias=np.zeros(1, np.int32),
        weight_scales=np.ones(1, np.float32),
    )
    tensors = {"x": Quantization(np.float32(1), 0), "y": Quantization(np.float32(4), 0)}
    network = QuantizedNetwork("quarter", "x", "y", {"x": (1,), "y": (1,)}, (op,), tensors)
    q = np.array([[-10], [-6], [-2], [2], [6], [10]], np.int8)
    assert network.run(q).ravel().tolist() == [-3, -2, -1, 1, 2, 3]


def test_a_sum_too_large_to_be_proven_exact_takes_the_plain_body():
    network, op, _ = one_op("conv2d", 0, bias=2**30)
    assert fast_integer.fast_step(network, op) is None


def test_many_images_give_what_each_alone_gives():
    network, _, q = one_op("conv2d", 3)
    many = np.concatenate([q] * 4)
    np.testing.assert_array_equal(network.run(many), np.concatenate([network.run(row[None]) for row in many]))
