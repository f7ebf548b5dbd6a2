"""The XOR lesson as its people meet it: in the browser, with its solutions, and graded."""

import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, require
from lab import Lab

pytestmark = pytest.mark.xdist_group("heavy")


@pytest.fixture(scope="module")
def solution(tmp_path_factory):
    """A folder with the instructor's notebook."""
    folder = tmp_path_factory.mktemp("solution")
    subprocess.run([sys.executable, "-m", "grader", "build", "xormodel"], cwd=ROOT, check=True)
    shutil.copy(ROOT / "grader" / "source" / "xormodel" / "xormodel.ipynb", folder)
    return folder


def test_the_solution_runs_in_jupyterlab_and_its_plots_are_there(solution, tmp_path):
    for tool in ("chromium", "chromedriver", "bwrap", "g++"):
        require(tool)
    with Lab(solution, tmp_path) as lab:
        lab.open("xormodel.ipynb")
        lab.run_all(seconds=420)
        find = lab.browser.find_elements
        errors = [element.text for element in find("css selector", '[data-mime-type="application/vnd.jupyter.stderr"]')]
        failed = "return [...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n')"
        text = lab.browser.execute_script(failed)
        assert "Traceback" not in text, text
        assert not any("Error" in error for error in errors), errors
        pictures = find("css selector", ".jp-OutputArea-output img")
        assert len(pictures) == 7
        assert all(picture.get_property("naturalWidth") > 300 for picture in pictures)
        assert "1 xor 1 = 0" in text
        assert "Building for the simulated board: no board is plugged in." in text
        assert "agree to the bit: True" in text


def test_solution_partial_and_empty_submissions_are_marked_in_that_order():
    for tool in ("bwrap", "g++"):
        require(tool)
    result = subprocess.run(
        [sys.executable, "-m", "grader", "demo", "xormodel"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert result.returncode == 0, result.stdout + result.stderr
    label, *points = result.stdout.splitlines()[-1].split()
    maximum, honest, partial, empty = map(float, points)
    assert (label, honest, empty) == ("total", maximum, 0)
    assert 0 < partial < maximum
