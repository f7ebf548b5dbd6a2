"""Reads the layers and operations of Keras that move values: cropping, padding, upsampling, x[:, 1:3], keras.ops.pad.

Axes in Keras count the batch; those of a network do not. `edgekit.network.moves` says which ops make up a movement.
"""

from typing import Any

import numpy as np

from edgekit.network import moves
from edgekit.network.keras import Name, Reader, _channels_last, _layer, _operation, _refuse, _shape


def follow(reader: Reader, layer: Any, name: str, steps: moves.Steps) -> str:
    """Enter the ops of a movement; returns the name of its output."""
    return reader.follow(layer.name, name, steps)


def axis_of(layer: Any, axis: Any, rank: int) -> int:
    """An axis of the network, from one of Keras's among rank + 1 (with the batch); refuses the batch."""
    if not isinstance(axis, int | np.integer) or not -rank - 1 <= axis <= rank or axis % (rank + 1) == 0:
        _refuse(layer, f"axis={axis} for an input of {rank} dimensions and the batch")
    return int(axis) % (rank + 1) - 1


def axes_of(layer: Any, axes: Any, rank: int) -> list[int]:
    """One axis or several, as `axis_of`."""
    return [axis_of(layer, axis, rank) for axis in (axes if isinstance(axes, list | tuple) else [axes])]


def tensor(reader: Reader, layer: Any, value: Any) -> str:
    """The name of an input, which may be a constant with a batch of 1."""
    if isinstance(value, Name):
        return value
    values = np.asarray(value, np.float32)
    if values.ndim < 2 or values.shape[0] != 1:
        _refuse(layer, f"a constant of shape {values.shape}, whose first dimension should be a batch of 1")
    return reader.constant(f"{layer.name}_constant", values[0])


def _output_shape(layer, index=0):
    """The shape that Keras gives a layer's or operation's output."""
    outputs = layer.output if isinstance(layer.output, list | tuple) else [layer.output]
    return _shape(outputs[index].shape, layer.name)


# Layers


@_layer("Cropping1D", "Cropping2D", "Cropping3D", makes=("strided_slice",))
def _cropping(reader, layer, inputs):
    shape = reader.shapes[inputs[0]]
    pairs = _pairs(layer, layer.cropping, shape)
    begin = [before for before, _ in pairs] + [0]
    size = [n - before - after for n, (before, after) in zip(shape, pairs, strict=False)] + [shape[-1]]
    return follow(reader, layer, inputs[0], moves.sliced(shape, begin, size, [1] * len(shape)))


@_layer("ZeroPadding1D", "ZeroPadding3D", makes=("pad",))
def _zeropadding(reader, layer, inputs):
    shape = reader.shapes[inputs[0]]
    return follow(reader, layer, inputs[0], moves.padded(shape, [*_pairs(layer, layer.padding, shape), (0, 0)]))


def _pairs(layer, pairs, shape):
    """(before, after) for each axis but the channels; a layer of sequences has one pair and no data_format."""
    if len(shape) == 2:
        return [pairs]
    _channels_last(layer)
    return pairs


@_layer("UpSampling1D", "UpSampling3D", makes=("broadcast_to",))
def _upsampling(reader, layer, inputs):
    if type(layer).__name__ == "UpSampling3D":
        _channels_last(layer)
    name = inputs[0]
    sizes = layer.size if isinstance(layer.size, tuple) else (layer.size,)
    for axis, times in enumerate(sizes):
        name = follow(reader, layer, name, moves.repeated(reader.shapes[name], int(times), axis))
    return name


@_layer("UpSampling2D", makes=("resize_nearest", "resize_bilinear"))
def _upsampling2d(reader, layer, inputs):
    _channels_last(layer)
    height, width, _ = reader.shapes[inputs[0]]
    return _resized(reader, layer, inputs[0], (height * layer.size[0], width * layer.size[1]), layer.interpolation)


def _resized(reader, layer, name, size, interpolation):
    if interpolation not in ("nearest", "bilinear"):
        _refuse(layer, f"interpolation={interpolation!r}")
    options = {"size": tuple(map(int, size)), "half_pixel_centers": True}
    return reader.add(f"resize_{interpolation}", layer.name, [name], **options)


@_layer("Resizing", makes=("resize_nearest", "resize_bilinear"))
def _resizing(reader, layer, inputs):
    _channels_last(layer)
    if layer.crop_to_aspect_ratio or layer.pad_to_aspect_ratio or layer.antialias:
        _refuse(layer, "crop_to_aspect_ratio, pad_to_aspect_ratio or antialias")
    return _resized(reader, layer, inputs[0], (layer.height, layer.width), layer.interpolation)


@_layer("CenterCrop", makes=("strided_slice",))
def _centercrop(reader, layer, inputs):
    _channels_last(layer)
    shape, size = reader.shapes[inputs[0]], (layer.height, layer.width)
    if any(n < wanted for n, wanted in zip(shape, size, strict=False)):
        _refuse(layer, f"a size of {size} of an input of shape {shape}")
    begin = [(n - wanted) // 2 for n, wanted in zip(shape, size, strict=False)]
    return follow(reader, layer, inputs[0], moves.sliced(shape, [*begin, 0], [*size, shape[-1]], [1, 1, 1]))


@_layer("Permute", makes=("transpose",))
def _permute(reader, layer, inputs):
    shape = reader.shapes[inputs[0]]
    return follow(reader, layer, inputs[0], moves.transposed(shape, [axis - 1 for axis in layer.dims]))


@_layer("RepeatVector", makes=("broadcast_to",))
def _repeatvector(reader, layer, inputs):
    shape = reader.shapes[inputs[0]]
    return follow(reader, layer, inputs[0], moves.broadcast(shape, (layer.n, *shape)))


# Operations


@_operation("ops.numpy.GetItem", makes=("strided_slice",))
def _getitem(reader, operation, x, key):
    shape = reader.shapes[x]
    keys = list(key) if isinstance(key, list | tuple) else [key]
    if any(not isinstance(each, int | np.integer | slice | type(None) | type(...)) for each in keys):
        _refuse(operation, f"the index {key!r:.60}")
    taken = sum(each is not None and each is not ... for each in keys)
    if ... not in [each for each in keys if each is None or each is ...]:
        keys.append(...)
    at = next(place for place, each in enumerate(keys) if each is ...)
    keys[at : at + 1] = [slice(None)] * (len(shape) + 1 - taken)
    if keys[0] != slice(None) and not (isinstance(keys[0], slice) and keys[0] in (slice(0, None), slice(0, None, 1))):
        _refuse(operation, f"an index into the batch, {keys[0]!r},")
    ranges, result = [], []
    for each in keys[1:]:
        if each is None:
            result.append(1)
            continue
        n = shape[len(ranges)]
        if isinstance(each, slice):
            ranges.append(range(n)[each])
            result.append(len(ranges[-1]))
        elif -n <= each < n:
            ranges.append(range(int(each) % n, int(each) % n + 1))
        else:
            _refuse(operation, f"the index {each} into {n} values")
    if any(not indices for indices in ranges):
        _refuse(operation, "a part without values")
    if not result:
        _refuse(
            operation, f"one value for each input of the batch: write {ranges[0].start}:{ranges[0].stop} as its index"
        )
    steps = [indices.step if len(indices) > 1 else 1 for indices in ranges]
    sliced = moves.sliced(shape, [indices[0] for indices in ranges], [len(indices) for indices in ranges], steps)
    before = tuple(map(len, ranges))
    return follow(reader, operation, x, moves.then(sliced, moves.reshaped(before, tuple(result))))


@_operation("ops.numpy.Reshape", makes=("reshape",), options=("newshape",))
def _reshape(reader, operation, x):
    return reader.reshape(operation.name, [x], _whole(reader, operation, x))


def _whole(reader, operation, x):
    """The output's shape, after checking that the batch stays the first axis by itself."""
    shape = _output_shape(operation)
    if not shape:
        _refuse(operation, "an output without dimensions besides the batch")
    if np.prod(shape) != np.prod(reader.shapes[x]):
        _refuse(operation, f"a new shape that changes the batch: {reader.shapes[x]} to {shape}")
    return shape


@_operation("ops.numpy.Squeeze", makes=("reshape",), options=("axis",))
@_operation("ops.numpy.ExpandDims", makes=("reshape",), options=("axis",))
def _squeeze(reader, operation, x):
    rank = len(reader.shapes[x])
    if operation.axis is not None:
        expands = type(operation).__name__ == "ExpandDims"
        many = len(operation.axis) if isinstance(operation.axis, list | tuple) else 1
        axes_of(operation, operation.axis, rank + many * expands)
    return reader.reshape(operation.name, [x], _whole(reader, operation, x))


@_operation("ops.numpy.Transpose", makes=("transpose",), options=("axes",))
def _transpose(reader, operation, x):
    rank = len(reader.shapes[x])
    axes = list(operation.axes) if operation.axes is not None else list(range(rank, -1, -1))
    return _ordered(reader, operation, x, [axis % (rank + 1) for axis in axes])


def _ordered(reader, operation, x, axes):
    if axes[0] != 0:
        _refuse(operation, f"the order of axes {axes}, which moves the batch")
    steps = moves.transposed(reader.shapes[x], [axis - 1 for axis in axes[1:]])
    return follow(reader, operation, x, steps)


@_operation("ops.numpy.Swapaxes", makes=("transpose",), options=("axis1", "axis2"))
def _swapaxes(reader, operation, x):
    axes = list(range(len(reader.shapes[x]) + 1))
    first, second = (axis % len(axes) for axis in (operation.axis1, operation.axis2))
    axes[first], axes[second] = axes[second], axes[first]
    return _ordered(reader, operation, x, axes)


@_operation("ops.numpy.Moveaxis", makes=("transpose",), options=("source", "destination"))
def _moveaxis(reader, operation, x):
    rank = len(reader.shapes[x]) + 1
    source, destination = ([axis % rank for axis in axes] for axes in (operation.source, operation.destination))
    order = [axis for axis in range(rank) if axis not in source]
    for place, axis in sorted(zip(destination, source, strict=True)):
        order.insert(place, axis)
    return _ordered(reader, operation, x, order)


@_operation("ops.numpy.Concatenate", makes=("concatenate",), options=("axis",))
def _concatenate(reader, operation, xs):
    names = [tensor(reader, operation, x) for x in xs]
    return reader.join(operation.name, names, axis_of(operation, operation.axis, len(reader.shapes[names[0]])))


@_operation("ops.numpy.Stack", makes=("concatenate",), options=("axis",))
def _stack(reader, operation, x):
    names = [tensor(reader, operation, each) for each in x]
    shape = reader.shapes[names[0]]
    axis = axis_of(operation, operation.axis, len(shape) + 1)
    parts = [reader.reshape(operation.name, [name], (*shape[:axis], 1, *shape[axis:])) for name in names]
    return reader.join(operation.name, parts, axis)


@_operation("ops.numpy.Split", makes=("strided_slice",), options=("indices_or_sections", "axis"))
def _split(reader, operation, x):
    n = reader.shapes[x][axis := axis_of(operation, operation.axis, len(reader.shapes[x]))]
    given = operation.indices_or_sections
    if isinstance(given, int):
        ends = [n // given * (place + 1) for place in range(given)]
    else:
        ends = [min(max(int(end) % n if end < 0 else int(end), 0), n) for end in given] + [n]
    return _parts(reader, operation, x, axis, [0, *ends[:-1]], ends)


@_operation("ops.core.Unstack", makes=("strided_slice",), options=("num", "axis"))
def _unstack(reader, operation, x):
    shape = reader.shapes[x]
    axis = axis_of(operation, operation.axis, len(shape))
    if len(shape) == 1:
        _refuse(operation, "outputs without dimensions besides the batch")
    parts = _parts(reader, operation, x, axis, range(shape[axis]), range(1, shape[axis] + 1))
    return [reader.reshape(operation.name, [part], (*shape[:axis], *shape[axis + 1 :])) for part in parts]


def _parts(reader, operation, x, axis, starts, ends):
    shape, parts = reader.shapes[x], []
    for start, end in zip(starts, ends, strict=True):
        if end <= start:
            _refuse(operation, "a part without values")
        begin, size = [0] * len(shape), list(shape)
        begin[axis], size[axis] = start, end - start
        parts.append(follow(reader, operation, x, moves.sliced(shape, begin, size, [1] * len(shape))))
    return parts


@_operation("ops.numpy.Flip", makes=("strided_slice",), options=("axis",))
def _flip(reader, operation, x):
    shape = reader.shapes[x]
    axes = axes_of(operation, operation.axis, len(shape))
    begin = [n - 1 if axis in axes and n > 1 else 0 for axis, n in enumerate(shape)]
    steps = [-1 if axis in axes and n > 1 else 1 for axis, n in enumerate(shape)]
    return follow(reader, operation, x, moves.sliced(shape, begin, shape, steps))


@_operation("ops.numpy.Pad", makes=("pad", "pad_constant", "mirror_pad"), options=("pad_width", "mode"))
def _pad(reader, operation, x, constant_values=None):
    shape, pairs = reader.shapes[x], [tuple(pair) for pair in operation.pad_width]
    if len(pairs) == 1:
        pairs *= len(shape) + 1
    pairs = [pair * (3 - len(pair)) for pair in pairs]
    if any(pairs[0]):
        _refuse(operation, f"a border of {pairs[0]} around the batch")
    if min(map(min, pairs)) < 0:
        _refuse(operation, f"the negative border {pairs}")
    if operation.mode in ("reflect", "symmetric"):
        most = [n - (operation.mode == "reflect") for n in shape]
        if any(max(pair) > limit for pair, limit in zip(pairs[1:], most, strict=True)):
            _refuse(operation, f"a border of {pairs[1:]}, more than the input {shape} has values to mirror,")
        return follow(reader, operation, x, moves.mirrored(shape, pairs[1:], operation.mode))
    if operation.mode != "constant":
        _refuse(operation, f"mode={operation.mode!r}")
    fill = 0.0 if constant_values is None else float(np.asarray(constant_values))
    if not np.isfinite(fill):
        _refuse(operation, f"constant_values={fill}")
    return follow(reader, operation, x, moves.padded(shape, pairs[1:], fill or None))


@_operation("ops.numpy.Repeat", makes=("broadcast_to", "gather"), options=("repeats", "axis"))
def _repeat(reader, operation, x):
    shape, times = reader.shapes[x], np.asarray(operation.repeats).reshape(-1)
    axis = axis_of(operation, operation.axis, len(shape))
    if times.min() < 0 or not times.any():
        _refuse(operation, f"repeats={operation.repeats}")
    if len(times) == 1:
        return follow(reader, operation, x, moves.repeated(shape, int(times[0]), axis))
    return follow(reader, operation, x, moves.gathered(shape, np.repeat(np.arange(shape[axis]), times), axis))


@_operation("ops.numpy.Tile", makes=("broadcast_to",), options=("repeats",))
def _tile(reader, operation, x):
    shape = reader.shapes[x]
    given = operation.repeats if isinstance(operation.repeats, list | tuple) else [operation.repeats]
    times = [1] * (len(shape) + 1 - len(given)) + [int(n) for n in given]
    if len(times) > len(shape) + 1 or times[0] != 1 or min(times) < 1:
        _refuse(operation, f"repeats={operation.repeats} of an input of shape {shape}")
    return follow(reader, operation, x, moves.tiled(shape, times[1:]))


@_operation("ops.numpy.Take", makes=("gather",), options=("axis",))
def _take(reader, operation, x, indices):
    shape, places = reader.shapes[x], np.asarray(indices)
    axis = axis_of(operation, operation.axis, len(shape))
    if isinstance(indices, Name) or places.dtype.kind not in "iu" or places.size == 0:
        _refuse(operation, "indices that are no constant whole numbers")
    if places.min() < -shape[axis] or places.max() >= shape[axis]:
        _refuse(operation, f"an index outside the {shape[axis]} values of its axis")
    taken = moves.gathered(shape, places.ravel() % shape[axis], axis)
    before = (*shape[:axis], places.size, *shape[axis + 1 :])
    after = (*shape[:axis], *places.shape, *shape[axis + 1 :])
    if not after:
        _refuse(operation, "an output without dimensions besides the batch")
    return follow(reader, operation, x, moves.then(taken, moves.reshaped(before, after)))


@_operation("ops.numpy.Roll", makes=("gather",), options=("shift", "axis"))
def _roll(reader, operation, x):
    shape = reader.shapes[x]
    axis = axis_of(operation, operation.axis, len(shape))
    if not isinstance(operation.shift, int):
        _refuse(operation, f"shift={operation.shift}")
    order = np.roll(np.arange(shape[axis]), operation.shift)
    return follow(reader, operation, x, moves.gathered(shape, order, axis))


@_operation("ops.numpy.BroadcastTo", makes=("broadcast_to",), options=("shape",))
def _broadcast_to(reader, operation, x):
    shape, wanted = reader.shapes[x], tuple(operation.shape)
    if len(wanted) != len(shape) + 1 or wanted[0] not in (1, None, -1):
        _refuse(operation, f"the shape {wanted} from {shape}: the batch should stay")
    return follow(reader, operation, x, moves.broadcast(shape, wanted[1:]))


@_operation(
    "ops.image.Resize",
    makes=("resize_nearest", "resize_bilinear"),
    options=("size", "interpolation", "data_format"),
)
def _resize(reader, operation, images):
    _channels_last(operation)
    if len(reader.shapes[images]) != 3:
        _refuse(operation, f"an input of shape {reader.shapes[images]}")
    return _resized(reader, operation, images, operation.size, operation.interpolation)
