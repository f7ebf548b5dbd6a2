"""Leaves out transposes before fully connected layers, and ops that nothing reads.

PyTorch flattens an image channel by channel; a network holds the channels last. The weights of the fully connected
layer after it can take the values in either order. So the weights are ordered instead of the values.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import prod

import numpy as np

from edgekit.network import Op, Shape

# Ops of single values, which may stand between the flattened image and the layer.
_OF_EACH = "relu relu6 relu_n1_to_1 leaky_relu elu sigmoid tanh hard_swish gelu abs batch_norm"


def ordered_weights(ops: Sequence[Op], shapes: dict[str, Shape], outputs: Sequence[str]) -> list[Op]:
    """Order the weights after a flattened transpose, and drop the transpose.

    Args:
        ops: in order.
        shapes: dict from tensor name to shape.
        outputs: names of the network's outputs.

    Returns:
        The ops, which compute the same.
    """
    result = list(ops)
    for op in ops:
        if op.kind == "transpose":
            result = _without(result, op, shapes, outputs)
    return result


def _without(ops, transpose, shapes, outputs):
    chain, name = [], transpose.output
    while True:
        readers = [op for op in ops if name in op.inputs]
        if len(readers) != 1 or name in outputs:
            return ops
        reader = readers[0]
        if not chain and (reader.kind != "reshape" or shapes[reader.output] != (prod(shapes[reader.output]),)):
            return ops
        chain.append(reader)
        if reader.kind == "fully_connected":
            break
        if len(chain) > 1 and (reader.kind not in _OF_EACH.split() or len(reader.inputs) != 1):
            return ops
        name = reader.output
    before = shapes[transpose.inputs[0]]
    # Where each value of the image stands in the flattened transpose.
    places = np.argsort(np.arange(prod(before)).reshape(before).transpose(transpose.perm).ravel())
    new = {id(transpose): None, id(chain[0]): replace(chain[0], inputs=transpose.inputs)}
    for op in chain[1:]:
        if op.kind == "batch_norm":
            new[id(op)] = replace(op, weights=op.weights[places], bias=op.bias[places])
        if op.kind == "fully_connected":
            new[id(op)] = replace(op, weights=np.ascontiguousarray(op.weights[:, places]))
    return [each for each in (new.get(id(op), op) for op in ops) if each is not None]


def read_ops(ops: Sequence[Op], outputs: Sequence[str]) -> list[Op]:
    """The ops from which an output is computed."""
    needed, kept = set(outputs), []
    for op in reversed(ops):
        if op.output in needed:
            kept.append(op)
            needed.update(op.inputs)
    return kept[::-1]
