"""Folds and fuses the ops of a network that was just read, as a converter does.

A reader makes one op of each layer. Three passes then fold explicit padding into convolutions, fold batch normalization
into weights, and fuse activations into the op before. The result has only ops that int8 has.
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
    folded = list(ops)
    for absorb in (_padding, _batch_norm, _activation):
        folded = _merge(folded, shapes, outputs, absorb)
    return [part for op in folded for part in _lower(op, shapes)]


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
    if (*windows.same_padding((height, width), reader.window, reader.stride), (0, 0)) != op.paddings:
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
