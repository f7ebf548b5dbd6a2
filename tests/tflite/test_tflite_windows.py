"""Convolutions with dilation, in groups and transposed, padding and reductions, in .tflite files."""

import keras
import numpy as np
import pytest
from converted import convert, random_images
from reference import litert, micro

from edgekit import tflite
from edgekit.codegen import compile_network
from edgekit.network import Op, output_shape
from edgekit.quantization import Quantization, QuantizedNetwork

L = keras.layers


def dilated(x):
    x = L.Conv2D(4, 3, dilation_rate=2, padding="same")(x)
    x = L.DepthwiseConv2D(3, dilation_rate=(1, 2))(x)
    return L.Conv2D(5, 2, dilation_rate=3)(x)


def dilated_sequence(x):
    x = L.Conv1D(4, 3, dilation_rate=2)(x)
    return L.Conv1D(4, 3, dilation_rate=3, padding="same")(x)


def grouped_and_transposed(x):
    x = L.Conv2D(6, 3, groups=3, padding="same", activation="relu")(x)
    return L.Conv2DTranspose(4, 3, strides=2, padding="same")(x)


def reduced(x):
    parts = [
        L.GlobalMaxPooling2D()(x),
        keras.ops.sum(x, axis=(1, 2)),
        keras.ops.mean(x, axis=(1, 3)),
        keras.ops.min(x, axis=(2, 3)),
    ]
    return L.Concatenate()(parts)


@pytest.mark.parametrize(
    ("make", "shape", "runtime"),
    [
        # In these files the batch of the tensors between is not what it is at run time: Micro cannot run them.
        (dilated, (13, 12, 3), litert),
        (dilated_sequence, (20, 3), litert),
        (grouped_and_transposed, (9, 8, 6), micro),
        (reduced, (5, 6, 3), micro),
    ],
)
def test_the_converters_windows_and_reductions_are_bit_exact(make, shape, runtime):
    keras.utils.set_random_seed(1)
    source, x = keras.Input(shape), random_images(shape, 20)
    data = convert(keras.Model(source, make(source)), "int8", x)
    net = tflite.from_bytes(data)
    q = net.quantize_input(x)
    np.testing.assert_array_equal(net.run(q), runtime(data, q))
    assert not {op.kind for op in net.ops} & {"pad", "rescale"}


def padded(paddings, stride=(2, 2), outputs=("y",), also=()):
    """A pad op, a 3x3 convolution without padding, and perhaps more ops."""
    random = np.random.default_rng(0)
    pad = Op("pad", "pad", ("x",), "p", paddings=paddings)
    weights = random.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8)
    bias, scales = random.integers(-99, 99, 4).astype(np.int32), np.full(4, 0.02, np.float32)
    conv = Op("conv2d", "conv", ("p",), "y", weights, bias, scales, stride=stride)
    shapes = {"x": (40, 40, 3)}
    for op in (pad, conv, *also):
        shapes[op.output] = output_shape(op, [shapes[name] for name in op.inputs])
    quantization = dict.fromkeys(shapes, Quantization(np.float32(0.05), 7))
    net = QuantizedNetwork("padded", "x", outputs, shapes, (pad, conv, *also), quantization)
    return net, random.integers(-128, 128, (5, 40, 40, 3)).astype(np.int8)


def test_a_pad_before_a_convolution_becomes_its_same_padding_and_stays_bit_exact():
    net, q = padded(((0, 1), (0, 1), (0, 0)))
    again = tflite.from_bytes(tflite.to_bytes(net))
    assert [(op.kind, op.padding) for op in again.ops] == [("conv2d", "same")]
    assert set(again.shapes) == set(again.quantization) == {"x", "y"}
    np.testing.assert_array_equal(again.run(q), micro(tflite.to_bytes(net), q))
    sizes = [compile_network(model, "net").arena.size for model in (net, again)]
    assert sizes[1] < 0.7 * sizes[0]


@pytest.mark.parametrize(
    "net",
    [
        padded(((1, 1), (1, 1), (0, 0)))[0],  # as PyTorch pads: SAME has the odd cell at the end
        padded(((0, 1), (0, 1), (0, 0)), outputs=("y", "p"))[0],
        padded(
            ((0, 1), (0, 1), (0, 0)), outputs=("y", "z"), also=(Op("max_pool2d", "pool", ("p",), "z", pool=(2, 2)),)
        )[0],
    ],
    ids=["not SAME", "an output", "read twice"],
)
def test_other_padding_stays_an_op(net):
    again = tflite.from_bytes(tflite.to_bytes(net))
    assert [op.kind for op in again.ops] == [op.kind for op in net.ops]


def one(kind, shape, **options):
    """The bytes of a float network of one op."""
    from edgekit.network import Network

    op = Op(kind, "op", ("x",), "y", **options)
    return tflite.to_bytes(Network("one", "x", "y", {"x": shape, "y": output_shape(op, [shape])}, (op,)))


def changed(data, change):
    """The file after a change of its first operator's options and tensors."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    change(schema, model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def weights(*shape):
    return {"weights": np.ones(shape, np.float32), "bias": np.zeros(shape[0], np.float32)}


def _dilation_0(schema, model, graph):
    graph.operators[0].builtinOptions.dilationWFactor = 0


def _other_size(schema, model, graph):
    buffer = graph.tensors[graph.operators[0].inputs[0]].buffer
    model.buffers[buffer].data = np.frombuffer(np.int32([1, 7, 8, 2]).tobytes(), np.uint8)


def _pool_l2(schema, model, graph):
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = (
        schema.BuiltinOperator.L2_POOL_2D
    )


def _axis_of_batch(schema, model, graph):
    buffer = graph.tensors[graph.operators[0].inputs[1]].buffer
    model.buffers[buffer].data = np.frombuffer(np.int32([0, 1]).tobytes(), np.uint8)


def _axis_beyond(schema, model, graph):
    buffer = graph.tensors[graph.operators[0].inputs[1]].buffer
    model.buffers[buffer].data = np.frombuffer(np.int32([1, 9]).tobytes(), np.uint8)


def _other_depth(schema, model, graph):
    graph.tensors[graph.operators[0].inputs[1]].shape = [3, 1, 1, 4]


@pytest.mark.parametrize(
    ("data", "change", "reason"),
    [
        (one("conv2d", (4, 4, 2), **weights(3, 2, 2, 2)), _dilation_0, r"CONV_2D .* has dilation \(1, 0\)"),
        (one("conv2d", (4, 4, 6), **weights(6, 1, 1, 2)), _other_depth, "3 filters of 4 channels on 6 channels"),
        (
            one("transpose_conv2d", (4, 4, 3), **weights(2, 3, 3, 3), stride=(2, 2), output_size=(9, 9)),
            _other_size,
            r"TRANSPOSE_CONV .* has the output size \(7, 8\) with an input of shape \(4, 4, 3\)",
        ),
        (one("average_pool2d", (4, 4, 2), pool=(2, 2)), _pool_l2, "computed by L2_POOL_2D, which is not supported"),
        (one("mean", (4, 4, 2)), _axis_of_batch, "MEAN .* has the batch among its axes"),
        (one("reduce_max", (4, 4, 2)), _axis_beyond, "REDUCE_MAX .* has axes that are computed or that its input does"),
    ],
)
def test_windows_and_axes_that_cannot_be_are_refused_by_name(data, change, reason):
    with pytest.raises(ValueError, match=reason):
        tflite.from_bytes(changed(data, change))


@pytest.mark.parametrize("kind", ["sum", "mean", "reduce_max", "reduce_min"])
@pytest.mark.parametrize("axes", [(0,), (1, 3), (0, 2), (0, 1, 2, 3)])
def test_reductions_of_four_axes_are_bit_exact(kind, axes):
    shape = (3, 4, 2, 5)
    op = Op(kind, "op", ("x",), "y", axes=axes, keepdims=True)
    scales = {name: Quantization(np.float32(scale), 3) for name, scale in (("x", 0.05), ("y", 0.11))}
    if kind.startswith("reduce"):
        scales["y"] = scales["x"]
    net = QuantizedNetwork("one", "x", "y", {"x": shape, "y": output_shape(op, [shape])}, (op,), scales)
    q = np.random.default_rng(0).integers(-128, 128, (20, *shape)).astype(np.int8)
    data = tflite.to_bytes(net)
    np.testing.assert_array_equal(net.run(q), micro(data, q))
    assert tflite.from_bytes(data).ops[0].axes == axes


def test_the_versions_are_those_that_tensorflow_gives():
    from ai_edge_litert import schema_py_generated as schema

    grouped = one("conv2d", (4, 4, 6), **weights(6, 1, 1, 2))
    plain = one("conv2d", (4, 4, 6), **weights(6, 1, 1, 6))
    versions = [schema.ModelT.InitFromPackedBuf(data, 0).operatorCodes[0].version for data in (grouped, plain)]
    assert versions == [6, 1]
