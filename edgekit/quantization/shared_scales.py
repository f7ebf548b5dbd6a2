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
    """Group the tensors that share a scale. A state shares it with the tensor that it keeps.

    Args:
        network: a `Network`.
        fixed: dict from op kind to the `Quantization` its output always has.

    Returns:
        (network, leader). In the network, a "rescale" op is added before each op that would put a fixed scale and
        another scale into one group. leader is a dict from tensor name to the name that stands for its group.
    """
    leader = {name: name for name in network.shapes}
    known, shapes, ops = _known(network, fixed), dict(network.shapes), []

    def find(name):
        while leader[name] != name:
            name = leader[name]
        return name

    for state, kept in network.states.items():
        first, second = find(state), find(kept)
        leader[first] = second
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


def _known(network, fixed):
    """The fixed scales of tensors: of outputs, and of those to which ops and states pass them on."""
    known = {op.output: fixed[op.kind] for op in network.ops if op.kind in fixed}
    before = -1
    while len(known) > before:  # a state is read before the op whose output it keeps
        before = len(known)
        known |= {state: known[kept] for state, kept in network.states.items() if kept in known}
        for op in network.ops:
            passed = {known.get(name) for name in op.inputs} if op.kind in SAME_SCALE else {None}
            if len(passed) == 1 and None not in passed:
                known[op.output] = passed.pop()
    return known


def _unused(name, taken):
    while name in taken:
        name += "_"
    return name
