"""Movements of values: where each value of an op's output stands in its input, and which ops make up a movement.

An op that only moves values is described by offsets: one array for each axis of its output. The value at (i, j, k) is
the input's value at the position `offsets[0][i] + offsets[1][j] + offsets[2][k]`. From these arrays come the float32
arithmetic, the int8 arithmetic and the C of all such ops.

The functions that return steps say which ops make up a movement. TensorFlow Lite Micro limits the number of axes of
each op. So axes that move together are merged, and a movement with still too many axes is done one axis after the
other. A movement that changes nothing has no steps, unless `always` asks for its op.
A movement that changes nothing has no steps, unless `always` asks for its op.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]
Steps = list[tuple[str, dict[str, Any], Shape]]  # of each op: its kind, its options, the shape of its output

# The most axes, without the batch, that TensorFlow Lite Micro takes.
MOST_AXES = {
    "strided_slice": 3,
    "transpose": 4,
    "broadcast_to": 4,
    "pad": 4,
    "pad_constant": 4,
    "mirror_pad": 4,
    "batch_matmul": 4,
}
MOST_JOINED = 10  # inputs of a concatenation, as above


def positions(offsets: Sequence[np.ndarray]) -> np.ndarray:
    """The position in the input of each value of the output, in order: int (values,)."""
    return reduce(np.add.outer, offsets, np.zeros((), np.int64)).ravel()


def strides(shape: Shape) -> Shape:
    """For each axis, how many values lie between two neighbours along it."""
    return tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))


# Offsets, for each kind of op: function(op, shape of the input) to one array for each axis of the output


def sliced_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a strided_slice."""
    parts = zip(op.begin, op.size, op.steps, strides(shape), strict=True)
    return [(begin + step * np.arange(size)) * stride for begin, size, step, stride in parts]


def transposed_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a transpose."""
    return [np.arange(shape[axis]) * strides(shape)[axis] for axis in op.perm]


def broadcast_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a broadcast_to: an axis of size 1 is repeated."""
    shape = (1,) * (len(op.size) - len(shape)) + shape
    parts = zip(op.size, shape, strides(shape), strict=True)
    return [np.arange(size) * (stride if size == given else 0) for size, given, stride in parts]


def gathered_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a gather: the indices along its axis."""
    chosen = [np.asarray(op.indices) if axis == op.axis else np.arange(n) for axis, n in enumerate(shape)]
    return [index * stride for index, stride in zip(chosen, strides(shape), strict=True)]


def mirrored_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a mirror_pad."""
    parts = zip(shape, op.paddings, strides(shape), strict=True)
    return [np.pad(np.arange(n), pair, mode=op.mode) * stride for n, pair, stride in parts]


def resized_offsets(op: Any, shape: Shape) -> list[np.ndarray]:
    """Of a resize_nearest."""
    rows, columns = (
        nearest(n, size, op.align_corners, op.half_pixel_centers) for n, size in zip(shape[:2], op.size, strict=True)
    )
    return [rows * (shape[1] * shape[2]), columns * shape[2], np.arange(shape[2])]


def nearest(n: int, size: int, align_corners: bool, half_pixel_centers: bool) -> np.ndarray:
    """For each of `size` places the nearest of n: in float32, as TensorFlow Lite Micro computes it."""
    above, below = (n - 1, size - 1) if align_corners and size > 1 else (n, size)
    scale = np.float32(above) / np.float32(below)
    places = (np.arange(size, dtype=np.float32) + np.float32(0.5 if half_pixel_centers else 0)) * scale
    whole = np.floor(places.astype(np.float64) + (0.5 if align_corners else 0))
    return np.clip(whole.astype(np.int64), 0, n - 1)


# Steps


def sliced(
    shape: Shape, begin: Sequence[int], size: Sequence[int], steps: Sequence[int], always: bool = False
) -> Steps:
    """Take `size` values along each axis, from `begin` on, every `steps`-th; a negative step goes backwards."""
    along = [
        None if (first, count, step) == (0, n, 1) else (int(first), int(count), int(step))
        for first, count, step, n in zip(begin, size, steps, shape, strict=True)
    ]

    def make(shape, along):
        parts = [(0, n, 1) if part is None else part for n, part in zip(shape, along, strict=True)]
        begin, size, steps = zip(*parts, strict=True)
        return "strided_slice", {"begin": begin, "size": size, "steps": steps}, size

    return _by_axes("strided_slice", shape, along, make, always)


def padded(shape: Shape, paddings: Sequence[Sequence[int]], fill: float | None = None, always: bool = False) -> Steps:
    """Add (before, after) values along each axis, all of them `fill`, by default 0."""
    kind, more = ("pad", {}) if fill is None else ("pad_constant", {"fill": float(fill)})
    return _bordered(kind, shape, paddings, more, always)


def mirrored(shape: Shape, paddings: Sequence[Sequence[int]], mode: str, always: bool = False) -> Steps:
    """Add (before, after) values along each axis, mirrored at its ends; mode is "reflect" or "symmetric"."""
    return _bordered("mirror_pad", shape, paddings, {"mode": mode}, always)


def _bordered(kind, shape, paddings, more, always):
    along = [(int(before), int(after)) if before or after else None for before, after in paddings]

    def make(shape, along):
        pairs = tuple(pair or (0, 0) for pair in along)
        grown = tuple(n + before + after for n, (before, after) in zip(shape, pairs, strict=True))
        return kind, more | {"paddings": pairs}, grown

    return _by_axes(kind, shape, along, make, always)


def broadcast(shape: Shape, size: Sequence[int], always: bool = False) -> Steps:
    """Repeat axes of size 1 until the shape is `size`, which may have more axes in front."""
    full = (1,) * (len(size) - len(shape)) + shape
    along = [None if n == wanted else int(wanted) for n, wanted in zip(full, size, strict=True)]

    def make(shape, along):
        wanted = tuple(n if part is None else part for n, part in zip(shape, along, strict=True))
        return "broadcast_to", {"size": wanted}, wanted

    if len(size) <= MOST_AXES["broadcast_to"] and (always or full != tuple(size)):
        return [make(full, along)]
    return then(reshaped(shape, full), _by_axes("broadcast_to", full, along, make, always, prod))


def tiled(shape: Shape, repeats: Sequence[int]) -> Steps:
    """Repeat the whole tensor along each axis: an axis of n becomes (1, n), then (times, n), then times * n."""
    full = (1,) * (len(repeats) - len(shape)) + shape
    sides = list(zip(full, map(int, repeats), strict=True))
    before = tuple(side for n, times in sides for side in ((1, n) if times > 1 else (n,)))
    after = tuple(side for n, times in sides for side in ((times, n) if times > 1 else (n,)))
    return then(reshaped(shape, before), broadcast(before, after), reshaped(after, tuple(n * t for n, t in sides)))


def repeated(shape: Shape, times: int, axis: int) -> Steps:
    """Repeat each value along an axis: an axis of n becomes (n, 1), then (n, times), then n * times."""
    before, n, after = shape[:axis], shape[axis], shape[axis + 1 :]
    apart, full = (*before, n, 1, *after), (*before, n, times, *after)
    return then(reshaped(shape, apart), broadcast(apart, full), reshaped(full, (*before, n * times, *after)))


def transposed(shape: Shape, perm: Sequence[int], always: bool = False) -> Steps:
    """Put the axes into another order."""
    perm = tuple(map(int, perm))
    result = tuple(shape[axis] for axis in perm)
    large = [axis for axis in perm if shape[axis] > 1]
    changes = large != sorted(large)
    if len(shape) <= MOST_AXES["transpose"] and (always or changes):
        return [("transpose", {"perm": perm}, result)]
    if not changes:
        return reshaped(shape, result)
    # Without axes of size 1, and with axes merged that stay neighbours.
    groups: list[list[int]] = []
    for axis in large:
        if groups and not any(groups[-1][-1] < other < axis for other in large) and axis > groups[-1][-1]:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    order = sorted(groups)
    sides = tuple(prod(shape[axis] for axis in group) for group in order)
    wanted = tuple(order.index(group) for group in groups)
    after = tuple(sides[axis] for axis in wanted)
    if len(sides) <= MOST_AXES["transpose"]:
        return then(reshaped(shape, sides), [("transpose", {"perm": wanted}, after)], reshaped(after, result))
    # One axis after the other moves to its place.
    steps, now, left = [], shape, list(range(len(sides)))
    for place, axis in enumerate(wanted):
        at = left.index(axis)
        if at > place:
            parts = left[:place], left[place:at], left[at : at + 1], left[at + 1 :]
            four = tuple(prod(sides[a] for a in part) for part in parts)
            moved = (four[0], four[2], four[1], four[3])
            steps = then(steps, reshaped(now, four), [("transpose", {"perm": (0, 2, 1, 3)}, moved)])
            now, left = moved, [*parts[0], *parts[2], *parts[1], *parts[3]]
    return then(steps, reshaped(now, result))


def gathered(shape: Shape, indices: Iterable[int], axis: int) -> Steps:
    """Take the values at these indices along an axis."""
    indices = tuple(map(int, indices))
    result = (*shape[:axis], len(indices), *shape[axis + 1 :])
    if len(shape) <= 4:
        return [("gather", {"indices": indices, "axis": axis}, result)]
    three = (prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :]))
    after = (three[0], len(indices), three[2])
    return then(reshaped(shape, three), [("gather", {"indices": indices, "axis": 1}, after)], reshaped(after, result))


def depth_to_space(shape: Shape, block: int) -> Steps:
    """Channels become blocks of pixels: (h, w, block * block * c) to (h * block, w * block, c)."""
    height, width, c = shape[0], shape[1], shape[2] // block**2
    apart, result = (height, width, block, block * c), (height * block, width * block, c)
    moved = (height, block, width, block * c)
    return then(reshaped(shape, apart), transposed(apart, (0, 2, 1, 3)), reshaped(moved, result))


def space_to_depth(shape: Shape, block: int) -> Steps:
    """Blocks of pixels become channels: the inverse of `depth_to_space`."""
    height, width, c = shape[0] // block, shape[1] // block, shape[2]
    apart, result = (height, block, width, block * c), (height, width, block**2 * c)
    moved = (height, width, block, block * c)
    return then(reshaped(shape, apart), transposed(apart, (0, 2, 1, 3)), reshaped(moved, result))


def reshaped(shape: Shape, wanted: Shape) -> Steps:
    """The same values in another shape."""
    return [] if shape == wanted else [("reshape", {}, wanted)]


def then(*parts: Steps) -> Steps:
    """The steps of all parts; of two reshapes in a row only the last."""
    steps: Steps = []
    for step in (step for part in parts for step in part):
        if steps and step[0] == steps[-1][0] == "reshape":
            steps.pop()
        steps.append(step)
    return steps


def _by_axes(
    kind: str, shape: Shape, along: Sequence[Any], make: Callable, always: bool, join: Callable | None = None
) -> Steps:
    """One op if Micro takes so many axes; otherwise one with axes merged; otherwise an op for each axis.

    Args:
        kind: of the op.
        shape: of the input.
        along: for each axis, what happens along it; None for nothing.
        make: function(shape, along) to the step.
        always: whether to make an op also if nothing happens, if Micro takes so many axes.
        join: function from what happens along neighbours of size 1 to what happens along them merged.
    """
    nothing = all(part is None for part in along)
    if len(shape) <= MOST_AXES[kind] and (always or not nothing):
        return [make(shape, along)]
    if nothing:
        return []
    groups: list[list[int]] = []
    for axis, part in enumerate(along):
        last = along[groups[-1][-1]] if groups else None
        if groups and (last is None) == (part is None) and (part is None or join):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    if len(groups) <= MOST_AXES[kind]:
        of_all = make(shape, along)[2]
        merged = tuple(prod(shape[axis] for axis in group) for group in groups)
        parts = [along[g[0]] if len(g) == 1 or along[g[0]] is None else join(along[a] for a in g) for g in groups]
        step = make(merged, parts)
        return then(reshaped(shape, merged), [step], reshaped(step[2], of_all))
    steps: Steps = []
    for axis, part in enumerate(along):
        if part is not None:
            step = make((prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])), [None, part, None])
            after = (*shape[:axis], step[2][1], *shape[axis + 1 :])
            three = (step[2][0], shape[axis], step[2][2])
            steps, shape = then(steps, reshaped(shape, three), [step], reshaped(step[2], after)), after
    return steps
