"""Reads the Keras layers that move a window or reduce axes: convolution, pooling, in one and two dimensions.

A layer over a sequence (T, C) is the same layer over an image (1, T, C) of height 1, between two reshapes, as
TensorFlow's converter writes it. `edgekit.network.folding` removes reshapes that cancel out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.network import windows
from edgekit.network.keras import Reader, _activation_of, _channels_last, _layer, _operation, _refuse

_REDUCTIONS = {
    "ops.numpy.Mean": "mean",
    "ops.numpy.Sum": "sum",
    "ops.numpy.Max": "reduce_max",
    "ops.numpy.Amax": "reduce_max",
    "ops.numpy.Min": "reduce_min",
    "ops.numpy.Amin": "reduce_min",
}


def _pair(values: Any) -> tuple[int, int]:
    """A layer's numbers for height and width, from one for a sequence or two for an image."""
    pair = (1, *values) if len(values) == 1 else tuple(values)
    return int(pair[0]), int(pair[1])


def _over_image(reader: Reader, layer: Any, name: str, make: Callable[[str], str]) -> str:
    """The output of `make`, a function from an image to an image; a sequence is an image of height 1 for it."""
    shape = reader.shapes[name]
    if len(shape) == 3:
        return make(name)
    output = make(reader.reshape(f"{layer.name}_as_image", [name], (1, *shape)))
    return reader.reshape(f"{layer.name}_as_sequence", [output], reader.shapes[output][1:])


def _moved(reader, layer, image):
    """(input, options) of a window that moves over an image; causal padding becomes a pad op."""
    _channels_last(layer)
    options = {"stride": _pair(layer.strides), "padding": layer.padding}
    if hasattr(layer, "dilation_rate"):
        options["dilation"] = _pair(layer.dilation_rate)
    if layer.padding == "causal":
        options["padding"] = "valid"
        before = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        if before:
            image = reader.add("pad", f"{layer.name}_causal", [image], paddings=((0, 0), (before, 0), (0, 0)))
    return image, options


def _kernel(variable):
    """Keras's weights, of height 1 for a sequence."""
    values = np.asarray(variable, np.float32)
    return values[None] if values.ndim == 3 else values


def _bias(layer, out):
    return np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(out, np.float32)


def _filters(kernel):
    """Weights of a conv2d, from (height, width, in, out)."""
    return np.ascontiguousarray(kernel.transpose(3, 0, 1, 2))


def _depthwise_filters(kernel):
    """Weights of a depthwise_conv2d, from (height, width, in, multiplier)."""
    height, width, channels, multiplier = kernel.shape
    return np.ascontiguousarray(kernel.reshape(1, height, width, channels * multiplier))


@_layer("Conv2D", "Conv1D", makes=("conv2d",))
def _conv(reader, layer, inputs):
    def make(image):
        source, options = _moved(reader, layer, image)
        weights, then = _filters(_kernel(layer.kernel)), _activation_of(layer)
        bias = _bias(layer, len(weights))
        return reader.add("conv2d", layer.name, [source], weights=weights, bias=bias, then=then, **options)

    return _over_image(reader, layer, inputs[0], make)


@_layer("DepthwiseConv2D", "DepthwiseConv1D", makes=("depthwise_conv2d",))
def _depthwise_conv(reader, layer, inputs):
    def make(image):
        source, options = _moved(reader, layer, image)
        weights, then = _depthwise_filters(_kernel(layer.get_weights()[0])), _activation_of(layer)
        bias = _bias(layer, weights.shape[-1])
        return reader.add("depthwise_conv2d", layer.name, [source], weights=weights, bias=bias, then=then, **options)

    return _over_image(reader, layer, inputs[0], make)


@_layer("SeparableConv2D", "SeparableConv1D", makes=("depthwise_conv2d", "conv2d"))
def _separable_conv(reader, layer, inputs):
    def make(image):
        source, options = _moved(reader, layer, image)
        depthwise = _depthwise_filters(_kernel(layer.depthwise_kernel))
        zeros, name = np.zeros(depthwise.shape[-1], np.float32), f"{layer.name}_depthwise"
        between = reader.add("depthwise_conv2d", name, [source], weights=depthwise, bias=zeros, **options)
        pointwise, then = _filters(_kernel(layer.pointwise_kernel)), _activation_of(layer)
        bias = _bias(layer, len(pointwise))
        return reader.add("conv2d", layer.name, [between], weights=pointwise, bias=bias, then=then)

    return _over_image(reader, layer, inputs[0], make)


@_layer("Conv2DTranspose", "Conv1DTranspose", makes=("transpose_conv2d",))
def _transpose_conv(reader, layer, inputs):
    def make(image):
        source, options = _moved(reader, layer, image)
        if options.pop("dilation") != (1, 1):
            _refuse(layer, f"dilation_rate={layer.dilation_rate}")
        weights = np.ascontiguousarray(_kernel(layer.kernel).transpose(2, 0, 1, 3))  # from (height, width, out, in)
        bias, then = _bias(layer, len(weights)), _activation_of(layer)
        size = _pair(layer.compute_output_shape((1, *reader.shapes[inputs[0]]))[1:-1])
        if windows.output_size(size, weights.shape[1:3], options["stride"], layer.padding) != reader.shapes[image][:2]:
            _refuse(layer, f"output_padding={layer.output_padding}")
        options["output_size"] = size
        return reader.add("transpose_conv2d", layer.name, [source], weights=weights, bias=bias, then=then, **options)

    return _over_image(reader, layer, inputs[0], make)


@_layer("AveragePooling2D", "AveragePooling1D", makes=("average_pool2d",))
def _average_pooling(reader, layer, inputs):
    return _pooling("average_pool2d", reader, layer, inputs)


@_layer("MaxPooling2D", "MaxPooling1D", makes=("max_pool2d",))
def _max_pooling(reader, layer, inputs):
    return _pooling("max_pool2d", reader, layer, inputs)


def _pooling(kind, reader, layer, inputs):
    def make(image):
        source, options = _moved(reader, layer, image)
        return reader.add(kind, layer.name, [source], pool=_pair(layer.pool_size), **options)

    return _over_image(reader, layer, inputs[0], make)


@_layer("GlobalAveragePooling2D", "GlobalAveragePooling1D", makes=("mean",))
def _global_average_pooling(reader, layer, inputs):
    return _global_pooling("mean", reader, layer, inputs)


@_layer("GlobalMaxPooling2D", "GlobalMaxPooling1D", makes=("reduce_max",))
def _global_max_pooling(reader, layer, inputs):
    return _global_pooling("reduce_max", reader, layer, inputs)


def _global_pooling(kind, reader, layer, inputs):
    _channels_last(layer)
    axes = tuple(range(len(reader.shapes[inputs[0]]) - 1))
    return reader.add(kind, layer.name, inputs, axes=axes, keepdims=bool(layer.keepdims))


@_operation(*_REDUCTIONS, makes=set(_REDUCTIONS.values()), options=("axis", "keepdims"))
def _reduction(reader, operation, x):
    """keras.ops.mean, sum, max and min."""
    rank = len(reader.shapes[x])
    axis = operation.axis if isinstance(operation.axis, tuple | list) else [operation.axis]
    if any(a is None or a % (rank + 1) == 0 for a in axis):
        _refuse(operation, f"axis={operation.axis}, which includes the batch")
    axes = tuple(sorted({a % (rank + 1) - 1 for a in axis}))
    if len(axes) == rank and not operation.keepdims:
        _refuse(operation, f"axis={operation.axis} over all axes without keepdims")
    kind = _REDUCTIONS[f"ops.numpy.{type(operation).__name__}"]
    return reader.add(kind, operation.name, [x], axes=axes, keepdims=bool(operation.keepdims))
