"""Writes ops that only move values as C: the code is the same for int8 and float32."""

from math import prod

import numpy as np

from edgekit.codegen.step import Step, array
from edgekit.errors import InvalidValue
from edgekit.network import OPS, Graph, Op


def concatenate(model: Graph, op: Op, width: int) -> Step:
    """A concatenation: one copy for each input.

    Args:
        model: the network.
        op: the op.
        width: bytes of a value.

    Returns:
        `Step`.
    """
    after = lambda name: prod(model.shapes[name][op.axis :]) * width  # noqa: E731
    rows = prod(model.shapes[op.output][: op.axis])
    stride, offset, calls = after(op.output), 0, []
    for i, name in enumerate(op.inputs):
        target = f"(uint8_t *){{out}} + {offset}" if offset else "{out}"
        calls.append(f"concatenate({{in{i}}}, {target}, {rows}, {after(name)}, {stride});")
        offset += after(name)
    return Step("bytes/concatenate.h", "\n".join(calls))


def move(model: Graph, op: Op, layer: str, width: int) -> Step:
    """An op that only moves values, from the offsets that say where each of them stands in the input."""
    offsets = OPS[op.kind].offsets(op, model.shapes[op.inputs[0]])
    start = sum(int(along[0]) for along in offsets) * width
    axes = [_Axis(along * width) for along in offsets]
    step = width
    for axis in reversed(axes):
        axis.to, step = step, step * axis.count
    definitions = _blocks(op, axes, width, layer)
    source = f"(const uint8_t *){{in0}} + {start}" if start else "{in0}"
    return Step("bytes/move.h", f"move_blocks(&{layer}_blocks, {source}, {{out}});", definitions)


def pad(model: Graph, op: Op, layer: str, width: int) -> tuple[str, int, int]:
    """The border of a pad op: (definition of {layer}_blocks, bytes before the first value inside, bytes in all)."""
    shape, result = model.shapes[op.inputs[0]], model.shapes[op.output]
    axes, start, step, inside = [], 0, width, width
    for n, size, (before, _) in reversed(list(zip(shape, result, op.paddings, strict=True))):
        axes.insert(0, _Axis(np.arange(n) * inside, step))
        start, step, inside = start + before * step, step * size, inside * n
    return _blocks(op, axes, width, layer), start, step


class _Axis:
    """A loop over blocks.

    Attributes:
        places: where each block stands in the input: int array, bytes from the first block.
        to: the distance of two blocks in the output, bytes.
    """

    def __init__(self, places, to=0):
        self.places, self.to = places - places[0], to
        self.count = len(places)
        self.step = int(self.places[1]) if self.count > 1 else 0
        self.even = bool((np.diff(self.places) == self.step).all())

    def apart(self):
        """Two loops in place of one in which each place is read several times, as in a resize to twice the size."""
        times = self.count // len(np.unique(self.places))
        outer = _Axis(self.places[::times], self.to * times)
        same = outer.even and np.array_equal(np.repeat(outer.places, times)[: self.count], self.places)
        return [outer, _Axis(np.zeros(times, int), self.to)] if same and outer.count * times == self.count else [self]


def _blocks(op, axes, width, layer):
    """The definition of a `blocks`: loops are merged, and the innermost becomes a copy of bytes, if possible."""
    merged: list[_Axis] = []
    for axis in (axis for axis in axes if axis.count > 1):
        last = merged[-1] if merged else None
        if last and last.even and axis.even and (last.step, last.to) == (axis.count * axis.step, axis.count * axis.to):
            merged.pop()
            axis = _Axis(np.arange(last.count * axis.count) * axis.step, axis.to)
        merged.append(axis)
    size = width
    if merged and merged[-1].even and merged[-1].step == merged[-1].to == width:
        size *= merged.pop().count
    for axis in [axis for axis in merged if not axis.even]:
        if len(merged) < 4:
            at = merged.index(axis)
            merged[at : at + 1] = axis.apart()
    if len(merged) > 4:
        raise InvalidValue(f"{op.name!r} is a {op.kind} along {len(merged)} axes; in C, 4 are supported")
    merged = [_Axis(np.zeros(1, int))] * (4 - len(merged)) + merged
    tables = {i: f"{layer}_places_{i}" for i, axis in enumerate(merged) if not axis.even}
    rows = [
        [axis.count for axis in merged],
        [axis.step for axis in merged],
        [axis.to for axis in merged],
        [tables.get(i, "0") for i in range(4)],
    ]
    values = ", ".join("{" + ", ".join(map(str, row)) + "}" for row in rows)
    lines = [array("int32_t", name, merged[i].places) for i, name in tables.items()]
    return "\n".join([*lines, f"static const blocks {layer}_blocks = {{{values}, {size}}};"])


def nothing(model: Graph, op: Op, layer: str, room: int) -> None:
    """An op whose output has the values of its input: both have the same place in the arena, and no C is needed."""
