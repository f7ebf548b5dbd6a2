"""Writes ops that only move values as C: the code is the same for int8 and float32."""

from math import prod

from edgekit.codegen.step import Step
from edgekit.network import Graph, Op


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


def pad(model: Graph, op: Op, width: int, fill: int) -> Step:
    """A border around an image; each of its bytes is `fill`, and a value has `width` bytes."""
    height, columns, channels = model.shapes[op.inputs[0]]
    (top, bottom), (left, right) = op.paddings
    size = f"{height}, {columns}, {channels * width}"
    return Step("bytes/pad.h", f"pad({{in0}}, {{out}}, {size}, {top}, {bottom}, {left}, {right}, {fill});")


def nothing(model: Graph, op: Op, layer: str, room: int) -> None:
    """An op whose output has the values of its input: both have the same place in the arena, and no C is needed."""
