"""Reads ONNX's arithmetic on tensors and constants, and its reductions."""

from functools import reduce

import numpy as np

from edgekit.onnx.layout import Value, held_shape
from edgekit.onnx.reader import Node, Result, register


def _grown(result: Result, rank: int) -> Result:
    """A value or constant with axes of size 1 in front, up to this rank."""
    more = rank - len(result.shape)
    if not isinstance(result, Value):
        return result.reshape((1,) * more + result.shape)
    return Value(result.name, (1,) * more + result.shape, tuple(a + more for a in result.axes), result.last)


def aligned(node: Node, operands: list[Result]) -> tuple[list[str | np.ndarray], Value]:
    """Tensors of which NumPy's rules repeat the right values, since their last axes stand under each other.

    Args:
        node: the node.
        operands: values, at least one, and constants.

    Returns:
        (for each operand its tensor's name, or the array for a constant; the result as a `Value` without a name).
    """
    rank = max(len(operand.shape) for operand in operands)
    grown = [_grown(operand, rank) for operand in operands]
    try:
        shape = tuple(int(n) for n in np.broadcast_shapes(*(each.shape for each in grown)))
    except ValueError:
        node.refuse(f"inputs of the shapes {' and '.join(str(list(each.shape)) for each in operands)}")
    values = [each for each in grown if isinstance(each, Value)]
    lead = max(values, key=lambda value: (value.last, len(value.axes)))
    axes = [axis for axis in range(rank) if shape[axis] != 1 and axis not in lead.axes] + list(lead.axes)
    if rank == len(lead.axes) + 1 and lead.axes == tuple(range(1, rank)):
        axes = [axis for axis in range(rank) if axis in axes]
    arranged: list[str | np.ndarray] = []
    for each in grown:
        if not isinstance(each, Value):
            absent = [axis for axis in range(rank) if axis not in axes]
            sizes = tuple(each.shape[axis] for axis in axes)
            arranged.append(np.asarray(each, np.float32).transpose(*absent, *axes).reshape(sizes or (1,)))
            continue
        first = next((place for place, axis in enumerate(axes) if axis in each.axes), len(axes) - 1)
        arranged.append(node.reader.held(each, axes[max(first, 0) :]))
    return arranged, Value("", shape, tuple(axes), lead.last)


def named(result: Value, name: str) -> Value:
    """The value with its tensor's name."""
    return Value(name, result.shape, result.axes, result.last)


def _pair(node, kind, constant_first, constant_second):
    """An op of two operands, either of which may be a constant.

    Args:
        node: the node.
        kind: the op for two tensors.
        constant_first, constant_second: for a constant as the first or second operand, a function from it to (factor,
            offset) for the other one.
    """
    operands = [node.operand(0), node.operand(1)]
    (a, b), result = aligned(node, operands)
    if isinstance(a, str) and isinstance(b, str):
        return named(result, node.add(kind, [a, b]))
    tensor, (factor, offset) = (b, constant_first(a)) if isinstance(b, str) else (a, constant_second(b))
    return _affine(node, result, tensor, factor, offset)


def _affine(node, result, tensor, factor, offset):
    name = node.reader.affine(node.name, tensor, factor, offset)
    wanted = held_shape(result.shape, result.axes)
    if node.reader.shapes[name] != wanted:  # a factor of ones over more axes, which affine leaves out
        name = node.reader.add("add", node.name, [name, node.reader.constant(f"{node.name}_shape", np.zeros(wanted))])
    return named(result, name)


@register("Add")
def _add(node):
    return _pair(node, "add", lambda c: (1, c), lambda c: (1, c))


@register("Sub")
def _sub(node):
    return _pair(node, "sub", lambda c: (-1, c), lambda c: (1, -c))


@register("Mul")
def _mul(node):
    return _pair(node, "mul", lambda c: (c, 0), lambda c: (c, 0))


@register("Div")
def _div(node):
    """Division by a constant, or by a root: x / sqrt(y) is x times 1 / sqrt(y)."""
    divisor = node.operand(1)
    if isinstance(divisor, Value):
        inner = _under_root(node, divisor)
        if inner is None:
            node.refuse("a division by a tensor; by a constant or by a square root it is supported")
        inverse = Value(node.add("rsqrt", [inner], "_inverse"), divisor.shape, divisor.axes, divisor.last)
        if not isinstance(node.operand(0), Value):
            return _affine(node, inverse, inverse.name, np.asarray(node.operand(0), np.float32).reshape(-1)[0], 0)
        (a, b), result = aligned(node, [node.operand(0), inverse])
        return named(result, node.add("mul", [a, b]))
    if not np.all(divisor):
        node.refuse("a division by 0")
    return _pair(node, "", lambda c: (1, 0), lambda c: (1 / c, 0))


def _under_root(node, value):
    """The tensor whose square root a value is, if it is one."""
    return next((op.inputs[0] for op in node.reader.ops if op.output == value.name and op.kind == "sqrt"), None)


@register("Reciprocal")
def _reciprocal(node):
    value = node.value()
    inner = _under_root(node, value)
    if inner is None:
        node.refuse("another input than a square root")
    return named(value, node.add("rsqrt", [inner]))


@register("Neg")
def _neg(node):
    value = node.value()
    return named(value, node.reader.affine(node.name, value.name, -1, 0))


@register("Pow")
def _pow(node):
    value, exponent = node.value(), np.ravel(node.constant(1))
    if exponent.size != 1 or float(exponent[0]) not in (0.5, 1.0, 2.0):
        node.refuse("another exponent than 0.5, 1 or 2")
    if exponent[0] == 1:
        return value
    return named(value, node.add("square" if exponent[0] == 2 else "sqrt", [value.name]))


def _fold(node, kind, operands):
    """Op after op over several operands; a constant becomes a tensor."""

    def step(one, other):
        tensors, result = aligned(node, [one, other])
        names = [node.reader.constant(f"{node.name}_constant", t) if not isinstance(t, str) else t for t in tensors]
        return named(result, node.add(kind, names))

    values = [each for each in operands if isinstance(each, Value)]
    constants = [each for each in operands if not isinstance(each, Value)]
    return reduce(step, [*values, *constants])


def _operands(node):
    return [node.operand(place) for place in range(len(node.inputs))]


@register("Sum")
def _sum(node):
    return _fold(node, "add", _operands(node))


@register("Mean")
def _mean(node):
    total = _fold(node, "add", _operands(node))
    return named(total, node.reader.affine(f"{node.name}_share", total.name, 1 / len(node.inputs), 0))


@register("Max")
def _max(node):
    return _fold(node, "maximum", _operands(node))


@register("Min")
def _min(node):
    return _fold(node, "minimum", _operands(node))


# Reductions


def _reduction(operator, kind):
    @register(operator)
    def read(node):
        value = node.value()
        axes, rank = node.numbers(1, "axes"), len(value.shape)
        if not axes and node.attribute("noop_with_empty_axes", 0):
            return value
        axes = sorted({node.axis(value, axis) for axis in axes or range(rank)})
        reduced = [axis for axis in value.axes if axis in axes]
        left = tuple(axis for axis in value.axes if axis not in axes)
        name = value.name
        if reduced:
            places = tuple(value.axes.index(axis) for axis in reduced)
            name = node.add(kind, [name], axes=places, keepdims=not left)
            name = node.reader.reshape(f"{node.name}_left", [name], held_shape(value.shape, left))
        shape = tuple(1 if axis in axes else n for axis, n in enumerate(value.shape))
        if node.attribute("keepdims", 1):
            return Value(name, shape, left)
        kept = [axis for axis in range(rank) if axis not in axes]
        last = value.last and left == (*kept[2:], kept[1]) if len(kept) > 2 else False
        return Value(name, tuple(value.shape[axis] for axis in kept), tuple(map(kept.index, left)), last)

    return read


for _operator, _kind in (
    ("ReduceMean", "mean"),
    ("ReduceSum", "sum"),
    ("ReduceMax", "reduce_max"),
    ("ReduceMin", "reduce_min"),
):
    _reduction(_operator, _kind)
