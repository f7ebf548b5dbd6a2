"""Computes the same integers as `integer`, many times faster; readers who learn the arithmetic may skip this file.

It uses floating point where that is exact. Three facts prove it.

1.  Whole numbers below 2^24 have no rounding in float32, and below 2^53 none in float64. So a sum of products, computed
    as a matrix product, is exact in any order if the sum of the magnitudes stays below this bound.

2.  Both roundings of `requantize` together are one floor. The first is floor(v + 1/2) with v = a * M / 2^31. The
    second, a shift by e with halves up, is floor((h + 2^(e-1)) / 2^e). And floor(floor(y) / n) = floor(y / n), so that

        floor((floor(v + 1/2) + 2^(e-1)) / 2^e) = floor(v / 2^e + 1/2 + 2^-(e+1)).

    TensorFlow Lite Micro rounds halves away from zero in the second step. Below zero (v + 1/2 < 0, e > 0) this gives
    one less: 2^-e less inside the floor. If a ReLU clamps at the zero point, no result depends on this.

3.  All of these are multiples of 2^-(31+e), so that float64 holds them exactly while they stay below 2^53 such steps:
    |a + b| * M for the product, and 2^(31+e) more for each unit added. A bias is only another constant:
    (a + b) * k + c is a * k + (b * k + c). So is the zero point, if the bound allows it; otherwise it is added last.

`fast_step` proves the bounds for each op from its weights, and returns None if they do not hold.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from edgekit.network import Dispatch, Op, windows
from edgekit.quantization.formulas import QMAX, QMIN
from edgekit.quantization.parameters import Quantized, by_channel, output_bounds, requantization

# function(network, op, z_in): a function from int8 input and workspace to the sums of (q - z_in) * w
ACCUMULATE = Dispatch("edgekit/quantization/fast_integer.py")


def fast_step(network: Quantized, op: Op) -> "Callable[[np.ndarray, Workspace], np.ndarray] | None":
    """A function from int8 (n, *input shape) and a `Workspace` to the op's int8 output; None without a proof."""
    source = network.quantization[op.inputs[0]]
    z_in, z_out = source.zero_point, network.quantization[op.output].zero_point
    reach = max(QMAX - z_in, z_in - QMIN)
    sums = reach * np.abs(by_channel(op.weights, op.kind).astype(np.int64)).sum(axis=1)
    accumulators = sums + np.abs(op.bias.astype(np.float64))
    multipliers, shifts = requantization(network, op)
    k = multipliers * 2.0 ** (shifts.astype(np.float64) - 31)
    # Channels that never reach a quarter of a step are 0 in every image, for any scale.
    faint = (accumulators == 0) | ((accumulators * k < 0.25) & (shifts <= -2))
    k, e = np.where(faint, 0, k), np.where(faint, 0, np.maximum(-shifts, 0)).astype(np.float64)
    lowest, highest = output_bounds(network, op)
    above = z_out - lowest
    steps, step = accumulators * k * 2.0 ** (31 + e), 2.0 ** (31 + e)
    if (steps + step).max() >= 2**53:
        return None
    early = above if (steps + (1 + above) * step).max() < 2**53 else 0
    offset = op.bias * k + 0.5 + np.where(e > 0, 2.0 ** -(e + 1), 0) + early
    below_zero = np.where(e > 0, 2.0**-e, 0)
    zero = -(op.bias * k + 0.5 * 2.0**-e)
    shape = network.shapes[op.output]
    k, offset, below_zero, zero = (_line(values, shape) for values in (k, offset, below_zero, zero))
    dtype = np.float32 if sums.max() < 2**24 else np.float64
    accumulate = ACCUMULATE[op.kind](network, op, dtype(z_in))

    images = max(1, _IN_CACHE // int(np.prod(shape)))

    def some(q, result, workspace):
        scaled = workspace("scaled", result.shape, np.float64)
        np.copyto(scaled, accumulate(q, workspace).reshape(scaled.shape))
        lines = scaled.reshape(-1, len(k))
        lines *= k
        if above:
            negative = np.less(lines, zero, out=workspace("negative", lines.shape, bool))
        lines += offset
        if above:
            np.subtract(lines, below_zero, out=lines, where=negative)
        if early < above:
            np.floor(lines, out=lines)
            lines += above - early
        np.clip(lines, 0, highest - lowest, out=lines)
        np.copyto(result, scaled, casting="unsafe")  # no value is negative now, so cutting the fraction is a floor

    def run(q, workspace):
        result = np.empty((len(q), *shape), np.uint8)
        for start in range(0, len(q), images):
            some(q[start : start + images], result[start : start + images], workspace)
        result = result.view(np.int8)
        result += np.int8(lowest)
        return result

    return run


# Values in one inner loop of NumPy: many, because each loop has a cost, but few enough for the first cache.
_LINE = 2048
# Values of an op's output that are computed together: the results of one pass are still in cache for the next.
_IN_CACHE = 1 << 16


def _line(values, shape):
    """One value for each channel, repeated for as many rows of the output as fit into a line."""
    if len(shape) == 1:
        return values
    height, width, channels = shape[0], prod(shape[1:-1]), shape[-1]
    rows = max(n for n in range(1, height + 1) if height % n == 0 and (n == 1 or n * width * channels <= _LINE))
    return np.tile(values, rows * width)


class Workspace:
    """Arrays that are kept between calls, because making new ones takes longer than the computation."""

    def __init__(self) -> None:
        self.arrays: dict[tuple, np.ndarray] = {}

    def __call__(self, name: object, shape: tuple[int, ...], dtype: type, zero: bool = False) -> np.ndarray:
        """Return the array of this name and shape; with `zero`, it is filled with zeros when it is made."""
        key = name, shape, dtype
        if key not in self.arrays:
            self.arrays[key] = (np.zeros if zero else np.empty)(shape, dtype)
        return self.arrays[key]


@ACCUMULATE.register("fully_connected")
def _fully_connected(network, op, z_in):
    weights = np.ascontiguousarray(op.weights.T, z_in.dtype)

    def accumulate(q, workspace):
        rows = q.reshape(-1, len(weights))
        x = workspace("input", rows.shape, z_in.dtype)
        np.subtract(rows, z_in, out=x)
        return np.matmul(x, weights, out=workspace("total", (len(rows), weights.shape[1]), z_in.dtype))

    return accumulate


@ACCUMULATE.register("conv2d")
def _conv2d(network, op, z_in):
    out, *window, channels = op.weights.shape
    if op.dilation != (1, 1) or channels < network.shapes[op.inputs[0]][-1]:
        return _spread_conv2d(network, op, z_in)
    weights = np.ascontiguousarray(op.weights.reshape(out, -1).T, z_in.dtype)
    height, width, _ = network.shapes[op.output]
    pointwise = window == [1, 1]

    def accumulate(q, workspace):
        if pointwise:
            x = workspace("input", (len(q), height, width, channels), z_in.dtype)
            np.subtract(q[:, :: op.stride[0], :: op.stride[1]], z_in, out=x)
            columns = x.reshape(-1, channels)
        else:
            x = _padded(q, op, z_in, workspace)
            # The inputs under one row of the window are contiguous: copying them together is faster than cell by cell.
            image, row, column, value = x.strides
            under = np.lib.stride_tricks.as_strided(
                x,
                (len(q), height, width, window[0], window[1] * channels),
                (image, row * op.stride[0], column * op.stride[1], row, value),
            )
            columns = workspace("columns", under.shape, z_in.dtype)
            np.copyto(columns, under)
            columns = columns.reshape(-1, len(weights))
        return np.matmul(columns, weights, out=workspace("total", (len(columns), out), z_in.dtype))

    return accumulate


def _spread_conv2d(network, op, z_in):
    """A convolution with gaps between the cells of its window, or in groups of channels."""
    out, rows, columns, depth = op.weights.shape
    groups = network.shapes[op.inputs[0]][-1] // depth
    weights = op.weights.reshape(groups, out // groups, -1).transpose(0, 2, 1)
    weights = np.ascontiguousarray(weights, z_in.dtype)
    height, width, _ = network.shapes[op.output]

    def accumulate(q, workspace):
        x = _padded(q, op, z_in, workspace)
        image, row, column, value = x.strides
        (down, across), (below, beside) = op.stride, op.dilation
        under = np.lib.stride_tricks.as_strided(
            x,
            (groups, len(q), height, width, rows, columns, depth),
            (depth * value, image, down * row, across * column, below * row, beside * column, value),
        )
        patches = workspace("columns", under.shape, z_in.dtype)
        np.copyto(patches, under)
        return np.matmul(patches.reshape(groups, -1, rows * columns * depth), weights).transpose(1, 0, 2)

    return accumulate


@ACCUMULATE.register("transpose_conv2d")
def _transpose_conv2d(network, op, z_in):
    weights = op.weights.astype(z_in.dtype)
    return lambda q, workspace: windows.transpose_conv2d(q - z_in, weights, op.stride, op.padding, op.output_size)


@ACCUMULATE.register("depthwise_conv2d")
def _depthwise_conv2d(network, op, z_in):
    _, rows, columns, out = op.weights.shape
    if op.dilation != (1, 1):
        return lambda q, workspace: windows.depthwise_conv2d(
            _padded(q, op, z_in, workspace), op.weights, op.stride, op.dilation
        )
    size, channels = network.shapes[op.inputs[0]][:2], network.shapes[op.inputs[0]][2]
    height, width, _ = network.shapes[op.output]
    down, across = op.stride
    top, left = _before(op, size)
    # With a stride, the input is dealt out to several phases: every down-th row and across-th column in each. Then an
    # input lies at the same distance from its output everywhere, borders included, so that one flat run of outputs is
    # the sum of as many flat runs of inputs, times a weight each, as the window has cells: einsum's inner loop. What is
    # computed at the border is not looked at.
    tall, wide = height + (rows - 1) // down, width + (columns - 1) // across
    beyond = ((rows - 1) // down * wide + (columns - 1) // across) * out  # from the first input of a window to its last
    pixels = max(1, _LINE // out)
    filters = {
        (row, column): np.tile(op.weights[0, row::down, column::across].astype(z_in.dtype), (1, 1, pixels))
        for row in range(min(rows, down))
        for column in range(min(columns, across))
    }

    def phase(q, row, column, length, workspace):
        key = "phase", op.stride, op.window, size, top, left, row, column
        flat = workspace(key, (length + beyond,), z_in.dtype, zero=True)
        image = flat[: len(q) * tall * wide * out].reshape(len(q), tall, wide, out)
        y, x = max(0, -(-(top - row) // down)), max(0, -(-(left - column) // across))
        part = q[:, row + y * down - top :: down, column + x * across - left :: across][:, : tall - y, : wide - x]
        np.subtract(part, z_in, out=image[:, y : y + part.shape[1], x : x + part.shape[2]])
        return flat

    def accumulate(q, workspace):
        if out != channels:
            q = np.repeat(q, out // channels, axis=-1)
        lines = -(-len(q) * tall * wide // pixels)
        total = workspace("total", (lines, pixels * out), z_in.dtype)
        part = workspace("part", total.shape, z_in.dtype)
        for at, weights in filters.items():
            flat = phase(q, *at, total.size, workspace)
            steps = (wide * out, out, pixels * out, 1)  # down in the window, across, to the next line, along it
            inputs = np.ndarray(
                (*weights.shape[:2], *total.shape), flat.dtype, flat, strides=[flat.itemsize * step for step in steps]
            )
            first = at == (0, 0)
            np.einsum("rcnl,rcl->nl", inputs, weights, out=total if first else part)
            if not first:
                np.add(total, part, out=total)
        image = total.reshape(-1)[: len(q) * tall * wide * out].reshape(len(q), tall, wide, out)
        return image[:, :height, :width]

    return accumulate


def _before(op, size):
    """(rows above, columns to the left) that padding adds."""
    if op.padding != "same":
        return 0, 0
    (top, _), (left, _) = windows.same_padding(size, op.window, op.stride)
    return top, left


def _padded(q, op, z_in, workspace):
    """q - z_in as float32 with its border of zeros."""
    n, height, width, channels = q.shape
    top = left = bottom = right = 0
    if op.padding == "same":
        (top, bottom), (left, right) = windows.same_padding((height, width), op.reach, op.stride)
    shape = (n, top + height + bottom, left + width + right, channels)
    x = workspace(("padded", top, bottom, left, right), shape, z_in.dtype, zero=True)
    np.subtract(q, z_in, out=x[:, top : top + height, left : left + width])
    return x
