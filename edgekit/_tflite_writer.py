"""Writing a .tflite file; see `edgekit.tflite.to_bytes`."""

import numpy as np

from edgekit.quantization import QuantizedNetwork

# The version of each op that first took int8; float32 ops are all of version 1.
_INT8_VERSIONS = {"conv2d": 3, "depthwise_conv2d": 3, "fully_connected": 4, "reshape": 1}
CODES = {
    "conv2d": "CONV_2D",
    "depthwise_conv2d": "DEPTHWISE_CONV_2D",
    "fully_connected": "FULLY_CONNECTED",
    "add": "ADD",
    "concatenate": "CONCATENATION",
    "average_pool2d": "AVERAGE_POOL_2D",
    "max_pool2d": "MAX_POOL_2D",
    "mean": "MEAN",
    "pad": "PAD",
    "reshape": "RESHAPE",
    "rescale": "QUANTIZE",
    "sigmoid": "LOGISTIC",
    "tanh": "TANH",
    "softmax": "SOFTMAX",
}


class Writer:
    """Collects tensors, buffers and operators, then packs them."""

    def __init__(self, network):
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.network = network
        self.quantized = isinstance(network, QuantizedNetwork)
        self.type = schema.TensorType.INT8 if self.quantized else schema.TensorType.FLOAT32
        self.buffers = [schema.BufferT()]  # buffer 0 is empty, by convention: the one of all activations
        self.tensors, self.codes, self.operators = [], [], []

    def to_bytes(self):
        import flatbuffers

        schema, network = self.schema, self.network
        index = {}
        for name, shape in network.shapes.items():
            q = network.quantization[name] if self.quantized else None
            index[name] = self.tensor(name, (1, *shape), self.type, q and self.scales([q.scale], [q.zero_point]))
        for op in network.ops:
            self.operator(op, [index[name] for name in op.inputs], index[op.output])
        graph = schema.SubGraphT()
        graph.name = network.name
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = [index[network.input]], [index[network.output]]
        model = schema.ModelT()
        model.version = 3
        model.description = network.name
        model.subgraphs = [graph]
        model.operatorCodes = self.codes
        model.signatureDefs = [self.signature(graph)]
        model.metadata = [self.metadata("model_name", network.name)]
        model.buffers = self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def signature(self, graph):
        signature = self.schema.SignatureDefT()
        signature.signatureKey = "serving_default"
        signature.subgraphIndex = 0
        for what, index in (("inputs", graph.inputs[0]), ("outputs", graph.outputs[0])):
            entry = self.schema.TensorMapT()
            entry.name, entry.tensorIndex = self.tensors[index].name, index
            setattr(signature, what, [entry])
        return signature

    def metadata(self, name, text):
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = name, self.buffer(np.frombuffer(text.encode(), np.uint8))
        return entry

    def buffer(self, data):
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
        self.buffers.append(buffer)
        return len(self.buffers) - 1

    def scales(self, scales, zero_points, dimension=0):
        quantization = self.schema.QuantizationParametersT()
        quantization.scale = [float(s) for s in scales]
        quantization.zeroPoint = [int(z) for z in zero_points]
        quantization.quantizedDimension = dimension
        return quantization

    def tensor(self, name, shape, kind, quantization=None, data=None):
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.type = name, list(map(int, shape)), kind
        tensor.quantization = quantization
        tensor.buffer = 0 if data is None else self.buffer(data)
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name, values):
        values = np.asarray(values, np.int32)
        return self.tensor(name, values.shape, self.schema.TensorType.INT32, data=values)

    def weights(self, op):
        name, weights, bias = op.name, op.weights, op.bias
        if not self.quantized:
            return [
                self.tensor(f"{name}/weights", weights.shape, self.type, data=weights),
                self.tensor(f"{name}/bias", bias.shape, self.type, data=bias),
            ]
        scales, zeros = op.weight_scales, np.zeros(op.weight_scales.shape, int)
        dimension = 3 if op.kind == "depthwise_conv2d" else 0
        bias_scales = self.network.quantization[op.inputs[0]].scale * scales
        return [
            self.tensor(f"{name}/weights", weights.shape, self.type, self.scales(scales, zeros, dimension), weights),
            # quantized_dimension of a bias is 0 whatever that of the weights: LiteRT refuses others.
            self.tensor(
                f"{name}/bias", bias.shape, self.schema.TensorType.INT32, self.scales(bias_scales, zeros), bias
            ),
        ]

    def operator(self, op, inputs, output):
        operator = self.schema.OperatorT()
        operator.opcodeIndex = self.opcode(op)
        if op.weights is not None:
            inputs = [*inputs, *self.weights(op)]
        elif op.kind == "mean":
            inputs = [*inputs, self.constant(f"{op.name}/axis", [1, 2])]
        elif op.kind == "pad":
            inputs = [*inputs, self.constant(f"{op.name}/paddings", [(0, 0), *op.paddings, (0, 0)])]
        elif op.kind == "reshape":
            inputs = [*inputs, self.constant(f"{op.name}/shape", (1, *self.network.shapes[op.output]))]
        operator.inputs, operator.outputs = inputs, [output]
        options = self.options(op)
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.operators.append(operator)

    def opcode(self, op):
        code = getattr(self.schema.BuiltinOperator, CODES[op.kind])
        for index, known in enumerate(self.codes):
            if known.builtinCode == code:
                return index
        entry = self.schema.OperatorCodeT()
        entry.builtinCode = code
        entry.deprecatedBuiltinCode = min(code, 127)
        entry.version = _INT8_VERSIONS.get(op.kind, 2) if self.quantized else 1
        self.codes.append(entry)
        return len(self.codes) - 1

    def options(self, op):
        schema = self.schema
        activation = {
            "none": schema.ActivationFunctionType.NONE,
            "relu": schema.ActivationFunctionType.RELU,
            "relu6": schema.ActivationFunctionType.RELU6,
        }[op.activation]
        if op.kind in ("conv2d", "depthwise_conv2d", "average_pool2d", "max_pool2d"):
            options = {
                "conv2d": schema.Conv2DOptionsT,
                "depthwise_conv2d": schema.DepthwiseConv2DOptionsT,
            }.get(op.kind, schema.Pool2DOptionsT)()
            options.padding = schema.Padding.SAME if op.padding == "same" else schema.Padding.VALID
            options.strideH, options.strideW = op.stride
            options.fusedActivationFunction = activation
            if op.pool:
                options.filterHeight, options.filterWidth = op.pool
            else:
                options.dilationHFactor = options.dilationWFactor = 1
            if op.kind == "depthwise_conv2d":
                channels = self.network.shapes[op.inputs[0]][-1]
                options.depthMultiplier = op.weights.shape[-1] // channels
            return options
        if op.kind in ("fully_connected", "add", "concatenate"):
            options = {
                "fully_connected": schema.FullyConnectedOptionsT,
                "add": schema.AddOptionsT,
                "concatenate": schema.ConcatenationOptionsT,
            }[op.kind]()
            options.fusedActivationFunction = activation
            if op.kind == "concatenate":
                options.axis = op.axis + 1
            return options
        if op.kind == "mean":
            options = schema.ReducerOptionsT()
            options.keepDims = op.keepdims
            return options
        if op.kind == "reshape":
            options = schema.ReshapeOptionsT()
            options.newShape = [1, *map(int, self.network.shapes[op.output])]
            return options
        if op.kind == "softmax":
            options = schema.SoftmaxOptionsT()
            options.beta = 1.0
            return options
        return schema.PadOptionsT() if op.kind == "pad" else None
