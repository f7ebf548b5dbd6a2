"""Writes float32 ops as C: chooses the kernel and its constants for each op."""

from math import isinf, prod

from edgekit.codegen import copy_ops, lstm, two_inputs
from edgekit.codegen.header import number
from edgekit.codegen.step import Step, array, matrices, not_after, pool_overlap, reduction, repeated_slopes, window
from edgekit.network import MOVING, Dispatch, activations, resizing

# function(model, op, layer, room): an op of a `Network` as a `Step`, or None if its output is its input. `layer` is the
# beginning of its C names, and `room` the bytes of scratch that it may use; only an LSTM uses scratch.
EMIT = Dispatch("edgekit/codegen/float_ops.py")
EMIT.register("reshape", "rescale")(copy_ops.nothing)


@EMIT.register("conv2d", "depthwise_conv2d", "transpose_conv2d")
def _convolution(model, op, layer, room):
    name, definition = window(model, op, layer)
    if op.kind == "conv2d":
        name = f"{name}, {model.shapes[op.inputs[0]][-1] // op.weights.shape[-1]}"
    call = f"{op.kind}_float(&{name}, &{layer}_filters, {{in0}}, {{out}});"
    return Step(f"float/{op.kind}.h", call, f"{_filters(op, layer)}\n{definition}")


@EMIT.register("fully_connected")
def _fully_connected(model, op, layer, room):
    channels, depth = op.weights.shape
    rows = prod(model.shapes[op.output][:-1])
    call = f"fully_connected_float({rows}, {depth}, {channels}, &{layer}_filters, {{in0}}, {{out}});"
    return Step("float/fully_connected.h", call, _filters(op, layer))


@EMIT.register("lstm")
def _lstm(model, op, layer, room):
    return lstm.float32(model, op, layer)


@EMIT.register("average_pool2d", "max_pool2d")
def _pool(model, op, layer, room):
    name, definition = window(model, op, layer)
    call = f"{op.kind}_float(&{name}, {_bounds(op)}, {{in0}}, {{out}});"
    return Step(f"float/{op.kind}.h", call, definition, 0, pool_overlap(model, op, 4))


@EMIT.register("add", "sub", "mul", "maximum", "minimum", "squared_difference")
def _two_inputs(model, op, layer, room):
    return two_inputs.step(model, op, layer, "float", after=f", {_bounds(op)}")


@EMIT.register("mean", "sum")
def _sum(model, op, layer, room):
    name, definition = reduction(model, op, layer)
    divisor = prod(model.shapes[op.inputs[0]][axis] for axis in op.axes) if op.kind == "mean" else 1
    return Step("float/sum.h", f"sum_float(&{name}, {number(divisor)}, {{in0}}, {{out}});", definition)


@EMIT.register("reduce_max", "reduce_min")
def _extreme(model, op, layer, room):
    name, definition = reduction(model, op, layer)
    sign = number(1 if op.kind == "reduce_max" else -1)
    return Step("float/extreme.h", f"extreme_float(&{name}, {sign}, {{in0}}, {{out}});", definition)


@EMIT.register("concatenate")
def _concatenate(model, op, layer, room):
    return copy_ops.concatenate(model, op, 4)


@EMIT.register("pad")
def _pad(model, op, layer, room):
    blocks, start, size = copy_ops.pad(model, op, layer, 4)
    return Step("bytes/pad.h", f"pad(&{layer}_blocks, {{in0}}, {{out}}, {start}, {size}, 0);", blocks)


@EMIT.register("pad_constant")
def _pad_constant(model, op, layer, room):
    blocks, start, size = copy_ops.pad(model, op, layer, 4)
    call = f"pad_float(&{layer}_blocks, {{in0}}, {{out}}, {start}, {size // 4}, {number(op.fill)});"
    return Step("float/pad.h", call, blocks)


@EMIT.register(*MOVING)
def _move(model, op, layer, room):
    return copy_ops.move(model, op, layer, 4)


@EMIT.register("resize_bilinear")
def _resize_bilinear(model, op, layer, room):
    height, width, channels = model.shapes[op.inputs[0]]
    pairs = zip((height, width), op.size, strict=True)
    along = [resizing.places(n, size, op.align_corners, op.half_pixel_centers) for n, size in pairs]
    scales = ", ".join(number(value) for values in zip(*along, strict=True) for value in values)
    sizes = f"{height}, {width}, {channels}, {op.size[0]}, {op.size[1]}"
    constants = f"static const resize_float {layer}_resize = {{{sizes}, {scales}}};"
    return Step("float/resize_bilinear.h", f"resize_bilinear_float(&{layer}_resize, {{in0}}, {{out}});", constants)


@EMIT.register("batch_matmul")
def _batch_matmul(model, op, layer, room):
    constants = matrices(model, op, layer)
    return Step("float/batch_matmul.h", f"batch_matmul_float(&{layer}_matrices, {{in0}}, {{in1}}, {{out}});", constants)


@EMIT.register("softmax")
def _softmax(model, op, layer, room):
    return _by_row("softmax", model, op, f", {number(op.beta)}")


@EMIT.register("log_softmax")
def _log_softmax(model, op, layer, room):
    return _by_row("log_softmax", model, op)


def _by_row(kernel, model, op, more=""):
    *rows, classes = model.shapes[op.output]
    call = f"{kernel}_float({{in0}}, {{out}}, {prod(rows)}, {classes}{more});"
    return Step(f"float/{kernel}.h", call, overlap=not_after)


@EMIT.register("sigmoid", "tanh", "elu", "hard_swish", "abs", "exp", "log", "sqrt", "rsqrt")
def _function(model, op, layer, room):
    return _of_one_value(op.kind, model, op)


@EMIT.register("leaky_relu")
def _leaky_relu(model, op, layer, room):
    return _of_one_value("leaky_relu", model, op, f", {number(op.alpha)}")


@EMIT.register("prelu")
def _prelu(model, op, layer, room):
    call = f"prelu_float(&{layer}_slopes, {{in0}}, {{in1}}, {{out}});"
    overlap = not_after if op.inputs[1] in model.constants else None
    return Step("float/prelu.h", call, repeated_slopes(model, op, layer), 0, overlap)


@EMIT.register("gelu")
def _gelu(model, op, layer, room):
    return _of_one_value("gelu_with_tanh" if op.approximate else "gelu", model, op)


@EMIT.register("relu", "relu6", "relu_n1_to_1", "relu_0_to_1")
def _clip(model, op, layer, room):
    return _of_one_value("clip", model, op, f", {_limits(op.kind)}")


def _of_one_value(kernel, model, op, more=""):
    call = f"{kernel}_float({{in0}}, {{out}}, {prod(model.shapes[op.output])}{more});"
    return Step(f"float/{kernel}.h", call, overlap=not_after)


def _filters(op, layer):
    return "\n".join(
        [
            array("float", f"{layer}_weights", op.weights, literal=number),
            array("float", f"{layer}_bias", op.bias, literal=number),
            f"static const filters_float {layer}_filters = {{{_bounds(op)}, {layer}_weights, {layer}_bias}};",
        ]
    )


def _bounds(op):
    """The op's activation as a clamp: "lowest, highest"."""
    return _limits(op.activation)


def _limits(activation):
    low, high = activations.LIMITS[activation]
    return ", ".join(
        "%s3.4e38f" % ("-" if bound < 0 else "") if isinf(bound) else number(bound) for bound in (low, high)
    )
