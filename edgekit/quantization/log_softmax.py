"""Log-softmax on int32 fractions, as TensorFlow Lite Micro computes it; `fixed_point` explains the notation.

log(softmax(x)) = x - max - log(sum of exp(x - max))
"""

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.quantization import fixed_point
from edgekit.quantization.formulas import (
    INT32_MIN,
    QMAX,
    QMIN,
    Scale,
    high_mul,
    multiplier_and_shift,
    requantize,
    rounding_shift,
)
from edgekit.quantization.parameters import Quantization

MOST_CLASSES = 4095  # their exponentials must add up to less than 2^12


@dataclass(frozen=True)
class Constants:
    """The numbers of a log-softmax that follow from its input's scale.

    Attributes:
        to_fraction: (M, shift) that convert input steps to Q5.
        to_steps: (M, shift) that convert Q5 to input steps.
        farthest: the number of steps below the largest value from which on a value does not count.
    """

    to_fraction: tuple[int, int]
    to_steps: tuple[int, int]
    farthest: int


def constants(scale: Scale) -> Constants:
    """The `Constants` for an input's scale."""
    multiplier, shift = fixed_point.input_multiplier(scale, 5)
    to_steps = multiplier_and_shift(2.0 ** (31 - shift) / multiplier)
    return Constants((multiplier, shift), to_steps, fixed_point.input_radius(5, shift))


def check_classes(name: str, classes: int) -> None:
    """Check that the sum of the exponentials of so many classes fits.

    Raises:
        ValueError: there are more; names the op.
    """
    if classes > MOST_CLASSES:
        raise InvalidValue(f"{name!r} is a log-softmax over {classes} values; in int8 at most {MOST_CLASSES} fit")


def log_softmax(q: np.ndarray, quantization: Quantization) -> np.ndarray:
    """Log-softmax over the last axis (output scale 1/16, zero point 127).

    Args:
        q: int8 array (..., classes).
        quantization: `Quantization` of the input.

    Returns:
        int8 array of q's shape.
    """
    numbers = constants(quantization.scale)
    q = np.asarray(q, np.int64)
    steps = q - q.max(axis=-1, keepdims=True)
    exponentials = fixed_point.exponentials_of_steps(quantization)[-steps]
    logarithm = log(rounding_shift(exponentials, 12).sum(axis=-1, keepdims=True))
    lowest = np.maximum(-numbers.farthest - 1, requantize(logarithm + INT32_MIN, *numbers.to_steps))
    y = rounding_shift(requantize(steps, *numbers.to_fraction) - logarithm, 31 - 5 - 4) + QMAX
    return np.where(steps > lowest, np.clip(y, QMIN, QMAX), QMIN).astype(np.int8)


def log(x: np.ndarray) -> np.ndarray:
    """The logarithm of x of at least 1: Q12 in, Q5 out.

    x is 2^n * r. Of two ways to choose n, with r around 1 or around sqrt(1/2), the one with the smaller r is taken;
    log(r) is a fraction of two polynomials around the fourth root of 1/2.
    """
    root, middle = 1518500250, 1805811301  # sqrt(1/2) and its root, Q0
    quarter = 1 << 23  # Q6, as the powers of 2
    zeros = _leading_zeros(x)
    first = fixed_point.shift_left(high_mul(x << (zeros - 1), root), 1)
    power = ((12 - zeros) << 25) + quarter
    zeros = _leading_zeros(high_mul(x, root)) - 1
    second = np.minimum(x << zeros, fixed_point.ONE)
    r = np.minimum(first, second)
    power = np.maximum(power, ((12 - zeros) << 25) - quarter)
    p, q = (r + middle + 1) >> 1, 2 * (r - middle)
    square = high_mul(q, q)
    numerator = high_mul(q, r) + high_mul(high_mul(q, square), 117049297)
    denominator = high_mul(p, 1057819769 + q + high_mul(127690142, square)) + high_mul(638450708, q)
    fraction = high_mul(rounding_shift(numerator, 6), fixed_point.one_over_one_plus(denominator))
    return fixed_point.shift_left(high_mul(power, 1488522236) + fraction, 1)  # log(2)


def _leading_zeros(x):
    return 31 - np.floor(np.log2(x.astype(np.float64))).astype(np.int64)
