"""The notebooks that students already have still work: modules can be imported under their names of version 0.1."""

import subprocess
import sys

import pytest

from edgekit import former_names

# The names that the lessons' notebooks of version 0.1 import and call.
NOTEBOOK = """
import edgekit
from edgekit import board, calibration, codegen, datasets, firmware, integer, models, network, noise
from edgekit import plots, quantization, report, tflite, training
from edgekit.lesson import TODO, StillToDo, try_program, watch
board.benchmark, board.current, board.simulate, board.connect
firmware.instructions, firmware.changes, firmware.create, firmware.Options, firmware.FirmwareError, firmware.current
report.deployment, noise.per_layer, noise.decibels, integer.walk, codegen.plan.picture, codegen.export
plots.network, plots.layers, plots.loss, plots.confusion
quantization.by_channel, quantization.from_channels, quantization.explain, quantization.assemble
quantization.Quantization, quantization.quantize_multiplier
network.from_keras, network.map_weights, network.op_macs, tflite.to_bytes, calibration.calibrate
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)


def test_what_a_notebook_of_version_0_1_uses_is_there():
    result = run(NOTEBOOK)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("name", former_names.FORMER)
def test_a_former_name_is_the_module_of_today(name):
    today = former_names.FORMER[name]
    code = f"import importlib, {name}; assert importlib.import_module({today!r}) is {name}; print({name}.__spec__.name)"
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == today
    package, _, module = name.rpartition(".")
    assert run(f"from {package} import {module}; print({module}.__name__)").stdout.strip() == today


def test_a_name_that_never_was_is_refused_with_those_that_are():
    result = run("import edgekit; edgekit.quantisation")
    assert "has no attribute 'quantisation'; it has" in result.stderr
    assert "ModuleNotFoundError" in run("import edgekit.quantisation").stderr


def test_every_public_module_is_there_without_an_import_of_its_own():
    code = "import edgekit\nfor name in edgekit.__all__: getattr(edgekit, name)"
    result = run(code)
    assert result.returncode == 0, result.stderr
