"""Activation functions as the ops that compute them, for the readers of all formats.

An activation that TensorFlow Lite Micro lacks is made of ops that it has, where they give the same function: swish is
x * sigmoid(x), as in TensorFlow's converter. Softplus, softsign, mish and others have no such ops and are refused.
"""

from edgekit.errors import InvalidValue
from edgekit.network.building import Builder
from edgekit.network.dispatch import Dispatch
from edgekit.network.ops import OPS

# function(builder, name, x, **options): the output of an activation function, named as in Keras; name is its last op's
FUNCTIONS = Dispatch("edgekit/network/functions.py")
KINDS: set[str] = set()  # the kinds of op that these functions become
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _function(*names, makes=()):
    """Return a decorator that enters a function for these names in `keras.activations`; it makes ops of these kinds."""
    KINDS.update(makes)
    return FUNCTIONS.register(*names)


def _with_constant(reader, kind, name, x, value):
    """An op of x and a number."""
    return reader.add(kind, name, [x, reader.constant(f"{name}_constant", value)])


@_function("linear")
def _linear(reader, name, x):
    return x


@_function("relu", makes=("relu",))
def _relu(reader, name, x, negative_slope=0.0, max_value=None, threshold=0.0):
    if threshold:
        raise InvalidValue(f"{name!r} is a ReLU with threshold={threshold}, which is not supported; 0 is")
    if max_value is not None and not max_value > 0:
        raise InvalidValue(f"{name!r} is a ReLU with max_value={max_value}, which is not supported; above 0 it is")
    if negative_slope:
        y = _leaky_relu(reader, name if max_value is None else f"{name}_leaky", x, negative_slope)
        return y if max_value is None else _with_constant(reader, "minimum", name, y, max_value)
    if max_value == 6:
        return _relu6(reader, name, x)
    if max_value is None:
        return reader.add("relu", name, [x])
    return _clipped(reader, name, x, 6 / max_value, 0.0, max_value / 6)


def _clipped(reader, name, x, factor, offset, height):
    """height * relu6(factor * x + offset): layers before and after take the factors, so that only the ReLU6 remains.

    A minimum with a constant would have the scale of values far above it.
    """
    y = reader.add("relu6", f"{name}_relu6", [reader.affine(f"{name}_input", x, factor, offset)])
    return reader.affine(name, y, height, 0.0)


@_function("relu6", makes=("relu6",))
def _relu6(reader, name, x):
    return reader.add("relu6", name, [x])


@_function("hard_tanh")
def _hard_tanh(reader, name, x):
    return reader.add("relu_n1_to_1", name, [x])


@_function("leaky_relu", makes=("leaky_relu",))
def _leaky_relu(reader, name, x, negative_slope=0.2, alpha=None):  # TensorFlow calls it alpha
    return reader.add("leaky_relu", name, [x], alpha=float(negative_slope if alpha is None else alpha))


@_function("elu", makes=("elu",))
def _elu(reader, name, x, alpha=1.0):
    """alpha multiplies the values below 0, which are those of x below 0: as a leaky ReLU after it does."""
    if alpha == 1:
        return reader.add("elu", name, [x])
    return _leaky_relu(reader, name, reader.add("elu", f"{name}_elu", [x]), alpha)


@_function("selu")
def _selu(reader, name, x):
    return reader.affine(name, _elu(reader, f"{name}_elu", x, _SELU_ALPHA), _SELU_SCALE, 0.0)


@_function("celu")
def _celu(reader, name, x, alpha=1.0):
    if not alpha > 0:
        raise InvalidValue(f"{name!r} is a CELU with alpha={alpha}, which is not supported; above 0 it is")
    y = reader.add("elu", f"{name}_elu" if alpha != 1 else name, [reader.affine(f"{name}_input", x, 1 / alpha, 0.0)])
    return reader.affine(name, y, alpha, 0.0)


@_function("gelu", makes=("gelu",))
def _gelu(reader, name, x, approximate=False):
    return reader.add("gelu", name, [x], approximate=bool(approximate))


@_function("silu", "swish")
def _silu(reader, name, x, beta=1.0):
    inner = reader.affine(f"{name}_input", x, beta, 0.0)
    return reader.add("mul", name, [x, reader.add("sigmoid", f"{name}_sigmoid", [inner])])


@_function("hard_silu", "hard_swish", makes=("hard_swish",))
def _hard_silu(reader, name, x):
    return reader.add("hard_swish", name, [x])


@_function("hard_sigmoid")
def _hard_sigmoid(reader, name, x):
    return _clipped(reader, name, x, 1.0, 3.0, 1 / 6)


@_function("sparse_sigmoid")
def _sparse_sigmoid(reader, name, x):
    return _clipped(reader, name, x, 3.0, 3.0, 1 / 6)


@_function("soft_shrink")
def _soft_shrink(reader, name, x, threshold=0.5):
    if threshold == 1:
        inside = _hard_tanh(reader, f"{name}_clipped", x)
    else:
        inside = _with_constant(reader, "maximum", f"{name}_low", x, -threshold)
        inside = _with_constant(reader, "minimum", f"{name}_clipped", inside, threshold)
    return reader.add("sub", name, [x, inside])


@_function("tanh_shrink")
def _tanh_shrink(reader, name, x):
    return reader.add("sub", name, [x, reader.add("tanh", f"{name}_tanh", [x])])


@_function("sigmoid", makes=("sigmoid",))
def _sigmoid(reader, name, x):
    return reader.add("sigmoid", name, [x])


@_function("tanh", makes=("tanh",))
def _tanh(reader, name, x):
    return reader.add("tanh", name, [x])


@_function("exponential", "exp", makes=("exp",))
def _exponential(reader, name, x):
    return reader.add("exp", name, [x])


@_function("softmax", makes=("softmax",))
def _softmax(reader, name, x, axis=-1):
    return _along_last(reader, "softmax", name, x, axis)


@_function("log_softmax", makes=("log_softmax",))
def _log_softmax(reader, name, x, axis=-1):
    return _along_last(reader, "log_softmax", name, x, axis)


def _along_last(reader, kind, name, x, axis):
    """An op over the last axis; another axis is exchanged with the last before and after it."""
    rank = len(reader.shapes[x])
    if not isinstance(axis, int) or not (0 < axis <= rank or -rank <= axis < 0):
        raise InvalidValue(f"{name!r} is a {kind} over axis={axis} of {rank} axes and a batch, which is not supported")
    axis = axis - 1 if axis > 0 else rank + axis
    if axis == rank - 1:
        return reader.add(kind, name, [x])
    if "transpose" not in OPS:
        raise InvalidValue(f"{name!r} is a {kind} over axis={axis + 1}, which is not supported; the last axis is")
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    y = reader.add("transpose", f"{name}_axis_last", [x], perm=tuple(perm))
    return reader.add("transpose", name, [reader.add(kind, f"{name}_{kind}", [y])], perm=tuple(perm))


def clip(builder: Builder, name: str, x: str, low: float | None, high: float | None) -> str:
    """Enter the values of x between two limits, either of which may be None; returns the name of the output."""
    if low is None and high is None:
        return x
    if (low, high) == (-1, 1):
        return _hard_tanh(builder, name, x)
    if low is None:
        return _with_constant(builder, "minimum", name, x, high)
    if high is None and low:
        return _with_constant(builder, "maximum", name, x, low)
    y = _relu(
        builder, name, builder.affine(f"{name}_from_0", x, 1, -low), max_value=None if high is None else high - low
    )
    return builder.affine(f"{name}_back", y, 1, low)
