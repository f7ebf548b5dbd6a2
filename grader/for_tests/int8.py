"""For test cells: int8 arithmetic as the lesson's text states it, computed without edgekit.

from grader.for_tests import int8
expected = int8.convolve(x, z_x, q_w, q_b, stride)
"""

from fractions import Fraction
from math import floor

import numpy as np


def convolve(x: np.ndarray, z_x: int, q_w: np.ndarray, q_b: np.ndarray, stride: int) -> np.ndarray:
    """Compute the accumulators of a convolution of one image with SAME padding, one window after the other.

    Args:
        x: int8, shape (height, width, channels).
        z_x: The zero point of ``x``, which is also the padding.
        q_w: int8, shape (outputs, k, k, channels).
        q_b: int32, shape (outputs,).
        stride: In both directions.

    Returns:
        int64, shape (height / stride, width / stride, outputs), both rounded up.
    """
    k, (height, width) = q_w.shape[1], x.shape[:2]
    real, weights = x.astype(np.int64) - z_x, q_w.astype(np.int64)
    rows, top = _same(height, k, stride)
    columns, left = _same(width, k, stride)
    sums = np.empty((rows, columns, len(q_w)), np.int64)
    for row in range(rows):
        for column in range(columns):
            sums[row, column] = q_b
            for i in range(k):
                for j in range(k):
                    y, z = row * stride + i - top, column * stride + j - left
                    if 0 <= y < height and 0 <= z < width:  # the padding is a real 0 and adds nothing
                        sums[row, column] += weights[:, i, j] @ real[y, z]
    return sums


def _same(length: int, k: int, stride: int) -> tuple[int, int]:
    """The windows along one side, and the padding before the first."""
    windows = -(-length // stride)
    return windows, max((windows - 1) * stride + k - length, 0) // 2


def requantize(accumulators: np.ndarray, multipliers: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Compute accumulator * multiplier / 2^31 * 2^shift with both roundings, in exact fractions.

    The product divided by 2^31 is rounded first, halves up; then that times 2^shift, halves away from zero.

    Args:
        accumulators: Integers, any shape.
        multipliers: Integers that broadcast with them, from 2^30 up to 2^31.
        shifts: Integers that broadcast with them, 0 or negative.

    Returns:
        int64, the broadcast shape.
    """
    return np.vectorize(_requantize, otypes=[np.int64])(accumulators, multipliers, shifts)


def _requantize(accumulator: int, multiplier: int, shift: int) -> int:
    half = Fraction(1, 2)
    high = floor(Fraction(int(accumulator) * int(multiplier), 2**31) + half)
    value = Fraction(high, 2 ** -int(shift))
    return floor(value + half) if value >= 0 else -floor(-value + half)
