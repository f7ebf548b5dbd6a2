"""Folds and fuses the ops of a network that was just read, as a converter does.

A reader makes one op of each layer. Three passes then fold explicit padding into convolutions, fold batch normalization
into weights, and fuse activations into the op before; what is left is written with the ops that int8 has.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from edgekit.network import windows
from edgekit.network.ops import OPS, Op, Shape

# Kinds that only a reader makes: none of them is left after `fold`.
TEMPORARY = ("batch_norm", "relu", "relu6")


def fold(ops: Sequence[Op], shapes: dict[str, Shape], output: str) -> list[Op]:
    """Fold and fuse.

    Args:
        ops: in order; besides the kinds of `OPS` also those of `TEMPORARY`. A batch_norm has its factors as weights.
        shapes: dict from tensor name to shape; tensors that are needed in between are added.
        output: name of the network's output.

    Returns:
        The ops, all of kinds in `OPS`; the output keeps its name.
    """
    folded = list(ops)
    for absorb in (_padding, _batch_norm, _activation):
        folded = _merge(folded, shapes, output, absorb)
    return [part for op in folded for part in _lower(op, shapes)]


def _merge(
    ops: Sequence[Op], shapes: dict[str, Shape], output: str, absorb: Callable[[Op, Op, dict[str, Shape]], Op | None]
) -> list[Op]:
    """Let one op absorb the only reader of its output, wherever `absorb` gives the merged op."""
    merged_ops, position = list(ops), 0
    while position < len(merged_ops):
        op = merged_ops[position]
        readers = [reader for reader in merged_ops for name in reader.inputs if name == op.output]
        merged = absorb(op, readers[0], shapes) if len(readers) == 1 and op.output != output else None
        if merged is None:
            position += 1
            continue
        merged_ops[merged_ops.index(readers[0])] = replace(merged, output=readers[0].output)
        del merged_ops[position]
        position = max(0, position - 1)
    return merged_ops


def _padding(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Padding before a VALID window is SAME padding, where the two agree; otherwise it stays an op."""
    if op.kind != "pad" or reader.kind not in ("conv2d", "depthwise_conv2d") or reader.padding != "valid":
        return None
    height, width, _ = shapes[op.inputs[0]]
    if windows.same_padding((height, width), reader.window, reader.stride) != op.paddings:
        return None
    return replace(reader, inputs=op.inputs, padding="same")


def _batch_norm(op: Op, reader: Op, shapes: dict[str, Shape]) -> Op | None:
    """Scale the weights and move the bias of the op before: Jacob et al. 2018, section 3.2."""
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
    """An activation or batch normalization with nothing to fuse into, as an op of the same meaning that int8 has.

    A clamp is a 1 x 1 max pooling with that activation: TensorFlow Lite Micro's own RELU6 op forgets to rescale. Batch
    normalization is a 1 x 1 depthwise convolution.
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
