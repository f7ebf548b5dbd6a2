"""Quantization: real numbers as int8, with a scale and a zero point.

    real = scale * (q - zero_point)

Weights are symmetric (zero point 0) with one scale for each output channel; activations are asymmetric with one scale
for a tensor. The rules are those of TensorFlow Lite's 8-bit quantization specification, the arithmetic that of
TensorFlow Lite Micro; Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", is the paper behind both.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from edgekit._shared_scales import groups
from edgekit.network import ACTIVATIONS, WEIGHTED, check_input

QMIN, QMAX = -128, 127
SCHEMES = ("per_channel", "per_tensor", "naive")


@dataclass(frozen=True)
class Quantization:
    """How a tensor of activations is stored: real = scale * (q - zero_point), q an int8."""

    scale: np.float32
    zero_point: int

    def quantize(self, real):
        """int8 array nearest to these real values, those out of range clamped; halves round away from zero."""
        steps = np.asarray(real, np.float32) / self.scale
        return np.clip(round_half_away(steps) + self.zero_point, QMIN, QMAX).astype(np.int8)

    def dequantize(self, q):
        """float32 array of the real values that these int8 values stand for."""
        return self.scale * (np.asarray(q, np.int32) - self.zero_point).astype(np.float32)


# Outputs with a range that is known beforehand, fixed by the specification.
FIXED = {
    "sigmoid": Quantization(np.float32(1 / 256), -128),
    "softmax": Quantization(np.float32(1 / 256), -128),
    "tanh": Quantization(np.float32(1 / 128), 0),
}
# The finest scale at which sigmoid, softmax and tanh can read their input: their fixed-point arithmetic has no finer
# steps, and TensorFlow Lite Micro stops on them.
FINEST = np.float32(2.0**-20)


@dataclass(frozen=True, eq=False)
class QuantizedNetwork:
    """A network in int8.

    Attributes:
        name, input, output, shapes: as in `edgekit.network.Network`.
        ops: tuple of `Op` with int8 weights, float32 weight_scales and int32 bias.
        quantization: dict from tensor name to `Quantization`.
    """

    name: str
    input: str
    output: str
    shapes: dict = field(repr=False)
    ops: tuple = field(repr=False)
    quantization: dict = field(repr=False)

    def run(self, q):
        """Integer inference: int8 (N, *input shape) to int8 (N, *output shape). See `edgekit.integer`."""
        from edgekit import integer

        return integer.run(self, q)

    def predict(self, real):
        """Real values in, real values out, by way of `run`: float (N, *input shape) to float32 (N, *output shape)."""
        return self.dequantize_output(self.run(self.quantize_input(real)))

    def quantize_input(self, real):
        """Real values (N, *input shape) as the int8 that `run` takes."""
        return self.quantization[self.input].quantize(check_input(self, real))

    def dequantize_output(self, q):
        """The real values, float32, of what `run` gives."""
        return self.quantization[self.output].dequantize(q)

    @property
    def macs(self):
        """Multiply-accumulates an inference takes."""
        from edgekit.network import op_macs

        return sum(op_macs(op, self.shapes) for op in self.ops)

    @property
    def parameters(self):
        """Number of weights and biases."""
        return sum(op.weights.size + op.bias.size for op in self.ops if op.weights is not None)


def quantize(network, ranges, weights="per_channel", bits=8):
    """Choose scales and zero points, and round the weights.

    Args:
        network: a `Network`.
        ranges: `Ranges` of its tensors, from `edgekit.calibration.calibrate`.
        weights: "per_channel" (a scale for each output channel; fully connected layers have one for the whole tensor,
            as the specification says), "per_tensor" (one scale for each op), or "naive" (no scale: q = round(w)).
        bits: of a weight, 2 to 8. Fewer than 8 are stored in an int8 all the same.

    Returns:
        `QuantizedNetwork`.

    Raises:
        ValueError: an unknown scheme, bits out of range, or ranges of another network.
    """
    if weights not in SCHEMES:
        raise ValueError(f"weights is one of {', '.join(SCHEMES)}, got {weights!r}")
    if bits not in range(2, 9):
        raise ValueError(f"bits is a whole number from 2 to 8, got {bits!r}")
    missing = set(network.shapes) - set(ranges.limits)
    if missing:
        raise ValueError(
            f"these ranges are not of this network: tensors {', '.join(sorted(missing))} were not calibrated"
        )
    network, tensors = _tensor_quantizations(network, ranges)
    ops = []
    for op in network.ops:
        if op.kind in WEIGHTED:
            scheme = "per_tensor" if weights == "per_channel" and op.kind == "fully_connected" else weights
            s_in = tensors[op.inputs[0]].scale
            scales = weight_scales(op, scheme, bits, s_in)
            q = quantize_weights(op, scales, bits)
            op = replace(op, weights=q, weight_scales=scales, bias=quantize_bias(op.bias, s_in, scales))
        ops.append(op)
    return QuantizedNetwork(network.name, network.input, network.output, network.shapes, tuple(ops), tensors)


def assemble(network, activations, weights):
    """A `QuantizedNetwork` made of given numbers instead of chosen ones: so a student's own go to the board.

    Args:
        network: a `Network`. Its biases are rounded here, to steps of s_in * s_w.
        activations: dict from the name of each tensor to a pair (scale, zero_point), or to a `Quantization`. What
            sigmoid, softmax and tanh write has the scale that the specification fixes, whatever is given for it.
        weights: dict from the name of each op with weights to a pair (q, scales): q the int8 weights, whole numbers
            from -127 to 127, in the op's own shape or as rows (out, n), as `by_channel` gives them; scales with a
            number for each output channel, or with one for all.

    Returns:
        `QuantizedNetwork`.

    Raises:
        ValueError: something is missing, has another shape, or is no number that it could be; names the op or tensor.
    """
    from edgekit import _assembly

    return _assembly.assemble(network, activations, weights)


def activation_quantization(low, high):
    """The scale and zero point that cover a range.

    s = (max - min) / 255 and z = round(-128 - min / s), after the range is widened to hold 0: a real 0 (padding, the
    floor of a ReLU) must be a whole number of steps.

    Args:
        low, high: the range, real values.

    Returns:
        `Quantization`; of scale 1 when the range is nothing but 0.
    """
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = np.float32((high - low) / (QMAX - QMIN))
    if not scale > np.finfo(np.float32).tiny:
        return Quantization(np.float32(1), 0)
    zero_point = int(round_half_away(QMIN - low / float(scale)))
    return Quantization(scale, min(max(zero_point, QMIN), QMAX))


def weight_scales(op, scheme, bits, input_scale):
    """The scales of an op's weights: s_w[c] = max|w[c]| / 127.

    Args:
        op: an `Op` with float32 weights.
        scheme: "per_channel", "per_tensor" or "naive".
        bits: of a weight; 127 becomes 2^(bits - 1) - 1.
        input_scale: of the op's input. A channel that is all but constant, whose bias is more than 2^21 steps of
            input_scale * s_w, gets larger steps, so that its bias and accumulator stay well inside an int32.

    Returns:
        float32 array, (out,) per channel, otherwise (1,).
    """
    if scheme == "naive":
        return np.ones(1, np.float32)
    largest = np.abs(by_channel(op.weights, op.kind)).max(axis=1).astype(np.float64)
    bias = np.abs(op.bias.astype(np.float64))
    if scheme == "per_tensor":
        largest, bias = largest.max(keepdims=True), bias.max(keepdims=True)
    scales = np.maximum(largest / (2 ** (bits - 1) - 1), bias / (float(input_scale) * 2**21))
    # All-zero filters: any scale will do. Below the smallest normal float32 the scale itself would lose its digits.
    scales[scales < np.finfo(np.float32).tiny] = 1.0
    return scales.astype(np.float32)


def quantize_weights(op, scales, bits=8):
    """q = round(w / s_w), int8, of the weights' own shape; halves round to even, as NumPy does."""
    limit = 2 ** (bits - 1) - 1
    shape = (-1,) + (1,) * (op.weights.ndim - 1) if op.kind != "depthwise_conv2d" else (1, 1, 1, -1)
    q = np.rint(op.weights.astype(np.float64) / scales.astype(np.float64).reshape(shape))
    return np.clip(q, -limit, limit).astype(np.int8)


def dequantized_weights(op):
    """float32 weights that an op's int8 weights stand for: s_w * q."""
    shape = (1, 1, 1, -1) if op.kind == "depthwise_conv2d" else (-1,) + (1,) * (op.weights.ndim - 1)
    return op.weight_scales.reshape(shape) * op.weights.astype(np.float32)


def quantize_bias(bias, input_scale, scales):
    """q = round(b / (s_in * s_w)), int32: in the accumulator's own steps, so that it is simply added."""
    q = np.rint(bias.astype(np.float64) / (np.float64(input_scale) * scales.astype(np.float64)))
    return np.clip(q, -(2**31), 2**31 - 1).astype(np.int32)


def by_channel(weights, kind):
    """Weights as (out, everything else)."""
    if kind == "depthwise_conv2d":
        return weights.reshape(-1, weights.shape[-1]).T
    return weights.reshape(len(weights), -1)


def from_channels(rows, op):
    """Weights given as (out, everything else), in the op's own shape: what `by_channel` does, undone."""
    rows = np.asarray(rows)
    return (rows.T if op.kind == "depthwise_conv2d" else rows).reshape(op.weights.shape)


def requantization(network, op):
    """The integers that take an op's accumulator to its output's scale: one multiplier and shift a channel.

    d = s_in * s_w / s_out, as `quantize_multiplier` writes it.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its ops with weights.

    Returns:
        (multipliers, shifts): int32 arrays, shape (out,).
    """
    s_in, s_out = (float(network.quantization[name].scale) for name in (op.inputs[0], op.output))
    d = s_in * np.broadcast_to(op.weight_scales, op.bias.shape).astype(np.float64) / s_out
    multipliers, shifts = quantize_multiplier(d)
    return multipliers.astype(np.int32), shifts.astype(np.int32)


def quantize_multiplier(d):
    """A real multiplier as two integers, (M, shift): d = M / 2^31 * 2^shift with M in [2^30, 2^31).

    TensorFlow Lite's QuantizeMultiplier.

    Args:
        d: a number, or an array of them; not negative.

    Returns:
        (M, shift): Python ints for a number, int64 arrays for an array.
    """
    fraction, shift = np.frexp(np.asarray(d, np.float64))
    m, shift = round_half_away(fraction * 2.0**31).astype(np.int64), shift.astype(np.int64)
    m, shift = np.where(m == 2**31, m // 2, m), np.where(m == 2**31, shift + 1, shift)
    m, shift = np.where(shift < -31, 0, m), np.where(shift < -31, 0, shift)
    m, shift = np.where(shift > 30, 2**31 - 1, m), np.minimum(shift, 30)
    return (int(m), int(shift)) if m.ndim == 0 else (m, shift)


def output_bounds(network, op):
    """(lowest, highest) int8 of an op's output: the fused activation as a clamp."""
    q = network.quantization[op.output]
    low, high = ACTIVATIONS[op.activation]
    lowest = QMIN if np.isinf(low) else max(QMIN, q.zero_point + int(round_half_away(np.float32(low) / q.scale)))
    highest = QMAX if np.isinf(high) else min(QMAX, q.zero_point + int(round_half_away(np.float32(high) / q.scale)))
    return lowest, highest


def explain(network, op, q, position=None):
    """One output value followed through accumulator, multiplier, both roundings, zero point and clamp.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its ops with weights, or its name.
        q: int8 input of the network, of its input shape, as `quantize_input(real)[0]`.
        position: index of the value in the op's output; by default one at which a desktop that rounds once differs from
            a device that rounds twice, if there is one, and the first otherwise.

    Returns:
        A table that a notebook shows, with the attributes position, output (the device's int8) and desktop.

    Raises:
        ValueError: no such op or position, or an input of another type or shape.
    """
    from edgekit import explanation

    return explanation.explain(network, op, q, position)


def round_half_away(x):
    """Nearest whole number, halves away from zero, as C's round()."""
    x = np.asarray(x)
    return np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5))


def _tensor_quantizations(network, ranges):
    """The network and one `Quantization` a tensor; tensors that share one cover the widest of their ranges."""
    network, leader = groups(network, FIXED)
    # What a rescale op writes is what it reads.
    source = {op.output: op.inputs[0] for op in network.ops if op.kind == "rescale"}
    limits = {}
    for name, first in leader.items():
        low, high = ranges[source.get(name, name)]
        known = limits.get(first, (0.0, 0.0))
        limits[first] = (min(known[0], low), max(known[1], high))
    for op in network.ops:
        if op.kind in FIXED:
            _widen(limits, leader[op.inputs[0]], float(FINEST) * (QMAX - QMIN))
        elif op.kind == "add":  # its int32 holds 20 bits below the inputs' steps: a finer output cannot be computed
            widths = [limits[leader[name]][1] - limits[leader[name]][0] for name in op.inputs]
            _widen(limits, leader[op.output], max(widths) * 2.0**-18)
    shared = {first: activation_quantization(*limits[first]) for first in limits}
    shared |= {op.output: FIXED[op.kind] for op in network.ops if op.kind in FIXED}
    return network, {name: shared[first] for name, first in leader.items()}


def _widen(limits, name, width):
    low, high = limits[name]
    limits[name] = (low, max(high, low + width))
