"""The forms in which files write one network: other types at its ends or in its weights, and computed constants."""

import numpy as np
import one_of_each
import pytest
from edited import add_tensor, edited, operator, schema, steps, tensor
from reference import litert, micro

from edgekit import calibration, quantization, tflite


@pytest.fixture(scope="module")
def float_file():
    return tflite.to_bytes(one_of_each.network("fully_connected")[0])


@pytest.fixture(scope="module")
def int8_file():
    network, inputs = one_of_each.network("conv2d")
    return tflite.to_bytes(quantization.quantize(network, calibration.calibrate(network, inputs)))


def with_ends(data, source=None, result=None):
    """The int8 file with a QUANTIZE from another type at its beginning, and one or a DEQUANTIZE at its end.

    Args:
        data: bytes of a file with one input and one output.
        source, result: (type, how many steps of the network's a step is), type "FLOAT32" or "UINT8"; None for int8.
    """

    def change(model, graph):
        for kind, ends, first in ((source, graph.inputs, True), (result, graph.outputs, False)):
            if kind is None:
                continue
            inner = ends[0]
            q, name = graph.tensors[inner].quantization, "taken" if first else "given"
            of = (q.scale * np.float32(kind[1]), q.zeroPoint + 128) if kind[0] == "UINT8" else None
            ends[0] = add_tensor(model, graph, name, graph.tensors[inner].shape, kind[0], of)
            code = "DEQUANTIZE" if kind[0] == "FLOAT32" and not first else "QUANTIZE"
            new = operator(model, code, [ends[0] if first else inner], [inner if first else ends[0]])
            graph.operators.insert(0 if first else len(graph.operators), new)

    return edited(data, change)


def int8_inputs(network, n=8):
    return np.random.default_rng(2).integers(-128, 128, (n, *network.shapes[network.input])).astype(np.int8)


@pytest.mark.parametrize(
    ("source", "result", "ops"),
    [
        (("UINT8", 1.0), ("UINT8", 1.0), 2),
        (("UINT8", 1.0), None, 2),
        (None, ("UINT8", 1.0), 2),
        (("UINT8", 1.25), ("UINT8", 0.75), 4),  # another scale: the QUANTIZE stays, as a rescale
        (("FLOAT32", 1.0), ("UINT8", 1.0), 2),
        (("UINT8", 1.0), ("FLOAT32", 1.0), 2),
        (("FLOAT32", 1.0), None, 2),
        (None, ("FLOAT32", 1.0), 2),
    ],
)
def test_int8_networks_with_other_ends_are_bit_exact_with_micro(int8_file, source, result, ops):
    data = with_ends(int8_file, source, result)
    network = tflite.from_bytes(data)
    assert len(network.ops) == ops
    q = int8_inputs(network)
    given = q
    if source is not None:
        real = network.quantization[network.input].dequantize(q)
        given = real if source[0] == "FLOAT32" else (q.astype(int) + 128).astype(np.uint8)
    theirs, ours = micro(data, given), network.run(q)
    assert len(np.unique(ours)) > 50
    if result is not None and result[0] == "UINT8":
        theirs = (theirs.astype(int) - 128).astype(np.int8)
    if result is not None and result[0] == "FLOAT32":
        ours = network.dequantize_output(ours)
    np.testing.assert_array_equal(ours, theirs)


def test_float16_weights_are_read_as_float32(float_file):
    """The converter writes a DEQUANTIZE after each float16 constant; LiteRT computes in float32."""

    def change(model, graph):
        for name in ("the_op/weights", "the_op/bias", "source_0_layer/weights"):
            index = tensor(graph, name)
            old = graph.tensors[index]
            values = model.buffers[old.buffer].data.view(np.float32).astype(np.float16)
            half = add_tensor(model, graph, f"{name}_half", old.shape, "FLOAT16", None, values)
            graph.operators.insert(0, operator(model, "DEQUANTIZE", [half], [index]))
            old.buffer = 0

    data = edited(float_file, change)
    network = tflite.from_bytes(data)
    assert [op.kind for op in network.ops] == ["conv2d", "reshape", "fully_connected"]
    x = np.random.default_rng(3).normal(size=(4, *network.shapes["x"])).astype(np.float32)
    np.testing.assert_allclose(network.run(x), litert(data, x), atol=1e-4)
    difference = network.ops[2].weights - tflite.from_bytes(float_file).ops[2].weights
    assert 0 < np.abs(difference).max() < 0.01


@pytest.mark.parametrize(("kind", "zero"), [("INT8", 0), ("UINT8", 131)])
def test_dynamic_range_weights_are_read_as_float32(float_file, kind, zero):
    scales = np.linspace(0.01, 0.02, 5)

    def change(model, graph):
        one = graph.tensors[tensor(graph, "the_op/weights")]
        values = model.buffers[one.buffer].data.view(np.float32).reshape(5, 144)
        q = np.clip(np.rint(values / scales[:, None]) + zero, *((-127, 127) if kind == "INT8" else (0, 255)))
        one.type, one.quantization = getattr(schema.TensorType, kind), steps(scales, [zero] * 5)
        model.buffers[one.buffer].data = q.astype(np.int8 if kind == "INT8" else np.uint8).view(np.uint8).ravel()

    network, exact = tflite.from_bytes(edited(float_file, change)), tflite.from_bytes(float_file)
    assert network.ops[2].weights.dtype == np.float32
    inside = np.abs(exact.ops[2].weights) < 1.2
    assert np.abs(network.ops[2].weights - exact.ops[2].weights)[inside].max() <= 0.0101
    channels = network.ops[2].weights / scales[:, None].astype(np.float32)
    np.testing.assert_allclose(channels, np.rint(channels), atol=1e-3)


def test_weights_that_operators_compute_from_constants_are_read(float_file):
    """TRANSPOSE of weights, and a bias from FILL: the converter leaves such operators where it does not fold them."""

    def change(model, graph):
        weights, bias = (tensor(graph, f"the_op/{name}") for name in ("weights", "bias"))
        values = model.buffers[graph.tensors[weights].buffer].data.view(np.float32).reshape(5, 144)
        graph.tensors[weights].buffer = graph.tensors[bias].buffer = 0
        turned = add_tensor(model, graph, "turned", (144, 5), "FLOAT32", None, values.T)
        order = add_tensor(model, graph, "order", (2,), "INT32", None, np.array([1, 0], np.int32))
        size = add_tensor(model, graph, "size", (1,), "INT32", None, np.array([5], np.int32))
        value = add_tensor(model, graph, "value", (), "FLOAT32", None, np.array(0.5, np.float32))
        graph.operators[:0] = [
            operator(model, "TRANSPOSE", [turned, order], [weights], schema.TransposeOptionsT()),
            operator(model, "FILL", [size, value], [bias], schema.FillOptionsT()),
        ]

    network, exact = tflite.from_bytes(edited(float_file, change)), tflite.from_bytes(float_file)
    np.testing.assert_array_equal(network.ops[2].weights, exact.ops[2].weights)
    np.testing.assert_array_equal(network.ops[2].bias, np.full(5, 0.5, np.float32))


def test_refused_where_a_constant_would_take_more_memory_than_a_microcontroller_has(float_file):
    def change(model, graph):
        bias = tensor(graph, "the_op/bias")
        graph.tensors[bias].buffer = 0
        size = add_tensor(model, graph, "size", (2,), "INT32", None, np.array([2**20, 2**20], np.int32))
        value = add_tensor(model, graph, "value", (), "FLOAT32", None, np.array(0.5, np.float32))
        graph.operators.insert(0, operator(model, "FILL", [size, value], [bias], schema.FillOptionsT()))

    with pytest.raises(ValueError, match="constants of this file take more than 268,435,456 bytes"):
        tflite.from_bytes(edited(float_file, change))


def test_refused_where_a_quantize_at_the_end_changes_the_shape(int8_file):
    def change(model, graph):
        graph.tensors[graph.outputs[0]].shape[-1] += 1

    with pytest.raises(ValueError, match="QUANTIZE makes 'given' of shape"):
        tflite.from_bytes(edited(with_ends(int8_file, None, ("UINT8", 1.0)), change))
