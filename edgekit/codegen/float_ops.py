"""Float32 ops as C: which kernel, with which constants."""

from math import isinf, prod

from edgekit.codegen import moving
from edgekit.codegen._step import Step, array, not_after, pool_overlap, window
from edgekit.codegen.header import number
from edgekit.network import ACTIVATIONS


def emit(model, op, layer, room):
    """An op of a `Network` as a `Step`.

    Args:
        model: the network.
        op: one of its ops, any but reshape.
        layer: C name to build others from.
        room: not used; no float op takes scratch.

    Returns:
        `Step`.
    """
    if op.kind in ("conv2d", "depthwise_conv2d"):
        name, definition = window(model, op, layer)
        call = f"{op.kind}_float(&{name}, &{layer}_filters, {{in0}}, {{out}});"
        return Step(f"float/{op.kind}.h", call, f"{_filters(op, layer)}\n{definition}")
    if op.kind == "fully_connected":
        channels, depth = op.weights.shape
        call = f"fully_connected_float({depth}, {channels}, &{layer}_filters, {{in0}}, {{out}});"
        return Step("float/fully_connected.h", call, _filters(op, layer))
    if op.kind in ("average_pool2d", "max_pool2d"):
        name, definition = window(model, op, layer)
        overlap = pool_overlap(model, op, 4)
        return Step(
            f"float/{op.kind}.h", f"{op.kind}_float(&{name}, {_bounds(op)}, {{in0}}, {{out}});", definition, 0, overlap
        )
    size = prod(model.shapes[op.output])
    if op.kind == "add":
        return Step("float/add.h", f"add_float({{in0}}, {{in1}}, {{out}}, {size}, {_bounds(op)});", overlap=not_after)
    if op.kind == "mean":
        *cells, channels = model.shapes[op.inputs[0]]
        return Step("float/mean.h", f"mean_float({prod(cells)}, {channels}, {{in0}}, {{out}});")
    if op.kind == "concatenate":
        return moving.concatenate(model, op, 4)
    if op.kind == "pad":
        return moving.pad(model, op, 4, 0)
    if op.kind == "softmax":
        *rows, classes = model.shapes[op.output]
        return Step("float/softmax.h", f"softmax_float({{in0}}, {{out}}, {prod(rows)}, {classes});", overlap=not_after)
    return Step(f"float/{op.kind}.h", f"{op.kind}_float({{in0}}, {{out}}, {size});", overlap=not_after)


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
