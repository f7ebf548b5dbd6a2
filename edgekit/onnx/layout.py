"""In which order a tensor holds its axes: ONNX has channels first, a network has them last.

A transpose of an image costs memory and time on a microcontroller. So a reader does not enter one where ONNX has it: it
notes which of ONNX's axes a tensor holds, in which order. Ops are entered only where a layer needs another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.network import Shape, moves


@dataclass(frozen=True)
class Value:
    """A tensor of ONNX, and the tensor of the network that holds its values.

    Attributes:
        name: of the tensor in the network.
        shape: in ONNX, with the batch.
        axes: ONNX's axes that the tensor holds, in its order. Axes that are not among them have the size 1.
        last: whether it holds the channels of an image or sequence last because a layer made it so.
    """

    name: str
    shape: Shape
    axes: tuple[int, ...]
    last: bool = False

    def axis(self, axis: int) -> int:
        """One of ONNX's axes, counted from the first."""
        return axis % len(self.shape)


def usual_axes(shape: Shape) -> tuple[int, ...]:
    """All axes in ONNX's order, without the batch if that is 1."""
    return tuple(range(1 if len(shape) > 1 and shape[0] == 1 else 0, len(shape)))


def channels_last(rank: int) -> tuple[int, ...]:
    """The axes of an image (N, C, H, W) or a sequence (N, C, T) with the channels last."""
    return (*range(2, rank), 1)


def held_shape(shape: Shape, axes: Sequence[int]) -> Shape:
    """The shape of a tensor that holds these axes; a tensor has at least one axis."""
    return tuple(shape[axis] for axis in axes) or (1,)


def arranged(shape: Shape, axes: Sequence[int], wanted: Sequence[int]) -> moves.Steps:
    """The ops from a tensor that holds some axes to one that holds others; axes of only one of them have the size 1."""
    kept = [axis for axis in axes if axis in wanted]
    order = [axis for axis in wanted if axis in kept]
    before, after = held_shape(shape, kept), held_shape(shape, order)
    perm = [kept.index(axis) for axis in order] or [0]
    return moves.then(
        moves.reshaped(held_shape(shape, axes), before),
        moves.transposed(before, perm),
        moves.reshaped(after, held_shape(shape, wanted)),
    )


def groups(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]]:
    """Which axes a reshape splits and joins.

    Args:
        before: a shape.
        after: another one with equally many values.

    Returns:
        Pairs (axes of `before`, axes of `after`) with equally many values, as few as possible, without axes of size 1.

    Example:
        >>> groups((1, 6, 4, 4), (1, 2, 3, 16))
        [([1], [1, 2]), ([2, 3], [3])]
    """
    first = [axis for axis, n in enumerate(before) if n != 1]
    second = [axis for axis, n in enumerate(after) if n != 1]
    found = []
    while first:
        one, other = [first.pop(0)], [second.pop(0)]
        n, m = before[one[0]], after[other[0]]
        while n != m:
            if n < m:
                one.append(first.pop(0))
                n *= before[one[-1]]
            else:
                other.append(second.pop(0))
                m *= after[other[-1]]
        found.append((one, other))
    return found
