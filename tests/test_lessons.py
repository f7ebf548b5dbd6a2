"""The lessons work as students and instructors use them: in the browser, with their solutions, and graded."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, require
from lab import Lab

# Of each lesson: how many pictures it draws, and what it says.
LESSONS = {
    "xormodel": (
        7,
        (
            "1 xor 1 = 0",
            "Building for the simulated board: no board is plugged in.",
            "agree to the bit: True",
        ),
    ),
    "carclassifier_easy": (
        24,
        (
            "accuracy: float 0.984, naively rounded 0.500",
            "one scale a channel: accuracy 0.980",
            "The program gives the same scores as your network: 0.03, 0.97",
            "all 500 outputs equal those of your network in Python, to the last bit: True",
        ),
    ),
    "carclassifier_hard": (
        25,
        (
            "naively rounded: accuracy 0.500",
            "one scale for the layer: accuracy 0.664",
            "18,432 outputs of conv1; 0 differ from the device's.",
            "all 500 outputs equal those of your network in Python, to the last bit: True",
        ),
    ),
}


def test_every_lesson_is_tried_here():
    assert sorted(LESSONS) == sorted(path.name for path in (ROOT / "notebooks").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", LESSONS)
def test_the_solution_runs_in_jupyterlab_and_its_plots_are_there(name, tmp_path):
    for tool in ("chromium", "chromedriver", "bwrap", "g++", "qemu-system-xtensa"):
        require(tool)
    pictures, said = LESSONS[name]
    subprocess.run([sys.executable, "-m", "grader", "build", name], cwd=ROOT, check=True)
    (tmp_path / "lesson").mkdir()
    shutil.copy(ROOT / "grader" / "course" / "source" / name / f"{name}.ipynb", tmp_path / "lesson")
    with Lab(tmp_path / "lesson", tmp_path) as lab:
        lab.open(f"{name}.ipynb")
        lab.run_all(seconds=420)
        find = lab.browser.find_elements
        errors = [element.text for element in find("css selector", '[data-mime-type="application/vnd.jupyter.stderr"]')]
        outputs = "return [...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n')"
        text = lab.browser.execute_script(outputs)
        assert "Traceback" not in text, text
        assert not any("Error" in error for error in errors), errors
        assert not [words for words in said if words not in text]
        drawn = find("css selector", ".jp-OutputArea-output img")
        assert len(drawn) == pictures
        assert all(picture.get_property("naturalWidth") > 300 for picture in drawn)


@pytest.mark.parametrize("name", LESSONS)
def test_solution_partial_and_empty_submissions_are_marked_in_that_order(name):
    for tool in ("bwrap", "g++"):
        require(tool)
    result = subprocess.run(
        [sys.executable, "-m", "grader", "demo", name], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == 0, result.stdout + result.stderr
    label, *points = result.stdout.splitlines()[-1].split()
    maximum, honest, partial, empty = map(float, points)
    assert (label, honest, empty) == ("total", maximum, 0)
    assert 0 < partial < maximum
