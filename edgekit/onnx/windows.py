"""Reads ONNX's convolutions, poolings and batch normalization: what wants the channels last."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from edgekit.network import moves, windows
from edgekit.onnx.layout import Value, channels_last
from edgekit.onnx.reader import Node, register

Pair = tuple[int, int]


def over_image(node: Node, value: Value, make: Callable[[str], str]) -> Value:
    """The output of `make`, a function from an image to an image; a sequence (N, C, T) is an image of height 1."""
    rank = len(value.shape)
    if rank not in (3, 4):
        node.refuse(f"an input of shape {list(value.shape)}: one or two axes after the batch and the channels")
    if value.shape[0] != 1:
        node.refuse(f"a batch of {value.shape[0]}: export the model with a batch of 1")
    reader, axes = node.reader, channels_last(rank)
    image = reader.held(value, axes)
    if rank == 4:
        result = make(image)
        shape = reader.shapes[result]
        return Value(result, (1, shape[-1], *shape[:-1]), axes, last=True)
    result = make(reader.reshape(f"{node.name}_as_image", [image], (1, *reader.shapes[image])))
    shape = reader.shapes[result][1:]
    result = reader.reshape(f"{node.name}_as_sequence", [result], shape)
    return Value(result, (1, shape[-1], *shape[:-1]), axes, last=True)


class Window:
    """How a node's window moves, in two dimensions: kernel, stride, dilation, and the cells before and after."""

    def __init__(self, node: Node, value: Value, kernel: Sequence[int]) -> None:
        self.node, rank = node, len(value.shape) - 2
        self.size = self.two(value.shape[2:], 1)
        self.kernel = self.two(kernel, 1)
        self.stride = self.two(node.attribute("strides", [1] * rank), 1)
        self.dilation = self.two(node.attribute("dilations", [1] * rank), 1)
        if min(*self.kernel, *self.stride, *self.dilation) < 1:
            node.refuse(f"the window {self.kernel}, stride {self.stride} and dilation {self.dilation}")
        given = [int(n) for n in node.attribute("pads", [0] * (2 * rank))]
        if len(given) != 2 * rank:
            node.refuse(f"pads={given}")
        pairs = [(given[axis], given[axis + rank]) for axis in range(rank)]
        self.pads: list[Pair] = ([(0, 0)] if rank == 1 else []) + pairs
        if min(map(min, self.pads)) < 0:
            node.refuse(f"the negative pads {given}")
        self.given_pads = self.pads

    def two(self, values: Sequence[int], missing: int) -> Pair:
        """(height, width), of which a sequence has only the second; the first is then this number."""
        numbers = [int(n) for n in values]
        if len(numbers) not in (1, 2):
            self.node.refuse(f"a window of {len(numbers)} axes; of one or two it is supported")
        return (missing, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])

    @property
    def reach(self) -> Pair:
        """(height, width) from the first to the last cell."""
        return windows.reach(self.kernel, self.dilation)

    def automatic(self) -> None:
        """Take the pads that auto_pad asks for."""
        how = self.node.attribute("auto_pad", "NOTSET")
        if how == "VALID":
            self.pads = [(0, 0), (0, 0)]
        elif how in ("SAME_UPPER", "SAME_LOWER"):
            pads = windows.same_padding(self.size, self.reach, self.stride)
            self.pads = [pair if how == "SAME_UPPER" else (pair[1], pair[0]) for pair in pads]
        elif how != "NOTSET":
            self.node.refuse(f"auto_pad={how}")

    def grow_for_ceiling(self) -> None:
        """With ceil_mode, a last window may begin in the input and end beyond it."""
        self.given_pads = self.pads
        if not self.node.attribute("ceil_mode", 0):
            return
        grown = []
        for n, reach, stride, (before, after) in zip(self.size, self.reach, self.stride, self.pads, strict=True):
            places = -(-(n + before + after - reach) // stride) + 1
            if (places - 1) * stride >= n + before:
                places -= 1
            grown.append((before, max(after, (places - 1) * stride + reach - n - before)))
        self.pads = grown

    def check(self) -> None:
        """Refuse a window that does not fit into its input."""
        full = [n + sum(pair) for n, pair in zip(self.size, self.pads, strict=True)]
        if any(reach > n for reach, n in zip(self.reach, full, strict=True)):
            self.node.refuse(f"a window of {self.reach}, larger than its input of {tuple(full)}")

    def is_same(self) -> bool:
        """Whether the pads are those of SAME padding, which ops have themselves."""
        return list(windows.same_padding(self.size, self.reach, self.stride)) == self.pads


def _bias(node, out):
    bias = node.constant(2)
    values = np.zeros(out) if bias is None else np.ravel(bias)
    if values.shape != (out,):
        node.refuse(f"a bias of shape {values.shape} for {out} channels")
    return values.astype(np.float32)


def _kernel(node, value):
    """The weights (out, in / group, height, width), of height 1 for a sequence."""
    weights = np.asarray(node.constant(1), np.float32)
    if weights.ndim != len(value.shape):
        node.refuse(f"weights of shape {list(weights.shape)} for an input of shape {list(value.shape)}")
    return weights[:, :, None] if weights.ndim == 3 else weights


@register("Conv")
def _conv(node):
    value = node.value()
    weights = _kernel(node, value)
    window = Window(node, value, weights.shape[2:])
    window.automatic()
    window.check()
    group, channels = int(node.attribute("group", 1)), value.shape[1]
    if group < 1 or weights.shape[1] * group != channels or len(weights) % group:
        node.refuse(f"weights of shape {list(weights.shape)} in {group} groups for {channels} channels")
    options = {"stride": window.stride, "dilation": window.dilation, "padding": "valid"}
    bias = _bias(node, len(weights))

    def make(image):
        if any(map(any, window.pads)):
            image = node.add("pad", [image], "_pad", paddings=(*window.pads, (0, 0)))
        if group == channels > 1:
            filters = np.ascontiguousarray(weights.transpose(1, 2, 3, 0))
            return node.add("depthwise_conv2d", [image], weights=filters, bias=bias, **options)
        filters = np.ascontiguousarray(weights.transpose(0, 2, 3, 1))
        return node.add("conv2d", [image], weights=filters, bias=bias, **options)

    return over_image(node, value, make)


@register("ConvTranspose")
def _transposed(node):
    value = node.value()
    weights = _kernel(node, value)
    window = Window(node, value, weights.shape[2:])
    if int(node.attribute("group", 1)) != 1 or weights.shape[0] != value.shape[1]:
        node.refuse(f"{node.attribute('group', 1)} groups")
    if window.dilation != (1, 1):
        node.refuse(f"dilations={window.dilation}")
    rank = len(value.shape) - 2
    extra = window.two(node.attribute("output_padding", [0] * rank), 0)
    full = [(n - 1) * s + k for n, s, k in zip(window.size, window.stride, window.kernel, strict=True)]
    size, pads = _transposed_size(node, window, full, extra)
    bias = _bias(node, weights.shape[1])
    filters = np.ascontiguousarray(weights.transpose(1, 2, 3, 0))

    def make(image):
        options = {"weights": filters, "bias": bias, "stride": window.stride}
        same = windows.same_padding(size, window.kernel, window.stride)
        fits = windows.output_size(size, window.kernel, window.stride, "same") == window.size
        if fits and all(pair[0] == before for pair, (before, _) in zip(same, pads, strict=True)):
            return node.add("transpose_conv2d", [image], padding="same", output_size=size, **options)
        whole = tuple(max(f, before + n) for f, n, (before, _) in zip(full, size, pads, strict=True))
        if windows.output_size(whole, window.kernel, window.stride, "valid") != window.size:
            node.refuse(f"output_padding={extra} with a stride of {window.stride}")
        image = node.add("transpose_conv2d", [image], padding="valid", output_size=whole, **options)
        begin, channels = [before for before, _ in pads], weights.shape[1]
        steps = moves.sliced((*whole, channels), (*begin, 0), (*size, channels), (1, 1, 1))
        return node.reader.follow(f"{node.name}_cropped", image, steps)

    return over_image(node, value, make)


def _transposed_size(node, window, full, extra):
    """((height, width), pads) of the output of a transposed convolution."""
    how = node.attribute("auto_pad", "NOTSET")
    if node.attribute("output_shape") is not None:
        node.refuse("an output_shape: give pads")
    if how in ("NOTSET", "VALID"):
        pads = window.pads if how == "NOTSET" else ((0, 0), (0, 0))
        size = tuple(f - sum(pair) + e for f, pair, e in zip(full, pads, extra, strict=True))
    elif how in ("SAME_UPPER", "SAME_LOWER"):
        size, pads = tuple(n * s for n, s in zip(window.size, window.stride, strict=True)), []
        for f, n, e in zip(full, size, extra, strict=True):
            total = max(f + e - n, 0)
            half = (total // 2, total - total // 2)
            pads.append(half if how == "SAME_UPPER" else half[::-1])
    else:
        node.refuse(f"auto_pad={how}")
    if min(size) < 1:
        node.refuse(f"an output of {size} pixels")
    return size, tuple(pads)


@register("MaxPool")
def _max_pool(node):
    value, window = _pooling(node)
    if len(list(filter(None, node.outputs))) > 1:
        node.refuse("the places of the largest values as an output")

    def make(image):
        options = {"pool": window.kernel, "stride": window.stride}
        if window.is_same():
            return node.add("max_pool2d", [image], padding="same", **options)
        # A border of the values at the edge, or of mirrored ones, changes no maximum: the window holds them anyway.
        shape, name = node.reader.shapes[image], f"{node.name}_pad"
        if all(2 * max(pair) <= kernel for pair, kernel in zip(window.pads, window.kernel, strict=True)):
            image = node.reader.follow(name, image, moves.mirrored(shape, (*window.pads, (0, 0)), "symmetric"))
        else:
            for axis, pair in enumerate(window.pads):
                if any(pair):
                    places = np.pad(np.arange(shape[axis]), pair, mode="edge")
                    image = node.reader.follow(name, image, moves.gathered(node.reader.shapes[image], places, axis))
        return node.add("max_pool2d", [image], **options)

    return over_image(node, value, make)


@register("AveragePool")
def _average_pool(node):
    value, window = _pooling(node)
    counts_border = bool(node.attribute("count_include_pad", 0))

    def make(image):
        reader, options = node.reader, {"pool": window.kernel, "stride": window.stride}
        if not any(map(any, window.pads)):
            return node.add("average_pool2d", [image], **options)
        if window.is_same() and not counts_border:
            return node.add("average_pool2d", [image], padding="same", **options)
        padded = node.add("pad", [image], "_pad", paddings=(*window.pads, (0, 0)))
        result = node.add("average_pool2d", [padded], **options)
        shares = prod(window.kernel) / _cells(node, window, counts_border)
        return reader.affine(f"{node.name}_share", result, shares[:, :, None] if (shares != 1).any() else 1, 0)

    return over_image(node, value, make)


def _pooling(node):
    value = node.value()
    window = Window(node, value, node.attribute("kernel_shape", ()))
    if window.dilation != (1, 1):
        node.refuse(f"dilations={window.dilation}")
    window.automatic()
    window.grow_for_ceiling()
    window.check()
    return value, window


def _cells(node, window, counts_border):
    """How many cells of each window count: float (height, width)."""
    inside = np.ones((1, *window.size, 1), np.float32)
    if counts_border:  # but not what lies beyond it
        inside = np.pad(inside, ((0, 0), *window.given_pads, (0, 0)), constant_values=1)
        more = [(0, now - then) for (_, now), (_, then) in zip(window.pads, window.given_pads, strict=True)]
    else:
        more = window.pads
    return windows.sum_pool2d(np.pad(inside, ((0, 0), *more, (0, 0))), window.kernel, window.stride)[0, :, :, 0]


@register("GlobalAveragePool")
def _global_average_pool(node):
    return _global(node, "mean")


@register("GlobalMaxPool")
def _global_max_pool(node):
    return _global(node, "reduce_max")


def _global(node, kind):
    value = node.value()
    rank = len(value.shape)
    if rank not in (3, 4):
        node.refuse(f"an input of shape {list(value.shape)}")
    image = node.reader.held(value, channels_last(rank))
    result = node.add(kind, [image], axes=tuple(range(rank - 2)))
    return Value(result, (1, value.shape[1], *(1,) * (rank - 2)), (1,))


@register("BatchNormalization")
def _batch_normalization(node):
    value = node.value()
    if node.attribute("training_mode", 0):
        node.refuse("training_mode=1: export the model with model.eval()")
    gamma, beta, mean, variance = (np.asarray(node.constant(place), np.float64) for place in range(1, 5))
    factor = gamma / np.sqrt(variance + node.attribute("epsilon", 1e-5))
    rank = len(value.shape)
    if rank < 2 or factor.shape != (value.shape[1],):
        node.refuse(f"{factor.size} factors for an input of shape {list(value.shape)}")
    axes = channels_last(rank) if rank > 2 else value.axes
    image = node.reader.held(value, axes)
    result = node.reader.affine(node.name, image, factor, beta - mean * factor)
    return Value(result, value.shape, axes, last=rank > 2)
