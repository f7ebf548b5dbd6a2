"""Makes the nbgrader notebook of a lesson, which is written as text that reads well in a review.

The text is MyST Markdown (jupytext's ``md:myst``). One option marks what a cell is to the grader
(docs/authoring.md): ``:solution: ID``, ``:test: ID`` and ``:answer: ID`` with ``:points:``, ``:locked: ID``. The first
line of a check names its task and its points (`edgekit.notebook.checks`).
"""

import hashlib
import re
from pathlib import Path

import jupytext
import nbformat
from nbformat.notebooknode import NotebookNode

from edgekit.notebook.checks import Check
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
# The hints to a task, a numbered list: ```{hints} TASK ... ```. They are no part of the notebook.
_HINTS = re.compile(r"^```\{hints\}[ \t]+(\S+)[ \t]*\n(.*?)^```[ \t]*\n?", re.MULTILINE | re.DOTALL)
_STEPS = 3  # where to look, the idea, nearly the answer
_HIDDEN = re.compile(r"^### BEGIN HIDDEN TESTS.*?^### END HIDDEN TESTS", re.MULTILINE | re.DOTALL)


def lesson_text(path: Path) -> str:
    """The text of the lesson at ``path``, with the files that it includes in their places."""

    def included(match: re.Match) -> str:
        file = path.parent / match[1]
        if not file.is_file():
            raise LessonError(f"{path.name} includes {match[1]}, which is not there")
        return file.read_text(encoding="utf-8").rstrip("\n")

    return _INCLUDE.sub(included, path.read_text(encoding="utf-8"))


def read_hints(path: Path) -> dict[str, list[str]]:
    """The hints to each task of the lesson at ``path``, in the order of the lesson.

    Raises LessonError where a task has other than three hints, or twice.
    """
    return _hints(lesson_text(path), path.name)


def _hints(lesson: str, name: str) -> dict[str, list[str]]:
    hints: dict[str, list[str]] = {}
    for task, text in _HINTS.findall(lesson):
        steps = [" ".join(step.split()) for step in re.split(r"^[0-9]+\.[ \t]", text, flags=re.MULTILINE)[1:]]
        if len(steps) != _STEPS or task in hints:
            raise LessonError(f"{name}: the hints to {task!r}: expected one numbered list of {_STEPS} in the lesson")
        hints[task] = steps
    return hints


def read_lesson(path: Path) -> NotebookNode:
    """The nbgrader source notebook of the lesson at ``path``, the same bytes for the same text.

    Raises LessonError where a marker is wrong, doubled, or lacks its points.
    """
    try:
        text = lesson_text(path)
        lesson = jupytext.reads(_HINTS.sub("", text), fmt="md:myst")
    except Exception as error:  # MyST's and YAML's parsers have no common error class
        raise LessonError(f"{path}: not readable as MyST Markdown: {error}") from error
    grade_ids: set[str] = set()
    cell_ids: set[str] = set()
    cells = [_cell(cell, path.name, grade_ids, cell_ids) for cell in lesson.cells]
    _mark_checks(cells, path.name)
    for task in _hints(text, path.name):
        if task not in grade_ids:
            raise LessonError(f"{path.name} has hints to {task!r}, but no such task")
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
    metadata: dict = {}
    if tags and "folded" in tags:
        if not cell.source.startswith("# "):
            raise LessonError(f"{where}: a folded cell begins with a comment, a sentence that says what it does")
        tags = [tag for tag in tags if tag != "folded"]
        metadata["jupyter"] = {"source_hidden": True}
    if tags:
        metadata["tags"] = tags
    if "checks" in options:
        metadata["checks"] = str(options.pop("checks"))  # until `_mark_checks`
    marks = [kind for kind in _KINDS if kind in options]
    if len(marks) > 1:
        raise LessonError(f"{where}: one of {', '.join(_KINDS)}, not several ({', '.join(marks)})")
    if marks:
        metadata["nbgrader"] = _nbgrader(marks[0], options, cell, where, grade_ids)
    elif "BEGIN SOLUTION" in cell.source or "BEGIN HIDDEN TESTS" in cell.source:
        raise LessonError(f"{where}: holds a solution or hidden tests, so it needs :solution: ID or :test: ID")
    if options:
        raise LessonError(
            f"{where}: unknown option {', '.join(map(repr, options))}; known: {', '.join(_KINDS)}, points, checks, tags"
        )
    make = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(cell.source, metadata=metadata, id=_cell_id(cell, metadata, cell_ids))


def _mark_checks(cells: list[NotebookNode], lesson: str) -> None:
    """Write into the first line of each check what it is. A cell that runs the check of another one is named for it."""
    tests = [cell for cell in cells if _is_test(cell)]
    ids = [cell.metadata["nbgrader"]["grade_id"] for cell in tests]
    total = sum(cell.metadata["nbgrader"]["points"] for cell in tests)
    instead = {cell.metadata.pop("checks"): cell for cell in cells if "checks" in cell.metadata}
    if unknown := set(instead) - set(ids):
        raise LessonError(f"{lesson}: :checks: {', '.join(sorted(unknown))}: there is no such test")
    for number, (grade_id, test) in enumerate(zip(ids, tests, strict=True), 1):
        cell = instead.get(grade_id, test)
        shown = _HIDDEN.sub("", cell.source)
        if all(line.startswith("#") or not line.strip() for line in shown.splitlines()):
            continue  # nothing that the reader could run
        points = test.metadata["nbgrader"]["points"]
        check = Check(grade_id.removesuffix("_check"), points, total, number, len(tests))
        cell.source = f"{check.first_line}\n{cell.source}"
        cell.metadata["jupyter"] = {"source_hidden": True}  # it is to be run, not to be read; its first line is shown


def _is_test(cell: NotebookNode) -> bool:
    marks = cell.metadata.get("nbgrader", {})
    return bool(marks.get("grade") and not marks["solution"])


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
