"""The marked cells of a lesson as the instructor made them: tests and tasks come from here, never from a submission."""

from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader.api import Gradebook

from grader.paths import Course


@dataclass
class LessonCell:
    """A cell of the instructor's, as the gradebook keeps it."""

    grade_id: str
    source: str
    metadata: dict  # nbgrader's

    @property
    def is_test(self) -> bool:
        """Whether it is code that gives points by itself."""
        return self.metadata["grade"] and not self.metadata["solution"] and self.metadata["cell_type"] == "code"

    @property
    def is_task(self) -> bool:
        """Whether it is the student's to write: code that is tested, or an answer that is marked by hand."""
        return not self.metadata["locked"] and not self.metadata["task"] and not self.is_test

    def fresh(self) -> NotebookNode:
        """The cell as the instructor made it."""
        make = nbformat.v4.new_code_cell if self.metadata["cell_type"] == "code" else nbformat.v4.new_markdown_cell
        return make(self.source, metadata={"nbgrader": dict(self.metadata)})


@dataclass
class Lesson:
    """A lesson as the instructor made it: its marked cells, as the gradebook keeps them, and its notebook."""

    notebook: str
    folder: Path
    source: NotebookNode
    cells: dict[str, LessonCell]  # in the lesson's order

    @classmethod
    def of(cls, resources: dict, course: Course) -> "Lesson":
        """The lesson that a submission belongs to, from nbgrader's gradebook and the course's source folder."""
        about = resources["nbgrader"]
        folder = course.source(about["assignment"])
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
        """The points that every test cell can give."""
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
