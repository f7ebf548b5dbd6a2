"""Reads a .tflite file, written by edgekit or by TensorFlow's converter; see `from_bytes`."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import OPS, SAME_SCALE, Network, Op, check_numbers, moves, output_shape
from edgekit.quantization import FINEST, FIXED, Quantization, QuantizedNetwork, channel_axis
from edgekit.tflite.known import KNOWN
from edgekit.tflite.moves import MOVES
from edgekit.tflite.ops import ACTIVATION_CODES, KINDS, OPERATORS, has_activation

SUPPORTED = (
    f"{', '.join(sorted({*KINDS, *MOVES}))}, in float32 or int8, with a fused RELU or RELU6; QUANTIZE and DEQUANTIZE "
    "where an int8 graph takes or gives float32"
)
# TensorFlow's converter gives input and output of REVERSE_V2 scales of their own, and TensorFlow Lite copies the bytes;
# edgekit writes it as STRIDED_SLICE.
COPIES = ("REVERSE_V2", "STRIDED_SLICE")


def from_bytes(data: bytes, name: str | None = None) -> Network | QuantizedNetwork:
    """The network that a .tflite file holds.

    Args:
        data: the file's bytes.
        name: the network's name; by default the one in the file.

    Returns:
        A `Network` if the file's tensors are float32, a `QuantizedNetwork` if they are int8. An int8 graph may take and
        give float32, with a QUANTIZE at its beginning and a DEQUANTIZE at its end. These two are left out, because
        `predict` does the same.

    Raises:
        ValueError: the bytes are no .tflite file, or an op is not supported; the message names the op and lists the
            supported ones.

    Example:
        >>> quantized = from_bytes(pathlib.Path("model.tflite").read_bytes())
        >>> quantized.predict(images)
    """
    from ai_edge_litert import schema_py_generated as schema

    data = bytes(data)
    if data[4:8] != b"TFL3":
        raise InvalidValue(f"these {len(data)} bytes are no .tflite file: bytes 4 to 8 are {data[4:8]!r}, not b'TFL3'")
    try:
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        graphs = model.subgraphs
        operators = [(_code(schema, model, op), op) for op in graphs[0].operators]
    except Exception as error:  # the generated code raises whatever a wrong offset leads it to
        raise InvalidValue(f"this .tflite file is damaged: {type(error).__name__} while reading it ({error})") from None
    if len(graphs) != 1:
        raise InvalidValue(f"this .tflite file holds {len(graphs)} subgraphs (control flow); one is supported")
    return _Reader(schema, model, graphs[0], operators).network(name)


def _code(schema, model, operator):
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return code.customCode.decode() if code.customCode else names.get(number, f"op {number}")


class _Reader:
    def __init__(self, schema, model, graph, operators):
        self.schema, self.model, self.graph, self.operators = schema, model, graph, operators
        self.type_names = {value: key for key, value in vars(schema.TensorType).items() if isinstance(value, int)}
        codes = schema.ActivationFunctionType
        self.activations = {getattr(codes, code): name for name, code in ACTIVATION_CODES.items()}
        self.names = self._tensor_names()
        self.shapes, self.quantization, self.constants, self.ops = {}, {}, {}, []
        self.full = {}  # by tensor name: the shape in the file, which usually begins with a batch of 1
        self.numbers = {}  # by index: values of tensors of whole numbers, from which other ops take a shape

    def network(self, name):
        graph = self.graph
        operators = list(self.operators)
        sources, outputs = ([int(index) for index in ends] for ends in (graph.inputs, graph.outputs))
        for position, source in enumerate(sources):
            readers = [each for each in operators if source in list(each[1].inputs)]
            if self.type(source) == "FLOAT32" and [code for code, _ in readers] == ["QUANTIZE"]:
                operators.remove(readers[0])
                sources[position] = int(readers[0][1].outputs[0])
        for position, output in enumerate(outputs):
            writers = [each for each in operators if each[0] == "DEQUANTIZE" and int(each[1].outputs[0]) == output]
            if writers and not any(output in list(operator.inputs) for _, operator in operators):
                operators.remove(writers[0])
                outputs[position] = int(writers[0][1].inputs[0])
        for source in sources:
            self.activation(source)
        self.read = {int(index) for _, operator in operators for index in operator.inputs} | set(outputs)
        for code, operator in operators:
            if not self.computes_numbers(code, operator):
                self.operator(code, operator)
        name = name or (self.model.description if self.own() else graph.name or b"").decode() or "model"
        inputs, ends = (tuple(self.names[index] for index in indices) for indices in (sources, outputs))
        for output in ends:
            if output not in self.shapes or not self.ops:
                raise InvalidValue(f"nothing in this file computes its output {output!r}")
        constants = self.constants
        network = Network(name, inputs, ends, self.shapes, tuple(self.ops), constants=constants)
        if self.quantization:
            return QuantizedNetwork(
                name, inputs, ends, self.shapes, network.ops, self.quantization, constants=constants
            )
        check_numbers(network)
        return network

    def own(self):
        return any(entry.name == b"model_name" for entry in self.model.metadata or ())

    # Tensors

    def _tensor_names(self):
        names = []
        for index, tensor in enumerate(self.graph.tensors):
            name = (tensor.name or b"").decode(errors="replace") or f"tensor_{index}"
            names.append(name if name not in names else f"{name}_{index}")
        return names

    def type(self, index):
        return self.type_names.get(self.graph.tensors[index].type, "an unknown type")

    def activation(self, index, full=None):
        """The name of a tensor that ops read or write, noted with its shape and quantization when first seen.

        Args:
            index: of the tensor.
            full: its shape as computed, in the file's form; None for an input, whose batch must be 1. A constant gives
                its own shape after a batch of 1.
        """
        tensor, name = self.graph.tensors[index], self.names[index]
        if name in self.shapes:
            return name
        if full is None:
            full = self.sizes(index) or (1,)
            if full[0] != 1 or len(full) == 1:
                raise InvalidValue(
                    f"tensor {name!r} has the shape {list(full)}; its first dimension must be a batch of 1"
                )
        self.full[name] = tuple(map(int, full))
        kind = self.type(index)
        if kind not in ("FLOAT32", "INT8"):
            raise InvalidValue(f"tensor {name!r} is {kind.lower()}; supported are float32 and int8 throughout")
        if self.shapes and (kind == "INT8") != bool(self.quantization):
            raise InvalidValue(
                f"tensor {name!r} is {kind.lower()} but those before are not; supported are float32 and "
                "int8 throughout: convert with full integer quantization (a representative_dataset)"
            )
        if kind == "INT8":
            q = tensor.quantization
            if q is None or q.scale is None or len(q.scale) != 1:
                raise InvalidValue(f"tensor {name!r} is int8 but has no scale: convert with full integer quantization")
            self.quantization[name] = Quantization(np.float32(q.scale[0]), int(q.zeroPoint[0]))
        self.shapes[name] = self.full[name][1:] if name in self.constants else without_batch(self.full[name])
        return name

    def sizes(self, index):
        """The shape of a tensor in the file."""
        shape = self.graph.tensors[index].shape
        return () if shape is None else tuple(int(n) for n in shape)

    def result(self, call, full):
        """The shape of an output in the file's form, which must agree with the one computed; open sizes always do."""
        given, signature = self.sizes(call.output), self.graph.tensors[call.output].shapeSignature
        signature = given if signature is None or len(signature) != len(given) else signature
        if any(n < 0 for n in signature):
            pairs = zip(signature, full, strict=False)
            agrees = len(given) == len(full) and all(n < 0 or n == other for n, other in pairs)
        else:
            agrees = without_batch(given) == without_batch(full)
            full = given if agrees else full
        if not agrees:
            call.refuse(f"the output shape {list(given)} where {list(full)} was expected")
        return full

    def constant(self, index, dtype):
        """The values of a tensor that the file holds; None if an op computes them."""
        tensor = self.graph.tensors[index]
        data = self.model.buffers[tensor.buffer].data
        if data is None or not len(data):
            return None
        shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
        values = np.frombuffer(np.asarray(data, np.uint8).tobytes(), dtype)
        if values.size != np.prod(shape, dtype=int):
            raise InvalidValue(f"tensor {self.names[index]!r} of shape {shape} holds {values.size} values")
        return values.reshape(shape)

    # Ops

    def computes_numbers(self, code, operator):
        """Compute a tensor of whole numbers from shapes and constants; False if this operator does something else."""
        output = int(operator.outputs[0])
        if self.type(output) not in ("INT32", "INT64"):
            return False
        inputs = [int(index) for index in operator.inputs]
        if code == "SHAPE" and self.names[inputs[0]] in self.full:
            self.numbers[output] = np.array(self.full[self.names[inputs[0]]])
        elif code in KNOWN:
            values = [self.whole_numbers(index) for index in inputs]
            if all(value is not None for value in values):
                try:
                    self.numbers[output] = np.asarray(KNOWN[code](operator.builtinOptions, *values))
                except (ValueError, IndexError, TypeError, AttributeError):
                    return False
        return output in self.numbers

    def whole_numbers(self, index):
        """The whole numbers of a tensor that is constant or computed from shapes; None for other tensors."""
        if index in self.numbers:
            return self.numbers[index]
        types = {"INT32": np.int32, "INT64": np.int64}
        return self.constant(index, types[self.type(index)]) if self.type(index) in types else None

    def operator(self, code, operator):
        output = int(operator.outputs[0])
        if code not in KINDS and code not in MOVES:
            raise InvalidValue(
                f"{self.names[output]!r} is computed by {code}, which is not supported; supported are {SUPPORTED}"
            )
        inputs, outputs = ([int(i) for i in indices] for indices in (operator.inputs, operator.outputs))
        call = Call(self, code, operator.builtinOptions, inputs, outputs)
        if code in MOVES:
            MOVES[code](call)
            return
        kind = KINDS[code]
        reads = OPS[kind].inputs or len(inputs)
        options = OPERATORS[kind].read(call) | self.fused(call, kind)
        sources = tuple(call.source(position) for position in range(reads))
        if OPS[kind].weighted:
            options |= self.weights(call, kind)
        op = Op(kind, self.op_name(output), sources, self.names[output], **options)
        alone = [self.full[name] for name in sources if self.shapes[name] == self.full[name]]
        if alone and not OPERATORS[kind].without_batch:
            call.refuse(f"an input without a batch, of shape {list(alone[0])},")
        shape = output_shape(op, [self.shapes[name] for name in sources])
        full = self.result(call, shape if alone else (1, *shape))
        self.ops.append(op)
        self.activation(output, full)
        self.check(call, op)

    def known(self, call, index):
        """Note a constant that an op reads like a tensor; its first dimension may be left out or 1."""
        name = self.names[index]
        values = self.constant(index, np.int8 if self.quantization else np.float32)
        if values is None:
            call.refuse(f"{name!r} as an input, which nothing computes before")
        if len(values.shape) > 1 and values.shape[0] == 1:
            values = values[0]
        elif len(values.shape) > len(self.shapes[next(iter(self.shapes))]):
            call.refuse(f"the constant {name!r} of shape {values.shape}, which has a batch,")
        self.constants[name] = values
        self.activation(index, (1, *values.shape))

    def fused(self, call, kind):
        """The activation that is fused into an op."""
        fused = getattr(call.options, "fusedActivationFunction", 0)
        if fused not in self.activations or (fused and not has_activation(kind)):
            call.refuse(f"the fused activation {fused}")
        return {"activation": self.activations[fused]} if has_activation(kind) else {}

    def check(self, call, op):
        shape, sources = self.shapes[op.output], [self.shapes[name] for name in op.inputs]
        if OPS[op.kind].same_shape and len(set(sources)) > 1:
            call.refuse(f"inputs of different shapes {sources}")
        if op.kind != "reshape" and output_shape(op, sources) != shape:
            call.refuse(f"the output shape {shape} where {output_shape(op, sources)} was expected")
        if not self.quantization:
            return
        result = self.quantization[op.output]
        if op.kind in FIXED and result != FIXED[op.kind]:
            call.refuse(f"the output scale {result.scale} and zero point {result.zero_point}")
        if op.kind in FIXED and self.quantization[op.inputs[0]].scale < FINEST:
            call.refuse(f"an input scale below {FINEST:.1e}, on which TensorFlow Lite Micro stops")
        if (
            op.kind in SAME_SCALE
            and call.code not in COPIES
            and any(self.quantization[name] != result for name in op.inputs)
        ):
            call.refuse("a scale or zero point that differs between input and output")

    def weights(self, call, kind):
        """Weights, bias and scales of an op; a bias that is left out is 0."""
        inputs, index = call.inputs, call.inputs[1]
        expected = "INT8" if self.quantization else "FLOAT32"
        if self.type(index) != expected:
            call.refuse(f"{self.type(index).lower()} weights and {expected.lower()} activations")
        weights = self.constant(index, np.int8 if self.quantization else np.float32)
        if weights is None:
            call.refuse("weights that are computed")
        size = call.shape(0)
        out = weights.shape[channel_axis(kind)]
        if kind == "conv2d" and weights.shape[-1] != size[-1]:
            call.refuse(f"groups: {weights.shape[-1]} of {size[-1]} channels")
        has_bias = len(inputs) > 2 and inputs[2] >= 0
        kind_of_bias = np.int32 if self.quantization else np.float32
        if has_bias and self.type(inputs[2]) != ("INT32" if self.quantization else "FLOAT32"):
            call.refuse(f"an {self.type(inputs[2]).lower()} bias")
        bias = self.constant(inputs[2], kind_of_bias) if has_bias else np.zeros(out, kind_of_bias)
        if not self.quantization:
            return {"weights": weights, "bias": bias}
        q = self.graph.tensors[index].quantization
        scales = np.asarray([] if q is None or q.scale is None else q.scale, np.float32)
        if len(scales) not in (1, out):
            call.refuse(f"{len(scales)} weight scales for {out} channels")
        if np.any(q.zeroPoint):
            call.refuse("weights with a zero point")
        return {"weights": weights, "bias": bias.reshape(-1), "weight_scales": scales}

    def op_name(self, output):
        """A layer's name, found in the converter's tensor name: 'model/conv2d_1/Relu;model/bn/add' gives conv2d_1."""
        parts = self.names[output].split(";")[0].split(":")[0].split("/")
        name, n = parts[-2] if len(parts) > 1 else parts[0], 1
        unique = name
        while any(op.name == unique for op in self.ops):
            unique, n = f"{name}_{n}", n + 1
        return unique


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
        reader: the reader of the file.
        code: the name of the operator.
        options: its options, as the schema has them.
        inputs, outputs: indices of its tensors.
        replaced: by position: the name of a tensor that the op reads instead of this input.
    """

    reader: _Reader
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
        values = self.reader.whole_numbers(self.inputs[position])
        if values is None:
            self.refuse(f"the input {self.reader.names[self.inputs[position]]!r}, which is no constant")
        return values.reshape(-1)

    def constant_shape(self, position: int) -> tuple[int, ...]:
        """The shape of a constant, or of numbers computed from shapes."""
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
        scales = q is not None and q.scale is not None and [(np.float32(s), int(q.zeroPoint[0])) for s in q.scale]
        if scales and scales != [(source.scale, source.zero_point)]:
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
        reader, base, n = self.reader, self.reader.names[self.output], 1
        while (name := f"{base}_part_{n}") in reader.shapes or name in reader.names:
            n += 1
        op = Op(kind, reader.op_name(self.output), tuple(sources), name, **options)
        shape = shape or output_shape(op, [reader.shapes[source] for source in sources])
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
        shape = self.reader.graph.tensors[self.inputs[1]].shape
        shape = () if shape is None else tuple(int(n) for n in shape)
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
