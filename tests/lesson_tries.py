"""A lesson as students and instructors use it: in the browser with its solution, and graded.

Each lesson is tried in a file of its own in tests/lessons/, so that lessons are tried side by side.
"""

import shutil
import subprocess
import sys

from conftest import ROOT, require
from lab import Lab

# The cells that are shown as C++ with line numbers.
_CPP = """return [...document.querySelectorAll('.jp-CodeCell')].filter(cell =>
    cell.querySelector('.cm-content[data-language="cpp"]') && cell.querySelector('.cm-lineNumbers')).length"""


# The lines of code for which a reader would have to scroll sideways.
_TOO_WIDE = """return [...document.querySelectorAll('.jp-CodeCell .cm-scroller')].filter(code =>
    code.scrollWidth > code.clientWidth + 1).map(code => code.innerText)"""


def try_in_jupyterlab(name, pictures, said, folder):
    """Run the solution in JupyterLab; there must be no error, so many pictures, and these words in the outputs.

    Args:
        name: the lesson.
        pictures: how many it draws.
        said: texts.
        folder: an empty one.
    """
    for tool in ("chromium", "chromedriver", "bwrap", "g++", "qemu-system-xtensa"):
        require(tool)
    subprocess.run([sys.executable, "-m", "grader", "build", name], cwd=ROOT, check=True)
    (folder / "lesson").mkdir()
    shutil.copy(ROOT / "grader" / "course" / "source" / name / f"{name}.ipynb", folder / "lesson")
    notebook = (folder / "lesson" / f"{name}.ipynb").read_text()
    with Lab(folder / "lesson", folder) as lab:
        lab.open(f"{name}.ipynb")
        lab.run_all(seconds=420)
        find = lab.browser.find_elements
        errors = [element.text for element in find("css selector", '[data-mime-type="application/vnd.jupyter.stderr"]')]
        outputs = "return [...document.querySelectorAll('.jp-OutputArea-output')].map(o => o.innerText).join('\\n')"
        text = lab.browser.execute_script(outputs)
        assert "Traceback" not in text, text
        assert not any("Error" in error for error in errors), errors
        assert not [words for words in said if words not in text]
        assert lab.browser.execute_script(_CPP) == notebook.count("%%firmware src/main.cpp")
        assert not lab.browser.execute_script(_TOO_WIDE)
        drawn = find("css selector", ".jp-OutputArea-output img")
        assert len(drawn) == pictures
        assert all(picture.get_property("naturalWidth") > 300 for picture in drawn)
        assert all(len(picture.get_property("alt")) > 20 for picture in drawn)


def try_grading(name):
    """Grade the solution, half of it and the released notebook; their marks must be all, some and none."""
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
