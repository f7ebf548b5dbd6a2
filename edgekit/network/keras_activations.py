"""Reads the activations of Keras: the layers that are one, and its operations with the names of functions."""

from edgekit.network.functions import FUNCTIONS, clip
from edgekit.network.keras import _activation_of, _layer, _operation, _refuse

# Layers


@_layer("Activation")
def _activation(reader, layer, inputs):
    return reader.activate(_activation_of(layer), layer.name, inputs[0])


@_layer("ReLU")
def _relu_layer(reader, layer, inputs):
    slope = float(layer.negative_slope or 0)
    return FUNCTIONS["relu"](reader, layer.name, inputs[0], slope, layer.max_value, float(layer.threshold or 0))


@_layer("LeakyReLU")
def _leaky_relu_layer(reader, layer, inputs):
    return FUNCTIONS["leaky_relu"](reader, layer.name, inputs[0], layer.negative_slope)


@_layer("ELU")
def _elu_layer(reader, layer, inputs):
    return FUNCTIONS["elu"](reader, layer.name, inputs[0], layer.alpha)


@_layer("PReLU", makes=("prelu",))
def _prelu_layer(reader, layer, inputs):
    slopes = reader.constant(f"{layer.name}_alpha", layer.alpha)
    return reader.add("prelu", layer.name, [inputs[0], slopes])


@_layer("Softmax")
def _softmax_layer(reader, layer, inputs):
    if not isinstance(layer.axis, int):
        _refuse(layer, f"axis={layer.axis}")
    return FUNCTIONS["softmax"](reader, layer.name, inputs[0], layer.axis)


# Operations


def _as_operation(place, name, *options):
    """Enter an operation of Keras that computes the function of this name; options are its parameters."""

    @_operation(place, options=options)
    def read(reader, operation, x):
        given = {option: getattr(operation, option) for option in options}
        return FUNCTIONS[name](reader, operation.name, x, **given)


_as_operation("activations.activations.ReLU", "relu", "negative_slope", "max_value", "threshold")
_as_operation("ops.nn.Relu", "relu")
_as_operation("ops.nn.Relu6", "relu6")
_as_operation("ops.nn.HardTanh", "hard_tanh")
_as_operation("ops.nn.LeakyRelu", "leaky_relu", "negative_slope")
_as_operation("ops.nn.Elu", "elu", "alpha")
_as_operation("ops.nn.Selu", "selu")
_as_operation("ops.nn.Celu", "celu", "alpha")
_as_operation("ops.nn.Gelu", "gelu", "approximate")
_as_operation("ops.nn.Silu", "silu")
_as_operation("ops.nn.HardSilu", "hard_silu")
_as_operation("ops.nn.HardSigmoid", "hard_sigmoid")
_as_operation("ops.nn.SparseSigmoid", "sparse_sigmoid")
_as_operation("ops.nn.SoftShrink", "soft_shrink", "threshold")
_as_operation("ops.nn.TanhShrink", "tanh_shrink")
_as_operation("ops.nn.Sigmoid", "sigmoid")
_as_operation("ops.nn.Softmax", "softmax", "axis")
_as_operation("ops.nn.LogSoftmax", "log_softmax", "axis")
_as_operation("ops.numpy.Tanh", "tanh")
_as_operation("ops.numpy.Exp", "exp")


def _unary_operation(place, kind):
    @_operation(place, makes=(kind,))
    def read(reader, operation, x):
        return reader.add(kind, operation.name, [x])


_unary_operation("ops.numpy.Absolute", "abs")
_unary_operation("ops.numpy.Abs", "abs")
_unary_operation("ops.numpy.Log", "log")
_unary_operation("ops.numpy.Sqrt", "sqrt")
_unary_operation("ops.math.Rsqrt", "rsqrt")


@_operation("ops.numpy.Clip", options=("x_min", "x_max"))
def _clip(reader, operation, x):
    low, high = float(operation.x_min), float(operation.x_max)
    if not low < high:
        _refuse(operation, f"the limits {low} and {high}")
    return clip(reader, operation.name, x, low, high)
