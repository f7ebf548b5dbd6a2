"""The scales, zero points, multipliers and bounds of a network's tensors and ops, computed with the formulas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from edgekit.network import ACTIVATIONS, OPS, Op, Shape
from edgekit.quantization import formulas

# Values that are quantized together: few enough that the formula's intermediate arrays stay in the cache.
_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Quantization:
    """Scale and zero point of a tensor of activations: real = scale * (q - zero_point), q an int8."""

    scale: np.float32
    zero_point: int

    def quantize(self, real: ArrayLike) -> np.ndarray:
        """int8 array nearest to these real values, those out of range clamped; halves round away from zero."""
        real = np.asarray(real, np.float32)
        if real.size <= _AT_ONCE:
            return formulas.quantize(real, self.scale, self.zero_point)
        q, values = np.empty(real.size, np.int8), real.reshape(-1)
        for start in range(0, real.size, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            q[part] = formulas.quantize(values[part], self.scale, self.zero_point)
        return q.reshape(real.shape)

    def dequantize(self, q: ArrayLike) -> np.ndarray:
        """float32 array of the real values of these int8 values."""
        return formulas.dequantize(q, self.scale, self.zero_point)


class Quantized(Protocol):
    """The parts of a network in int8 that the arithmetic needs; a `QuantizedNetwork` has them."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def outputs(self) -> tuple[str, ...]: ...

    @property
    def ops(self) -> tuple[Op, ...]: ...

    @property
    def constants(self) -> dict[str, np.ndarray]: ...

    @property
    def states(self) -> dict[str, str]: ...

    @property
    def shapes(self) -> dict[str, Shape]: ...

    @property
    def quantization(self) -> dict[str, Quantization]: ...


# Outputs with a range that is known beforehand, fixed by the specification.
FIXED = {
    kind: Quantization(np.float32(facts.fixed_scale[0]), facts.fixed_scale[1])
    for kind, facts in OPS.items()
    if facts.fixed_scale
}
# The finest input scale of sigmoid, softmax and tanh: their fixed-point arithmetic has no finer steps, and TensorFlow
# Lite Micro stops the process on finer scales.
FINEST = np.float32(2.0**-20)


def activation_quantization(low: float, high: float) -> Quantization:
    """The scale and zero point that cover a range of real values; see `formulas.scale_and_zero_point`."""
    return Quantization(*formulas.scale_and_zero_point(low, high))


def channel_axis(kind: str) -> int:
    """The axis of the output channels in the weights of an op of this kind."""
    return -1 if kind == "depthwise_conv2d" else 0


def by_channel(weights: np.ndarray, kind: str) -> np.ndarray:
    """Weights as rows (out, everything else)."""
    if channel_axis(kind) == -1:
        return weights.reshape(-1, weights.shape[-1]).T
    return weights.reshape(len(weights), -1)


def from_channels(rows: ArrayLike, op: Op) -> np.ndarray:
    """Weights given as rows (out, everything else), in the op's own shape: the inverse of `by_channel`."""
    rows = np.asarray(rows)
    return (rows.T if channel_axis(op.kind) == -1 else rows).reshape(op.weights.shape)


def dequantized_weights(op: Op) -> np.ndarray:
    """The float32 weights of an op in int8: s_w * q."""
    if blocks := OPS[op.kind].blocks:
        real = np.empty(op.weights.shape, np.float32)
        for scale, part in zip(op.weight_scales, blocks(op), strict=True):
            real[part] = formulas.dequantize_weights(op.weights[part], scale[None], None)
        return real
    return formulas.dequantize_weights(op.weights, op.weight_scales, channel_axis(op.kind))


def requantization(network: Quantized, op: Op) -> tuple[np.ndarray, np.ndarray]:
    """The integers that convert an op's accumulator to its output's scale: one multiplier and shift for each channel.

    d = s_in * s_w / s_out, in whole numbers by `formulas.multiplier_and_shift`.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its ops with weights.

    Returns:
        (multipliers, shifts): int32 arrays, shape (out,).
    """
    s_in, s_out = (float(network.quantization[name].scale) for name in (op.inputs[0], op.output))
    d = s_in * np.broadcast_to(op.weight_scales, op.bias.shape).astype(np.float64) / s_out
    multipliers, shifts = formulas.multiplier_and_shift(d)
    return multipliers.astype(np.int32), shifts.astype(np.int32)


def finest_output(op: Op, scales: Sequence[float]) -> float:
    """The scale of an op's int8 output must be greater than this; with a finer one its arithmetic would not fit.

    TensorFlow Lite Micro stops there, or refuses the network. It also refuses a bound of 2^31 steps or more, as a fused
    ReLU6 would have it.

    Args:
        op: the op.
        scales: of its inputs.

    Returns:
        float; 0 if every scale is possible.
    """
    bounds = [abs(bound) for bound in ACTIVATIONS[op.activation] if np.isfinite(bound)]
    facts = OPS[op.kind]
    return max(max(bounds, default=0.0) * 2.0**-31, facts.narrowest / 2 * max(scales), facts.finest(scales))


def matmul_requantization(network: Quantized, op: Op) -> tuple[int, int]:
    """(multiplier, shift) that convert a batch_matmul's accumulator to its output's scale.

    d = s_a * s_b / s_out, multiplied in float64, as TensorFlow Lite Micro's runtime does it; some sources have float32.
    """
    a, b, result = (float(network.quantization[name].scale) for name in (*op.inputs, op.output))
    multiplier, shift = formulas.multiplier_and_shift(a * b / result)
    return int(multiplier), int(shift)


def output_bounds(network: Quantized, op: Op) -> tuple[int, int]:
    """(lowest, highest) int8 of an op's output: the fused activation as a clamp."""
    q = network.quantization[op.output]
    return formulas.clamp_bounds(*ACTIVATIONS[op.activation], q.scale, q.zero_point)
