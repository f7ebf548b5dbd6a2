"""Random networks for hypothesis: every op, with unusual shapes, strides, paddings, scales and zero points.

They are made of `Op` and `Network` directly, without Keras, so that hundreds are drawn in seconds.
"""

import numpy as np
from hypothesis import HealthCheck, reject, settings
from hypothesis import strategies as st

from edgekit.calibration import Ranges, calibrate, inside
from edgekit.errors import InvalidValue
from edgekit.network import OPS, Network, Op, output_shape
from edgekit.quantization import quantize

MANY = settings(
    max_examples=500, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
ACTIVATIONS = st.sampled_from(["none", "relu", "relu6", "relu_n1_to_1"])
ONE_VALUE = ("sigmoid", "tanh", "relu", "relu6", "leaky_relu", "prelu", "abs", "elu", "hard_swish")
# TensorFlow Lite Micro lacks them in int8, or they need an input of their own: see test_activations.py.
APART = ("exp", "gelu", "log", "relu_0_to_1", "relu_n1_to_1", "rsqrt", "sqrt")
STRIDE = st.tuples(st.integers(1, 5), st.integers(1, 5))
DILATION = st.sampled_from([(1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (3, 2)])
WINDOWS = ("conv2d", "depthwise_conv2d", "transpose_conv2d", "average_pool2d", "max_pool2d")
REDUCTIONS = ("mean", "sum", "reduce_max", "reduce_min")
MOVES = ("strided_slice", "transpose", "gather", "mirror_pad", "pad_constant", "broadcast_to")
RESIZES = ("resize_nearest", "resize_bilinear")
IMAGE_OPS = (
    *(2 * ("conv2d", "depthwise_conv2d", "add", "concatenate", "average_pool2d", "max_pool2d", "pad", "mul")),
    *("sub", "maximum", "minimum", "squared_difference"),
    *("conv2d", "depthwise_conv2d", "softmax", "log_softmax", "reshape", "mean", "mean", "fully_connected"),
    *("transpose_conv2d", "transpose_conv2d", "sum", "reduce_max", "reduce_min"),
    *ONE_VALUE,
    *MOVES,
    *RESIZES,
    "batch_matmul",
    "lstm",
)
VECTOR_OPS = (
    *("fully_connected", "fully_connected", "add", "concatenate", "softmax", "log_softmax", "reshape"),
    *("mul", "sub", "maximum", "minimum", "squared_difference"),
    *("pad", "strided_slice", "gather", "mirror_pad"),
    *ONE_VALUE,
)
SEQUENCE_OPS = (*VECTOR_OPS, *REDUCTIONS, "lstm")  # on tensors of rank 1 and 2
TWO_INPUTS = ("add", "sub", "mul", "maximum", "minimum", "squared_difference")


class _Maker:
    """Draws ops one after the other; every tensor made so far may be read again, so that networks branch."""

    def __init__(self, draw):
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        rank = draw(st.sampled_from([3, 3, 3, 1]))
        shape = (*(draw(st.integers(1, 9)) for _ in range(rank - 1)), draw(st.integers(1, 12)))
        self.shapes, self.ops, self.constants = {"input": shape}, [], {}

    def op(self):
        draw, shapes = self.draw, self.shapes
        # Mostly the newest tensor, so that networks grow deep; sometimes an older one, so that they branch.
        names = [name for name in shapes if name not in self.constants]
        name = names[-1] if draw(st.integers(0, 3)) else draw(st.sampled_from(names))
        shape = shapes[name]
        kind = draw(st.sampled_from(IMAGE_OPS if len(shape) == 3 else SEQUENCE_OPS))
        if kind == "softmax" and shape[-1] >= 512:
            return  # Micro stops the process when the exponentials of so many values add up to 512
        if kind == "reshape" or (kind == "fully_connected" and len(shape) > 1):
            name = self.reshape(name)
            if kind == "reshape":
                return
        if kind == "lstm":
            if len(shape) == 1:
                return
            name = self.rows(name)
        inputs, options = (name,), {}
        if kind in WINDOWS:
            options = self.window(shape, kind)
        if kind == "conv2d":
            groups = draw(st.sampled_from([n for n in (1, 1, 1, 2, 3, 4) if shape[-1] % n == 0]))
            out = groups * draw(st.integers(1, 12 // groups))
            options |= self.weights((out, *options.pop("window"), shape[-1] // groups), 0)
        elif kind == "depthwise_conv2d":
            multiplier = draw(st.sampled_from([1, 1, 2, 3]))
            options |= self.weights((1, *options.pop("window"), shape[-1] * multiplier), -1)
        elif kind == "transpose_conv2d":
            options |= self.weights((draw(st.integers(1, 6)), *options["window"], shape[-1]), 0)
            options["output_size"] = self.reverse(shape[:2], options.pop("window"), **options)
        elif kind == "fully_connected":
            size = self.shapes[name][0]
            options = self.weights((draw(st.integers(1, 12)), size), 0)
        elif kind == "lstm":
            units, (_, size) = draw(st.integers(1, 7)), self.shapes[name]
            options = self.weights((4 * units, size + units), 0) | {
                "cell_clip": draw(st.sampled_from([0.0, 0.5, 10.0]))
            }
        elif kind in TWO_INPUTS:
            fits = [other for other in names if _fits(shapes[other], shape)]
            other = draw(st.sampled_from(fits)) if draw(st.integers(0, 2)) else self.constant(shape)
            inputs = (name, other)
            inputs = inputs[:: draw(st.sampled_from([1, -1]))]
        elif kind == "batch_matmul":
            alike = [other for other in names if shapes[other] == shape]
            inputs = (name, draw(st.sampled_from(alike)))
            options = {"transposed": draw(st.sampled_from([(False, True), (True, False)]))}
        elif kind == "concatenate":
            axis = draw(st.integers(0, len(shape) - 1))
            fits = [n for n in names if len(shapes[n]) == len(shape) and _but(shapes[n], axis) == _but(shape, axis)]
            inputs = (name, *draw(st.lists(st.sampled_from(fits), min_size=1, max_size=3)))
            options = {"axis": axis}
        elif kind == "pad":
            cells = st.integers(0, 2)
            options = {"paddings": tuple(draw(st.tuples(cells, cells)) for _ in shape)}
        elif kind in (*MOVES, *RESIZES):
            options = self.movement(kind, shape)
        elif kind == "leaky_relu":
            options = {"alpha": draw(st.sampled_from([0.01, 0.2, 1.5, 0.0, -0.5]))}
        elif kind == "prelu":
            inputs = (name, self.constant(shape))
        elif kind == "softmax":
            options = {"beta": draw(st.sampled_from([1.0, 1.0, 0.5, 3.0]))}
        elif kind in REDUCTIONS:
            axes = tuple(sorted(draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))))
            options = {"axes": axes, "keepdims": len(axes) == len(shape) or draw(st.booleans())}
        if "activation" in OPS[kind].options:
            options["activation"] = draw(ACTIVATIONS)
        self.add(Op(kind, f"{kind}_{len(self.ops)}", inputs, f"t{len(self.ops)}", **options))

    def reshape(self, name):
        shape = self.shapes[name]
        size = int(np.prod(shape))
        flat = len(shape) > 1
        sides = [n for n in (1, 2, 3, 4) if size % n == 0]
        to = (size,) if flat else (1, (n := self.draw(st.sampled_from(sides))), size // n)
        output = f"t{len(self.ops)}"
        self.shapes[output] = to
        self.ops.append(Op("reshape", f"reshape_{len(self.ops)}", (name,), output))
        return output

    def rows(self, name):
        """A tensor of rank 2 with the values of this one."""
        shape = self.shapes[name]
        if len(shape) == 2:
            return name
        output = f"t{len(self.ops)}"
        self.shapes[output] = (shape[0], int(np.prod(shape[1:])))
        self.ops.append(Op("reshape", f"reshape_{len(self.ops)}", (name,), output))
        return output

    def constant(self, shape):
        """A constant that fits a tensor: some of its axes, some of them with one value."""
        axes = self.draw(st.integers(0, len(shape)))
        shape = tuple(side if self.draw(st.booleans()) else 1 for side in shape[len(shape) - axes :])
        name = f"c{len(self.constants)}"
        values = self.random.normal(self.random.normal(), 10.0 ** self.random.uniform(-2, 1), shape)
        self.shapes[name], self.constants[name] = shape, np.asarray(values, np.float32)
        return name

    def window(self, shape, kind):
        draw, pooling = self.draw, kind.endswith("pool2d")
        padding = draw(st.sampled_from(["same", "valid"]))
        limit = shape[:2] if padding == "valid" and kind != "transpose_conv2d" else (5, 5)
        window = tuple(draw(st.integers(1, min(5, n))) for n in limit)
        options = {"pool" if pooling else "window": window, "stride": draw(STRIDE), "padding": padding}
        if not pooling and kind != "transpose_conv2d":
            dilation = draw(DILATION)
            fits = all((k - 1) * d + 1 <= n for k, d, n in zip(window, dilation, shape, strict=False))
            options["dilation"] = dilation if padding == "same" or fits else (1, 1)
        return options

    def reverse(self, size, window, *, stride, padding, **_):
        """A size from which a convolution comes to this one; with a stride there are several."""
        sides = []
        for n, k, s in zip(size, window, stride, strict=True):
            largest = n * s if padding == "same" else (n - 1) * s + k + s - 1
            sides.append(largest - self.draw(st.integers(0, s - 1)))
        return tuple(sides)

    def movement(self, kind, shape):
        """Options of an op that only moves values, or adds a border."""
        draw, cells = self.draw, st.integers(0, 2)
        if kind == "pad_constant":
            fill = draw(st.sampled_from([-3.0, 0.1, 0.5, 20.0]))
            return {"paddings": tuple(draw(st.tuples(cells, cells)) for _ in shape), "fill": fill}
        if kind == "mirror_pad":
            mode = draw(st.sampled_from(["reflect", "symmetric"]))
            most = [st.integers(0, min(2, n - (mode == "reflect"))) for n in shape]
            return {"paddings": tuple(draw(st.tuples(few, few)) for few in most), "mode": mode}
        if kind == "transpose":
            return {"perm": tuple(draw(st.permutations(range(len(shape)))))}
        if kind == "broadcast_to":
            return {"size": tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)}
        if kind == "gather":
            axis = draw(st.integers(0, len(shape) - 1))
            indices = st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=5)
            return {"indices": tuple(draw(indices)), "axis": axis}
        if kind in RESIZES:
            corners = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
            size = (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
            return {"size": size, "align_corners": corners[0], "half_pixel_centers": corners[1]}
        begin, size, steps = [], [], []
        for n in shape:
            step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
            begin.append(draw(st.integers(0, n - 1)))
            most = (n - 1 - begin[-1]) // step if step > 0 else begin[-1] // -step
            size.append(draw(st.integers(max(1, most), most + 1)))
            steps.append(step)
        return {"begin": tuple(begin), "size": tuple(size), "steps": tuple(steps)}

    def weights(self, shape, channel_axis):
        """Channels of very different size, some all zero, some biases far larger than what the weights can add."""
        out = shape[channel_axis]
        size = 10.0 ** self.random.uniform(-3, 1, out)
        size[self.random.random(out) < 0.1] = 0
        weights = self.random.normal(size=shape)
        weights *= size if channel_axis == -1 else size.reshape(-1, *(1,) * (len(shape) - 1))
        bias = self.random.normal(size=out) * 10.0 ** self.random.uniform(-2, 1)
        return {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}

    def add(self, op):
        shape = output_shape(op, [self.shapes[name] for name in op.inputs])
        if np.prod(shape) <= 4096:
            self.shapes[op.output] = shape
            self.ops.append(op)


def _fits(first, second):
    """Whether NumPy can broadcast two shapes."""
    return all(a == b or 1 in (a, b) for a, b in zip(first[::-1], second[::-1], strict=False))


def _but(shape, axis):
    return (*shape[:axis], *shape[axis + 1 :])


@st.composite
def float_networks(draw, max_ops=8):
    """A random `Network` of 1 to `max_ops` ops and a few more reshapes."""
    maker = _Maker(draw)
    for _ in range(draw(st.integers(1, max_ops))):
        maker.op()
    if not maker.ops:
        maker.add(
            Op("max_pool2d", "last", ("input",), "last", pool=(1, 1))
            if len(maker.shapes["input"]) == 3
            else Op("tanh", "last", ("input",), "last")
        )
    read = {name for op in maker.ops for name in op.inputs}
    constants = {name: values for name, values in maker.constants.items() if name in read}
    shapes = {name: shape for name, shape in maker.shapes.items() if name in constants or name not in maker.constants}
    return Network("random", "input", maker.ops[-1].output, shapes, tuple(maker.ops), constants=constants)


@st.composite
def ranges_of(draw, network):
    """Ranges as calibrated, mostly; otherwise of any size and place, so that values are cut off or lie in few steps."""
    if draw(st.integers(0, 2)):
        random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        size = 10.0 ** draw(st.floats(-2, 2))
        return calibrate(network, random.normal(0, size, (4, *network.shapes[network.input])))
    limits = {}
    for name in (*network.shapes, *(inside(op) for op in network.ops if OPS[op.kind].inside)):
        width = 10.0 ** draw(st.floats(-2, 2))
        place = draw(st.sampled_from([0.0, 0.0, 0.25, 0.5, 0.9, 1.0]))
        limits[name] = (-place * width, (1 - place) * width)
    return Ranges(limits, {}, "minmax")


@st.composite
def quantized_networks(draw, max_ops=8):
    """A random `QuantizedNetwork` and 3 random inputs for it."""
    network = draw(float_networks(max_ops))
    scheme = draw(st.sampled_from(["per_channel", "per_channel", "per_tensor", "naive"]))
    bits = draw(st.sampled_from([8, 8, 4, 2]))
    try:
        quantized = quantize(network, draw(ranges_of(network)), scheme, bits)
    except InvalidValue as error:
        if "shares a scale with its inputs" not in str(error):
            raise
        reject()  # rare, and tested by itself
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    q = random.integers(-128, 128, (3, *network.shapes[network.input])).astype(np.int8)
    q[0] = random.choice([-128, 127], q[0].shape)
    return quantized, q
