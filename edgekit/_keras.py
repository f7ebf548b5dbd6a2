"""Reading a Keras model into a `Network`: the only reader that knows Keras, and where batch normalization is folded.

Reading makes one op of each layer; three passes over the ops then do what a converter does: fold batch normalization
and explicit padding into convolutions, and fuse activations into the op before.
"""

from dataclasses import replace

import numpy as np

from edgekit import _convolution
from edgekit.network import Network, Op, check_numbers, output_shape

SUPPORTED = (
    "Conv2D, DepthwiseConv2D, Dense, BatchNormalization, ReLU (plain or at most 6), Activation (linear, relu, relu6, "
    "sigmoid, tanh, softmax), Softmax, Add, Concatenate (channels), AveragePooling2D, MaxPooling2D, "
    "GlobalAveragePooling2D, ZeroPadding2D, Flatten, Reshape, Dropout"
)


def read(model):
    """A `Network` from a built Keras model; see `edgekit.network.from_keras`."""
    reader = _Reader()
    model = _functional(model)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"a Network has one input and one output; {model.name!r} has {len(model.inputs)} and {len(model.outputs)}"
        )
    source = _shape(model.inputs[0].shape, model.name)
    name = reader.tensor(model.inputs[0].name, source)
    outputs = reader.read(model, [name])
    ops, shapes, output = list(reader.ops), reader.shapes, outputs[0]
    if not ops:
        raise ValueError(f"{model.name!r} computes nothing: its output is its input")
    for rewrite in (_fold_padding, _fold_batch_norm, _fuse_activations):
        ops, output = rewrite(ops, shapes, output)
    ops = [part for op in ops for part in _lower(op, shapes)]
    live = {name, *(op.output for op in ops)}
    network = Network(model.name, name, output, {t: s for t, s in shapes.items() if t in live}, tuple(ops))
    check_numbers(network)
    return network


class _Reader:
    """Ops, one a layer, still with batch normalization and activations of their own."""

    def __init__(self):
        self.ops = []
        self.shapes = {}

    def tensor(self, name, shape):
        unique, n = name, 1
        while unique in self.shapes:
            unique, n = f"{name}_{n}", n + 1
        self.shapes[unique] = shape
        return unique

    def add(self, kind, name, inputs, **options):
        activation = options.pop("then", "linear")
        op = Op(kind, name, tuple(inputs), "", **options)
        op = replace(op, output=self.tensor(name, output_shape(op, [self.shapes[i] for i in inputs])))
        self.ops.append(op)
        if activation != "linear":
            return self.add(activation, f"{name}_{activation}", [op.output])
        return op.output

    def read(self, model, inputs):
        """Read a functional model whose inputs are these tensors; its output tensors."""
        names = {id(tensor): name for tensor, name in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                sources = [names[id(tensor)] for tensor in node.arguments.keras_tensors]
                results = self.layer(node.operation, sources)
                names.update((id(t), name) for t, name in zip(node.output_tensors, results, strict=True))
        return [names[id(tensor)] for tensor in model.outputs]

    def layer(self, layer, inputs):
        kind = type(layer).__name__
        if kind in ("Functional", "Sequential") or hasattr(layer, "_nodes_by_depth"):
            return self.read(_functional(layer), inputs)
        method = getattr(self, f"_{kind.lower()}", None)
        if method is None:
            raise ValueError(f"layer {layer.name!r} is a {kind}, which is not supported; supported are {SUPPORTED}")
        result = method(layer, inputs)
        return [result]

    def _refuse(self, layer, what):
        raise ValueError(f"layer {layer.name!r} has {what}, which is not supported; supported are {SUPPORTED}")

    def _activation_of(self, layer):
        name = getattr(layer.activation, "__name__", str(layer.activation))
        if name not in ("linear", "relu", "relu6", "sigmoid", "tanh", "softmax"):
            self._refuse(layer, f"the activation {name}")
        return name

    def _window_options(self, layer, **expected):
        if layer.data_format != "channels_last":
            self._refuse(layer, f"data_format={layer.data_format!r}")
        for name, value in expected.items():
            got = getattr(layer, name, value)
            if got != value:
                self._refuse(layer, f"{name}={got}")
        return {"stride": tuple(layer.strides), "padding": layer.padding}

    def _bias(self, layer, weights, out):
        return np.asarray(weights[1] if layer.use_bias else np.zeros(out), np.float32)

    def _conv2d(self, layer, inputs):
        options = self._window_options(layer, dilation_rate=(1, 1), groups=1)
        weights = [np.asarray(w) for w in layer.get_weights()]
        kernel = np.ascontiguousarray(weights[0].transpose(3, 0, 1, 2))
        bias = self._bias(layer, weights, len(kernel))
        then = self._activation_of(layer)
        return self.add("conv2d", layer.name, inputs, weights=kernel, bias=bias, then=then, **options)

    def _depthwiseconv2d(self, layer, inputs):
        options = self._window_options(layer, dilation_rate=(1, 1))
        weights = [np.asarray(w) for w in layer.get_weights()]
        height, width, channels, multiplier = weights[0].shape
        kernel = weights[0].reshape(1, height, width, channels * multiplier)
        bias = self._bias(layer, weights, channels * multiplier)
        then = self._activation_of(layer)
        return self.add("depthwise_conv2d", layer.name, inputs, weights=kernel, bias=bias, then=then, **options)

    def _dense(self, layer, inputs):
        weights = [np.asarray(w) for w in layer.get_weights()]
        kernel = np.ascontiguousarray(weights[0].T)
        bias = self._bias(layer, weights, len(kernel))
        then = self._activation_of(layer)
        rank = len(self.shapes[inputs[0]])
        if rank == 3:  # Keras applies Dense to the last axis: on an image that is a 1 x 1 convolution.
            return self.add("conv2d", layer.name, inputs, weights=kernel[:, None, None], bias=bias, then=then)
        if rank != 1:
            self._refuse(layer, f"an input of shape {self.shapes[inputs[0]]}")
        return self.add("fully_connected", layer.name, inputs, weights=kernel, bias=bias, then=then)

    def _batchnormalization(self, layer, inputs):
        rank = len(self.shapes[inputs[0]])
        axis = layer.axis if isinstance(layer.axis, int) else layer.axis[0]
        if axis not in (-1, rank):
            self._refuse(layer, f"axis={axis}")
        mean, variance = (np.asarray(v, np.float64) for v in (layer.moving_mean, layer.moving_variance))
        gamma = np.asarray(layer.gamma, np.float64) if layer.scale else np.ones_like(mean)
        beta = np.asarray(layer.beta, np.float64) if layer.center else np.zeros_like(mean)
        factor = gamma / np.sqrt(variance + layer.epsilon)
        return self.add("batch_norm", layer.name, inputs, weights=factor, bias=beta - mean * factor)

    def _relu(self, layer, inputs):
        if layer.negative_slope or layer.threshold or layer.max_value not in (None, 6):
            self._refuse(
                layer,
                f"max_value={layer.max_value}, negative_slope={layer.negative_slope}, threshold={layer.threshold}",
            )
        return self.add("relu" if layer.max_value is None else "relu6", layer.name, inputs)

    def _activation(self, layer, inputs):
        name = self._activation_of(layer)
        return inputs[0] if name == "linear" else self.add(name, layer.name, inputs)

    def _softmax(self, layer, inputs):
        if layer.axis not in (-1, len(self.shapes[inputs[0]])):
            self._refuse(layer, f"axis={layer.axis}")
        return self.add("softmax", layer.name, inputs)

    def _add(self, layer, inputs):
        if len({self.shapes[name] for name in inputs}) != 1:
            self._refuse(layer, f"inputs of different shapes {[self.shapes[name] for name in inputs]}")
        total = inputs[0]
        for other in inputs[1:]:
            total = self.add("add", layer.name, [total, other])
        return total

    def _concatenate(self, layer, inputs):
        rank = len(self.shapes[inputs[0]])
        axis = layer.axis - 1 if layer.axis >= 0 else rank + layer.axis
        if not 0 <= axis < rank:
            self._refuse(layer, f"axis={layer.axis}")
        return self.add("concatenate", layer.name, inputs, axis=axis)

    def _averagepooling2d(self, layer, inputs):
        options = self._window_options(layer)
        return self.add("average_pool2d", layer.name, inputs, pool=tuple(layer.pool_size), **options)

    def _maxpooling2d(self, layer, inputs):
        options = self._window_options(layer)
        return self.add("max_pool2d", layer.name, inputs, pool=tuple(layer.pool_size), **options)

    def _globalaveragepooling2d(self, layer, inputs):
        if layer.data_format != "channels_last":
            self._refuse(layer, f"data_format={layer.data_format!r}")
        return self.add("mean", layer.name, inputs, keepdims=bool(layer.keepdims))

    def _zeropadding2d(self, layer, inputs):
        if layer.data_format != "channels_last":
            self._refuse(layer, f"data_format={layer.data_format!r}")
        return self.add("pad", layer.name, inputs, paddings=tuple(tuple(p) for p in layer.padding))

    def _reshape(self, layer, inputs):
        shape = _shape(layer.output.shape, layer.name)
        return self._reshaped(layer, inputs, shape)

    def _flatten(self, layer, inputs):
        return self._reshaped(layer, inputs, (int(np.prod(self.shapes[inputs[0]])),))

    def _reshaped(self, layer, inputs, shape):
        if shape == self.shapes[inputs[0]]:
            return inputs[0]
        op = Op("reshape", layer.name, tuple(inputs), self.tensor(layer.name, shape))
        self.ops.append(op)
        return op.output

    def _dropout(self, layer, inputs):
        return inputs[0]

    _spatialdropout2d = _dropout
    _inputlayer = _dropout


def _functional(model):
    if not getattr(model, "built", False):
        raise ValueError(f"{model.name!r} is not built: give it an Input layer, or call it once on data")
    graph = getattr(model, "_functional", None) or model
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(
            f"{model.name!r} is a {type(model).__name__}; a Sequential or functional Keras model is needed"
        )
    return graph


def _shape(shape, name):
    if any(size is None for size in shape[1:]):
        raise ValueError(f"{name!r} has the open shape {tuple(shape[1:])}: a microcontroller needs every size fixed")
    return tuple(int(size) for size in shape[1:])


def _readers(ops):
    readers = {}
    for op in ops:
        for name in op.inputs:
            readers.setdefault(name, []).append(op)
    return readers


def _merge(ops, output, absorb):
    """Let one op absorb the only reader of its output, wherever `absorb(op, reader)` gives the merged op."""
    ops = list(ops)
    position = 0
    while position < len(ops):
        op, readers = ops[position], _readers(ops).get(ops[position].output, [])
        merged = absorb(op, readers[0]) if len(readers) == 1 and op.output != output else None
        if merged is None:
            position += 1
            continue
        later = ops.index(readers[0])
        ops[later] = replace(merged, output=readers[0].output)
        del ops[position]
        position = max(0, position - 1)
    return ops, output


def _fold_padding(ops, shapes, output):
    """ZeroPadding2D before a VALID window is SAME padding, where the two agree; otherwise it stays an op."""

    def absorb(op, reader):
        if op.kind != "pad" or reader.kind not in ("conv2d", "depthwise_conv2d") or reader.padding != "valid":
            return None
        size = shapes[op.inputs[0]][:2]
        if _convolution.same_padding(size, reader.window, reader.stride) != op.paddings:
            return None
        return replace(reader, inputs=op.inputs, padding="same")

    return _merge(ops, output, absorb)


def _fold_batch_norm(ops, shapes, output):
    """Scale the weights and move the bias of the op before: Jacob et al. 2018, section 3.2."""

    def absorb(op, reader):
        if reader.kind != "batch_norm" or op.weights is None or op.kind == "batch_norm":
            return None
        factor = reader.weights
        shape = (1, 1, 1, -1) if op.kind == "depthwise_conv2d" else (-1,) + (1,) * (op.weights.ndim - 1)
        weights = op.weights.astype(np.float64) * factor.reshape(shape)
        bias = op.bias.astype(np.float64) * factor + reader.bias
        return replace(op, weights=weights.astype(np.float32), bias=bias.astype(np.float32))

    return _merge(ops, output, absorb)


def _fuse_activations(ops, shapes, output):
    """ReLU and ReLU6 become a clamp of the op before."""

    def absorb(op, reader):
        fusable = (*("conv2d", "depthwise_conv2d", "fully_connected", "add", "average_pool2d", "max_pool2d"),)
        if reader.kind not in ("relu", "relu6") or op.kind not in fusable or op.activation not in ("none", reader.kind):
            return None
        return replace(op, activation=reader.kind)

    return _merge(ops, output, absorb)


def _lower(op, shapes):
    """An activation or batch normalization with nothing to fuse into, as an op of the same meaning that int8 has.

    A clamp is a 1 x 1 max pooling with that activation: TensorFlow Lite Micro's own RELU6 op forgets to rescale. Batch
    normalization is a 1 x 1 depthwise convolution.
    """
    if op.kind not in ("relu", "relu6", "batch_norm"):
        return [op]
    if op.kind == "batch_norm":
        weights = op.weights.astype(np.float32).reshape(1, 1, 1, -1)
        image = replace(op, kind="depthwise_conv2d", weights=weights, bias=op.bias.astype(np.float32))
    else:
        image = replace(op, kind="max_pool2d", activation=op.kind, pool=(1, 1))
    shape = shapes[op.output]
    if len(shape) == 3:
        return [image]
    before, after = f"{op.output}_as_image", f"{op.output}_image"
    shapes[before] = shapes[after] = (1, int(np.prod(shape[:-1])), shape[-1])
    return [
        Op("reshape", f"{op.name}_as_image", op.inputs, before),
        replace(image, inputs=(before,), output=after),
        Op("reshape", op.name, (after,), op.output),
    ]
