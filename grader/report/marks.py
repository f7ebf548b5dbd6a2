"""Reads the marks of a class from the gradebook and the graded notebooks, to be reported or handed back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import nbformat.reader
from nbformat.notebooknode import NotebookNode

from grader.lesson.source import read_lesson
from grader.paths import Course

UNSAFE = "Graded without the sandbox (--unsafe): trust this mark only if you trust the student."


@dataclass(frozen=True)
class Mark:
    """The mark for one test, or for one answer that is marked by hand."""

    points: float
    maximum: float
    waits: bool  # nobody has marked it yet
    comment: str = ""  # the instructor's


@dataclass
class Graded:
    """One student's result."""

    student: str
    marks: dict[str, Mark] = field(default_factory=dict)  # by grade id, in the lesson's order
    penalty: float = 0.0
    notebook: NotebookNode | None = None  # as graded; None when it is not graded yet
    problem: str = ""  # why there is no notebook

    @property
    def points(self) -> float:
        """All points, less a penalty for being late; never below 0."""
        return max(0.0, sum(mark.points for mark in self.marks.values()) - self.penalty)

    @property
    def maximum(self) -> float:
        """The points that the lesson can give."""
        return sum(mark.maximum for mark in self.marks.values())

    @property
    def waits(self) -> list[str]:
        """The answers that have still to be marked by hand."""
        return [grade_id for grade_id, mark in self.marks.items() if mark.waits]

    @property
    def is_unsafe(self) -> bool:
        """Whether the student's code ran without the sandbox."""
        return bool(self.notebook is not None and self.notebook.metadata.get("edgekit", {}).get("unsafe"))

    def summary(self) -> str:
        """The result in one or two sentences, for the student."""
        parts = [
            f"{grade_id} {'waits' if mark.waits else format(mark.points, 'g')} of {mark.maximum:g}"
            for grade_id, mark in self.marks.items()
        ]
        late = f", {self.penalty:g} points off for being late" if self.penalty else ""
        text = f"Graded: {self.points:g} of {self.maximum:g} points ({', '.join(parts)}{late})."
        if self.waits:
            text += " Some answers have still to be marked by hand."
        return f"{text} {UNSAFE}" if self.is_unsafe else text


def read(course: Course, name: str) -> dict[str, Graded]:
    """Everyone the gradebook knows to have handed in lesson ``name``, by student."""
    return {result.student: result for result in each(course, name)}


def each(course: Course, name: str) -> Iterator[Graded]:
    """The same one after the other, for what need not have all notebooks in memory."""
    order = _order(course, name)
    with course.open_gradebook() as gradebook:
        for submission in gradebook.assignment_submissions(name):
            student = submission.student.id
            result = Graded(student, penalty=submission.late_submission_penalty or 0.0)
            for notebook in submission.notebooks:
                comments = {comment.name: comment.comment or "" for comment in notebook.comments}
                for grade in sorted(notebook.grades, key=lambda grade: order.get(grade.name, len(order))):
                    score = grade.score or 0.0
                    is_open = bool(grade.needs_manual_grade) or (
                        grade.auto_score is None and grade.manual_score is None
                    )
                    result.marks[grade.name] = Mark(score, grade.max_score, is_open, comments.get(grade.name, ""))
            result.notebook, result.problem = _graded_notebook(course.graded_notebook(student, name))
            yield result


def _graded_notebook(path: Path) -> tuple[NotebookNode | None, str]:
    """The notebook that was run, or why there is none: grading may have been killed at any time."""
    if not path.is_file():
        return None, "its graded notebook is not in autograded/"
    try:
        notebook = nbformat.reader.reads(path.read_text(encoding="utf-8"))
        nbformat.validate(notebook)
    except Exception:  # nbformat raises what it meets: KeyError, AttributeError, ...
        return None, "its graded notebook is broken: grading was stopped while it was written; grade it again"
    if "unsafe" not in notebook.metadata.get("edgekit", {}):
        return None, "grading was stopped half way; grade it again"
    return notebook, ""


def _order(course: Course, name: str) -> dict[str, int]:
    marked = [cell for cell in read_lesson(course.lesson(name)).cells if "nbgrader" in cell.metadata]
    return {cell.metadata.nbgrader.grade_id: index for index, cell in enumerate(marked)}
