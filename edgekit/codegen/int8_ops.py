"""Writes int8 ops as C: chooses the kernel and its constants for each op."""

from math import prod

import numpy as np

from edgekit.codegen import copy_ops, lstm, two_inputs
from edgekit.codegen.arena import Rule
from edgekit.codegen.step import (
    Step,
    anywhere,
    array,
    exactly,
    int32,
    matrices,
    not_after,
    not_before,
    padding_before,
    pool_overlap,
    reduction,
    repeated_slopes,
    window,
)
from edgekit.network import MOVING, Dispatch, resizing
from edgekit.quantization import (
    arithmetic,
    by_channel,
    fixed_point,
    formulas,
    integer,
    log_softmax,
    matmul_requantization,
    output_bounds,
    requantization,
    tables,
)
from edgekit.quantization.tables import prelu_multipliers

# function(model, op, layer, room): an op of a `QuantizedNetwork` as a `Step`, or None if its output is its input.
# `layer` is the beginning of its C names. `room` is the bytes of scratch that the op may use; it may need fewer.
EMIT = Dispatch("edgekit/codegen/int8_ops.py")
EMIT.register("reshape")(copy_ops.nothing)

SPARE = 16  # bytes after the scratch that an early load may read
CAREFUL = 64  # added to the shift of a channel whose accumulator may need all 32 bits


@EMIT.register("conv2d")
def _conv2d(model, op, layer, room):
    name, definition = window(model, op, layer)
    filters = _filters(model, op, layer)
    out_channels, *_, channels = op.weights.shape
    groups = model.shapes[op.inputs[0]][-1] // channels
    height, width, _ = model.shapes[op.output]
    row = 2 * -(-prod(op.weights.shape[1:]) // 4) * 4  # bytes of a widened patch
    pointwise = op.window == (1, 1) and op.stride == (1, 1) and groups == 1
    block = max(1, min(height * width if pointwise else width, (room - 2 * row - SPARE) // (row + 8)))
    if pointwise:
        kernel, overlap = "pointwise_conv2d", not_before if out_channels > channels else not_after
    else:
        grouped = groups > 1 or op.dilation != (1, 1)
        kernel, overlap = "grouped_conv2d" if grouped else "conv2d", _conv2d_overlap(model, op, block, groups)
        if grouped:
            name = f"{name}, {groups}"
    call = f"{kernel}_int8(&{name}, &{layer}_filters, {{in0}}, {{out}}, {{scratch}}, {block});"
    return Step(f"int8/{kernel}.h", call, f"{filters}\n{definition}", 2 * row + block * (row + 8) + SPARE, overlap)


def _conv2d_overlap(model, op, block, groups):
    """Patches are copied block by block; each block must write before the inputs that later blocks and groups read."""
    height, width, channels = model.shapes[op.inputs[0]]
    out_height, out_width, out_channels = model.shapes[op.output]
    top, _ = padding_before(model, op)
    rooms = [height * width * channels]
    for row in range(out_height):
        if row + 1 < out_height:
            rooms.append(
                max((row + 1) * op.stride[0] - top, 0) * width * channels - (row + 1) * out_width * out_channels
            )
        if block < out_width or groups > 1:
            rooms.append(max(row * op.stride[0] - top, 0) * width * channels - (row + 1) * out_width * out_channels)
    return lambda source, result: Rule(source, result, highest=min(rooms))


@EMIT.register("depthwise_conv2d")
def _depthwise_conv2d(model, op, layer, room):
    if op.weights.size == 1 and op.stride == (1, 1):  # factor * x + offset
        return _through_table(model, op, layer, _of_every_value(model, op, 1, 1, 1))
    name, definition = window(model, op, layer)
    channels = model.shapes[op.inputs[0]][-1]
    height, width, out_channels = model.shapes[op.output]
    across = ((width - 1) * op.stride[1] + op.reach[1] + 1) // 2 * 2

    def scratch(rows):
        sums = (rows * width + 1 + width % 2) // 2 * 2
        return 4 * sums + 2 * ((rows - 1) * op.stride[0] + op.reach[0]) * across + SPARE

    rows = next((n for n in range(height, 1, -1) if scratch(n) <= room), 1)
    call = f"depthwise_conv2d_int8(&{name}, &{layer}_filters, {{in0}}, {{out}}, {{scratch}}, {rows});"
    return Step(
        "int8/depthwise_conv2d.h",
        call,
        f"{_filters(model, op, layer)}\n{definition}",
        scratch(rows),
        exactly if out_channels == channels else None,
    )


@EMIT.register("transpose_conv2d")
def _transpose_conv2d(model, op, layer, room):
    name, definition = window(model, op, layer)
    down, across = op.stride
    # The cells that are a stride apart, one group after the other.
    cells = [op.weights[:, i::down, j::across].ravel() for i in range(down) for j in range(across)]
    row = 2 * -(-cells[0].size // len(op.weights) // 4) * 4  # bytes of a widened patch of the largest group, the first
    block = max(1, min(-(-model.shapes[op.output][1] // across), (room - 2 * row - SPARE) // (row + 8)))
    call = f"transpose_conv2d_int8(&{name}, &{layer}_filters, {{in0}}, {{out}}, {{scratch}}, {block});"
    constants = f"{_filters(model, op, layer, np.concatenate(cells))}\n{definition}"
    return Step("int8/transpose_conv2d.h", call, constants, 2 * row + block * (row + 8) + SPARE)


@EMIT.register("fully_connected")
def _fully_connected(model, op, layer, room):
    channels, depth = op.weights.shape
    rows = prod(model.shapes[op.output][:-1])
    call = f"fully_connected_int8({rows}, {depth}, {channels}, &{layer}_filters, {{in0}}, {{out}}, {{scratch}});"
    overlap = anywhere if rows == 1 else not_after if channels <= depth else None
    return Step("int8/fully_connected.h", call, _filters(model, op, layer), 2 * depth, overlap)


@EMIT.register("lstm")
def _lstm(model, op, layer, room):
    return lstm.int8(model, op, layer)


@EMIT.register("add", "sub", "mul", "maximum", "minimum", "squared_difference")
def _two_inputs(model, op, layer, room):
    known = [model.constants.get(name) for name in op.inputs]
    one = [None if values is None or values.size != 1 else values.item() for values in known]
    if op.inputs[0] == op.inputs[1] or sum(value is not None for value in one) == 1:
        table = _of_every_value(model, op, 1, given=one)
        return _through_table(model, op, layer, table, "{in0}" if one[0] is None else "{in1}")
    scales, constants = "0", ""
    if op.kind not in ("maximum", "minimum"):
        scales, constants = f"&{layer}_scales", _two_inputs_scales(model, op, layer)
    return two_inputs.step(model, op, layer, "int8", before=f"{scales}, ", constants=constants)


def _of_every_value(model, op, *shape, given=(None,)):
    """The output of an op of one int8, for each: int8 (256,), ordered as `integer.rescale_table`.

    The op's input has this shape; those of its inputs that are constants of one value are given.
    """
    every = np.arange(256).astype(np.uint8).view(np.int8).reshape(256, *shape)
    inputs = [every if value is None else np.full_like(every, value) for value in given]
    return integer.STEP[op.kind](model, op)(inputs).reshape(256)


def _two_inputs_scales(model, op, layer):
    sources = [model.quantization[name] for name in (*op.inputs, op.output)]
    scales = [source.scale for source in sources]
    if op.kind == "mul":
        pairs = [(0, 0), (0, 0), arithmetic.mul_multiplier(*scales)]
    elif op.kind == "squared_difference":
        pairs = arithmetic.squared_difference_multipliers(*scales)
    else:
        pairs = formulas.add_multipliers(*scales)
    zero_points = [source.zero_point for source in sources]
    numbers = ", ".join("{" + ", ".join(map(str, values)) + "}" for values in (zero_points, *zip(*pairs, strict=True)))
    lowest, highest = output_bounds(model, op)
    return f"static const two_inputs_int8 {layer}_scales = {{{numbers}, {lowest}, {highest}}};"


@EMIT.register("average_pool2d", "max_pool2d")
def _pool(model, op, layer, room):
    name, definition = window(model, op, layer)
    lowest, highest = output_bounds(model, op)
    call = f"{op.kind}_int8(&{name}, {lowest}, {highest}, {{in0}}, {{out}});"
    return Step(f"int8/{op.kind}.h", call, definition, 0, pool_overlap(model, op))


@EMIT.register("mean", "sum")
def _sum(model, op, layer, room):
    source, result = model.quantization[op.inputs[0]], model.quantization[op.output]
    name, definition = reduction(model, op, layer)
    count, multiplier, shift = integer.sum_scales(model, op)
    scales = f"{-count * source.zero_point}, {multiplier}, {shift}, {result.zero_point}"
    return Step("int8/sum.h", f"sum_int8(&{name}, {scales}, {{in0}}, {{out}});", definition)


@EMIT.register("reduce_max", "reduce_min")
def _extreme(model, op, layer, room):
    name, definition = reduction(model, op, layer)
    flip = 0 if op.kind == "reduce_max" else -1
    return Step("int8/extreme.h", f"extreme_int8(&{name}, {flip}, {{in0}}, {{out}});", definition)


@EMIT.register("concatenate")
def _concatenate(model, op, layer, room):
    return copy_ops.concatenate(model, op, 1)


@EMIT.register("pad", "pad_constant")
def _pad(model, op, layer, room):
    blocks, start, size = copy_ops.pad(model, op, layer, 1)
    fill = int(model.quantization[op.output].quantize(np.float32(op.fill or 0))) & 255
    return Step("bytes/pad.h", f"pad(&{layer}_blocks, {{in0}}, {{out}}, {start}, {size}, {fill});", blocks)


@EMIT.register(*MOVING)
def _move(model, op, layer, room):
    return copy_ops.move(model, op, layer, 1)


@EMIT.register(*tables.TABLE)
def _table(model, op, layer, room):
    return _through_table(model, op, layer, tables.table(model, op))


@EMIT.register("resize_bilinear")
def _resize_bilinear(model, op, layer, room):
    height, width, channels = model.shapes[op.inputs[0]]
    pairs = zip((height, width), op.size, strict=True)
    along = [resizing.whole_places(n, size, op.align_corners, op.half_pixel_centers) for n, size in pairs]
    numbers = [height, width, channels, *op.size, *(value for values in zip(*along, strict=True) for value in values)]
    constants = f"static const resize_int8 {layer}_resize = {{{', '.join(map(str, numbers))}}};"
    return Step("int8/resize_bilinear.h", f"resize_bilinear_int8(&{layer}_resize, {{in0}}, {{out}});", constants)


@EMIT.register("batch_matmul")
def _batch_matmul(model, op, layer, room):
    zero_points = ", ".join(str(model.quantization[name].zero_point) for name in (*op.inputs, op.output))
    multiplier, shift = matmul_requantization(model, op)
    scales = f"static const batch_matmul_int8_scales {layer}_scales = {{{{{zero_points}}}, {multiplier}, {shift}}};"
    call = f"batch_matmul_int8(&{layer}_matrices, &{layer}_scales, {{in0}}, {{in1}}, {{out}});"
    return Step("int8/batch_matmul.h", call, f"{matrices(model, op, layer)}\n{scales}")


def _through_table(model, op, layer, values, source="{in0}"):
    """An op whose output depends on only one int8: it is read from a table of 256 values."""
    call = f"lookup_int8({layer}_table, {source}, {{out}}, {prod(model.shapes[op.output])});"
    return Step("int8/lookup.h", call, array("int8_t", f"{layer}_table", values), 0, not_after)


@EMIT.register("prelu")
def _prelu(model, op, layer, room):
    source, slopes, result = (model.quantization[name] for name in (*op.inputs, op.output))
    multipliers, shifts = zip(*prelu_multipliers(source.scale, slopes.scale, result.scale), strict=True)
    zero_points = (source.zero_point, slopes.zero_point, result.zero_point)
    numbers = ", ".join("{" + ", ".join(map(str, values)) + "}" for values in (zero_points, multipliers, shifts))
    constants = f"static const prelu_int8_scales {layer}_scales = {{{numbers}}};\n{repeated_slopes(model, op, layer)}"
    call = f"prelu_int8(&{layer}_scales, &{layer}_slopes, {{in0}}, {{in1}}, {{out}});"
    return Step("int8/prelu.h", call, constants, 0, not_after if op.inputs[1] in model.constants else None)


@EMIT.register("softmax")
def _softmax(model, op, layer, room):
    table = array(
        "int32_t", f"{layer}_exponentials", fixed_point.exponentials_of_steps(model.quantization[op.inputs[0]], op.beta)
    )
    *rows, classes = model.shapes[op.output]
    call = f"softmax_int8({layer}_exponentials, {{in0}}, {{out}}, {prod(rows)}, {classes});"
    return Step("int8/softmax.h", call, table, 0, not_after)


@EMIT.register("log_softmax")
def _log_softmax(model, op, layer, room):
    source = model.quantization[op.inputs[0]]
    numbers = log_softmax.constants(source.scale)
    table = array("int32_t", f"{layer}_exponentials", fixed_point.exponentials_of_steps(source))
    pairs = zip(numbers.to_fraction, numbers.to_steps, strict=True)  # both multipliers, then both shifts
    definition = (
        f"static const log_softmax_int8_scales {layer}_scales = {{\n    "
        + ", ".join(f"{{{of_fraction}, {of_steps}}}" for of_fraction, of_steps in pairs)
        + f",\n    {numbers.farthest}, {layer}_exponentials\n}};"
    )
    *rows, classes = model.shapes[op.output]
    log_softmax.check_classes(op.name, classes)
    call = f"log_softmax_int8(&{layer}_scales, {{in0}}, {{out}}, {prod(rows)}, {classes});"
    return Step("int8/log_softmax.h", call, f"{table}\n{definition}", 0, not_after)


def _filters(model, op, layer, weights=None):
    """The definitions of an op's weights, biases and multipliers, and of the filters_int8 that names them.

    `weights` are the op's in another order.
    """
    multipliers, shifts = requantization(model, op)
    # The kernels' 32-bit product needs a sum below 2^21; a shift below -20 would overflow its rounding.
    careful = (shifts >= 0) | (shifts < -20) | (_largest_accumulator(model, op) >= 2**21)
    lowest, highest = output_bounds(model, op)
    source, result = model.quantization[op.inputs[0]], model.quantization[op.output]
    return "\n".join(
        [
            array("int8_t", f"{layer}_weights", op.weights if weights is None else weights),
            array("int32_t", f"{layer}_bias", op.bias, literal=int32),
            array("int32_t", f"{layer}_multiplier", multipliers),
            array("int8_t", f"{layer}_shift", shifts + CAREFUL * careful),
            f"static const filters_int8 {layer}_filters = {{\n"
            f"    {source.zero_point}, {result.zero_point}, /* zero points of input and output */\n"
            f"    {lowest}, {highest}, /* the output's bounds */\n"
            f"    {layer}_weights, {layer}_bias, {layer}_multiplier, {layer}_shift\n}};",
        ]
    )


def _largest_accumulator(model, op):
    """For each channel, the largest possible sum over all inputs: int64 (out,)."""
    zero_point = model.quantization[op.inputs[0]].zero_point
    weights = by_channel(op.weights, op.kind).astype(np.int64)
    products = np.maximum(weights * (127 - zero_point), weights * (-128 - zero_point))
    return products.sum(axis=1) + op.bias
