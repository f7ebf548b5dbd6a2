"""Computes the int32 tensors of a .tflite file from which ops take a shape, since all shapes are known.

Where a batch or a side was open when a model was converted, the file computes shapes from shapes: SHAPE, STRIDED_SLICE,
PACK, RESHAPE. On a microcontroller every shape is fixed, so all of these are numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def part(shape: Sequence[int], begin: Any, end: Any, steps: Any, options: Any) -> tuple[list[range], set[int]]:
    """The indices that a STRIDED_SLICE takes along each axis, and the axes that it removes.

    Args:
        shape: of its input, with the batch.
        begin, end, steps: its constants, one number for each axis.
        options: its options in the file, with masks.

    Returns:
        (ranges, removed).
    """
    ranges, removed = [], set()
    for axis, n in enumerate(shape):
        first, last, step = (int(values[axis]) for values in (begin, end, steps))
        if options.shrinkAxisMask >> axis & 1:
            first = first + n if first < 0 else first
            ranges.append(range(first, first + 1))
            removed.add(axis)
            continue
        chosen = slice(
            None if options.beginMask >> axis & 1 else first, None if options.endMask >> axis & 1 else last, step
        )
        ranges.append(range(*chosen.indices(n)))
    return ranges, removed


def _strided_slice(options, x, begin, end, steps):
    ranges, removed = part(x.shape, begin, end, steps, options)
    return np.squeeze(x[np.ix_(*ranges)], axis=tuple(removed))


def _gather(options, x, indices):
    return np.take(x, indices, axis=options.axis)


# function(options, *inputs): what the operator computes from whole numbers
KNOWN: dict[str, Callable[..., np.ndarray]] = {
    "STRIDED_SLICE": _strided_slice,
    "GATHER": _gather,
    "PACK": lambda options, *parts: np.stack(parts, options.axis),
    "CONCATENATION": lambda options, *parts: np.concatenate(parts, options.axis),
    "REDUCE_PROD": lambda options, x, axes: x.prod(axis=tuple(axes.ravel()), keepdims=bool(options.keepDims)),
    "RESHAPE": lambda options, x, shape: x.reshape(shape),
    "CAST": lambda options, x: x,
    "MUL": lambda options, a, b: a * b,
    "ADD": lambda options, a, b: a + b,
    "SUB": lambda options, a, b: a - b,
    "MAXIMUM": lambda options, a, b: np.maximum(a, b),
    "MINIMUM": lambda options, a, b: np.minimum(a, b),
}
