"""Sigmoid, tanh and softmax on int32 fractions, as gemmlowp and TensorFlow Lite Micro compute them.

A number in Qm has m integer bits: its raw int32 stands for raw / 2^(31 - m). Arrays are int64 here, so that products
fit; their values fit into an int32. The functions follow gemmlowp's fixedpoint.h step by step, because each rounding
changes the result: a table made with floats would differ.
"""

import numpy as np

from edgekit.quantization.formulas import (
    INT32_MAX,
    INT32_MIN,
    high_mul,
    multiplier_and_shift,
    requantize,
    rounding_shift,
)
from edgekit.quantization.parameters import Quantization

ONE = INT32_MAX  # the largest Q0 stands for 1


def table(kind: str, quantization: Quantization) -> np.ndarray:
    """Sigmoid or tanh of every int8.

    Args:
        kind: "sigmoid" (output scale 1/256, zero point -128) or "tanh" (1/128, 0).
        quantization: `Quantization` of the input.

    Returns:
        int8 array (256,), indexed by the input's bits as an unsigned byte: 0 to 127, then -128 to -1.
    """
    q = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64) - quantization.zero_point
    multiplier, shift = input_multiplier(quantization.scale, 4)
    radius = input_radius(4, np.frexp(float(quantization.scale) * 2.0**27)[1])
    x = requantize(np.where(np.abs(q) < radius, q, 0), multiplier, shift)
    y = rounding_shift(sigmoid(x), 23) - 128 if kind == "sigmoid" else rounding_shift(tanh(x), 24)
    # Micro tests the lower end first. With steps of 8 or more the radius is 0, so that its sigmoid(0) is -128.
    y = np.where(q <= -radius, -128, np.where(q >= radius, 127, y))
    return np.clip(y, -128, 127).astype(np.int8)


def softmax(q: np.ndarray, quantization: Quantization, beta: float = 1.0) -> np.ndarray:
    """Softmax over the last axis (output scale 1/256, zero point -128).

    Args:
        q: int8 array (..., classes).
        quantization: `Quantization` of the input.
        beta: factor of the input.

    Returns:
        int8 array of q's shape.
    """
    q = np.asarray(q, np.int64)
    exponentials = exponentials_of_steps(quantization, beta)[q.max(axis=-1, keepdims=True) - q]
    total = rounding_shift(exponentials, 12).sum(axis=-1, keepdims=True)
    # total is in Q12 and at least 1: shifted left until its first bit is the sign bit, it is 1 + x, x in [0, 1).
    leading_zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = one_over_one_plus((total << leading_zeros) - 2**31)
    y = rounding_shift(high_mul(reciprocal, exponentials), 12 - leading_zeros + 31 - 8) - 128
    return np.clip(y, -128, 127).astype(np.int8)


def exponentials_of_steps(quantization: Quantization, beta: float = 1.0) -> np.ndarray:
    """exp(-d * scale * beta) for a distance of d = 0 to 255 steps, for softmax: Q0, and 0 if it is too small.

    Args:
        quantization: `Quantization` of the tensor.
        beta: factor of the input.

    Returns:
        int64 array (256,).
    """
    distance = np.arange(256)
    multiplier, shift = input_multiplier(float(quantization.scale) * float(np.float32(beta)), 5)
    counts = distance <= input_radius(5, shift)
    return np.where(counts, exp_of_negative(requantize(np.where(counts, -distance, 0), multiplier, shift), 5), 0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)): Q4 in, Q0 out."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(x), 4))
    return np.where(x > 0, positive, np.where(x == 0, 2**30, ONE - positive))


def tanh(x: np.ndarray) -> np.ndarray:
    """tanh(x): Q4 in, Q0 out."""
    # The raw number that is |x| in Q4 is 2|x| in Q5.
    e = exp_of_negative(-np.abs(x), 5)
    t = shift_left(_reciprocal_of_half(e) - (1 << 29), 2)
    return np.where(x > 0, t, np.where(x == 0, 0, -t))


def exp_of_negative(x: np.ndarray, integer_bits: int) -> np.ndarray:
    """exp(x) of x <= 0: Qm in, Q0 out.

    x = rest - quarters. A Taylor polynomial gives the exponential of the rest, which is in [-1/4, 0). For each bit of
    the quarters, the result is multiplied by one factor.
    """
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    rest = (x & (quarter - 1)) - quarter
    result = _exp_of_last_quarter(rest << integer_bits)
    quarters = rest - x
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)  # exp(-2^n), n from -2, in Q0
    for exponent, factor in zip(range(-2, integer_bits), factors, strict=False):
        bit = 1 << (fraction_bits + exponent)
        result = np.where(quarters & bit, high_mul(result, factor), result)
    return np.where(x == 0, ONE, result)


def one_over_one_plus(x: np.ndarray) -> np.ndarray:
    """1 / (1 + x) of x in [0, 1): Q0 in, Q0 out."""
    return shift_left(_reciprocal_of_half(x), 1)


def _exp_of_last_quarter(x):
    """exp(x) of x in [-1/4, 0), in Q0: the Taylor polynomial of degree 4 around -1/8."""
    at_middle, third = 1895147668, 715827883  # exp(-1/8), 1/3
    x = x + (1 << 28)
    x2 = high_mul(x, x)
    x3, x4 = high_mul(x2, x), high_mul(x2, x2)
    tail = rounding_shift(high_mul(rounding_shift(x4, 2) + x3, third) + x2, 1)
    return at_middle + high_mul(at_middle, x + tail)


def _reciprocal_of_half(x):
    """2 / (1 + x) of x in [0, 1): Q0 in, Q2 out, by three steps of Newton and Raphson."""
    half = (x + ONE + 1) // 2
    y = 1515870810 + high_mul(half, -1010580540)  # 48/17 - 32/17 * half
    for _ in range(3):
        y = y + shift_left(high_mul(y, (1 << 29) - high_mul(half, y)), 2)
    return y


def shift_left(x: np.ndarray, exponent: int) -> np.ndarray:
    """x * 2^exponent, saturated: int64 array of int32 values."""
    return np.clip(x << exponent, INT32_MIN, INT32_MAX)


def input_multiplier(scale: float | np.floating, integer_bits: int) -> tuple[int, int]:
    """(M, shift) that convert input steps to Qm, m integer bits."""
    return multiplier_and_shift(min(float(scale) * 2.0 ** (31 - integer_bits), 2.0**31 - 1))


def input_radius(integer_bits: int, shift: int) -> int:
    """The number of input steps that Qm can hold; beyond it, the result equals its limit."""
    return int(np.floor((2**integer_bits - 1) * 2.0 ** (31 - integer_bits) / 2.0**shift))
