"""Adjusts weights before `quantize` and biases after it, for networks that lose accuracy: both steps are optional.

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction".

Cross-layer equalization (section 4.1) gives the channels between two layers similar ranges, so that one scale fits them
all. relu(W1 x / s) with the next weights W2 * s is the same function as before, for every s > 0. The paper chooses
s = sqrt(r1 / r2) for each channel; r1 and r2 are the largest weights that write and read it. Here r1 and r2 are
relative to the largest weight of their tensor: so no tensor's range grows, but some channels must stay unchanged. A
ReLU6 does not allow every s, because it clamps at 6. The paper replaces it by a ReLU, which destroys networks whose
channels reach 6. Here ReLU6 stays, and a channel is scaled only if it stays below 6 on the given images, before and
after.

Bias correction (section 4.2): rounded weights shift the mean of a layer's output. The shift is subtracted from its
bias: E[W_q x] - E[W x] = E[(W_q - W) x], with the expectation over images.
"""

from dataclasses import replace

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import OPS, WEIGHTED, Network, batch_size, check_images, run_op, with_ops
from edgekit.quantization.formulas import along, quantize_bias
from edgekit.quantization.parameters import by_channel, channel_axis, dequantized_weights
from edgekit.quantization.quantized import QuantizedNetwork

CEILING = 6.0
MARGIN = 0.9  # of the way to 6 that an equalized channel may fill on the images seen; others may reach a little farther


def equalize(network: Network, images: np.ndarray, rounds: int = 10) -> Network:
    """Return a network that computes the same, with weights whose channels have more similar ranges.

    Args:
        network: a `Network`.
        images: float array (N, *input shape), real values; they show which channels stay below a ReLU6's 6.
        rounds: how often to equalize all pairs of layers; a layer between two others is in two pairs.

    Returns:
        A `Network` over the same tensors; its output on these images is the same up to float32 rounding.

    Raises:
        ValueError: there are no images, or they have another shape.
    """
    images = check_images(network, images, "equalization")
    peaks = _peaks(network, images)
    ops = list(network.ops)
    pairs = list(_pairs(network))
    for _ in range(rounds):
        for first, second, passed in pairs:
            s = _factors(ops[first], ops[second], peaks[ops[first].output])
            for name in passed:
                peaks[name] = peaks[name] / s
            ops[first] = _write(ops[first], 1 / s)
            ops[second] = _read(ops[second], s)
    return with_ops(network, ops)


def _pairs(network):
    """(position of the op that writes, of the only op that reads, tensors between) for pairs of ops with weights."""
    readers = {}
    for position, op in enumerate(network.ops):
        for name in op.inputs:
            readers.setdefault(name, []).append(position)
    wanted = {*network.outputs, *network.states.values()}
    for first, op in enumerate(network.ops):
        if op.kind not in ("conv2d", "depthwise_conv2d") or op.activation == "relu_n1_to_1":
            continue
        passed = [op.output]
        while True:
            after = readers.get(passed[-1], [])
            if len(after) != 1 or passed[-1] in wanted:
                break
            reader = network.ops[after[0]]
            grouped = reader.kind == "conv2d" and reader.weights.shape[-1] != network.shapes[passed[-1]][-1]
            if reader.kind in ("conv2d", "depthwise_conv2d") and not grouped:
                yield first, after[0], passed
            if not OPS[reader.kind].scales_through or reader.activation in ("relu6", "relu_n1_to_1"):
                break
            if network.shapes[reader.output][-1] != network.shapes[passed[-1]][-1]:
                break  # a border along the channels
            passed.append(reader.output)


def _peaks(network, images):
    """The largest value of every channel of every tensor."""
    peaks = {}
    for tensors in network.walk(images):
        for name, values in tensors.items():
            largest = values.max(axis=tuple(range(values.ndim - 1)))
            peaks[name] = np.maximum(peaks.get(name, largest), largest)
    return peaks


def _factors(first, second, peak):
    """The number by which each channel is divided: 1 for channels that must stay unchanged."""
    r1 = np.abs(by_channel(first.weights, first.kind)).max(axis=1).astype(np.float64)
    r2 = _read_ranges(second, len(r1))
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.sqrt((r1 / r1.max()) / (r2 / r2.max()))
    s[~np.isfinite(s) | (s <= 0)] = 1.0
    if first.activation == "relu6":
        free = peak < CEILING * MARGIN
        s = np.where(free, np.maximum(s, peak / (CEILING * MARGIN)), 1.0)
    return s


def _read_ranges(op, channels):
    if op.kind == "conv2d":
        return np.abs(op.weights).max(axis=(0, 1, 2)).astype(np.float64)
    return np.abs(op.weights).max(axis=(0, 1, 2)).reshape(channels, -1).max(axis=1).astype(np.float64)


def _write(op, factors):
    weights = op.weights * along(factors, op.weights.ndim, channel_axis(op.kind))
    return replace(op, weights=weights.astype(np.float32), bias=(op.bias * factors).astype(np.float32))


def _read(op, factors):
    if op.kind == "depthwise_conv2d":
        factors = np.repeat(factors, op.weights.shape[-1] // len(factors))
    return replace(op, weights=(op.weights * factors).astype(np.float32))


def correct_bias(network: Network, quantized: QuantizedNetwork, images: np.ndarray) -> QuantizedNetwork:
    """Return the quantized network with new biases, with which each channel's mean is that of the float network.

    Args:
        network: the float `Network`.
        quantized: a `QuantizedNetwork` made from it.
        images: float array (N, *input shape), real values; for example the calibration images.

    Returns:
        A `QuantizedNetwork`; only its biases differ.

    Raises:
        ValueError: there are no images, or one network was not made from the other.
    """
    images = check_images(network, images, "bias correction")
    floats = {op.output: op for op in network.ops if op.kind in WEIGHTED}
    rounded = {op.output: op for op in quantized.ops if op.kind in WEIGHTED}
    if floats.keys() != rounded.keys():
        raise InvalidValue(f"{quantized.name!r} is not quantized from this network: their tensors have other names")
    errors = {}
    for name, op in floats.items():
        difference = dequantized_weights(rounded[name]) - op.weights
        errors[name] = replace(op, weights=difference, bias=np.zeros_like(op.bias), activation="none")
    shifts = dict.fromkeys(floats, 0.0)
    for tensors in network.walk(images):
        for name, error in errors.items():
            moved = run_op(error, [tensors[source] for source in error.inputs], network.shapes[name])
            cells = moved.size / len(moved) / moved.shape[-1]
            shifts[name] = shifts[name] + moved.sum(axis=tuple(range(moved.ndim - 1)), dtype=np.float64) / cells
    ops = []
    for op in quantized.ops:
        if op.output in shifts:
            bias = floats[op.output].bias - shifts[op.output] / batch_size(images)
            s_in = quantized.quantization[op.inputs[0]].scale
            op = replace(op, bias=quantize_bias(bias, s_in, op.weight_scales))
        ops.append(op)
    return replace(quantized, ops=tuple(ops))
