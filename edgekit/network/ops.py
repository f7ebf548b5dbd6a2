"""The ops of a network: for each kind its options, its output's shape and its float32 arithmetic.

Layouts are TensorFlow Lite's. A tensor's shape has no batch and its channels are last. Weights are

    conv2d              (out, height, width, in / groups)
    transpose_conv2d    (out, height, width, in)
    depthwise_conv2d    (1, height, width, out), where out = in * multiplier
    fully_connected     (out, in)
    lstm                (4 * units, in + units): see `edgekit.network.lstm`
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import broadcasting, lstm, moves, resizing, windows
from edgekit.network.dispatch import Dispatch

Shape = tuple[int, ...]  # of a tensor, without the batch
# Fused activations: the lowest and the highest real value that each lets through.
ACTIVATIONS = {
    "none": (-np.inf, np.inf),
    "relu": (0.0, np.inf),
    "relu6": (0.0, 6.0),
    "relu_n1_to_1": (-1.0, 1.0),
}


@dataclass(frozen=True, eq=False)
class Op:
    """One step from named tensors to a named tensor.

    Attributes:
        kind: a key of `OPS`.
        name: the layer's name.
        inputs: names of the tensors that it reads.
        output: name of the tensor that it writes.
        weights: float32 in a `Network`, int8 in a `QuantizedNetwork`, None if the kind has none.
        bias: float32 or int32, shape (out,); None if the kind has none.
        weight_scales: float32, shape (out,) or (1,), or one for each of `Kind.blocks`; only in a `QuantizedNetwork`.
        stride: (vertical, horizontal).
        padding: "same" or "valid".
        dilation: (vertical, horizontal) distance of neighboring cells of the window.
        activation: a key of `ACTIVATIONS`, fused into this op.
        pool: (height, width) of a pooling window.
        paddings: (before, after) for each axis of a pad op; filled with the real value 0, with `fill`, or mirrored.
        axis: of a concatenation, counted without the batch.
        axes: over which a mean, sum, maximum or minimum goes, counted without the batch.
        keepdims: whether these axes stay, with the size 1; whether a fully_connected op is applied to each row of its
            input (the last axis), instead of to all its values at once.
        alpha: the slope of a leaky ReLU below 0.
        beta: the factor before the exponentials of a softmax.
        approximate: whether a GELU is computed with tanh; otherwise with the error function.
        output_size: (height, width) of the output of a transposed convolution.
        begin, size, steps: of a slice, for each axis: the first index, the number of values, and the distance between
            them, which is negative for a slice that goes backwards. The size is also that of a broadcast or resize.
        perm: for each axis of a transpose's output, the axis of its input.
        fill: the real value of a border.
        mode: "reflect" or "symmetric", of a mirrored border.
        indices: along `axis`, of a gather.
        align_corners, half_pixel_centers: how a resize places pixels, as in TensorFlow.
        transposed: of a batch_matmul: whether its first and its second input are transposed first.
        cell_clip: the largest absolute value of an LSTM's cell; 0 if there is no bound.
        inner_bits: in a `QuantizedNetwork`: the values that an op keeps inside are in steps of 2^-inner_bits.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    output: str
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    weight_scales: np.ndarray | None = None
    stride: tuple[int, int] = (1, 1)
    padding: str = "valid"
    dilation: tuple[int, int] = (1, 1)
    activation: str = "none"
    pool: tuple[int, int] | None = None
    paddings: tuple[tuple[int, int], ...] | None = None
    axis: int | None = None
    axes: tuple[int, ...] = (0, 1)
    keepdims: bool = False
    alpha: float = 0.0
    beta: float = 1.0
    approximate: bool = False
    output_size: tuple[int, int] | None = None
    begin: tuple[int, ...] | None = None
    size: tuple[int, ...] | None = None
    steps: tuple[int, ...] | None = None
    perm: tuple[int, ...] | None = None
    fill: float | None = None
    mode: str | None = None
    indices: tuple[int, ...] | None = None
    align_corners: bool = False
    half_pixel_centers: bool = False
    transposed: tuple[bool, bool] = (False, False)
    cell_clip: float = 0.0
    inner_bits: int | None = None

    @property
    def window(self) -> tuple[int, int] | None:
        """(height, width) of the kernel or pooling window; None for other ops."""
        if self.weights is None:
            return self.pool
        return self.weights.shape[1:3] if self.weights.ndim == 4 else None

    @property
    def reach(self) -> tuple[int, int]:
        """(height, width) from the first to the last cell of the window, with the gaps of its dilation."""
        return windows.reach(self.window or (1, 1), self.dilation)


@dataclass(frozen=True)
class Kind:
    """The facts about one kind of op.

    Attributes:
        options: names of the attributes of `Op` that matter. A kind with "activation" absorbs a ReLU that follows it.
        shape: function from the op and the shapes of its inputs to the shape of its output.
        inputs: number of activations it reads; None for any number.
        weighted: whether it has weights and a bias.
        macs: function from the op and its output's shape to its multiply-accumulates.
        same_shape: whether all its inputs must have one shape.
        same_scale: whether its int8 output has the scale and zero point of its inputs, all of them the same, because it
            only moves or chooses values.
        fixed_scale: (scale, zero point) of its int8 output, if the specification fixes them.
        narrowest: the least width that the range of its int8 output may have, as a share of its widest input's, with a
            margin of 2: finer steps cannot be computed.
        finest: the same where it is no such share: function from the scales of its inputs to a scale, which that of its
            int8 output must exceed.
        scales_through: whether f(s * x) = s * f(x) for every channel's s > 0, as equalization needs it.
        blocks: for a kind whose weights are several matrices, which have a scale each in int8: function from the op to
            the parts of its weights that these are.
        inside: for a kind that keeps values inside whose range int8 must know: function from the op and its inputs to
            these values.
        offsets: for a kind that only moves values, function from the op and its input's shape to the offsets that say
            where each value stands in the input; see `edgekit.network.moves`.
    """

    options: tuple[str, ...] = ()
    shape: Callable[[Op, Sequence[Shape]], Shape] = lambda op, shapes: tuple(shapes[0])
    inputs: int | None = 1
    weighted: bool = False
    macs: Callable[[Op, Shape], int] = lambda op, shape: 0
    same_shape: bool = False
    same_scale: bool = False
    fixed_scale: tuple[float, int] | None = None
    narrowest: float = 0.0
    finest: Callable[[Sequence[float]], float] = lambda scales: 0.0
    scales_through: bool = False
    blocks: Callable[[Op], list[tuple[slice, slice]]] | None = None
    inside: Callable[[Op, Sequence[np.ndarray]], np.ndarray] | None = None
    offsets: Callable[[Op, Shape], list[np.ndarray]] | None = None


OPS: dict[str, Kind] = {}  # the facts about every kind, by its name
RUN = Dispatch("edgekit/network/ops.py")  # function(op, inputs, shape): the op in float32


def kind(name: str, **facts: Any) -> Callable[[Callable], Callable]:
    """Return a decorator that enters a kind with its facts (see `Kind`); its function is the float32 arithmetic."""
    OPS[name] = Kind(**facts)
    return RUN.register(name)


def run_op(op: Op, inputs: Sequence[np.ndarray], shape: Shape) -> np.ndarray:
    """One op in float32.

    Args:
        op: an `Op` with float32 weights.
        inputs: float32 arrays (N, *shape).
        shape: the output's shape, without the batch.

    Returns:
        float32 array (N, *shape).

    Raises:
        ValueError: there is no such kind of op.
    """
    y = RUN[op.kind](op, inputs, shape)
    if op.activation != "none":
        np.clip(y, *ACTIVATIONS[op.activation], out=y)
    return np.asarray(y, np.float32)


def output_shape(op: Op, shapes: Sequence[Shape]) -> Shape:
    """The shape of an op's output, from the shapes of its inputs (without the batch)."""
    return OPS[op.kind].shape(op, shapes)


def op_macs(op: Op, shapes: dict[str, Shape]) -> int:
    """Multiply-accumulates of one op, from the shapes of all tensors."""
    return OPS[op.kind].macs(op, shapes[op.output])


def _moved_window(channels: Callable[[Op, int], int]) -> Callable[[Op, Sequence[Shape]], Shape]:
    """The shape function of an op that moves a window; `channels` gives the number of output channels."""

    def shape(op, shapes):
        height, width, depth = shapes[0]
        return (*windows.output_size((height, width), op.reach, op.stride, op.padding), channels(op, depth))

    return shape


@kind(
    "conv2d",
    options=("stride", "padding", "dilation", "activation"),
    weighted=True,
    shape=_moved_window(lambda op, depth: op.weights.shape[0]),
    macs=lambda op, shape: shape[0] * shape[1] * op.weights.size,
)
def _conv2d(op, inputs, shape):
    x = windows.pad_for(inputs[0], op.reach, op.stride, op.padding, 0.0)
    y = windows.conv2d(x, op.weights, op.stride, op.dilation)
    y += op.bias
    return y


@kind(
    "depthwise_conv2d",
    options=("stride", "padding", "dilation", "activation"),
    weighted=True,
    shape=_moved_window(lambda op, depth: op.weights.shape[-1]),
    macs=lambda op, shape: int(np.prod(shape)) * op.window[0] * op.window[1],
)
def _depthwise_conv2d(op, inputs, shape):
    x = windows.pad_for(inputs[0], op.reach, op.stride, op.padding, 0.0)
    y = windows.depthwise_conv2d(x, op.weights, op.stride, op.dilation)
    y += op.bias
    return y


# Its window moves over the output: stride, padding and size are those of the convolution from the output to the input.
@kind(
    "transpose_conv2d",
    options=("stride", "padding", "output_size", "activation"),
    weighted=True,
    shape=lambda op, shapes: (*op.output_size, len(op.weights)),
    macs=lambda op, shape: prod(windows.output_size(shape[:2], op.window, op.stride, op.padding)) * op.weights.size,
)
def _transpose_conv2d(op, inputs, shape):
    return windows.transpose_conv2d(inputs[0], op.weights, op.stride, op.padding, op.output_size) + op.bias


@kind(
    "fully_connected",
    options=("activation", "keepdims"),
    weighted=True,
    shape=lambda op, shapes: (*(shapes[0][:-1] if op.keepdims else ()), len(op.weights)),
    macs=lambda op, shape: op.weights.size * prod(shape[:-1]),
)
def _fully_connected(op, inputs, shape):
    rows = inputs[0].reshape(-1, op.weights.shape[1])
    return (rows @ op.weights.T + op.bias).reshape(len(inputs[0]), *shape)


# Every input begins with an empty cell and an output of 0: nothing is kept from the one before.
@kind(
    "lstm",
    options=("cell_clip",),
    shape=lambda op, shapes: (shapes[0][0], lstm.units(op)),
    macs=lambda op, shape: shape[0] * op.weights.size,
    blocks=lstm.blocks,
    inside=lambda op, inputs: lstm.run(inputs[0], op)[1],
)
def _lstm(op, inputs, shape):
    return lstm.run(inputs[0], op)[0]


def _broadcast(op, shapes):
    return broadcasting.output_shape(op.name, shapes)


_SUM = 2.0**-18  # its int8 arithmetic has 20 bits below the steps of its inputs; Micro stops where the sum needs more


@kind("add", options=("activation",), inputs=2, shape=_broadcast, narrowest=_SUM)
def _add(op, inputs, shape):
    return np.add(*broadcasting.aligned(inputs))


@kind("sub", options=("activation",), inputs=2, shape=_broadcast, narrowest=_SUM)
def _sub(op, inputs, shape):
    return np.subtract(*broadcasting.aligned(inputs))


# Its int8 product has 16 bits, which leaves 15 for finer steps.
@kind("mul", options=("activation",), inputs=2, shape=_broadcast, finest=lambda scales: np.prod(scales) * 2.0**-15)
def _mul(op, inputs, shape):
    return np.multiply(*broadcasting.aligned(inputs))


@kind("maximum", inputs=2, shape=_broadcast, same_scale=True)
def _maximum(op, inputs, shape):
    return np.maximum(*broadcasting.aligned(inputs))


@kind("minimum", inputs=2, shape=_broadcast, same_scale=True)
def _minimum(op, inputs, shape):
    return np.minimum(*broadcasting.aligned(inputs))


# Its int8 square has 30 bits, in steps of the greater input scale / 64.
@kind("squared_difference", inputs=2, shape=_broadcast, finest=lambda scales: max(scales) ** 2 * 2.0**-13)
def _squared_difference(op, inputs, shape):
    return np.square(np.subtract(*broadcasting.aligned(inputs)))


def _joined(op, shapes):
    first, axis = shapes[0], op.axis
    return (*first[:axis], sum(other[axis] for other in shapes), *first[axis + 1 :])


@kind("concatenate", options=("axis",), inputs=None, shape=_joined, same_scale=True)
def _concatenate(op, inputs, shape):
    return np.concatenate(inputs, axis=op.axis + 1)


@kind(
    "average_pool2d",
    options=("pool", "stride", "padding", "activation"),
    shape=_moved_window(lambda op, depth: depth),
    same_scale=True,
    scales_through=True,
)
def _average_pool2d(op, inputs, shape):
    x = windows.pad_for(inputs[0], op.pool, op.stride, op.padding, 0.0)
    y = windows.sum_pool2d(x, op.pool, op.stride)
    y /= windows.valid_cells(inputs[0].shape[1:3], op.pool, op.stride, op.padding)[None, :, :, None]
    return y


@kind(
    "max_pool2d",
    options=("pool", "stride", "padding", "activation"),
    shape=_moved_window(lambda op, depth: depth),
    same_scale=True,
    scales_through=True,
)
def _max_pool2d(op, inputs, shape):
    x = windows.pad_for(inputs[0], op.pool, op.stride, op.padding, -np.inf)
    return windows.max_pool2d(x, op.pool, op.stride)


def _reduced(op, shapes):
    rank = len(shapes[0])
    if not op.axes or not set(op.axes) <= set(range(rank)):
        raise InvalidValue(f"{op.name!r} goes over the axes {op.axes} of a tensor of shape {shapes[0]}")
    if op.keepdims:
        return tuple(1 if axis in op.axes else size for axis, size in enumerate(shapes[0]))
    if len(set(op.axes)) == rank:
        raise InvalidValue(f"{op.name!r} goes over all axes, and nothing is left of the shape: use keepdims=True")
    return tuple(size for axis, size in enumerate(shapes[0]) if axis not in op.axes)


def _batch_axes(op):
    return tuple(axis + 1 for axis in op.axes)


@kind("mean", options=("axes", "keepdims"), shape=_reduced)
def _mean(op, inputs, shape):
    return inputs[0].mean(axis=_batch_axes(op), dtype=np.float32, keepdims=op.keepdims)


@kind("sum", options=("axes", "keepdims"), shape=_reduced)
def _sum(op, inputs, shape):
    return inputs[0].sum(axis=_batch_axes(op), dtype=np.float32, keepdims=op.keepdims)


@kind("reduce_max", options=("axes", "keepdims"), shape=_reduced, same_scale=True)
def _reduce_max(op, inputs, shape):
    return inputs[0].max(axis=_batch_axes(op), keepdims=op.keepdims)


@kind("reduce_min", options=("axes", "keepdims"), shape=_reduced, same_scale=True)
def _reduce_min(op, inputs, shape):
    return inputs[0].min(axis=_batch_axes(op), keepdims=op.keepdims)


def _padded(op, shapes):
    return tuple(n + before + after for n, (before, after) in zip(shapes[0], op.paddings, strict=True))


@kind("pad", options=("paddings",), shape=_padded, same_scale=True, scales_through=True)
@kind("pad_constant", options=("paddings", "fill"), shape=_padded, same_scale=True)
def _pad(op, inputs, shape):
    return bordered(op, inputs[0], 0 if op.fill is None else op.fill)


def bordered(op: Op, x: np.ndarray, fill: float) -> np.ndarray:
    """A batch x (N, *shape) with the border of a pad op around each input, filled with this value."""
    return np.pad(x, ((0, 0), *op.paddings), constant_values=fill)


@kind(
    "strided_slice",
    options=("begin", "size", "steps"),
    shape=lambda op, shapes: op.size,
    same_scale=True,
    offsets=moves.sliced_offsets,
)
@kind(
    "transpose",
    options=("perm",),
    shape=lambda op, shapes: tuple(shapes[0][axis] for axis in op.perm),
    same_scale=True,
    offsets=moves.transposed_offsets,
)
@kind(
    "broadcast_to",
    options=("size",),
    shape=lambda op, shapes: op.size,
    same_scale=True,
    offsets=moves.broadcast_offsets,
)
@kind(
    "gather",
    options=("indices", "axis"),
    shape=lambda op, shapes: (*shapes[0][: op.axis], len(op.indices), *shapes[0][op.axis + 1 :]),
    same_scale=True,
    offsets=moves.gathered_offsets,
)
@kind(
    "mirror_pad",
    options=("paddings", "mode"),
    shape=_padded,
    same_scale=True,
    offsets=moves.mirrored_offsets,
)
@kind(
    "resize_nearest",
    options=("size", "align_corners", "half_pixel_centers"),
    shape=lambda op, shapes: (*op.size, shapes[0][-1]),
    same_scale=True,
    scales_through=True,
    offsets=moves.resized_offsets,
)
def _moved(op, inputs, shape):
    return moved(op, inputs[0])


def moved(op: Op, x: np.ndarray) -> np.ndarray:
    """The output of an op that only moves values, of any type: x (N, *input shape) to (N, *output shape)."""
    offsets = OPS[op.kind].offsets(op, x.shape[1:])
    taken = np.take(x.reshape(len(x), -1), moves.positions(offsets), axis=1)
    return taken.reshape(len(x), *map(len, offsets))


@kind(
    "resize_bilinear",
    options=("size", "align_corners", "half_pixel_centers"),
    shape=lambda op, shapes: (*op.size, shapes[0][-1]),
    same_scale=True,
    scales_through=True,
)
def _resize_bilinear(op, inputs, shape):
    along = []
    for n, size in zip(inputs[0].shape[1:3], op.size, strict=True):
        scale, offset = resizing.places(n, size, op.align_corners, op.half_pixel_centers)
        along.append(resizing.neighbours((np.arange(size, dtype=np.float32) + offset) * scale - offset, n))
    return resizing.bilinear(inputs[0], along, 1)


def _product(op, shapes):
    (*first, rows, _), (*second, _, columns) = (
        (*shape[:-2], shape[-1], shape[-2]) if transposed else shape
        for shape, transposed in zip(shapes, op.transposed, strict=True)
    )
    return (*np.broadcast_shapes(tuple(first), tuple(second)), rows, columns)


def products(op: Op, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The matrix products of a batch_matmul, of any type: (N, ..., rows, depth) by (N, ..., depth, columns)."""
    a, b = (x.swapaxes(-1, -2) if flipped else x for x, flipped in zip(inputs, op.transposed, strict=True))
    rank = max(a.ndim, b.ndim)
    a, b = (x.reshape(len(x), *(1,) * (rank - x.ndim), *x.shape[1:]) for x in (a, b))
    return a @ b


@kind("batch_matmul", options=("transposed",), inputs=2, shape=_product)
def _batch_matmul(op, inputs, shape):
    return products(op, inputs)


@kind("reshape", same_scale=True)  # its output's shape is the network's to say
def _reshape(op, inputs, shape):
    return inputs[0].reshape(len(inputs[0]), *shape)


@kind("rescale")  # in int8 the same values in other steps
def _rescale(op, inputs, shape):
    return inputs[0]


@kind("sigmoid", fixed_scale=(1 / 256, -128))
def _sigmoid(op, inputs, shape):
    return 0.5 + 0.5 * np.tanh(0.5 * inputs[0])  # 1 / (1 + exp(-x)), which would overflow


@kind("tanh", fixed_scale=(1 / 128, 0))
def _tanh(op, inputs, shape):
    return np.tanh(inputs[0])


@kind("relu6", same_scale=True)  # TensorFlow Lite Micro's does not rescale
def _relu6(op, inputs, shape):
    return np.clip(inputs[0], *ACTIVATIONS["relu6"])


@kind("softmax", options=("beta",), fixed_scale=(1 / 256, -128))
def _softmax(op, inputs, shape):
    e = np.exp((inputs[0] - inputs[0].max(axis=-1, keepdims=True)) * np.float32(op.beta))
    return e / e.sum(axis=-1, keepdims=True)


# Kinds by what they have in common.
WEIGHTED = tuple(name for name, facts in OPS.items() if facts.weighted)
SAME_SCALE = tuple(name for name, facts in OPS.items() if facts.same_scale)
MOVING = tuple(name for name, facts in OPS.items() if facts.offsets)
