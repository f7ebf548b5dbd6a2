"""A lesson's text becomes the instructor's and the released notebook; errors name wrong markers."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from grader.lesson import release as releasing
from grader.lesson.source import LessonError, dump, read_lesson
from grader.paths import CHECKOUT, COURSE, Course

TESTS = Path(__file__).parent
TASK = "```{code-cell}\n:solution: a\n\n### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n```\n"


@pytest.fixture
def course(tmp_path):
    shutil.copytree(TESTS / "course", tmp_path / "course")
    return Course.at(tmp_path / "course")


def lesson(tmp_path, text):
    path = tmp_path / "lesson.md"
    path.write_text(text)
    return read_lesson(path)


def sources(notebook):
    return {cell.id: cell.source for cell in notebook.cells}


def test_a_release_has_stubs_instead_of_solutions_and_no_hidden_tests(course):
    folder = releasing.release(course, "toy")
    released = sources(nbformat.read(folder / "toy.ipynb", as_version=4))
    assert released["xor"].endswith('"""\n    # YOUR CODE HERE\n    raise NotImplementedError()')
    assert released["scale"].endswith("scale = ...  # the largest magnitude becomes 127\nquantized = ...")
    assert released["xor_check"].count("assert") == 1
    assert released["why"] == "YOUR ANSWER HERE"
    everything = (folder / "toy.ipynb").read_text()
    assert not re.search("SOLUTION$|HIDDEN|STUB|a \\^ b|No line separates", everything, re.MULTILINE)
    assert sorted(path.name for path in folder.iterdir()) == ["data.txt", "toy.ipynb"]


def test_a_release_is_the_same_byte_for_byte_and_check_names_what_differs(course):
    assert releasing.differences(course, "toy") == ["toy/data.txt: missing", "toy/toy.ipynb: missing"]
    releasing.release(course, "toy")
    assert releasing.differences(course, "toy") == []
    (course.notebooks / "toy" / "data.txt").write_text("4\n")
    assert releasing.differences(course, "toy") == ["toy/data.txt: differs from the lesson"]


def test_nbgrader_generates_the_same_release_in_a_new_checkout(course):
    command = [Path(sys.executable).parent / "nbgrader", "generate_assignment", "toy"]
    subprocess.run(command, cwd=course.root, check=True, capture_output=True)
    by_nbgrader = course.root / "release" / "toy" / "toy.ipynb"
    ours = releasing.release(course, "toy") / "toy.ipynb"
    assert dump(nbformat.read(by_nbgrader, as_version=4)) == ours.read_text()


def test_the_committed_notebooks_are_what_the_lessons_release():
    course = Course.at(COURSE)
    assert [problem for name in course.names for problem in releasing.differences(course, name)] == []


def test_a_cpp_task_gets_a_cpp_stub(tmp_path):
    program = "int main() {\n    /// BEGIN SOLUTION\n    run();\n    /// END SOLUTION\n}\n"
    notebook = lesson(tmp_path, f"```{{code-cell}}\n:solution: main\n\n%%firmware src/main.cpp\n{program}```\n")
    step = releasing.ClearLessonSolutions()
    released, _ = step.preprocess(notebook, {})
    assert released.cells[0].source == "%%firmware src/main.cpp\nint main() {\n    // TODO: your code\n}"


def test_checks_are_folded_and_their_first_line_says_what_they_are(tmp_path):
    tests = "```{{code-cell}}\n:test: {0}_check\n:points: {1}\n\n{2}### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS\n```\n"
    instead = "```{code-cell}\n:locked: try_b\n:checks: b_check\n\ntry_it()\n```\n"
    notebook = lesson(tmp_path, tests.format("a", 2, "assert a\n") + instead + tests.format("b", 3, "# built\n"))
    first, trial, hidden_only = notebook.cells
    assert first.source.startswith("# Check of a: 2 of 5 points, task 1 of 2\nassert a\n")
    assert trial.source == "# Check of b: 3 of 5 points, task 2 of 2\ntry_it()"
    assert hidden_only.source.startswith("# built\n")
    assert [cell.metadata.get("jupyter") for cell in notebook.cells] == [{"source_hidden": True}] * 2 + [None]
    assert "checks" not in trial.metadata


def test_hints_are_released_in_a_file_and_are_no_part_of_the_notebook(course):
    path = course.lesson("toy")
    hints = "\n```{hints} xor\n1. Look at\n   the inputs.\n2. The idea.\n3. Nearly.\n```\n"
    path.write_text(path.read_text() + hints)
    folder = releasing.release(course, "toy")
    assert json.loads((folder / "hints.json").read_text()) == {"xor": ["Look at the inputs.", "The idea.", "Nearly."]}
    assert "Look at" not in (folder / "toy.ipynb").read_text()
    assert (releasing.build(course, "toy").parent / "hints.json").is_file()


def test_lessons_share_text_with_its_tasks(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "part.md").write_text("```{code-cell}\n:test: shared\n:points: 2\n\nassert x\n```\n")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        check = "# Check of shared: 2 of 2 points, task 1 of 1"
        text = f"# {name}\n\n```{{include}} ../shared/part.md\n```\n\nThe end.\n"
        notebook = lesson(tmp_path / name, text)
        assert [cell.source for cell in notebook.cells] == [f"# {name}", f"{check}\nassert x", "The end."]
        assert notebook.cells[1].metadata.nbgrader.points == 2
    with pytest.raises(LessonError, match=r"includes \.\./shared/other\.md, which is not there"):
        lesson(tmp_path / "one", "```{include} ../shared/other.md\n```\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```{code-cell}\n:test: a\n\nassert x\n```", "test 'a' needs :points: N"),
        ("```{code-cell}\n:test: a\n:points: many\n\nassert x\n```", "points 'many'; expected a number"),
        ("```{code-cell}\n:locked: a\n\n```\n```{code-cell}\n:locked: a\n\n```", "id 'a' is already taken"),
        ("```{code-cell}\n:solution: a\n\nx = 1\n```", "'a' has no ### BEGIN SOLUTION"),
        ("```{code-cell}\n:soluton: a\n\nx = 1\n```", "unknown option 'soluton'"),
        ("```{code-cell}\n### BEGIN SOLUTION\n### END SOLUTION\n```", "needs :solution: ID"),
        ("```{code-cell}\n:test: a\n:solution: b\n\n```", "not several (solution, test)"),
        ('+++ {"test": "a", "points": 1}\n\nprose', "must be a code cell"),
        ("```{code-cell}\n:tags: [folded]\n\nx = 1\n```", "a folded cell begins with a comment"),
        ("```{code-cell}\n:locked: a\n:checks: b\n\n```", ":checks: b: there is no such test"),
        (f"{TASK}\n```{{hints}} b\n1. x\n2. y\n3. z\n```", "has hints to 'b', but no such task"),
        (f"{TASK}\n```{{hints}} a\n1. x\n2. y\n```", "the hints to 'a': expected one numbered list of 3"),
    ],
)
def test_a_wrong_marker_is_named_with_its_cell(tmp_path, text, message):
    with pytest.raises(LessonError, match=re.escape(message)):
        lesson(tmp_path, text)


def test_the_example_of_the_authoring_guide_is_a_lesson(tmp_path):
    guide = (CHECKOUT / "docs" / "authoring.md").read_text()
    example = re.search(r"````markdown\n(.*?)````", guide, re.DOTALL)[1]
    kinds = [cell.metadata.nbgrader.grade_id for cell in lesson(tmp_path, example).cells if "nbgrader" in cell.metadata]
    assert kinds == ["setup", "truth_table", "truth_table_check", "why_not_linear"]
