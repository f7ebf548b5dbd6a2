"""Honest notebooks that have lost their cells' ids, or some of their cells, are graded as their authors meant."""

import base64
import json
import os

import nbformat
import pytest
from conftest import require
from grading import Class, cell

from grader import demo
from grader.sandbox import places

PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()


def without_metadata(notebook):
    """As some editors save a notebook: the ids of the cells are kept, all metadata is gone."""
    for one in notebook.cells:
        one.metadata = {}


def without_ids(notebook):
    without_metadata(notebook)
    for number, one in enumerate(notebook.cells):
        one.id = f"new-{number}"


def as_version_three(notebook):
    cells = [
        {
            "cell_type": "code",
            "input": c.source,
            "language": "python",
            "metadata": {},
            "outputs": [],
            "collapsed": False,
        }
        if c.cell_type == "code"
        else {"cell_type": "markdown", "source": c.source, "metadata": {}}
        for c in notebook.cells
    ]
    sheets = [{"cells": cells, "metadata": {}}]
    return json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "x"}, "worksheets": sheets}).encode()


def in_utf16(notebook):
    return nbformat.writes(notebook).encode("utf-16")


def only_solutions(notebook):
    """Copied into an empty notebook, without checks and prose."""
    notebook.cells = [cell(notebook, name) for name in ("xor", "scale", "counter", "why")]
    without_ids(notebook)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import numpy as np"))


def split_in_two(notebook):
    task = cell(notebook, "scale")
    first, second = task.source.split("\n", 1)
    index = notebook.cells.index(task)
    notebook.cells[index : index + 1] = [nbformat.v4.new_code_cell(first), nbformat.v4.new_code_cell(second)]


def last_years(notebook):
    """Other ids, other tests; the functions have the same names."""
    without_ids(notebook)
    for one in notebook.cells:
        one.source = one.source.replace("is wrong", "was wrong").replace("should be", "had to be")
        one.metadata = {"nbgrader": {"grade_id": f"old-{one.id}"}} if one.cell_type == "code" else {}


def moved_into_another_task(notebook):
    """The text of one task stands in an earlier task's cell, and its own cell is gone."""
    task = cell(notebook, "scale")
    cell(notebook, "xor").source += "\n\n\n" + task.source
    notebook.cells.remove(task)


def own_cell_in_place_of_the_task(notebook):
    task = cell(notebook, "xor")
    notebook.cells[notebook.cells.index(task)] = nbformat.v4.new_code_cell("xor = lambda a, b: a ^ b")


HONEST = {
    change.__name__: change
    for change in (
        without_metadata,
        without_ids,
        as_version_three,
        in_utf16,
        only_solutions,
        split_in_two,
        last_years,
        moved_into_another_task,
        own_cell_in_place_of_the_task,
    )
}


def changed(school, name):
    notebook = school.notebook("honest")
    cell(notebook, "why").source = "One line has two sides."
    return HONEST[name](notebook) or notebook


@pytest.fixture(scope="module", params=["autograde", "grade"])
def graded(tmp_path_factory, request):
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("restore") / "course")
    for name in HONEST:
        school.hand_in(name, changed(school, name))
    no_answer = school.notebook("honest")
    no_answer.cells.remove(cell(no_answer, "why"))
    school.hand_in("no_answer", no_answer)
    nothing_at_all = school.notebook("honest")
    nothing_at_all.cells = []
    school.hand_in("nothing_at_all", nothing_at_all)
    school.hand_in("with_picture", _with_pictures(school.notebook("honest")))
    half = school.notebook(
        "honest", "print('\\ud83d', end='')\nprint('\\ud800'.encode('utf-8', 'surrogatepass'))\n'\\udfff'"
    )
    half.cells.insert(1, nbformat.v4.new_code_cell("raise ValueError('\\ud800')"))
    school.hand_in("half_characters", half)
    school.said = school.grade() if request.param == "autograde" else school.grade_side_by_side("--jobs", "2")
    school.by = request.param
    return school


def _with_pictures(notebook):
    answer = cell(notebook, "why")
    answer.source = "![line](attachment:line.png)"
    answer.attachments = {
        "line.png": {"image/png": PICTURE},
        "page.png": {"image/png": base64.b64encode(b"<script>").decode(), "text/html": "<script>alert(1)</script>"},
        "drawing.svg": {"image/svg+xml": "<svg onload='alert(1)'/>"},
    }
    return notebook


@pytest.mark.parametrize("student", HONEST)
def test_who_lost_ids_or_moved_cells_gets_all_points(graded, student):
    assert graded.points()[student] == 9, graded.text_of(student)
    answer = cell(graded.autograded(student), "why")
    assert answer.source == "One line has two sides."
    assert demo.marks(graded.course, "toy")[student]["why"].by_hand


def test_a_missing_answer_waits_for_a_person_and_is_named(graded):
    assert graded.points()["no_answer"] == 9
    marks = demo.marks(graded.course, "toy")
    assert marks["no_answer"]["why"].by_hand
    assert marks["nothing_at_all"]["why"].by_hand
    assert "No cell with this answer was found" in cell(graded.autograded("no_answer"), "why").source
    if graded.by == "grade":
        assert "no_answer: graded, but no cell was found for: why\n" in graded.said
        assert "nothing_at_all: graded, but no cell was found for: xor, scale, counter, why\n" in graded.said
        assert "without_ids: graded, but" not in graded.said
    else:
        assert "no_answer, toy: put back what is missing: why" in graded.said


def test_a_put_back_task_is_not_run_and_says_so(graded):
    put_back = cell(graded.autograded("moved_into_another_task"), "scale")
    assert "was not run" in put_back.outputs[0].text
    assert graded.points()["nothing_at_all"] == 0


def test_pasted_pictures_are_kept_and_nothing_else(graded):
    assert cell(graded.autograded("with_picture"), "why").attachments == {"line.png": {"image/png": PICTURE}}


def test_half_characters_in_outputs_cost_nothing(graded):
    assert graded.points()["half_characters"] == 9


MODULES = {
    "helpmod.py": "def flip(a, b):\n    return a ^ b\n",
    "tools/__init__.py": "from .deep import seven\n",
    "tools/deep.py": "seven = 7\n",
    "numpy.py": "raise ImportError('not this one')\n",
}


@pytest.fixture(scope="module", params=["autograde", "grade"])
def with_files(tmp_path_factory, request):
    """Students who hand in more files than their notebook."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("files") / "course")
    modules = school.notebook("honest", "import helpmod\nfrom tools import seven\nimport numpy")
    cell(modules, "xor").source = "def xor(a, b):\n    return helpmod.flip(a, b) if seven == 7 else None"
    folder = school.hand_in("modules", modules)
    (folder / "tools").mkdir()
    for name, text in MODULES.items():
        (folder / name).write_text(text)
    deep = school.hand_in("deep", school.notebook("honest"))
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    many = school.hand_in("many", school.notebook("honest"))
    for number in range(3000):
        (many / f"{number}.txt").touch()
    (many / ("x" * 250)).touch()
    large = school.hand_in("large", school.notebook("honest"))
    with (large / "large.bin").open("wb") as file:
        file.truncate(300 << 20)
    school.said = school.grade() if request.param == "autograde" else school.grade_side_by_side("--jobs", "2")
    yield school
    places.remove(deep)


def test_modules_beside_the_notebook_can_be_imported_and_shadow_nothing(with_files):
    assert with_files.points()["modules"] == 9, with_files.text_of("modules")


@pytest.mark.parametrize(
    ("student", "said"),
    [("deep", "more than 20 folders deep"), ("many", "too many or too large"), ("large", "too many or too large")],
)
def test_files_that_cannot_be_taken_are_named_and_cost_nothing(with_files, student, said):
    assert with_files.points()[student] == 9, with_files.text_of(student)
    assert any(student in line and said in line for line in with_files.said.splitlines()), with_files.said[-2000:]
