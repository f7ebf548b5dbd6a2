"""Collects the ops of an ONNX model, one node after the other.

For each operator of ONNX, a function in `windows`, `arithmetic`, `activations`, `movements` or `products` enters its
ops; `constants` computes what depends on constants alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Op, Shape
from edgekit.network.building import Builder
from edgekit.network.dispatch import Dispatch
from edgekit.onnx.constants import COMPUTED, computed
from edgekit.onnx.layout import Value, arranged, channels_last, held_shape, usual_axes
from edgekit.onnx.model import MOST_VALUES, first_line, input_shape
from edgekit.onnx.patterns import with_gelu

NODES = Dispatch("edgekit/onnx/reader.py")  # by operator: function(node) to its outputs, a Value or a list of them
Result = Value | np.ndarray
# Layers that want the channels last, and operators that keep the order of axes, to find the order for an input.
_WANT_LAST = """
    Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool BatchNormalization Resize DepthToSpace
    SpaceToDepth
"""
_KEEP_ORDER = """
    Add Sub Mul Div Pad Clip Concat Identity Cast Dropout Slice Split Sum Max Min Abs Exp Neg Relu LeakyRelu PRelu
    Sigmoid Tanh HardSwish HardSigmoid Elu Pow Sqrt
"""
_QUANTIZED = """
    QuantizeLinear DequantizeLinear DynamicQuantizeLinear QLinearConv QLinearMatMul ConvInteger MatMulInteger
"""
_CHOOSING = "ArgMax ArgMin TopK NonMaxSuppression NonZero Unique"


@dataclass(frozen=True)
class Step:
    """A node that was read: its outputs by their names in ONNX, and the ops that it became, not folded.

    The last step has no node: it arranges the outputs of the network.
    """

    node: "Node | None"
    outputs: dict[str, Value]
    ops: list[Op]


class Reader(Builder):
    """Reads the nodes of a model.

    Attributes:
        values: dict from a name in ONNX to its `Value`, or to an array for a constant.
        steps: the nodes that became ops or another name for a tensor, in order.
    """

    def __init__(self, onnx: Any, model: Any) -> None:
        super().__init__()
        self.onnx, self.graph = onnx, model.graph
        self.opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        self.values: dict[str, Result] = {"": np.zeros(0, np.float32)}
        self.steps: list[Step] = []
        self._arranged: dict[tuple, str] = {}
        for tensor in self.graph.initializer:
            self.values[tensor.name] = self._array(tensor)
        if self.graph.sparse_initializer:
            raise InvalidValue("this model has sparse weights, which are not supported: export it with dense ones")

    def _array(self, tensor):
        try:
            values = np.asarray(self.onnx.numpy_helper.to_array(tensor))
        except Exception as error:  # whatever damaged data lead it to
            raise InvalidValue(f"the weights {tensor.name!r} are damaged: {first_line(error)}") from None
        return values if values.dtype.kind in "iub" else values.astype(np.float32)

    def read(self) -> tuple[list[str], list[str]]:
        """Read all nodes.

        Returns:
            (names of the network's inputs, names of its outputs).

        Raises:
            ValueError: a node is not supported; the message names it.
        """
        inputs = []
        for tensor in self.graph.input:
            if tensor.name in self.values:
                continue  # older files list their weights among the inputs
            shape = input_shape(self.onnx, tensor)
            last = len(shape) in (3, 4) and shape[0] == 1 and self._wants_last(tensor.name)
            axes = channels_last(len(shape)) if last else usual_axes(shape)
            name = self.tensor(tensor.name, held_shape(shape, axes))
            self.values[tensor.name] = Value(name, shape, axes, last)
            inputs.append(name)
        if not inputs:
            raise InvalidValue("this model has no inputs: it computes a constant")
        for proto in with_gelu(self.onnx, self.graph):
            self._read(Node(self, proto))
        before = len(self.ops)
        outputs = [self._output(tensor.name) for tensor in self.graph.output]
        self.steps.append(Step(None, {}, self.ops[before:]))
        return inputs, outputs

    def _wants_last(self, name):
        """Whether the first layer that cares about the order of an input's axes wants the channels last."""
        names, place = [name], 0
        while place < len(names):
            for node in self.graph.node:
                if names[place] not in node.input:
                    continue
                if node.op_type in _WANT_LAST.split() and node.input[0] == names[place]:
                    return True
                if node.op_type in _KEEP_ORDER.split():
                    names += [output for output in node.output if output not in names]
            place += 1
        return False

    def _read(self, node):
        for name in node.inputs:
            if name not in self.values:
                node.refuse(f"the input {name!r}, which nothing computes before it")
        given = [self.values[name] for name in node.inputs]
        if node.op == "Shape" and isinstance(given[0], Value):
            first, last = node.attribute("start", 0), node.attribute("end", len(given[0].shape))
            self.values[node.outputs[0]] = np.array(given[0].shape[slice(first, last)], np.int64)
            return
        if node.op in COMPUTED.split() and not any(isinstance(value, Value) for value in given):
            arrays: list[Any] = [value if name else None for name, value in zip(node.inputs, given, strict=True)]
            results = computed(self.onnx, node.proto, arrays, self.opset)
            self.values.update(zip(node.outputs, results, strict=True))
            return
        self._check_supported(node)
        before = len(self.ops)
        results = self._guarded(node)
        outputs = dict(zip(node.outputs, results, strict=False))
        if any(node.outputs[len(results) :]):
            node.refuse(f"{len(node.outputs)} outputs")
        self.values.update(outputs)
        values = {name: value for name, value in outputs.items() if name and isinstance(value, Value)}
        self.steps.append(Step(node, values, self.ops[before:]))

    def _guarded(self, node):
        """The outputs of a node. Whatever a damaged node leads to becomes one sentence."""
        try:
            result = NODES[node.op](node)
        except InvalidValue as error:
            raise InvalidValue(str(error) if repr(node.name) in str(error) else f"node {node}: {error}") from None
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise InvalidValue(f"node {node} cannot be read: {type(error).__name__}: {first_line(error)}") from error
        return result if isinstance(result, list) else [result]

    def _check_supported(self, node):
        if node.proto.domain not in ("", "ai.onnx") or node.op not in NODES:
            kind = f"{node.proto.domain}.{node.op}" if node.proto.domain not in ("", "ai.onnx") else node.op
            advice = "supported are " + ", ".join(sorted(NODES)) + ", and all that depends on constants alone"
            if node.op in _QUANTIZED.split():
                advice = "give the model as it was before quantization: edgekit quantizes it"
            if node.op in _CHOOSING.split():
                advice = "end the model before it, and choose in the program that reads its output"
            raise InvalidValue(f"node {node.name!r} is a {kind}, which is not supported; {advice}")

    def _output(self, name):
        """The tensor of an output: an image has its channels last, anything else ONNX's order."""
        value = self.values.get(name)
        if not isinstance(value, Value):
            what = "is a constant" if name in self.values else "is made by no node"
            raise InvalidValue(f"the output {name!r} {what}")
        return value.name if value.last else self.held(value, usual_axes(value.shape))

    def tensor(self, name: str, shape: Shape) -> str:
        """As `Builder.tensor`, for a shape that a microcontroller can hold."""
        if min(shape, default=1) < 1 or prod(shape) > MOST_VALUES:
            raise InvalidValue(
                f"tensor {name!r} has the shape {list(shape)}; each size must be at least 1, and their product at most "
                f"{MOST_VALUES:,}"
            )
        return super().tensor(name, shape)

    def held(self, value: Value, axes: Sequence[int]) -> str:
        """The name of a tensor that holds these axes of a value in this order; its ops are entered once."""
        if value.axes == tuple(axes):
            return value.name
        key = (value.name, held_shape(value.shape, value.axes), value.axes, tuple(axes))
        if key not in self._arranged:
            steps = arranged(value.shape, value.axes, axes)
            self._arranged[key] = self.follow(f"{value.name}_ordered", value.name, steps)
        return self._arranged[key]


class Node:
    """One node of the model.

    Attributes:
        reader: the `Reader`.
        proto: the `onnx.NodeProto`.
        op: its operator.
        name: its own name, or its output's.
        inputs, outputs: names in ONNX; one that is left out is "".
    """

    def __init__(self, reader: Reader, proto: Any) -> None:
        self.reader, self.proto, self.op = reader, proto, proto.op_type
        self.inputs, self.outputs = list(proto.input), list(proto.output)
        self.name = proto.name or next(filter(None, self.outputs), proto.op_type)
        helper = reader.onnx.helper
        try:
            self._attributes = {each.name: helper.get_attribute_value(each) for each in proto.attribute}
        except ValueError as error:
            raise InvalidValue(f"node {self.name!r} has a damaged attribute: {first_line(error)}") from None

    def __str__(self) -> str:
        return f"{self.name!r} ({self.op})"

    def attribute(self, name: str, default: Any = None) -> Any:
        """An attribute; text is a `str`."""
        value = self._attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def given(self, place: int) -> bool:
        """Whether it has this input."""
        return place < len(self.inputs) and self.inputs[place] != ""

    def operand(self, place: int) -> Result:
        """An input: a `Value`, or an array for a constant."""
        if not self.given(place):
            self.refuse(f"no input {place}")
        return self.reader.values[self.inputs[place]]

    def value(self, place: int = 0) -> Value:
        """An input that is no constant."""
        found = self.operand(place)
        if not isinstance(found, Value):
            self.refuse(f"a constant as its input {place}")
        return found

    def constant(self, place: int, default: Any = None) -> Any:
        """An input that must be a constant: an array, or the default where it is left out."""
        if not self.given(place):
            return default
        found = self.operand(place)
        if isinstance(found, Value):
            self.refuse(f"an input {self.inputs[place]!r} that is computed, where a constant is needed")
        return found

    def numbers(self, place: int, attribute: str = "", default: Any = None) -> list[int] | None:
        """Whole numbers: an input in newer files, an attribute in older ones."""
        if self.given(place):
            return [int(n) for n in np.ravel(self.constant(place))]
        found = self.attribute(attribute, default)
        return found if found is None else [int(n) for n in np.ravel(found)]

    def axis(self, value: Value, axis: int) -> int:
        """An axis of a value, counted from the first; refuses one that it does not have."""
        rank = len(value.shape)
        if not -rank <= axis < rank:
            self.refuse(f"the axis {axis} for an input of shape {list(value.shape)}")
        return int(axis) % rank

    def add(self, kind: str, sources: Sequence[str], suffix: str = "", **options: Any) -> str:
        """Enter an op named after the node; returns the name of its output."""
        return self.reader.add(kind, self.name + suffix, sources, **options)

    def refuse(self, what: str) -> NoReturn:
        """Raise the ValueError that names the node and what is not supported."""
        raise InvalidValue(f"node {self} has {what}, which is not supported")


def register(*operators: str) -> Callable:
    """Return a decorator that enters a function for these operators of ONNX."""
    return NODES.register(*operators)
