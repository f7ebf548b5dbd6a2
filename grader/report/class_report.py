"""Gathers all that an instructor wants to know about a class after grading; `grader.report.page` shows it."""

import copy
import re
import statistics
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime

from nbformat.notebooknode import NotebookNode
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from grader.grading.files import unfit
from grader.grading.read import missing_tasks, stopped, unreadable
from grader.lesson import test_names
from grader.lesson.release import ClearLessonSolutions
from grader.lesson.source import read_lesson
from grader.paths import Course
from grader.report import marks as class_marks
from grader.report import similarity
from grader.report.marks import Graded
from grader.text import printable

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_OWN_WORDS = ("AssertionError", "HiddenCheckFailed")  # errors whose message is the check's own, and says enough
_MAX_MESSAGE = 300


class ReportError(ValueError):
    """There is nothing to report on, or nowhere to write it; the message says what to do."""


@dataclass(frozen=True)
class TaskMark:
    """The points of a student for one task; ``waits`` counts the answers in it that nobody has marked yet."""

    points: float
    maximum: float
    waits: int = 0

    @property
    def share(self) -> float:
        """Of the maximum, 0 to 1."""
        return self.points / self.maximum if self.maximum else 1.0


@dataclass
class Task:
    """A solution cell with what follows it up to the next one, and how the class did in it."""

    grade_id: str  # of the solution cell
    heading: str  # the lesson's last heading before it
    marked: list[str] = field(default_factory=list)  # grade ids of what has points
    marks: dict[str, TaskMark] = field(default_factory=dict)  # by student
    messages: Counter[str] = field(default_factory=Counter)  # of failing checks; how many students saw each
    seconds: dict[str, float] = field(default_factory=dict)  # by student

    @property
    def maximum(self) -> float:
        """The points that the task can give."""
        return max((mark.maximum for mark in self.marks.values()), default=0.0)

    @property
    def done(self) -> list[TaskMark]:
        """The marks that are final."""
        return [mark for mark in self.marks.values() if not mark.waits and mark.maximum]

    @property
    def share(self) -> float | None:
        """The mean share of the marks, 0 to 1; None while nobody is marked."""
        return statistics.fmean(mark.share for mark in self.done) if self.done else None

    @property
    def full(self) -> int:
        """How many have all points."""
        return sum(mark.share >= 1 for mark in self.done)

    @property
    def zero(self) -> int:
        """How many have no point."""
        return sum(mark.share <= 0 for mark in self.done)

    @property
    def waiting(self) -> int:
        """How many have answers in it that wait to be marked by hand."""
        return sum(mark.waits > 0 for mark in self.marks.values())

    @property
    def median_seconds(self) -> float:
        """The median of the seconds that it took."""
        return statistics.median(self.seconds.values()) if self.seconds else 0.0

    @property
    def longest(self) -> tuple[str, float]:
        """Who took longest, and the seconds."""
        return max(self.seconds.items(), key=lambda item: item[1], default=("", 0.0))


@dataclass
class Student:
    """One student's row."""

    name: str
    points: float
    maximum: float
    waits: int
    penalty: float


@dataclass
class ClassReport:
    """A class and a lesson."""

    lesson: str
    title: str
    made: datetime
    handed_in: list[str]
    not_graded: dict[str, str]  # why, by student
    absent: list[str]  # known to the gradebook, without a submission
    students: list[Student]  # graded, by name
    unsafe: list[str]  # graded without the sandbox
    unreadable: dict[str, str]  # graded 0, since the file was no notebook: why
    stopped: dict[str, str]  # graded, though the sandbox had to stop their code: why
    missing: dict[str, str]  # graded, though no cell of these tasks was found
    late: list[str]  # as the learning platform says it
    before: Task  # the cells before the first task: it has times only
    tasks: list[Task]
    alike: similarity.Comparison

    @property
    def totals(self) -> list[float]:
        """Every student's points."""
        return [student.points for student in self.students]

    @property
    def maximum(self) -> float:
        """The points that the lesson can give."""
        return max((student.maximum for student in self.students), default=0.0)

    @property
    def waiting(self) -> int:
        """How many have answers that wait to be marked by hand."""
        return sum(student.waits > 0 for student in self.students)


def gather(course: Course, name: str, late: Collection[str] = ()) -> ClassReport:
    """Read everything about lesson ``name``; ``late`` are those whom the learning platform calls so.

    A submission that cannot be read is named in the report. Raises ReportError where there is no gradebook to read.
    """
    database = course.gradebook
    if not database.is_file():
        raise ReportError(
            f"there is no gradebook in {course.root}; first run nbgrader generate_assignment {name} there, and grade"
        )
    lesson = read_lesson(course.lesson(name))
    try:
        if not inspect(create_engine(course.gradebook_url)).has_table("assignment"):  # nbgrader would make it one
            raise ReportError(
                f"{database} has nothing of nbgrader's; run nbgrader generate_assignment {name}, and grade"
            )
        return _gather(course, name, lesson, late)
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise ReportError(
            f"{database} cannot be read ({said}); is it nbgrader's, and is nothing else writing it right now?"
        ) from error


def _gather(course: Course, name: str, lesson: NotebookNode, late: Collection[str]) -> ClassReport:
    folders = sorted(path.parent.name for path in course.submissions(name))
    report = ClassReport(
        name,
        _title(lesson) or name,
        datetime.now(),
        sorted({printable(student) if unfit(student) else student for student in folders}),
        {printable(s): unfit(s).partition(": ")[2] for s in folders if unfit(s)},
        *([], [], [], {}, {}, {}),
        sorted(late),
        Task("", "before the first task"),
        _tasks(lesson),
        similarity.compare({}, []),
    )
    codes = _solution_codes(lesson)
    released = _solution_codes(_released(lesson))
    solutions = {}
    for graded in class_marks.each(course, name):
        if graded.student not in report.handed_in:
            report.handed_in.append(graded.student)
        if graded.notebook is None:
            report.not_graded[graded.student] = graded.problem
            continue
        _add(report, graded)
        sources = _with_own_cells(graded.notebook, lesson)
        solutions[graded.student] = {
            grade_id: sources[grade_id]
            for grade_id in codes
            if sources.get(grade_id, released.get(grade_id)) != released.get(grade_id)
        }
    report.handed_in.sort()
    report.students.sort(key=lambda student: (student.name.casefold(), student.name))
    known = {student.name for student in report.students} | report.not_graded.keys()
    for student in report.handed_in:
        if student not in known:
            there = course.submitted_notebook(student, name).exists()
            report.not_graded[student] = (
                "not graded yet" if there else f"there is no {name}.ipynb in what was handed in"
            )
    report.not_graded = dict(sorted(report.not_graded.items()))
    with course.open_gradebook() as gradebook:
        report.absent = sorted({student.id for student in gradebook.students} - set(report.handed_in))
    report.alike = similarity.compare(solutions, [*codes.values(), *released.values()])
    return report


def _with_own_cells(notebook: NotebookNode, lesson: NotebookNode) -> dict[str, str]:
    """A student's solutions by grade id, each with the student's own cells that define names for it."""
    sources = _solution_codes(notebook)
    solutions = _solution_codes(lesson)
    given = {cell.source for cell in lesson.cells}
    needed = {
        grade_id: test_names.bound_names(solutions[grade_id]) | _names(test_names.used_names, source)
        for grade_id, source in sources.items()
        if grade_id in solutions
    }
    own: dict[str, list[str]] = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata and cell.source not in given:
            defined = _names(test_names.bound_names, cell.source)
            most = max(needed, key=lambda grade_id: len(needed[grade_id] & defined), default=None)
            if most is not None and needed[most] & defined:
                own.setdefault(most, []).append(cell.source)
    return {grade_id: "\n".join([source, *own.get(grade_id, [])]) for grade_id, source in sources.items()}


def _names(of: Callable[..., set[str]], source: str) -> set[str]:
    return of(source, remember=False) if len(source) <= similarity.MAX_CHARACTERS // 4 else set()


def _add(report: ClassReport, graded: Graded) -> None:
    """One graded student's part in the report."""
    name, notebook = graded.student, graded.notebook
    report.students.append(Student(name, graded.points, graded.maximum, len(graded.waits), graded.penalty))
    if graded.is_unsafe:
        report.unsafe.append(name)
    if reason := unreadable(notebook):
        report.unreadable[name] = reason
    if reason := stopped(notebook):
        report.stopped[name] = reason
    if tasks := missing_tasks(notebook):
        report.missing[name] = tasks
    owner = {grade_id: task for task in report.tasks for grade_id in (task.grade_id, *task.marked)}
    for task in report.tasks:
        marks = [graded.marks[grade_id] for grade_id in task.marked if grade_id in graded.marks]
        if marks:
            points = sum(mark.points for mark in marks)
            maximum = sum(mark.maximum for mark in marks)
            task.marks[name] = TaskMark(points, maximum, sum(mark.waits for mark in marks))
    task, messages = report.before, set()
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        task = owner.get(marks.get("grade_id"), task)
        seconds = cell.metadata.get("edgekit", {}).get("seconds")
        if isinstance(seconds, int | float):
            task.seconds[name] = task.seconds.get(name, 0.0) + seconds
        if marks.get("grade") and not marks.get("solution"):
            messages |= {(task.grade_id, _message(o)) for o in cell.get("outputs", []) if o.output_type == "error"}
    for grade_id, message in messages:
        owner.get(grade_id, report.before).messages[message] += 1


def _message(error: NotebookNode) -> str:
    """The message of a failing check, in one line that is the same for all students who fail it alike."""
    message = next((line.strip() for line in _plain(error.evalue).splitlines() if line.strip()), "")
    if not message and error.ename == "AssertionError" and len(error.traceback) > 2:
        message = _plain(error.traceback[1]).strip()  # an assert without words: its line, under "This check failed"
    text = message if message and error.ename in _OWN_WORDS else f"{error.ename}: {message}"
    text = text.rstrip(": ")  # of "main.cpp does not build:" the rest is each student's own
    return text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 3] + "..."


def _plain(text: str) -> str:
    return _ANSI.sub("", text)


def _tasks(lesson: NotebookNode) -> list[Task]:
    tasks: list[Task] = []
    heading = ""
    for cell in lesson.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and not marks.get("solution"):
            heading = next(iter(_HEADING.findall(cell.source)[-1:]), heading)
        if marks.get("solution") or (marks.get("grade") and not tasks):
            tasks.append(Task(marks["grade_id"], heading.replace("`", "")))
        if marks.get("grade"):
            tasks[-1].marked.append(marks["grade_id"])
    return tasks


def _title(lesson: NotebookNode) -> str:
    found = next((_HEADING.search(cell.source) for cell in lesson.cells if cell.cell_type == "markdown"), None)
    return found[1] if found else ""


def _released(lesson: NotebookNode) -> NotebookNode:
    """The lesson with the stubs that students get in place of the solutions."""
    return ClearLessonSolutions().preprocess(copy.deepcopy(lesson), {})[0]


def _solution_codes(notebook: NotebookNode) -> dict[str, str]:
    """The sources of the cells that students write code in, by grade id."""
    found = {}
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and marks.get("solution"):
            found[marks["grade_id"]] = cell.source
    return found
