"""nbgrader's own commands grade a class fairly, give reasons without hidden tests, and survive any submission."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys

import nbformat
import pytest
from conftest import require
from grading import Class, cell

from grader import demo
from grader.__main__ import main
from grader.grading import read as reading
from grader.sandbox import bubblewrap

BROKEN = {
    "no_json": b"this is no notebook",
    "truncated": json.dumps({"cells": [{"cell_type": "code", "source": "x"}]}).encode()[:40],
    "a_list": b"[1, 2, 3]",
    "no_utf8": b"\xff\xfe\x00" * 100,
    "deeply_nested": b"[" * 100_000,
    "empty_file": b"",
    "cells_of_anything": json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": 3, "cells": [1, None, {}, []]}
    ).encode(),
    "fields_of_anything": json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": "five",
            "metadata": {},
            "cells": [
                {"cell_type": "code", "source": {"a": 1}, "metadata": {"nbgrader": {"grade_id": ["xor"]}}, "outputs": 7}
            ],
        }
    ).encode(),
    "old_format": json.dumps(
        {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": [4]}]}
    ).encode(),
    "a_hundred_thousand_cells": json.dumps(
        {
            "nbformat": 4,
            "nbformat_minor": 4,
            "metadata": {},
            "cells": [{"cell_type": "code", "source": "1", "metadata": {}, "outputs": [], "execution_count": 1}]
            * 100_000,
        }
    ).encode(),
}


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("nbgrader") / "course")
    for student in demo.STUDENTS:
        school.hand_in(student, school.notebook(student))
    for student, content in BROKEN.items():
        school.hand_in(student, content)
    wrong_kernel = school.notebook("honest")
    wrong_kernel.metadata.kernelspec = {"name": "ir", "display_name": "R", "language": "R"}
    wrong_kernel.metadata.language_info = {"name": "R"}
    school.hand_in("wrong_kernel", wrong_kernel)
    talkative = school.notebook("honest")
    cell(talkative, "xor").source = "def xor(a, b):\n    raise ValueError(f'asked for {a} and {b}')"
    cell(talkative, "scale").source += "\nquantized = quantized + 1"
    school.hand_in("talkative", talkative)
    links = school.hand_in("links", school.notebook("honest"))
    (links / "stolen.db").symlink_to(school.database)
    (links / "folder").symlink_to(school.course.root / "source")
    os.mkfifo(links / "pipe")
    (links / "line\nbreak.txt").write_text("x")
    (links / "timestamp.txt").write_text("the day before yesterday")
    linked = school.hand_in("linked_notebook", school.notebook("empty"))
    (linked / "toy.ipynb").unlink()
    (linked / "toy.ipynb").symlink_to(school.course.root / "submitted" / "honest" / "toy" / "toy.ipynb")
    hand_in_strangely(school)
    school.said = school.grade()
    school.marks = demo.marks(school.course, "toy")
    demo.nbgrader(school.course, "generate_feedback", "toy")
    return school


def hand_in_strangely(school):
    """Whatever a folder of submissions may hold beside proper ones."""
    submitted = school.course.root / "submitted"
    honest = json.dumps(school.notebook("honest")).encode()
    school.hand_in("byte_order_mark", b"\xef\xbb\xbf" + honest)
    for name in ("line\nbreak", "[hg]*", "\udcff"):
        school.hand_in(name, school.notebook("honest"))
    (submitted / "a_file" / "toy").parent.mkdir()
    (submitted / "a_file" / "toy").write_text("")
    (submitted / "nothing" / "toy").mkdir(parents=True)
    other = school.hand_in("another_notebook", school.notebook("honest"))
    (other / "toy.ipynb").rename(other / "mine.ipynb")
    folder = school.hand_in("folder_for_notebook", school.notebook("empty")) / "toy.ipynb"
    folder.unlink()
    folder.mkdir()
    in_the_way = school.hand_in("folder_for_file", school.notebook("honest")) / "data.txt"
    in_the_way.unlink()
    in_the_way.mkdir()
    (in_the_way / "x").write_text("x")
    large = school.hand_in("large_file", school.notebook("honest"))
    with (large / "large.bin").open("wb") as file:
        file.truncate(1 << 30)
    pasted = school.notebook("honest")
    pasted.cells.insert(0, nbformat.v4.new_markdown_cell("![see](attachment:pasted.png) <script>alert(1)</script>"))
    school.hand_in("pasted_picture", pasted)


def report(school, student):
    html = (school.course.root / "feedback" / student / "toy" / "toy.html").read_text()
    return re.sub(r"<[^>]+>", "", html).replace("&#39;", "'").replace("&quot;", '"').replace("&amp;", "&")


def test_the_solution_gets_everything_half_of_it_some_and_the_release_nothing(school):
    totals = {student: demo.total(school.marks[student]) for student in demo.STUDENTS}
    assert totals == {"honest": 9, "partial": 5, "empty": 0}
    assert demo.problems(school.marks) == []
    assert school.marks["honest"]["why"].by_hand


@pytest.mark.parametrize("student", [*BROKEN, "linked_notebook"])
def test_broken_input_gets_nothing_and_one_line(school, student):
    assert demo.total(school.marks[student]) == 0
    lines = [line for line in school.said.splitlines() if f"WARNING] {student}," in line]
    if student not in ("cells_of_anything", "fields_of_anything", "a_hundred_thousand_cells"):
        assert len(lines) == 1
        assert "could not be graded" in report(school, student)


def test_whatever_lies_in_submitted_everyone_else_is_graded_and_it_gets_one_line(school):
    totals = {student: demo.total(marks) for student, marks in school.marks.items()}
    for student in ("byte_order_mark", "folder_for_file", "large_file", "pasted_picture"):
        assert totals[student] == 9, student
    for student in ("nothing", "another_notebook", "folder_for_notebook"):
        assert totals[student] == 0, student
    assert not {"line\nbreak", "[hg]*", "\udcff", "a_file"} & set(totals)
    assert "Traceback" not in school.said
    warnings = [line for line in school.said.splitlines() if "WARNING]" in line]
    for said in (
        "submitted/line?break: left out, its name has characters",
        "submitted/[hg]*: left out, its name has characters",
        "a_file/toy: left out, it is no folder",
        "nothing, toy.ipynb: there is no file of this name",
        "folder_for_notebook, toy.ipynb: it is no regular file",
        "folder_for_file: left out: data.txt/x: the lesson has a file of its folder's name",
        "large_file: left out: 1 of its files: too many or too large in all",
    ):
        assert sum(said in line for line in warnings) == 1, said


def test_feedback_is_written_where_a_pasted_picture_is_missing(school):
    assert "alert(1)" in report(school, "pasted_picture")
    assert "<script>alert" not in (school.course.root / "feedback/pasted_picture/toy/toy.html").read_text()


def test_links_and_pipes_in_a_submission_are_left_behind(school):
    folder = school.course.root / "autograded" / "links" / "toy"
    assert sorted(path.name for path in folder.iterdir()) == [
        "data.txt",
        "line\nbreak.txt",
        "timestamp.txt",
        "toy.ipynb",
    ]
    assert demo.total(school.marks["links"]) == 9


def test_a_notebook_for_another_kernel_is_graded_in_the_lessons_own(school):
    assert demo.total(school.marks["wrong_kernel"]) == 9


def test_feedback_says_which_check_failed_and_why(school):
    said = report(school, "talkative")
    assert 'assert xor(0, 1) == 1, "xor(0, 1) should be 1' in said
    assert "ValueError: asked for 0 and 1" in said
    assert "a cell, line 2, in xor" in said
    assert "A hidden check failed: AssertionError" in said
    assert "NameError: name 'xor' is not defined" not in said


def test_feedback_never_shows_hidden_tests(school):
    source = (school.course.root / "source" / "toy" / "toy.ipynb").read_text()
    assert "HIDDEN TESTS" in source
    for student in school.marks:
        html = (school.course.root / "feedback" / student / "toy" / "toy.html").read_text()
        assert not re.search(r"HIDDEN TESTS|-64|for a in|one of the four rows.\)|instructor only|Counter\(5\)", html), (
            student
        )
    assert "HIDDEN TESTS" in school.text_of("talkative"), "the instructor sees them"
    assert "-64" in school.text_of("talkative")


def test_export_writes_every_mark(school):
    demo.nbgrader(school.course, "export", "--to=marks.csv")
    with open(school.course.root / "marks.csv") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows["honest"] == 9
    assert rows["partial"] == 5
    assert rows["no_json"] == 0


def test_grading_again_changes_nothing_until_forced(school):
    said = school.grade("--student=partial")
    assert "Skipping existing assignment" in said


def test_a_class_is_graded_side_by_side_and_goes_on_where_it_was_interrupted(school):
    school.hand_in("late_honest", school.notebook("honest"))
    school.hand_in("late_broken", b"{")
    with sqlite3.connect(school.database) as database:  # as if killed while the last mark of this student was written
        database.execute(
            "update grade set auto_score = null where id in (select id from grade where auto_score = 4 limit 1)"
        )
    command = [sys.executable, "-m", "grader", "--course", str(school.course.root), "grade", "toy", "--jobs", "2"]
    result = subprocess.run(command, cwd=demo.CHECKOUT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "3/3" in result.stderr
    marks = school.points()
    assert marks["late_honest"] == 9
    assert marks["late_broken"] == 0
    assert {student: marks[student] for student in school.marks} == {s: demo.total(m) for s, m in school.marks.items()}


def test_unsafe_grading_says_so_in_the_report(school):
    school.grade("--student=partial", "--force", "--RunSubmission.unsafe=True")
    demo.nbgrader(school.course, "generate_feedback", "toy", "--student=partial", "--force")
    assert "Graded without the sandbox" in report(school, "partial")
    assert demo.total(demo.marks(school.course, "toy")["partial"]) == 5


def test_without_bubblewrap_grading_stops_and_says_how_to_install_it(school, monkeypatch, tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("sh", "env"):
        (bare / program).symlink_to(require(program))
    monkeypatch.setenv("PATH", str(bare))
    before = school.autograded("honest")
    result = demo.nbgrader(school.course, "autograde", "toy", "--student=honest", "--force", check=False)
    assert result.returncode != 0
    assert "apt install bubblewrap" in result.stdout
    assert "Traceback" not in result.stdout
    assert school.autograded("honest") == before


def test_a_sandbox_that_fails_says_what_to_allow(monkeypatch, tmp_path):
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'no namespaces here' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    bubblewrap._mode.cache_clear()
    try:
        with pytest.raises(bubblewrap.SandboxMissing, match=r"no namespaces here.*max_user_namespaces"):
            bubblewrap.check()
    finally:
        bubblewrap._mode.cache_clear()


def test_a_submission_too_large_is_refused_unread(tmp_path):
    path = tmp_path / "a" / "toy.ipynb"
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(reading.MAX_BYTES + 1)
    with pytest.raises(reading.UnreadableNotebook, match="larger than 64 MB"):
        reading.read_submission(path)


def test_an_unknown_lesson_is_named_with_those_there_are(capsys):
    course = str(Class.__module__ and demo.CHECKOUT / "tests" / "grader" / "course")
    assert main(["--course", course, "demo", "nonsense"]) == 2
    assert "there is toy" in capsys.readouterr().err


def test_a_submission_is_read_without_anything_but_cells(tmp_path):
    notebook = nbformat.v4.new_notebook(
        metadata={"widgets": {"state": 1}},
        cells=[
            nbformat.v4.new_code_cell(
                "1",
                outputs=[nbformat.v4.new_output("stream", text="x")],
                metadata={"tags": ["a"], "nbgrader": {"grade_id": "b"}},
            )
        ],
    )
    path = tmp_path / "a" / "toy.ipynb"
    path.parent.mkdir()
    nbformat.write(notebook, path)
    read = reading.read_submission(path)
    assert read.metadata == {}
    assert read.cells[0].metadata == {"nbgrader": {"grade_id": "b"}}
    assert read.cells[0].outputs == []
