"""Writes float32 ops as C: chooses the kernel and its constants for each op."""

from math import isinf, prod

from edgekit.codegen import copy_ops
from edgekit.codegen.header import number
from edgekit.codegen.step import Step, array, matrices, not_after, pool_overlap, window
from edgekit.network import ACTIVATIONS, MOVING, Dispatch, resizing

# function(model, op, layer, room): an op of a `Network` as a `Step`, or None if its output is its input. `layer` is the
# beginning of its C names, and `room` the bytes of scratch that it may use; no float op uses scratch.
EMIT = Dispatch("edgekit/codegen/float_ops.py")
EMIT.register("reshape", "rescale")(copy_ops.nothing)


@EMIT.register("conv2d", "depthwise_conv2d")
def _convolution(model, op, layer, room):
    name, definition = window(model, op, layer)
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


@EMIT.register("mean")
def _mean(model, op, layer, room):
    *cells, channels = model.shapes[op.inputs[0]]
    return Step("float/mean.h", f"mean_float({prod(cells)}, {channels}, {{in0}}, {{out}});")


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
