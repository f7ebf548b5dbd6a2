"""Damaged and hostile .tflite files: each is refused in one sentence that names the tensor, or read as it should be."""

import contextlib
import time
import tracemalloc

import numpy as np
import one_of_each
import pytest
from edited import add_tensor, edited, operator, schema, steps, tensor
from hypothesis import given, settings
from hypothesis import strategies as st
from mutations import mutated, structure, use
from random_networks import MANY
from reference import micro
from stateful_networks import delays, quantized, streaming

from edgekit import calibration, quantization, tflite
from edgekit.codegen import compiled
from edgekit.network import OPS


def int8(kind):
    network, inputs = one_of_each.network(kind)
    return tflite.to_bytes(quantization.quantize(network, calibration.calibrate(network, inputs)))


@pytest.fixture(scope="module")
def files():
    """A file in float32 and one in int8 for each kind of op, and for states."""
    made = {f"float32 {kind}": tflite.to_bytes(one_of_each.network(kind)[0]) for kind in OPS}
    made |= {f"int8 {kind}": int8(kind) for kind in OPS}
    made |= {"float32 states": tflite.to_bytes(delays()), "int8 states": tflite.to_bytes(quantized(streaming()))}
    return {name: (data, structure(data)) for name, data in sorted(made.items())}


@settings(MANY, max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_mutated_files_are_refused_with_a_value_error_or_can_be_run_written_and_compiled(files, seed):
    random = np.random.default_rng(seed)
    name = sorted(files)[random.integers(len(files))]
    use(mutated(*files[name], random))


def test_mutated_lengths_and_offsets_of_2_to_31_take_no_memory(files):
    data, places = files["int8 fully_connected"]
    tracemalloc.start()
    try:
        for number, at in enumerate(sorted({int(place) // 4 * 4 for place in places})[::4]):
            damaged = bytearray(data)
            damaged[at : at + 4] = (2**31 - 1, 2**32 - 1, 2**30)[number % 3].to_bytes(4, "little")
            with contextlib.suppress(ValueError):
                tflite.from_bytes(bytes(damaged))
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_mutated_tables_that_refer_to_each_other_again_and_again_are_refused(files):
    """4,000 operators that are all the same table, with 1,500 inputs: a few bytes that would make much work."""
    data, count = bytearray(files["int8 add"][0]), 4_000
    graph = schema.Model.GetRootAs(bytes(data), 0).Subgraphs(0)._tab
    operators = graph.Pos + graph.Offset(10)
    data += bytes(-len(data) % 4)
    vector = len(data)
    table = vector + 4 + 4 * count + 8
    data[operators : operators + 4] = (vector - operators).to_bytes(4, "little")
    data += count.to_bytes(4, "little") + b"".join(
        (table - at).to_bytes(4, "little") for at in range(vector + 4, vector + 4 + 4 * count, 4)
    )
    data += bytes([8, 0, 8, 0, 0, 0, 4, 0])  # the fields of the table: the second, its inputs, is at byte 4
    data += bytes([8, 0, 0, 0, 4, 0, 0, 0])  # the table: its fields are 8 bytes before it, its inputs 4 bytes after
    data += (1500).to_bytes(4, "little") + bytes(4 * 1500)
    with pytest.raises(ValueError, match="its tables refer to the same bytes again and again"):
        tflite.from_bytes(bytes(data))


# Changes of the int8 file of a fully connected layer, with a part of the sentence that refuses each. The file has a
# convolution (x to source_0), a reshape (to row) and the fully connected layer (to y).
def _quantization(name, what, value):
    return lambda model, graph: setattr(graph.tensors[tensor(graph, name)].quantization, what, value)


def _tensor(name, what, value):
    return lambda model, graph: setattr(graph.tensors[tensor(graph, name)], what, value)


def _option(position, what, value):
    return lambda model, graph: setattr(graph.operators[position].builtinOptions, what, value)


def _buffer(name, values):
    def change(model, graph):
        model.buffers[graph.tensors[tensor(graph, name)].buffer].data = np.frombuffer(values, np.uint8)

    return change


def _retyped(name, kind, size):
    def change(model, graph):
        one = graph.tensors[tensor(graph, name)]
        one.type = getattr(schema.TensorType, kind)
        if size:
            buffer = model.buffers[one.buffer]
            buffer.data = np.zeros(len(buffer.data) * size // 4, np.uint8)

    return change


def _reorder(model, graph):
    graph.operators.reverse()


def _reads_itself(model, graph):
    graph.operators[1].inputs[0] = graph.operators[1].outputs[0]


def _written_twice(model, graph):
    graph.operators[1].outputs = list(graph.operators[0].outputs)


def _writes_the_input(model, graph):
    graph.operators[1].outputs = list(graph.inputs)


def _no_operator(model, graph):
    graph.operators = graph.operators[:2]


def _twice(model, graph):
    graph.outputs = graph.outputs * 2


def _no_end(what):
    return lambda model, graph: setattr(graph, what, [])


def _second_subgraph(model, graph):
    model.subgraphs = [graph, graph]


def _extra_input(model, graph):
    graph.inputs.append(add_tensor(model, graph, "spare", (1, 3), "INT8", (0.5, 3)))


def _constant_input(model, graph):
    graph.inputs[0] = add_tensor(model, graph, "fixed", (1, 6, 6, 4), "INT8", (0.5, 3), np.zeros(144, np.int8))


def _custom(name):
    def change(model, graph):
        old = graph.operators[0]
        graph.operators[0] = operator(model, "CUSTOM", old.inputs, old.outputs, custom=name)

    return change


def _other_code(code):
    def change(model, graph):
        model.operatorCodes[graph.operators[0].opcodeIndex].builtinCode = code

    return change


def _other_options(model, graph):
    graph.operators[0].builtinOptions = schema.Pool2DOptionsT()
    graph.operators[0].builtinOptionsType = schema.BuiltinOptions.Pool2DOptions


def _no_options(model, graph):
    graph.operators[0].builtinOptions, graph.operators[0].builtinOptionsType = None, 0


def _with_index(where, value):
    def change(model, graph):
        getattr(graph.operators[2], where)[0] = value

    return change


def _far_buffer(model, graph):
    buffer = model.buffers[graph.tensors[tensor(graph, "the_op/weights")].buffer]
    buffer.data, buffer.offset, buffer.size = None, 1 << 40, 720


def _sparse(model, graph):
    graph.tensors[tensor(graph, "the_op/weights")].sparsity = schema.SparsityParametersT()


ONE = np.ones(1, np.float32)
CASES = {
    "scale of 0": (_quantization("source_0", "scale", ONE * 0), "tensor 'source_0' has the scale 0"),
    "negative scale": (_quantization("row", "scale", -ONE), "tensor 'row' has the scale -1"),
    "scale NaN": (_quantization("x", "scale", ONE * np.nan), "tensor 'x' has the scale nan"),
    "infinite scale": (_quantization("y", "scale", ONE * np.inf), "tensor 'y' has the scale inf"),
    "zero point 128": (_quantization("x", "zeroPoint", np.array([128])), "'x' has the zero point 128"),
    "zero point -129": (_quantization("y", "zeroPoint", np.array([-129])), "'y' has the zero point -129"),
    "no zero point": (_quantization("y", "zeroPoint", None), "'y' has 1 scales and 0 zero points"),
    "empty zero points": (_quantization("y", "zeroPoint", np.zeros(0, np.int64)), "'y' has 1 scales and 0 zero points"),
    "no scale": (_quantization("y", "scale", None), "'y' is int8 but has no scale"),
    "no quantization": (_tensor("y", "quantization", None), "'y' is int8 but has no scale"),
    "two scales": (_tensor("y", "quantization", steps([1, 1, 1, 1, 1], [0] * 5, 1)), "'y' has 5 scales"),
    "weights' scale": (_quantization("the_op/weights", "scale", ONE * 0), "'the_op/weights' has the scale 0"),
    "weights' zero point": (
        _quantization("the_op/weights", "zeroPoint", np.array([3])),
        "'the_op/weights' with a zero",
    ),
    "weights' dimension": (_quantization("source_0_layer/weights", "quantizedDimension", 3), "dimension 3"),
    "weights' dimension that is not there": (
        _quantization("source_0_layer/weights", "quantizedDimension", 9),
        "'source_0_layer/weights' of shape [4, 1, 1, 4] has 4 scales along dimension 9",
    ),
    "number of scales": (
        _tensor("source_0_layer/weights", "quantization", steps([1, 1, 1], [0, 0, 0])),
        "has 3 scales along dimension 0",
    ),
    "huge weights' scale": (_quantization("the_op/weights", "scale", ONE * 1e30), "too large for the output scale"),
    "bias in other steps": (_quantization("the_op/bias", "scale", ONE), "'the_op/bias' in other steps"),
    "sparse weights": (_sparse, "'the_op/weights' is sparse"),
    "empty weights": (_buffer("the_op/weights", b""), "'the_op/weights', for which the file has no values"),
    "short weights": (
        _buffer("the_op/weights", b"123"),
        "'the_op/weights' is int8 of shape [5, 144] and holds 3 bytes",
    ),
    "empty bias": (_buffer("the_op/bias", b""), "the bias 'the_op/bias' with 0 values for 5 channels"),
    "bias in int64": (_retyped("the_op/bias", "INT64", 8), "an int64 bias"),
    "weights in int16": (_retyped("the_op/weights", "INT16", 8), "int16 weights and int8 activations"),
    "activation in int16": (_retyped("y", "INT16", 0), "tensor 'y' is int16"),
    "activation of text": (_retyped("y", "STRING", 0), "tensor 'y' is string"),
    "activation of bool": (_retyped("y", "BOOL", 0), "tensor 'y' is bool"),
    "activation in float64": (_retyped("y", "FLOAT64", 0), "tensor 'y' is float64"),
    "activation in float32": (_retyped("y", "FLOAT32", 0), "tensor 'y' is float32 but those before are not"),
    "type 99": (_tensor("y", "type", 99), "tensor 'y' is type_99"),
    "uint8 throughout": (_retyped("source_0", "UINT8", 0), "'source_0' of a CONV_2D is uint8"),
    "negative size": (_tensor("x", "shape", [1, 6, -6, 4]), "tensor 'x' has the shape [1, 6, -6, 4]"),
    "size of 0": (_tensor("x", "shape", [1, 6, 0, 4]), "tensor 'x' has the shape [1, 6, 0, 4]"),
    "2^31 values": (_tensor("x", "shape", [1, 2**15, 2**14, 4]), "their product below 2^31"),
    "size of 2^31 - 1": (_tensor("x", "shape", [1, 2**31 - 1, 2**31 - 1, 2**31 - 1]), "their product below 2^31"),
    "batch of 2": (_tensor("x", "shape", [2, 6, 6, 4]), "a batch of 1"),
    "other output shape": (_tensor("y", "shape", [1, 6]), "was expected, which is not supported"),
    "stride of 0": (_option(0, "strideW", 0), "CONV_2D that computes 'source_0' has"),
    "negative stride": (_option(0, "strideH", -1), "CONV_2D that computes 'source_0' has"),
    "padding 7": (_option(0, "padding", 7), "the padding 7"),
    "fused TANH": (_option(0, "fusedActivationFunction", 4), "the fused activation"),
    "shuffled weights": (_option(2, "weightsFormat", 1), "the weights format 1"),
    "no options": (_no_options, "CONV_2D that computes 'source_0' has"),
    "options of another operator": (_other_options, "options of another operator"),
    "reads what comes later": (_reorder, "which is computed later"),
    "reads its own output": (_reads_itself, "RESHAPE reads tensor 'row', which is computed later"),
    "written twice": (_written_twice, "'source_0' is written by RESHAPE, but it has its values already"),
    "writes the input": (_writes_the_input, "'x' is written by RESHAPE, but it has its values already"),
    "nothing computes the output": (_no_operator, "nothing in this file computes its output 'y'"),
    "an output twice": (_twice, "lists an output twice: ['y', 'y']"),
    "no input": (_no_end("inputs"), "has 0 inputs"),
    "no output": (_no_end("outputs"), "has 0 outputs"),
    "two subgraphs": (_second_subgraph, "2 subgraphs"),
    "an input that is not read": (_extra_input, "no output of this file is computed from its input 'spare'"),
    "a constant as input": (_constant_input, "its input 'fixed' is a constant"),
    "a custom op": (_custom("ethos-u"), "'source_0' is computed by the custom op 'ethos-u'"),
    "a custom op named as another": (_custom("CONV_2D"), "the custom op 'CONV_2D'"),
    "an operator that is not in the schema": (_other_code(9999), "'source_0' is computed by op 9999"),
    "input 999": (_with_index("inputs", 999), "an operator has the input 999"),
    "input -2": (_with_index("inputs", -2), "an operator has the input -2"),
    "input -1": (_with_index("inputs", -1), "3 inputs"),
    "output -1": (_with_index("outputs", -1), "an operator has the output -1"),
    "a buffer behind the file": (_far_buffer, "a buffer of 720 bytes begins at byte"),
    "version 4": (lambda model, graph: setattr(model, "version", 4), "version 4 of the schema"),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_with_the_tensors_or_the_operators_name(files, case):
    change, sentence = CASES[case]
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        tflite.from_bytes(edited(files["int8 fully_connected"][0], change))
    assert sentence in str(refused.value)


def test_refused_where_weights_in_float32_are_not_numbers(files):
    with pytest.raises(ValueError, match="the weights of 'y' hold values that are not numbers"):
        tflite.from_bytes(
            edited(
                files["float32 fully_connected"][0],
                _buffer("the_op/weights", np.full(720, np.nan, np.float32).tobytes()),
            )
        )


@pytest.mark.parametrize(("value", "size"), [(2**30, "2^30"), (0, "0"), (-3, "-3")])
def test_refused_where_a_window_is_not_possible(files, value, size):
    """With SAME padding, a window of any size gives the same output shape, and needs a border of its size."""
    with pytest.raises(ValueError, match="MAX_POOL_2D that computes 'y'"):
        tflite.from_bytes(edited(files["int8 max_pool2d"][0], _option(1, "filterWidth", value)))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "an empty file"),
        (b"PK\x03\x04" + bytes(40), "a zip archive, as Keras writes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file, as Keras writes"),
        (b"\x08\x07\x12\x07pytorch:onnx", "an ONNX model"),
        (b"a,b\n1,2\n", "a text"),
        (b"\xde\xad\xbe\xef" * 9, "a file of another kind"),
    ],
)
def test_refused_with_the_kind_of_file_that_the_first_bytes_show(data, kind):
    with pytest.raises(ValueError, match=rf"are no \.tflite file, but {kind}"):
        tflite.from_bytes(data)


def test_long_chains_of_operators_are_read_in_time_that_grows_with_their_number(files):
    """3,000 QUANTIZE that change nothing, before and after the network."""

    def change(model, graph):
        for ends, first in ((graph.inputs, True), (graph.outputs, False)):
            inner = graph.tensors[ends[0]]
            chain = [ends[0]]
            q = (inner.quantization.scale, inner.quantization.zeroPoint)
            made = []
            for number in range(1500):
                chain.append(add_tensor(model, graph, f"{first} {number}", inner.shape, "INT8", q))
                made.append(operator(model, "QUANTIZE", [chain[-1 if first else -2]], [chain[-2 if first else -1]]))
            graph.operators[:] = [*made[::-1], *graph.operators] if first else [*graph.operators, *made]
            ends[0] = chain[-1]
        kept = model.operatorCodes[: len(model.operatorCodes) - 2999]
        for one in graph.operators:
            one.opcodeIndex = min(one.opcodeIndex, len(kept) - 1)
        model.operatorCodes = kept

    data = files["int8 fully_connected"][0]
    changed = edited(data, change)
    start = time.process_time()
    assert len(same_answers(data, changed).ops) == 3
    assert time.process_time() - start < 5


def same_answers(data, other):
    """Check that two files hold networks with the same answers, and return the second."""
    one, two = tflite.from_bytes(data), tflite.from_bytes(other)
    q = np.random.default_rng(0).integers(-128, 128, (4, *one.shapes[one.input])).astype(np.int8)
    np.testing.assert_array_equal(one.run(q), two.run(q))
    return two


def test_operators_and_tensors_from_which_no_output_is_computed_are_left_out(files):
    def change(model, graph):
        first, second = (add_tensor(model, graph, name, (1, 6, 6, 4), "STRING") for name in ("spare", "other"))
        graph.operators.insert(1, operator(model, "CUSTOM", [0], [first], custom="print"))
        graph.operators.append(operator(model, "COS", [first], [second]))

    data = files["int8 fully_connected"][0]
    assert len(same_answers(data, edited(data, change)).ops) == 3


HOSTILE = ["a\0b\n*/ int main(){}", 'say "no"', "\\", "%s%n", "x" * 100_000, "日本", "../../etc/passwd", "", "y", "y"]


def test_names_that_are_hostile_equal_missing_or_long_do_no_harm(files):
    def change(model, graph):
        for one, name in zip(graph.tensors, HOSTILE, strict=False):
            one.name = name
        model.description = graph.name = "*/\n#error"
        model.metadata = None

    data = files["int8 fully_connected"][0]
    network = same_answers(data, edited(data, change))
    assert len({*network.shapes}) == 4
    assert all(len(name) <= 1010 for name in network.shapes)
    text = compiled.source(network, "network")[0]
    assert "#error\n" not in text
    assert "int main(){}" not in text
    tflite.from_bytes(tflite.to_bytes(network))


def test_refused_in_one_line_also_where_a_name_has_several(files):
    def change(model, graph):
        graph.tensors[tensor(graph, "y")].shape = [1, 6]
        graph.tensors[tensor(graph, "y")].name = "a\nb\u2028c"

    with pytest.raises(ValueError, match=r"^[^\n\u2028]+$"):
        tflite.from_bytes(edited(files["int8 fully_connected"][0], change))


def test_names_that_are_not_utf_8_are_read(files):
    data = files["int8 fully_connected"][0]
    network = same_answers(data, data.replace(b"source_0", b"\xff\xfe\x80\xc3ce_0"))
    assert not any("source" in name for name in network.shapes)


def test_open_batches_and_signatures_are_read(files):
    def change(model, graph):
        for one in graph.tensors[:4]:
            one.shapeSignature = [-1, *one.shape[1:]]
        model.signatureDefs = model.signatureDefs * 2

    data = files["int8 fully_connected"][0]
    same_answers(data, edited(data, change))


def test_buffers_after_the_flatbuffer_are_read(files):
    """A model above 2 GB has its weights there; Buffer has offset and size for it."""
    data = files["int8 fully_connected"][0]
    kept = {}

    def change(model, graph):
        buffer = model.buffers[graph.tensors[tensor(graph, "the_op/weights")].buffer]
        kept["values"] = bytes(buffer.data)
        buffer.data, buffer.offset, buffer.size = None, kept.get("start", 4096), len(kept["values"])

    kept["start"] = len(edited(data, change))
    same_answers(data, edited(data, change) + kept["values"])


def test_weights_of_four_bits_are_bit_exact_with_micro(files):
    def change(model, graph):
        one = graph.tensors[tensor(graph, "the_op/weights")]
        q = np.random.default_rng(1).integers(-7, 8, 720).astype(np.int8).view(np.uint8)
        one.type = schema.TensorType.INT4
        model.buffers[one.buffer].data = (q[::2] & 15) | (q[1::2] << 4)

    data = edited(files["int8 fully_connected"][0], change)
    network = tflite.from_bytes(data)
    q = np.random.default_rng(0).integers(-128, 128, (4, *network.shapes["x"])).astype(np.int8)
    assert len(np.unique(network.run(q))) > 5
    np.testing.assert_array_equal(network.run(q), micro(data, q))


def _numbers(place, values):
    """Change the whole numbers that the last operator reads at a place, and their number."""

    def change(model, graph):
        one = graph.tensors[graph.operators[-1].inputs[place]]
        one.shape = [len(values)]
        model.buffers[one.buffer].data = np.array(values, np.int32).view(np.uint8)

    return change


def _left_out(model, graph):
    graph.operators[-1].inputs[1] = -1


def _mode(model, graph):
    graph.operators[-1].builtinOptions.mode = 7


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("strided_slice", _numbers(1, [0, 2**31 - 1, 0, 0])),
        ("strided_slice", _numbers(2, [0] * 4)),
        ("strided_slice", _numbers(3, [0] * 4)),
        ("strided_slice", _numbers(1, [0])),
        ("strided_slice", _left_out),
        ("transpose", _numbers(1, [0, 1, 1, 2])),
        ("broadcast_to", _numbers(1, [2**31 - 1] * 4)),
        ("broadcast_to", _numbers(1, [1] * 100_000)),
        ("reshape", _numbers(1, [2**31 - 1] * 100_000)),
        ("reshape", _numbers(1, [2**16] * 4)),  # 2^64, which is 0 in int64
        ("pad", _numbers(1, [2**31 - 1] * 8)),
        ("mirror_pad", _mode),
        ("gather", _numbers(1, [-1])),
        ("resize_nearest", _numbers(1, [2**31 - 1] * 2)),
        ("resize_bilinear", _numbers(1, [0, 0])),
    ],
)
def test_refused_where_a_movement_is_not_possible_and_without_taking_memory_or_time(files, kind, change):
    data = edited(files[f"float32 {kind}"][0], change)
    tracemalloc.start()
    start = time.process_time()
    try:
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            tflite.from_bytes(data)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
        assert time.process_time() - start < 2
    finally:
        tracemalloc.stop()
