"""Bilinear resizing, in float32 and in int8: between which two pixels each place of the output lies, and how far."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue

ONE = 1 << 10  # a pixel, in the whole numbers of the int8 arithmetic


def places(n: int, size: int, align_corners: bool, half_pixel_centers: bool) -> tuple[np.float32, np.float32]:
    """(scale, offset): place i of `size` lies at scale * (i + offset) - offset among n pixels, in float32."""
    above, below = (n - 1, size - 1) if align_corners and size > 1 else (n, size)
    return np.float32(above) / np.float32(below), np.float32(0.5 if half_pixel_centers else 0)


def whole_places(n: int, size: int, align_corners: bool, half_pixel_centers: bool) -> tuple[int, int]:
    """(scale, offset): place i of `size` lies at scale * i + offset among n pixels, in 1024ths, as Micro computes it.

    Raises:
        ValueError: the places reach beyond the last pixel: TensorFlow Lite Micro would read other memory there.
    """
    above, below = (n - 1, size - 1) if align_corners and size > 1 else (n, size)
    scale = (ONE * above + below // 2) // below
    offset = scale // 2 - ONE // 2 if half_pixel_centers else 0
    if scale * (size - 1) + offset >= ONE * n:
        raise InvalidValue(
            f"a bilinear resize from {n} to {size} pixels in int8 reaches beyond the last one, because TensorFlow Lite "
            "Micro rounds its scale: choose a smaller size, or resize to the nearest pixel"
        )
    return scale, offset


def neighbours(at: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(first pixel, second pixel, distance from the first) of places among n pixels."""
    first = np.maximum(np.floor(at), 0).astype(int)
    return first, np.minimum(np.ceil(at).astype(int), n - 1), at - first.astype(at.dtype)


def bilinear(x: np.ndarray, along: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], one: float) -> np.ndarray:
    """The weighted sums of four pixels.

    Args:
        x: array (N, height, width, channels).
        along: for rows and for columns of the output, (first pixel, second pixel, distance from the first).
        one: the distance of two pixels.

    Returns:
        array (N, rows, columns, channels), in steps of 1 / one**2.
    """
    rows, columns = along
    total: Any = 0
    for row, height in ((rows[0], one - rows[2]), (rows[1], rows[2])):
        for column, width in ((columns[0], one - columns[2]), (columns[1], columns[2])):
            total = total + x[:, row][:, :, column] * height[:, None, None] * width[:, None]
    return total
