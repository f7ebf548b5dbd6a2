"""For test cells of the XOR lesson: a network with other weights each time, made without TensorFlow.

from grader.for_tests import xor_network
another = xor_network.fresh()
"""

import numpy as np

from edgekit.network import Network, Op, Shape


def fresh() -> Network:
    """A float network like `edgekit.models.xor_mlp`, two inputs, 8 hidden units, one output, with random weights."""
    rng = np.random.default_rng()

    def dense(name: str, source: str, inputs: int, outputs: int) -> Op:
        weights = rng.normal(0, 1, (outputs, inputs)).astype(np.float32)
        return Op("fully_connected", name, (source,), name, weights, rng.normal(0, 1, outputs).astype(np.float32))

    ops = (
        dense("hidden", "inputs", 2, 8),
        Op("tanh", "hidden_tanh", ("hidden",), "hidden_tanh"),
        dense("sum", "hidden_tanh", 8, 1),
        Op("sigmoid", "output", ("sum",), "output"),
    )
    shapes: dict[str, Shape] = {"inputs": (2,), "hidden": (8,), "hidden_tanh": (8,), "sum": (1,), "output": (1,)}
    return Network("xormodel", ("inputs",), ("output",), shapes, ops)
