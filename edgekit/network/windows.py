"""Sliding windows in NumPy, shared by the float and the integer network.

The functions take floating point arrays of shape (N, height, width, channels). Integer inference calls them with whole
numbers: sums of whole numbers are exact in float32 below 2**24 and in float64 below 2**53, in any order.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np

Pair = tuple[int, int]


def one_thread() -> AbstractContextManager:
    """A context in which NumPy's matrix products use one thread: for a few images, more threads do not help."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "blas")


def reach(window: Pair, dilation: Pair) -> Pair:
    """(height, width) from the first to the last cell of a window whose cells are `dilation` cells apart."""
    return (window[0] - 1) * dilation[0] + 1, (window[1] - 1) * dilation[1] + 1


def output_size(size: Pair, window: Pair, stride: Pair, padding: str) -> Pair:
    """(height, width) of the output of a window moved over an input of this (height, width)."""
    if padding == "same":
        return -(-size[0] // stride[0]), -(-size[1] // stride[1])
    return (size[0] - window[0]) // stride[0] + 1, (size[1] - window[1]) // stride[1] + 1


def same_padding(size: Pair, window: Pair, stride: Pair) -> tuple[Pair, Pair]:
    """((top, bottom), (left, right)) of TensorFlow's SAME padding: equal on both sides, or one cell more at the end."""
    rows, columns = (max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, window, stride, strict=True))
    return (rows // 2, rows - rows // 2), (columns // 2, columns - columns // 2)


def pad_for(x: np.ndarray, window: Pair, stride: Pair, padding: str, value: float) -> np.ndarray:
    """x with the border for this padding, filled with value."""
    if padding != "same":
        return x
    (top, bottom), (left, right) = same_padding(x.shape[1:3], window, stride)
    if not (top or bottom or left or right):
        return x
    n, height, width, channels = x.shape
    padded = np.full((n, top + height + bottom, left + width + right, channels), value, x.dtype)
    padded[:, top : top + height, left : left + width] = x
    return padded


def taps(x: np.ndarray, window: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Iterator[np.ndarray]:
    """For each cell of the window in turn, the inputs under it at every output position."""
    rows, columns = reach(window, dilation)
    height, width = output_size(x.shape[1:3], (rows, columns), stride, "valid")
    for row in range(0, rows, dilation[0]):
        for column in range(0, columns, dilation[1]):
            yield (
                x[
                    :,
                    row : row + (height - 1) * stride[0] + 1 : stride[0],
                    column : column + (width - 1) * stride[1] + 1 : stride[1],
                ]
            )


def conv2d(x: np.ndarray, weights: np.ndarray, stride: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Convolution without padding as one matrix product; weights (out, height, width, in).

    If the weights have fewer input channels than x, they are in groups: the first filters read the first channels, and
    so on.
    """
    out, height, width, depth = weights.shape
    if depth < x.shape[-1]:
        groups = x.shape[-1] // depth
        parts = zip(np.split(x, groups, axis=-1), np.split(weights, groups), strict=True)
        return np.concatenate([conv2d(inputs, filters, stride, dilation) for inputs, filters in parts], axis=-1)
    window = (height, width)
    if window == (1, 1):
        columns = x[:, :: stride[0], :: stride[1]]
    elif dilation[1] == 1 and x.flags.c_contiguous:
        columns = _rows_under(x, window, stride, dilation[0])
    else:
        columns = np.concatenate(list(taps(x, window, stride, dilation)), axis=-1)
    n, height, width, depth = columns.shape
    return (columns.reshape(-1, depth) @ weights.reshape(out, -1).T.astype(x.dtype)).reshape(n, height, width, out)


def _rows_under(x: np.ndarray, window: Pair, stride: Pair, dilation: int) -> np.ndarray:
    """All inputs under the window at every output position, the last axis of `taps` joined; copied row by row."""
    n, _, _, depth = x.shape
    height, width = output_size(x.shape[1:3], reach(window, (dilation, 1)), stride, "valid")
    image, row, column, value = x.strides
    view = np.lib.stride_tricks.as_strided(
        x,
        (n, height, width, window[0], window[1] * depth),
        (image, row * stride[0], column * stride[1], row * dilation, value),
        writeable=False,
    )
    return view.reshape(n, height, width, window[0] * window[1] * depth)


def depthwise_conv2d(x: np.ndarray, weights: np.ndarray, stride: Pair, dilation: Pair = (1, 1)) -> np.ndarray:
    """Each input channel with its own filters, without padding; weights (1, height, width, in * multiplier)."""
    _, rows, columns, out = weights.shape
    if out != x.shape[-1]:
        x = np.repeat(x, out // x.shape[-1], axis=-1)
    height, width = output_size(x.shape[1:3], reach((rows, columns), dilation), stride, "valid")
    # The columns and channels of an output row as one axis: NumPy is slow where the last axis has only a few channels.
    row_shape = (len(x), height, width * out)
    filters = np.tile(weights.reshape(-1, out).astype(x.dtype), width)
    across = (
        [x] if stride[1] == 1 else [np.ascontiguousarray(x[:, :, first :: stride[1]]) for first in range(stride[1])]
    )
    total, product = np.empty(row_shape, x.dtype), np.empty(row_shape, x.dtype)
    for number, cell in enumerate(filters):
        row, column = number // columns * dilation[0], number % columns * dilation[1]
        first = column // stride[1]
        tap = across[column % stride[1]][:, row : row + (height - 1) * stride[0] + 1 : stride[0], first : first + width]
        np.multiply(tap.reshape(row_shape), cell, out=product if number else total)
        if number:
            total += product
    return total.reshape(len(x), height, width, out)


def transpose_conv2d(x: np.ndarray, weights: np.ndarray, stride: Pair, padding: str, size: Pair) -> np.ndarray:
    """Each input pixel adds its filters to the outputs under the window, which moves over the output.

    Args:
        x: array (N, height, width, in).
        weights: (out, height, width, in).
        stride: how far the window moves over the output from one input pixel to the next.
        padding: "same" or "valid", of the convolution that goes from the output's size to the input's.
        size: (height, width) of the output.

    Returns:
        array (N, *size, out).
    """
    n, height, width, _ = x.shape
    out, rows, columns, _ = weights.shape
    (top, _), (left, _) = same_padding(size, (rows, columns), stride) if padding == "same" else ((0, 0), (0, 0))
    down, across = (height - 1) * stride[0] + 1, (width - 1) * stride[1] + 1
    total = np.zeros((n, max(top + size[0], down + rows - 1), max(left + size[1], across + columns - 1), out), x.dtype)
    for row in range(rows):
        for column in range(columns):
            filters = weights[:, row, column].T.astype(x.dtype)
            total[:, row : row + down : stride[0], column : column + across : stride[1]] += x @ filters
    return total[:, top : top + size[0], left : left + size[1]]


def max_pool2d(x: np.ndarray, pool: Pair, stride: Pair) -> np.ndarray:
    """The largest value of each window."""
    first, *others = taps(x, pool, stride)
    result = first.copy()
    for tap in others:
        np.maximum(result, tap, out=result)
    return result


def sum_pool2d(x: np.ndarray, pool: Pair, stride: Pair) -> np.ndarray:
    """The sum of each window."""
    first, *others = taps(x, pool, stride)
    result = first.copy()
    for tap in others:
        result += tap
    return result


def valid_cells(size: Pair, pool: Pair, stride: Pair, padding: str) -> np.ndarray:
    """How many cells of each window lie inside the image: float32 (height, width)."""
    inside = np.ones((1, *size, 1), np.float32)
    return sum_pool2d(pad_for(inside, pool, stride, padding, 0.0), pool, stride)[0, :, :, 0]
