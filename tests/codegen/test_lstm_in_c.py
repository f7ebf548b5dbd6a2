"""The C of an LSTM equals `edgekit.quantization.lstm`, also where its output replaces its input in memory."""

import ctypes
import subprocess

import numpy as np
import pytest
from conftest import require
from test_codegen import compiled, poisoned

from edgekit import calibration, codegen, quantization
from edgekit.codegen.compiled import KERNELS
from edgekit.network import Network, Op
from edgekit.quantization import lstm

EVERY = np.arange(-(2**15), 2**15).astype(np.int32)


def test_sigmoid_and_tanh_of_every_int16_are_bit_exact_in_c(tmp_path):
    (tmp_path / "every.c").write_text(
        f'#include "{KERNELS / "int8" / "lstm.h"}"\n'
        "void every(const int32_t *x, int32_t bits, int32_t *y) {\n"
        "for (int i = 0; i < 65536; i++) y[i] = bits ? tanh_int16(x[i], bits) : sigmoid_int16(x[i]); }\n"
    )
    library = tmp_path / "every.so"
    subprocess.run([require("gcc"), "-w", "-shared", "-fPIC", tmp_path / "every.c", "-o", library], check=True)
    every = ctypes.CDLL(str(library)).every
    for bits in (0, *range(lstm.LEAST_BITS, lstm.MOST_BITS + 1)):
        y = np.empty_like(EVERY)
        every(EVERY.ctypes.data_as(ctypes.c_void_p), bits, y.ctypes.data_as(ctypes.c_void_p))
        x = EVERY.astype(np.int64)
        np.testing.assert_array_equal(y, lstm.tanh(x, bits) if bits else lstm.sigmoid(x), f"{bits} bits")


@pytest.mark.parametrize(("inputs", "units"), [(3, 8), (6, 6), (9, 2)])
def test_an_lstm_is_bit_exact_in_c_where_its_output_replaces_its_input(inputs, units, tmp_path):
    random = np.random.default_rng(0)
    weights = random.normal(size=(4 * units, inputs + units)).astype(np.float32)
    op = Op("lstm", "memory", ("x",), "y", weights, random.normal(size=4 * units).astype(np.float32), cell_clip=0.9)
    net = Network("net", "x", "y", {"x": (5, inputs), "y": (5, units)}, (op,))
    x = random.normal(size=(20, 5, inputs)).astype(np.float32)
    int8 = quantization.quantize(net, calibration.calibrate(net, x))
    q = int8.quantize_input(x)
    np.testing.assert_array_equal(poisoned(int8, tmp_path)(q), int8.run(q))
    np.testing.assert_allclose(compiled(net, tmp_path)(x), net.run(x), rtol=1e-4, atol=1e-5)
    arena = codegen.compile_network(int8, "net").arena
    scratch = 2 * (inputs + 2 * units)
    assert arena.size - scratch < 5 * (inputs + units)  # they share some memory


def test_the_table_in_a_kernel_keeps_its_name(tmp_path):
    """Also where an op or a tensor is called the same."""
    weights, bias = np.ones((4, 3), np.float32), np.zeros(4, np.float32)
    ops = (
        Op("sigmoid", "sigmoid", ("x",), "sigmoid_of_24ths"),
        Op("lstm", "sigmoid_of_24ths", ("sigmoid_of_24ths",), "sigmoid_of_24ths_lstm", weights, bias),
    )
    shapes = {"x": (3, 2), "sigmoid_of_24ths": (3, 2), "sigmoid_of_24ths_lstm": (3, 1)}
    net = Network("net", "x", "sigmoid_of_24ths_lstm", shapes, ops)
    x = np.random.default_rng(0).normal(size=(4, 3, 2)).astype(np.float32)
    int8 = quantization.quantize(net, calibration.calibrate(net, x))
    q = int8.quantize_input(x)
    np.testing.assert_array_equal(compiled(int8, tmp_path)(q), int8.run(q))
