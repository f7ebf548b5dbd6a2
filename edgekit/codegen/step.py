"""An op as C: a kernel, constants and a call; with helpers that float and int8 ops share."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from edgekit.codegen.arena import Rule
from edgekit.errors import InvalidValue
from edgekit.network import Graph, Op, windows

Overlap = Callable[[str, str], Rule | None]  # from the names of input and output


@dataclass(frozen=True)
class Step:
    """An op as C.

    Attributes:
        kernel: file in edgekit/codegen/kernels.
        call: C statement; {in0}, {in1}, {out} and {scratch} in it are placeholders for pointers.
        constants: C definitions that the call names.
        scratch: bytes of working memory that the call needs.
        overlap: function of the names of input and output that returns the `Rule` by which they may share memory, or
            None if they must not.
        also: further files in edgekit/codegen/kernels that the call needs.
    """

    kernel: str
    call: str
    constants: str = ""
    scratch: int = 0
    overlap: Overlap | None = None
    also: tuple[str, ...] = ()


def anywhere(source: str, result: str) -> Rule:
    """The output may be anywhere: the whole input has been read before the first value is written."""
    return Rule(source, result)


def exactly(source: str, result: str) -> Rule:
    """The output may start exactly where the input starts: each value replaces its input."""
    return Rule(source, result, lowest=0, highest=0)


def not_after(source: str, result: str) -> Rule:
    """The output may start where the input starts, or before: a value is written only over values already read."""
    return Rule(source, result, highest=0)


def not_before(source: str, result: str) -> Rule:
    """The output may start where the input starts, or after: the op goes from the last value to the first."""
    return Rule(source, result, lowest=0)


def window(model: Graph, op: Op, layer: str) -> tuple[str, str]:
    """(name, definition) of an op's window2d."""
    height, width, channels = model.shapes[op.inputs[0]]
    top, left = padding_before(model, op)
    out = model.shapes[op.output]
    name = f"{layer}_window"
    return name, (
        f"static const window2d {name} = {{\n"
        f"    {height}, {width}, {channels}, /* input: height, width, channels */\n"
        f"    {out[0]}, {out[1]}, {out[2]}, /* output */\n"
        f"    {op.window[0]}, {op.window[1]}, /* window */\n"
        f"    {op.stride[0]}, {op.stride[1]}, /* stride */\n"
        f"    {top}, {left}, /* padding before the first row and column */\n"
        f"    {op.dilation[0]}, {op.dilation[1]} /* dilation */\n}};"
    )


def repeated_slopes(model: Graph, op: Op, layer: str) -> str:
    """The definition of a PReLU's slopes_3d: along which of three axes its slopes are repeated."""
    shape, slopes = ((1,) * (3 - len(model.shapes[name])) + tuple(model.shapes[name]) for name in op.inputs)
    steps = [0 if side == 1 else prod(slopes[axis + 1 :]) for axis, side in enumerate(slopes)]
    numbers = ", ".join("{" + ", ".join(map(str, values)) + "}" for values in (shape, steps))
    return f"static const slopes_3d {layer}_slopes = {{{numbers}}};"


def reduction(model: Graph, op: Op, layer: str) -> tuple[str, str]:
    """(name, definition) of the struct `reduction` of an op that reduces some axes: neighboring axes become one.

    Raises:
        ValueError: kept and reduced axes alternate too often.
    """
    parts: dict[bool, list[tuple[int, int]]] = {True: [], False: []}  # by whether they are reduced: (size, step)
    step, before = 1, None
    for axis, size in reversed(list(enumerate(model.shapes[op.inputs[0]]))):
        if size == 1:
            continue
        reduced = axis in op.axes
        if reduced is before:
            inner, first = parts[reduced].pop()
            parts[reduced].append((inner * size, first))
        else:
            parts[reduced].append((size, step))
        step, before = step * size, reduced
    if max(map(len, parts.values())) > 3:
        raise InvalidValue(f"{op.name!r} reduces axes of {model.shapes[op.inputs[0]]} that are not neighbors: too many")
    numbers = []
    for reduced in (False, True):
        axes = [(1, 0)] * (3 - len(parts[reduced])) + parts[reduced][::-1]
        numbers += ["{" + ", ".join(map(str, values)) + "}" for values in zip(*axes, strict=True)]
    name = f"{layer}_reduction"
    return name, f"static const reduction {name} = {{{', '.join(numbers)}}};"


def matrices(model: Graph, op: Op, layer: str) -> str:
    """The definition of {layer}_matrices, the sizes of a batch_matmul."""
    *batch, rows, columns = model.shapes[op.output]
    batch = [1] * (2 - len(batch)) + batch
    if len(batch) > 2:
        raise InvalidValue(f"{op.name!r} multiplies matrices in {len(batch)} axes of batches; in C, 2 are supported")
    steps = []
    for name, transposed in zip(op.inputs, op.transposed, strict=True):
        *own, height, width = (1,) * (len(model.shapes[op.output]) - len(model.shapes[name])) + model.shapes[name]
        own = [1] * (2 - len(own)) + own
        apart = [own[1] * height * width if own[0] > 1 else 0, height * width if own[1] > 1 else 0]
        row, column = (1, width) if transposed else (width, 1)
        steps.append(f"{{{apart[0]}, {apart[1]}}}, {row}, {column}")
    depth = model.shapes[op.inputs[0]][-2 if op.transposed[0] else -1]
    sizes = f"{{{batch[0]}, {batch[1]}}}, {rows}, {depth}, {columns}"
    return f"static const matrices {layer}_matrices = {{{sizes}, {', '.join(steps)}}};"


def array(kind: str, name: str, values: ArrayLike, literal: Callable[[Any], str] = str) -> str:
    """The definition of a constant array.

    Args:
        kind: the C type of a value.
        name: of the array.
        values: array of any shape, written in order.
        literal: function from a value to its C literal.

    Returns:
        C.
    """
    texts = list(map(literal, np.asarray(values).ravel().tolist()))
    a_line = max(1, 112 // (max(map(len, texts)) + 2))
    lines = (", ".join(texts[start : start + a_line]) for start in range(0, len(texts), a_line))
    return f"static const {kind} {name}[{len(texts)}] = {{\n    " + ",\n    ".join(lines) + "\n};"


def int32(value: int) -> str:
    """The C literal of an int32."""
    return str(value) if value > -(2**31) else "(-2147483647 - 1)"


def pool_overlap(model: Graph, op: Op, value_bytes: int = 1) -> Overlap:
    """The overlap of an op that, row by row and pixel by pixel, reads a window and then writes one output pixel."""
    _, width, channels = model.shapes[op.inputs[0]]
    top, left = padding_before(model, op)
    out_height, out_width, _ = model.shapes[op.output]
    rows = np.maximum(np.arange(out_height) * op.stride[0] - top, 0)
    columns = np.maximum(np.arange(out_width) * op.stride[1] - left, 0)
    first_cell = (rows[:, None] * width + columns).ravel()
    # For each pixel: the first input cell that it or a later pixel reads, minus the end of the written output.
    needed = np.minimum.accumulate(first_cell[::-1])[::-1]
    room = int((needed - np.arange(1, out_height * out_width + 1)).min()) * channels * value_bytes
    return lambda source, result: Rule(source, result, highest=room)


def padding_before(model: Graph, op: Op) -> tuple[int, int]:
    """(top, left): cells of padding before the first row and column under an op's window."""
    if op.padding != "same":
        return 0, 0
    size = op.output_size or model.shapes[op.inputs[0]][:2]
    (top, _), (left, _) = windows.same_padding(size, op.reach, op.stride)
    return top, left
