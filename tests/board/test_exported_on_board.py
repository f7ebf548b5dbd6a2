"""An exported network gives the same results on the simulated board, on the emulated core and in Python."""

import re

import numpy as np
import pytest
from board_projects import SOLUTION
from conftest import require

from edgekit import board as boards
from edgekit import calibration, codegen, firmware, models, network, quantization

INPUTS = np.random.default_rng(0).uniform(-1, 2, (50, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def net():
    return network.from_keras(models.xor_mlp())


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_board_and_the_core_agree_with_python(net, kind, tmp_path):
    for tool in ("g++", "xtensa-lx106-elf-gcc", "qemu-system-xtensa"):
        require(tool)
    model = net
    if kind == "int8":
        model = quantization.quantize(net, calibration.calibrate(net, INPUTS))
    compute = model.predict if kind == "int8" else model.run
    project = firmware.create("xormodel", tmp_path / "project", codegen.export(model, "xormodel", tmp_path / "c"))
    project.write("src/main.cpp", SOLUTION)
    project.build("sim", on_line=None)
    with boards.simulate(project) as board:
        assert board.info.dtype == kind
        scores = np.array([board.classify(row).scores for row in INPUTS])
    np.testing.assert_allclose(scores, compute(INPUTS), atol=0 if kind == "int8" else 1e-5)

    lines = []
    project.upload("xtensa", on_line=lines.append)
    answers = re.findall(r"xormodel\((\d), (\d)\) = (\S+)", "\n".join(lines))
    assert len(answers) == 4
    for a, b, output in answers:
        expected = compute(np.array([[a, b]], np.float32)).item()
        assert float(output) == pytest.approx(expected, abs=1e-4)


def test_a_tflm_export_makes_a_project_that_asks_for_its_component(net, tmp_path):
    files = codegen.export(net, "xormodel", tmp_path / "c", engine="tflm")
    project = firmware.create("xormodel", tmp_path / "project", files)
    assert project.engine == "tflm"
    assert "esp-tflite-micro" in (project.directory / "src/idf_component.yml").read_text()
    with pytest.raises(firmware.BuildError, match="ESP-EYE only"):
        project.upload("sim")
