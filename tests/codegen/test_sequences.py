"""A network that keeps states computes the same sequence everywhere: in Python, Micro, C, on both cores, in a file."""

import ctypes
import subprocess

import numpy as np
import published
import pytest
from conftest import require
from reference import describe, differences, litert, micro
from stateful_networks import NETWORKS, delays, gates, quantized, sequence, streaming
from test_codegen import compiled, poisoned

from edgekit import codegen, firmware, tflite
from edgekit.codegen import tflm
from edgekit.cost import emulator
from edgekit.network import Session


def listed(results):
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_sequences_are_bit_exact_in_c_in_micro_on_the_emulated_cores_and_after_writing(make, tmp_path):
    net = quantized(make())
    q = net.quantize_input(sequence(net))
    expected = listed(net.run(q))
    assert len(np.unique(expected[0], axis=0)) > 5
    for run in (compiled(net, tmp_path), poisoned(net, tmp_path)):
        for ours, theirs in zip(listed(run(q)), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert not describe(net, differences(net, q))
    again = tflite.from_bytes(tflite.to_bytes(net))
    assert again.states == net.states
    for ours, theirs in zip(listed(again.run(q)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for core in ("lx106", "dc232b")[: 2 * (make is streaming)]:
        for position, row in enumerate(emulator.infer(net, q[:3], core=core).outputs):
            np.testing.assert_array_equal(row, np.concatenate([values[position].ravel() for values in expected]))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_sequences_in_float_are_near_in_c_in_both_runtimes_and_after_writing(make, tmp_path):
    net = make()
    x, data = sequence(net), tflite.to_bytes(net)
    expected = listed(net.run(x))
    for ours, theirs in zip(listed(compiled(net, tmp_path)(x)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for ours, theirs in zip(listed(tflite.from_bytes(data).run(x)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for runtime in (micro, litert):
        np.testing.assert_allclose(runtime(data, x), expected[0], atol=1e-5)


def test_a_published_wake_word_network_is_bit_exact_everywhere_and_after_a_reset(tmp_path):
    data = published.read("mww_v2_vad.tflite")
    net = tflite.from_bytes(data)
    q = np.random.default_rng(3).integers(-128, 128, (20, 3, 40)).astype(np.int8)
    expected = net.run(q)
    assert (micro(data, q).astype(int) - 128 == expected).all()  # in the file, the output is uint8
    assert not describe(net, differences(net, q))
    np.testing.assert_array_equal(compiled(net, tmp_path)(q), expected)
    np.testing.assert_array_equal(tflite.from_bytes(tflite.to_bytes(net)).run(q), expected)
    for core in ("lx106", "dc232b"):
        np.testing.assert_array_equal(emulator.infer(net, q[:2], core=core).outputs, expected[:2])
    session = Session(net)
    np.testing.assert_array_equal(np.concatenate([session.run(q[:7]), session.run(q[7:])]), expected)
    session.reset()
    np.testing.assert_array_equal(session.run(q), expected)


def test_micro_and_c_forget_a_sequence_at_a_reset_as_a_session_does(tmp_path):
    from tflite_micro import runtime

    net = quantized(streaming())
    q = net.quantize_input(sequence(net))
    session, interpreter = Session(net), runtime.Interpreter.from_bytes(tflite.to_bytes(net))
    _, source = codegen.export(net, "net", tmp_path)
    library = tmp_path / "library.so"
    subprocess.run([require("gcc"), "-x", "c", "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
    c = ctypes.CDLL(str(library))
    for end in ("input", "output"):
        getattr(c, f"net_{end}").restype = ctypes.POINTER(ctypes.c_int8)
    assert c.net_invoke() != 0  # before net_init, the states have no values
    assert c.net_init() == 0
    for part in (q[:6], q[3:12]):
        for row in part:
            interpreter.set_input(row[None], 0)
            interpreter.invoke()
            np.ctypeslib.as_array(c.net_input(), (4,))[:] = row.ravel()
            assert c.net_invoke() == 0
            expected = session.run(row[None]).ravel()
            np.testing.assert_array_equal(interpreter.get_output(0).ravel(), expected)
            np.testing.assert_array_equal(np.ctypeslib.as_array(c.net_output(), (3,)), expected)
        session.reset()
        interpreter.reset()
        c.net_reset()
    np.testing.assert_array_equal(net.run(q[3:12])[-1].ravel(), expected)


def test_a_state_is_written_in_its_place_where_no_op_reads_it_any_more(tmp_path):
    codegen.export(quantized(streaming()), "net", tmp_path)
    assert "memcpy(first" not in (tmp_path / "net.cpp").read_text()


@pytest.mark.parametrize("make", [streaming, delays, gates])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_tflm_engine_has_variables_and_an_arena_that_is_enough(make, kind, tmp_path):
    from tflite_micro import runtime

    net = make() if kind == "float32" else quantized(make())
    header, source = codegen.export(net, "net", tmp_path, engine="tflm")
    assert "void net_reset(void);" in header.read_text()
    assert f"MicroResourceVariables::Create(allocator, {len(net.states)})" in source.read_text()
    data, size = tflite.to_bytes(net), tflm.arena_size(net)
    runtime.Interpreter.from_bytes(data, arena_size=size).invoke()
    with pytest.raises(RuntimeError):
        runtime.Interpreter.from_bytes(data, arena_size=int(0.8 * size))


def test_applications_for_single_inputs_are_refused(tmp_path):
    files = codegen.export(quantized(streaming()), "net", tmp_path)
    with pytest.raises(firmware.FirmwareError, match=r"has states: call net_reset\(\)"):
        firmware.create("xormodel", tmp_path / "project", files)
