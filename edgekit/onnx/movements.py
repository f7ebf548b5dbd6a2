"""Reads the operators of ONNX that move values. Many reshapes and transposes only change the names of axes."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from edgekit.network import Shape, moves
from edgekit.onnx.layout import Value, channels_last, groups, held_shape, usual_axes
from edgekit.onnx.reader import Node, register
from edgekit.onnx.windows import over_image


def reshape(node: Node, value: Value, shape: Shape) -> Value:
    """The value in another shape. Axes that are split or joined stay at their place; others do not move."""
    if prod(shape) != prod(value.shape) or min(shape, default=1) < 1:
        node.refuse(f"the new shape {list(shape)} for an input of shape {list(value.shape)}")
    reader, pairs = node.reader, groups(value.shape, shape)
    places = {axis: place for place, axis in enumerate(value.axes)}
    pairs.sort(key=lambda pair: max(places[axis] for axis in pair[0]))
    before = [axis for pair in pairs for axis in pair[0]]
    after = tuple(axis for pair in pairs for axis in pair[1])
    after = after or usual_axes(shape)[:1]
    large = [axis for axis in value.axes if value.shape[axis] != 1]
    source = value.name if large == before else reader.held(value, before)
    result = reader.reshape(node.name, [source], held_shape(shape, after))
    return Value(result, shape, after, value.last and after != tuple(sorted(after)))


def transpose(value: Value, perm: Sequence[int]) -> Value:
    """The value with its axes in another order: only their names change."""
    shape = tuple(value.shape[axis] for axis in perm)
    return Value(value.name, shape, tuple(perm.index(axis) for axis in value.axes))


@register("Reshape")
def _reshape(node):
    value, wanted = node.value(), node.numbers(1, "shape")
    if not node.attribute("allowzero", 0):
        wanted = [value.shape[place] if n == 0 and place < len(value.shape) else n for place, n in enumerate(wanted)]
    known = prod(n for n in wanted if n != -1)
    shape = tuple(prod(value.shape) // max(known, 1) if n == -1 else n for n in wanted)
    return reshape(node, value, shape)


@register("Flatten")
def _flatten(node):
    value, axis = node.value(), node.attribute("axis", 1)
    axis = axis + len(value.shape) if axis < 0 else axis
    return reshape(node, value, (prod(value.shape[:axis]), prod(value.shape[axis:])))


@register("Squeeze")
def _squeeze(node):
    value, axes = node.value(), node.numbers(1, "axes")
    if axes is None:
        axes = [axis for axis, n in enumerate(value.shape) if n == 1]
    axes = {node.axis(value, axis) for axis in axes}
    return reshape(node, value, tuple(n for axis, n in enumerate(value.shape) if axis not in axes))


@register("Unsqueeze")
def _unsqueeze(node):
    value, axes = node.value(), node.numbers(1, "axes")
    rank = len(value.shape) + len(axes)
    places, sizes = {axis % rank for axis in axes}, iter(value.shape)
    return reshape(node, value, tuple(1 if axis in places else next(sizes) for axis in range(rank)))


@register("Transpose")
def _transpose(node):
    value = node.value()
    perm = list(node.attribute("perm", range(len(value.shape))[::-1]))
    if sorted(perm) != list(range(len(value.shape))):
        node.refuse(f"perm={perm} for an input of shape {list(value.shape)}")
    return transpose(value, perm)


def _along(node, value, axis, make):
    """The result of a movement along one axis: `make` is a function from the tensor's shape and the axis to steps."""
    axes = value.axes if axis in value.axes else (axis, *value.axes)
    source = node.reader.held(value, axes)
    before = node.reader.shapes[source]
    result = node.reader.follow(node.name, source, make(before, axes.index(axis)))
    shape = list(value.shape)
    shape[axis] = node.reader.shapes[result][axes.index(axis)]
    return Value(result, tuple(shape), axes, value.last and axes == value.axes)


def _part(node, value, axis, begin, size, step=1):
    """Some values along one axis."""
    if size < 1:
        node.refuse("an output without values")

    def make(shape, place):
        begins, sizes, steps = [0] * len(shape), list(shape), [1] * len(shape)
        begins[place], sizes[place], steps[place] = begin, size, step if size > 1 else 1
        return moves.sliced(shape, begins, sizes, steps)

    return _along(node, value, axis, make)


@register("Slice")
def _slice(node):
    value = node.value()
    starts, ends = node.numbers(1, "starts"), node.numbers(2, "ends")
    axes, steps = node.numbers(3, "axes", range(len(starts))), node.numbers(4, "", [1] * len(starts))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if step == 0:
            node.refuse("a step of 0")
        axis = node.axis(value, axis)
        indices = range(value.shape[axis])[slice(start, end if step > 0 or end > -(2**31) else None, step)]
        value = _part(node, value, axis, indices[0] if indices else 0, len(indices), step)
    return value


@register("Split")
def _split(node):
    value = node.value()
    axis, parts = node.axis(value, node.attribute("axis", 0)), node.numbers(1, "split")
    n = value.shape[axis]
    if parts is None:
        number = node.attribute("num_outputs", len(node.outputs))
        size = -(-n // number)
        parts = [size] * (number - 1) + [n - size * (number - 1)]
    if sum(parts) != n:
        node.refuse(f"parts of {parts} of an axis of {n}")
    return [_part(node, value, axis, sum(parts[:place]), size) for place, size in enumerate(parts)]


@register("Gather")
def _gather(node):
    value, indices = node.value(), np.asarray(node.constant(1))
    axis = node.axis(value, node.attribute("axis", 0))
    n = value.shape[axis]
    if indices.dtype.kind not in "iu" or indices.size == 0 or indices.min() < -n or indices.max() >= n:
        node.refuse(f"indices beyond an axis of {n}")
    flat = [int(index) % n for index in indices.ravel()]
    if len(flat) == 1:
        taken = _part(node, value, axis, flat[0], 1)
    else:
        taken = _along(node, value, axis, lambda shape, place: moves.gathered(shape, flat, place))
    if indices.ndim == 1:
        return taken
    return reshape(node, taken, (*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]))


@register("Concat")
def _concat(node):
    operands = [node.operand(place) for place in range(len(node.inputs))]
    values = [each for each in operands if isinstance(each, Value)]
    rank = len(values[0].shape)
    axis = node.axis(values[0], node.attribute("axis"))
    lead = max(values, key=lambda value: (value.last, len(value.axes)))
    needed = {a for each in operands for a in range(rank) if each.shape[a] != 1} | {axis}
    axes = (*(a for a in range(rank) if a in needed and a not in lead.axes), *lead.axes)
    names = []
    for each in operands:
        if len(each.shape) != rank:
            node.refuse(f"inputs of the shapes {[list(operand.shape) for operand in operands]}")
        if isinstance(each, Value):
            names.append(node.reader.held(each, axes))
            continue
        absent = [a for a in range(rank) if a not in axes]
        array = np.asarray(each, np.float32).transpose(*absent, *axes).reshape([each.shape[a] for a in axes])
        names.append(node.reader.constant(f"{node.name}_constant", array))
    shape = list(values[0].shape)
    shape[axis] = sum(each.shape[axis] for each in operands)
    return Value(node.reader.join(node.name, names, axes.index(axis)), tuple(shape), axes, lead.last)


@register("Pad")
def _pad(node):
    value = node.value()
    pads, mode = node.numbers(1, "pads"), node.attribute("mode", "constant")
    rank = len(value.shape)
    axes = [node.axis(value, axis) for axis in node.numbers(3, "", range(rank))]
    if len(pads) != 2 * len(axes):
        node.refuse(f"pads={pads}")
    pairs = {axis: (pads[place], pads[place + len(axes)]) for place, axis in enumerate(axes)}
    if any(min(pair) < 0 for pair in pairs.values()):
        node.refuse(f"the negative pads {pads}: cut with a Slice")
    pairs = {axis: pair for axis, pair in pairs.items() if max(pair) > 0}
    if mode == "edge":
        for axis, (before, after) in pairs.items():
            places = np.pad(np.arange(value.shape[axis]), (before, after), mode="edge")
            value = _along(node, value, axis, lambda shape, place, at=places: moves.gathered(shape, at, place))
        return value
    held = (*(axis for axis in pairs if axis not in value.axes), *value.axes)
    source = node.reader.held(value, held)
    along = [pairs.get(axis, (0, 0)) for axis in held]
    shape = node.reader.shapes[source]
    if mode == "constant":
        given = node.constant(2, node.attribute("value", 0.0))
        fill = float(np.ravel(given)[0]) if np.size(given) else 0.0
        if not np.isfinite(fill):
            node.refuse(f"a border of {fill}")
        steps = moves.padded(shape, along, fill or None)
    elif mode == "reflect":
        if any(max(pair) >= n for pair, n in zip(along, shape, strict=True) if max(pair)):
            node.refuse(f"a border of {along}, more than its input has values to mirror")
        steps = moves.mirrored(shape, along, "reflect")
    else:
        node.refuse(f"mode={mode!r}")
    grown = tuple(n + sum(pairs.get(axis, (0, 0))) for axis, n in enumerate(value.shape))
    return Value(node.reader.follow(node.name, source, steps), grown, held, value.last and held == value.axes)


@register("Expand")
def _expand(node):
    value, wanted = node.value(), node.numbers(1)
    rank = max(len(value.shape), len(wanted))
    value = reshape(node, value, (1,) * (rank - len(value.shape)) + value.shape)
    shape = tuple(int(n) for n in np.broadcast_shapes(value.shape, tuple(wanted)))
    held = (*(axis for axis in range(rank) if shape[axis] != 1 and axis not in value.axes), *value.axes)
    source = node.reader.held(value, held)
    steps = moves.broadcast(node.reader.shapes[source], held_shape(shape, held))
    return Value(node.reader.follow(node.name, source, steps), shape, held, value.last and held == value.axes)


@register("Tile")
def _tile(node):
    value, repeats = node.value(), node.numbers(1)
    if len(repeats) != len(value.shape) or min(repeats) < 1:
        node.refuse(f"repeats={repeats} for an input of shape {list(value.shape)}")
    for axis, times in enumerate(repeats):
        if times > 1:
            value = _along(
                node, value, axis,
                lambda shape, place, n=times: moves.tiled(shape, [n if a == place else 1 for a in range(len(shape))]),
            )  # fmt: skip
    return value


@register("DepthToSpace")
def _depth_to_space(node):
    value, block = node.value(), int(node.attribute("blocksize"))
    _, channels, height, width = value.shape
    c = channels // block**2
    if node.attribute("mode", "DCR") == "CRD":
        apart, perm = (1, c, block, block, height, width), (0, 1, 4, 2, 5, 3)
    else:
        apart, perm = (1, block, block, c, height, width), (0, 3, 4, 1, 5, 2)
    return _regrouped(node, value, apart, perm, (1, c, height * block, width * block))


@register("SpaceToDepth")
def _space_to_depth(node):
    value, block = node.value(), int(node.attribute("blocksize"))
    _, c, height, width = value.shape
    apart = (1, c, height // block, block, width // block, block)
    return _regrouped(node, value, apart, (0, 3, 5, 1, 2, 4), (1, c * block**2, height // block, width // block))


def _regrouped(node, value, apart, perm, shape):
    """Split axes, order them and join them: the result has its channels last."""
    result = reshape(node, transpose(reshape(node, value, apart), perm), shape)
    name = node.reader.held(result, channels_last(4))
    return Value(name, shape, channels_last(4), last=True)


# Resize

_PLACES: dict[str, Callable] = {  # where a place of the output lies in the input
    "half_pixel": lambda i, scale, n, size: (i + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda i, scale, n, size: (i + 0.5) / scale - 0.5 if size > 1 else i * 0.0,
    "asymmetric": lambda i, scale, n, size: i / scale,
    "align_corners": lambda i, scale, n, size: i * (n - 1) / (size - 1) if size > 1 else i * 0.0,
}
_ROUNDED: dict[str, Callable] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@register("Resize")
def _resize(node):
    value, rank = node.value(), len(node.value().shape)
    mode, how = node.attribute("mode", "nearest"), node.attribute("coordinate_transformation_mode", "half_pixel")
    if how not in _PLACES or mode not in ("nearest", "linear"):
        node.refuse(f"mode={mode!r} with coordinate_transformation_mode={how!r}")
    axes = [node.axis(value, axis) for axis in node.attribute("axes", range(rank))]
    sizes, scales = list(value.shape), [1.0] * rank
    if node.given(3):
        if node.attribute("keep_aspect_ratio_policy", "stretch") != "stretch":
            node.refuse("keep_aspect_ratio_policy")
        for axis, size in zip(axes, node.numbers(3), strict=True):
            sizes[axis], scales[axis] = size, size / value.shape[axis]
    else:
        for axis, scale in zip(axes, np.ravel(node.constant(2)).tolist(), strict=True):
            sizes[axis], scales[axis] = int(np.floor(value.shape[axis] * scale)), scale
    changed = [axis for axis in range(rank) if sizes[axis] != value.shape[axis]]
    if min(sizes) < 1:
        node.refuse(f"an output of shape {sizes}")
    if not changed:
        return value
    if not set(changed) <= set(range(2, rank)) or rank not in (3, 4) or value.shape[0] != 1:
        node.refuse(f"an input of shape {list(value.shape)} resized to {sizes}: only the axes after the channels")
    if mode == "linear":
        return _linear(node, value, how, sizes, scales)
    held = channels_last(rank)
    value = Value(node.reader.held(value, held), value.shape, held, last=True)
    rounded = _ROUNDED.get(node.attribute("nearest_mode", "round_prefer_floor"))
    if rounded is None:
        node.refuse(f"nearest_mode={node.attribute('nearest_mode')!r}")
    wanted = {}
    for axis in range(2, rank):
        n = value.shape[axis]
        at = _PLACES[how](np.arange(sizes[axis]), scales[axis], n, sizes[axis])
        wanted[axis] = np.clip(rounded(at), 0, n - 1).astype(int)
    for options in ({"half_pixel_centers": True}, {}, {"align_corners": True}) if rank == 4 else ():
        flags = options.get("align_corners", False), options.get("half_pixel_centers", False)
        if all((moves.nearest(value.shape[a], sizes[a], *flags) == at).all() for a, at in wanted.items()):
            name = node.add("resize_nearest", [value.name], size=tuple(sizes[2:]), **options)
            return Value(name, tuple(sizes), held, last=True)
    for axis in changed:
        at = wanted[axis]
        value = _along(node, value, axis, lambda shape, place, at=at: moves.gathered(shape, at, place))
    return value


def _linear(node, value, how, sizes, scales):
    downwards = any(size < n for size, n in zip(sizes, value.shape, strict=True))
    if node.attribute("antialias", 0) and downwards:
        node.refuse("antialias=1")
    if any(scale != size / n for scale, size, n in zip(scales, sizes, value.shape, strict=True)):
        node.refuse(f"scales={scales}, which do not give whole sizes")
    options = {"align_corners": how == "align_corners", "half_pixel_centers": how.endswith("half_pixel")}
    size = (1, sizes[2]) if len(sizes) == 3 else tuple(sizes[2:])
    return over_image(node, value, lambda image: node.add("resize_bilinear", [image], size=size, **options))
