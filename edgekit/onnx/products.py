"""Reads ONNX's matrix products and layer normalization."""

import numpy as np

from edgekit.network import moves
from edgekit.onnx.layout import Value
from edgekit.onnx.reader import register


def _rows(node, value, weights, bias):
    """A fully connected layer over ONNX's last axis; the weights are (out, in)."""
    rank = len(value.shape)
    if weights.shape[1] != value.shape[-1]:
        node.refuse(f"weights for {weights.shape[1]} values on an input of shape {list(value.shape)}")
    axes = (*(axis for axis in value.axes if axis != rank - 1), rank - 1)
    source = node.reader.held(value, axes)
    result = node.reader.dense(node.name, source, np.ascontiguousarray(weights), bias.astype(np.float32))
    return Value(result, (*value.shape[:-1], len(weights)), axes)


@register("Gemm")
def _gemm(node):
    value, weights = node.value(), np.asarray(node.constant(1), np.float32)
    if weights.ndim != 2 or len(value.shape) != 2:
        node.refuse(f"weights of shape {list(weights.shape)} and an input of shape {list(value.shape)}")
    if node.attribute("transA", 0):
        node.refuse("transA=1")
    if not node.attribute("transB", 0):
        weights = weights.T
    bias = node.constant(2)
    bias = np.zeros(1) if bias is None else np.asarray(bias, np.float64) * node.attribute("beta", 1.0)
    if bias.size not in (1, len(weights)):
        node.refuse(f"a bias of shape {list(bias.shape)}")
    bias = np.broadcast_to(bias.reshape(-1), (len(weights),))
    return _rows(node, value, weights * np.float32(node.attribute("alpha", 1.0)), bias)


@register("MatMul")
def _matmul(node):
    first, second = node.operand(0), node.operand(1)
    if not isinstance(second, Value) and second.ndim == 2:
        weights = np.asarray(second, np.float32).T
        return _rows(node, node.value(), weights, np.zeros(len(weights)))
    rank = max(len(first.shape), len(second.shape))
    if min(len(first.shape), len(second.shape)) < 2:
        node.refuse(f"inputs of the shapes {list(first.shape)} and {list(second.shape)}")
    names, flipped, leading = [], [], []
    for operand in (first, second):
        more = rank - len(operand.shape)
        shape = (1,) * more + operand.shape
        leading.append(shape[:-2])
        if not isinstance(operand, Value):
            array = np.asarray(operand, np.float32).reshape(shape[1:] if shape[0] == 1 and rank > 2 else shape)
            names.append(node.reader.constant(f"{node.name}_constant", array))
            flipped.append(False)
            continue
        value = Value(operand.name, shape, tuple(axis + more for axis in operand.axes))
        usual = tuple(range(1 if shape[0] == 1 and rank > 2 else 0, rank))
        swapped = (*usual[:-2], usual[-1], usual[-2])
        flipped.append(value.axes == swapped and swapped != usual)
        names.append(node.reader.held(value, swapped if flipped[-1] else usual))
    if first.shape[-1] != second.shape[-2]:
        node.refuse(f"inputs of the shapes {list(first.shape)} and {list(second.shape)}")
    if any(len(node.reader.shapes[name]) > moves.MOST_AXES["batch_matmul"] for name in names):
        node.refuse(f"inputs of more than {moves.MOST_AXES['batch_matmul']} axes and the batch")
    result = node.add("batch_matmul", names, transposed=tuple(flipped))
    shape = (*np.broadcast_shapes(*leading), first.shape[-2], second.shape[-1])
    ours = node.reader.shapes[result]
    return Value(result, tuple(map(int, shape)), tuple(range(len(shape) - len(ours), len(shape))))


@register("LayerNormalization")
def _layer_normalization(node):
    value = node.value()
    rank = len(value.shape)
    if node.axis(value, node.attribute("axis", -1)) != rank - 1 or len(list(filter(None, node.outputs))) > 1:
        node.refuse("another axis than the last, or more than one output")
    axes = (*(axis for axis in value.axes if axis != rank - 1), rank - 1)
    gamma, beta = node.constant(1, np.ones(1)), node.constant(2, np.zeros(1))
    epsilon = node.attribute("epsilon", 1e-5)
    source = node.reader.held(value, axes)
    return Value(node.reader.layer_normalization(node.name, source, gamma, beta, epsilon), value.shape, axes)
