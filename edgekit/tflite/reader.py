"""Reads a .tflite file, written by edgekit or by TensorFlow's converter; see `from_bytes`."""

from dataclasses import replace
from math import prod

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import ACTIVATIONS, OPS, SAME_SCALE, Network, Op, check_numbers, folding, output_shape
from edgekit.quantization import FINEST, FIXED, Quantization, QuantizedNetwork, channel_axis, finest_output
from edgekit.tflite.call import SUPPORTED, Call, without_batch
from edgekit.tflite.computed import WHOLE_NUMBERS, computed
from edgekit.tflite.dilation import with_dilation
from edgekit.tflite.file import MOST_VALUES, File
from edgekit.tflite.forms import one_form
from edgekit.tflite.moves import MOVES, SEVERAL_OUTPUTS
from edgekit.tflite.ops import ACTIVATION_CODES, KINDS, OPERATORS, has_activation, options_name
from edgekit.tflite.unpacking import damaged, name_apart, unpack
from edgekit.tflite.variables import without_variables

# TensorFlow's converter gives input and output of REVERSE_V2 scales of their own, and TensorFlow Lite copies the bytes;
# edgekit writes it as STRIDED_SLICE.
COPIES = ("REVERSE_V2", "STRIDED_SLICE")
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
        An LSTM begins with an empty cell at each input; on a device, TensorFlow Lite Micro must be reset for that.

    Raises:
        ValueError: the bytes are no .tflite file, the file is damaged, or an op is not supported; the message names the
            op or tensor.

    Example:
        >>> quantized = from_bytes(pathlib.Path("model.tflite").read_bytes())
        >>> quantized.predict(images)
    """
    from ai_edge_litert import schema_py_generated as schema

    model = unpack(bytes(data))
    codes = _code_names(schema, model)
    file = File(schema, model, model.subgraphs[0])
    graphs = [[(codes[each.opcodeIndex], each) for each in graph.operators] for graph in model.subgraphs]
    one_form(file, without_variables(file, model, graphs))
    file.operators = _with_dilation(file, model)
    return _Reader(file, model).network(name)


def _with_dilation(file, model):
    try:
        operators = with_dilation(file.schema, model, file.graph, file.operators, set(file.states.values()))
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
        self.full = {}  # by tensor name: the shape in the file, which usually begins with a batch of 1
        self.states = file.states
        self.read = {index for _, operator in self.operators for index in operator.inputs} | set(self.graph.outputs)
        self.read |= set(self.states.values())
        self.op_names = {}  # by name: how many ops have asked for it
        self.taken = set(self.names)  # names of tensors
        self.parts = {}  # by index: how many tensors stand between the ops of one operator

    def network(self, name):
        for source in (*self.graph.inputs, *self.states):
            self.activation(source)
        for code, operator in self.operators:
            self.try_operator(code, operator)
        name = name or (self.model.description if self.own() else self.graph.name) or "model"
        inputs, ends = (tuple(self.names[index] for index in on) for on in (self.graph.inputs, self.graph.outputs))
        for output in ends:
            if output not in self.shapes or not self.ops:
                raise InvalidValue(f"nothing in this file computes its output {output!r}")
        states = {self.names[state]: self.names[kept] for state, kept in self.states.items()}
        read = {source for op in self.ops for source in op.inputs} | set(states.values())
        for source in inputs:
            if source not in read:
                raise InvalidValue(f"no output of this file is computed from its input {source!r}")
        self.fold_padding((*ends, *states.values()))
        known = {"constants": self.constants, "states": states}
        network = Network(name, inputs, ends, self.shapes, tuple(self.ops), **known)
        if self.quantization:
            return QuantizedNetwork(name, inputs, ends, self.shapes, network.ops, self.quantization, **known)
        check_numbers(network)
        return network

    def fold_padding(self, outputs):
        """Let a PAD before a convolution become its SAME padding, where both are equal; drop the tensor between."""
        before = {op.output for op in self.ops}
        self.ops = folding.fold_padding(self.ops, self.shapes, outputs)
        for name in before - {op.output for op in self.ops}:
            for known in (self.shapes, self.full, self.quantization):
                known.pop(name, None)

    def own(self):
        return any(entry.name == "model_name" for entry in self.model.metadata)

    # Tensors

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
            self.check_size(name, full)
            if full[0] != 1 or len(full) == 1:
                raise InvalidValue(
                    f"tensor {name!r} has the shape {list(full)}; its first dimension must be a batch of 1"
                )
        self.check_size(name, full)
        full = tuple(map(int, full))
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
        self.full[name] = full
        self.shapes[name] = full[1:] if name in self.constants else without_batch(full)
        return name

    def sizes(self, index):
        """The shape of a tensor in the file."""
        return tuple(self.graph.tensors[index].shape)

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
            if not self.computes(code, operator):
                self.operator(code, operator)
        except InvalidValue:
            raise
        except Exception as error:  # the functions that read options raise it on numbers that no converter writes
            output = self.names[operator.outputs[0]]
            damaged(f"{code} that computes {output!r} does not fit its tensors or options ({type(error).__name__})")

    def computes(self, code, operator):
        """Compute an operator that only reads constants, now that all shapes are known; False for other operators."""
        if code != "SHAPE":
            return computed(self.file, code, operator)
        if len(operator.inputs) != 1 or len(operator.outputs) != 1 or operator.inputs[0] < 0:
            return False
        (source,), (output,) = operator.inputs, operator.outputs
        if self.names[source] not in self.full or self.type(output) not in WHOLE_NUMBERS:
            return False
        sizes = np.array(self.full[self.names[source]], WHOLE_NUMBERS[self.type(output)])
        self.graph.tensors[output].shape = list(sizes.shape)
        self.file.remember(output, sizes)
        return True

    def whole_numbers(self, index):
        """The whole numbers of a tensor that is constant or computed from shapes; None for other tensors."""
        return self.file.values(index) if index >= 0 and self.type(index) in WHOLE_NUMBERS else None

    def operator(self, code, operator):
        if not operator.outputs:
            raise InvalidValue(f"this file has {code}, which is not supported; supported are {SUPPORTED}")
        output = int(operator.outputs[0])
        if code not in KINDS and code not in MOVES:
            raise InvalidValue(
                f"{self.names[output]!r} is computed by {code}, which is not supported; supported are {SUPPORTED}"
            )
        inputs, outputs = list(operator.inputs), list(operator.outputs)
        if code not in MOVES:
            inputs = OPERATORS[KINDS[code]].read_inputs(inputs)
        call = Call(self, code, self.options(code, operator), inputs, outputs)
        reads = (0 if code in MOVES else OPS[KINDS[code]].inputs) or len(inputs)
        wrong = not inputs or len(inputs) < reads or min(inputs[:reads]) < 0
        if wrong or (len(outputs) != 1 and code not in SEVERAL_OUTPUTS):
            call.refuse(f"{len(inputs)} inputs and {len(outputs)} outputs")
        if code in MOVES:
            MOVES[code](call)
            return
        kind = KINDS[code]
        options = OPERATORS[kind].read(call) | self.fused(call, kind)
        sources = tuple(call.source(position) for position in range(reads))
        if OPS[kind].weighted:
            options |= self.weights(call, kind)
        op = Op(kind, self.op_name(output), sources, self.names[output], **options)
        self.check_window(call, op)
        alone = [self.full[name] for name in sources if self.shapes[name] == self.full[name]]
        if alone and not OPERATORS[kind].without_batch:
            call.refuse(f"an input without a batch, of shape {list(alone[0])},")
        shape = output_shape(op, [self.shapes[name] for name in sources])
        full = self.result(call, shape if alone else (1, *shape))
        self.activation(output, full)
        if OPERATORS[kind].rescaled_before:
            op = self.rescaled(op)
        copied = self.in_own_steps(call, op) if self.quantization and OPERATORS[kind].output_steps else [op]
        self.ops.extend(copied)
        self.check(call, copied[0])

    def options(self, code, operator):
        """The options of an operator; those of a file without any have the schema's values."""
        expected = options_name(code)
        if not hasattr(self.schema.BuiltinOptions, expected or ""):
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
        self.activation(index, (1, *values.shape))

    def rescaled(self, op):
        """The op, with its input rescaled to its output's scale if they differ."""
        source, wanted = op.inputs[0], self.quantization.get(op.output)
        if self.quantization.get(source) == wanted:
            return op
        name = f"{source}_for_{op.name}"
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        self.shapes[name], self.full[name], self.quantization[name] = self.shapes[source], self.full[source], wanted
        self.ops.append(Op("rescale", name, (source,), name))
        return replace(op, inputs=(name,))

    def in_own_steps(self, call, op):
        """The op, and a copy of its output where the file's steps are not those in which it is computed."""
        steps, shape = OPERATORS[op.kind].output_steps(call), self.shapes[op.output]
        if steps == self.quantization[op.output]:
            return [op]
        name = self.part_name(call.output)
        self.shapes[name], self.full[name], self.quantization[name] = shape, self.full[op.output], steps
        options = {"begin": (0,) * len(shape), "size": shape, "steps": (1,) * len(shape)}
        copy = Op("strided_slice", self.op_name(call.output), (name,), op.output, **options)
        return [replace(op, output=name), copy]

    def scale(self, index):
        """The scale of a tensor; None if it has none."""
        q = self.graph.tensors[index].quantization
        return float(q.scale[0]) if q is not None and q.scale is not None and len(q.scale) else None

    def fused(self, call, kind):
        """The activation that is fused into an op."""
        if OPERATORS[kind].own_activation:
            return {}
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
        if OPS[op.kind].weighted:
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
        if (
            op.kind in SAME_SCALE
            and call.code not in COPIES
            and any(self.quantization[name] != result for name in op.inputs)
        ):
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
        # TensorFlow Lite Micro's tolerance, in steps of the output for each step of the bias. It does not compare
        # several scales; there, the rounding of a float32 may be more than the steps of a very fine output.
        tolerance = 0.02 * s_out + (2.0**-22 * steps if len(steps) > 1 else 0.0)
        if len(q.scale) not in (1, len(steps)) or not np.all(np.abs(q.scale - steps) <= tolerance):
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

    def part_name(self, output):
        """A new name for a tensor between the ops that one operator becomes."""
        while True:
            count = self.parts[output] = self.parts.get(output, 0) + 1
            name = f"{self.names[output]}_part_{count}"
            if name not in self.taken:
                self.taken.add(name)
                return name
