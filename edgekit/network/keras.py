"""Reads a Keras model into a `Network`: all code for Keras layers is here.

For each kind of layer, a function makes its ops; then `edgekit.network.folding` folds and fuses them as a converter
does. This module does not import Keras: who has a Keras model has imported it.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import folding
from edgekit.network.dispatch import Dispatch
from edgekit.network.graph import Network, check_numbers
from edgekit.network.ops import OPS, Op, Shape, output_shape

if TYPE_CHECKING:
    import keras

LAYERS = Dispatch("edgekit/network/keras.py")  # function(reader, layer, inputs): the name of the layer's output
KINDS: set[str] = set()  # the kinds of op that layers become
_NO_OP = ("Dropout", "SpatialDropout2D", "InputLayer")  # their output is their input at inference
_ACTIVATIONS = ("linear", "relu", "relu6", "sigmoid", "tanh", "softmax")
_NOTES = {
    "ReLU": " (plain or at most 6)",
    "Activation": f" ({', '.join(_ACTIVATIONS)})",
    "Concatenate": " (not along the batch)",
}


def from_keras(model: "keras.Model") -> Network:
    """Return the same network as plain data, with batch normalization folded and activations fused.

    Args:
        model: a built `keras.Model`, Sequential or functional.

    Returns:
        A `Network` with the model's name; its `run` agrees with ``model.predict`` up to float32 rounding. Inputs and
        outputs have the model's order.

    Raises:
        ValueError: the model is not built, holds weights that are not numbers, or a layer that is not supported; the
            message names the layer and lists what is supported.
    """
    reader = Reader()
    graph = _functional(model)
    inputs = [reader.tensor(tensor.name, _shape(tensor.shape, model.name)) for tensor in graph.inputs]
    outputs = reader.read(graph, inputs)
    if not reader.ops:
        raise InvalidValue(f"{model.name!r} computes nothing: its output is its input")
    ops = folding.fold(reader.ops, reader.shapes, outputs)
    read = {name for op in ops for name in op.inputs}
    constants = {name: values for name, values in reader.constants.items() if name in read}
    live = {*inputs, *constants, *(op.output for op in ops)}
    shapes = {name: shape for name, shape in reader.shapes.items() if name in live}
    network = Network(model.name, tuple(inputs), tuple(outputs), shapes, tuple(ops), constants=constants)
    check_numbers(network)
    return network


def supported() -> str:
    """The supported layers, for a message."""
    return ", ".join(f"{kind}{_NOTES.get(kind, '')}" for kind in LAYERS)


class Reader:
    """Collects ops, one for each layer; batch normalization and activations are still separate ops.

    Attributes:
        ops: the ops so far, in order.
        shapes: dict from tensor name to shape, without the batch.
        constants: dict from tensor name to float32 array, for tensors whose values never change.
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.shapes: dict[str, Shape] = {}
        self.constants: dict[str, np.ndarray] = {}

    def tensor(self, name: str, shape: Shape) -> str:
        """Enter a tensor; returns its name, made unique."""
        unique, n = name, 1
        while unique in self.shapes:
            unique, n = f"{name}_{n}", n + 1
        self.shapes[unique] = shape
        return unique

    def constant(self, name: str, values: Any) -> str:
        """Enter a tensor whose values never change; returns its name. Its shape has no batch."""
        array = np.asarray(values, np.float32)
        unique = self.tensor(name, array.shape)
        self.constants[unique] = array
        return unique

    def add(self, kind: str, name: str, inputs: Sequence[str], then: str = "linear", **options: Any) -> str:
        """Enter an op, and the activation `then` after it; returns the name of its output."""
        op = Op(kind, self._unused(name), tuple(inputs), "", **options)
        shapes = [self.shapes[i] for i in inputs]
        op = replace(op, output=self.tensor(name, output_shape(op, shapes) if kind in OPS else shapes[0]))
        self.ops.append(op)
        return op.output if then == "linear" else self.add(then, f"{name}_{then}", [op.output])

    def reshape(self, name: str, inputs: Sequence[str], shape: Shape) -> str:
        """Enter a reshape, unless the shape is the same; returns the name of its output."""
        if shape == self.shapes[inputs[0]]:
            return inputs[0]
        op = Op("reshape", self._unused(name), tuple(inputs), self.tensor(name, shape))
        self.ops.append(op)
        return op.output

    def _unused(self, name):
        """The name for an op, made unique: an Add of three inputs becomes two ops, a layer may be used twice."""
        unique, n = name, 1
        while any(op.name == unique for op in self.ops):
            unique, n = f"{name}_{n}", n + 1
        return unique

    def read(self, model: Any, inputs: Sequence[str]) -> list[str]:
        """Read a functional model whose inputs are these tensors; returns the names of its output tensors."""
        names = {id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                sources = [names[id(tensor)] for tensor in node.arguments.keras_tensors]
                results = self._layer(node.operation, sources)
                names.update((id(t), name) for t, name in zip(node.output_tensors, results, strict=True))
        return [names[id(tensor)] for tensor in model.outputs]

    def _layer(self, layer: Any, inputs: Sequence[str]) -> list[str]:
        kind = type(layer).__name__
        if kind in ("Functional", "Sequential") or hasattr(layer, "_nodes_by_depth"):
            return self.read(_functional(layer), inputs)
        if kind not in LAYERS:
            raise InvalidValue(f"layer {layer.name!r} is a {kind}, which is not supported; supported are {supported()}")
        return [LAYERS[kind](self, layer, inputs)]


def _layer(*names, makes=()):
    """Return a decorator that enters a function for these layers, which become ops of these kinds."""
    KINDS.update(makes)
    return LAYERS.register(*names)


def _refuse(layer, what):
    raise InvalidValue(f"layer {layer.name!r} has {what}, which is not supported; supported are {supported()}")


def _functional(model):
    """The functional model: the model itself, or the one inside a Sequential model."""
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


def _activation_of(layer):
    name = getattr(layer.activation, "__name__", str(layer.activation))
    if name not in _ACTIVATIONS:
        _refuse(layer, f"the activation {name}")
    return name


def _channels_last(layer):
    if layer.data_format != "channels_last":
        _refuse(layer, f"data_format={layer.data_format!r}")


def _bias(layer, weights, out):
    return np.asarray(weights[1] if layer.use_bias else np.zeros(out), np.float32)


@_layer("Dense", makes=("fully_connected",))
def _dense(reader, layer, inputs):
    weights = [np.asarray(w) for w in layer.get_weights()]
    kernel = np.ascontiguousarray(weights[0].T)
    bias = _bias(layer, weights, len(kernel))
    then = _activation_of(layer)
    shape = reader.shapes[inputs[0]]
    if len(shape) == 1:
        return reader.add("fully_connected", layer.name, inputs, weights=kernel, bias=bias, then=then)
    # Keras applies Dense to the last axis: for an image this is a 1 x 1 convolution.
    image = reader.reshape(
        f"{layer.name}_as_image", inputs, shape if len(shape) == 3 else (1, prod(shape[:-1]), shape[-1])
    )
    result = reader.add("conv2d", layer.name, [image], weights=kernel[:, None, None], bias=bias, then=then)
    return reader.reshape(f"{layer.name}_rows", [result], (*shape[:-1], len(kernel)))


@_layer("BatchNormalization")
def _batchnormalization(reader, layer, inputs):
    rank = len(reader.shapes[inputs[0]])
    axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
    if axis not in (-1, rank):
        _refuse(layer, f"axis={axis}")
    mean, variance = (np.asarray(v, np.float64) for v in (layer.moving_mean, layer.moving_variance))
    gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones_like(mean)
    beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros_like(mean)
    factor = gamma / np.sqrt(variance + layer.epsilon)
    return reader.add("batch_norm", layer.name, inputs, weights=factor, bias=beta - mean * factor)


@_layer("ReLU")
def _relu(reader, layer, inputs):
    if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6):
        _refuse(
            layer,
            f"max_value={layer.max_value}, negative_slope={layer.negative_slope}, threshold={layer.threshold}",
        )
    return reader.add("relu" if layer.max_value is None else "relu6", layer.name, inputs)


@_layer(
    "Activation",
    makes=(
        "sigmoid",
        "tanh",
        "softmax",
    ),
)
def _activation(reader, layer, inputs):
    name = _activation_of(layer)
    return inputs[0] if name == "linear" else reader.add(name, layer.name, inputs)


@_layer("Softmax", makes=("softmax",))
def _softmax(reader, layer, inputs):
    if layer.axis not in (-1, len(reader.shapes[inputs[0]])):
        _refuse(layer, f"axis={layer.axis}")
    return reader.add("softmax", layer.name, inputs)


@_layer("Add", makes=("add",))
def _add(reader, layer, inputs):
    if len({reader.shapes[name] for name in inputs}) != 1:
        _refuse(layer, f"inputs of different shapes {[reader.shapes[name] for name in inputs]}")
    total = inputs[0]
    for other in inputs[1:]:
        total = reader.add("add", layer.name, [total, other])
    return total


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
    return reader.add("pad", layer.name, inputs, paddings=tuple(tuple(p) for p in layer.padding))


@_layer("Reshape", makes=("reshape",))
def _reshape(reader, layer, inputs):
    shape = _shape(layer.output.shape, layer.name)
    return reader.reshape(layer.name, inputs, shape)


@_layer("Flatten", makes=("reshape",))
def _flatten(reader, layer, inputs):
    return reader.reshape(layer.name, inputs, (int(np.prod(reader.shapes[inputs[0]])),))


@_layer(*_NO_OP)
def _same(reader, layer, inputs):
    return inputs[0]
