"""What PyTorch exports is read as ONNX's reference computes it, and its int8 equals TensorFlow Lite Micro's."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx as package
from onnx.reference import ReferenceEvaluator
from reference import describe, differences, litert, micro

from edgekit import calibration, codegen, onnx, quantization, tflite

FILES = sorted((Path(__file__).parent / "pytorch").glob("*.onnx"))
CHANNELS_LAST = {4: (0, 2, 3, 1), 3: (0, 2, 1)}


def listed(results):
    return results if isinstance(results, tuple) else (results,)


def inputs(model, n=4):
    """Random inputs in ONNX's layout, by name."""
    random = np.random.default_rng(5)
    shapes = {
        each.name: [size.dim_value or 1 for size in each.type.tensor_type.shape.dim][1:] for each in model.graph.input
    }
    return {name: random.normal(size=(n, *shape)).astype(np.float32) for name, shape in shapes.items()}


def in_layout(x, shape):
    """A batch in ONNX's layout in a network's, whose tensor has this shape."""
    return x if x.ndim < 4 and x.shape[1:] == tuple(shape) else x.transpose(CHANNELS_LAST[x.ndim])


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_an_export_is_read_and_bit_exact_with_micro(path):
    model = package.load(path)
    net = onnx.from_bytes(path.read_bytes())
    x = inputs(model)
    runs = [ReferenceEvaluator(model).run(None, {name: v[i : i + 1] for name, v in x.items()}) for i in range(4)]
    ours = {name: in_layout(v, net.shapes[name]) for name, v in x.items()}
    for name, result, *theirs in zip(net.outputs, listed(net.run(ours)), *runs, strict=True):
        expected = in_layout(np.concatenate(theirs), net.shapes[name])
        np.testing.assert_allclose(result, expected, atol=1e-4 * np.abs(expected).max())
    quantized = quantization.quantize(net, calibration.calibrate(net, ours))
    lacking = [op.output for op in net.ops if "int8" not in tflite.OPERATORS[op.kind].in_micro]
    found = differences(quantized, quantized.quantize_input(ours), litert if lacking else micro)
    if lacking:  # GELU: only LiteRT has it, which rounds fully connected layers in another way
        found = dict.fromkeys(found, (0, 0)) | {name: found[name] for name in lacking}
    assert not describe(quantized, found)


def test_no_transpose_is_left_where_layers_can_take_either_order():
    ops = {path.stem: [op.kind for op in onnx.from_bytes(path.read_bytes()).ops] for path in FILES}
    for name in ("accelerometer", "mobilenet", "residual", "keywords", "unet_transposed", "excited", "two_and_two"):
        for exporter in ("torchscript", "dynamo"):
            assert "transpose" not in ops[f"{name}.{exporter}"], name


def test_both_exporters_give_the_same_network(tmp_path):
    for name in ("mobilenet", "two_and_two"):
        pair = [onnx.from_bytes((FILES[0].parent / f"{name}.{e}.onnx").read_bytes()) for e in ("torchscript", "dynamo")]
        assert [op.kind for op in pair[0].ops] == [op.kind for op in pair[1].ops]
        codegen.export(pair[0], name, tmp_path)
