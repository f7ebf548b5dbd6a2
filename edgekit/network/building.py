"""Collects the ops of a network while it is read, whatever format it has.

Batch normalization and activations are still ops of their own here; `edgekit.network.folding` folds and fuses them.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from edgekit.network import moves
from edgekit.network.ops import OPS, Op, Shape, output_shape


class Builder:
    """Ops so far, and the tensors between them.

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

    def add(self, kind: str, name: str, inputs: Sequence[str], **options: Any) -> str:
        """Enter an op; returns the name of its output."""
        op = Op(kind, self._unused(name), tuple(inputs), "", **options)
        shapes = [self.shapes[i] for i in inputs]
        op = replace(op, output=self.tensor(name, output_shape(op, shapes) if kind in OPS else shapes[0]))
        self.ops.append(op)
        return op.output

    def reshape(self, name: str, inputs: Sequence[str], shape: Shape) -> str:
        """Enter a reshape, unless the shape is the same; returns the name of its output."""
        if shape == self.shapes[inputs[0]]:
            return inputs[0]
        op = Op("reshape", self._unused(name), tuple(inputs), self.tensor(name, shape))
        self.ops.append(op)
        return op.output

    def follow(self, name: str, source: str, steps: moves.Steps) -> str:
        """Enter the ops of a movement; returns the name of its output."""
        for kind, options, shape in steps:
            source = (
                self.reshape(name, [source], shape) if kind == "reshape" else self.add(kind, name, [source], **options)
            )
        return source

    def join(self, name: str, sources: Sequence[str], axis: int) -> str:
        """Enter concatenations, each of as many inputs as TensorFlow Lite Micro takes; returns the output's name."""
        parts = list(sources)
        while len(parts) > moves.MOST_JOINED:
            first = self.add("concatenate", name, parts[: moves.MOST_JOINED], axis=axis)
            parts = [first, *parts[moves.MOST_JOINED :]]
        return parts[0] if len(parts) == 1 else self.add("concatenate", name, parts, axis=axis)

    def backwards(self, name: str, source: str) -> str:
        """Enter a slice with the rows of a sequence in the reverse order; returns the name of its output."""
        rows, size = self.shapes[source]
        return self.add("strided_slice", name, [source], begin=(rows - 1, 0), size=(rows, size), steps=(-1, 1))

    def last_row(self, name: str, source: str) -> str:
        """Enter a slice with the last row of a sequence; returns the name of its output, of one axis."""
        rows, size = self.shapes[source]
        last = self.add("strided_slice", name, [source], begin=(rows - 1, 0), size=(1, size), steps=(1, 1))
        return self.reshape(f"{name}_row", [last], (size,))

    def dense(self, name: str, source: str, kernel: np.ndarray, bias: np.ndarray) -> str:
        """Enter a fully connected layer over the last axis, which is a 1 x 1 convolution for an image.

        Args:
            name: for the op.
            source: the tensor's name.
            kernel: float32 array (out, in).
            bias: float32 array (out,).

        Returns:
            The name of its output.
        """
        shape = self.shapes[source]
        if len(shape) == 1:
            return self.add("fully_connected", name, [source], weights=kernel, bias=bias)
        image = shape if len(shape) == 3 else (1, prod(shape[:-1]), shape[-1])
        source = self.reshape(f"{name}_as_image", [source], image)
        result = self.add("conv2d", name, [source], weights=kernel[:, None, None], bias=bias)
        return self.reshape(f"{name}_rows", [result], (*shape[:-1], len(kernel)))

    def layer_normalization(self, name: str, source: str, gamma: Any, beta: Any, epsilon: float) -> str:
        """Enter gamma * (x - mean) / sqrt(variance + epsilon) + beta of each row; returns the name of its output.

        A convolution with equal weights is the mean of a row.
        """
        shape = self.shapes[source]
        image = shape if len(shape) == 3 else (1, prod(shape[:-1]), shape[-1])
        x = self.reshape(f"{name}_as_image", [source], image)
        difference = self.add("sub", f"{name}_difference", [x, self._row_mean(f"{name}_mean", x, 0)])
        square = self.add("square", f"{name}_square", [difference])
        variance = self._row_mean(f"{name}_variance", square, epsilon)
        inverse = self.add("rsqrt", f"{name}_inverse_deviation", [variance])
        y = self.add("mul", f"{name}_normalized", [difference, inverse])
        return self.reshape(f"{name}_rows", [self.affine(name, y, gamma, beta)], shape)

    def _row_mean(self, name, x, offset):
        channels = self.shapes[x][-1]
        weights = np.full((1, 1, 1, channels), 1 / channels, np.float32)
        return self.add("conv2d", name, [x], weights=weights, bias=np.array([offset], np.float32))

    def is_by_channel(self, tensor: str, values: np.ndarray) -> bool:
        """Whether an array beside a tensor has one value, or one for each channel."""
        return values.size == 1 or values.shape[-1:] == (values.size,) == self.shapes[tensor][-1:]

    def affine(self, name: str, source: str, factor: Any, offset: Any) -> str:
        """Enter factor * x + offset; returns the name of its output.

        For the last axis this is a batch normalization, which `folding` puts into a layer before or after it.

        Args:
            name: for the op.
            source: the tensor's name.
            factor, offset: array-like, with a shape that broadcasts to the tensor's, without the batch.
        """
        shape = self.shapes[source]
        factor, offset = np.asarray(factor, np.float64), np.asarray(offset, np.float64)
        if (factor == 1).all() and (offset == 0).all():
            return source
        if all(self.is_by_channel(source, values) for values in (factor, offset)):
            vectors = [np.broadcast_to(values.reshape(-1), shape[-1:]).copy() for values in (factor, offset)]
            return self.add("batch_norm", name, [source], weights=vectors[0], bias=vectors[1])
        if (factor != 1).any():
            source = self.add("mul", name, [source, self.constant(f"{name}_factor", factor)])
        if (offset != 0).any():
            source = self.add("add", name, [source, self.constant(f"{name}_offset", offset)])
        return source

    def _unused(self, name):
        """The name for an op, made unique: an Add of three inputs becomes two ops, a layer may be used twice."""
        unique, n = name, 1
        while any(op.name == unique for op in self.ops):
            unique, n = f"{name}_{n}", n + 1
        return unique
