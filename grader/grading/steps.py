"""The steps of nbgrader's commands before and after the run of a submission: read it, hide hidden tests."""

import os
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests
from traitlets.config import Config

from grader.grading import feedback
from grader.grading.read import read_or_note
from grader.grading.run import INSTRUCTOR_ONLY, RunSubmission
from grader.sandbox import bubblewrap


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
        if (about.get("student"), about.get("assignment")) in RunSubmission.prepared:  # its second half takes that
            self._preprocessors = []
            notebook = nbformat.v4.new_notebook()
        else:
            notebook = read_or_note(
                Path(filename),
                lambda error: self.log.warning("%s, %s: %s", about.get("student"), Path(filename).name, error),
            )
        resources = dict(resources or {})
        resources["metadata"] = {"name": Path(filename).stem, "path": os.path.dirname(filename), "modified_date": ""}
        return self.from_notebook_node(notebook, resources=resources, **kwargs)


class HideHiddenTests(ClearHiddenTests):
    """Takes hidden tests, and what only the instructor may read, out of the students' feedback.

    It also sees to it that the page is written in a time that grows with the text and no faster: see `feedback`.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The notebook without hidden regions, and with no more text than can be shown."""
        nb, resources = super().preprocess(nb, resources)
        feedback.limit(nb)
        return nb, resources

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
