"""Changes .tflite files through the objects of the schema, for tests of files that no converter writes."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema


def edited(data, change):
    """The file after `change(model, graph)`, where model is the schema's ModelT and graph its first subgraph."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.shape = list(map(int, tensor.shape))
        for operator in graph.operators:
            operator.inputs, operator.outputs = list(map(int, operator.inputs)), list(map(int, operator.outputs))
        graph.inputs, graph.outputs = list(map(int, graph.inputs)), list(map(int, graph.outputs))
    change(model, model.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tensor(graph, name):
    """The index of a tensor by its name."""
    return [one.name for one in graph.tensors].index(name.encode())


def add_tensor(model, graph, name, shape, kind, quantization=None, values=None):
    """Add a tensor, of a type by its name in the schema; returns its index."""
    new = schema.TensorT()
    new.name, new.shape, new.type, new.buffer = name, list(shape), getattr(schema.TensorType, kind), 0
    if quantization is not None:
        new.quantization = steps(*quantization)
    if values is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        model.buffers.append(buffer)
        new.buffer = len(model.buffers) - 1
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def steps(scales, zero_points, dimension=0):
    """The schema's object for scales and zero points, each a number or a list."""
    quantization = schema.QuantizationParametersT()
    quantization.scale = np.atleast_1d(np.asarray(scales, np.float32))
    quantization.zeroPoint = np.atleast_1d(np.asarray(zero_points, np.int64))
    quantization.quantizedDimension = dimension
    return quantization


def operator(model, code, inputs, outputs, options=None, custom=None):
    """A new operator with its operator code; options is an object such as `schema.AddOptionsT()`."""
    entry = schema.OperatorCodeT()
    entry.builtinCode = getattr(schema.BuiltinOperator, code)
    entry.deprecatedBuiltinCode, entry.version, entry.customCode = min(entry.builtinCode, 127), 1, custom
    model.operatorCodes.append(entry)
    new = schema.OperatorT()
    new.opcodeIndex, new.inputs, new.outputs = len(model.operatorCodes) - 1, list(inputs), list(outputs)
    if options is not None:
        new.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__[:-1])
        new.builtinOptions = options
    return new
