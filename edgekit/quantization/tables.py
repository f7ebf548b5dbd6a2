"""Functions of one int8 as tables of 256 values: every activation, computed as TensorFlow Lite Micro's kernels do.

An op of such a kind reads its output from the table, in Python and in C. A kind that Micro has only in float32, or not
at all, is computed as LiteRT's reference kernels do: `exp`, `log`, `sqrt`, `gelu`, `relu_n1_to_1` and
`relu_0_to_1`.
"""

import functools
import math

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Dispatch, Op, activations
from edgekit.quantization import fixed_point, formulas
from edgekit.quantization.formulas import QMAX, QMIN, Scale, high_mul, multiplier_and_shift, requantize, rounding_shift
from edgekit.quantization.parameters import Quantization, Quantized

# function(op, source, result): the output for each of EVERY, whole numbers that may lie outside int8. source and result
# are the `Quantization` of the op's input and output.
TABLE = Dispatch("edgekit/quantization/tables.py")
# Every int8 in the order of its bits as an unsigned byte: 0 to 127, then -128 to -1.
EVERY = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)


def table(network: Quantized, op: Op) -> np.ndarray:
    """The output of an op for every int8.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its ops, of a kind in `TABLE`.

    Returns:
        int8 array (256,), indexed by the input's bits as an unsigned byte: 0 to 127, then -128 to -1.

    Raises:
        ValueError: the input of a square root may be negative.
    """
    values = TABLE[op.kind](op, network.quantization[op.inputs[0]], network.quantization[op.output])
    return np.clip(values, QMIN, QMAX).astype(np.int8)


def _of_real(function, source, result):
    """A function of real values, float32: LUTPopulate in TensorFlow Lite's internal/common.h."""
    with np.errstate(over="ignore"):
        y = function(source.dequantize(EVERY)) * (np.float32(1) / result.scale)
    return np.clip(formulas.round_half_away(y.astype(np.float64)) + result.zero_point, QMIN, QMAX)


def _in_double(function, x):
    """A function of the C library in float32, whose result is nearly always the nearest float32."""
    return function(x.astype(np.float64)).astype(np.float32)


def _ratio(source, result):
    """s_x / s_y, in float64 as in Micro; LiteRT divides in float32, which differs by 1 at ties."""
    return float(source.scale) / float(result.scale)


@TABLE.register("rescale")
def _rescale(op, source, result):
    steps = EVERY - source.zero_point
    return requantize(steps, *formulas.rescale_multiplier(source.scale, result.scale)) + result.zero_point


@TABLE.register("sigmoid", "tanh")
def _fixed_point(op, source, result):
    return fixed_point.table(op.kind, source)


@TABLE.register("relu")
def _relu(op, source, result):
    steps = requantize(EVERY - source.zero_point, *multiplier_and_shift(_ratio(source, result)))
    return np.maximum(steps, 0) + result.zero_point


@TABLE.register("relu6")
def _relu6(op, source, result):
    return np.clip(EVERY, *formulas.clamp_bounds(0.0, 6.0, result.scale, result.zero_point))


@TABLE.register("relu_n1_to_1", "relu_0_to_1")
def _clip(op, source, result):
    """Micro has no such ops; LiteRT divides the scales in float32."""
    ratio = np.float32(source.scale) / np.float32(result.scale)
    steps = requantize(EVERY - source.zero_point, *multiplier_and_shift(float(ratio)))
    bounds = formulas.clamp_bounds(*activations.LIMITS[op.kind], result.scale, result.zero_point)
    return np.clip(steps + result.zero_point, *bounds)


@TABLE.register("leaky_relu")
def _leaky_relu(op, source, result):
    steps = EVERY - source.zero_point
    slope = float(source.scale) * float(np.float32(op.alpha)) / float(result.scale)
    below = requantize(steps, *multiplier_and_shift(abs(slope)))
    above = requantize(steps, *multiplier_and_shift(_ratio(source, result)))
    return np.where(steps >= 0, above, below if slope >= 0 else -below) + result.zero_point


def prelu_multipliers(source: Scale, slopes: Scale, result: Scale) -> list[tuple[int, int]]:
    """(M, shift) of a PReLU for values above and below 0: s_x / s_y, and s_x * s_a / s_y."""
    s_in, s_slope, s_out = float(source), float(slopes), float(result)
    return [multiplier_and_shift(s_in / s_out), multiplier_and_shift(s_in * s_slope / s_out)]


@TABLE.register("abs")
def _abs(op, source, result):
    steps = np.abs(EVERY - source.zero_point)
    if source.scale != result.scale:
        steps = requantize(steps, *multiplier_and_shift(_ratio(source, result)))
    return steps + result.zero_point


@TABLE.register("elu")
def _elu(op, source, result):
    return _of_real(lambda x: np.where(x < 0, _in_double(np.exp, x) - np.float32(1), x), source, result)


@TABLE.register("gelu")
def _gelu(op, source, result):
    return _of_real(_gelu_with_tanh if op.approximate else _gelu_with_erfc, source, result)


def _gelu_with_tanh(x):
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1) + _in_double(np.tanh, inner))


def _gelu_with_erfc(x):
    erfc = [math.erfc(value) for value in (x * np.float32(-math.sqrt(0.5))).tolist()]
    return np.float32(0.5) * x * np.array(erfc, np.float32)


@TABLE.register("exp")
def _exp(op, source, result):
    return _of_real(lambda x: _in_double(np.exp, x), source, result)


@TABLE.register("log")
def _log(op, source, result):
    lowest = np.float32(QMIN - result.zero_point) * result.scale  # of values that have no logarithm

    def log(x):
        return np.where(x > 0, _in_double(np.log, np.where(x > 0, x, 1)), lowest)

    return _of_real(log, source, result)


@TABLE.register("sqrt")
def _sqrt(op, source, result):
    _not_negative(op, source)
    steps = np.sqrt(source.dequantize(EVERY)) / result.scale
    return np.trunc(np.minimum(steps, 2.0**24)) + result.zero_point


@TABLE.register("rsqrt")
def _rsqrt(op, source, result):
    """1 / sqrt(x) of whole steps with 20 more bits, and the rest of the scales as a multiplier; of 0 it is the most."""
    _not_negative(op, source)
    multiplier, shift = multiplier_and_shift(1 / (math.sqrt(source.scale) * float(result.scale)))
    values = []
    for steps in (EVERY - source.zero_point).tolist():
        inverse = requantize(1, *_multiplier_of_inverse_root(steps, 20))
        values.append(int(requantize(inverse, multiplier, shift - 20)) + result.zero_point if steps else QMAX)
    return np.array(values)


@functools.cache
def _multiplier_of_inverse_root(steps, bits):
    """(M, shift) of 2^bits / sqrt(steps), by five steps of Newton and Raphson on numbers with 3 integer bits."""
    if steps <= 1:
        return formulas.INT32_MAX, bits
    leading_zeros = 32 - steps.bit_length()
    pairs = (leading_zeros - 1) // 2 - 1
    half = (steps << 2 * pairs) >> 1  # 2^28 stands for 1
    half_of_half, three_halves, x = int(rounding_shift(half, 1)), (1 << 28) + (1 << 27), 1 << 28
    for _ in range(5):
        cube = int(high_mul(high_mul(x, x), x)) << 6
        x = int(high_mul(three_halves, x) - high_mul(half_of_half, cube)) << 3
    root, shift = int(high_mul(x, 1518500250)), 11 - pairs  # sqrt(1/2)
    return root << max(-shift, 0), bits - max(shift, 0)


def _not_negative(op, source: Quantization):
    if source.zero_point > QMIN:
        raise InvalidValue(
            f"{op.name!r} is a {op.kind} of values that may be negative (their zero point is {source.zero_point}); "
            f"it needs an input that is never below 0, whose zero point is {QMIN}"
        )


@TABLE.register("hard_swish")
def _hard_swish(op, source, result):
    """x * relu6(x + 3) / 6 in 16 bits: x with 7 more bits, times (x + 3) / 6 as a fraction of 2^15."""
    of_output = _multiplier_of_16_bits(_ratio(source, result) / 128)
    of_relu = _multiplier_of_16_bits(float(source.scale) / 128 / (3 / 2**15))
    x = (EVERY - source.zero_point) << 7
    relu = _saturated(x << of_relu[1] - 1) if of_relu[1] > 0 else x
    relu = _high_mul_16(relu, of_relu[0])
    relu = _saturated(relu << 1) if of_relu[1] > 0 else _rounding_shift_16(relu, -of_relu[1])
    relu = (relu + (1 << 15)) >> 1
    product = relu * _high_mul_16(x, of_output[0])
    y = np.sign(product) * (np.abs(product) >> 15)  # C divides toward zero
    return _rounding_shift_16(y, -of_output[1]) + result.zero_point


def _multiplier_of_16_bits(d):
    multiplier, shift = multiplier_and_shift(d)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), shift


def _saturated(x):
    return np.clip(x, -(2**15), 2**15 - 1)


def _high_mul_16(a, b):
    """a * b / 2^15, nearest, halves up."""
    total = a * b
    total = total + np.where(total >= 0, 1 << 14, 1 - (1 << 14))
    return np.sign(total) * (np.abs(total) >> 15)


def _rounding_shift_16(x, exponent):
    """x / 2^exponent, nearest, halves away from zero; from 16 on, the mask of 16 bits is -1, as on the device."""
    if exponent < 16:
        return rounding_shift(x, exponent)
    return (x >> min(exponent, 62)) + (x > -1 + (x < 0))
