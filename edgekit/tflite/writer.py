"""Writes the tensors, ops and scales of a network as a .tflite file; see `to_bytes`."""

from typing import Any

import numpy as np

from edgekit.network import OPS, Graph, Op, check_network
from edgekit.quantization import QuantizedNetwork, channel_axis
from edgekit.tflite.ops import ACTIVATION_CODES, OPERATORS, has_activation
from edgekit.tflite.variables import VariableWriter


def to_bytes(network: Graph) -> bytes:
    """Return the network as the bytes of a .tflite file.

    Args:
        network: a `Network` (float32) or a `QuantizedNetwork` (int8).

    Returns:
        bytes. Input and output have the network's type, and a batch of 1. States are variables.

    Raises:
        TypeError: it is no such network, for example a Keras model.

    Example:
        >>> pathlib.Path("xormodel.tflite").write_bytes(to_bytes(network))
    """
    check_network(network)
    return Writer(network).to_bytes()


class Writer:
    """Collects tensors, buffers and operators, then packs them."""

    def __init__(self, network: Graph) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.network = network
        self.quantization = network.quantization if isinstance(network, QuantizedNetwork) else {}
        self.type = schema.TensorType.INT8 if self.quantization else schema.TensorType.FLOAT32
        self.buffers = [schema.BufferT()]  # by convention, buffer 0 is empty, and all activations use it
        self.tensors: list[Any] = []
        self.codes: list[Any] = []
        self.operators: list[Any] = []

    def to_bytes(self) -> bytes:
        """Pack the network."""
        import flatbuffers

        schema, network = self.schema, self.network
        index = {name: self.activation(name, name, network.constants.get(name)) for name in network.shapes}
        variables = VariableWriter(self, index)
        variables.begin()
        for position, op in enumerate(network.ops):
            variables.before(position)
            self._operator(op, [index[name] for name in op.inputs], index[op.output])
            variables.after(position)
        graph = self._graph(network.name)
        graph.inputs = [index[name] for name in network.inputs]
        graph.outputs = [index[name] for name in network.outputs]
        model = schema.ModelT()
        model.version = 3
        model.description = network.name
        model.subgraphs = [graph]
        model.signatureDefs = [self._signature(graph)]
        if network.states:
            self.tensors, self.operators = [], []
            variables.first_values()
            model.subgraphs.append(self._graph("first values"))
        model.operatorCodes = self.codes
        model.metadata = [self._metadata("model_name", network.name)]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _graph(self, name):
        graph = self.schema.SubGraphT()
        graph.name, graph.tensors, graph.operators = name, self.tensors, self.operators
        graph.inputs, graph.outputs = [], []
        return graph

    def _signature(self, graph):
        signature = self.schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.subgraphIndex = 0
        signature.inputs = [self._end(index) for index in graph.inputs]
        signature.outputs = [self._end(index) for index in graph.outputs]
        return signature

    def _end(self, index):
        entry = self.schema.TensorMapT()
        entry.name, entry.tensorIndex = self.tensors[index].name, index
        return entry

    def _metadata(self, name, text):
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = name, self._buffer(np.frombuffer(text.encode(), np.uint8))
        return entry

    def _buffer(self, data):
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def _scales(self, scales, zero_points, dimension=0):
        quantization = self.schema.QuantizationParametersT()
        quantization.scale = [float(s) for s in scales]
        quantization.zeroPoint = [int(z) for z in zero_points]
        quantization.quantizedDimension = dimension
        return quantization

    def _tensor(self, name, shape, kind, quantization=None, data=None):
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(map(int, shape)), kind
        tensor.quantization = quantization
        tensor.buffer = 0 if data is None else self._buffer(data)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def activation(self, name: str, like: str, values: np.ndarray | None = None) -> int:
        """Enter a tensor with the shape, type and scale of a tensor of the network; returns its index."""
        q = self.quantization.get(like)
        scales = q and self._scales([q.scale], [q.zero_point])
        return self._tensor(name, (1, *self.network.shapes[like]), self.type, scales, values)

    def resource(self, name: str) -> int:
        """Enter a tensor that names a variable; returns its index."""
        return self._tensor(name, (), self.schema.TensorType.RESOURCE)

    def constant(self, name: str, values: Any) -> int:
        """Enter an int32 constant; returns the index of its tensor."""
        values = np.asarray(values, np.int32)
        return self._tensor(name, values.shape, self.schema.TensorType.INT32, data=values)

    def value(self, name: str, real: float, tensor: str) -> int:
        """Enter one constant value with the type and scale of a tensor; returns the index of its tensor."""
        if not self.quantization:
            return self._tensor(name, (), self.type, data=np.float32(real))
        q = self.quantization[tensor]
        return self._tensor(name, (), self.type, self._scales([q.scale], [q.zero_point]), q.quantize(np.float32(real)))

    def array(self, name: str, values: np.ndarray, scale: float | np.floating | None = None) -> int:
        """Enter constants in their own type, with this scale if they have one; returns the index of their tensor."""
        kind = getattr(self.schema.TensorType, values.dtype.name.upper())
        return self._tensor(name, values.shape, kind, None if scale is None else self._scales([scale], [0]), values)

    def unknown(
        self, name: str, shape: tuple[int, ...], kind: str, steps: tuple[Any, int] | None = None, variable: bool = False
    ) -> int:
        """Enter a tensor without values, with (scale, zero point) if it has them; returns its index."""
        scales = None if steps is None else self._scales([steps[0]], [steps[1]])
        index = self._tensor(name, shape, getattr(self.schema.TensorType, kind), scales)
        self.tensors[index].isVariable = variable
        return index

    def _weights(self, op):
        name, weights, bias = op.name, op.weights, op.bias
        if not self.quantization:
            return [
                self._tensor(f"{name}/weights", weights.shape, self.type, data=weights),
                self._tensor(f"{name}/bias", bias.shape, self.type, data=bias),
            ]
        scales, zeros = op.weight_scales, np.zeros(op.weight_scales.shape, int)
        dimension = channel_axis(op.kind) % weights.ndim
        bias_scales = self.quantization[op.inputs[0]].scale * scales
        return [
            self._tensor(f"{name}/weights", weights.shape, self.type, self._scales(scales, zeros, dimension), weights),
            # quantized_dimension of a bias is always 0, also if that of the weights is not: LiteRT refuses others.
            self._tensor(
                f"{name}/bias", bias.shape, self.schema.TensorType.INT32, self._scales(bias_scales, zeros), bias
            ),
        ]

    def _operator(self, op, inputs, output):
        kind = OPERATORS[op.kind]
        if OPS[op.kind].weighted:
            inputs = [*inputs, *self._weights(op)]
        if kind.constants:
            inputs = [*inputs, *kind.constants(self, op)]
        version = kind.int8_version if self.quantization else kind.float_version
        version = max(version, kind.least_version(self.network, op))
        options = (kind.options, self._options(op, kind.options)) if kind.options else None
        self.operator(kind.code, kind.written(inputs), [output], options, version)
        if kind.intermediates:
            self.operators[-1].intermediates = kind.intermediates(self, op)

    def operator(
        self, code: str, inputs: list[int], outputs: list[int], options: tuple[str, Any] | None = None, version: int = 1
    ) -> None:
        """Enter an operator.

        Args:
            code: its name in the schema.
            inputs, outputs: indices of its tensors.
            options: the name in the schema of its options, and the options.
            version: of the operator.
        """
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self._opcode(getattr(self.schema.BuiltinOperator, code), version)
        operator.inputs, operator.outputs = inputs, outputs
        if options:
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, options[0])
            operator.builtinOptions = options[1]
        self.operators.append(operator)

    def _opcode(self, code, version):
        for index, known in enumerate(self.codes):
            if known.builtinCode == code:
                known.version = max(known.version, version)
                return index
        entry = self.schema.OperatorCodeT()
        entry.builtinCode = code
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.version = version
        self.codes.append(entry)
        return len(self.codes) - 1

    def _options(self, op: Op, name: str) -> Any:
        options = getattr(self.schema, f"{name}T")()
        if has_activation(op.kind):
            code = ACTIVATION_CODES[op.activation]
            options.fusedActivationFunction = getattr(self.schema.ActivationFunctionType, code)
        OPERATORS[op.kind].write(self, op, options)
        return options
