"""Variables of .tflite files: read in any order of their operators, and refused where they contradict themselves."""

import numpy as np
import pytest
from edited import add_tensor, edited, operator, schema, tensor
from reference import micro
from stateful_networks import NETWORKS, delays, quantized, sequence, streaming

from edgekit import tflite

CODES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


@pytest.fixture(scope="module")
def file():
    """A network with the states `first` and `second` in int8, as a file."""
    return tflite.to_bytes(quantized(streaming()))


def of_code(model, graph, code):
    """The operators of a graph with this code."""
    codes = [CODES[entry.builtinCode] for entry in model.operatorCodes]
    return [each for each in graph.operators if codes[each.opcodeIndex] == code]


def first_values(model, change):
    """Change the values with which the first variable begins."""
    graph = model.subgraphs[1]
    index = of_code(model, graph, "ASSIGN_VARIABLE")[0].inputs[1]
    change(graph.tensors[index], model.buffers[graph.tensors[index].buffer])


def without(code, position=0):
    return lambda model, graph: graph.operators.remove(of_code(model, graph, code)[position])


def moved(code, place):
    def change(model, graph):
        each = of_code(model, graph, code)[0]
        graph.operators.remove(each)
        graph.operators.insert(place if place >= 0 else len(graph.operators), each)

    return change


def assigned(name):
    return lambda model, graph: of_code(model, graph, "ASSIGN_VARIABLE")[0].inputs.__setitem__(1, tensor(graph, name))


def read_by_a_reshape(model, graph):
    reshape = operator(model, "RESHAPE", [tensor(graph, "first/variable")], [len(graph.tensors)])
    graph.operators.insert(3, reshape)
    add_tensor(model, graph, "copy", (1, 1), "INT8", (1.0, 0))
    graph.outputs.append(reshape.outputs[0])


def two_containers(model, graph):
    of_code(model, model.subgraphs[1], "VAR_HANDLE")[0].builtinOptions.container = "other"


def another_subgraph(model, graph):
    model.subgraphs.append(model.subgraphs[1])


def computed_first_values(model, graph):
    begin = model.subgraphs[1]
    begin.operators.append(operator(model, "RESHAPE", [1], [1]))


def no_constant(model, graph):
    first_values(model, lambda tensor, buffer: setattr(buffer, "data", None))


def of_other_shape(model, graph):
    first_values(model, lambda tensor, buffer: setattr(tensor, "shape", [1, 2, 4, 1]))


REFUSED = {
    "no CALL_ONCE": (without("CALL_ONCE"), "holds 2 subgraphs"),
    "another subgraph": (another_subgraph, "holds 3 subgraphs"),
    "first values": (lambda m, g: first_values(m, lambda t, b: setattr(b, "data", b.data + 1)), "other values than 0"),
    "computed": (computed_first_values, "computes the first values of its variables with RESHAPE"),
    "no constant": (no_constant, "first values of the variable 'first' are no constant"),
    "shape": (of_other_shape, r"'first' is .* of shape \[1, 2, 4, 1\] and 'first' of shape \[1, 2, 1, 4\]"),
    "no handle": (without("VAR_HANDLE"), "'first/variable' is used as a variable, but no VAR_HANDLE"),
    "late handle": (moved("VAR_HANDLE", -1), "reads tensor 'first/variable', which is computed later"),
    "late CALL_ONCE": (moved("CALL_ONCE", -1), "CALL_ONCE after ASSIGN_VARIABLE"),
    "late read": (moved("READ_VARIABLE", -1), "CONCATENATION reads tensor 'first', which is computed later"),
    "early assignment": (moved("ASSIGN_VARIABLE", 4), "reads tensor 'first_kept', which is computed later"),
    "never assigned": (without("ASSIGN_VARIABLE"), "'first' is read, and no ASSIGN_VARIABLE writes it"),
    "other scale": (assigned("y"), "'first' is .* and 'y' .* both must have one type, shape, scale"),
    "resource as values": (read_by_a_reshape, "RESHAPE reads 'first/variable', which names a variable"),
    "resource as output": (lambda m, g: g.outputs.append(tensor(g, "first/variable")), "'first/variable' names a var"),
    "containers": (two_containers, "two variables 'first', in different containers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_variables_that_contradict_themselves_are_refused(file, case):
    change, sentence = REFUSED[case]
    with pytest.raises(ValueError, match=sentence) as refused:
        tflite.from_bytes(edited(file, change))
    assert "\n" not in str(refused.value)


def test_a_variable_that_is_read_after_it_was_assigned_has_the_new_values_bit_exact_with_micro():
    """The file reads `one` again at its end, after the input was assigned to it."""
    net = quantized(delays())

    def change(model, graph):
        old = graph.tensors[tensor(graph, "x")]
        again = add_tensor(model, graph, "again", (1, 4), "INT8", (old.quantization.scale, old.quantization.zeroPoint))
        graph.operators.append(operator(model, "READ_VARIABLE", [tensor(graph, "one/variable")], [again]))
        handed_on = add_tensor(model, graph, "result", (1, 4), "INT8", (0.01, 3))
        graph.operators.append(operator(model, "QUANTIZE", [again], [handed_on]))
        graph.outputs = [handed_on]

    data = edited(tflite.to_bytes(net), change)
    q = net.quantize_input(sequence(net))
    ours = tflite.from_bytes(data)
    assert not ours.states  # no output depends on another inference
    np.testing.assert_array_equal(ours.run(q), micro(data, q))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_file_with_variables_can_be_read_and_written_again_and_again(make):
    net = tflite.from_bytes(tflite.to_bytes(quantized(make())))
    assert tflite.to_bytes(tflite.from_bytes(tflite.to_bytes(net))) == tflite.to_bytes(net)
