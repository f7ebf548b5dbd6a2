"""Writes ops on two tensors as C: one call for equal shapes; a call for each row where one input repeats values."""

from math import prod

from edgekit.codegen.step import Step, not_after
from edgekit.network import Graph, Op, broadcasting


def step(model: Graph, op: Op, layer: str, value: str, before: str = "", after: str = "", constants: str = "") -> Step:
    """An op on two tensors.

    Args:
        model: the network.
        op: the op.
        layer: the beginning of its C names.
        value: "int8" or "float".
        before: the kernel's arguments before the inputs, each with a comma after it.
        after: the kernel's arguments after the size, each with a comma before it.
        constants: C definitions that these arguments name.

    Returns:
        `Step`.
    """
    shapes = [model.shapes[name] for name in op.inputs]
    turns, (first, second) = broadcasting.loops(shapes)
    size = prod(model.shapes[op.output])

    def overlap(source, result):
        """Each value of an input that repeats none is read once, before the output's value at its place is written."""
        return not_after(source, result) if prod(model.shapes[source]) == size else None

    kernel = f"{value}/{op.kind}.h"
    if len(turns) == 1:
        call = f"{op.kind}_{value}({before}{{in0}}, {first[0]}, {{in1}}, {second[0]}, {{out}}, {size}{after});"
        return Step(kernel, call, constants, 0, overlap)
    numbers = ", ".join(
        "{" + ", ".join(map(str, values)) + "}" for values in map(_three, (turns, first, second), (1, 0, 0))
    )
    constants = f"{constants}\nstatic const repeating {layer}_repeating = {{{numbers}}};".lstrip()
    call = f"repeat_{value}({op.kind}_{value}, &{layer}_repeating, {before}{{in0}}, {{in1}}, {{out}}{after});"
    return Step(kernel, call, constants, 0, overlap, also=(f"{value}/repeat.h",))


def _three(values, fill):
    return [fill] * (3 - len(values)) + values
