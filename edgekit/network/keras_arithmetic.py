"""Reads arithmetic of Keras: Add, Multiply and similar layers, Rescaling, Normalization, and x * 2 + 1 on tensors.

A constant in it never changes. If it has one value, or one for each channel, it is a factor or an offset of a batch
normalization, which `edgekit.network.folding` puts into the layer before or after. Other constants become tensors.
"""

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network.keras import Name, _keras, _layer, _operation, _refuse


def _fold(reader, kind, name, inputs):
    """Op after op over several tensors: ((a + b) + c) + d."""
    result = inputs[0]
    for other in inputs[1:]:
        result = reader.add(kind, name, [result, other])
    return result


@_layer("Add", makes=("add",))
def _add_layer(reader, layer, inputs):
    return _fold(reader, "add", layer.name, inputs)


@_layer("Subtract", makes=("sub",))
def _subtract_layer(reader, layer, inputs):
    return _fold(reader, "sub", layer.name, inputs)


@_layer("Multiply", makes=("mul",))
def _multiply_layer(reader, layer, inputs):
    return _fold(reader, "mul", layer.name, inputs)


@_layer("Average", makes=("add",))
def _average_layer(reader, layer, inputs):
    return reader.affine(f"{layer.name}_share", _fold(reader, "add", layer.name, inputs), 1 / len(inputs), 0)


@_layer("Maximum", makes=("maximum",))
def _maximum_layer(reader, layer, inputs):
    return _fold(reader, "maximum", layer.name, inputs)


@_layer("Minimum", makes=("minimum",))
def _minimum_layer(reader, layer, inputs):
    return _fold(reader, "minimum", layer.name, inputs)


@_layer("Rescaling")
def _rescaling(reader, layer, inputs):
    factor, offset = (_constant(reader, layer, inputs[0], value) for value in (layer.scale, layer.offset))
    return _affine(reader, layer, inputs[0], factor, offset)


@_layer("Normalization")
def _normalization(reader, layer, inputs):
    mean, variance = (_constant(reader, layer, inputs[0], value) for value in (layer.mean, layer.variance))
    deviation = np.maximum(np.sqrt(variance), _keras().config.epsilon())
    if layer.invert:
        return _affine(reader, layer, inputs[0], deviation, mean)
    return _affine(reader, layer, inputs[0], 1 / deviation, -mean / deviation)


@_layer("LayerNormalization", makes=("conv2d", "sub", "mul", "rsqrt"))
def _layer_normalization(reader, layer, inputs):
    shape = reader.shapes[inputs[0]]
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    if [axis % (len(shape) + 1) for axis in axes] != [len(shape)]:
        _refuse(layer, f"axis={layer.axis}")
    if getattr(layer, "rms_scaling", False):
        _refuse(layer, "rms_scaling")
    gamma = 1 if layer.gamma is None else np.asarray(layer.gamma)
    beta = 0 if layer.beta is None else np.asarray(layer.beta)
    return reader.layer_normalization(layer.name, inputs[0], gamma, beta, layer.epsilon)


@_operation("ops.numpy.Add", makes=("add",))
def _add(reader, operation, x1, x2):
    tensor, constant = _split(reader, operation, x1, x2)
    if constant is None:
        return reader.add("add", operation.name, [x1, x2])
    return _affine(reader, operation, tensor, 1, constant)


@_operation("ops.numpy.Subtract", makes=("sub",))
def _subtract(reader, operation, x1, x2):
    tensor, constant = _split(reader, operation, x1, x2)
    if constant is None:
        return reader.add("sub", operation.name, [x1, x2])
    if tensor is x1:
        return _affine(reader, operation, tensor, 1, -constant)
    if not reader.is_by_channel(tensor, constant):
        return reader.add("sub", operation.name, [reader.constant(f"{operation.name}_constant", constant), x2])
    return _affine(reader, operation, tensor, -1, constant)


@_operation("ops.numpy.Multiply", makes=("mul",))
def _multiply(reader, operation, x1, x2):
    tensor, constant = _split(reader, operation, x1, x2)
    if constant is None:
        return reader.add("mul", operation.name, [x1, x2])
    return _affine(reader, operation, tensor, constant, 0)


@_operation("ops.numpy.Divide", "ops.numpy.TrueDivide")
def _divide(reader, operation, x1, x2):
    if isinstance(x2, Name):
        _refuse(operation, "a division by a tensor")
    _, constant = _split(reader, operation, x1, x2)
    if not constant.all():
        _refuse(operation, "a division by 0")
    return _affine(reader, operation, x1, 1 / constant, 0)


@_operation("ops.numpy.Negative")
def _negative(reader, operation, x):
    return _affine(reader, operation, x, -1, 0)


@_operation("ops.numpy.Square", makes=("squared_difference",))
def _square(reader, operation, x):
    return reader.add("square", operation.name, [x])


@_operation("ops.numpy.Power")
def _power(reader, operation, x1, x2):
    if isinstance(x2, Name) or np.ndim(x2) or x2 not in (1, 2):
        _refuse(operation, "another exponent than 1 or 2")
    return x1 if x2 == 1 else reader.add("square", operation.name, [x1])


@_operation("ops.numpy.Maximum", makes=("maximum",))
def _maximum(reader, operation, x1, x2):
    tensor, constant = _split(reader, operation, x1, x2)
    if constant is not None and not constant.any():
        return reader.add("relu", operation.name, [tensor])
    return _choose(reader, "maximum", operation, x1, x2, constant)


@_operation("ops.numpy.Minimum", makes=("minimum",))
def _minimum(reader, operation, x1, x2):
    _, constant = _split(reader, operation, x1, x2)
    return _choose(reader, "minimum", operation, x1, x2, constant)


def _choose(reader, kind, operation, x1, x2, constant):
    inputs = [x if isinstance(x, Name) else reader.constant(f"{operation.name}_bound", constant) for x in (x1, x2)]
    return reader.add(kind, operation.name, inputs)


def _split(reader, operation, x1, x2):
    """(the tensor, the constant) of an operation on two; (None, None) if both are tensors."""
    if isinstance(x1, Name) and isinstance(x2, Name):
        shapes = [reader.shapes[x] for x in (x1, x2)]
        if len(shapes[0]) != len(shapes[1]):  # Keras would align the batch of one with an axis of the other
            _refuse(operation, f"tensors of the shapes {shapes[0]} and {shapes[1]} without the batch")
        return None, None
    tensor, value = (x1, x2) if isinstance(x1, Name) else (x2, x1)
    return tensor, _constant(reader, operation, tensor, value)


def _constant(reader, operation, tensor, value):
    """A constant beside a tensor: float64, with a shape that broadcasts to the tensor's, without the batch."""
    try:
        values = np.asarray(value)
        numbers = values.dtype.kind in "fiub"
    except (TypeError, ValueError):
        numbers = False
    if not numbers:
        _refuse(operation, f"the constant {value!r:.40}")
    values = values.astype(np.float64)
    rank = len(reader.shapes[tensor])
    if not rank:
        _refuse(operation, "a tensor without axes beside the batch")
    if values.ndim == rank + 1 and len(values) == 1:
        values = values[0]
    if values.ndim > rank:
        _refuse(operation, f"a constant of shape {np.shape(value)} beside a tensor of shape {reader.shapes[tensor]}")
    return values


def _affine(reader, operation, tensor, factor, offset):
    factor, offset = np.asarray(factor, np.float64), np.asarray(offset, np.float64)
    for values in (factor, offset):
        if not np.isfinite(values).all():
            raise InvalidValue(f"{operation.name!r} has a constant that is not a number (NaN or infinity)")
    return reader.affine(operation.name, tensor, factor, offset)
