"""Sigmoid, tanh and softmax equal TensorFlow Lite Micro's to the last bit, for every input and any scale."""

import numpy as np
import pytest

from edgekit import tflite
from edgekit.network import Op
from edgekit.quantization import FIXED, Quantization, QuantizedNetwork, multiplier_and_shift, requantize

SCALES = [1e-4, 0.003, 1 / 64, 0.02, 0.047, 0.0625, 0.1, 0.37, 1.0, 3.0, 8.0, 15.9, 500.0]


def one_op(kind, size, scale, zero_point):
    tensors = {"x": Quantization(np.float32(scale), zero_point), "y": FIXED[kind]}
    shapes = {"x": (size,), "y": (size,)}
    return QuantizedNetwork(kind, "x", "y", shapes, (Op(kind, kind, ("x",), "y"),), tensors)


def micro(network, rows):
    from tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(tflite.to_bytes(network))
    outputs = []
    for row in rows:
        interpreter.set_input(row[None], 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    return np.concatenate(outputs)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("zero_point", [-128, -7, 0, 127])
@pytest.mark.parametrize("kind", ["sigmoid", "tanh"])
def test_a_table_is_bit_exact_at_every_input(kind, scale, zero_point):
    network = one_op(kind, 256, scale, zero_point)
    every = np.arange(-128, 128).astype(np.int8)[None]
    np.testing.assert_array_equal(network.run(every), micro(network, every))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("classes", [1, 2, 10, 300])
def test_softmax_is_bit_exact_at_random_inputs(classes, scale):
    network = one_op("softmax", classes, scale, 3)
    rows = np.random.default_rng(classes).integers(-128, 128, (40, classes)).astype(np.int8)
    rows[::4] //= 16  # near each other
    np.testing.assert_array_equal(network.run(rows), micro(network, rows))


def test_requantize_rounds_twice_and_halves_away_from_zero():
    multiplier, shift = multiplier_and_shift(0.25)
    assert requantize(np.array([-6, -2, 2, 6]), multiplier, shift).tolist() == [-2, -1, 1, 2]
    # 0.49999 would round to 0; the first rounding makes it 0.5, the second 1.
    assert requantize(1, 2**30 + 2**30 - 1, -1) == 1
