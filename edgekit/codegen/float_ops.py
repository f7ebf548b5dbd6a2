"""Writes float32 ops as C: chooses the kernel and its constants for each op."""

from math import isinf, prod

from edgekit.codegen import copy_ops
from edgekit.codegen.header import number
from edgekit.codegen.step import Step, array, not_after, pool_overlap, reduction, window
from edgekit.network import ACTIVATIONS, Dispatch

# function(model, op, layer, room): an op of a `Network` as a `Step`, or None if its output is its input. `layer` is the
# beginning of its C names, and `room` the bytes of scratch that it may use; no float op uses scratch.
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


@EMIT.register("average_pool2d", "max_pool2d")
def _pool(model, op, layer, room):
    name, definition = window(model, op, layer)
    call = f"{op.kind}_float(&{name}, {_bounds(op)}, {{in0}}, {{out}});"
    return Step(f"float/{op.kind}.h", call, definition, 0, pool_overlap(model, op, 4))


@EMIT.register("add")
def _add(model, op, layer, room):
    call = f"add_float({{in0}}, {{in1}}, {{out}}, {prod(model.shapes[op.output])}, {_bounds(op)});"
    return Step("float/add.h", call, overlap=not_after)


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
    return copy_ops.pad(model, op, 4, 0)


@EMIT.register("softmax")
def _softmax(model, op, layer, room):
    *rows, classes = model.shapes[op.output]
    return Step("float/softmax.h", f"softmax_float({{in0}}, {{out}}, {prod(rows)}, {classes});", overlap=not_after)


@EMIT.register("sigmoid", "tanh")
def _function(model, op, layer, room):
    call = f"{op.kind}_float({{in0}}, {{out}}, {prod(model.shapes[op.output])});"
    return Step(f"float/{op.kind}.h", call, overlap=not_after)


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
    low, high = ACTIVATIONS[op.activation]
    return ", ".join(
        "%s3.4e38f" % ("-" if bound < 0 else "") if isinf(bound) else number(bound) for bound in (low, high)
    )
