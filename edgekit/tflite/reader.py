"""Reads a .tflite file, written by edgekit or by TensorFlow's converter; see `from_bytes`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import ACTIVATIONS, OPS, SAME_SCALE, Network, Op, check_numbers, folding, output_shape
from edgekit.quantization import FINEST, FIXED, Quantization, QuantizedNetwork, channel_axis, finest_output
from edgekit.tflite.dilation import with_dilation
from edgekit.tflite.file import MOST_VALUES, File
from edgekit.tflite.forms import one_form
from edgekit.tflite.ops import ACTIVATION_CODES, KINDS, OPERATORS, has_activation
from edgekit.tflite.unpacking import damaged, name_apart, unpack

SUPPORTED = (
    f"{', '.join(sorted(KINDS))}, in float32 or int8, with a fused RELU, RELU6 or RELU_N1_TO_1; "
    "QUANTIZE and DEQUANTIZE where an int8 graph takes or gives float32 or uint8"
)
# Before a RESHAPE, the converter writes these ops. They compute its new shape from the input's, though it is constant.
SHAPE_OPS = ("SHAPE", "STRIDED_SLICE", "PACK")
# The most cells by which a window may be larger than twice its input: the border around the input takes memory.
MOST_BORDER = 256


def from_bytes(data: bytes, name: str | None = None) -> Network | QuantizedNetwork:
    """The network that a .tflite file holds.

    Nothing in the file is trusted: offsets, sizes, types, scales and the order of its operators are checked, and a file
    that contradicts itself is refused. Operators and tensors from which no output is computed are left out.

    Args:
        data: the file's bytes.
        name: the network's name; by default the one in the file.

    Returns:
        A `Network` if the file's tensors are float32, a `QuantizedNetwork` if they are int8. An int8 graph may take and
        give float32 or uint8, with a QUANTIZE at its beginning and a DEQUANTIZE or QUANTIZE at its end. These are left
        out, because `predict` does the same. A uint8 input or output becomes int8: all values are 128 lower. Weights in
        float16 are read as float32. So are int8 weights between float32 activations (a dynamic range file): LiteRT
        quantizes the activations of such a file on the way, differently for each input, and the network here does not.

    Raises:
        ValueError: the bytes are no .tflite file, the file is damaged, or an op is not supported; the message names the
            op or tensor.

    Example:
        >>> quantized = from_bytes(pathlib.Path("model.tflite").read_bytes())
        >>> quantized.predict(images)
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(bytes(data))
    if len(model.subgraphs) != 1:
        raise InvalidValue(f"this .tflite file holds {len(model.subgraphs)} subgraphs (control flow); one is supported")
    (graph,) = model.subgraphs
    codes = _code_names(schema, model)
    file = File(schema, model, graph)
    one_form(file, [(codes[operator.opcodeIndex], operator) for operator in graph.operators])
    file.operators = _with_dilation(file, model)
    return _Reader(file, model).network(name)


def _with_dilation(file, model):
    try:
        operators = with_dilation(file.schema, model, file.graph, file.operators)
    except Exception as error:  # operators that do not fit each other
        damaged(f"a SPACE_TO_BATCH_ND does not fit its tensors ({type(error).__name__})")
    name_apart(file.graph.tensors)
    return operators


def _code_names(schema, model):
    """The name of the operator for each operator code of the file."""
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    numbers = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [
        f"the custom op {code.customCode!r}" if names.get(number) == "CUSTOM" else names.get(number, f"op {number}")
        for code, number in zip(model.operatorCodes, numbers, strict=True)
    ]


class _Reader:
    def __init__(self, file, model):
        self.file, self.model, self.schema, self.graph = file, model, file.schema, file.graph
        self.type, self.operators = file.type, file.operators
        codes = self.schema.ActivationFunctionType
        self.activations = {getattr(codes, code): name for name, code in ACTIVATION_CODES.items()}
        self.names = [tensor.name for tensor in self.graph.tensors]
        self.shapes, self.quantization, self.constants, self.ops = {}, {}, {}, []
        self.op_names = {}  # by name: how many ops have asked for it

    def network(self, name):
        for source in self.graph.inputs:
            self.activation(source)
        for code, operator in self.operators:
            if code not in SHAPE_OPS:
                self.try_operator(code, operator)
        name = name or (self.model.description if self.own() else self.graph.name) or "model"
        inputs, ends = (tuple(self.names[index] for index in on) for on in (self.graph.inputs, self.graph.outputs))
        for output in ends:
            if output not in self.shapes or not self.ops:
                raise InvalidValue(f"nothing in this file computes its output {output!r}")
        read = {source for op in self.ops for source in op.inputs}
        for source in inputs:
            if source not in read:
                raise InvalidValue(f"no output of this file is computed from its input {source!r}")
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
        return any(entry.name == "model_name" for entry in self.model.metadata)

    # Tensors

    def activation(self, index, shape=None):
        """The name of a tensor that ops read or write, noted with its shape and quantization when first seen.

        A constant gives its own shape, without the batch.
        """
        tensor, name = self.graph.tensors[index], self.names[index]
        if name in self.shapes:
            return name
        batch, *shape = (tensor.shape or [1]) if shape is None else [1, *shape]
        self.check_size(name, [batch, *shape])
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
            scales, zero_points, axis = self.file.steps(index, tensor.shape)
            if axis is not None:
                raise InvalidValue(f"tensor {name!r} has {len(scales)} scales; activations have one")
            self.quantization[name] = Quantization(np.float32(scales[0]), int(zero_points[0]))
        self.shapes[name] = tuple(shape)
        return name

    def check_size(self, name, shape):
        if min(shape, default=1) < 1 or prod(shape) >= MOST_VALUES:
            raise InvalidValue(
                f"tensor {name!r} has the shape {list(shape)}; each size must be at least 1, and their product below "
                "2^31"
            )

    def constant(self, index, dtype):
        """The values of a tensor that the file holds, as float32 if that is asked for; None if it holds none."""
        if dtype == np.float32:
            return self.file.real_values(index)
        values = self.file.values(index)
        if values is not None and values.dtype != dtype:
            raise InvalidValue(
                f"tensor {self.names[index]!r} is {self.type(index).lower()}, where {np.dtype(dtype).name} is needed"
            )
        return values

    # Ops

    def try_operator(self, code, operator):
        try:
            self.operator(code, operator)
        except InvalidValue:
            raise
        except Exception as error:  # the functions that read options raise it on numbers that no converter writes
            output = self.names[operator.outputs[0]]
            damaged(f"{code} that computes {output!r} does not fit its tensors or options ({type(error).__name__})")

    def operator(self, code, operator):
        if not operator.outputs:
            raise InvalidValue(f"this file has {code}, which is not supported; supported are {SUPPORTED}")
        output = int(operator.outputs[0])
        if code not in KINDS:
            raise InvalidValue(
                f"{self.names[output]!r} is computed by {code}, which is not supported; supported are {SUPPORTED}"
            )
        kind = KINDS[code]
        inputs = OPERATORS[kind].read_inputs([int(i) for i in operator.inputs])
        call = Call(self, code, self.options(code, kind, operator), inputs, output)
        reads = OPS[kind].inputs or len(inputs)
        if not inputs or len(inputs) < reads or min(inputs[:reads]) < 0 or len(operator.outputs) != 1:
            call.refuse(f"{len(inputs)} inputs and {len(operator.outputs)} outputs")
        for index in inputs[:reads]:
            if self.names[index] not in self.shapes:
                self.known(call, index)
        sources = tuple(self.names[index] for index in inputs[:reads])
        options = OPERATORS[kind].read(call) | self.fused(call, kind)
        if OPS[kind].weighted:
            options |= self.weights(call, kind)
        op = Op(kind, self.op_name(output), sources, self.names[output], **options)
        self.check_window(call, op)
        self.activation(output)
        if OPERATORS[kind].rescaled_before:
            op = self.rescaled(op)
        self.ops.append(op)
        self.check(call, op)

    def options(self, code, kind, operator):
        """The options of an operator; those of a file without any have the schema's values."""
        expected = OPERATORS[kind].options
        if expected is None or code != OPERATORS[kind].code:
            return operator.builtinOptions
        if operator.builtinOptions is None:
            return getattr(self.schema, f"{expected}T")()
        if operator.builtinOptionsType != getattr(self.schema.BuiltinOptions, expected):
            damaged(f"{code} that computes {self.names[operator.outputs[0]]!r} has options of another operator")
        return operator.builtinOptions

    def known(self, call, index):
        """Note a constant that an op reads like a tensor; its first dimension may be left out or 1."""
        name = self.names[index]
        values = self.constant(index, np.int8 if self.quantization else np.float32)
        if values is None:
            call.refuse(f"the input {name!r}, which has no values and which nothing computes")
        if len(values.shape) > 1 and values.shape[0] == 1:
            values = values[0]
        elif values.ndim > len(self.shapes[next(iter(self.shapes))]):
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
        if op.weight_scales is not None:
            self.check_weight_scales(call, op)
        if op.kind in FIXED and result != FIXED[op.kind]:
            call.refuse(f"the output scale {result.scale} and zero point {result.zero_point}")
        if op.kind in FIXED and self.quantization[op.inputs[0]].scale * op.beta < FINEST:
            call.refuse(f"an input scale below {FINEST:.1e}, on which TensorFlow Lite Micro stops")
        if result.scale <= finest_output(op, [float(self.quantization[name].scale) for name in op.inputs]):
            call.refuse(f"the output scale {result.scale:.1e}, which is finer than TensorFlow Lite Micro can compute")
        bounds = [bound for bound in ACTIVATIONS[op.activation] if np.isfinite(bound)]
        if any(abs(bound) >= 2**31 * float(result.scale) for bound in bounds):
            call.refuse(f"the output scale {result.scale}, too fine for the fused {op.activation}")
        if op.kind in SAME_SCALE and any(self.quantization[name] != result for name in op.inputs):
            call.refuse("a scale or zero point that differs between input and output")

    def check_weight_scales(self, call, op):
        """Check that the accumulator's steps are possible, and that the bias is in these steps."""
        s_in, s_out = (float(self.quantization[name].scale) for name in (op.inputs[0], op.output))
        steps = s_in * op.weight_scales.astype(np.float64)
        if steps.max() >= 2.0**30 * s_out:
            call.refuse(f"the weight scale {op.weight_scales.max():g}, too large for the output scale {s_out:g}")
        q = self.graph.tensors[call.inputs[2]].quantization if len(call.inputs) > 2 and call.inputs[2] >= 0 else None
        if q is None or not len(q.scale):
            return
        # TensorFlow Lite Micro's tolerance, in steps of the output for each step of the bias.
        if len(q.scale) not in (1, len(steps)) or not np.all(np.abs(q.scale - steps) <= 0.02 * s_out):
            call.refuse(f"the bias {self.names[call.inputs[2]]!r} in other steps than its input times its weights")

    def check_window(self, call, op):
        """Check numbers that the shapes do not show: most of them only matter to the arithmetic."""
        if min(op.stride) < 1:
            call.refuse(f"the stride {tuple(op.stride)}")
        if op.window is not None:
            size = self.shapes[op.inputs[0]]
            if min(op.window) < 1 or max(w - 2 * n for w, n in zip(op.reach, size, strict=False)) > MOST_BORDER:
                call.refuse(f"a window that reaches over {tuple(op.reach)} on an input of shape {size}")
        if op.paddings is not None and min(min(pair) for pair in op.paddings) < 0:
            call.refuse(f"the paddings {op.paddings}")

    def weights(self, call, kind):
        """Weights, bias and scales of an op; a bias that is left out is 0."""
        inputs, size = call.inputs, call.shape(0)
        if not 2 <= len(inputs) <= len(OPERATORS[kind].order or (0, 1, 2)) or inputs[1] < 0:
            call.refuse(f"{len(inputs)} inputs")
        index, name = inputs[1], self.names[inputs[1]]
        if self.quantization and self.type(index) not in ("INT8", "INT4"):
            call.refuse(f"{self.type(index).lower()} weights and int8 activations")
        weights = self.constant(index, np.int8 if self.quantization else np.float32)
        if weights is None or not weights.size:
            call.refuse(f"the weights {name!r}, for which the file has no values")
        axis = channel_axis(kind)
        out = weights.shape[axis]
        if kind == "conv2d" and (size[-1] % weights.shape[-1] or out % (size[-1] // weights.shape[-1])):
            call.refuse(f"{out} filters of {weights.shape[-1]} channels on {size[-1]} channels")
        if kind == "transpose_conv2d" and weights.shape[-1] != size[-1]:
            call.refuse(f"filters of {weights.shape[-1]} channels on {size[-1]} channels")
        if axis == -1 and (weights.shape[0] != 1 or out % size[-1]):
            call.refuse(f"weights of shape {weights.shape} on an input of shape {size}")
        if getattr(call.options, "depthMultiplier", out // size[-1]) != out // size[-1]:
            call.refuse(f"a depth multiplier of {call.options.depthMultiplier} with {size[-1]} to {out} channels")
        bias = self.bias(call, out)
        if not self.quantization:
            return {"weights": weights, "bias": bias}
        scales, zero_points, along = self.file.steps(index, weights.shape)
        if along not in (None, axis % weights.ndim):
            call.refuse(f"weights {name!r} with scales along dimension {along} (quantized_dimension)")
        if np.any(zero_points):
            call.refuse(f"weights {name!r} with a zero point")
        return {"weights": weights, "bias": bias, "weight_scales": scales}

    def bias(self, call, out):
        """The bias of an op, (out,): int32 beside int8, otherwise float32."""
        dtype = np.int32 if self.quantization else np.float32
        if len(call.inputs) < 3 or call.inputs[2] < 0:
            return np.zeros(out, dtype)
        index = call.inputs[2]
        if self.type(index) not in (("INT32",) if self.quantization else ("FLOAT32", "FLOAT16")):
            call.refuse(f"an {self.type(index).lower()} bias")
        bias = self.constant(index, dtype)
        if bias is None or bias.size != out:
            call.refuse(
                f"the bias {self.names[index]!r} with {0 if bias is None else bias.size} values for {out} channels"
            )
        return bias.reshape(-1)

    def op_name(self, output):
        """A layer's name, found in the converter's tensor name: 'model/conv2d_1/Relu;model/bn/add' gives conv2d_1."""
        parts = self.names[output].split(";")[0].split(":")[0].split("/")
        name = unique = parts[-2] if len(parts) > 1 else parts[0]
        while unique in self.op_names:
            unique = f"{name}_{self.op_names[name]}"
            self.op_names[name] += 1
        self.op_names[unique] = 1
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
