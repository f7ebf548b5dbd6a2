"""Grades three made-up students in a course of their own, and checks that the lesson marks as it should."""

import copy
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grader.batch import whole_class
from grader.batch.workers import LocalWorkers
from grader.lesson import release
from grader.lesson.source import read_lesson
from grader.paths import CHECKOUT, Course

STUDENTS = ("honest", "partial", "empty")

_CONFIG = """import sys
sys.path.insert(0, {checkout!r})
from grader.grading.nbgrader_setup import configure
configure(get_config(), {root!r})
"""


@dataclass
class Marks:
    """The points of one student for one cell; ``by_hand`` where nobody has marked it yet."""

    points: float
    maximum: float
    by_hand: bool
    reason: str = ""  # what the test said when it failed


def submission(course: Course, name: str, student: str) -> NotebookNode:
    """The released notebook with all (``honest``), the first half (``partial``) or no (``empty``) tasks done."""
    with tempfile.TemporaryDirectory() as scratch:
        released = nbformat.read(release.release(course, name, Path(scratch) / name) / f"{name}.ipynb", as_version=4)
    source = {cell.id: cell for cell in read_lesson(course.lesson(name)).cells}
    tasks = [cell for cell in released.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    graded = [cell for cell in tasks if cell.cell_type == "code"]
    done = {"honest": tasks, "partial": graded[: (len(graded) + 1) // 2], "empty": []}[student]
    for cell in done:
        cell.source = source[cell.id].source
    return released


def make_course(lessons: Path, name: str, root: Path) -> Course:
    """A course at ``root`` with the one lesson and nothing of the instructor's."""
    course = Course.at(root)
    for folder in (name, course.shared.name):
        if (lessons / folder).is_dir():
            release.copy_lesson(lessons / folder, course.lessons / folder)
    (root / "nbgrader_config.py").write_text(_CONFIG.format(checkout=str(CHECKOUT), root=str(root)))
    return course


def hand_in(course: Course, name: str, student: str, notebook: NotebookNode) -> Path:
    """Put a notebook, and the lesson's files, where nbgrader looks for submissions."""
    release.release(course, name, course.submitted(student, name))
    path = course.submitted_notebook(student, name)
    nbformat.write(copy.deepcopy(notebook), path)
    return path


def nbgrader(course: Course, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run the nbgrader command as an instructor would, in the course's folder."""
    command = [str(Path(sys.executable).parent / "nbgrader"), *arguments]
    result = subprocess.run(command, cwd=course.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(['nbgrader', *arguments])} failed:\n{result.stdout}")
    return result


def marks(course: Course, name: str) -> dict[str, dict[str, Marks]]:
    """The gradebook's marks: for every student, the mark of every cell in the lesson's order."""
    order = [
        cell.metadata.nbgrader.grade_id
        for cell in read_lesson(course.lesson(name)).cells
        if "nbgrader" in cell.metadata
    ]
    table: dict[str, dict[str, Marks]] = {}
    with course.open_gradebook() as gradebook:
        for handed_in in gradebook.assignment_submissions(name):
            grades = [grade for notebook in handed_in.notebooks for grade in notebook.grades]
            grades.sort(key=lambda grade: order.index(grade.name))
            table[handed_in.student.id] = {
                grade.name: Marks(grade.score or 0.0, grade.max_score, bool(grade.needs_manual_grade))
                for grade in grades
            }
    return table


def run(course: Course, name: str, unsafe: bool = False) -> dict[str, dict[str, Marks]]:
    """Grade the three students of lesson ``name`` in a temporary course, return their marks.

    The solution is graded by nbgrader, which runs every cell. The others are graded as a class is, without the cells
    that no mark depends on: so both ways are tried, and no cell is waited for three times.
    """
    course.lesson(name)
    with tempfile.TemporaryDirectory(prefix="edgekit-demo-") as scratch:
        demo = make_course(course.lessons, name, Path(scratch).resolve() / "course")
        for student in STUDENTS:
            hand_in(demo, name, student, submission(demo, name, student))
        nbgrader(demo, "generate_assignment", name)
        nbgrader(demo, "autograde", name, "--student=honest", *(["--RunSubmission.unsafe=True"] if unsafe else []))
        failed = whole_class.grade(demo, name, LocalWorkers(1), unsafe=unsafe).failed
        if failed:
            raise RuntimeError(f"python -m grader grade {name} failed: {failed}")
        nbgrader(demo, "generate_feedback", name)
        marked = marks(demo, name)
        for grade_id, reason in _failures(demo, name, "honest").items():
            marked["honest"][grade_id].reason = reason
        return marked


def _failures(course: Course, name: str, student: str) -> dict[str, str]:
    """The messages of the failed tests of a graded notebook, for the instructor."""
    graded = nbformat.read(course.graded_notebook(student, name), as_version=4)
    return {
        cell.metadata.nbgrader.grade_id: "\n".join(
            output.data["text/plain"] if "data" in output else output.evalue for output in cell.outputs
        )
        for cell in graded.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
        and any(output.output_type == "error" for output in cell.get("outputs", []))
    }


def table(marked: dict[str, dict[str, Marks]]) -> str:
    """The marks as text, a row for each test, a column for each student."""
    students = [student for student in STUDENTS if student in marked] or list(marked)
    first = marked[students[0]]
    width = max([len(name) for name in first] + [5])
    lines = [f"{'':{width}}  {'points':>7}" + "".join(f"{student:>9}" for student in students)]
    for name, mark in first.items():
        cells = "".join(
            f"{'by hand' if marked[s][name].by_hand else format(marked[s][name].points, 'g'):>9}" for s in students
        )
        lines.append(f"{name:{width}}  {mark.maximum:>7g}{cells}")
    sums = "".join(f"{total(marked[student]):>9g}" for student in students)
    lines.append(f"{'total':{width}}  {maximum(first):>7g}{sums}")
    return "\n".join(lines)


def total(marked: dict[str, Marks]) -> float:
    """The points that were given by tests."""
    return sum(mark.points for mark in marked.values() if not mark.by_hand)


def maximum(marked: dict[str, Marks]) -> float:
    """The points that tests can give."""
    return sum(mark.maximum for mark in marked.values() if not mark.by_hand)


def problems(marked: dict[str, dict[str, Marks]]) -> list[str]:
    """The faults of a lesson that is marked so, each in a sentence; none when all is well."""
    honest, empty = marked["honest"], marked["empty"]
    by_hand = {name for name, mark in honest.items() if mark.by_hand}
    full = maximum(honest)
    tested = {student: sum(m.points for n, m in marked[student].items() if n not in by_hand) for student in STUDENTS}
    wrong = [
        f"the solution gets {mark.points:g} of {mark.maximum:g} for {name}\n{mark.reason}".rstrip()
        for name, mark in honest.items()
        if not mark.by_hand and mark.points != mark.maximum
    ]
    wrong += [f"the released notebook gets {m.points:g} for {n}" for n, m in empty.items() if m.points]
    if not 0 < tested["partial"] < full and not wrong:
        wrong.append(f"half of the tasks get {tested['partial']:g} of {full:g} points; that should lie between")
    return wrong
