"""Every lesson is tried in a file of this folder, and its checks leave the names of other cells alone."""

from pathlib import Path

from conftest import ROOT

from grader.lesson import test_names
from grader.lesson.source import read_lesson
from grader.paths import COURSE, Course


def test_every_lesson_is_tried_in_a_file_of_its_own():
    lessons = {path.name for path in (ROOT / "notebooks").iterdir() if path.is_dir()}
    tried = {path.stem.removeprefix("test_lesson_") for path in Path(__file__).parent.glob("test_lesson_*.py")}
    assert tried == lessons


def test_no_check_overwrites_a_name_that_a_later_cell_uses():
    course = Course.at(COURSE)
    for lesson in course.names:
        made, overwritten = set(), set()
        for cell in read_lesson(course.lesson(lesson)).cells:
            if cell.cell_type != "code" or cell.source.startswith("%%"):
                continue
            source = test_names.python_source(cell.source.partition("### BEGIN HIDDEN TESTS")[0])
            bound = test_names.bound_names(source)
            if cell.metadata.get("nbgrader", {}).get("grade"):
                overwritten |= bound & made
                continue
            assert not (test_names.used_names(source) - bound) & overwritten, f"{lesson}: {cell.source}"
            made |= bound
            overwritten -= bound
