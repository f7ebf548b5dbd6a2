"""The same integers as `edgekit.integer`, many times faster: convolutions in floating point, where that is exact.

Three facts make it so.

1.  Whole numbers have no rounding in float32 below 2^24, nor in float64 below 2^53: a sum of products computed as a
    matrix product is exact in any order, as long as the sum of the magnitudes stays below.

2.  Both roundings of `requantize` together are one floor. The first is floor(v + 1/2) with v = a * M / 2^31. The
    second, a shift by e with halves up, is floor((h + 2^(e-1)) / 2^e). And floor(floor(y) / n) = floor(y / n), so that

        floor((floor(v + 1/2) + 2^(e-1)) / 2^e) = floor(v / 2^e + 1/2 + 2^-(e+1)).

    TensorFlow Lite Micro rounds halves away from zero in the second step, which below zero (v + 1/2 < 0, e > 0) takes
    one less: 2^-e less inside the floor. Where a ReLU clamps at the zero point, nothing below zero is seen.

3.  All of these are multiples of 2^-(31+e), so that float64 holds them exactly while they stay below 2^53 such steps:
    |a + b| * M for the product, and 2^(31+e) more for each unit added. A bias is but a constant to add:
    (a + b) * k + c is a * k + (b * k + c). So is the zero point, if there is room for it; otherwise it is added last.

`plan` proves the bounds for each op from its weights, and gives None where they do not hold.
"""

import numpy as np

from edgekit import _convolution
from edgekit.quantization import QMAX, QMIN, by_channel, output_bounds, requantization


def plan(network, op):
    """A function from int8 (n, *input shape) and a `Workspace` to the op's int8 output; None if not surely exact."""
    source = network.quantization[op.inputs[0]]
    z_in, z_out = source.zero_point, network.quantization[op.output].zero_point
    reach = max(QMAX - z_in, z_in - QMIN)
    sums = reach * np.abs(by_channel(op.weights, op.kind).astype(np.int64)).sum(axis=1)
    multipliers, shifts = requantization(network, op)
    unit = np.ldexp(1.0, 31 - np.minimum(shifts, 0))  # how many of the steps of fact 3 make one
    steps = (sums + np.abs(op.bias.astype(np.float64))) * multipliers + unit
    if steps.max() >= 2**53 or shifts.max() > 0:
        return None
    early = z_out if (steps + abs(z_out) * unit).max() < 2**53 else 0
    late = z_out - early
    dtype = np.float32 if sums.max() < 2**24 else np.float64
    e = -shifts.astype(np.float64)
    k = multipliers * 2.0 ** (-31 - e)
    offset = op.bias * k + 0.5 + np.where(e > 0, 2.0 ** -(e + 1), 0)
    below_zero = np.where(e > 0, 2.0**-e, 0)
    lowest, highest = output_bounds(network, op)
    signed = lowest < z_out
    shape = network.shapes[op.output]
    # Constants a row of the output long: NumPy's inner loop is then a row, not a pixel of a few channels.
    repeats = shape[1] if len(shape) == 3 else 1
    zero = np.tile(-(op.bias * k + 0.5 * 2.0**-e), repeats) if signed else None
    k, offset, below_zero = (np.tile(values, repeats) for values in (k, offset + early, below_zero))
    accumulate = _accumulator(network, op, z_in, dtype)

    def step(q, workspace):
        total = accumulate(q, workspace).reshape(-1, len(k))
        scaled = np.multiply(total, k, out=workspace("scaled", total.shape, np.float64))
        if signed:
            negative = np.less(scaled, zero, out=workspace("negative", total.shape, bool))
        scaled += offset
        if signed:
            np.subtract(scaled, below_zero, out=scaled, where=negative)
        np.floor(scaled, out=scaled)
        if late:
            scaled += late
        result = np.empty(total.shape, np.int8)
        np.clip(scaled, lowest, highest, out=result, casting="unsafe")
        return result.reshape(len(q), *shape)

    return step


class Workspace:
    """Arrays to write into, kept between calls: fresh ones would cost more than what is computed in them."""

    def __init__(self):
        self.arrays = {}

    def __call__(self, name, shape, dtype, zero=False):
        """An array of this name and shape; with `zero` it starts as zeros, and stays so where nobody writes."""
        key = name, shape, dtype
        if key not in self.arrays:
            self.arrays[key] = (np.zeros if zero else np.empty)(shape, dtype)
        return self.arrays[key]


def _accumulator(network, op, z_in, dtype):
    """A function from int8 input and workspace to the sums, of this dtype, of (q - z_in) * w."""
    makers = {"conv2d": _conv2d, "depthwise_conv2d": _depthwise_conv2d, "fully_connected": _fully_connected}
    return makers[op.kind](network, op, dtype(z_in))


def _fully_connected(network, op, z_in):
    weights = np.ascontiguousarray(op.weights.T, z_in.dtype)

    def accumulate(q, workspace):
        x = workspace("input", (len(q), len(weights)), z_in.dtype)
        np.subtract(q.reshape(len(q), -1), z_in, out=x)
        return np.matmul(x, weights, out=workspace("total", (len(q), weights.shape[1]), z_in.dtype))

    return accumulate


def _conv2d(network, op, z_in):
    out, *window, channels = op.weights.shape
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
            # The inputs under one row of the window lie in one piece: copied whole, not cell by cell.
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


def _depthwise_conv2d(network, op, z_in):
    _, _, columns, out = op.weights.shape
    channels = network.shapes[op.inputs[0]][-1]
    height, width, _ = network.shapes[op.output]
    down, across = op.stride
    filters = [np.tile(row, width).astype(z_in.dtype) for row in op.weights.reshape(-1, out)]

    def accumulate(q, workspace):
        if out != channels:
            q = np.repeat(q, out // channels, axis=-1)
        x = _padded(q, op, z_in, workspace)
        n = len(q)
        # Every across-th column side by side, so that the inputs under one row of outputs lie in one piece.
        phases = [x]
        if across > 1:
            phases = []
            for phase in range(min(across, columns)):
                part = x[:, :, phase::across]
                phases.append(workspace(f"phase {phase}", part.shape, z_in.dtype))
                np.copyto(phases[-1], part)
        phases = [part.reshape(n, part.shape[1], -1) for part in phases]
        total = workspace("total", (n, height, width * out), z_in.dtype)
        product = workspace("product", total.shape, z_in.dtype)
        for index, weights in enumerate(filters):
            row, column = divmod(index, columns)
            first = column // across * out
            tap = phases[column % across][:, row : row + (height - 1) * down + 1 : down, first : first + width * out]
            if index == 0:
                np.multiply(tap, weights, out=total)
            else:
                np.multiply(tap, weights, out=product)
                np.add(total, product, out=total)
        return total

    return accumulate


def _padded(q, op, z_in, workspace):
    """q - z_in as float32 with its border of zeros."""
    n, height, width, channels = q.shape
    top = left = bottom = right = 0
    if op.padding == "same":
        (top, bottom), (left, right) = _convolution.same_padding((height, width), op.window, op.stride)
    shape = (n, top + height + bottom, left + width + right, channels)
    x = workspace(f"padded {top} {left}", shape, z_in.dtype, zero=True)
    np.subtract(q, z_in, out=x[:, top : top + height, left : left + width])
    return x
