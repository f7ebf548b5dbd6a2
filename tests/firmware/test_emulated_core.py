"""The emulated Xtensa core gives the results of the simulated board, and always counts the same instructions."""

import re
import subprocess

import pytest
from board_projects import FILES, make
from conftest import ROOT, require

from edgekit import board as boards

RUNTIME = ROOT / "firmware_templates" / "common" / "platforms" / "xtensa" / "runtime"


def test_the_cores_arithmetic_is_this_computers_bit_by_bit(tmp_path):
    compiler = require("gcc")
    program = tmp_path / "arithmetic"
    subprocess.run([compiler, "-O2", f"-I{RUNTIME}", FILES / "hold_arithmetic.c", "-o", program], check=True)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == ""


def test_the_network_answers_on_the_emulated_core_and_its_instructions_are_counted(tmp_path):
    for tool in ("g++", "xtensa-lx106-elf-gcc", "qemu-system-xtensa"):
        require(tool)
    project = make(tmp_path / "project")
    project.build("sim", on_line=None)
    runs = []
    for _ in range(2):
        lines = []
        project.upload("xtensa", on_line=lines.append)
        runs.append(re.findall(r"xormodel\((\d), (\d)\) = (\S+) +(\d+) instructions", "\n".join(lines)))
    assert runs[0] == runs[1]
    assert len(runs[0]) == 4
    with boards.simulate(project) as board:
        for a, b, output, instructions in runs[0]:
            assert board.classify([int(a), int(b)]).scores == pytest.approx([float(output)], abs=1e-4)
            assert 10 < int(instructions) < 5000
