"""Reads ONNX's activations; what each is made of, `edgekit.network.functions` says."""

import numpy as np

from edgekit.network.functions import FUNCTIONS, clip
from edgekit.onnx.arithmetic import aligned, named
from edgekit.onnx.layout import Value
from edgekit.onnx.reader import register


def _function(operator, name, **options):
    """Enter an operator that computes a function of this name; options are its attributes, with ONNX's values."""

    @register(operator)
    def read(node):
        value = node.value()
        given = {ours: node.attribute(theirs, usual) for ours, (theirs, usual) in options.items()}
        return named(value, FUNCTIONS[name](node.reader, node.name, value.name, **given))


_function("Relu", "relu")
_function("LeakyRelu", "leaky_relu", negative_slope=("alpha", 0.01))
_function("Elu", "elu", alpha=("alpha", 1.0))
_function("Celu", "celu", alpha=("alpha", 1.0))
_function("Sigmoid", "sigmoid")
_function("Tanh", "tanh")
_function("Exp", "exp")
_function("HardSwish", "hard_swish")
_function("Swish", "silu", beta=("alpha", 1.0))


def _unary(operator, kind):
    @register(operator)
    def read(node):
        value = node.value()
        return named(value, node.add(kind, [value.name]))


_unary("Abs", "abs")
_unary("Log", "log")
_unary("Sqrt", "sqrt")


@register("Identity", "Dropout", "Cast", "CastLike")
def _same(node):
    value = node.value()
    if node.op == "Dropout" and node.given(2) and np.any(node.constant(2)):
        node.refuse("training_mode: export the model with model.eval()")
    if node.op == "Cast":
        names = node.reader.onnx.TensorProto.DataType
        kind = names.Name(node.attribute("to", 0))
        if kind not in ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16"):
            node.refuse(f"a conversion to {kind}")
    return value


@register("Selu")
def _selu(node):
    alpha, gamma = (
        node.attribute("alpha", 1.67326319217681884765625),
        node.attribute("gamma", 1.05070102214813232421875),
    )
    value = node.value()
    y = FUNCTIONS["elu"](node.reader, f"{node.name}_elu", value.name, alpha)
    return named(value, node.reader.affine(node.name, y, gamma, 0))


@register("Gelu")
def _gelu(node):
    value, how = node.value(), node.attribute("approximate", "none")
    return named(value, FUNCTIONS["gelu"](node.reader, node.name, value.name, approximate=how == "tanh"))


@register("HardSigmoid")
def _hard_sigmoid(node):
    """The values of alpha * x + beta between 0 and 1."""
    value, slope = node.value(), node.attribute("alpha", 0.2)
    y = FUNCTIONS["relu"](
        node.reader, node.name, node.reader.affine(f"{node.name}_line", value.name, slope, node.attribute("beta", 0.5)),
        max_value=1.0,
    )  # fmt: skip
    return named(value, y)


@register("Clip")
def _clip(node):
    value = node.value()
    low, high = (_limit(node, place, name) for place, name in ((1, "min"), (2, "max")))
    if low is not None and high is not None and not low < high:
        node.refuse(f"the limits {low} and {high}")
    return named(value, clip(node.reader, node.name, value.name, low, high))


def _limit(node, place, name):
    """A limit of Clip: an input, or an attribute in older files; None for none."""
    given = node.constant(place, node.attribute(name))
    if given is None:
        return None
    number = float(np.ravel(given)[0])
    return number if abs(number) < 1e30 else None


@register("PRelu")
def _prelu(node):
    value = node.value()
    (x, slopes), result = aligned(node, [value, node.constant(1)])
    if result.shape != value.shape:
        node.refuse(f"slopes of shape {list(np.shape(node.constant(1)))} for an input of shape {list(value.shape)}")
    return named(result, node.add("prelu", [x, node.reader.constant(f"{node.name}_slopes", slopes)]))


@register("Softmax", "LogSoftmax")
def _softmax(node):
    """Over one axis, which stands last in the tensor."""
    value = node.value()
    axis = node.axis(value, node.attribute("axis", -1))
    axes = (*(other for other in value.axes if other != axis), axis)
    kind = "softmax" if node.op == "Softmax" else "log_softmax"
    result = node.add(kind, [node.reader.held(value, axes)])
    return Value(result, value.shape, axes, value.last and axes == value.axes)
