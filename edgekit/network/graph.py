"""A network as plain data: named tensors and the ops between them, with batch normalization folded in.

`edgekit.network.from_keras` reads a Keras model. All later steps use NumPy, and none needs TensorFlow.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Protocol

import numpy as np

from edgekit.errors import InvalidType, InvalidValue
from edgekit.network import windows
from edgekit.network.ops import Op, Shape, op_macs, run_op
from edgekit.network.pixels import advice
from edgekit.network.states import States, check_states, in_sequence

# Arrays for the inputs of a network: one array; for several inputs a dict by name, or a sequence in their order.
Batch = np.ndarray | Mapping[str, np.ndarray] | Sequence[np.ndarray]
# The outputs of a network: one array, or a tuple of arrays in their order. Any, since nearly all networks have one.
Results = Any


@dataclass(frozen=True, eq=False)
class Graph:
    """Ops in topological order over named tensors: the common part of a `Network` and a `QuantizedNetwork`.

    Attributes:
        name: the model's name.
        inputs, outputs: tuples of the names of the tensors that go in and come out; a single name may be given as text.
        shapes: dict from tensor name to shape, without the batch.
        ops: tuple of `Op`, each after those it reads from.
        constants: dict from tensor name to array of the shape in `shapes`: tensors whose values never change. Ops read
            them like other tensors.
        states: dict from tensor name to tensor name: each inference begins with the first, which keeps the values that
            the second had at the end of the inference before. The first inference begins with real zeros.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    shapes: dict[str, Shape] = field(repr=False)
    ops: tuple[Op, ...] = field(repr=False)
    constants: dict[str, np.ndarray] = field(repr=False, default_factory=dict, kw_only=True)
    states: dict[str, str] = field(repr=False, default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        for what in ("inputs", "outputs"):
            names = getattr(self, what)
            object.__setattr__(self, what, (names,) if isinstance(names, str) else tuple(names))
        check_states(self)

    @property
    def input(self) -> str:
        """The name of the only input; a ValueError if there are several."""
        return self._only("input", self.inputs)

    @property
    def output(self) -> str:
        """The name of the only output; a ValueError if there are several."""
        return self._only("output", self.outputs)

    def _only(self, what: str, names: tuple[str, ...]) -> str:
        if len(names) != 1:
            raise InvalidValue(f"one {what} is expected here; {self.name!r} has {len(names)}: {', '.join(names)}")
        return names[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference: for each weight, the number of positions at which it is used."""
        return sum(op_macs(op, self.shapes) for op in self.ops)

    @property
    def parameters(self) -> int:
        """Number of weights and biases, after folding."""
        of_ops = sum(op.weights.size + op.bias.size for op in self.ops if op.weights is not None)
        return of_ops + sum(values.size for values in self.constants.values())

    @property
    def state_size(self) -> int:
        """Number of values that are kept from one inference to the next."""
        return sum(prod(self.shapes[name]) for name in self.states)

    def first_states(self) -> States:
        """The states with which a sequence begins: dict from name to float32 zeros (*shape)."""
        return {name: np.zeros(self.shapes[name], np.float32) for name in self.states}

    def summary(self) -> str:
        """A table with a line for each op: name, kind, output shape, parameters, multiply-accumulates."""
        lines = [f"{'op':28} {'kind':18} {'output':>14} {'parameters':>10} {'MACs':>10}"]
        for op in self.ops:
            parameters = 0 if op.weights is None else op.weights.size + op.bias.size
            shape = "x".join(map(str, self.shapes[op.output]))
            kind = op.kind if op.activation == "none" else f"{op.kind}+{op.activation}"
            lines.append(f"{op.name:28.28} {kind:22.22} {shape:>10} {parameters:10,} {op_macs(op, self.shapes):10,}")
        lines.append(f"{len(self.ops)} ops, {self.parameters:,} parameters, {self.macs:,} multiply-accumulates")
        if self.states:
            lines.append(f"{len(self.states)} states keep {self.state_size:,} values from one inference to the next")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Network(Graph):
    """A network in float32.

    Attributes:
        name, inputs, outputs, shapes, ops, constants, states: as in `Graph`; all numbers are float32.
    """

    def run(self, x: Batch, states: States | None = None) -> Results:
        """The network's output for a batch. If the network has states, the batch is a sequence, in order.

        Args:
            x: float array of shape (N, *input shape); real values, as the Keras model takes them. For several inputs, a
                dict from name to array, or the arrays in the order of `inputs`.
            states: with which the sequence begins, and afterwards those at its end: see `Session`. None begins anew.

        Returns:
            float32 array of shape (N, *output shape); for several outputs, a tuple of arrays in the order of `outputs`.

        Raises:
            ValueError: x has another shape, or is not of floating point.
        """
        x = check_input(self, x)
        if not batch_size(x):
            return as_results([np.empty((0, *self.shapes[name]), np.float32) for name in self.outputs])
        with windows.one_thread():
            walk = self.walk(x, keep=self.outputs, states=states)
            parts = [[tensors[name] for name in self.outputs] for tensors in walk]
        return as_results([np.concatenate(part) for part in zip(*parts, strict=True)])

    def predict(self, x: Batch, states: States | None = None) -> Results:
        """The same as `run`: real values in, real values out, as `QuantizedNetwork.predict`."""
        return self.run(x, states)

    def walk(
        self, x: Batch, batch_size: int = 8, keep: Collection[str] | None = None, states: States | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Every tensor of the network, constants included, a few images at a time.

        Args:
            x: float array of shape (N, *input shape); for several inputs as in `run`.
            batch_size: images at a time; small batches stay in the processor's cache.
            keep: names of the tensors to yield; by default all. The memory of others is freed when no op needs them.
            states: as in `run`.

        Yields:
            dict from tensor name to float32 array (n, *shape), for each batch of n images in turn.
        """
        gone = last_use(self, keep)
        states = self.first_states() if states is None else states

        def run_ops(tensors):
            tensors |= repeated_constants(self, len(next(iter(tensors.values()))))
            for position, op in enumerate(self.ops):
                tensors[op.output] = run_op(op, [tensors[name] for name in op.inputs], self.shapes[op.output])
                for name in gone.get(position, ()):
                    del tensors[name]
            return tensors

        for part in batches(self, x, batch_size):
            tensors = {name: np.ascontiguousarray(values, np.float32) for name, values in part.items()}
            yield in_sequence(self, tensors, states, run_ops) if self.states else run_ops(tensors)


class Ends(Protocol):
    """The parts of a network that say how arrays go in and come out."""

    @property
    def name(self) -> str: ...

    @property
    def inputs(self) -> tuple[str, ...]: ...

    @property
    def ops(self) -> tuple[Op, ...]: ...

    @property
    def constants(self) -> dict[str, np.ndarray]: ...

    @property
    def states(self) -> dict[str, str]: ...


def by_name(network: Ends, x: Batch) -> dict[str, np.ndarray]:
    """The arrays for a network's inputs as a dict by name, in the order of its inputs.

    Args:
        network: a `Network`, or one in int8.
        x: the only input's array; for several inputs a dict from name to array, or the arrays in order.

    Returns:
        dict from the name of each input to its array, all with the same N.

    Raises:
        ValueError: an input is missing, there are too many, or they have different N.
    """
    if len(network.inputs) == 1 and not isinstance(x, Mapping):
        return {network.inputs[0]: np.asarray(x)}
    if not isinstance(x, Mapping):
        if not isinstance(x, (tuple, list)) or len(x) != len(network.inputs):
            got = f"{len(x)} arrays" if isinstance(x, (tuple, list)) else f"a {type(x).__name__}"
            raise InvalidValue(
                f"{network.name!r} takes a dict or a tuple of {len(network.inputs)} arrays, for "
                f"{', '.join(network.inputs)}; got {got}"
            )
        x = dict(zip(network.inputs, x, strict=True))
    if set(x) != set(network.inputs):
        raise InvalidValue(f"{network.name!r} has the inputs {', '.join(network.inputs)}; got {', '.join(map(str, x))}")
    arrays = {name: np.asarray(x[name]) for name in network.inputs}
    sizes = {name: len(array) for name, array in arrays.items() if array.ndim}
    if len(set(sizes.values())) > 1:
        counts = ", ".join(f"{size} for {name}" for name, size in sizes.items())
        raise InvalidValue(f"{network.name!r} needs equally many values for each input; got {counts}")
    return arrays


def batch_size(x: Batch) -> int:
    """N of a batch, as `check_input` returns it."""
    return len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)


def batches(network: Ends, x: Batch, size: int) -> Iterator[dict[str, np.ndarray]]:
    """A batch cut into dicts by name, of `size` inputs each; the last may have fewer."""
    arrays = by_name(network, x)
    for start in range(0, batch_size(arrays), size):
        yield {name: array[start : start + size] for name, array in arrays.items()}


def repeated_constants(network: Ends, n: int) -> dict[str, np.ndarray]:
    """The constants as a batch of n equal ones, (n, *shape), without a copy."""
    return {name: np.broadcast_to(values, (n, *values.shape)) for name, values in network.constants.items()}


def as_results(arrays: Sequence[np.ndarray]) -> Results:
    """One array as it is; several as a tuple."""
    return arrays[0] if len(arrays) == 1 else tuple(arrays)


def check_input(network: Graph, x: Batch) -> Any:
    """Return x after checking that it is a batch of real inputs for this network.

    Args:
        network: a `Network`, or one in int8.
        x: array-like (N, *input shape), floating point; for several inputs as in `Network.run`.

    Returns:
        A NumPy array; for several inputs a dict from name to array.

    Raises:
        ValueError: x has another shape or type; the message names what was expected.
    """
    arrays = by_name(network, x)
    for name, array in arrays.items():
        _check_array(network, name, array)
    return arrays if len(arrays) > 1 else arrays[network.inputs[0]]


def _check_array(network, name, x):
    of = repr(network.name) if len(network.inputs) == 1 else f"the input {name!r} of {network.name!r}"
    expected = network.shapes[name]
    if x.shape[1:] != tuple(expected) or x.ndim != len(expected) + 1:
        hint = "; add a batch dimension with x[None]" if x.shape == tuple(expected) else ""
        raise InvalidValue(f"{of} takes a batch of shape (N, {', '.join(map(str, expected))}), got {x.shape}{hint}")
    if x.dtype == np.uint8:
        raise InvalidValue(f"{of} takes real values, got uint8 pixels: {advice(network, name)}")
    if not np.issubdtype(x.dtype, np.floating):
        raise InvalidValue(f"{of} takes floating point values, got {x.dtype}")


def check_images(network: Graph, images: Batch, purpose: str) -> Any:
    """The images as an array, if they are inputs of this network and there is at least one.

    Args:
        network: a `Network`, or one in int8.
        images: array-like (N, *input shape), floating point; for several inputs as in `Network.run`.
        purpose: what they are needed for, for the message.

    Returns:
        The images as a NumPy array; for several inputs a dict from name to array.

    Raises:
        ValueError: the images have another shape or type, or there are none.
    """
    images = check_input(network, images)
    if not batch_size(images):
        raise InvalidValue(f"{purpose} needs images, got an empty array")
    return images


def check_numbers(network: Graph) -> None:
    """Check that all weights, biases and constants are finite.

    Raises:
        ValueError: they hold NaN or infinity; names the op.
    """
    for name, values in network.constants.items():
        if not np.isfinite(values).all():
            raise InvalidValue(f"the constant {name!r} holds values that are not numbers (NaN or infinity)")
    for op in network.ops:
        for what in ("weights", "bias"):
            values = getattr(op, what)
            if values is not None and not np.isfinite(values).all():
                raise InvalidValue(
                    f"the {what} of {op.name!r} hold values that are not numbers (NaN or infinity): "
                    "the model did not train; try a smaller learning rate"
                )


def check_network(value: object, kind: type[Graph] = Graph) -> None:
    """Refuse what is not a network.

    Args:
        value: what a caller gave as a network.
        kind: `Network` where only a float network will do.

    Raises:
        TypeError: it is something else, such as a Keras model.
    """
    if isinstance(value, kind):
        return
    wanted = "an edgekit.network.Network" + ("" if kind is Network else " or a QuantizedNetwork")
    if isinstance(value, Graph):
        raise InvalidType(f"expected {wanted}, which computes with real numbers; got a {type(value).__name__}")
    keras = any(base.__module__.startswith(("keras", "tf_keras")) for base in type(value).__mro__)
    advice = ": edgekit.network.from_keras(model) makes the network of a Keras model" if keras else ""
    raise InvalidType(f"expected {wanted}, got an object of type {type(value).__name__}{advice}")


def with_ops(network: Network, ops: Iterable[Op]) -> Network:
    """The network with other ops over the same tensors."""
    return replace(network, ops=tuple(ops))


def map_weights(network: Network, change: Callable[[Op], np.ndarray]) -> Network:
    """The network with other weights, for experiments.

    Args:
        network: a `Network`.
        change: function from an `Op` with weights to its new weights, of the same shape.

    Returns:
        A `Network` in float32.

    Raises:
        ValueError: the new weights of an op have another shape, or are not numbers.

    Example:
        >>> rounded = map_weights(network, lambda op: np.round(op.weights))
    """
    check_network(network, Network)
    ops = []
    for op in network.ops:
        if op.weights is not None:
            weights = np.asarray(change(op))
            if weights.shape != op.weights.shape or weights.dtype.kind not in "fiub":
                raise InvalidValue(
                    f"the new weights of {op.name!r} should be numbers of shape {op.weights.shape}, "
                    f"got {weights.dtype} of shape {weights.shape}"
                )
            if not np.isfinite(weights).all():
                raise InvalidValue(f"the new weights of {op.name!r} hold NaN or infinity")
            op = replace(op, weights=weights.astype(np.float32))
        ops.append(op)
    return with_ops(network, ops)


def last_use(network: Ends, keep: Collection[str] | None) -> dict[int, list[str]]:
    """For each position in the ops, the tensors that no later op reads, and no state keeps.

    Args:
        network: the network.
        keep: names of tensors that are wanted at the end; None keeps all.

    Returns:
        dict from the position of an op to names of tensors.
    """
    if keep is None:
        return {}
    last = {}
    for position, op in enumerate(network.ops):
        for name in (*op.inputs, op.output):
            last[name] = position
    gone: dict[int, list[str]] = {}
    for name, position in last.items():
        if name not in keep and name not in network.states.values():
            gone.setdefault(position, []).append(name)
    return gone
