"""Reads a Keras model into a `Network`.

For each class of layer or operation of Keras, a function makes its ops; then `edgekit.network.folding` folds and fuses
them as a converter does. A class counts only if it is Keras's own: a class of the user may do anything under any name.
This module does not import Keras: who has a Keras model has imported it.
"""

import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import folding, functions
from edgekit.network.building import Builder
from edgekit.network.dispatch import Dispatch
from edgekit.network.functions import FUNCTIONS
from edgekit.network.graph import Network, check_numbers
from edgekit.network.keras_check import Call, Name, check
from edgekit.network.keras_files import converted

if TYPE_CHECKING:
    import keras

LAYERS = Dispatch("edgekit/network/keras.py")  # by name in keras.layers: function(reader, layer, inputs, **arguments)
OPERATIONS = Dispatch("edgekit/network/keras.py")  # by place in keras.src: function(reader, operation, **arguments)
KINDS: set[str] = set(functions.KINDS)  # the kinds of op that layers and operations become
# Their output is their input at inference: these, and the random ones among the layers that prepare images.
_NO_OP = (
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "GaussianNoise",
    "GaussianDropout",
    "AlphaDropout",
    "ActivityRegularization",
    "Identity",
)
_NOTES = {
    "ReLU": " (without a threshold)",
    "Concatenate": " (not along the batch)",
    "Bidirectional": " (of LSTM)",
}


def from_keras(model: "keras.Model") -> Network:
    """Return the same network as plain data, with batch normalization folded and activations fused.

    Args:
        model: a built `keras.Model`, Sequential or functional; or such a model of tf_keras.

    Returns:
        A `Network` with the model's name; its `run` agrees with ``model.predict`` up to float32 rounding. Inputs and
        outputs have the model's order.

    Raises:
        ValueError: the model is not built, holds weights that are not numbers, or a layer that is not supported; the
            message names the layer and lists what is supported. Or Keras computes other values on random inputs; the
            message names the first layer at which they part.
    """
    model = converted(model)
    reader = Reader()
    graph = _functional(model)
    inputs = [reader.tensor(tensor.name, _shape(tensor.shape, model.name)) for tensor in graph.inputs]
    outputs = reader.read(graph, inputs)
    if not reader.ops:
        raise InvalidValue(f"{model.name!r} computes nothing: its output is its input")
    as_read = dict(reader.shapes)
    ops = folding.fold(reader.ops, reader.shapes, outputs)
    read = {name for op in ops for name in op.inputs}
    constants = {name: values for name, values in reader.constants.items() if name in read}
    live = {*inputs, *constants, *(op.output for op in ops)}
    shapes = {name: shape for name, shape in reader.shapes.items() if name in live}
    network = Network(model.name, tuple(inputs), tuple(outputs), shapes, tuple(ops), constants=constants)
    check_numbers(network)
    check(model, graph, network, reader.calls, as_read, reader.constants)
    return network


def supported() -> str:
    """The supported layers, and the way around an unsupported one, for a message."""
    notes = _NOTES | {"Activation": f" ({', '.join(FUNCTIONS)})"}
    names = ", ".join(f"{kind}{notes.get(kind, '')}" for kind in LAYERS)
    return f"{names}, and augmentation such as RandomFlip; or save it as .tflite with TensorFlow's converter"


class Reader(Builder):
    """Collects ops, one for each layer; batch normalization and activations are still separate ops.

    Attributes:
        calls: what was read, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def add(self, kind: str, name: str, inputs: Sequence[str], then: "Activation | None" = None, **options: Any) -> str:
        """Enter an op, and the activation `then` after it; returns the name of its output."""
        output = super().add(kind, name, inputs, **options)
        return self.activate(then, f"{name}_{then.name}", output) if then else output

    def activate(self, activation: "Activation", name: str, x: str) -> str:
        """Enter the ops of an activation, the last one with this name; returns the name of its output."""
        if activation.layer is not None:
            return _read_layer(self, Call(activation.layer, (Name(x),), {}, []))
        return FUNCTIONS[activation.name](self, name, x, **activation.options)

    def read(self, model: Any, inputs: Sequence[str]) -> list[str]:
        """Read a functional model whose inputs are these tensors; returns the names of its output tensors."""
        names = {id(tensor): Name(name) for tensor, name in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                args, kwargs = node.arguments.convert(lambda value: names.get(id(value), value))
                results = self._node(node.operation, args, kwargs)
                names.update((id(t), Name(name)) for t, name in zip(node.output_tensors, results, strict=True))
        return [names[id(tensor)] for tensor in model.outputs]

    def _node(self, operation: Any, args: tuple, kwargs: dict) -> list[str]:
        """Read one call of a layer or of an operation; returns the names of its outputs."""
        if hasattr(operation, "_nodes_by_depth") or hasattr(operation, "_functional"):
            graph = _functional(operation)
            _, inputs, _ = _arguments(operation, args, kwargs)
            return self.read(graph, inputs)
        before = len(self.ops)
        call = Call(operation, args, kwargs, [])
        results = _read_layer(self, call) if isinstance(operation, _keras().Layer) else _read_operation(self, call)
        call.outputs.extend([results] if isinstance(results, str) else results)
        call.ops.extend(self.ops[before:])
        self.calls.append(call)
        return call.outputs


def _keras():
    """The imported Keras: whoever has a model of it has imported it."""
    return sys.modules["keras"]


def _arguments(operation, args, kwargs):
    """The arguments of a call by name, in order, without those that say nothing.

    Returns:
        (name of the first argument, names of the tensors in it, dict of the other arguments).
    """
    signature = inspect.signature(operation.call)
    given = signature.bind(*args, **kwargs).arguments
    given |= given.pop("kwargs", {})
    first = next(iter(signature.parameters))
    inputs = _flat(given.pop(first))
    unknown = next((value for value in inputs if not isinstance(value, Name)), None)
    if unknown is not None:
        _refuse(operation, f"the input {_short(unknown)}, which is not one of the model's tensors")
    others = {
        name: value
        for name, value in given.items()
        if any(value is not None for value in _flat(value))
        and not (name == "training" and value is False)
        and not (isinstance(value, bool) and signature.parameters[name].default is value)
    }
    return first, inputs, others


def _flat(value):
    """The values in nested lists, tuples and dicts, in Keras's order."""
    if isinstance(value, dict):
        return [part for key in sorted(value) for part in _flat(value[key])]
    if isinstance(value, list | tuple):
        return [part for inner in value for part in _flat(inner)]
    return [value]


def _short(value):
    text = " ".join(f"{value}".split())
    return text if len(text) <= 40 else f"{text[:37]}..."


def _read_layer(reader, call):
    layer = call.operation
    kind = type(layer).__name__
    own = getattr(_keras().layers, kind, None) is not type(layer)
    if own and kind in LAYERS:
        raise InvalidValue(
            f"layer {layer.name!r} is a class {kind} of {type(layer).__module__}, not Keras's {kind}: it may compute "
            "anything, so it is not read"
        )
    if not own and _augments(layer):
        return _arguments(layer, call.args, call.kwargs)[1][0]
    if own or kind not in LAYERS:
        what = f"a {kind}, a class of {type(layer).__module__}" if own else f"a {kind}"
        raise InvalidValue(f"layer {layer.name!r} is {what}, which is not supported; supported are {supported()}")
    if "call" in vars(layer):
        _refuse(layer, "another function in place of its call")
    if getattr(layer, "quantization_mode", None):
        raise InvalidValue(
            f"layer {layer.name!r} was quantized by Keras to {layer.quantization_mode}: "
            "give the model as it was before model.quantize(...)"
        )
    function = LAYERS[kind]
    _, inputs, others = _arguments(layer, call.args, call.kwargs)
    for name, value in others.items():
        if name not in _UNDERSTOOD[function]:
            raise InvalidValue(f"layer {layer.name!r} is called with {name}={_short(value)}, which is not supported")
    return function(reader, layer, inputs, **others)


def _augments(layer):
    """Whether it changes images at random, in training only. A RandomCrop crops in the middle at other times."""
    kind = type(layer)
    prepares = any(base.__name__ == "BaseImagePreprocessingLayer" for base in kind.__mro__)
    random = kind.__name__.startswith("Random") or kind.__name__ in ("AugMix", "CutMix", "MixUp", "RandAugment")
    return prepares and random and kind.__name__ != "RandomCrop"


def _read_operation(reader, call):
    operation = call.operation
    own, place = _place(type(operation))
    if not own or place not in OPERATIONS:
        what = f"{type(operation).__name__} of {'keras.ops' if own else type(operation).__module__}"
        raise InvalidValue(
            f"operation {operation.name!r} is a {what}, which is not supported; supported are "
            f"{', '.join(name.rpartition('.')[2] for name in OPERATIONS)} of keras.ops, and the layers {supported()}"
        )
    function = OPERATIONS[place]
    for name, parameter in inspect.signature(type(operation).__init__).parameters.items():
        value = getattr(operation, name, None)
        if name not in ("self", "name", *_UNDERSTOOD[function]) and not _same_value(value, parameter.default):
            _refuse(operation, f"{name}={_short(value)}")
    signature = inspect.signature(operation.call)
    given = signature.bind(*call.args, **call.kwargs).arguments
    understood = inspect.signature(function).parameters
    for name in list(given):
        if name not in understood:
            if not _same_value(given[name], signature.parameters[name].default):
                _refuse(operation, f"{name}={_short(given[name])}")
            del given[name]
        elif any(hasattr(value, "_keras_history") for value in _flat(given[name])):
            _refuse(operation, f"an input {name} that is not one of the model's tensors")
    return function(reader, operation, **given)


def _place(kind):
    """Whether a class is Keras's own, and its place in it, such as ops.nn.Relu."""
    own = kind.__module__.startswith("keras.src.")
    own = own and getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is kind
    return own, f"{kind.__module__.removeprefix('keras.src.')}.{kind.__qualname__}"


def _same_value(value, default):
    return value is default or (type(value) is type(default) and bool(value == default))


_UNDERSTOOD: dict[Callable, tuple[str, ...]] = {}  # by function: names of the arguments that it reads


def _layer(*names, makes=(), arguments=()):
    """Return a decorator that enters a function for these classes of `keras.layers`.

    Args:
        names: names of the classes.
        makes: the kinds of op that they become.
        arguments: names of the arguments of the layer's `call`, after the first, that the function takes. A call with
            any other argument is refused.
    """
    return _enter(LAYERS, names, makes, arguments)


def _operation(*places, makes=(), options=()):
    """Return a decorator that enters a function for these classes of operations, such as "ops.nn.Softmax".

    The function gets the arguments of the operation's `call` by their names: a `Name` for each tensor, anything else is
    a constant. A call with an argument that the function does not take is refused.

    Args:
        places: modules and names of the classes in `keras.src`.
        makes: the kinds of op that they become.
        options: the options of the operation, as in its ``__init__``, that the function reads. If another option has
            not its default, the operation is refused.
    """
    return _enter(OPERATIONS, places, makes, options)


def _enter(table, names, makes, understood):
    KINDS.update(makes)
    register = table.register(*names)

    def enter(function):
        _UNDERSTOOD[function] = tuple(understood)
        return register(function)

    return enter


def _refuse(layer, what):
    word = "layer" if isinstance(layer, _keras().Layer) else "operation"
    raise InvalidValue(f"{word} {layer.name!r} has {what}, which is not supported; supported are {supported()}")


def _functional(model):
    """The functional model: the model itself, or the one inside a Sequential model."""
    if not getattr(type(model).call, "__module__", "").startswith("keras.src.") or "call" in vars(model):
        raise InvalidValue(
            f"{model.name!r} is a {type(model).__name__}, which has a call of its own; a Sequential or functional "
            "Keras model is needed: build one of the same layers, or save it as .tflite with TensorFlow's converter"
        )
    if not getattr(model, "built", False):
        raise InvalidValue(f"{model.name!r} is not built: give it an Input layer, or call it once on data")
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise InvalidValue(
            f"{model.name!r} is a {type(model).__name__}; a Sequential or functional Keras model is needed"
        )
    return graph


def _shape(shape, name):
    if any(size is None for size in shape[1:]):
        raise InvalidValue(f"{name!r} has the open shape {tuple(shape[1:])}: a microcontroller needs every size fixed")
    return tuple(int(size) for size in shape[1:])


@dataclass(frozen=True, eq=False)
class Activation:
    """The activation of a layer.

    Attributes:
        name: of the function in `FUNCTIONS`, or of the layer.
        options: arguments of the function after the first.
        layer: the layer, if it is one.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    layer: Any = None


def _activation_of(layer):
    """A layer's `Activation`, if it is a function of Keras or TensorFlow and not only called so."""
    function, given = layer.activation, {}
    if isinstance(function, _keras().Layer):
        return Activation(function.name, layer=function)
    if isinstance(function, functools.partial) and not function.args:
        given, function = dict(function.keywords), function.func
    tensorflow = sys.modules.get("tensorflow")
    places = [_keras().activations, _keras().ops, *([tensorflow.nn, tensorflow.math] if tensorflow else [])]
    for name in FUNCTIONS:
        if any(getattr(place, name, None) is function for place in places):
            _, *parameters = inspect.signature(function).parameters.values()
            options = {each.name: each.default for each in parameters if each.default is not None} | given
            unknown = options.keys() - inspect.signature(FUNCTIONS[name]).parameters.keys()
            if unknown:
                _refuse(layer, f"the activation {name} with {', '.join(sorted(unknown))}")
            return Activation(name, options)
    name = getattr(function, "__name__", type(function).__name__)
    ours = getattr(_keras().activations, name, None) is not function
    _refuse(layer, f"the activation {name}" + (f", a function of {function.__module__}" if ours else ""))


def _channels_last(layer):
    if layer.data_format != "channels_last":
        _refuse(layer, f"data_format={layer.data_format!r}")


def _weights(layer):
    """The kernel, with its low-rank adaptation (LoRA) added if there is one, and the bias."""
    return [np.asarray(w, np.float32) for w in (layer.kernel, layer.bias) if w is not None]


def _bias(layer, weights, out):
    return np.asarray(weights[1] if layer.use_bias else np.zeros(out), np.float32)


@_layer("Dense", makes=("fully_connected",))
def _dense(reader, layer, inputs):
    weights = _weights(layer)
    kernel = np.ascontiguousarray(weights[0].T)
    bias = _bias(layer, weights, len(kernel))
    return dense(reader, layer.name, inputs, kernel, bias, _activation_of(layer))


def dense(
    reader: Reader,
    name: str,
    inputs: Sequence[str],
    kernel: np.ndarray,
    bias: np.ndarray,
    then: Activation | None = None,
) -> str:
    """Enter a Dense layer; returns the name of its output. The kernel is (out, in)."""
    output = reader.dense(name, inputs[0], kernel, bias)
    return reader.activate(then, f"{name}_{then.name}", output) if then else output


@_layer("BatchNormalization")
def _batchnormalization(reader, layer, inputs):
    rank = len(reader.shapes[inputs[0]])
    axis = (layer.axis if isinstance(layer.axis, int) else layer.axis[0]) % (rank + 1) - 1
    mean, variance = (np.asarray(v, np.float64) for v in (layer.moving_mean, layer.moving_variance))
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones_like(mean)
    beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + layer.epsilon)
    along = (-1,) + (1,) * (rank - 1 - axis)
    return reader.affine(layer.name, inputs[0], factor.reshape(along), (beta - mean * factor).reshape(along))


@_layer("Concatenate", makes=("concatenate",))
def _concatenate(reader, layer, inputs):
    rank = len(reader.shapes[inputs[0]])
    axis = layer.axis - 1 if layer.axis >= 0 else rank + layer.axis
    if not 0 <= axis < rank:
        _refuse(layer, f"axis={layer.axis}")
    return reader.add("concatenate", layer.name, inputs, axis=axis)


@_layer("ZeroPadding2D", makes=("pad",))
def _zeropadding2d(reader, layer, inputs):
    _channels_last(layer)
    return reader.add("pad", layer.name, inputs, paddings=(*(tuple(p) for p in layer.padding), (0, 0)))


@_layer("Reshape", makes=("reshape",))
def _reshape(reader, layer, inputs):
    shape = _shape(layer.output.shape, layer.name)
    return reader.reshape(layer.name, inputs, shape)


@_layer("Flatten", makes=("reshape",))
def _flatten(reader, layer, inputs):
    return reader.reshape(layer.name, inputs, (int(np.prod(reader.shapes[inputs[0]])),))


@_layer(*_NO_OP, "InputLayer")
def _same(reader, layer, inputs):
    return inputs[0]


@_layer("TimeDistributed")
def _timedistributed(reader, layer, inputs):
    """A layer over each step of a sequence; one that works on the last axis does so anyway."""
    inner = layer.layer
    if type(inner).__name__ not in ("Dense", "Activation", "ReLU", "LeakyReLU", *_NO_OP):
        _refuse(layer, f"a {type(inner).__name__} inside")
    return _read_layer(reader, Call(inner, (Name(inputs[0]),), {}, []))


@_operation("ops.core.Cast", options=("dtype",))
def _cast(reader, operation, x):
    if not _keras().backend.is_float_dtype(operation.dtype):
        _refuse(operation, f"dtype={operation.dtype!r}")
    return x
