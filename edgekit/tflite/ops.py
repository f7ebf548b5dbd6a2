"""Writes and reads each kind of op in a .tflite file: its operator code, its options and its constants.

The format is TensorFlow Lite's schema, version 3. `writer` goes over the ops of a network, and `reader` over the
operators of a file; everything that depends on the kind of an op is here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.network import OPS, Op, windows
from edgekit.quantization import Quantization
from edgekit.tflite import lstm


def _no_options(writer: Any, op: Op, options: Any) -> None:
    """Nothing to write."""


def _reads_nothing(call: Any) -> dict[str, Any]:
    """Nothing to read."""
    return {}


# Words of an operator's name that Micro's resolver does not write with only the first letter in capitals.
_MICRO_WORDS = {"2D": "2D", "PADV2": "PadV2", "MATMUL": "MatMul", "LSTM": "LSTM"}


@dataclass(frozen=True)
class Operator:
    """A kind of op in a .tflite file.

    Attributes:
        code: the name of its operator in the schema.
        options: the name of its options in the schema; None if it has none.
        int8_version: the first version of the operator with int8.
        float_version: the version in float32.
        also: other operator codes that are read as this kind.
        write: function(writer, op, options) that fills in the options; a fused activation is filled in by the writer.
        constants: function(writer, op) to the tensors that it reads besides activations; None if it has none.
        intermediates: function(writer, op) to the tensors that it has besides inputs and outputs; None if it has none.
        output_steps: function(call) to the `Quantization` in which its int8 output is computed, where the file may say
            another for it, though every runtime copies the bytes; None if the file's counts.
        goes_on: whether a runtime begins with what the inference before left, unless it is reset.
        own_activation: whether `read` and `write` also care for the fused activation, which belongs to the op.
        least_version: function(network, op) to the version that this op needs, if that can be more.
        order: the places in the file of the operator's inputs, if they are not activations, weights, bias, constants.
        read: function(call: `call.Call`) to the attributes of the `Op`, except the fused activation.
        in_micro: the types in which TensorFlow Lite Micro has it; LiteRT has it in both.
        rescaled_before: whether a file in int8 may give its output another scale than its input's, though the kind has
            one for both. It is read as a QUANTIZE before it, as LiteRT computes it; Micro would take the wrong scale.
        without_batch: whether it may read tensors without a batch, because no axis has a meaning for it but the last.
    """

    code: str
    options: str | None = None
    int8_version: int = 2
    float_version: int = 1
    also: tuple[str, ...] = ()
    write: Callable[[Any, Op, Any], None] = _no_options
    constants: Callable[[Any, Op], list[int]] | None = None
    intermediates: Callable[[Any, Op], list[int]] | None = None
    output_steps: Callable[[Any], Quantization] | None = None
    goes_on: bool = False
    own_activation: bool = False
    least_version: Callable[[Any, Op], int] = lambda network, op: 1
    order: tuple[int, ...] | None = None
    read: Callable[[Any], dict[str, Any]] = _reads_nothing
    in_micro: tuple[str, ...] = ("float32", "int8")
    rescaled_before: bool = False
    without_batch: bool = False

    def written(self, inputs: list[int]) -> list[int]:
        """The inputs in the order of the file; -1 for one that is left out."""
        return [inputs[place] for place in self.order] if self.order else inputs

    def read_inputs(self, inputs: list[int]) -> list[int]:
        """The reverse of `written`."""
        if not self.order:
            return inputs
        known = dict(zip(self.order, inputs, strict=False))
        return [known.get(place, -1) for place in range(len(self.order))]

    @property
    def micro(self) -> str:
        """The function of TensorFlow Lite Micro's op resolver that registers it: AddConv2D for CONV_2D."""
        words = [_MICRO_WORDS.get(word, word.capitalize()) for word in self.code.split("_")]
        return "Add" + "".join(words)


def _write_window(writer, op, options):
    options.padding = writer.schema.Padding.SAME if op.padding == "same" else writer.schema.Padding.VALID
    options.strideH, options.strideW = op.stride


def _read_window(call):
    names = {call.schema.Padding.SAME: "same", call.schema.Padding.VALID: "valid"}
    if call.options.padding not in names:
        call.refuse(f"the padding {call.options.padding}")
    return {"stride": (call.options.strideH, call.options.strideW), "padding": names[call.options.padding]}


def _write_convolution(writer, op, options):
    _write_window(writer, op, options)
    options.dilationHFactor, options.dilationWFactor = op.dilation
    if op.kind == "depthwise_conv2d":
        options.depthMultiplier = op.weights.shape[-1] // writer.network.shapes[op.inputs[0]][-1]


def _read_convolution(call):
    dilation = (call.options.dilationHFactor, call.options.dilationWFactor)
    if min(dilation) < 1:
        call.refuse(f"dilation {dilation}")
    return _read_window(call) | {"dilation": dilation}


def _read_transposed(call):
    options, filters, size = _read_window(call), call.weights_shape(4), call.numbers(3)
    if size.size != 4 or len(call.shape(0)) != 3:
        call.refuse("an input or output that is no image")
    size = tuple(int(n) for n in size[1:3])
    if windows.output_size(size, filters[1:3], options["stride"], options["padding"]) != call.shape(0)[:2]:
        call.refuse(f"the output size {size} with an input of shape {call.shape(0)}")
    return options | {"output_size": size}


def _write_fully_connected(writer, op, options):
    options.keepNumDims = op.keepdims


def _read_fully_connected(call):
    """Whether it is applied to each row: if it keeps the dimensions, or if its input has several rows."""
    _, depth = call.weights_shape(2)
    if call.options.weightsFormat:
        call.refuse(f"the weights format {call.options.weightsFormat}")
    shape = call.shape(0)
    if np.prod(shape) != depth and shape[-1] != depth:
        call.refuse(f"weights for {depth} values on an input of shape {shape}")
    rows = int(np.prod(shape)) // depth
    if rows > 1 and len(shape) > 2 and not call.options.keepNumDims:
        call.reshape(0, (rows, depth))
    return {"keepdims": bool(call.options.keepNumDims) or rows > 1}


def _write_pool(writer, op, options):
    _write_window(writer, op, options)
    options.filterHeight, options.filterWidth = op.pool


def _read_pool(call):
    return _read_window(call) | {"pool": (call.options.filterHeight, call.options.filterWidth)}


def _write_axis(writer, op, options):
    options.axis = op.axis + 1


def _write_keepdims(writer, op, options):
    options.keepDims = op.keepdims


def _read_axes(call):
    axes, rank = call.constant(1, np.int32), len(call.shape(0)) + 1
    if axes is None or not axes.size or np.any(axes < -rank) or np.any(axes >= rank):
        call.refuse("axes that are computed or that its input does not have")
    axes = sorted({int(axis) % rank for axis in axes.reshape(-1)})
    if axes[0] == 0:
        call.refuse("the batch among its axes")
    if len(axes) == rank - 1 and not call.options.keepDims:
        call.refuse("all axes, of which it keeps none")
    return {"axes": tuple(axis - 1 for axis in axes), "keepdims": bool(call.options.keepDims)}


def _axes(writer, op):
    return [writer.constant(f"{op.name}/axis", [axis + 1 for axis in op.axes])]


def _reduction(code):
    return Operator(code, "ReducerOptions", write=_write_keepdims, constants=_axes, read=_read_axes)


def _write_slice(writer, op, options):
    options.beginMask = options.ellipsisMask = options.newAxisMask = options.shrinkAxisMask = 0
    # A slice that goes backwards to the first value has no number as its end.
    parts = enumerate(zip(op.begin, op.size, op.steps, strict=True), start=1)
    options.endMask = sum(1 << axis for axis, (begin, size, step) in parts if begin + size * step < 0)


def _slice_bounds(writer, op):
    ends = [begin + size * step for begin, size, step in zip(op.begin, op.size, op.steps, strict=True)]
    return [
        writer.constant(f"{op.name}/begin", (0, *op.begin)),
        writer.constant(f"{op.name}/end", (1, *(max(end, 0) for end in ends))),
        writer.constant(f"{op.name}/strides", (1, *op.steps)),
    ]


def _paddings(writer, op):
    return writer.constant(f"{op.name}/paddings", [(0, 0), *op.paddings])


def _write_mirror(writer, op, options):
    modes = writer.schema.MirrorPadMode
    options.mode = modes.REFLECT if op.mode == "reflect" else modes.SYMMETRIC


def _write_gather(writer, op, options):
    options.axis, options.batchDims = op.axis + 1, 0


def _write_resize(writer, op, options):
    options.alignCorners, options.halfPixelCenters = op.align_corners, op.half_pixel_centers


def _write_matmul(writer, op, options):
    options.adjX, options.adjY = op.transposed


def _read_resize(call):
    size = tuple(int(n) for n in call.numbers(1))
    if len(size) != 2 or min(size) < 1 or len(call.shape(0)) != 3:
        call.refuse(f"the size {size} for an input of shape {call.shape(0)}")
    if call.options.alignCorners and call.options.halfPixelCenters:
        call.refuse("both align_corners and half_pixel_centers")
    return {
        "size": size,
        "align_corners": bool(call.options.alignCorners),
        "half_pixel_centers": bool(call.options.halfPixelCenters),
    }


def _write_shape(writer, op, options):
    options.newShape = [1, *map(int, writer.network.shapes[op.output])]


def _write_beta(writer, op, options):
    options.beta = op.beta


def _read_beta(call):
    beta = float(call.options.beta)
    if not 0 < beta < float("inf"):
        call.refuse(f"beta {beta}")
    return {"beta": beta}


def _write_alpha(writer, op, options):
    options.alpha = op.alpha


def _read_alpha(call):
    alpha = float(call.options.alpha)
    if not abs(alpha) < float("inf"):
        call.refuse(f"alpha {alpha}")
    return {"alpha": alpha}


def _write_approximate(writer, op, options):
    options.approximate = op.approximate


def _read_approximate(call):
    return {"approximate": bool(call.options.approximate)}


def _read_root(call):
    """Both runtimes end with an error at a value below 0."""
    source = call.reader.quantization.get(call.reader.names[call.inputs[0]])
    if source is not None and source.zero_point != -128:
        call.refuse(f"an input that may be negative (its zero point is {source.zero_point}, and -128 is needed)")
    return {}


def _read_hard_swish(call):
    """Micro refuses an output whose scale is 1/128 of the input's or less."""
    scales = [call.reader.scale(index) for index in (call.inputs[0], call.output)]
    if None not in scales and not scales[1] > scales[0] / 127:
        call.refuse(f"the output scale {scales[1]:g}, too fine beside the input scale {scales[0]:g}")
    return {}


# The operator for each kind of op.
OPERATORS = {
    "conv2d": Operator(
        "CONV_2D",
        "Conv2DOptions",
        3,
        write=_write_convolution,
        read=_read_convolution,
        least_version=lambda network, op: 6 if op.weights.shape[-1] < network.shapes[op.inputs[0]][-1] else 1,  # groups
    ),
    "depthwise_conv2d": Operator(
        "DEPTHWISE_CONV_2D",
        "DepthwiseConv2DOptions",
        3,
        write=_write_convolution,
        read=_read_convolution,
    ),
    "transpose_conv2d": Operator(
        "TRANSPOSE_CONV",
        "TransposeConvOptions",
        4,
        4,
        write=_write_window,
        constants=lambda writer, op: [writer.constant(f"{op.name}/shape", (1, *writer.network.shapes[op.output]))],
        order=(3, 1, 0, 2),
        read=_read_transposed,
    ),
    "fully_connected": Operator(
        "FULLY_CONNECTED",
        "FullyConnectedOptions",
        4,
        write=_write_fully_connected,
        read=_read_fully_connected,
        without_batch=True,
    ),
    "lstm": Operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UnidirectionalSequenceLSTMOptions",
        1,
        write=lstm.write,
        constants=lstm.constants,
        intermediates=lstm.intermediates,
        output_steps=lstm.state_steps,
        goes_on=True,
        own_activation=True,
        read=lstm.read,
    ),
    "add": Operator("ADD", "AddOptions", without_batch=True),
    "sub": Operator("SUB", "SubOptions", without_batch=True),
    # Version 2 of MUL has int8; 3 is needed where s_1 * s_2 / s_y is at least 1.
    "mul": Operator("MUL", "MulOptions", 3, without_batch=True),
    "maximum": Operator("MAXIMUM", "MaximumMinimumOptions", without_batch=True),
    "minimum": Operator("MINIMUM", "MaximumMinimumOptions", without_batch=True),
    "squared_difference": Operator("SQUARED_DIFFERENCE", "SquaredDifferenceOptions", without_batch=True),
    "concatenate": Operator("CONCATENATION", "ConcatenationOptions", write=_write_axis),
    "average_pool2d": Operator("AVERAGE_POOL_2D", "Pool2DOptions", write=_write_pool, read=_read_pool),
    "max_pool2d": Operator("MAX_POOL_2D", "Pool2DOptions", write=_write_pool, read=_read_pool),
    "mean": _reduction("MEAN"),
    "sum": _reduction("SUM"),
    "reduce_max": _reduction("REDUCE_MAX"),
    "reduce_min": _reduction("REDUCE_MIN"),
    # The operators from here to BROADCAST_TO are read in `moves`.
    "pad": Operator("PAD", "PadOptions", constants=lambda writer, op: [_paddings(writer, op)]),
    "pad_constant": Operator(
        "PADV2",
        "PadV2Options",
        constants=lambda writer, op: [_paddings(writer, op), writer.value(f"{op.name}/fill", op.fill, op.output)],
    ),
    "mirror_pad": Operator(
        "MIRROR_PAD",
        "MirrorPadOptions",
        write=_write_mirror,
        constants=lambda writer, op: [_paddings(writer, op)],
    ),
    "strided_slice": Operator("STRIDED_SLICE", "StridedSliceOptions", write=_write_slice, constants=_slice_bounds),
    "transpose": Operator(
        "TRANSPOSE",
        "TransposeOptions",
        constants=lambda writer, op: [writer.constant(f"{op.name}/perm", (0, *(axis + 1 for axis in op.perm)))],
    ),
    "gather": Operator(
        "GATHER",
        "GatherOptions",
        write=_write_gather,
        constants=lambda writer, op: [writer.constant(f"{op.name}/indices", op.indices)],
    ),
    "broadcast_to": Operator(
        "BROADCAST_TO",
        "BroadcastToOptions",
        constants=lambda writer, op: [writer.constant(f"{op.name}/shape", (1, *op.size))],
        float_version=2,
    ),
    "resize_nearest": Operator(
        "RESIZE_NEAREST_NEIGHBOR",
        "ResizeNearestNeighborOptions",
        write=_write_resize,
        constants=lambda writer, op: [writer.constant(f"{op.name}/size", op.size)],
        read=_read_resize,
    ),
    "resize_bilinear": Operator(
        "RESIZE_BILINEAR",
        "ResizeBilinearOptions",
        write=_write_resize,
        constants=lambda writer, op: [writer.constant(f"{op.name}/size", op.size)],
        read=_read_resize,
    ),
    "batch_matmul": Operator("BATCH_MATMUL", "BatchMatMulOptions", write=_write_matmul),
    "reshape": Operator(
        "RESHAPE",
        "ReshapeOptions",
        1,
        write=_write_shape,
        constants=lambda writer, op: [writer.constant(f"{op.name}/shape", (1, *writer.network.shapes[op.output]))],
    ),
    "rescale": Operator("QUANTIZE", without_batch=True),
    "sigmoid": Operator("LOGISTIC", without_batch=True),
    "tanh": Operator("TANH", without_batch=True),
    "softmax": Operator("SOFTMAX", "SoftmaxOptions", write=_write_beta, read=_read_beta, without_batch=True),
    "log_softmax": Operator("LOG_SOFTMAX", "LogSoftmaxOptions", without_batch=True),
    "relu": Operator("RELU", without_batch=True),
    "relu6": Operator("RELU6", rescaled_before=True, without_batch=True),
    "relu_n1_to_1": Operator("RELU_N1_TO_1", None, 1, in_micro=(), without_batch=True),
    "relu_0_to_1": Operator("RELU_0_TO_1", None, 1, in_micro=(), without_batch=True),
    "leaky_relu": Operator("LEAKY_RELU", "LeakyReluOptions", write=_write_alpha, read=_read_alpha, without_batch=True),
    "prelu": Operator("PRELU", None, 1, without_batch=True),
    "elu": Operator("ELU", None, 1, without_batch=True),
    "hard_swish": Operator("HARD_SWISH", "HardSwishOptions", 1, read=_read_hard_swish, without_batch=True),
    "gelu": Operator(
        "GELU", "GeluOptions", write=_write_approximate, read=_read_approximate, in_micro=(), without_batch=True
    ),
    "abs": Operator("ABS", "AbsOptions", without_batch=True),
    "exp": Operator("EXP", "ExpOptions", in_micro=("float32",), without_batch=True),
    "log": Operator("LOG", in_micro=("float32",), without_batch=True),
    "sqrt": Operator("SQRT", read=_read_root, in_micro=("float32",), without_batch=True),
    "rsqrt": Operator("RSQRT", read=_read_root, without_batch=True),
}
KINDS = {code: kind for kind, operator in OPERATORS.items() for code in (operator.code, *operator.also)}
# The names of fused activations in the schema's ActivationFunctionType.
ACTIVATION_CODES = {"none": "NONE", "relu": "RELU", "relu6": "RELU6", "relu_n1_to_1": "RELU_N1_TO_1"}


def has_activation(kind: str) -> bool:
    """Whether ops of this kind can have a fused activation."""
    return "activation" in OPS[kind].options


def options_name(code: str) -> str | None:
    """The name of an operator's options in the schema, such as SplitVOptions for SPLIT_V; None if it has none."""
    kind = KINDS.get(code)
    if kind and OPERATORS[kind].code == code:
        return OPERATORS[kind].options
    return "".join(word.capitalize() for word in code.split("_")) + "Options"
