"""Reads the layers and operations of Keras that multiply tensors as matrices: matmul, Dot, EinsumDense, attention."""

from math import prod

import numpy as np

from edgekit.network import moves
from edgekit.network.keras import _activation_of, _layer, _operation, _refuse, dense
from edgekit.network.keras_moves import axes_of, follow, tensor


@_operation("ops.numpy.Matmul", makes=("batch_matmul",))
def _matmul(reader, operation, x1, x2):
    names = [tensor(reader, operation, x) for x in (x1, x2)]
    _matrices(reader, operation, names)
    return reader.add("batch_matmul", operation.name, names)


def _matrices(reader, layer, names):
    shapes = [reader.shapes[name] for name in names]
    if any(len(shape) < 2 for shape in shapes):
        _refuse(layer, f"inputs of the shapes {shapes}: each should be matrices, of two dimensions and the batch,")
    if max(map(len, shapes)) > moves.MOST_AXES["batch_matmul"]:
        _refuse(layer, f"inputs of the shapes {shapes}, of more than {moves.MOST_AXES['batch_matmul']} dimensions,")


@_layer("Dot", makes=("batch_matmul",))
def _dot(reader, layer, inputs):
    if layer.normalize:
        _refuse(layer, "normalize=True")
    shapes = [reader.shapes[name] for name in inputs]
    axes = layer.axes if isinstance(layer.axes, list | tuple) else (layer.axes, layer.axes)
    axes = [axes_of(layer, axis, len(shape))[0] for axis, shape in zip(axes, shapes, strict=True)]
    if any(len(shape) > 2 for shape in shapes):
        _refuse(layer, f"inputs of the shapes {shapes}")
    # A vector is a matrix of one row, which the output does not have.
    pairs = list(zip(inputs, shapes, axes, strict=True))
    names = [reader.reshape(layer.name, [name], (1, *shape) if len(shape) == 1 else shape) for name, shape, _ in pairs]
    last = [len(shape) == 1 or axis == 1 for _, shape, axis in pairs]
    result = reader.add("batch_matmul", layer.name, names, transposed=(not last[0], last[1]))
    kept = [shape[1 - axis] for _, shape, axis in pairs if len(shape) == 2]
    return reader.reshape(layer.name, [result], tuple(kept) or (1,))


@_layer("EinsumDense", makes=("fully_connected",))
def _einsumdense(reader, layer, inputs):
    return _einsum(reader, layer, inputs[0], layer.name, then=_activation_of(layer))


def _einsum(reader, layer, name, called, scale=1.0, then=None):
    """A Dense layer over the last axes: an equation such as ab,bcd->acd, whose weights begin with the input's end."""
    shape = reader.shapes[name]
    given, _, result = layer.equation.replace(" ", "").partition("->")
    read, _, weights = given.partition(",")
    if "..." in read:
        free = len(shape) + 1 - len(read.replace("...", ""))
        dots = "ABCDEFGHIJ"[:free]
        read, result = read.replace("...", dots), result.replace("...", dots)
    summed = "".join(label for label in read if label not in result)
    made = "".join(label for label in weights if label not in read)
    rest = read[: len(read) - len(summed)]
    if not summed or (read, weights, result) != (rest + summed, summed + made, rest + made) or len(rest) < 1:
        _refuse(layer, f"the equation {layer.equation!r}")
    kernel = np.asarray(layer.kernel, np.float32)
    depth, sizes = prod(kernel.shape[: len(summed)]), kernel.shape[len(summed) :]
    bias = np.zeros(sizes) if layer.bias is None else np.broadcast_to(np.asarray(layer.bias), sizes)
    rows = shape[: len(rest) - 1]
    flat = reader.reshape(called, [name], (*rows, depth))
    matrix = np.ascontiguousarray((kernel.reshape(depth, -1) * scale).T.astype(np.float32))
    result = dense(reader, called, [flat], matrix, (bias.reshape(-1) * scale).astype(np.float32), then)
    return reader.reshape(called, [result], (*rows, *sizes))


@_layer("Attention", makes=("batch_matmul", "softmax"))
def _attention(reader, layer, inputs):
    if layer.score_mode != "dot" or layer.use_scale:
        _refuse(layer, f"score_mode={layer.score_mode!r}, use_scale={layer.use_scale}")
    _matrices(reader, layer, inputs)
    query, value, key = inputs if len(inputs) == 3 else (*inputs, inputs[1])
    return _attend(reader, layer, query, key, value)


def _attend(reader, layer, query, key, value):
    """softmax(query key^T) value."""
    scores = reader.add("batch_matmul", f"{layer.name}_scores", [query, key], transposed=(False, True))
    weights = reader.add("softmax", f"{layer.name}_softmax", [scores])
    return reader.add("batch_matmul", layer.name, [weights, value])


@_layer("MultiHeadAttention", makes=("batch_matmul", "softmax", "transpose"), arguments=("value", "key"))
def _multiheadattention(reader, layer, inputs, value, key=None):
    names = (inputs[0], value if key is None else key, value)
    if getattr(layer, "_use_gate", False) or getattr(layer, "_sliding_window", None):
        _refuse(layer, "a gate or a sliding window")
    if any(len(reader.shapes[name]) != 2 for name in names) or tuple(layer._attention_axes) != (1,):
        _refuse(layer, f"inputs of the shapes {[reader.shapes[name] for name in names]}")
    # The scores are divided by the root of the heads' size; here the query's weights are.
    parts = (layer._query_dense, layer._key_dense, layer._value_dense)
    scales = (float(layer._key_dim) ** -0.5, 1.0, 1.0)
    heads = []
    for name, part, scale in zip(names, parts, scales, strict=True):
        rows = _einsum(reader, part, name, f"{layer.name}_{part.name}", scale)  # (time, heads, size)
        heads.append(follow(reader, layer, rows, moves.transposed(reader.shapes[rows], (1, 0, 2))))
    result = _attend(reader, layer, *heads)
    result = follow(reader, layer, result, moves.transposed(reader.shapes[result], (1, 0, 2)))
    return _einsum(reader, layer._output_dense, result, f"{layer.name}_output")
