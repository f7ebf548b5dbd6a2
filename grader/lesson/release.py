"""Releases a lesson to students: lessons/NAME -> source/NAME -> notebooks/NAME."""

import filecmp
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

from nbgrader.preprocessors import ClearSolutions

from edgekit.notebook.checks import HINTS
from grader.lesson.source import dump, read_hints, read_lesson
from grader.paths import Course

_IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")


class ClearLessonSolutions(ClearSolutions):
    """nbgrader's stubs, with the lesson's own (after ``### STUB``) and one for C++ cells."""

    code_stub: dict[str, str]

    def _replace_solution_region(self, cell, language):
        foreign = cell.cell_type == "code" and cell.source.lstrip().startswith("%%firmware")
        stubs = self.code_stub
        try:
            if foreign:
                self.code_stub = stubs | {language: "// TODO: your code"}
            cell.source, own = _own_stubs(cell.source, self.begin_solution_delimeter, self.end_solution_delimeter)
            return super()._replace_solution_region(cell, language) or own
        finally:
            self.code_stub = stubs


def _own_stubs(source: str, begin: str, end: str) -> tuple[str, bool]:
    """Put the lesson's own stub in place of each solution region that has one, and say whether there was any."""
    region = re.compile(
        rf"^[^\n]*{re.escape(begin)}[^\n]*\n(?:(?!^[^\n]*{re.escape(end)}).*\n)*?"
        rf"^[ \t]*(?:###|///)[ \t]*STUB[^\n]*\n(?P<stub>(?:(?!^[^\n]*{re.escape(end)}).*\n)*)"
        rf"^[^\n]*{re.escape(end)}[^\n]*(?:\n|\Z)",
        re.MULTILINE,
    )
    result, count = region.subn(
        lambda match: re.sub(r"^([ \t]*)(?:#|//) ?", r"\1", match["stub"], flags=re.MULTILINE), source
    )
    return (result.rstrip("\n") if count else source), bool(count)


def release_preprocessors(generate_assignment: Any) -> list[type]:
    """nbgrader's own list for a release, with our stubs."""
    return [
        ClearLessonSolutions if step is ClearSolutions else step
        for step in generate_assignment.preprocessors.default_args[0]
    ]


def build(course: Course, name: str) -> Path:
    """Write source/NAME/ from lessons/NAME/, return its notebook."""
    lesson = course.lesson(name)
    text = dump(read_lesson(lesson))
    copy_lesson(lesson.parent, course.source(name), without=lesson.name)
    _write_hints(lesson, course.source(name))
    notebook = course.source_notebook(name)
    notebook.write_text(text, encoding="utf-8")
    return notebook


def build_outdated(course: Course) -> None:
    """Build each source notebook that is missing, or older than a file of its lesson or a shared one."""
    for name in course.names:
        notebook = course.source_notebook(name)
        folders = (course.lessons / name, course.shared)
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        if not notebook.exists() or notebook.stat().st_mtime < max(path.stat().st_mtime for path in files):
            build(course, name)


def release(course: Course, name: str, target: Path | None = None) -> Path:
    """Write what students get of lesson ``name`` to ``target`` (notebooks/NAME): the same bytes for the same lesson.

    It is what ``nbgrader generate_assignment`` writes to release/, without a gradebook and with keys in order.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.preprocessors import SaveCells

    target = target or course.notebooks / name
    lesson = course.lesson(name)
    notebook, resources = read_lesson(lesson), {}
    for step in release_preprocessors(GenerateAssignment):
        if step is not SaveCells:
            notebook, resources = step().preprocess(notebook, resources)
    copy_lesson(lesson.parent, target, without=lesson.name)
    _write_hints(lesson, target)
    (target / f"{name}.ipynb").write_text(dump(notebook), encoding="utf-8")
    return target


def _write_hints(lesson: Path, target: Path) -> None:
    hints = read_hints(lesson)
    if hints:
        (target / HINTS).write_text(json.dumps(hints, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def copy_lesson(folder: Path, target: Path, without: str = "") -> None:
    """Make ``target`` anew, with the files of a lesson's folder except the one named ``without``."""
    if target.exists():
        shutil.rmtree(target)
    ignore = lambda base, names: set(_IGNORED(base, names)) | {without}  # noqa: E731
    shutil.copytree(folder, target, copy_function=shutil.copyfile, ignore=ignore)


def differences(course: Course, name: str) -> list[str]:
    """The files of notebooks/NAME that are not what the lesson releases, each with what is wrong."""
    with tempfile.TemporaryDirectory(prefix="edgekit-check-") as scratch:
        fresh = release(course, name, Path(scratch) / name)
        committed = course.notebooks / name
        new, old = _files(fresh), _files(committed)
        return (
            [f"{name}/{path}: missing" for path in sorted(new - old)]
            + [f"{name}/{path}: not part of the lesson" for path in sorted(old - new)]
            + [
                f"{name}/{path}: differs from the lesson"
                for path in sorted(new & old)
                if not filecmp.cmp(fresh / path, committed / path, shallow=False)
            ]
        )


def _files(folder: Path) -> set[str]:
    """Relative paths of the files below ``folder``, without the files that a notebook writes when it runs there."""
    paths = (Path(base, file).relative_to(folder) for base, _, files in os.walk(folder) for file in files)
    return {str(path) for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)}
