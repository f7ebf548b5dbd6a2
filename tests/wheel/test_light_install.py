"""``pip install edgekit`` alone, in a new virtual environment, is small, and enough from a .tflite file to a board."""

import re
import subprocess
import sys
from importlib import metadata

import pytest
from conftest import ROOT, require

HEAVY = ("tensorflow", "keras", "jupyterlab", "notebook", "nbgrader", "jupytext", "matplotlib", "ipywidgets", "h5py")

ABSENT = """
import importlib.util, sys
there = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
assert not there, there
import edgekit
print(edgekit.__file__)
"""

# A float network made of NumPy arrays alone, taken to int8, .tflite, C and a firmware project.
USE = """
import numpy as np
from edgekit import calibration, codegen, firmware, network, quantization, tflite
rng = np.random.default_rng(0)
normal = lambda *shape: rng.normal(0, 1, shape).astype(np.float32)
ops = [
    network.Op("fully_connected", "hidden", ("x",), "h", normal(8, 2), normal(8), activation="relu"),
    network.Op("fully_connected", "last", ("h",), "s", normal(1, 8), normal(1)),
    network.Op("sigmoid", "output", ("s",), "y"),
]
net = network.Network("small", "x", "y", {"x": (2,), "h": (8,), "s": (1,), "y": (1,)}, ops)
inputs = rng.uniform(0, 1, (50, 2)).astype(np.float32)
quantized = quantization.quantize(net, calibration.calibrate(net, inputs, progress=False))
assert np.abs(quantized.predict(inputs) - net.run(inputs)).max() < 0.05
tflite.save(quantized, "small.tflite")
again = tflite.load("small.tflite")
assert np.array_equal(again.predict(inputs), quantized.predict(inputs))
tflite.save(net, "float.tflite")
read = tflite.load("float.tflite")
assert quantization.quantize(read, calibration.calibrate(read, inputs, progress=False)).predict(inputs).shape == (50, 1)
project = firmware.create("xormodel", "project", codegen.export(quantized, "xormodel", "generated"))
print(project.build("sim", on_line=None))
"""

# Each needs an extra, and says so in one sentence.
NEEDS_LESSONS = {
    "models.xor_mlp()": "keras",
    "models.load_pretrained('carclassifier')": "keras",
    "datasets.load('photos')": "keras",
    "plots.style().__enter__()": "matplotlib",
}


def run(arguments, folder, check=True):
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=300)
    assert not check or result.returncode == 0, result.stdout + result.stderr
    return result


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment that has the wheel and its base dependencies, in the pinned versions."""
    folder = tmp_path_factory.mktemp("light")
    run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], folder)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "--no-input"]
    install = [*pip, "install", "--quiet", "--retries", "1", "--no-compile"]  # to compile takes longer than to run
    result = run([*install, "--constraint", ROOT / "requirements.lock", wheel], folder, check=False)
    sys.path.insert(0, str(ROOT / "tools"))
    from environment import NO_NETWORK

    if result.returncode and NO_NETWORK.search(result.stderr):
        pytest.skip("the package index cannot be reached")
    assert result.returncode == 0, result.stderr
    return python


def test_nothing_heavy_is_installed(python, tmp_path):
    where = run([python, "-c", ABSENT, *HEAVY], tmp_path).stdout
    assert "light" in where


def test_a_network_of_arrays_becomes_int8_a_tflite_file_c_and_firmware(python, tmp_path):
    require("g++")
    run([python, "-c", USE], tmp_path)
    assert (tmp_path / "project" / ".pio").is_dir()
    compiler = require("cc")
    run([python, "-m", "edgekit", "export", "small.tflite", "--to", "c"], tmp_path)
    flags = ["-x", "c", "-std=c99", "-Wall", "-Wextra", "-Werror", "-c"]
    run([compiler, *flags, "c/small.cpp", "-o", "small.o"], tmp_path)
    assert (tmp_path / "small.o").stat().st_size > 0


def test_the_commands_that_need_no_extra_answer(python, tmp_path):
    command = python.with_name("edgekit")
    assert "Lessons: " in run([command, "doctor"], tmp_path, check=False).stdout
    assert "xormodel" in run([command, "start", "--list"], tmp_path).stdout
    assert "CIFAR-10" in run([command, "data"], tmp_path).stdout


@pytest.mark.parametrize("code", NEEDS_LESSONS)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(python, tmp_path, code):
    program = f"import edgekit\nfrom edgekit import datasets, models, plots\ntry:\n    {code}\n"
    program += "except (edgekit.EdgekitError, ImportError) as error:\n    print(error)\n"
    said = run([python, "-c", program], tmp_path).stdout
    assert said == f'{NEEDS_LESSONS[code]} is not installed: run pip install "edgekit[lessons]", which brings it\n'


@pytest.mark.parametrize("arguments", [["start", "xormodel"], ["export", "carclassifier"]])
def test_a_command_without_its_packages_ends_with_one_sentence(python, tmp_path, arguments):
    result = run([python, "-m", "edgekit", *arguments], tmp_path, check=False)
    assert result.returncode == 1
    assert re.fullmatch(
        r'\w+ is not installed: run pip install "edgekit\[lessons\]", which brings it\.?\n', result.stderr
    )
    assert not (tmp_path / "workspace").exists()


def test_the_extras_hold_what_they_are_for():
    extras = metadata.metadata("edgekit").get_all("Provides-Extra")
    assert {"lessons", "grading", "cluster", "test"} <= set(extras)
