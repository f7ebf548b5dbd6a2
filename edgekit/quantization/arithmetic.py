"""The multipliers of int8 ops on two tensors, as in TensorFlow Lite Micro; `formulas` has those of a sum."""

import numpy as np

from edgekit.quantization.formulas import Scale, multiplier_and_shift

SQUARE_BITS = 7  # of a squared difference: both inputs get 7 more bits, so that the square has 30


def mul_multiplier(first: Scale, second: Scale, output: Scale) -> tuple[int, int]:
    """(M, shift) of s_1 * s_2 / s_y."""
    return multiplier_and_shift(float(first) * float(second) / float(output))


def squared_difference_multipliers(first: Scale, second: Scale, output: Scale) -> list[tuple[int, int]]:
    """(M, shift) of both inputs, to 2^7 steps of twice the larger scale t, and of the square: t^2 / (2^14 * s_y)."""
    t = 2 * max(float(first), float(second))
    square = t * t / float(np.float32(4**SQUARE_BITS) * np.float32(output))
    return [multiplier_and_shift(d) for d in (float(first) / t, float(second) / t, square)]
