"""A network as plain data: named tensors and the ops between them, with batch normalization folded in.

This is the line TensorFlow does not cross. `from_keras` reads a Keras model; everything behind it is NumPy.

Layouts are TensorFlow Lite's. A tensor's shape has no batch and its channels are last. Weights are

    conv2d              (out, height, width, in)
    depthwise_conv2d    (1, height, width, out), where out = in * multiplier
    fully_connected     (out, in)
"""

from dataclasses import dataclass, field, replace

import numpy as np

from edgekit import _convolution

# What an op may be, and which of its options matter. A rescale changes only how int8 writes its values.
OPS = {
    "conv2d": ("stride", "padding", "activation"),
    "depthwise_conv2d": ("stride", "padding", "activation"),
    "fully_connected": ("activation",),
    "add": ("activation",),
    "concatenate": ("axis",),
    "average_pool2d": ("pool", "stride", "padding", "activation"),
    "max_pool2d": ("pool", "stride", "padding", "activation"),
    "mean": ("keepdims",),
    "pad": ("paddings",),
    "reshape": (),
    "rescale": (),
    "sigmoid": (),
    "tanh": (),
    "softmax": (),
}
WEIGHTED = ("conv2d", "depthwise_conv2d", "fully_connected")
# Ops whose output takes the scale and zero point of their input: they move or choose values, and compute none.
SAME_SCALE = ("average_pool2d", "max_pool2d", "concatenate", "pad", "reshape")
ACTIVATIONS = {"none": (-np.inf, np.inf), "relu": (0.0, np.inf), "relu6": (0.0, 6.0)}


@dataclass(frozen=True, eq=False)
class Op:
    """One step from named tensors to a named tensor.

    Attributes:
        kind: a key of `OPS`.
        name: the layer's name.
        inputs: names of the tensors it reads.
        output: name of the tensor it writes.
        weights: float32 in a `Network`, int8 in a `QuantizedNetwork`, None where the kind has none.
        bias: float32 or int32, shape (out,); None where the kind has none.
        weight_scales: float32, shape (out,) or (1,); only in a `QuantizedNetwork`.
        stride: (vertical, horizontal).
        padding: "same" or "valid".
        activation: a key of `ACTIVATIONS`, fused into this op.
        pool: (height, width) of a pooling window.
        paddings: ((top, bottom), (left, right)) of a pad op, filled with the real value 0.
        axis: of a concatenation, counted without the batch.
        keepdims: whether a mean over height and width keeps them as 1 x 1.
    """

    kind: str
    name: str
    inputs: tuple
    output: str
    weights: np.ndarray | None = None
    bias: np.ndarray | None = None
    weight_scales: np.ndarray | None = None
    stride: tuple = (1, 1)
    padding: str = "valid"
    activation: str = "none"
    pool: tuple | None = None
    paddings: tuple | None = None
    axis: int | None = None
    keepdims: bool = False

    @property
    def window(self):
        """(height, width) of the kernel or pooling window; None for other ops."""
        return self.pool if self.weights is None else self.weights.shape[1:3] if self.weights.ndim == 4 else None


@dataclass(frozen=True, eq=False)
class Network:
    """A float32 network: ops in topological order over named tensors.

    Attributes:
        name: the model's name.
        input, output: names of the tensors that go in and come out.
        shapes: dict from tensor name to shape, without the batch.
        ops: tuple of `Op`, each after those it reads from.
    """

    name: str
    input: str
    output: str
    shapes: dict = field(repr=False)
    ops: tuple = field(repr=False)

    def run(self, x):
        """The network's output for a batch.

        Args:
            x: float array of shape (N, *input shape); real values, as the Keras model takes them.

        Returns:
            float32 array of shape (N, *output shape).

        Raises:
            ValueError: x has another shape, or is not of floating point.
        """
        x = check_input(self, x)
        last = self.output
        if not len(x):
            return np.empty((0, *self.shapes[last]), np.float32)
        with _convolution.one_thread():
            return np.concatenate([tensors[last] for tensors in self.walk(x, keep=(last,))])

    def walk(self, x, batch_size=8, keep=None):
        """Every tensor of the network, a few images at a time.

        Args:
            x: float array of shape (N, *input shape).
            batch_size: images at a time; small batches stay in the processor's cache.
            keep: names of the tensors wanted; by default all. Others are let go as soon as no op reads them.

        Yields:
            dict from tensor name to float32 array (n, *shape), for each batch of n images in turn.
        """
        last_use = _last_use(self, keep)
        for start in range(0, len(x), batch_size):
            tensors = {self.input: np.ascontiguousarray(x[start : start + batch_size], np.float32)}
            for position, op in enumerate(self.ops):
                tensors[op.output] = run_op(op, [tensors[name] for name in op.inputs], self.shapes[op.output])
                for name in last_use.get(position, ()):
                    del tensors[name]
            yield tensors

    @property
    def macs(self):
        """Multiply-accumulates an inference takes: weights times the positions they are used at."""
        return sum(op_macs(op, self.shapes) for op in self.ops)

    @property
    def parameters(self):
        """Number of weights and biases, after folding."""
        return sum(op.weights.size + op.bias.size for op in self.ops if op.weights is not None)

    def summary(self):
        """A table with a line an op: name, kind, output shape, parameters, multiply-accumulates."""
        lines = [f"{'op':28} {'kind':18} {'output':>14} {'parameters':>10} {'MACs':>10}"]
        for op in self.ops:
            parameters = 0 if op.weights is None else op.weights.size + op.bias.size
            shape = "x".join(map(str, self.shapes[op.output]))
            kind = op.kind if op.activation == "none" else f"{op.kind}+{op.activation}"
            lines.append(f"{op.name:28.28} {kind:22.22} {shape:>10} {parameters:10,} {op_macs(op, self.shapes):10,}")
        lines.append(f"{len(self.ops)} ops, {self.parameters:,} parameters, {self.macs:,} multiply-accumulates")
        return "\n".join(lines)


def from_keras(model):
    """The same network as plain data, batch normalization folded and activations fused.

    Args:
        model: a built `keras.Model`, Sequential or functional, with one input and one output.

    Returns:
        A `Network` whose `run` agrees with ``model.predict`` to float32 rounding.

    Raises:
        ValueError: the model is not built, has several inputs or outputs, holds weights that are not numbers, or a
            layer that is not supported; the message names the layer and lists what is supported.
    """
    from edgekit._keras import read

    return read(model)


def check_input(network, x):
    """x as an array, if it is a batch of inputs of this network; otherwise a ValueError that says what was expected."""
    x = np.asarray(x)
    expected = network.shapes[network.input]
    if x.shape[1:] != tuple(expected) or x.ndim != len(expected) + 1:
        hint = "; add a batch dimension with x[None]" if x.shape == tuple(expected) else ""
        raise ValueError(
            f"{network.name!r} takes a batch of shape (N, {', '.join(map(str, expected))}), got {x.shape}{hint}"
        )
    if x.dtype == np.uint8:
        raise ValueError(
            f"{network.name!r} takes real values, got uint8 pixels: call edgekit.models.preprocess(images) first"
        )
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(f"{network.name!r} takes floating point values, got {x.dtype}")
    return x


def run_op(op, inputs, shape):
    """One op in float32.

    Args:
        op: an `Op` with float32 weights.
        inputs: list of float32 arrays (N, *shape).
        shape: the output's shape, without the batch.

    Returns:
        float32 array (N, *shape).
    """
    x = inputs[0]
    if op.kind in ("conv2d", "depthwise_conv2d"):
        x = _convolution.pad_for(x, op.window, op.stride, op.padding, 0.0)
        y = getattr(_convolution, op.kind)(x, op.weights, op.stride)
        y += op.bias
    elif op.kind == "fully_connected":
        y = x.reshape(len(x), -1) @ op.weights.T + op.bias
    elif op.kind == "add":
        y = inputs[0] + inputs[1]
    elif op.kind == "concatenate":
        y = np.concatenate(inputs, axis=op.axis + 1)
    elif op.kind == "max_pool2d":
        y = _convolution.max_pool2d(
            _convolution.pad_for(x, op.pool, op.stride, op.padding, -np.inf), op.pool, op.stride
        )
    elif op.kind == "average_pool2d":
        y = _convolution.sum_pool2d(_convolution.pad_for(x, op.pool, op.stride, op.padding, 0.0), op.pool, op.stride)
        y /= _convolution.valid_cells(x.shape[1:3], op.pool, op.stride, op.padding)[None, :, :, None]
    elif op.kind == "mean":
        y = x.mean(axis=(1, 2), dtype=np.float32, keepdims=op.keepdims)
    elif op.kind == "pad":
        y = np.pad(x, ((0, 0), *op.paddings, (0, 0)))
    elif op.kind == "reshape":
        y = x.reshape(len(x), *shape)
    elif op.kind == "rescale":
        y = x
    elif op.kind == "sigmoid":
        y = 0.5 + 0.5 * np.tanh(0.5 * x)  # 1 / (1 + exp(-x)), which would overflow
    elif op.kind == "tanh":
        y = np.tanh(x)
    elif op.kind == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        y = e / e.sum(axis=-1, keepdims=True)
    else:
        raise ValueError(f"{op.name!r} is a {op.kind}; an op is one of {', '.join(OPS)}")
    if op.activation != "none":
        np.clip(y, *ACTIVATIONS[op.activation], out=y)
    return np.asarray(y, np.float32)


def output_shape(op, shapes):
    """The shape an op gives, from those of its inputs (without the batch)."""
    shape = shapes[0]
    if op.kind == "fully_connected":
        return (len(op.weights),)
    if op.kind == "concatenate":
        axis = op.axis
        return (*shape[:axis], sum(other[axis] for other in shapes), *shape[axis + 1 :])
    if op.kind == "mean":
        return (1, 1, shape[-1]) if op.keepdims else (shape[-1],)
    if op.kind == "pad":
        (top, bottom), (left, right) = op.paddings
        return (shape[0] + top + bottom, shape[1] + left + right, shape[2])
    if op.window is not None:
        height, width = _convolution.output_size(shape[:2], op.window, op.stride, op.padding)
        channels = {"conv2d": 0, "depthwise_conv2d": -1}.get(op.kind)
        return (height, width, shape[2] if channels is None else op.weights.shape[channels])
    return tuple(shape)


def op_macs(op, shapes):
    """Multiply-accumulates of one op."""
    if op.kind == "conv2d":
        return int(np.prod(shapes[op.output][:2])) * op.weights.size
    if op.kind == "depthwise_conv2d":
        return int(np.prod(shapes[op.output])) * int(np.prod(op.window))
    return op.weights.size if op.kind == "fully_connected" else 0


def check_numbers(network):
    """Raise a ValueError if weights or biases are not numbers."""
    for op in network.ops:
        for what in ("weights", "bias"):
            values = getattr(op, what)
            if values is not None and not np.isfinite(values).all():
                raise ValueError(
                    f"the {what} of {op.name!r} hold values that are not numbers (NaN or infinity): "
                    "the model did not train; try a smaller learning rate"
                )


def with_ops(network, ops):
    """The network with other ops over the same tensors."""
    return replace(network, ops=tuple(ops))


def map_weights(network, change):
    """The network with other weights, to see what they do to it.

    Args:
        network: a `Network`.
        change: function from an `Op` with weights to the new ones, of the same shape.

    Returns:
        A `Network` in float32.

    Raises:
        ValueError: the new weights of an op have another shape, or are not numbers.

    Example:
        >>> rounded = map_weights(network, lambda op: np.round(op.weights))
    """
    ops = []
    for op in network.ops:
        if op.weights is not None:
            weights = np.asarray(change(op))
            if weights.shape != op.weights.shape or weights.dtype.kind not in "fiub":
                raise ValueError(
                    f"the new weights of {op.name!r} should be numbers of shape {op.weights.shape}, "
                    f"got {weights.dtype} of shape {weights.shape}"
                )
            if not np.isfinite(weights).all():
                raise ValueError(f"the new weights of {op.name!r} hold NaN or infinity")
            op = replace(op, weights=weights.astype(np.float32))
        ops.append(op)
    return with_ops(network, ops)


def _last_use(network, keep):
    """For each position in the ops, the tensors nobody wants after it."""
    if keep is None:
        return {}
    last = {}
    for position, op in enumerate(network.ops):
        for name in (*op.inputs, op.output):
            last[name] = position
    gone = {}
    for name, position in last.items():
        if name not in keep:
            gone.setdefault(position, []).append(name)
    return gone
