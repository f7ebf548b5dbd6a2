"""For test cells of the XOR lesson: a network with other weights each time, and what a student's weights compute.

from grader.for_tests import xor_network
another = xor_network.fresh()
expected = xor_network.outputs(model.get_weights(), rows)
"""

import json
from typing import Any

import numpy as np

from edgekit.network import Network, Op, Shape
from grader.for_tests import answers


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


def outputs(weights: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The outputs (n, 1) of the lesson's network for rows (n, 2), from its four arrays of weights, without Keras."""
    if not isinstance(weights, list) or len(weights) != 4:
        raise answers.WrongAnswer("the model should have four arrays of weights")
    shapes = ((2, 8), (8,), (8, 1), (1,))
    first, first_bias, second, second_bias = (
        answers.numbers(array, shape, "the model's weights") for array, shape in zip(weights, shapes, strict=True)
    )
    sums = np.tanh(rows @ first + first_bias) @ second + second_bias
    return 1 / (1 + np.exp(-np.clip(sums, -600, None)))  # below, the exponential would overflow


def layers(model: Any) -> list[dict]:
    """The layers of a student's Keras model but its Input, as its own description has them: class_name and config."""
    try:
        text = model.to_json()
        described = json.loads(text)["config"]["layers"]
        found = [{"class_name": str(each["class_name"]), "config": dict(each["config"])} for each in described]
    except (AttributeError, TypeError, KeyError, ValueError):
        raise answers.WrongAnswer("model should be a Keras model") from None
    return [each for each in found if each["class_name"] != "InputLayer"]
