"""Brings the forms in which converters write the same network to one: the form that `reader` reads.

Files differ in what is around and between the ops of a network. Here unused operators are left out; operators that only
read constants are computed; and where a network takes or gives float32 or uint8 but computes in int8, the QUANTIZE and
DEQUANTIZE at its ends are left out, because `predict` does the same.
"""

from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.tflite.computed import computed
from edgekit.tflite.file import File
from edgekit.tflite.unpacking import damaged

MOST_ENDS = 64  # inputs, and outputs, of a network


def one_form(file: File, operators: list[tuple[str, Any]]) -> None:
    """Set `file.operators` and the ends of `file.graph` to the form that `reader` reads.

    Args:
        file: the subgraph.
        operators: (name in the schema, schema object) of all its operators.

    Raises:
        ValueError: the operators contradict each other, are custom ops, or use uint8 inside the network.
    """
    graph = file.graph
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if not 0 < len(ends) <= MOST_ENDS:
            raise InvalidValue(f"this .tflite file has {len(ends)} {what}s; a network has 1 to {MOST_ENDS}")
        if len(set(ends)) != len(ends):
            raise InvalidValue(f"this .tflite file lists an {what} twice: {[file.name(index) for index in ends]}")
    for index in graph.inputs:
        if file.is_constant(index):
            damaged(f"its input {file.name(index)!r} is a constant")
    file.operators = _used(file, operators)
    for code, operator in file.operators:
        if code.startswith("the custom op") and operator.outputs:
            raise InvalidValue(
                f"{file.name(operator.outputs[0])!r} is computed by {code}, which is not supported: it belongs to an "
                "accelerator or a program; take the file from before their compiler, or leave it out"
            )
    file.operators = [entry for entry in file.operators if not computed(file, *entry)]
    _leave_out_ends(file)
    _as_int8(file)
    _leave_out_ends(file)


def _used(file, operators):
    """The operators from which the outputs are computed, after a check that each value is computed once and in time."""
    graph, writer = file.graph, {}
    for position, (code, operator) in enumerate(operators):
        for index in operator.outputs:
            if index in writer or index in graph.inputs or index in file.states or file.is_constant(index):
                damaged(f"tensor {file.name(index)!r} is written by {code}, but it has its values already")
            writer[index] = position
    # An operator without an output does something else that counts, such as setting a variable.
    used = {position for position, (_, operator) in enumerate(operators) if not operator.outputs}
    wanted = [*graph.outputs, *(index for position in used for index in operators[position][1].inputs)]
    states = {}
    while wanted:
        index = wanted.pop()
        if index in file.states and index not in states:
            states[index] = file.states[index]
            wanted.append(states[index])
        if index in writer and writer[index] not in used:
            used.add(writer[index])
            wanted += operators[writer[index]][1].inputs
    file.states = states
    for position in sorted(used):
        code, operator = operators[position]
        for index in operator.inputs:
            if index >= 0 and writer.get(index, -1) >= position:
                damaged(f"{code} reads tensor {file.name(index)!r}, which is computed later")
    for index in graph.outputs:
        if index not in writer:
            raise InvalidValue(f"nothing in this file computes its output {file.name(index)!r}")
    return [operators[position] for position in sorted(used)]


def _leave_out_ends(file):
    """Leave out a QUANTIZE after an input and a DEQUANTIZE or QUANTIZE before an output, if they only change the type.

    Between float32 and int8 they do what `predict` does. Between int8 and int8, after uint8 was read as int8, they do
    nothing if scale and zero point are the same.
    """
    graph = file.graph
    readers: dict[int, list] = {}
    writer = {}
    for entry in file.operators:
        for index in set(entry[1].inputs):
            readers.setdefault(index, []).append(entry)
        writer |= dict.fromkeys(entry[1].outputs, entry)
    for index in file.states.values():
        readers.setdefault(index, []).append(("a state", None))
    gone = set()
    for position, index in enumerate(graph.inputs):
        while len(readers.get(index, ())) == 1 and index not in graph.outputs and readers[index][0][0] == "QUANTIZE":
            entry = readers[index][0]
            (result,) = _single(file, entry)
            if file.type(index) != "FLOAT32" and not _alike(file, index, result):
                break
            gone.add(id(entry))
            graph.inputs[position] = index = result
    for position, index in enumerate(graph.outputs):
        while index in writer and id(writer[index]) not in gone and not readers.get(index):
            entry = writer[index]
            if entry[0] not in ("DEQUANTIZE", "QUANTIZE"):
                break
            _single(file, entry)
            source = entry[1].inputs[0]
            to_real = entry[0] == "DEQUANTIZE" and file.type(source) in ("INT8", "UINT8")
            if source in graph.outputs or not (to_real or _alike(file, source, index)):
                break
            gone.add(id(entry))
            readers[source] = [other for other in readers[source] if other is not entry]
            graph.outputs[position] = index = source
    file.operators = [entry for entry in file.operators if id(entry) not in gone]


def _single(file, entry):
    """The output of an operator that must have one input and one output, as a list."""
    code, operator = entry
    if len(operator.inputs) != 1 or len(operator.outputs) != 1 or operator.inputs[0] < 0:
        damaged(f"a {code} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs; it has one of each")
    before, after = (file.graph.tensors[index].shape for index in (operator.inputs[0], operator.outputs[0]))
    if before != after:
        damaged(f"{code} makes {file.name(operator.outputs[0])!r} of shape {after} from a tensor of shape {before}")
    return operator.outputs


def _alike(file, first, second):
    """Whether two tensors are int8 with the same scale and zero point."""
    if file.type(first) != "INT8" or file.type(second) != "INT8":
        return False
    one, other = (file.graph.tensors[index].quantization for index in (first, second))
    return (
        one is not None
        and other is not None
        and len(one.scale) == 1
        and np.array_equal(one.scale, other.scale)
        and np.array_equal(one.zeroPoint, other.zeroPoint)
    )


def _as_int8(file):
    """Give the uint8 tensors at the ends of the network the same values as int8: all 128 lower, the zero point too."""
    graph = file.graph
    found = {index for index in (*graph.inputs, *graph.outputs) if file.type(index) == "UINT8"}
    for code, operator in file.operators:
        for index in (*operator.inputs, *operator.outputs):
            if index >= 0 and file.type(index) == "UINT8" and not file.is_constant(index):
                if code != "QUANTIZE":
                    raise InvalidValue(
                        f"tensor {file.name(index)!r} of a {code} is uint8: this file computes in uint8, an older form "
                        "for which TensorFlow Lite Micro has no kernels; int8 networks may have uint8 at their ends: "
                        "convert the model again, with full integer quantization to int8"
                    )
                found.add(index)
    for index in found:
        tensor = graph.tensors[index]
        file.steps(index, tuple(tensor.shape))  # checks them
        tensor.type = file.schema.TensorType.INT8
        tensor.quantization.zeroPoint = tensor.quantization.zeroPoint - 128
