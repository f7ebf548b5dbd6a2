"""Reads a .tflite file, written by edgekit or by TensorFlow's converter; see `from_bytes`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import OPS, SAME_SCALE, Network, Op, check_numbers, folding, output_shape
from edgekit.quantization import FINEST, FIXED, Quantization, QuantizedNetwork, channel_axis, finest_output
from edgekit.tflite.dilation import with_dilation
from edgekit.tflite.ops import ACTIVATION_CODES, KINDS, OPERATORS, has_activation

SUPPORTED = (
    f"{', '.join(sorted(KINDS))}, in float32 or int8, with a fused RELU, RELU6 or RELU_N1_TO_1; "
    "QUANTIZE and DEQUANTIZE where an int8 graph takes or gives float32"
)
# Before a RESHAPE, the converter writes these ops. They compute its new shape from the input's, though it is constant.
SHAPE_OPS = ("SHAPE", "STRIDED_SLICE", "PACK")


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
    return _Reader(schema, model, graphs[0], with_dilation(schema, model, graphs[0], operators)).network(name)


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
        for code, operator in operators:
            if code not in SHAPE_OPS:
                self.operator(code, operator)
        name = name or (self.model.description if self.own() else graph.name or b"").decode() or "model"
        inputs, ends = (tuple(self.names[index] for index in indices) for indices in (sources, outputs))
        for output in ends:
            if output not in self.shapes or not self.ops:
                raise InvalidValue(f"nothing in this file computes its output {output!r}")
        self.fold_padding(ends)
        constants = self.constants
        network = Network(name, inputs, ends, self.shapes, tuple(self.ops), constants=constants)
        if self.quantization:
            return QuantizedNetwork(
                name, inputs, ends, self.shapes, network.ops, self.quantization, constants=constants
            )
        check_numbers(network)
        return network

    def fold_padding(self, outputs):
        """Let a PAD before a convolution become its SAME padding, where both are equal; drop the tensor between."""
        before = {op.output for op in self.ops}
        self.ops = folding.fold_padding(self.ops, self.shapes, outputs)
        for name in before - {op.output for op in self.ops}:
            del self.shapes[name]
            self.quantization.pop(name, None)

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

    def activation(self, index, shape=None):
        """The name of a tensor that ops read or write, noted with its shape and quantization when first seen.

        A constant gives its own shape, without the batch.
        """
        tensor, name = self.graph.tensors[index], self.names[index]
        if name in self.shapes:
            return name
        sizes = [int(n) for n in tensor.shape] if tensor.shape is not None and len(tensor.shape) else [1]
        batch, *shape = sizes if shape is None else [1, *shape]
        if batch != 1 or (not shape and name not in self.constants):
            raise InvalidValue(
                f"tensor {name!r} has the shape {[batch, *shape]}; its first dimension must be a batch of 1"
            )
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
        self.shapes[name] = tuple(shape)
        return name

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

    def operator(self, code, operator):
        output = int(operator.outputs[0])
        if code not in KINDS:
            raise InvalidValue(
                f"{self.names[output]!r} is computed by {code}, which is not supported; supported are {SUPPORTED}"
            )
        kind = KINDS[code]
        inputs = OPERATORS[kind].read_inputs([int(i) for i in operator.inputs])
        call = Call(self, code, operator.builtinOptions, inputs, output)
        reads = OPS[kind].inputs or len(inputs)
        for index in inputs[:reads]:
            if self.names[index] not in self.shapes:
                self.known(call, index)
        sources = tuple(self.names[index] for index in inputs[:reads])
        options = OPERATORS[kind].read(call) | self.fused(call, kind)
        if OPS[kind].weighted:
            options |= self.weights(call, kind)
        op = Op(kind, self.op_name(output), sources, self.names[output], **options)
        self.activation(output)
        if OPERATORS[kind].rescaled_before:
            op = self.rescaled(op)
        self.ops.append(op)
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
        self.activation(index, values.shape)

    def rescaled(self, op):
        """The op, with its input rescaled to its output's scale if they differ."""
        source, wanted = op.inputs[0], self.quantization.get(op.output)
        if self.quantization.get(source) == wanted:
            return op
        name = f"{source}_for_{op.name}"
        while name in self.names or name in self.shapes:
            name += "_"
        self.shapes[name], self.quantization[name] = self.shapes[source], wanted
        self.ops.append(Op("rescale", name, (source,), name))
        return replace(op, inputs=(name,))

    def scale(self, index):
        """The scale of a tensor; None if it has none."""
        q = self.graph.tensors[index].quantization
        return float(q.scale[0]) if q is not None and q.scale is not None and len(q.scale) else None

    def fused(self, call, kind):
        """The activation that is fused into an op."""
        fused = getattr(call.options, "fusedActivationFunction", 0)
        if fused not in self.activations or (fused and not has_activation(kind)):
            codes = {code: name for name, code in vars(self.schema.ActivationFunctionType).items()}
            call.refuse(f"the fused activation {codes.get(fused, fused)}")
        return {"activation": self.activations[fused]} if has_activation(kind) else {}

    def check(self, call, op):
        shape, sources = self.shapes[op.output], [self.shapes[name] for name in op.inputs]
        if OPS[op.kind].same_shape and len(set(sources)) > 1:
            call.refuse(f"inputs of different shapes {sources}")
        if op.kind == "reshape":
            if np.prod(shape) != np.prod(sources[0]):
                call.refuse(f"a shape that depends on data: {sources[0]} to {shape}")
        elif output_shape(op, sources) != shape:
            call.refuse(f"the output shape {shape} where {output_shape(op, sources)} was expected")
        if not self.quantization:
            return
        result = self.quantization[op.output]
        if op.kind in FIXED and result != FIXED[op.kind]:
            call.refuse(f"the output scale {result.scale} and zero point {result.zero_point}")
        if op.kind in FIXED and self.quantization[op.inputs[0]].scale * op.beta < FINEST:
            call.refuse(f"an input scale below {FINEST:.1e}, on which TensorFlow Lite Micro stops")
        if result.scale <= finest_output(op, [float(self.quantization[name].scale) for name in op.inputs]):
            call.refuse(f"the output scale {result.scale:.1e}, which is finer than TensorFlow Lite Micro can compute")
        if op.kind in SAME_SCALE and any(self.quantization[name] != result for name in op.inputs):
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
        size = self.shapes[self.names[inputs[0]]]
        out = weights.shape[channel_axis(kind)]
        if kind == "conv2d" and (size[-1] % weights.shape[-1] or out % (size[-1] // weights.shape[-1])):
            call.refuse(f"{out} filters of {weights.shape[-1]} channels on {size[-1]} channels")
        if kind == "transpose_conv2d" and weights.shape[-1] != size[-1]:
            call.refuse(f"filters of {weights.shape[-1]} channels on {size[-1]} channels")
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


@dataclass(frozen=True)
class Call:
    """One operator of the file, for the functions of `ops.OPERATORS` that read its options.

    Attributes:
        reader: the reader of the file.
        code: the name of the operator.
        options: its options, as the schema has them.
        inputs, output: indices of its tensors.
    """

    reader: _Reader
    code: str
    options: Any
    inputs: Sequence[int]
    output: int

    @property
    def schema(self) -> Any:
        """The generated module of the schema."""
        return self.reader.schema

    @property
    def output_tensor(self) -> Any:
        """The output tensor in the file."""
        return self.reader.graph.tensors[self.output]

    def shape(self, position: int) -> tuple[int, ...]:
        """The shape of an input, without the batch."""
        return self.reader.shapes[self.reader.names[self.inputs[position]]]

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
