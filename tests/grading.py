"""For the grading tests: the toy course, its notebook in every state, and one run of nbgrader over a whole class."""

import copy
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat

from grader import demo
from grader.paths import CHECKOUT, Course

LESSONS = Path(__file__).parent / "grader" / "course" / "lessons"
LIMITS = """
c = get_config()
c.RunSubmission.cell_seconds = 6
c.RunSubmission.notebook_seconds = 40
c.RunSubmission.memory_mb = 1024
c.RunSubmission.processes = 128
c.RunSubmission.disk_mb = 64
"""


def unprepared_course(root: Path) -> Course:
    """A course on the toy lesson that nbgrader has not seen yet, in a new folder."""
    return Course.at(shutil.copytree(LESSONS.parent, root))


class Class:
    """A course on the toy lesson with short limits, and students who hand things in."""

    def __init__(self, root: Path):
        self.course = demo.make_course(LESSONS, "toy", root)
        with (root / "nbgrader_config.py").open("a") as config:
            config.write(LIMITS)
        demo.nbgrader(self.course, "generate_assignment", "toy")
        self._made = {student: demo.submission(self.course, "toy", student) for student in demo.STUDENTS}

    @property
    def database(self) -> Path:
        return self.course.gradebook

    def notebook(self, student: str = "empty", first_cell: str = "") -> nbformat.NotebookNode:
        """The notebook of an ``honest``, ``partial`` or ``empty`` student, with one more cell at its start."""
        notebook = copy.deepcopy(self._made[student])
        if first_cell:
            notebook.cells.insert(0, nbformat.v4.new_code_cell(first_cell))
        return notebook

    def hand_in(self, student: str, notebook: nbformat.NotebookNode | bytes) -> Path:
        """Hand in a notebook, or bytes in its place; returns the submission's folder."""
        made = notebook if isinstance(notebook, dict) else self._made["empty"]
        path = demo.hand_in(self.course, "toy", student, made)
        if isinstance(notebook, bytes):
            path.write_bytes(notebook)
        return path.parent

    def grade(self, *options: str, check: bool = True):
        """`nbgrader autograde` for everybody; returns what it said."""
        return demo.nbgrader(self.course, "autograde", "toy", *options, check=check).stdout

    def grade_side_by_side(self, *options: str) -> str:
        """`python -m grader grade` for everybody; returns what it said."""
        command = [sys.executable, "-m", "grader", "--course", str(self.course.root), "grade", "toy", *options]
        result = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return result.stdout

    def points(self) -> dict[str, float]:
        """The points of every student's tests."""
        return {student: demo.total(marks) for student, marks in demo.marks(self.course, "toy").items()}

    def autograded(self, student: str) -> nbformat.NotebookNode:
        return nbformat.read(self.course.graded_notebook(student, "toy"), as_version=4)

    def text_of(self, student: str) -> str:
        """Everything the graded notebook of a student shows."""
        return self.course.graded_notebook(student, "toy").read_text()


def cell(notebook: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    """The cell with a grade id."""
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)
