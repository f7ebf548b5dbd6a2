"""Makes the nbgrader notebook of a lesson, which is written as text that reads well in a review.

The text is MyST Markdown (jupytext's ``md:myst``). One option marks what a cell is to the grader
(docs/authoring.md): ``:solution: ID``, ``:test: ID`` and ``:answer: ID`` with ``:points:``, ``:locked: ID``.
"""

import hashlib
import re
from pathlib import Path

import jupytext
import nbformat
from nbformat.notebooknode import NotebookNode

from grader.paths import LessonError

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}

# How nbgrader marks each kind of cell: (grade, solution, locked).
_KINDS = {
    "solution": (False, True, False),
    "test": (True, False, True),
    "answer": (True, True, False),
    "locked": (False, False, True),
}
_GRADE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


# Text that lessons share: ```{include} ../shared/NAME.md``` on two lines stands for that file's text.
_INCLUDE = re.compile(r"^```\{include\}[ \t]+(\S+)[ \t]*\n```[ \t]*$", re.MULTILINE)


def lesson_text(path: Path) -> str:
    """The text of the lesson at ``path``, with the files that it includes in their places."""

    def included(match: re.Match) -> str:
        file = path.parent / match[1]
        if not file.is_file():
            raise LessonError(f"{path.name} includes {match[1]}, which is not there")
        return file.read_text(encoding="utf-8").rstrip("\n")

    return _INCLUDE.sub(included, path.read_text(encoding="utf-8"))


def read_lesson(path: Path) -> NotebookNode:
    """The nbgrader source notebook of the lesson at ``path``, the same bytes for the same text.

    Raises LessonError where a marker is wrong, doubled, or lacks its points.
    """
    try:
        lesson = jupytext.reads(lesson_text(path), fmt="md:myst")
    except Exception as error:  # MyST's and YAML's parsers have no common error class
        raise LessonError(f"{path}: not readable as MyST Markdown: {error}") from error
    grade_ids: set[str] = set()
    cell_ids: set[str] = set()
    cells = [_cell(cell, path.name, grade_ids, cell_ids) for cell in lesson.cells]
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    notebook.nbformat_minor = 5
    nbformat.validate(notebook)
    return notebook


def dump(notebook: NotebookNode) -> str:
    """A notebook as text, the same for the same notebook."""
    return nbformat.writes(notebook, version=4, indent=1, sort_keys=True, ensure_ascii=False).rstrip("\n") + "\n"


def _cell(cell: NotebookNode, lesson: str, grade_ids: set[str], cell_ids: set[str]) -> NotebookNode:
    where = f"{lesson}, cell starting {cell.source.strip().splitlines()[0] if cell.source.strip() else '(empty)'!r}"
    options = dict(cell.metadata)
    tags = options.pop("tags", None)
    metadata = {"tags": tags} if tags else {}
    marks = [kind for kind in _KINDS if kind in options]
    if len(marks) > 1:
        raise LessonError(f"{where}: one of {', '.join(_KINDS)}, not several ({', '.join(marks)})")
    if marks:
        metadata["nbgrader"] = _nbgrader(marks[0], options, cell, where, grade_ids)
    elif "BEGIN SOLUTION" in cell.source or "BEGIN HIDDEN TESTS" in cell.source:
        raise LessonError(f"{where}: holds a solution or hidden tests, so it needs :solution: ID or :test: ID")
    if options:
        raise LessonError(
            f"{where}: unknown option {', '.join(map(repr, options))}; known: {', '.join(_KINDS)}, points, tags"
        )
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(cell.source, metadata=metadata, id=_cell_id(cell, metadata, cell_ids))


def _nbgrader(kind: str, options: dict, cell: NotebookNode, where: str, grade_ids: set[str]) -> dict:
    grade_id = str(options.pop(kind))
    points = options.pop("points", None)
    grade, solution, locked = _KINDS[kind]
    if not _GRADE_ID.fullmatch(grade_id):
        raise LessonError(f"{where}: id {grade_id!r}; expected letters, digits, _ and -, a letter first")
    if grade_id in grade_ids:
        raise LessonError(f"{where}: id {grade_id!r} is already taken; every marked cell needs its own")
    grade_ids.add(grade_id)
    if grade != (points is not None):
        raise LessonError(f"{where}: {kind} {grade_id!r} {'needs :points: N' if grade else 'takes no points'}")
    if grade and (isinstance(points, bool) or not isinstance(points, int | float) or points < 0):
        raise LessonError(f"{where}: points {points!r}; expected a number, zero or more")
    if kind in ("solution", "test") and cell.cell_type != "code":
        raise LessonError(f"{where}: {kind} {grade_id!r} must be a code cell")
    if kind == "solution" and "BEGIN SOLUTION" not in cell.source:
        raise LessonError(f"{where}: solution {grade_id!r} has no ### BEGIN SOLUTION ... ### END SOLUTION")
    marked = {
        "cell_type": cell.cell_type,
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    return marked | ({"points": points} if grade else {})


def _cell_id(cell: NotebookNode, metadata: dict, taken: set[str]) -> str:
    """An id that changes only when the cell does, so that releases differ only where the lesson does."""
    base = metadata.get("nbgrader", {}).get("grade_id") or hashlib.sha1(cell.source.encode()).hexdigest()[:8]
    base = base[:56]
    name, count = base, 1
    while name in taken:
        count += 1
        name = f"{base}-{count}"
    taken.add(name)
    return name
