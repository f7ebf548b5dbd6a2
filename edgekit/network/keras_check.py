"""Compares a network that was just read with its Keras model, so that no layer is read wrongly without a word.

Each layer is tried on random values in place of those that the layers before it give: otherwise a saturated softmax, or
a ReLU that is always 0, could hide a difference. Then the outputs of the whole network are compared.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import folding
from edgekit.network.graph import Network
from edgekit.network.ops import Op, Shape, run_op

# Sizes of the random values in each row of a batch: small ones meet the middle of a curve, large ones its ends. The
# least and the largest also show layers that are saturated otherwise. The last row is the one before with the other
# sign, so that a ReLU lets every sum through in one of them.
SIZES = (0.001, 1.0, 8.0, 1000.0, -1000.0)
ROUNDINGS = 32  # a difference of so many roundings of a row's largest value needs no other explanation
NUDGE = 4  # roundings by which every value is changed, to measure how far rounding reaches in this network
TINY = 1e-30  # the least difference that counts
REPORT = "please report this model, or save it as .tflite with TensorFlow's converter and give that file"

Values = dict[str, np.ndarray]  # float32 (N, *shape), by the tensor's name


class Name(str):
    """The name of a tensor among the arguments of a call; every other argument is a constant."""


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation of Keras, as it was read.

    Attributes:
        operation: the layer or operation.
        args, kwargs: its arguments; a `Name` stands for each tensor.
        outputs: names of the tensors that it makes. One that was there before says that the layer does nothing.
        ops: the ops that it became, not folded.
    """

    operation: Any
    args: tuple
    kwargs: dict[str, Any]
    outputs: list[str]
    ops: list[Op] = field(default_factory=list)


def check(
    model: Any, graph: Any, network: Network, calls: Sequence[Call], shapes: Mapping[str, Shape], constants: Values
) -> None:
    """Compare a network with its Keras model, layer by layer and as a whole.

    Args:
        model: the Keras model.
        graph: the functional model in it; its inputs and outputs have the order of the network's.
        network: the network. A tensor that has the name and the shape of a tensor of `calls` has the same values.
        calls: all calls of the model's layers, in order.
        shapes, constants: of all tensors in `calls`.

    Raises:
        ValueError: they compute different values, or Keras cannot run the model; names the first such layer.
    """
    with sys.modules["keras"].device("cpu:0"):  # the arithmetic of a graphics card may have fewer bits
        comparison = _Comparison(model, graph, network, calls, shapes, constants)
        comparison.of_layers()
        comparison.of_outputs()


class _Comparison:
    def __init__(self, model, graph, network, calls, shapes, constants):
        self.model, self.graph, self.network, self.calls, self.shapes = model, graph, network, calls, shapes
        self.constants = {name: np.broadcast_to(v, (len(SIZES), *v.shape)) for name, v in constants.items()}
        self.keras = sys.modules["keras"]
        self.random = np.random.default_rng(0)
        self.rounding = max(_rounding(call.operation) for call in calls)
        tensors = zip(network.inputs, graph.inputs, strict=True)
        self.x = {name: self.draw(shapes[name], tensor.dtype) for name, tensor in tensors}

    def of_layers(self):
        """Try each layer, or what folding has made one op of several layers, on random values of its own."""
        # A reshape passes values on: where another op reads the same values before it, they must not be replaced after.
        readers = [name for op in self.network.ops for name in op.inputs]
        passing = {op.output for op in self.network.ops if op.kind == "reshape" and readers.count(op.inputs[0]) > 1}
        shapes = self.network.shapes
        ends = {op.output for op in self.network.ops if shapes[op.output] == self.shapes.get(op.output)} - passing
        given = dict(self.x)

        def in_place_of(name, value):
            if name in ends:
                given[name] = self.draw(self.shapes[name])
            return given.get(name, value)

        theirs, same = self.replay(in_place_of)
        for call, before, after in same:
            if self.far(before, after).any():
                self.refuse(call, before, after)
        ours = given | self.constants
        nudged: Values = {}
        for op in self.network.ops:
            value = self.run(op, ours)
            ours.setdefault(op.output, value)
            size = self.size(op, ours)
            if op.output not in ends & theirs.keys() or not self.far(value, theirs[op.output], size=size).any():
                continue
            if not nudged:
                nudged, _ = self.replay(lambda name, value: self.nudge(given.get(name, value)))
            if self.far(value, theirs[op.output], nudged[op.output], size=size).any():
                self.refuse(*self.first_call(op, value, theirs, given))

    def of_outputs(self):
        """Compare what comes out of the model with what comes out of the network."""
        keras = self.keras

        def run(rows):
            values = [self.tensor(value[rows]) for value in self.x.values()]
            inputs = keras.tree.pack_sequence_as(self.graph.input, values)
            return self.guard(self.model, inputs, training=False)

        results = self.rows(run)
        ours = self.x | self.constants
        for op in self.network.ops:
            ours[op.output] = self.run(op, ours)
        sizes = {op.output: self.size(op, ours) for op in self.network.ops if op.output in self.network.outputs}
        for name, result in zip(self.network.outputs, results, strict=True):
            bounds = {"size": sizes.get(name, 0.0), "ops": len(self.network.ops)}
            if self.far(ours[name], result, **bounds).any():
                plain, _ = self.replay(lambda name, value: value)
                nudged, _ = self.replay(lambda name, value: self.nudge(value))
                spread = result + np.abs(nudged[name] - plain[name])
                if self.far(ours[name], result, spread, **bounds).any():
                    last = next(call for call in reversed(self.calls) if name in call.outputs)
                    self.refuse(last, ours[name], result)

    def first_call(self, op, value, theirs, given):
        """The first call, of those that became this op, that was read wrongly; with our and their values."""
        known = given | {name: v for name, v in theirs.items() if name not in given} | self.constants
        last = None
        for call in self.calls:
            if op.output in call.outputs:
                last = call
            ours, shapes = dict(known), dict(self.shapes)
            for part in folding.fold(call.ops, shapes, call.outputs):
                ours[part.output] = run_op(part, [ours[name] for name in part.inputs], shapes[part.output])
            for name in call.outputs if call.ops else ():
                if name in theirs and self.far(ours[name], theirs[name], theirs[name]).any():
                    return call, ours[name], theirs[name]
        return last, value, theirs[op.output]

    def refuse(self, call, ours, theirs):
        layer = call.operation
        kind = "layer" if isinstance(layer, self.keras.Layer) else "operation"
        if ours.shape == theirs.shape:
            gap, size = np.nanmax(np.abs(ours - theirs)), np.nanmax(np.abs(theirs))
            how = f"values that differ by up to {gap:.3g}, where the largest is {size:.3g}"
        else:
            how = f"a tensor of shape {theirs.shape[1:]}, and not {ours.shape[1:]}"
        raise InvalidValue(
            f"{self.model.name!r} is not read rightly: at {kind} {layer.name!r} (a {type(layer).__name__}), Keras "
            f"gives {how}; {REPORT}"
        )

    def replay(self, onward: Callable[[str, np.ndarray], np.ndarray]) -> tuple[Values, list]:
        """Run the calls in Keras; `onward` gives the values that later calls get in place of a tensor's own.

        Returns:
            (all tensors that the calls made, (call, values before, values after) of calls that should change nothing).
        """
        passed = {name: onward(name, value) for name, value in self.x.items()}
        made: Values = {}
        same = []
        for call in self.calls:
            for name, value in zip(call.outputs, self.results(call, passed), strict=True):
                if name in self.constants:
                    passed[name] = value
                elif name in passed:
                    same.append((call, passed[name], value))
                else:
                    made[name] = value
                    passed[name] = onward(name, value)
        return made, same

    def results(self, call: Call, passed: Values) -> list[np.ndarray]:
        """What one call gives in Keras."""

        def value(name, rows):
            return self.tensor(passed[name] if name in self.constants else passed[name][rows])

        def run(rows):
            args, kwargs = _filled((call.args, call.kwargs), lambda name: value(name, rows))
            if "training" in inspect.signature(call.operation.call).parameters:
                kwargs["training"] = False
            return self.guard(call.operation, *args, **kwargs)

        return self.rows(run)

    def rows(self, run: Callable[[slice], Any]) -> list[np.ndarray]:
        """The results of all rows, at once or, where a model fixes its batch to 1, one after the other."""
        try:
            results = [run(slice(None))]
        except InvalidValue:
            results = [run(slice(row, row + 1)) for row in range(len(SIZES))]
        parts = [[self.array(value) for value in self.keras.tree.flatten(result)] for result in results]
        return [np.concatenate(values) if len(values) > 1 else values[0] for values in zip(*parts, strict=True)]

    def run(self, op, values):
        return run_op(op, [values[name] for name in op.inputs], self.network.shapes[op.output])

    def draw(self, shape, dtype="float32"):
        """Random values, each row in another size; whole numbers for an input of whole numbers."""
        values = np.stack([size * self.random.normal(size=shape) for size in SIZES])
        values[-1] = -values[-2]
        if "int" in dtype:
            low = 0 if dtype.startswith("u") else -128
            values = np.clip(np.round(values), low, 127 - low)
        return values.astype(np.float32)

    def nudge(self, value):
        size = NUDGE * self.rounding * _largest(value).reshape(-1, *(1,) * (value.ndim - 1))
        return (value + size * self.random.choice([-1, 1], value.shape)).astype(np.float32)

    def size(self, op, values):
        """The size of what an op adds up or looks up, in each row: its rounding depends on that."""
        size = sum(_largest(values[name]) for name in op.inputs)
        if op.weights is None:
            return size + 1.0  # functions add and subtract 1: ELU is exp(x) - 1
        return size * np.sqrt(_squares(op)) + np.abs(op.bias).max()

    def far(self, ours, theirs, nudged=None, ops=1, size=0.0):
        """Whether rows differ by more than the rounding of so many ops, and than nudged values differ from theirs."""
        if ours.shape != theirs.shape:
            return np.array([True])
        finite = np.isfinite(theirs)
        theirs = np.where(finite, theirs, 0)
        ours = np.where(finite, ours, 0)
        limit = ops * ROUNDINGS * self.rounding * np.maximum(_largest(theirs), size) + TINY
        if nudged is not None:
            limit = limit + 2 * _largest(np.where(finite, nudged, 0) - theirs)
        return ~(_largest(ours - theirs) <= limit)  # so that NaN is far

    def tensor(self, value):
        return self.keras.ops.convert_to_tensor(value)

    def array(self, value):
        return np.asarray(self.keras.ops.convert_to_numpy(value)).astype(np.float32)

    def guard(self, function, *args, **kwargs):
        """Call Keras; what it raises becomes one sentence."""
        try:
            return function(*args, **kwargs)
        except Exception as error:
            first = str(error).strip().partition("\n")[0]
            raise InvalidValue(
                f"Keras cannot run {function.name!r} (a {type(function).__name__}) of {self.model.name!r} on random "
                f"values: {first}"
            ) from error


def _largest(values):
    """The largest absolute value of each row."""
    return np.abs(values).max(axis=tuple(range(1, values.ndim)), initial=0)


def _squares(op):
    """The largest sum of the squares of one output's weights."""
    outputs = op.weights if len(op.weights) == len(op.bias) else np.moveaxis(op.weights, -1, 0)
    return np.square(outputs, dtype=np.float64).reshape(len(outputs), -1).sum(1).max()


def _filled(value, fill):
    """Nested arguments with `fill` of each name in place of the name."""
    if isinstance(value, Name):
        return fill(value)
    if isinstance(value, dict):
        return {key: _filled(part, fill) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(part, fill) for part in value)
    return value


def _rounding(operation):
    """The relative size of a rounding in what an operation computes with; at least that of float32."""
    sizes = {"float16": 2.0**-10, "bfloat16": 2.0**-7}
    return sizes.get(str(getattr(operation, "compute_dtype", "")), float(np.finfo(np.float32).eps))
