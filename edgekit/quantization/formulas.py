"""The formulas of quantization, on plain arrays, in the order in which the lessons teach them.

    real = scale * (q - zero_point)

They follow TensorFlow Lite's 8-bit quantization specification and Jacob et al. 2018, "Quantization and Training of
Neural Networks for Efficient Integer-Arithmetic-Only Inference"; rounding is TensorFlow Lite Micro's, to the last bit.
"""

import numpy as np
from numpy.typing import ArrayLike

QMIN, QMAX = -128, 127  # of an int8
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1  # of an int32
Scale = float | np.floating  # as a type: of Python or of NumPy
TINY = np.finfo(np.float32).tiny  # a smaller scale would lose its digits


def round_half_away(x: ArrayLike) -> np.ndarray:
    """Nearest whole number, halves away from zero, as C's round()."""
    x = np.asarray(x)
    return np.sign(x) * np.floor(np.abs(x) + x.dtype.type(0.5))


# 1. Activations: one scale and zero point for a tensor.
def scale_and_zero_point(low: float, high: float) -> tuple[np.float32, int]:
    """s = (high - low) / 255, z = round(-128 - low / s), the range widened to hold 0; (1, 0) if it is only 0."""
    low, high = min(float(low), 0.0), max(float(high), 0.0)
    scale = np.float32((high - low) / (QMAX - QMIN))
    if not scale > TINY:
        return np.float32(1), 0
    zero_point = int(round_half_away(QMIN - low / float(scale)))
    return scale, min(max(zero_point, QMIN), QMAX)


def quantize(real: ArrayLike, scale: Scale, zero_point: int) -> np.ndarray:
    """q = round(real / s) + z, int8: halves away from zero, clamped to [-128, 127]."""
    steps = np.asarray(real, np.float32) / scale
    return np.clip(round_half_away(steps) + zero_point, QMIN, QMAX).astype(np.int8)


def dequantize(q: ArrayLike, scale: Scale, zero_point: int) -> np.ndarray:
    """real = s * (q - z), float32."""
    return scale * (np.asarray(q, np.int32) - zero_point).astype(np.float32)


# 2. Weights: a scale for each output channel, zero point 0. `axis` is that of the channels; None is one scale for all.
def weight_scales(weights: np.ndarray, axis: int | None, bits: int = 8, least: ArrayLike = 0.0) -> np.ndarray:
    """s_w[c] = max|w[c]| / 127, float32 (channels,) or (1,); 127 is 2^(bits - 1) - 1, `least` the smallest allowed."""
    rows = weights.reshape(1, -1) if axis is None else np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    scales = np.maximum(np.abs(rows).max(axis=1).astype(np.float64) / (2 ** (bits - 1) - 1), least)
    scales[scales < TINY] = 1.0  # a channel of zeros: any scale is right
    return scales.astype(np.float32)


def along(scales: np.ndarray, ndim: int, axis: int | None) -> np.ndarray:
    """The scales with as many axes as the weights, so that NumPy uses each scale for its channel."""
    shape = [1] * ndim
    shape[0 if axis is None else axis] = -1
    return scales.reshape(shape)


def round_weights(weights: np.ndarray, scales: np.ndarray, axis: int | None, bits: int = 8) -> np.ndarray:
    """q = round(w / s_w), int8, halves to even; 127 is 2^(bits - 1) - 1."""
    limit = 2 ** (bits - 1) - 1
    q = np.rint(weights.astype(np.float64) / along(scales, weights.ndim, axis).astype(np.float64))
    return np.clip(q, -limit, limit).astype(np.int8)


def quantize_weights(weights: np.ndarray, axis: int | None, bits: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """(q, s_w): weights as int8 steps with a scale for each channel."""
    scales = weight_scales(weights, axis, bits)
    return round_weights(weights, scales, axis, bits), scales


def dequantize_weights(q: np.ndarray, scales: np.ndarray, axis: int | None) -> np.ndarray:
    """w = s_w * q, float32."""
    return along(scales, q.ndim, axis) * q.astype(np.float32)


# 3. Bias: in the accumulator's own steps, so that it is simply added.
def quantize_bias(bias: np.ndarray, input_scale: Scale, scales: np.ndarray) -> np.ndarray:
    """q_b = round(b / (s_x * s_w)), int32."""
    q = np.rint(bias.astype(np.float64) / (np.float64(input_scale) * scales.astype(np.float64)))
    return np.clip(q, INT32_MIN, INT32_MAX).astype(np.int32)


# 4. Multiplier and shift: d = s_x * s_w / s_y in whole numbers.
def multiplier_and_shift(d: ArrayLike) -> tuple:
    """(M, shift) with d = M / 2^31 * 2^shift, 2^30 <= M < 2^31; TFLite's QuantizeMultiplier. Ints for a number."""
    fraction, shift = np.frexp(np.asarray(d, np.float64))
    m, shift = round_half_away(fraction * 2.0**31).astype(np.int64), shift.astype(np.int64)
    m, shift = np.where(m == 2**31, m // 2, m), np.where(m == 2**31, shift + 1, shift)
    m, shift = np.where(shift < -31, 0, m), np.where(shift < -31, 0, shift)
    m, shift = np.where(shift > 30, 2**31 - 1, m), np.minimum(shift, 30)
    return (int(m), int(shift)) if m.ndim == 0 else (m, shift)


# 5. Requantize: from the accumulator to the output's steps. It rounds twice; a desktop that rounds once can differ.
def requantize(accumulator: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> np.ndarray:
    """accumulator * M / 2^31 * 2^shift, int64 array of int32 values: shifted left, multiplied, shifted right."""
    shift = np.asarray(shift, np.int64)
    shifted = np.asarray(accumulator, np.int64) << np.maximum(shift, 0)
    wrapped = (shifted - INT32_MIN) % 2**32 + INT32_MIN  # a sum that overflows an int32 on the device does so here
    return rounding_shift(high_mul(wrapped, multiplier), np.maximum(-shift, 0))


def high_mul(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """a * b / 2^31, nearest, halves up: gemmlowp's SaturatingRoundingDoublingHighMul."""
    product = np.asarray(a, np.int64) * np.asarray(b, np.int64)
    total = product + np.where(product >= 0, 2**30, 1 - 2**30)
    quotient = np.where(total >= 0, total >> 31, -((-total) >> 31))  # C divides toward zero
    return np.minimum(quotient, INT32_MAX)


def rounding_shift(x: ArrayLike, exponent: ArrayLike) -> np.ndarray:
    """x / 2^exponent, nearest, halves away from zero: gemmlowp's RoundingDivideByPOT."""
    x, exponent = np.asarray(x, np.int64), np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def clamp_bounds(low: float, high: float, scale: Scale, zero_point: int) -> tuple[int, int]:
    """A fused activation's bounds, real values, in the output's steps: (lowest, highest) int8."""
    lowest = QMIN if np.isinf(low) else max(QMIN, zero_point + int(round_half_away(np.float32(low) / scale)))
    highest = QMAX if np.isinf(high) else min(QMAX, zero_point + int(round_half_away(np.float32(high) / scale)))
    return lowest, highest


# 6. Ops without weights: their multipliers.
def add_multipliers(first: Scale, second: Scale, output: Scale) -> list[tuple[int, int]]:
    """(M, shift) of both inputs, to 2^20 steps of twice the larger scale t, and of the sum: t / (2^20 * s_y)."""
    t = 2 * max(float(first), float(second))
    return [multiplier_and_shift(d) for d in (float(first) / t, float(second) / t, t / (2**20 * float(output)))]


def rescale_multiplier(source: Scale, result: Scale) -> tuple[int, int]:
    """(M, shift) of s_x / s_y."""
    return multiplier_and_shift(float(source) / float(result))


def mean_multiplier(source: Scale, result: Scale, cells: int) -> tuple[int, int]:
    """(M, shift) of s_x / (s_y * cells), M first made as long as 31 bits allow."""
    multiplier, shift = rescale_multiplier(source, result)
    grow = min(cells.bit_length() - 1, 32, 31 + shift)
    return (multiplier << grow) // cells, shift - grow
