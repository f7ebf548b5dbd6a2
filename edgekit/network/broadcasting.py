"""Broadcasting of two tensors: axes are aligned at the last one, and a side of 1 is repeated, as in NumPy.

The batch is never repeated: an array with fewer axes gets its new axes after the batch.
"""

from collections.abc import Sequence

import numpy as np

from edgekit.errors import InvalidValue

MOST_AXES = 3  # without the batch: TensorFlow Lite Micro's kernels repeat values over at most 4 axes with it


def output_shape(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of an op on two tensors.

    Args:
        name: the op's name, for the message.
        shapes: of its inputs, without the batch.

    Returns:
        The shape of its output, without the batch.

    Raises:
        ValueError: the shapes do not fit each other, or have too many axes.
    """
    shapes = [tuple(shape) for shape in shapes]
    if len(set(shapes)) == 1:
        return shapes[0]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise InvalidValue(
            f"{name!r} has inputs of the shapes {_texts(shapes)}: each side must be the same in both, or 1 in one"
        ) from None
    if len(shape) > MOST_AXES:
        raise InvalidValue(
            f"{name!r} repeats values over {len(shape)} axes ({_texts(shapes)}); at most {MOST_AXES} are supported"
        )
    return shape


def _texts(shapes):
    return " and ".join(map(str, shapes))


def aligned(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays (N, *shape) with equally many axes, new ones after the batch: then NumPy repeats the right values."""
    rank = max(array.ndim for array in arrays)
    return [array.reshape(len(array), *(1,) * (rank - array.ndim), *array.shape[1:]) for array in arrays]


def loops(shapes: Sequence[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """The fewest nested loops over the output's values, in order.

    Args:
        shapes: of the two inputs, without the batch.

    Returns:
        (sizes, steps). sizes has the number of turns of each loop, the outermost first. steps has for each input how
        many values further each loop goes in it: 0 where it repeats values.

    Example:
        >>> loops([(4, 5, 3), (1, 1, 3)])  # an image times a factor for each channel
        ([20, 3], [[3, 1], [0, 1]])
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    merged: list[tuple[int, list[bool]]] = []  # (size, whether each input has this axis), the outermost first
    for sides in zip(*padded, strict=True):
        size = max(sides)
        if size == 1:
            continue
        present = [side != 1 for side in sides]
        if merged and merged[-1][1] == present:
            merged[-1] = (merged[-1][0] * size, present)
        else:
            merged.append((size, present))
    merged = merged or [(1, [True] * len(shapes))]
    steps = []
    for position in range(len(shapes)):
        step, of_input = 1, []
        for size, present in reversed(merged):
            of_input.append(step if present[position] else 0)
            step *= size if present[position] else 1
        steps.append(of_input[::-1])
    return [size for size, _ in merged], steps
