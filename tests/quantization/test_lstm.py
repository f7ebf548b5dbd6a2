"""An LSTM in int8 equals TensorFlow Lite Micro's, and what int8 cannot compute is refused."""

from dataclasses import replace

import numpy as np
import pytest
from edited import edited, schema, steps
from reference import differences, micro

from edgekit import calibration, codegen, quantization, tflite
from edgekit.codegen.compiled import KERNELS
from edgekit.network import Network, Op, map_weights
from edgekit.quantization import Quantization, QuantizedNetwork, lstm, noise


def network(steps=7, inputs=5, units=6, size=0.5, clip=0.0, seed=0):
    """An LSTM, and inputs for it (40, steps, inputs)."""
    random = np.random.default_rng(seed)
    weights = (size * random.normal(size=(4 * units, inputs + units))).astype(np.float32)
    bias = random.normal(size=4 * units).astype(np.float32)
    op = Op("lstm", "memory", ("x",), "y", weights, bias, cell_clip=clip)
    shapes = {"x": (steps, inputs), "y": (steps, units)}
    return Network("net", "x", "y", shapes, (op,)), random.normal(size=(40, steps, inputs)).astype(np.float32)


def quantized(net, x, *options):
    return quantization.quantize(net, calibration.calibrate(net, x), *options)


def counter(bits, steps=60):
    """A cell that adds 1 at each step in steps of 2^-bits, and forgets nothing: it reaches the ends of its int16."""
    ones = np.zeros((4, 2), np.int8)
    ones[2, 0] = 127
    op = Op("lstm", "memory", ("x",), "y", ones, np.array([10**6, 10**6, 0, 10**6], np.int32))
    op = replace(op, weight_scales=np.full(8, 0.05, np.float32), inner_bits=bits)
    tensors = {"x": Quantization(np.float32(0.01), -3), "y": Quantization(np.float32(0.0079), 4)}
    return QuantizedNetwork("counter", "x", "y", {"x": (steps, 1), "y": (steps, 1)}, (op,), tensors)


@pytest.mark.parametrize("options", [{}, {"size": 8.0}, {"clip": 0.3}, {"steps": 1}, {"inputs": 1, "units": 1}])
def test_an_lstm_is_near_float_and_bit_exact_with_micro(options):
    net, x = network(**options)
    for scheme, bits in (("per_channel", 8), ("per_tensor", 4), ("naive", 8)):
        int8 = quantized(net, x, scheme, bits)
        assert differences(int8, int8.quantize_input(2 * x)) == {"y": (0, 0)}
    if "size" not in options:  # large weights: each of the two sums of a gate ends at -8 and 8
        assert np.abs(quantized(net, x).predict(x) - net.run(x)).max() < 0.06 * np.ptp(net.run(x))


@pytest.mark.parametrize("bits", [1, 5, 11, 12, 13, 16, 24])
def test_cells_at_the_ends_of_their_int16_are_bit_exact_with_micro(bits):
    net = counter(bits)
    q = np.random.default_rng(0).integers(-128, 128, (8, *net.shapes["x"])).astype(np.int8)
    q[0], q[1] = 127, -128
    ours = net.run(q)
    np.testing.assert_array_equal(ours, micro(tflite.to_bytes(net), q))
    assert len(np.unique(ours)) > 3 or bits in (1, 24)  # steps of 1/2, which is too coarse, and a range of 1/512


@pytest.mark.parametrize(("kind", "bits"), [("sigmoid", 12), ("tanh", 12), ("tanh", 9), ("tanh", 15)])
def test_sigmoid_and_tanh_of_every_int16_are_bit_exact_with_micro(kind, bits):
    """Micro's ops of int16, which it also uses inside an LSTM."""
    every = np.arange(-(2**15), 2**15).astype(np.int16)
    shapes = {"x": every.shape, "y": every.shape}

    def change(model, graph):
        for place, exponent in enumerate((bits, 15)):
            graph.tensors[place].type = schema.TensorType.INT16
            graph.tensors[place].quantization = steps(2.0**-exponent, 0)

    data = edited(tflite.to_bytes(Network("n", "x", "y", shapes, (Op(kind, "f", ("x",), "y"),))), change)
    x = every.astype(np.int64)
    ours = lstm.sigmoid(x) if kind == "sigmoid" else lstm.tanh(x, bits)
    np.testing.assert_array_equal(ours, micro(data, every[None])[0])


def test_the_table_in_c_is_that_in_python():
    text = (KERNELS / "int8" / "lstm.h").read_text().partition("sigmoid_of_24ths[256] = {")[2].partition("}")[0]
    assert list(map(int, text.split(","))) == lstm.TABLE.tolist()


def test_an_lstm_is_bit_exact_at_rounding_ties():
    """Scales are multiplied in float64; with these ones a product in float32 would round to another gate."""
    found = 0
    for scale, sums in _ties(np.float32(0.0234567)):
        bias = np.array([10**6, 0, sums, 10**6], np.int32)
        op = Op("lstm", "memory", ("x",), "y", np.zeros((4, 2), np.int8), bias, np.full(8, scale), inner_bits=15)
        tensors = {"x": Quantization(np.float32(0.0234567), 0), "y": Quantization(np.float32(2.0**-12.7), 0)}
        net = QuantizedNetwork("ties", "x", "y", {"x": (1, 1), "y": (1, 1)}, (op,), tensors)
        q = np.zeros((1, 1, 1), np.int8)
        np.testing.assert_array_equal(net.run(q), micro(tflite.to_bytes(net), q))
        found += 1
    assert found > 2


def _ties(s_in):
    """Weight scales, and a sum for each that float64 and float32 round to different steps of a gate."""
    random, sums = np.random.default_rng(1), np.arange(-1700, 1700)
    for scale in random.uniform(0.0005, 0.001, 1000).astype(np.float32):
        pairs = [
            quantization.formulas.multiplier_and_shift(4096 * d)
            for d in (float(s_in) * float(scale), float(s_in * scale))
        ]
        if pairs[0] != pairs[1]:
            exact, other = (quantization.formulas.requantize(sums, *pair) for pair in pairs)
            for index in np.flatnonzero(exact != other)[:1]:
                yield scale, sums[index]


def test_every_input_begins_with_an_empty_cell():
    """Micro goes on with the cell of the input before, unless it is reset."""
    net, x = network()
    np.testing.assert_allclose(net.run(x)[7:8], net.run(x[7:8]), atol=1e-6)
    int8 = quantized(net, x)
    q = int8.quantize_input(x)
    np.testing.assert_array_equal(int8.run(q)[7:8], int8.run(q[7:8]))


def test_the_tflm_engine_resets_the_interpreter_before_each_inference(tmp_path):
    for net, resets in (
        (network()[0], True),
        (Network("t", "x", "y", {"x": (2,), "y": (2,)}, (Op("tanh", "t", ("x",), "y"),)), False),
    ):
        _, source = codegen.export(net, "net", tmp_path, engine="tflm")
        assert ("interpreter->Reset()" in source.read_text()) == resets
        assert ("AddUnidirectionalSequenceLSTM()" in source.read_text()) == resets


def test_the_cell_gets_the_power_of_two_that_covers_its_calibrated_range():
    net, x = network()
    ranges = calibration.calibrate(net, x)
    name = calibration.inside(net.ops[0])
    for largest, bits in ((0.2, 15), (1.0, 15), (1.1, 14), (3.9, 13), (16.0, 11), (10.0**6, 1)):
        ranges.limits[name] = (-largest, 0.1)
        assert quantization.quantize(net, ranges).ops[0].inner_bits == bits
    for observer in calibration.OBSERVERS:
        low, high = calibration.calibrate(net, x, observer)[name]
        assert low < -0.4
        assert high > 0.4


def test_the_noise_of_an_lstms_weights_is_that_of_its_eight_matrices():
    net, x = network()
    (fine,) = noise.per_layer(net, quantized(net, x), x[:2]).rows
    (coarse,) = noise.per_layer(net, quantized(net, x, "per_tensor", 3), x[:2]).rows
    assert fine[2] > 35 > 15 > coarse[2] > 5


def test_what_int8_cannot_compute_is_refused():
    net, x = network()
    ranges = calibration.calibrate(net, x)
    del ranges.limits[calibration.inside(net.ops[0])]
    with pytest.raises(ValueError, match=r"another network: the tensors y \(inside\) were not calibrated"):
        quantization.quantize(net, ranges)
    with pytest.raises(ValueError, match=r"int8 cannot compute 'memory': the sums of a gate may be 2\^18 or more"):
        quantized(map_weights(net, lambda op: op.weights * 1e5), x)
    int8 = quantized(net, x)
    with pytest.raises(ValueError, match=r"^assemble takes no numbers for 'memory', an lstm"):
        quantization.assemble(net, int8.quantization, {})
    with pytest.raises(ValueError, match=r"^'memory' is an lstm, whose steps explain does not show"):
        quantization.explain(int8, "memory", int8.quantize_input(x)[0])
