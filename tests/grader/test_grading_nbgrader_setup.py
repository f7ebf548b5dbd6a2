"""nbgrader never grades without its course's configuration: it stops if that fails, and accepts former names."""

import nbformat
import pytest
from grading import LESSONS

from grader import demo
from grader.__main__ import main


@pytest.fixture
def course(tmp_path):
    """The toy course with one submission that would leave a file behind if it ran unprotected."""
    course = demo.make_course(LESSONS, "toy", tmp_path / "course")
    notebook = demo.submission(course, "toy", "honest")
    notebook.cells.insert(0, nbformat.v4.new_code_cell(f"open({str(tmp_path / 'ran')!r}, 'w').close()"))
    demo.hand_in(course, "toy", "ada", notebook)
    demo.nbgrader(course, "generate_assignment", "toy")
    return course


def test_a_lesson_that_cannot_be_read_stops_nbgrader_and_the_command_names_it(course, tmp_path, capsys):
    with course.lesson("toy").open("a") as text:
        text.write("\n```{code-cell}\n:test: no_points\n\nassert True\n```\n")
    result = demo.nbgrader(course, "autograde", "toy", check=False)
    assert result.returncode
    assert "LessonError: toy.md, cell starting 'assert True': test 'no_points' needs :points: N" in result.stdout
    assert not course.graded_notebook("ada", "toy").exists()
    assert not (tmp_path / "ran").exists()
    assert main(["--course", str(course.root), "grade", "toy"]) == 2
    assert capsys.readouterr().err == "toy.md, cell starting 'assert True': test 'no_points' needs :points: N\n"


def test_a_configuration_with_the_former_name_sets_nbgrader_up(course, tmp_path):
    config = course.root / "nbgrader_config.py"
    text = config.read_text()
    former = text.replace("from grader.grading.nbgrader_setup import configure", "from grader.course import configure")
    assert former != text
    config.write_text(former)
    demo.nbgrader(course, "autograde", "toy")
    assert not (tmp_path / "ran").exists()
    assert demo.total(demo.marks(course, "toy")["ada"]) == 9
