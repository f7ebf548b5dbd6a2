"""benchmarks/networks.py: its table has a row for each file, and a difference makes it fail."""

import importlib.util
import json
import sys

import numpy as np
import pytest
from conftest import ROOT

from edgekit import calibration, quantization, tflite
from edgekit.network import Network, Op


@pytest.fixture
def benchmark():
    pytest.importorskip("tflite_micro")
    spec = importlib.util.spec_from_file_location("networks_benchmark", ROOT / "benchmarks/networks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(3, 5)).astype(np.float32), random.normal(size=3).astype(np.float32)
    op = Op("fully_connected", "only", ("x",), "y", weights, bias)
    net = Network("net", "x", "y", {"x": (5,), "y": (3,)}, (op,))
    inputs = random.normal(size=(40, 5)).astype(np.float32)
    tflite.save(net, tmp_path / "float.tflite")
    tflite.save(quantization.quantize(net, calibration.calibrate(net, inputs)), tmp_path / "int8.tflite")
    (tmp_path / "notes.onx").write_text("not a network\n")
    (tmp_path / "README.md").write_text("about these files\n")
    return tmp_path


def test_a_file_is_measured_and_compared_with_micro_bit_exact(benchmark, folder):
    for name, kind in (("int8.tflite", "int8"), ("float.tflite", "float")):
        row = benchmark.measure(folder / name, 6)
        assert row["kind"] == kind
        assert row["failed"] == ""
        assert row["wrong"] == 0
        assert row["outputs"] == 18
        assert row["MACs"] == 15
        assert row["Micro's arena"] > row["arena"] > 0
    row = benchmark.measure(folder / "notes.onx", 6)
    assert row["refused"].startswith("notes.onx is a text file")


def test_every_difference_is_counted_and_fails(benchmark, folder, monkeypatch, capsys):
    real = benchmark.micro

    def one_off(data, network, q):
        (outputs,), arena = real(data, network, q)
        outputs[2, 1] += 1
        return [outputs], arena

    monkeypatch.setattr(benchmark, "micro", one_off)
    monkeypatch.setattr(benchmark, "in_a_process", lambda path, options: benchmark.measure(path, options.inputs))
    monkeypatch.setattr(sys, "argv", ["networks.py", str(folder), "--json"])
    with pytest.raises(SystemExit) as end:
        benchmark.main()
    rows = json.loads(capsys.readouterr().out)
    assert end.value.code
    assert [row["wrong"] for row in rows] == [1, 1, 0]


def test_a_file_that_stops_the_process_is_named(benchmark, folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["networks.py", str(folder / "int8.tflite")])
    monkeypatch.setattr(benchmark.subprocess, "run", lambda *_, **__: type("Done", (), Stopped)())
    with pytest.raises(SystemExit) as end:
        benchmark.main()
    out = capsys.readouterr().out
    assert end.value.code
    assert "int8.tflite: the process ended: SIGABRT" in out


Stopped = {"returncode": -6, "stdout": "", "stderr": ""}
