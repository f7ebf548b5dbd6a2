"""A small network around one op of each kind, for tests that no kind may miss."""

import numpy as np

from edgekit.network import OPS, Network, Op, output_shape

SIDE, CHANNELS = 6, 4


def weights(random, *shape, out):
    return {
        "weights": random.normal(size=shape).astype(np.float32),
        "bias": random.normal(size=out).astype(np.float32),
    }


def options(kind, random):
    """Options for an op on images (6, 6, 4); a kind that needs some and is not here fails by its name."""
    window = {"stride": (2, 1), "padding": "same"}
    given = {
        "conv2d": lambda: weights(random, 5, 3, 2, CHANNELS, out=5) | window,
        "depthwise_conv2d": lambda: weights(random, 1, 3, 2, 2 * CHANNELS, out=2 * CHANNELS) | window,
        "fully_connected": lambda: weights(random, 5, SIDE * SIDE * CHANNELS, out=5),
        "transpose_conv2d": lambda: weights(random, 5, 3, 2, CHANNELS, out=5) | window | {"output_size": (11, 6)},
        "lstm": lambda: weights(random, 4 * 5, SIDE * CHANNELS + 5, out=4 * 5) | {"cell_clip": 0.8},
        "average_pool2d": lambda: {"pool": (3, 2)} | window,
        "max_pool2d": lambda: {"pool": (3, 2)} | window,
        "concatenate": lambda: {"axis": 2},
        "leaky_relu": lambda: {"alpha": 0.2},
        "gelu": lambda: {"approximate": True},
        "softmax": lambda: {"beta": 2.0},
        "pad": lambda: {"paddings": ((1, 0), (2, 1), (0, 1))},
        "pad_constant": lambda: {"paddings": ((1, 0), (2, 1), (0, 1)), "fill": 0.7},
        "mirror_pad": lambda: {"paddings": ((1, 0), (2, 1), (0, 1)), "mode": "reflect"},
        "strided_slice": lambda: {"begin": (1, 5, 0), "size": (2, 3, 4), "steps": (3, -2, 1)},
        "transpose": lambda: {"perm": (2, 0, 1)},
        "broadcast_to": lambda: {"size": (2, SIDE, SIDE, CHANNELS)},
        "gather": lambda: {"indices": (4, 0, 0, 1), "axis": 1},
        "resize_bilinear": lambda: {"size": (9, 4), "half_pixel_centers": True},
        "batch_matmul": lambda: {"transposed": (False, True)},
        "resize_nearest": lambda: {"size": (9, 4), "half_pixel_centers": True},
    }
    given |= {kind: lambda: {"axes": (0, 2)} for kind in ("mean", "sum", "reduce_max", "reduce_min")}
    needed = set(OPS[kind].options) - {"activation", "keepdims", "align_corners"}
    assert kind in given or not needed, f"tests/one_of_each.py: say which {', '.join(sorted(needed))} a {kind} gets"
    return given[kind]() if kind in given else {}


def network(kind, seed=0, **changes):
    """A network with one op of this kind, which reads tensors with ranges of their own; `changes` are options of it.

    Returns:
        (network, inputs): inputs float32 (64, 6, 6, 4).
    """
    random = np.random.default_rng(seed)
    shapes, ops = {"x": (SIDE, SIDE, CHANNELS)}, []
    sources = []
    for position, size in enumerate((0.2, 1.0)[: OPS[kind].inputs or 2]):
        name = f"source_{position}"
        convolution = weights(random, CHANNELS, 1, 1, CHANNELS, out=CHANNELS)
        convolution = {what: (size * values).astype(np.float32) for what, values in convolution.items()}
        ops.append(Op("conv2d", f"{name}_layer", ("x",), name, **convolution))
        shapes[name] = (SIDE, SIDE, CHANNELS)
        sources.append(name)
    if kind == "fully_connected":
        shapes["row"] = (SIDE * SIDE * CHANNELS,)
        ops.append(Op("reshape", "as_row", (sources[0],), "row"))
        sources = ["row"]
    if kind == "lstm":
        shapes["rows"] = (SIDE, SIDE * CHANNELS)
        ops.append(Op("reshape", "as_rows", (sources[0],), "rows"))
        sources = ["rows"]
    if kind == "mul":  # one factor for each channel, as in squeeze and excite
        ops.append(Op("mean", "squeeze", (sources[1],), "factors", keepdims=True))
        shapes["factors"] = (1, 1, CHANNELS)
        sources[1] = "factors"
    if kind in ("log", "sqrt", "rsqrt"):  # of values above 0
        ops.append(Op("sigmoid", "positive_layer", (sources[0],), "positive"))
        shapes["positive"] = shapes[sources[0]]
        sources = ["positive"]
    constants = {}
    if kind in ("sub", "prelu"):
        shape = (1, CHANNELS) if kind == "sub" else (SIDE, 1, CHANNELS)
        constants["known"] = random.normal(size=shape).astype(np.float32)
        shapes["known"] = shape
        sources = [sources[0], "known"]
        ops = ops[:1]
        del shapes["source_1"]
    op = Op(kind, "the_op", tuple(sources), "y", **options(kind, random) | changes)
    shapes["y"] = (SIDE * SIDE * CHANNELS,) if kind == "reshape" else output_shape(op, [shapes[n] for n in sources])
    inputs = random.normal(size=(64, SIDE, SIDE, CHANNELS)).astype(np.float32)
    return Network(kind, "x", "y", shapes, (*ops, op), constants=constants), inputs
