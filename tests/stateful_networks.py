"""Networks that keep states from one inference to the next, for tests."""

import numpy as np

from edgekit import calibration, quantization
from edgekit.network import Network, Op


def streaming():
    """Two convolutions over time; each keeps the frames that it needs again, as wake word networks do."""
    random = np.random.default_rng(0)

    def weights(*shape):
        return {"weights": random.normal(size=shape).astype(np.float32) / 2, "bias": random.normal(size=shape[0])}

    def joined(name, state, new):
        return Op("concatenate", f"{name}_all", (state, new), f"{name}_all", axis=0)

    def kept(name, channels):
        cut = {"begin": (1, 0, 0), "size": (2, 1, channels), "steps": (1, 1, 1)}
        return Op("strided_slice", f"{name}_kept", (f"{name}_all",), f"{name}_kept", **cut)

    ops = (
        joined("first", "first", "x"),
        kept("first", 4),
        Op("conv2d", "conv", ("first_all",), "h", padding="valid", activation="relu", **weights(6, 3, 1, 4)),
        joined("second", "second", "h"),
        kept("second", 6),
        Op("conv2d", "head", ("second_all",), "z", padding="valid", **weights(3, 3, 1, 6)),
        Op("sigmoid", "y", ("z",), "y"),
    )
    ops = tuple(op if op.bias is None else Op(**{**vars(op), "bias": op.bias.astype(np.float32)}) for op in ops)
    shapes = {"x": (1, 1, 4), "first": (2, 1, 4), "second": (2, 1, 6), "h": (1, 1, 6), "z": (1, 1, 3), "y": (1, 1, 3)}
    shapes |= {"first_all": (3, 1, 4), "first_kept": (2, 1, 4), "second_all": (3, 1, 6), "second_kept": (2, 1, 6)}
    return Network("streaming", "x", "y", shapes, ops, states={"first": "first_kept", "second": "second_kept"})


def delays():
    """States that keep an input, another state, and an output; one is an output itself, in another shape."""
    weights = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    ops = (
        Op("add", "sum", ("x", "two"), "sum"),
        Op("concatenate", "all", ("sum", "last"), "all", axis=0),
        Op("fully_connected", "dense", ("all",), "z", weights=weights, bias=np.zeros(4, np.float32)),
        Op("sigmoid", "y", ("z",), "y"),
        Op("reshape", "old", ("last",), "old"),
    )
    shapes = dict.fromkeys(("x", "one", "two", "last", "sum", "z", "y"), (4,)) | {"all": (8,), "old": (2, 2)}
    return Network("delays", "x", ("y", "old"), shapes, ops, states={"one": "x", "two": "one", "last": "y"})


def gates():
    """States whose places in memory are easily confused: each is kept, read or given away at another time."""
    weights = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    ops = (
        Op("fully_connected", "dense", ("x",), "z", weights=weights, bias=np.zeros(4, np.float32)),
        Op("add", "a", ("x", "in place"), "a"),  # after z is computed, and before y, which is kept
        Op("sigmoid", "y", ("z",), "y"),
        Op("sub", "b", ("a", "output"), "b"),
        Op("sub", "c", ("b", "one"), "c"),
        Op("add", "d", ("c", "same"), "d"),
        Op("tanh", "u", ("d",), "u"),
        Op("mul", "t", ("u", "y"), "t"),
        Op("add", "e", ("t", "late"), "e"),  # after the values that are kept are computed
    )
    states = {"in place": "y", "output": "u", "one": "t", "same": "t", "late": "b"}
    shapes = dict.fromkeys(("x", *states, *(op.output for op in ops)), (4,))
    return Network("gates", "x", ("u", "e"), shapes, ops, states=states)


def wide():
    """A sigmoid that could replace its input in memory, if its output were not kept in the place of a state."""
    weights = np.random.default_rng(0).normal(size=(512, 4)).astype(np.float32)
    ops = (
        Op("fully_connected", "dense", ("x",), "z", weights=weights, bias=np.zeros(512, np.float32)),
        Op("reduce_max", "max", ("state",), "largest", axes=(0,), keepdims=True),
        Op("sigmoid", "y", ("z",), "y"),
        Op("add", "out", ("largest", "x"), "out"),
    )
    shapes = {"x": (4,), "z": (512,), "state": (512,), "largest": (1,), "y": (512,), "out": (4,)}
    return Network("wide", "x", "out", shapes, ops, states={"state": "y"})


NETWORKS = {"streaming": streaming, "delays": delays, "gates": gates, "wide": wide}


def sequence(net, n=20):
    """Real inputs of a network, in order."""
    return np.random.default_rng(1).uniform(-1, 1, (n, *net.shapes[net.input])).astype(np.float32)


def quantized(net):
    return quantization.quantize(net, calibration.calibrate(net, sequence(net)))
