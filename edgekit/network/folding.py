"""Folds and fuses the ops of a network that was just read, as a converter does.

A reader makes one op of each layer. Passes then fold explicit padding into convolutions, fold batch normalization into
weights, fuse activations into the op before, and remove reshapes that cancel out. Int8 has all ops of the result.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from edgekit.network import windows
from edgekit.network.ops import OPS, Op, Shape

# Kinds that only a reader makes: `fold` removes all of them.
TEMPORARY = ("batch_norm", "relu", "relu6")


def fold(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Fold and fuse.

    Args:
        ops: in order; of the kinds in `OPS` and in `TEMPORARY`. A batch_norm has its factors as weights.
        shapes: dict from tensor name to shape; new tensors between ops are added to it.
        outputs: names of the network's outputs.

    Returns:
        The ops, all of kinds in `OPS`; the outputs keep their names.
    """
    folded = fold_padding(_above_reshapes(ops, shapes, outputs), shapes, outputs)
    for absorb in (_batch_norm, _activation):
        folded = _merge(folded, shapes, outputs, absorb)
    return merge_reshapes([part for op in folded for part in _lower(op, shapes)], shapes, outputs)


def fold_padding(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Make a convolution after a pad op one with SAME padding, where both are equal.

    Args:
        ops: in order.
        shapes: dict from tensor name to shape.
        outputs: names of the network's outputs.

    Returns:
        The ops. In int8 their results are the same, because a pad op keeps scale and zero point.
    """
    return _merge(ops, shapes, outputs, _padding)


def merge_reshapes(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Let a reshape of a reshape read what the first one reads, and remove reshapes that change nothing or are unused.

    Args:
        ops: in order.
        shapes: dict from tensor name to shape.
        outputs: names of the network's outputs.

    Returns:
        The ops; the outputs keep their names.
    """
    source: dict[str, str] = {}  # of a tensor that a reshape writes: the tensor with the same values in another shape
    renamed: dict[str, str] = {}
    merged = []
    for op in ops:
        op = replace(op, inputs=tuple(renamed.get(name, name) for name in op.inputs))
        if op.kind == "reshape":
            first = source.get(op.inputs[0], op.inputs[0])
            same = [name for name in (first, op.inputs[0]) if shapes[name] == shapes[op.output]]
            if same and op.output not in outputs:
                renamed[op.output] = same[0]
                continue
            op = replace(op, inputs=(first,))
            source[op.output] = first
        merged.append(op)
    read = {name for op in merged for name in op.inputs} | set(outputs)
    return [op for op in merged if op.kind != "reshape" or op.output in read]


def _above_reshapes(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Move activations and batch normalization from after a reshape to before it, so that they fuse with the op there.

    A layer over a sequence is a layer over an image of height 1 between two reshapes.
    """
    moved = list(ops)
    position = 0
    while position < len(moved):
        op, at = moved[position], position
        position += 1
        if op.kind not in TEMPORARY:
            continue
        readers = [other for other in moved for name in other.inputs if name == op.inputs[0]]
        before = next((other for other in moved if other.output == op.inputs[0] and other.kind == "reshape"), None)
        if before is None or len(readers) != 1 or op.inputs[0] in outputs:
            continue
        if op.kind == "batch_norm" and shapes[before.inputs[0]][-1] != shapes[before.output][-1]:
            continue
        shapes[before.output] = shapes[before.inputs[0]]  # the tensor between them has the shape before the reshape
        position = moved.index(before)  # there may be another reshape before it
        moved[position] = replace(op, inputs=before.inputs, output=before.output)
        moved[at] = replace(before, inputs=(before.output,), output=op.output)
    return moved


def _merge(
    ops: Sequence[Op],
    shapes: dict[str, Shape],
    outputs: Collection[str],
    absorb: Callable[[Op, Op, dict[str, Shape]], Op | None],
) -> list[Op]:
    """Merge an op with the only op that reads its output, wherever `absorb` returns a merged op."""
    merged_ops, position = list(ops), 0
    while position < len(merged_ops):
        op = merged_ops[position]
        readers = [reader for reader in merged_ops for name in reader.inputs if name == op.output]
        merged = absorb(op, readers[0], shapes) if len(readers) == 1 and op.output not in outputs else None
        if merged is None:
            position += 1
            continue
        merged_ops[merged_ops.index(readers[0])] = replace(merged, output=readers[0].output)
        del merged_ops[position]
        position = max(0, position - 1)
    return merged_ops


def _padding(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Turn padding before a VALID window into SAME padding, if both are equal; otherwise the padding stays an op."""
    if op.kind != "pad" or reader.kind not in ("conv2d", "depthwise_conv2d") or reader.padding != "valid":
        return None
    if len(shapes[op.inputs[0]]) != 3 or any(map(any, op.paddings[2:])):
        return None
    height, width, _ = shapes[op.inputs[0]]
    if windows.same_padding((height, width), reader.reach, reader.stride) != op.paddings[:2]:
        return None
    return replace(reader, inputs=op.inputs, padding="same")


def _batch_norm(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Put the batch normalization into weights and bias of the op before: Jacob et al. 2018, section 3.2."""
    if reader.kind != "batch_norm" or op.kind not in OPS or not OPS[op.kind].weighted:
        return None
    factor = reader.weights
    shape = (1, 1, 1, -1) if op.kind == "depthwise_conv2d" else (-1,) + (1,) * (op.weights.ndim - 1)
    weights = op.weights.astype(np.float64) * factor.reshape(shape)
    bias = op.bias.astype(np.float64) * factor + reader.bias
    return replace(op, weights=weights.astype(np.float32), bias=bias.astype(np.float32))


def _activation(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """ReLU and ReLU6 become a clamp of the op before."""
    if reader.kind not in ("relu", "relu6") or op.kind not in OPS or "activation" not in OPS[op.kind].options:
        return None
    return replace(op, activation=reader.kind) if op.activation in ("none", reader.kind) else None


def _lower(op: Op, shapes: dict[str, Shape]) -> list[Op]:
    """Replace an activation or batch normalization that cannot be fused by an equal op that int8 has.

    A clamp becomes a 1 x 1 max pooling with this activation, because TensorFlow Lite Micro's RELU6 op does not rescale.
    Batch normalization becomes a 1 x 1 depthwise convolution.
    """
    if op.kind not in TEMPORARY:
        return [op]
    if op.kind == "batch_norm":
        weights = op.weights.astype(np.float32).reshape(1, 1, 1, -1)
        image = replace(op, kind="depthwise_conv2d", weights=weights, bias=op.bias.astype(np.float32))
    else:
        image = replace(op, kind="max_pool2d", activation=op.kind, pool=(1, 1))
    shape = shapes[op.output]
    if len(shape) == 3:
        return [image]
    before, after = f"{op.output}_as_image", f"{op.output}_image"
    shapes[before] = shapes[after] = (1, int(np.prod(shape[:-1])), shape[-1])
    return [
        Op("reshape", f"{op.name}_as_image", op.inputs, before),
        replace(image, inputs=(before,), output=after),
        Op("reshape", op.name, (after,), op.output),
    ]
