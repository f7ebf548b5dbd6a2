"""A network as plain data: named tensors and the ops between them, with batch normalization folded in.

`edgekit.network.from_keras` reads a Keras model. All later steps use NumPy, and none needs TensorFlow.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import windows
from edgekit.network.ops import Op, Shape, op_macs, run_op


@dataclass(frozen=True, eq=False)
class Graph:
    """Ops in topological order over named tensors: the common part of a `Network` and a `QuantizedNetwork`.

    Attributes:
        name: the model's name.
        input, output: names of the tensors that go in and come out.
        shapes: dict from tensor name to shape, without the batch.
        ops: tuple of `Op`, each after those it reads from.
    """

    name: str
    input: str
    output: str
    shapes: dict[str, Shape] = field(repr=False)
    ops: tuple[Op, ...] = field(repr=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference: for each weight, the number of positions at which it is used."""
        return sum(op_macs(op, self.shapes) for op in self.ops)

    @property
    def parameters(self) -> int:
        """Number of weights and biases, after folding."""
        return sum(op.weights.size + op.bias.size for op in self.ops if op.weights is not None)

    def summary(self) -> str:
        """A table with a line for each op: name, kind, output shape, parameters, multiply-accumulates."""
        lines = [f"{'op':28} {'kind':18} {'output':>14} {'parameters':>10} {'MACs':>10}"]
        for op in self.ops:
            parameters = 0 if op.weights is None else op.weights.size + op.bias.size
            shape = "x".join(map(str, self.shapes[op.output]))
            kind = op.kind if op.activation == "none" else f"{op.kind}+{op.activation}"
            lines.append(f"{op.name:28.28} {kind:22.22} {shape:>10} {parameters:10,} {op_macs(op, self.shapes):10,}")
        lines.append(f"{len(self.ops)} ops, {self.parameters:,} parameters, {self.macs:,} multiply-accumulates")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Network(Graph):
    """A network in float32.

    Attributes:
        name, input, output, shapes, ops: as in `Graph`; weights and biases are float32.
    """

    def run(self, x: np.ndarray) -> np.ndarray:
        """The network's output for a batch.

        Args:
            x: float array of shape (N, *input shape); real values, as the Keras model takes them.

        Returns:
            float32 array of shape (N, *output shape).

        Raises:
            ValueError: x has another shape, or is not of floating point.
        """
        x = check_input(self, x)
        last = self.output
        if not len(x):
            return np.empty((0, *self.shapes[last]), np.float32)
        with windows.one_thread():
            return np.concatenate([tensors[last] for tensors in self.walk(x, keep=(last,))])

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The same as `run`: real values in, real values out, as `QuantizedNetwork.predict`."""
        return self.run(x)

    def walk(
        self, x: np.ndarray, batch_size: int = 8, keep: Collection[str] | None = None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Every tensor of the network, a few images at a time.

        Args:
            x: float array of shape (N, *input shape).
            batch_size: images at a time; small batches stay in the processor's cache.
            keep: names of the tensors to yield; by default all. The memory of others is freed when no op needs them.

        Yields:
            dict from tensor name to float32 array (n, *shape), for each batch of n images in turn.
        """
        gone = last_use(self, keep)
        for start in range(0, len(x), batch_size):
            tensors = {self.input: np.ascontiguousarray(x[start : start + batch_size], np.float32)}
            for position, op in enumerate(self.ops):
                tensors[op.output] = run_op(op, [tensors[name] for name in op.inputs], self.shapes[op.output])
                for name in gone.get(position, ()):
                    del tensors[name]
            yield tensors


def check_input(network: Graph, x: np.ndarray) -> np.ndarray:
    """Return x as an array, after checking that it is a batch of real inputs for this network.

    Args:
        network: a `Network`, or one in int8.
        x: array-like (N, *input shape), floating point.

    Returns:
        x as a NumPy array.

    Raises:
        ValueError: x has another shape or type; the message names what was expected.
    """
    x = np.asarray(x)
    expected = network.shapes[network.input]
    if x.shape[1:] != tuple(expected) or x.ndim != len(expected) + 1:
        hint = "; add a batch dimension with x[None]" if x.shape == tuple(expected) else ""
        raise InvalidValue(
            f"{network.name!r} takes a batch of shape (N, {', '.join(map(str, expected))}), got {x.shape}{hint}"
        )
    if x.dtype == np.uint8:
        raise InvalidValue(
            f"{network.name!r} takes real values, got uint8 pixels: call edgekit.models.preprocess(images) first"
        )
    if not np.issubdtype(x.dtype, np.floating):
        raise InvalidValue(f"{network.name!r} takes floating point values, got {x.dtype}")
    return x


def check_images(network: Graph, images: np.ndarray, purpose: str) -> np.ndarray:
    """The images as an array, if they are inputs of this network and there is at least one.

    Args:
        network: a `Network`, or one in int8.
        images: array-like (N, *input shape), floating point.
        purpose: what they are needed for, for the message.

    Returns:
        The images as a NumPy array.

    Raises:
        ValueError: the images have another shape or type, or there are none.
    """
    images = check_input(network, images)
    if not len(images):
        raise InvalidValue(f"{purpose} needs images, got an empty array")
    return images


def check_numbers(network: Graph) -> None:
    """Check that all weights and biases are finite.

    Raises:
        ValueError: they hold NaN or infinity; names the op.
    """
    for op in network.ops:
        for what in ("weights", "bias"):
            values = getattr(op, what)
            if values is not None and not np.isfinite(values).all():
                raise InvalidValue(
                    f"the {what} of {op.name!r} hold values that are not numbers (NaN or infinity): "
                    "the model did not train; try a smaller learning rate"
                )


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


def last_use(network: Graph, keep: Collection[str] | None) -> dict[int, list[str]]:
    """For each position in the ops, the tensors that no later op reads.

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
        if name not in keep:
            gone.setdefault(position, []).append(name)
    return gone
