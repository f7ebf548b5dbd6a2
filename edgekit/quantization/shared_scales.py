"""Finds the tensors that have to share a scale, and adds a rescale op where they cannot.

Some ops, such as pooling, padding and concatenating, only move or choose values (`Kind.same_scale`), so their inputs
and output must have the same scale. Usually this is the scale of the widest range. But the specification fixes the
scale of a sigmoid, tanh or softmax: before its output is joined with other values, it is rescaled to their scale.
"""

from collections.abc import Mapping
from dataclasses import replace

from edgekit.network import SAME_SCALE, Network, Op
from edgekit.quantization.parameters import Quantization


def groups(network: Network, fixed: Mapping[str, Quantization]) -> tuple[Network, dict[str, str]]:
    """Group the tensors that share a scale.

    Args:
        network: a `Network`.
        fixed: dict from op kind to the `Quantization` its output always has.

    Returns:
        (network, leader). In the network, a "rescale" op is added before each op that would put a fixed scale and
        another scale into one group. leader is a dict from tensor name to the name that stands for its group.
    """
    leader = {name: name for name in network.shapes}
    known = {op.output: fixed[op.kind] for op in network.ops if op.kind in fixed}
    shapes, ops = dict(network.shapes), []

    def find(name):
        while leader[name] != name:
            name = leader[name]
        return name

    for op in network.ops:
        if op.kind in SAME_SCALE and len({known.get(find(name)) for name in op.inputs}) > 1:
            inputs = []
            for position, name in enumerate(op.inputs):
                if find(name) in known:
                    rescaled = _unused(f"{op.name}_input_{position}", shapes)
                    shapes[rescaled], leader[rescaled] = shapes[name], rescaled
                    ops.append(Op("rescale", rescaled, (name,), rescaled))
                    name = rescaled
                inputs.append(name)
            op = replace(op, inputs=tuple(inputs))
        if op.kind in SAME_SCALE:
            for name in op.inputs:
                first, second = find(op.output), find(name)
                leader[first] = second
        ops.append(op)
    network = replace(network, shapes=shapes, ops=tuple(ops))
    return network, {name: find(name) for name in shapes}


def _unused(name, taken):
    while name in taken:
        name += "_"
    return name
