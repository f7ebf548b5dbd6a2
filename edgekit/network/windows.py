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


def taps(x: np.ndarray, window: Pair, stride: Pair) -> Iterator[np.ndarray]:
    """For each cell of the window in turn, the inputs under it at every output position."""
    height, width = output_size(x.shape[1:3], window, stride, "valid")
    for row in range(window[0]):
        for column in range(window[1]):
            yield (
                x[
                    :,
                    row : row + (height - 1) * stride[0] + 1 : stride[0],
                    column : column + (width - 1) * stride[1] + 1 : stride[1],
                ]
            )


def conv2d(x: np.ndarray, weights: np.ndarray, stride: Pair) -> np.ndarray:
    """Convolution without padding as one matrix product; weights (out, height, width, in)."""
    out, height, width, _ = weights.shape
    window = (height, width)
    if window == (1, 1):
        columns = x[:, :: stride[0], :: stride[1]]
    else:
        columns = np.concatenate(list(taps(x, window, stride)), axis=-1)
    n, height, width, depth = columns.shape
    return (columns.reshape(-1, depth) @ weights.reshape(out, -1).T.astype(x.dtype)).reshape(n, height, width, out)


def depthwise_conv2d(x: np.ndarray, weights: np.ndarray, stride: Pair) -> np.ndarray:
    """Each input channel with its own filters, without padding; weights (1, height, width, in * multiplier)."""
    _, rows, columns, out = weights.shape
    if out != x.shape[-1]:
        x = np.repeat(x, out // x.shape[-1], axis=-1)
    filters = weights.reshape(-1, out).astype(x.dtype)
    total = product = None
    for tap, row in zip(taps(x, (rows, columns), stride), filters, strict=True):
        if total is None:
            total = tap * row
            product = np.empty_like(total)
        else:
            np.multiply(tap, row, out=product)
            total += product
    return total


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
