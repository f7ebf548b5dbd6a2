"""What students hand in is read with care here, and made whole again from the instructor's own cells."""

import html
import json
import os
from dataclasses import dataclass
from pathlib import Path

import bleach
import nbformat
from nbconvert.exporters import NotebookExporter
from nbconvert.filters import markdown2html
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor

MAX_BYTES = 64 << 20  # of a submitted notebook
MAX_CELLS = 2000
MAX_SOURCE = 1 << 20  # characters of a cell
_TAGS = {
    *bleach.ALLOWED_TAGS,
    "br",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "img",
    "p",
}
_TAGS |= {"pre", "span", "sub", "sup", "table", "tbody", "td", "th", "thead", "tr"}
_ATTRIBUTES = bleach.ALLOWED_ATTRIBUTES | {"*": ["class", "id"], "img": ["src", "alt", "title", "width", "height"]}


class UnreadableNotebook(ValueError):
    """The submitted file is not a notebook; the message says what is wrong with it, in one line."""


@dataclass
class LessonCell:
    """A cell of the instructor's, as the gradebook keeps it."""

    grade_id: str
    source: str
    metadata: dict  # nbgrader's

    @property
    def is_test(self) -> bool:
        return self.metadata["grade"] and not self.metadata["solution"] and self.metadata["cell_type"] == "code"

    def fresh(self) -> NotebookNode:
        """The cell as the instructor made it."""
        make = nbformat.v4.new_code_cell if self.metadata["cell_type"] == "code" else nbformat.v4.new_markdown_cell
        return make(self.source, metadata={"nbgrader": dict(self.metadata)})


@dataclass
class Lesson:
    """What is known about a notebook without asking the student: its marked cells and the instructor's notebook."""

    notebook: str
    folder: Path
    source: NotebookNode
    cells: dict[str, LessonCell]  # in the lesson's order

    @classmethod
    def of(cls, resources: dict, source_root: str) -> "Lesson":
        """The lesson that a submission belongs to, from the gradebook and the course's source folder."""
        about = resources["nbgrader"]
        folder = Path(source_root) / about["assignment"]
        source = nbformat.read(folder / f"{about['notebook']}.ipynb", as_version=4)
        order = {
            cell.metadata["nbgrader"]["grade_id"]: i
            for i, cell in enumerate(source.cells)
            if "nbgrader" in cell.metadata
        }
        with Gradebook(about["db_url"]) as gradebook:
            notebook = gradebook.find_notebook(about["notebook"], about["assignment"])
            points = {cell.name: cell.max_score for cell in notebook.grade_cells}
            solutions = {cell.name for cell in notebook.solution_cells}
            tasks = {cell.name: cell.max_score for cell in notebook.task_cells}
            cells = [_lesson_cell(cell, points, solutions, tasks) for cell in notebook.source_cells]
        cells.sort(key=lambda cell: order.get(cell.grade_id, len(order)))
        return cls(about["notebook"], folder, source, {cell.grade_id: cell for cell in cells})

    @property
    def tests(self) -> dict[str, str]:
        """The source of every test cell, hidden part included."""
        return {cell.grade_id: cell.source for cell in self.cells.values() if cell.is_test}

    @property
    def not_graded(self) -> set[str]:
        """The sources of the cells that the instructor tagged so: no mark depends on them."""
        return {cell.source for cell in self.source.cells if "not-graded" in cell.metadata.get("tags", [])}

    @property
    def points(self) -> dict[str, float]:
        return {cell.grade_id: float(cell.metadata["points"]) for cell in self.cells.values() if cell.is_test}


def _lesson_cell(cell, points, solutions, tasks) -> LessonCell:
    metadata = {
        "grade": cell.name in points,
        "solution": cell.name in solutions or cell.name in tasks,
        "task": cell.name in tasks,
        "locked": cell.locked,
        "grade_id": cell.name,
        "cell_type": cell.cell_type,
        "checksum": cell.checksum,
        "schema_version": 3,
    }
    if cell.name in points or cell.name in tasks:
        metadata["points"] = points.get(cell.name, tasks.get(cell.name))
    if cell.name in tasks:
        metadata["solution"] = False
    return LessonCell(cell.name, cell.source, metadata)


def note(text: str) -> NotebookNode:
    """A cell of the grader's own, for the reader of the report."""
    return nbformat.v4.new_markdown_cell(text, metadata={"editable": False, "deletable": False})


def read_submission(path: Path) -> NotebookNode:
    """The notebook at ``path`` with only what a notebook may have; raises UnreadableNotebook."""
    if path.is_symlink() or path.parent.is_symlink() or path.parent.parent.is_symlink():
        raise UnreadableNotebook("it is a link")
    if not path.is_file():
        raise UnreadableNotebook("it is no regular file" if path.exists() else "there is no file of this name")
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableNotebook(f"it is larger than {MAX_BYTES >> 20} MB")
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
        if type(raw) is not dict or type(raw.get("nbformat")) is not int:
            raise UnreadableNotebook("it is not a Jupyter notebook")
        if type(raw.get("cells")) is list:
            raw["cells"] = [cell for cell in map(_slim, raw["cells"]) if cell]
            raw["metadata"] = {}
        if raw["nbformat"] == 4:
            raw = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": raw.get("cells", [])}
        notebook = nbformat.reads(json.dumps(raw), as_version=4)
        nbformat.validate(notebook)
    except UnreadableNotebook:
        raise
    except (ValueError, RecursionError, UnicodeError, MemoryError) as error:
        raise UnreadableNotebook(f"it is not a Jupyter notebook ({type(error).__name__})") from error
    except (
        Exception
    ) as error:  # nbformat's converters and validators raise what they meet: KeyError, AttributeError, ...
        raise UnreadableNotebook(f"it is a broken Jupyter notebook ({type(error).__name__})") from error
    notebook.cells = _not_too_many(notebook.cells)
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def read_or_note(path: Path, on_error=lambda error: None) -> NotebookNode:
    """The notebook at ``path``; one with a note in place of what cannot be read, after ``on_error(error)``."""
    try:
        return read_submission(path)
    except UnreadableNotebook as error:
        on_error(error)
        cells = [note(f"**The submitted file could not be graded:** {error}.")]
        return nbformat.v4.new_notebook(cells=cells, metadata={"edgekit": {"unreadable": str(error)}})


def _slim(cell) -> dict | None:
    """A cell's type, source and grade id, without outputs and whatever else was put into it."""
    if type(cell) is not dict or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = cell.get("source", "")
    if type(source) is list:
        source = "".join(line for line in source if type(line) is str)
    source = source.encode("utf-8", "replace").decode() if type(source) is str else ""
    if len(source) > MAX_SOURCE:
        source = "# this cell was longer than a million characters, and was left out"
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if type(metadata) is dict else None
    grade_id = marks.get("grade_id") if type(marks) is dict else None
    kept = {"nbgrader": {"grade_id": grade_id}} if type(grade_id) is str else {}
    slim = {"cell_type": cell["cell_type"], "source": source, "metadata": kept}
    return slim | ({"outputs": [], "execution_count": None} if cell["cell_type"] == "code" else {})


def _not_too_many(cells: list) -> list:
    if len(cells) <= MAX_CELLS:
        return cells
    kept = [cell for cell in cells if cell.metadata.get("nbgrader")][:MAX_CELLS]
    return [note(f"*The notebook had {len(cells)} cells; only its tasks and tests were kept.*"), *kept]


class SubmissionExporter(NotebookExporter):
    """Reads notebooks for `nbgrader autograde`: a broken one becomes an empty one with a note, so that it gets its 0.

    Made at the start of the command, so it is also where grading stops when there is no sandbox.
    """

    def __init__(self, config=None, **kwargs):
        super().__init__(config=config, **kwargs)
        from nbgrader.converters.base import NbGraderException

        from grader import sandbox
        from grader.execution import RunSubmission

        if RunSubmission(parent=self).unsafe:
            self.log.warning("Grading without the sandbox: student code runs with your own rights.")
            return
        try:
            sandbox.check()
        except sandbox.SandboxMissing as error:
            self.log.error(
                "%s To grade without it, at your own risk, add --RunSubmission.unsafe=True; every report will say so.",
                error,
            )
            raise NbGraderException(str(error)) from error

    def from_filename(self, filename, resources=None, **kwargs):
        about = (resources or {}).get("nbgrader", {})
        if not getattr(self.parent, "_sanitizing", True):  # its second half reads what its first half wrote
            return super().from_filename(filename, resources=resources, **kwargs)
        notebook = read_or_note(
            Path(filename),
            lambda error: self.log.warning("%s, %s: %s", about.get("student"), Path(filename).name, error),
        )
        resources = dict(resources or {})
        resources["metadata"] = {"name": Path(filename).stem, "path": os.path.dirname(filename), "modified_date": ""}
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


class RestoreCells(NbGraderPreprocessor):
    """Makes the marked cells what the instructor made them; takes the place of DeduplicateIds and OverwriteCells.

    A student's notebook only says where a cell stands and, for a task, what it holds. Whatever else it says about
    marks is dropped: points, kinds, locks, doubled ids. Cells that are missing come back after the one they follow in
    the lesson.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The notebook with every marked cell of the lesson once."""
        from grader.execution import RunSubmission

        lesson = Lesson.of(resources, RunSubmission(config=self.config).source_root)
        last = {}
        for index, cell in enumerate(nb.cells):
            grade_id = _grade_id(cell)
            if grade_id in lesson.cells:
                last[grade_id] = index  # a copy stays a plain cell: the last one counts, as with nbgrader
        cells, at = [], {}
        for index, cell in enumerate(nb.cells):
            grade_id = _grade_id(cell)
            cell.metadata.pop("nbgrader", None)
            if grade_id in lesson.cells and last[grade_id] == index:
                restored = lesson.cells[grade_id].fresh()
                if not restored.metadata.nbgrader["locked"] and not restored.metadata.nbgrader["task"]:
                    restored.source = cell.source
                cell = restored
                at[grade_id] = cell
            elif grade_id in lesson.cells:
                self.log.warning(
                    "%s: cell %r exists more than once; the last one counts", resources["nbgrader"]["student"], grade_id
                )
            cells.append(cell)
        missing = [grade_id for grade_id in lesson.cells if grade_id not in at]
        if missing and "edgekit" not in nb.metadata:  # of an unreadable one enough has been said
            about = resources["nbgrader"]
            self.log.warning(
                "%s, %s: put back what is missing: %s", about["student"], about["notebook"], ", ".join(missing)
            )
        nb.cells = self._with_missing(cells, at, lesson)
        for number, cell in enumerate(nb.cells):
            cell.id = f"cell-{number}"
        return nb, resources

    def _with_missing(self, cells: list, at: dict, lesson: Lesson) -> list:
        previous = None
        for grade_id, known in lesson.cells.items():
            if grade_id not in at:
                cell = known.fresh()
                position = (
                    0 if previous is None else next(i for i, other in enumerate(cells) if other is at[previous]) + 1
                )
                cells.insert(position, cell)
                at[grade_id] = cell
            previous = grade_id
        return cells


def _grade_id(cell) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


class HideHiddenTests(ClearHiddenTests):
    """Takes hidden tests, and what only the instructor may read, out of the students' feedback."""

    def preprocess_cell(self, cell, resources, cell_index):
        """One cell without hidden regions and without outputs for the instructor."""
        from grader.execution import INSTRUCTOR_ONLY

        if cell.cell_type == "code":
            cell.outputs = [
                o for o in cell.outputs if o.get("metadata", {}).get("edgekit") != INSTRUCTOR_ONLY["edgekit"]
            ]
            if "BEGIN HIDDEN TESTS" in cell.source and _is_test(cell):
                self._remove_hidden_test_region(cell)
        return cell, resources


def _is_test(cell) -> bool:
    marks = cell.metadata.get("nbgrader", {})
    return bool(marks.get("grade")) and not marks.get("solution")


def harmless_html(markdown: str) -> str:
    """Markdown as HTML without scripts: students write it, the browser of an instructor shows it."""
    try:
        page = markdown2html(markdown)
    except Exception:  # a picture that was pasted in and is not there, nesting without end: the text itself is shown
        return f"<pre>{html.escape(markdown)}</pre>"
    return bleach.clean(page, tags=_TAGS, attributes=_ATTRIBUTES, strip=True)
