"""An LSTM of a .tflite file is read as TensorFlow Lite Micro computes it, or refused by name."""

import numpy as np
import one_of_each
import pytest
from edited import edited, schema, steps
from reference import litert, micro

from edgekit import calibration, quantization, tflite
from edgekit.codegen import tflm
from edgekit.network import Op
from edgekit.quantization import QuantizedNetwork

OP = 2  # the place of the LSTM among the operators of the file; x to source_0, rows and y
FLOAT, X = one_of_each.network("lstm")
INT8 = quantization.quantize(FLOAT, calibration.calibrate(FLOAT, X))


def changed(change, network=INT8):
    """The file after `change(operator, tensors, graph, model)`; tensors are those that the LSTM reads, by place."""

    def of(model, graph):
        operator = graph.operators[OP]
        change(operator, [graph.tensors[index] if index >= 0 else None for index in operator.inputs], graph, model)

    return edited(tflite.to_bytes(network), of)


def _option(name, value):
    return lambda operator, tensors, graph, model: setattr(operator.builtinOptions, name, value)


def _left_out(place):
    return lambda operator, tensors, graph, model: operator.inputs.__setitem__(place, -1)


def _also(place, other):
    return lambda operator, tensors, graph, model: operator.inputs.__setitem__(place, operator.inputs[other])


def _steps(place, *quantization):
    return lambda operator, tensors, graph, model: setattr(tensors[place], "quantization", steps(*quantization))


def _tensor(place, name, value):
    return lambda operator, tensors, graph, model: setattr(tensors[place], name, value)


def _large(operator, tensors, graph, model):
    graph.tensors[operator.inputs[0]].quantization = steps(1e9, 0)
    graph.tensors[graph.operators[0].outputs[0]].quantization = steps(1e9, 0)
    for place in range(12, 16):
        tensors[place].quantization = None


def _an_input(operator, tensors, graph, model):
    graph.inputs.append(operator.inputs[18])


def _an_output(operator, tensors, graph, model):
    graph.outputs.append(operator.inputs[18])


CASES = {
    "another activation": (_option("fusedActivationFunction", 1), "another activation than TANH"),
    "no options": (lambda operator, *_: setattr(operator, "builtinOptions", None), "another activation than TANH"),
    "steps first": (_option("timeMajor", True), r"the steps before the batch \(time_major\)"),
    "diagonal": (_option("diagonalRecurrentTensors", True), "diagonal recurrent weights"),
    "a clip that is no number": (_option("cellClip", float("nan")), "the clip nan"),
    "no input gate": (_left_out(1), r"no input gate of its own \(CIFG\)"),
    "no weights": (_left_out(7), "weights that are left out"),
    "no bias": (_left_out(13), "a bias that is left out"),
    "no state": (_left_out(19), "a state that is left out"),
    "peepholes": (_also(9, 12), "peepholes, which TensorFlow Lite Micro lacks"),
    "a projection": (_also(16, 5), "a projection, which TensorFlow Lite Micro lacks"),
    "normalization": (_also(22, 12), "layer normalization, which TensorFlow Lite Micro lacks"),
    "too few inputs": (lambda operator, *_: setattr(operator, "inputs", operator.inputs[:19]), "19 inputs"),
    "one state": (_also(19, 18), "which is no variable of its own"),
    "a state that is no variable": (_tensor(19, "isVariable", False), "'the_op/cell_state', which is no variable"),
    "a state that comes in": (_an_input, "no output of this file is computed from its input 'the_op/output_state'"),
    "a state that goes out": (_an_output, "nothing in this file computes its output 'the_op/output_state'"),
    "a state of other values": (_tensor(19, "shape", [1, 6]), r"'the_op/cell_state' of shape \[1, 6\]"),
    "a cell of int8": (_tensor(19, "type", schema.TensorType.INT8), "an int8 state 'the_op/cell_state', where int16"),
    "swapped matrices": (_also(2, 6), r"the weights 'the_op/recurrent_to_forget_weights' of shape \[5, 5\]"),
    "a scale for each unit": (_steps(3, [0.1] * 5, [0] * 5), "'the_op/input_to_cell_weights'.* has 5 scales"),
    "a zero point": (_steps(8, 0.1, 3), "weights 'the_op/recurrent_to_output_weights' with a zero point"),
    "a bias in other steps": (_steps(14, 0.1, 0), "the bias 'the_op/cell_gate_bias' in other steps"),
    "a cell between powers of two": (_steps(19, 0.0003, 0), "a cell in steps of 0.0003; a power of two"),
    "a cell that is not symmetric": (_steps(19, 2.0**-11, 5), "a cell in steps of 0.000488281; a power of two"),
    "a cell in whole steps": (_steps(19, 1.0, 0), "a cell in steps of 1; a power of two"),
    "sums beyond an int32": (_large, "weights so large that the sums of a gate do not fit into an int32"),
}


@pytest.mark.parametrize("case", CASES)
def test_an_lstm_that_micro_computes_otherwise_or_not_at_all_is_refused(case):
    change, sentence = CASES[case]
    with pytest.raises(ValueError, match=sentence) as refused:
        tflite.from_bytes(changed(change))
    assert "\n" not in str(refused.value)


def test_a_stream_of_single_steps_is_refused_unless_edgekit_wrote_it():
    """What it is for depends on the step before, and every input begins anew here."""
    weights = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    op = Op("lstm", "memory", ("x",), "y", weights, np.zeros(8, np.float32))
    net = type(FLOAT)("net", "x", "y", {"x": (1, 3), "y": (1, 2)}, (op,))
    data = tflite.to_bytes(net)
    assert tflite.from_bytes(data).ops[0].kind == "lstm"
    with pytest.raises(ValueError, match="a single step, so that it is of use only if it goes on"):
        tflite.from_bytes(edited(data, lambda model, graph: setattr(model, "metadata", [])))


def test_an_lstm_beside_states_is_refused():
    """Micro keeps both from one inference to the next, or neither."""
    weights = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    ops = (
        Op("add", "sum", ("x", "before"), "now"),
        Op("lstm", "memory", ("now",), "y", weights, np.zeros(8, np.float32)),
    )
    shapes = dict.fromkeys(("x", "before", "now", "y"), (3, 2))
    net = type(FLOAT)("net", "x", "y", shapes, ops, states={"before": "now"})
    with pytest.raises(ValueError, match="LSTM that computes 'y' has variables beside it, so that it goes on"):
        tflite.from_bytes(tflite.to_bytes(net))
    with pytest.raises(ValueError, match="is reset before each inference for 'memory', and would lose the states"):
        tflm.source(net, "net")


def test_an_lstm_of_20_inputs_is_read():
    data = changed(lambda operator, *_: setattr(operator, "inputs", operator.inputs[:20]))
    q = INT8.quantize_input(X)
    np.testing.assert_array_equal(tflite.from_bytes(data).run(q), INT8.run(q))


@pytest.mark.parametrize("clip", [0.0, -1.0, 0.4, 10.0])
def test_the_clip_of_a_cell_is_bit_exact_with_micro(clip):
    data = changed(_option("cellClip", clip))
    q = INT8.quantize_input(4 * X[:8])
    np.testing.assert_array_equal(tflite.from_bytes(data).run(q), micro(data, q))
    data = changed(_option("cellClip", clip), FLOAT)
    np.testing.assert_allclose(tflite.from_bytes(data).run(X[:4]), micro(data, X[:4]), atol=1e-5)


def test_an_output_in_other_steps_than_its_state_is_bit_exact_with_micro():
    """TensorFlow's converter writes so where two LSTMs are joined; the bytes of the state are copied."""

    def change(operator, tensors, graph, model):
        graph.tensors[operator.outputs[0]].quantization = steps(0.0123, 7)

    data, q = changed(change), INT8.quantize_input(X[:8])
    network = tflite.from_bytes(data)
    assert isinstance(network, QuantizedNetwork)
    assert (float(network.quantization["y"].scale), network.quantization["y"].zero_point) == (np.float32(0.0123), 7)
    np.testing.assert_array_equal(network.run(q), micro(data, q))
    np.testing.assert_array_equal(tflite.from_bytes(tflite.to_bytes(network)).run(q), micro(data, q))


def test_litert_takes_the_files_and_agrees_to_one_step():
    q, index = INT8.quantize_input(X[:1]), {"y": list(INT8.shapes).index("y")}
    np.testing.assert_allclose(INT8.run(q).astype(int), litert(tflite.to_bytes(INT8), q, index)["y"], atol=1)
    np.testing.assert_allclose(FLOAT.run(X[:1]), litert(tflite.to_bytes(FLOAT), X[:1]), atol=1e-5)
