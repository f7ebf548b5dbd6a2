"""Every operator of ONNX that is read gives the reference's numbers; everything else is refused in one sentence."""

import contextlib

import numpy as np
import pytest

pytest.importorskip("onnx")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from test_pytorch import FILES

from edgekit import onnx
from edgekit.network import run_op
from edgekit.network.building import Builder
from edgekit.onnx import layout
from edgekit.onnx.reader import NODES

RANDOM = np.random.default_rng(0)
IMAGE, SEQUENCE, ROWS, ROW, STEPS = (1, 4, 6, 6), (1, 4, 9), (1, 5, 6), (1, 6), (7, 1, 3)


def real(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*numbers):
    return np.array(numbers, np.int64)


def file(nodes, shape=IMAGE, opset=17, constants=(), outputs=("y",), inputs=("x",), elem_type=TensorProto.FLOAT):
    """The bytes of a model of these nodes; nothing is said about the shapes of its outputs."""
    given = [helper.make_tensor_value_info(name, elem_type, shape) for name in inputs]
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in outputs]
    arrays = [numpy_helper.from_array(np.asarray(values), name) for name, values in dict(constants).items()]
    graph = helper.make_graph(nodes, "test", given, made, arrays)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8).SerializeToString()


def one(operator, shape=IMAGE, opset=17, inputs=(), outputs=("y",), **attributes):
    """A model of one node that reads x and constants; None stands for an input that is left out."""
    names = ["x"] + ["" if values is None else f"c{place}" for place, values in enumerate(inputs)]
    constants = {f"c{place}": values for place, values in enumerate(inputs) if values is not None}
    node = helper.make_node(operator, names, outputs, "the_node", **attributes)
    return file([node], shape, opset, constants, outputs)


def gates(directions):
    """The weights and biases of an LSTM from 3 values to 2."""
    return [real(directions, 8, 3), real(directions, 8, 2), real(directions, 16)]


conv = (real(6, 4, 3, 3), real(6))
relu = helper.make_node("Relu", ["d"], ["y"])
OPERATORS = {
    "Conv": one("Conv", inputs=conv, pads=[1, 1, 1, 1], strides=[2, 2]),
    "Conv SAME_UPPER": one("Conv", inputs=conv, auto_pad="SAME_UPPER", strides=[2, 2]),
    "Conv SAME_LOWER": one("Conv", inputs=conv, auto_pad="SAME_LOWER", strides=[2, 2]),
    "Conv dilated": one("Conv", inputs=[real(6, 4, 2, 3)], dilations=[2, 1], pads=[0, 2, 1, 0]),
    "Conv in groups": one("Conv", inputs=[real(6, 2, 3, 3)], group=2),
    "Conv depthwise": one("Conv", inputs=[real(8, 1, 3, 3)], group=4),
    "Conv of a sequence": one("Conv", SEQUENCE, inputs=[real(6, 4, 3), real(6)], pads=[2, 0], dilations=[2]),
    "ConvTranspose": one("ConvTranspose", inputs=[real(4, 3, 3, 3), real(3)], strides=[2, 2], pads=[1, 1, 1, 1]),
    "ConvTranspose padded": one(
        "ConvTranspose", inputs=[real(4, 3, 3, 3)], strides=[2, 3], output_padding=[1, 2], pads=[0, 1, 0, 0]
    ),
    "ConvTranspose SAME": one("ConvTranspose", inputs=[real(4, 3, 4, 4)], strides=[2, 2], auto_pad="SAME_UPPER"),
    "ConvTranspose of a sequence": one("ConvTranspose", SEQUENCE, inputs=[real(4, 3, 4)], strides=[2], pads=[1, 1]),
    "MaxPool": one("MaxPool", kernel_shape=[3, 2], strides=[2, 2], pads=[1, 1, 1, 0], ceil_mode=1),
    "MaxPool of a sequence": one("MaxPool", SEQUENCE, kernel_shape=[3], strides=[3], ceil_mode=1),
    "AveragePool": one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    "AveragePool counting": one(
        "AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1
    ),
    "AveragePool ceiling": one("AveragePool", opset=19, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1),
    "GlobalAveragePool": one("GlobalAveragePool"),
    "GlobalMaxPool": one("GlobalMaxPool", SEQUENCE),
    "BatchNormalization": one("BatchNormalization", inputs=[real(4), real(4), real(4), np.abs(real(4))]),
    "BatchNormalization of opset 13": one(
        "BatchNormalization", ROW, 13, inputs=[real(6), real(6), real(6), np.abs(real(6))], epsilon=0.01
    ),
    "BatchNormalization of a sequence": one(
        "BatchNormalization", SEQUENCE, inputs=[real(4), real(4), real(4), np.abs(real(4))], epsilon=0.1
    ),
    "LayerNormalization": one("LayerNormalization", ROWS, inputs=[real(6), real(6)]),
    "Gemm": one("Gemm", ROW, inputs=[real(3, 6), real(3)], transB=1, alpha=0.5, beta=2.0),
    "Gemm not transposed": one("Gemm", ROW, inputs=[real(6, 3)]),
    "MatMul": one("MatMul", ROWS, inputs=[real(6, 3)]),
    "MatMul of many axes": one("MatMul", IMAGE, inputs=[real(6, 3)]),
    "MatMul of several matrices": one("MatMul", ROWS, inputs=[real(1, 6, 3)]),
    "Add": one("Add", inputs=[real(4, 1, 1)]),
    "Add that repeats x": one("Add", ROW, inputs=[real(1, 6)]),
    "Sub": one("Sub", inputs=[real(1, 4, 6, 6)]),
    "Mul": one("Mul", inputs=[real(6)]),
    "Div": one("Div", inputs=[np.float32(3)]),
    "Neg": one("Neg"),
    "Pow": one("Pow", inputs=[np.float32(2)]),
    "Max": one("Max", inputs=[np.float32(0.25), real(4, 1, 1)]),
    "Min": one("Min", inputs=[np.float32(0.25)]),
    "Sum": one("Sum", inputs=[real(4, 1, 1), real(6)]),
    "Mean": one("Mean", inputs=[real(4, 1, 1)]),
    "Clip": one("Clip", inputs=[np.float32(-0.5), np.float32(1.5)]),
    "Clip to 6": one("Clip", inputs=[np.float32(0), np.float32(6)]),
    "Clip below": one("Clip", inputs=[np.float32(-0.5), None]),
    "Clip above": one("Clip", inputs=[None, np.float32(0.5)]),
    "Relu": one("Relu"),
    "LeakyRelu": one("LeakyRelu", alpha=0.3),
    "PRelu": one("PRelu", inputs=[real(4, 1, 1)]),
    "Elu": one("Elu", alpha=1.5),
    "Celu": one("Celu", alpha=1.5),
    "Selu": one("Selu"),
    "Gelu": one("Gelu", opset=20),
    "Sigmoid": one("Sigmoid"),
    "HardSigmoid": one("HardSigmoid"),
    "HardSwish": one("HardSwish"),
    "Tanh": one("Tanh"),
    "Exp": one("Exp"),
    "Abs": one("Abs"),
    "Softmax": one("Softmax", axis=1),
    "LogSoftmax": one("LogSoftmax", ROW),
    "Dropout": file([helper.make_node("Dropout", ["x"], ["d"]), relu]),
    "Cast": file([helper.make_node("Cast", ["x"], ["d"], to=TensorProto.FLOAT), relu]),
    "ReduceMean": one("ReduceMean", axes=[2, 3], keepdims=0),
    "ReduceMean of rows": one("ReduceMean", opset=18, inputs=[whole(-1)]),
    "ReduceSum": one("ReduceSum", inputs=[whole(1)]),
    "ReduceMax": one("ReduceMax", axes=[1, 3], keepdims=0),
    "ReduceMin": one("ReduceMin", ROWS, keepdims=1),
    "Reshape": one("Reshape", inputs=[whole(0, 2, -1)]),
    "Flatten": one("Flatten", axis=2),
    "Squeeze": one("Squeeze", (1, 1, 5, 6), inputs=[whole(1)]),
    "Unsqueeze": one("Unsqueeze", ROWS, inputs=[whole(1, -1)]),
    "Transpose": one("Transpose", perm=[0, 3, 1, 2]),
    "Slice": one("Slice", inputs=[whole(1, -1), whole(4, -100), whole(1, 3), whole(2, -2)]),
    "Gather": one("Gather", inputs=[whole(2, -1, 2)], axis=1),
    "Gather one": one("Gather", inputs=[np.int64(1)], axis=2),
    "Gather in two axes": one("Gather", inputs=[np.array([[0, 1], [3, 2]])], axis=1),
    "Pad": one("Pad", inputs=[whole(0, 1, 2, 0, 0, 0, 1, 3), np.float32(0.5)]),
    "Pad mirrored": one("Pad", inputs=[whole(0, 0, 2, 1, 0, 1, 1, 3)], mode="reflect"),
    "Pad at the edge": one("Pad", inputs=[whole(0, 0, 2, 1, 0, 0, 1, 3)], mode="edge"),
    "Expand": one("Expand", (1, 4, 1), inputs=[whole(1, 2, 1, 5)]),
    "Tile": one("Tile", ROWS, inputs=[whole(1, 2, 3)]),
    "DepthToSpace": one("DepthToSpace", blocksize=2),
    "DepthToSpace CRD": one("DepthToSpace", blocksize=2, mode="CRD"),
    "SpaceToDepth": one("SpaceToDepth", blocksize=2),
    "Concat": one("Concat", inputs=[real(1, 2, 6, 6)], axis=1),
    "Resize nearest": one("Resize", inputs=[None, whole(1, 1, 2, 2).astype(np.float32)], mode="nearest"),
    "Resize nearest, asymmetric": one(
        "Resize",
        inputs=[None, np.float32([1, 1, 2, 3])],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "Resize nearest, smaller": one("Resize", inputs=[None, None, whole(1, 4, 4, 5)], nearest_mode="ceil"),
    "Resize linear": one("Resize", inputs=[None, None, whole(1, 4, 12, 9)], mode="linear"),
    "Resize linear, corners": one(
        "Resize", inputs=[None, None, whole(1, 4, 11, 9)], mode="linear", coordinate_transformation_mode="align_corners"
    ),
    "Resize of a sequence": one("Resize", SEQUENCE, inputs=[None, None, whole(1, 4, 18)], mode="linear"),
    "Split": file(
        [helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1), helper.make_node("Mul", ["a", "b"], ["y"])],
        constants={"sizes": whole(2, 2)},
    ),
    "Split in equal parts": file(
        [
            helper.make_node("Split", ["x"], ["a", "b"], axis=3, num_outputs=2),
            helper.make_node("Sub", ["a", "b"], ["y"]),
        ],
        opset=18,
    ),
    "LSTM": one("LSTM", STEPS, inputs=gates(1), hidden_size=2),
    "LSTM without a bias": one("LSTM", STEPS, inputs=gates(1)[:2], hidden_size=2),
    "LSTM and its last output": one("LSTM", STEPS, inputs=gates(1), outputs=("y", "h"), hidden_size=2),
    "LSTM, only its last output": file(
        [helper.make_node("LSTM", ["x", "w", "r", "b"], ["all", "y", "cell"], hidden_size=2)],
        STEPS,
        constants=dict(zip("wrb", gates(1), strict=True)),
    ),
    "LSTM backwards": one("LSTM", STEPS, inputs=gates(1), outputs=("y", "h"), hidden_size=2, direction="reverse"),
    "LSTM both ways": one("LSTM", STEPS, inputs=gates(2), outputs=("y", "h"), hidden_size=2, direction="bidirectional"),
    "LSTM, the batch first": one("LSTM", (1, 7, 3), inputs=gates(1), outputs=("y", "h"), hidden_size=2, layout=1),
    "LSTM from 0": one(
        "LSTM", STEPS, inputs=[*gates(1), np.int32([7]), np.zeros((1, 1, 2), np.float32)], hidden_size=2
    ),
    "Sqrt and Reciprocal": file(
        [
            helper.make_node("Abs", ["x"], ["a"]),
            helper.make_node("Add", ["a", "one"], ["b"]),
            helper.make_node("Sqrt", ["b"], ["c"]),
            helper.make_node("Reciprocal", ["c"], ["d"]),
            helper.make_node("Div", ["x", "c"], ["e"]),
            helper.make_node("Add", ["d", "e"], ["y"]),
        ],
        constants={"one": np.float32(1)},
    ),
    "a shape that is computed": file(
        [
            helper.make_node("Shape", ["x"], ["s"]),
            helper.make_node("Gather", ["s", "first"], ["n"]),
            helper.make_node("Unsqueeze", ["n", "zeros"], ["u"]),
            helper.make_node("Concat", ["u", "rest"], ["t"], axis=0),
            helper.make_node("Reshape", ["x", "t"], ["y"]),
        ],
        ("batch", 4, 6, 6),
        constants={"first": np.int64(0), "zeros": whole(0), "rest": whole(-1)},
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_read_as_onnxs_reference_computes_it(name):
    """`from_bytes` compares every node and every output with the reference, and refuses a difference."""
    net = onnx.from_bytes(OPERATORS[name])
    assert net.ops


def test_every_operator_that_is_read_is_tried():
    tried = {name.split()[0] for name in OPERATORS} | {"Sqrt", "Reciprocal"}
    assert set(NODES) - tried == {"Identity", "CastLike", "Log", "Swish"}


@pytest.mark.parametrize("break_it", ["weights", "axis"])
def test_a_node_that_is_read_wrongly_is_named(break_it, monkeypatch):
    from edgekit.onnx import windows

    if break_it == "weights":
        monkeypatch.setattr(windows, "_bias", lambda node, out: np.ones(out, np.float32))
    else:
        monkeypatch.setattr(windows, "channels_last", lambda rank: (3, 2, 1))
    with pytest.raises(ValueError, match=r"node 'the_node' \(Conv\) is not read rightly: ONNX gives"):
        onnx.from_bytes(OPERATORS["Conv in groups"])


def test_an_image_has_its_channels_last_and_other_axes_keep_their_order():
    net = onnx.from_bytes(OPERATORS["Conv"])
    assert (net.shapes[net.input], net.shapes[net.output]) == ((6, 6, 4), (3, 3, 6))
    net = onnx.from_bytes(OPERATORS["MatMul"])
    assert (net.shapes[net.input], net.shapes[net.output]) == ((5, 6), (5, 3))


def test_no_transpose_is_left_of_a_model_that_goes_to_onnxs_layout_and_back():
    """As TensorFlow's models come from tf2onnx."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["a", "weights"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Transpose", ["c"], ["y"], perm=[0, 2, 3, 1]),
    ]
    net = onnx.from_bytes(file(nodes, (1, 6, 5, 4), constants={"weights": real(3, 4, 2, 2)}))
    assert [op.kind for op in net.ops] == ["conv2d"]
    assert (net.shapes[net.input], net.shapes[net.output]) == ((6, 5, 4), (5, 4, 3))


REFUSED = [
    (b"", "this is no ONNX model"),
    (b"\x08\x08\x12", "this is no ONNX model, or it is damaged"),
    (OPERATORS["Conv"][:-40], "ONNX"),
    (one("GRU", STEPS, inputs=[real(1, 6, 3), real(1, 6, 2)], hidden_size=2), "'the_node' is a GRU"),
    (one("LSTM", (7, 2, 3), inputs=gates(1), hidden_size=2), "a sequence with a batch of 1 is supported"),
    (one("LSTM", STEPS, inputs=gates(1), hidden_size=2, clip=3.0), "clip=3.0"),
    (one("LSTM", STEPS, inputs=gates(1), hidden_size=2, input_forget=1), "input_forget=1"),
    (one("LSTM", STEPS, inputs=gates(1), hidden_size=2, direction="up"), "direction='up'"),
    (one("LSTM", STEPS, inputs=gates(1), hidden_size=2, activations=["Relu"] * 3), "the activations Relu, Relu, Relu"),
    (one("LSTM", STEPS, inputs=[*gates(1), np.int32([4])], hidden_size=2), "sequence_lens other than all steps"),
    (one("LSTM", STEPS, inputs=[*gates(1), None, real(1, 1, 2)], hidden_size=2), "an initial output other than 0"),
    (one("LSTM", STEPS, inputs=[*gates(1), None, None, None, real(1, 6)], hidden_size=2), "peepholes"),
    (one("LSTM", STEPS, inputs=gates(1), outputs=("y", "h", "c"), hidden_size=2), "its cell as an output"),
    (one("QuantizeLinear", inputs=[np.float32(1), np.int8(0)]), "as it was before quantization"),
    (one("ArgMax", axis=1), "end the model before it"),
    (one("Mish", opset=18), "is a Mish, which is not supported; supported are Abs, "),
    (one("Div", inputs=[np.float32(0)]), "a division by 0"),
    (one("Pow", inputs=[np.float32(3)]), "another exponent"),
    (one("Conv", inputs=[real(6, 3, 3, 3)]), "groups for 4 channels"),
    (one("Conv", inputs=[real(6, 4, 9, 9)]), "a window of .9, 9., larger than its input"),
    (one("Conv", (8, 4, 6, 6), inputs=conv), "a batch of 8: export the model with a batch of 1"),
    (one("Conv", (1, 4, 6, 6, 6), inputs=[real(6, 4, 3, 3, 3)]), "of one or two it is supported"),
    (one("Conv", ("batch", 4, "height", 6), inputs=conv), "has an open size, 'height', in axis 2"),
    (one("MaxPool", kernel_shape=[3, 3], dilations=[2, 2]), "dilations"),
    (one("Resize", inputs=[None, None, whole(1, 4, 9, 9)], mode="cubic"), "mode='cubic'"),
    (one("Cast", to=TensorProto.INT64), "a conversion to INT64"),
    (one("Reshape", inputs=[whole(5, 5)]), "the new shape"),
    (one("Expand", ROWS, inputs=[whole(2**28, 5, 6)]), "at most 16,777,216"),
    (one("Tile", ROWS, inputs=[whole(1, 2**30, 1)]), "at most 16,777,216"),
    (file([helper.make_node("Abs", ["x"], ["y"])], elem_type=TensorProto.UINT8), "the input 'x' holds UINT8"),
    (one("Pad", inputs=[whole(0, 0, -1, 1, 0, 0, -2, 0)]), "the negative pads"),
    (one("ConvTranspose", inputs=[real(4, 3, 3, 3)], strides=[2, 2], output_shape=[12, 12]), "an output_shape"),
    (file([helper.make_node("Custom", ["x"], ["y"], "mine", domain="com.example")]), "ONNX|com.example.Custom"),
    (file([helper.make_node("Identity", ["x"], ["y"])]), "computes nothing"),
    (file([helper.make_node("Relu", ["z"], ["y"])]), "ONNX|nothing computes"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_what_is_not_supported_is_refused_in_one_sentence(data, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        onnx.from_bytes(data)
    assert "\n" not in str(caught.value)


def test_weights_in_another_file_are_taken_from_its_folder_only(tmp_path):
    import onnx as package

    model = package.load_model_from_string(OPERATORS["Gemm"])
    package.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    data = (tmp_path / "m.onnx").read_bytes()
    with pytest.raises(ValueError, match=r"its weights are in another file, 'm.data', which is not beside it"):
        onnx.from_bytes(data)
    assert len(onnx.load(tmp_path / "m.onnx").ops) == 1
    inner = tmp_path / "inner"
    inner.mkdir()
    outside = data.replace(b"m.data", b"../m.d")
    (tmp_path / "m.data").rename(tmp_path / "m.d")
    with pytest.raises(ValueError, match=r"weights in '../m.d' cannot be read"):
        onnx.from_bytes(outside, folder=inner)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, len(FILES) - 1),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=6),
    st.data(),
)
def test_mutated_files_are_read_or_refused(which, flips, draw):
    data = bytearray(FILES[which].read_bytes())
    for place, change in flips:
        data[place % len(data)] ^= change
    if not flips:
        data = data[: draw.draw(st.integers(0, len(data)))]
    with contextlib.suppress(ValueError):
        onnx.from_bytes(bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.permutations([2, 3, 4]), st.permutations([1, 2, 3]), st.permutations([1, 2, 3]))
def test_a_value_is_arranged_as_numpy_does(sizes, axes, wanted):
    shape = (1, *sizes)
    x = np.arange(24, dtype=np.float32).reshape(shape)
    builder = Builder()
    held = x.transpose(0, *axes)
    name = builder.follow("moved", builder.tensor("x", held.shape[1:]), layout.arranged(shape, axes, wanted))
    values = {"x": held}
    for op in builder.ops:
        values[op.output] = run_op(op, [values[i] for i in op.inputs], builder.shapes[op.output])
    np.testing.assert_array_equal(values[name], x.transpose(0, *wanted))
