"""The steps of nbgrader's commands around the run of a submission: read it, restore its cells, hide hidden tests."""

import html
import os
from pathlib import Path
from typing import Any

import bleach
from nbconvert.exporters import NotebookExporter
from nbconvert.filters import markdown2html
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor
from traitlets.config import Config

from grader.grading.marked_cells import Lesson
from grader.grading.read import read_or_note
from grader.grading.run import INSTRUCTOR_ONLY, RunSubmission
from grader.sandbox import bubblewrap

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


class SubmissionExporter(NotebookExporter):
    """Reads notebooks for `nbgrader autograde`: a broken one becomes an empty one with a note, so that it gets its 0.

    Made at the start of the command, so it is also where grading stops when there is no sandbox.
    """

    def __init__(self, config: Config | None = None, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        from nbgrader.converters.base import NbGraderException

        if RunSubmission(parent=self).unsafe:
            self.log.warning("Grading without the sandbox: student code runs with your own rights.")
            return
        try:
            bubblewrap.check()
        except bubblewrap.SandboxMissing as error:
            self.log.error(
                "%s To grade without it, at your own risk, add --RunSubmission.unsafe=True; every report will say so.",
                error,
            )
            raise NbGraderException(str(error)) from error

    def from_filename(self, filename: str, resources: dict | None = None, **kwargs: Any) -> tuple[NotebookNode, dict]:
        """The notebook in the file ``filename``, read with care, and the resources for the next steps."""
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

    A student's notebook only says where a cell stands and, for a task, what it holds. Anything else in it about
    marks is dropped: points, kinds, locks, doubled ids. Cells that are missing come back after the one they follow in
    the lesson.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The notebook with every marked cell of the lesson once."""
        lesson = Lesson.of(resources, RunSubmission(config=self.config).course)
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

    def preprocess_cell(self, cell: NotebookNode, resources: dict, cell_index: int) -> tuple[NotebookNode, dict]:
        """One cell without hidden regions and without outputs for the instructor."""
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
