"""One operator of a .tflite file while it is read: its tensors, its numbers, and the ops that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Op, moves, output_shape
from edgekit.tflite.moves import MOVES
from edgekit.tflite.ops import KINDS

SUPPORTED = (
    f"{', '.join(sorted({*KINDS, *MOVES}))}, in float32 or int8, with a fused RELU, RELU6 or RELU_N1_TO_1; "
    "QUANTIZE and DEQUANTIZE where an int8 graph takes or gives float32 or uint8; variables that begin with 0"
)


def without_batch(full: Sequence[int]) -> tuple[int, ...]:
    """The shape of a tensor in the network, from its shape in the file: without the batch of 1.

    In a graph of batch 1, the file may hold tensors without a batch, such as the rows of a sequence before a
    fully_connected op. Their first dimension is not 1. In the network they have their whole shape.
    """
    return tuple(full[1:] if len(full) > 1 and full[0] == 1 else full)


@dataclass(frozen=True)
class Call:
    """One operator of the file, for the functions of `ops.OPERATORS` that read its options.

    Attributes:
        reader: the reader of the file (`reader._Reader`), whose ops and tensors it extends.
        code: the name of the operator.
        options: its options, as the schema has them.
        inputs, outputs: indices of its tensors.
        replaced: by position: the name of a tensor that the op reads instead of this input.
    """

    reader: Any
    code: str
    options: Any
    inputs: list[int]
    outputs: Sequence[int]
    replaced: dict[int, str] = field(default_factory=dict)

    @property
    def output(self) -> int:
        """The index of its first output."""
        return self.outputs[0]

    @property
    def schema(self) -> Any:
        """The generated module of the schema."""
        return self.reader.schema

    @property
    def output_tensor(self) -> Any:
        """The output tensor in the file."""
        return self.reader.graph.tensors[self.output]

    def source(self, position: int) -> str:
        """The name of an input, which an op computed before or the file holds."""
        if position in self.replaced:
            return self.replaced[position]
        index = self.inputs[position]
        if self.reader.names[index] not in self.reader.shapes:
            self.reader.known(self, index)
        return self.reader.names[index]

    def reshape(self, position: int, shape: tuple[int, ...]) -> None:
        """Let the op read an input in another shape."""
        self.replaced[position] = self.enter(position, self.into(position, shape))

    def full(self, position: int) -> tuple[int, ...]:
        """The shape of an input in the file, with its batch."""
        return self.reader.full[self.source(position)]

    def numbers(self, position: int) -> np.ndarray:
        """The whole numbers of an input, (n,): constants, or computed from shapes."""
        index = self.inputs[position] if position < len(self.inputs) else -1
        if index < 0:
            self.refuse(f"only {len(self.inputs)} inputs")
        values = self.reader.whole_numbers(index)
        if values is None:
            self.refuse(f"the input {self.reader.names[self.inputs[position]]!r}, which is no constant")
        return values.reshape(-1)

    def constant_shape(self, position: int) -> tuple[int, ...]:
        """The shape of `numbers` in the file."""
        self.numbers(position)
        return self.reader.whole_numbers(self.inputs[position]).shape

    def real(self, position: int) -> float:
        """The real value of a constant input with one value."""
        index = self.inputs[position]
        values = self.reader.constant(index, np.int8 if self.reader.quantization else np.float32)
        if values is None or values.size != 1 or not np.isfinite(values).all():
            self.refuse("a value that is no constant or not finite")
        if not self.reader.quantization:
            return float(values.item())
        q, source = self.reader.graph.tensors[index].quantization, self.reader.quantization[self.source(0)]
        if q is not None and len(q.scale):
            scales, zero_points, _ = self.reader.file.steps(index, values.shape)
            if scales.tolist() != [source.scale] or zero_points.tolist() != [source.zero_point]:
                self.refuse("a constant with another scale or zero point than the input")
        return float(source.scale) * (int(values.item()) - source.zero_point)

    def into(self, position: int, shape: tuple[int, ...]) -> Any:
        """The steps (see `edgekit.network.moves`) from an input's shape in the network to this one."""
        return moves.reshaped(self.reader.shapes[self.source(position)], tuple(shape))

    def enter(self, position: int, steps: Any) -> str:
        """Enter steps that begin with an input; returns the name of the tensor at their end."""
        name = self.source(position)
        for kind, options, shape in steps:
            name = self.add(kind, [name], shape, **options)
        return name

    def add(self, kind: str, sources: Sequence[str], shape: tuple[int, ...] | None = None, **options: Any) -> str:
        """Enter an op between the file's tensors; it keeps the scale of its first input. Returns its output's name."""
        reader = self.reader
        name = reader.part_name(self.output)
        op = Op(kind, reader.op_name(self.output), tuple(sources), name, **options)
        shape = shape or output_shape(op, [reader.shapes[source] for source in sources])
        reader.check_size(name, shape)
        reader.shapes[name] = reader.full[name] = tuple(shape)
        if reader.quantization:
            reader.quantization[name] = reader.quantization[sources[0]]
        reader.ops.append(op)
        reader.check(self, op)
        return name

    def finish(self, name: str, full: Sequence[int], output: int = 0) -> None:
        """Let the tensor at the end of steps be an output, whose shape in the file is `full`."""
        reader, call = self.reader, replace(self, outputs=self.outputs[output:])
        full = reader.result(call, tuple(map(int, full)))
        shape = without_batch(full)
        last = reader.ops[-1] if reader.ops else None
        if not (last and last.output == name and f"{name}".startswith(reader.names[self.output] + "_part_")):
            last = None
        if last is None or reader.shapes[name] != shape:
            name = self.add("reshape", [name], shape)
            last = reader.ops[-1]
        for known in (reader.shapes, reader.full, reader.quantization):
            known.pop(name, None)
        reader.activation(call.output, full)
        reader.ops[-1] = replace(last, name=reader.op_name(call.output), output=reader.names[call.output])
        reader.check(self, reader.ops[-1])

    def follow(self, position: int, steps: Any, full: Sequence[int], output: int = 0) -> None:
        """Enter steps that lead from an input to an output; of several outputs, only those that some op reads."""
        if len(self.outputs) == 1 or self.outputs[output] in self.reader.read:
            self.finish(self.enter(position, steps), full, output)

    def shape(self, position: int) -> tuple[int, ...]:
        """The shape of an input, without the batch."""
        return self.reader.shapes[self.source(position)]

    def weights_shape(self, rank: int) -> tuple[int, ...]:
        """The shape of the weights, its second input, which must have this rank."""
        shape = tuple(self.reader.graph.tensors[self.inputs[1]].shape)
        if len(shape) != rank:
            self.refuse(f"weights of shape {shape}")
        return shape

    def constant(self, position: int, dtype: type) -> np.ndarray | None:
        """The values of an input that the file holds; None if an op computes them."""
        return self.reader.constant(self.inputs[position], dtype)

    def refuse(self, what: str) -> NoReturn:
        """Raise the ValueError that names this operator, its unsupported property, and the supported ones."""
        raise InvalidValue(
            f"{self.code} that computes {self.reader.names[self.output]!r} has {what}, which is not supported; "
            f"supported are {SUPPORTED}"
        )
