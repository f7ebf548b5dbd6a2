"""The course is in grader/course/; in a checkout with files at the old place, a message says what to move where."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from checkouts import copy_of_checkout, python
from conftest import require

from grader.paths import CHECKOUT, COURSE, Course, what_to_move

OLD = {
    "grader/gradebook.db": "marks",
    "grader/gradebook.db.2026-01-01": "earlier marks",
    "grader/submitted/ada/xormodel/xormodel.ipynb": "ada's work",
    "grader/autograded/ada/xormodel/xormodel.ipynb": "ada's work, graded",
    "grader/feedback/ada/xormodel/xormodel.html": "ada's feedback",
    "grader/collected/xormodel/collected.json": "{}",
    "grader/handed_back/xormodel/xormodel-marks.csv": "ada",
    "grader/marks.csv": "ada",
    "grader/report/xormodel.html": "a class",
    "grader/lessons/my lesson/my lesson.md": "# Mine",
}
NBGRADER = Path(sys.executable).parent / "nbgrader"


@pytest.fixture
def checkout(tmp_path):
    """A checkout without anything in the old place."""
    return copy_of_checkout(tmp_path / "checkout", "grader")


@pytest.fixture
def old_checkout(checkout):
    """A checkout with the course where it was before."""
    for name, text in OLD.items():
        write(checkout / name, text)
    write(checkout / "grader/lessons/xormodel/.ipynb_checkpoints/xormodel.md", "left by JupyterLab")
    write(checkout / "grader/source/xormodel/xormodel.ipynb", "made from the lesson, and made again")
    return checkout


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def nbgrader(folder, *arguments):
    return subprocess.run([NBGRADER, *arguments], cwd=folder, capture_output=True, text=True)


def test_a_course_names_every_place_below_its_folder(tmp_path):
    course = Course.at(tmp_path / "course")
    assert course.notebooks == tmp_path.resolve() / "notebooks"
    assert Course.at(COURSE).notebooks == CHECKOUT / "notebooks"
    assert course.submitted_notebook("ada", "toy") == course.root / "submitted" / "ada" / "toy" / "toy.ipynb"
    assert course.graded_notebook("ada", "toy") == course.root / "autograded" / "ada" / "toy" / "toy.ipynb"
    assert course.feedback_page("ada", "toy") == course.root / "feedback" / "ada" / "toy" / "toy.html"
    assert course.source_notebook("toy") == course.root / "source" / "toy" / "toy.ipynb"
    assert course.gradebook_url == f"sqlite:///{course.root}/gradebook.db"


def test_a_checkout_without_old_files_has_nothing_to_move(checkout):
    assert what_to_move(checkout) == ""


def test_the_commands_it_names_move_everything_and_lose_nothing(old_checkout):
    said = what_to_move(old_checkout)
    assert said.startswith("The course is now in grader/course/, and some of its files are still in grader/; ")
    assert "\n" not in said
    commands = said.partition(" run: ")[2]
    subprocess.run(commands, shell=True, cwd=old_checkout, check=True)
    assert what_to_move(old_checkout) == ""
    for name, text in OLD.items():
        assert (old_checkout / name.replace("grader/", "grader/course/")).read_text() == text
        assert not (old_checkout / name).exists()


def test_nothing_is_moved_over_a_file_that_is_in_the_new_place_already(old_checkout):
    write(old_checkout / "grader/course/gradebook.db", "new marks")
    said = what_to_move(old_checkout)
    assert "put grader/gradebook.db and grader/course/gradebook.db together by hand" in said
    commands = said.partition(" run: ")[2].partition("; put ")[0]
    assert "gradebook.db " not in commands.replace("gradebook.db.2026-01-01 ", "")
    subprocess.run(commands, shell=True, cwd=old_checkout, check=True)
    assert (old_checkout / "grader/gradebook.db").read_text() == "marks"
    assert (old_checkout / "grader/course/gradebook.db").read_text() == "new marks"


@pytest.mark.parametrize("command", [["grade", "xormodel"], ["report", "xormodel"], ["collect", "xormodel", "x.zip"]])
def test_commands_about_students_stop_and_change_nothing(old_checkout, command):
    before = contents(old_checkout)
    result = python(old_checkout, "-m", "grader", *command)
    assert result.returncode == 2
    assert result.stderr == f"{what_to_move(old_checkout)}.\n"
    assert contents(old_checkout) == before


def test_commands_about_lessons_say_it_and_go_on(old_checkout):
    result = python(old_checkout, "-m", "grader", "release", "xormodel")
    assert result.returncode == 0, result.stderr
    assert result.stderr == f"{what_to_move(old_checkout)}.\n"
    assert (old_checkout / "notebooks" / "xormodel" / "xormodel.ipynb").is_file()


def test_nbgrader_stops_in_the_old_place_and_beside_old_files(old_checkout):
    before = contents(old_checkout)
    result = nbgrader(old_checkout / "grader", "autograde", "xormodel")
    assert result.returncode
    assert "The course is now in grader/course/: run nbgrader there" in result.stderr
    result = nbgrader(old_checkout / "grader" / "course", "autograde", "xormodel")
    assert result.returncode
    assert what_to_move(old_checkout) in result.stderr
    assert contents(old_checkout) == before


def test_nbgraders_plain_commands_work_in_the_courses_folder(checkout):
    require("bwrap", "apt install bubblewrap")
    require("g++")
    shutil.copytree(CHECKOUT / "edgekit", checkout / "edgekit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CHECKOUT / "firmware_templates", checkout / "firmware_templates")
    course = Course.at(checkout / "grader" / "course")
    code = set(contents(checkout))

    def run(*arguments):
        result = nbgrader(course.root, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr

    run("generate_assignment", "xormodel")
    shutil.copytree(course.root / "release" / "xormodel", course.submitted("ada", "xormodel"))
    run("autograde", "xormodel")
    run("generate_feedback", "xormodel")
    assert course.graded_notebook("ada", "xormodel").is_file()
    assert "HIDDEN TESTS" not in course.feedback_page("ada", "xormodel").read_text()
    with course.open_gradebook() as gradebook:
        submission = gradebook.find_submission("xormodel", "ada")
        assert submission.score == 0
        assert submission.max_score > 0
    assert {path.relative_to(course.root).parts[0] for path in contents(checkout).keys() - code} == {
        "autograded",
        "feedback",
        "gradebook.db",
        "release",
        "source",
        "submitted",
    }
