"""Folds and fuses the ops of a network that was just read, as a converter does.

A reader makes one op of each layer. Passes then fold explicit padding into convolutions, fold batch normalization into
the weights of the op before or after, and fuse activations into the op before. The result has only ops that int8 has.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from edgekit.network import windows
from edgekit.network.ops import ACTIVATIONS, OPS, Op, Shape

# Kinds that only a reader makes: `fold` removes all of them.
TEMPORARY = ("batch_norm", "relu_n1_to_1", "square")


def fold(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Fold and fuse.

    Args:
        ops: in order; of the kinds in `OPS` and in `TEMPORARY`. A batch_norm has its factors as weights.
        shapes: dict from tensor name to shape; new tensors between ops are added to it.
        outputs: names of the network's outputs.

    Returns:
        The ops, all of kinds in `OPS`; the outputs keep their names.
    """
    folded = list(ops)
    folded = _merge(folded, shapes, outputs, _padding)
    folded = _merge(folded, shapes, outputs, _batch_norm)
    folded = _after_reshapes(folded, shapes, outputs)
    for absorb in (_batch_norm_before, _square, _activation):
        folded = _merge(folded, shapes, outputs, absorb)
    return _named_apart([part for op in folded for part in _lower(op, shapes)])


def _named_apart(ops: Sequence[Op]) -> list[Op]:
    """The ops with a name of its own for each: several parts of a layer begin with the layer's name."""
    named: dict[str, Op] = {}
    for op in ops:
        name, n = op.name, 1
        while name in named:
            name, n = f"{op.name}_{n}", n + 1
        named[name] = replace(op, name=name)
    return list(named.values())


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
    height, width, _ = shapes[op.inputs[0]]
    if windows.same_padding((height, width), reader.window, reader.stride) != op.paddings:
        return None
    return replace(reader, inputs=op.inputs, padding="same")


def _batch_norm(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Put the batch normalization into weights and bias of the op before: Jacob et al. 2018, section 3.2."""
    if reader.kind != "batch_norm":
        return None
    factor = reader.weights
    if op.kind == "batch_norm":
        return replace(op, weights=op.weights * factor, bias=op.bias * factor + reader.bias)
    if op.kind not in OPS or not OPS[op.kind].weighted or op.activation != "none":
        return None
    shape = (1, 1, 1, -1) if op.kind == "depthwise_conv2d" else (-1,) + (1,) * (op.weights.ndim - 1)
    weights = op.weights.astype(np.float64) * factor.reshape(shape)
    bias = op.bias.astype(np.float64) * factor + reader.bias
    return replace(op, weights=weights.astype(np.float32), bias=bias.astype(np.float32))


def _after_reshapes(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Collection[str]) -> list[Op]:
    """Move a batch normalization after a reshape: an op after it can then take the batch normalization.

    The reshape keeps the last axis, or flattens an image for a fully connected op.
    """
    moved, position = list(ops), 0
    while position < len(moved):
        op = moved[position]
        after = [reader for reader in moved if op.output in reader.inputs]
        position += 1
        if op.kind != "batch_norm" or op.output in outputs or [reader.kind for reader in after] != ["reshape"]:
            continue
        reshape, channels = after[0], len(op.weights)
        shape = shapes[reshape.output]
        last = [reader.kind for reader in moved if reshape.output in reader.inputs]
        if shape[-1] != channels and (len(shape) != 1 or last != ["fully_connected"]):
            continue
        between = f"{reshape.output}_before"
        while between in shapes:
            between += "_"
        shapes[between] = shape
        weights, bias = (np.tile(values, shape[-1] // channels) for values in (op.weights, op.bias))
        later = moved.index(reshape)
        moved[later] = replace(op, inputs=(between,), output=reshape.output, weights=weights, bias=bias)
        moved[position - 1] = replace(reshape, inputs=op.inputs, output=between)
    return moved


def _batch_norm_before(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Put the batch normalization into weights and bias of the op after.

    A border of zeros comes after the batch normalization. So an op with such a border takes no offset.
    """
    if op.kind != "batch_norm" or reader.kind not in ("conv2d", "depthwise_conv2d", "fully_connected"):
        return None
    if op.bias.any() and _has_border(reader, shapes):
        return None
    factor, offset, weights = op.weights, op.bias, reader.weights.astype(np.float64)
    depth = weights.shape[-1]
    if depth % len(factor):
        return None  # groups, which read a part of the channels
    if reader.kind == "depthwise_conv2d":
        factor, offset = (np.repeat(values, depth // len(factor)) for values in (factor, offset))
        bias = (weights * offset).sum(axis=(0, 1, 2))
    else:
        factor, offset = (np.tile(values, depth // len(factor)) for values in (factor, offset))
        bias = (weights * offset).sum(axis=tuple(range(1, weights.ndim)))
    weights, bias = weights * factor, bias + reader.bias
    return replace(reader, inputs=op.inputs, weights=weights.astype(np.float32), bias=bias.astype(np.float32))


def _has_border(op: Op, shapes: dict[str, Shape]) -> bool:
    if op.window is None or op.padding != "same":
        return False
    height, width, _ = shapes[op.inputs[0]]
    return any(map(any, windows.same_padding((height, width), op.window, op.stride)))


def _square(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """The square of a difference is one op."""
    if op.kind != "sub" or op.activation != "none" or reader.kind != "square":
        return None
    return replace(reader, kind="squared_difference", inputs=op.inputs)


def _activation(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """A ReLU that a file can fuse becomes a clamp of the op before."""
    if reader.kind not in ACTIVATIONS or op.kind not in OPS or "activation" not in OPS[op.kind].options:
        return None
    (low, high), (lower, higher) = ACTIVATIONS[op.activation], ACTIVATIONS[reader.kind]
    both = (max(low, lower), min(high, higher))
    return next((replace(op, activation=name) for name, limits in ACTIVATIONS.items() if limits == both), None)


def _lower(op: Op, shapes: dict[str, Shape]) -> list[Op]:
    """Replace an activation or batch normalization that cannot be fused by an equal op that int8 has.

    A clamp from -1 to 1 becomes a 1 x 1 max pooling with this activation, because TensorFlow Lite Micro has no op for
    it.
    Batch normalization becomes a 1 x 1 depthwise convolution: a scale for each channel and one rounding are more exact
    than a product and a sum, and cost less. If all channels have the same factor and offset, one channel is enough.
    """
    if op.kind not in TEMPORARY:
        return [op]
    if op.kind == "square":
        return [replace(op, kind="mul", inputs=op.inputs * 2)]
    shape = shapes[op.output]
    channels = shape[-1]
    if op.kind == "batch_norm":
        factor, offset = op.weights, op.bias
        if (factor == factor[0]).all() and (offset == offset[0]).all():
            factor, offset, channels = factor[:1], offset[:1], 1
        weights = factor.astype(np.float32).reshape(1, 1, 1, -1)
        image = replace(op, kind="depthwise_conv2d", weights=weights, bias=offset.astype(np.float32))
    else:
        image = replace(op, kind="max_pool2d", activation=op.kind, pool=(1, 1))
    if len(shape) == 3 and shape[-1] == channels:
        return [image]
    rows = shape[0] if len(shape) == 3 else 1
    before, after = f"{op.output}_as_image", f"{op.output}_image"
    shapes[before] = shapes[after] = (rows, int(np.prod(shape)) // (rows * channels), channels)
    return [
        Op("reshape", f"{op.name}_as_image", op.inputs, before),
        replace(image, inputs=(before,), output=after),
        Op("reshape", op.name, (after,), op.output),
    ]
