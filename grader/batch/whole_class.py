"""Grades a whole class at once: notebooks run side by side, and one process writes the marks, so that none is lost."""

import collections
import concurrent.futures
import json
import os
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode
from nbgrader.api import MissingEntry
from nbgrader.apps import NbGraderAPI
from tqdm.auto import tqdm
from traitlets.config import Config, PyFileConfigLoader

from grader.batch.parcels import LessonParcel, NotToBeSent, Parcel
from grader.batch.workers import Workers
from grader.grading.files import copy_files, unfit
from grader.grading.marked_cells import Lesson
from grader.grading.read import missing_tasks, read_or_note, stopped, unreadable
from grader.grading.restore import RestoreCells
from grader.grading.run import RunSubmission, imports, private_folders
from grader.paths import Course
from grader.sandbox import bubblewrap, places

_LISTED = 5  # files that are named, of those left out
_PATIENCE = 600  # seconds that a worker may take beyond what a submission may


@dataclass
class GradingReport:
    """How many students were graded, and what an instructor should know about some of them, each in a sentence."""

    graded: int = 0
    before: int = 0  # graded already, and not again
    unsafe: bool = False  # without the sandbox
    failed: dict[str, str] = field(default_factory=dict)  # not graded
    unreadable: dict[str, str] = field(default_factory=dict)  # graded 0, as the file is no notebook
    stopped: dict[str, str] = field(default_factory=dict)  # graded, though the sandbox had to stop their code
    missing: dict[str, str] = field(default_factory=dict)  # graded, though no cell of these tasks was found
    left_out: dict[str, str] = field(default_factory=dict)  # graded without these of their files


def grade(course: Course, name: str, workers: Workers, force: bool = False, unsafe: bool = False) -> GradingReport:
    """Grade what has been handed in for lesson ``name`` and is not graded yet.

    Args:
        course: The course.
        name: The lesson; `nbgrader generate_assignment` must have been run for it.
        workers: Who runs the notebooks: processes of this machine, or a cluster.
        force: Grade again what is graded.
        unsafe: Run student code without the sandbox.

    Returns:
        How many were graded, and who could not be; of the graded, whose file is no notebook, who had to be stopped,
        whose notebook lacks tasks, and whose files could not all be taken.
    """
    config = load_config(course)
    config.RunSubmission.unsafe = unsafe or bool(config.RunSubmission.get("unsafe", False))
    config.RunSubmission.hidden = private_folders(config, course)
    lesson = LessonParcel.of(course, name, config.RunSubmission)
    students = handed_in(course, name)
    waiting = [student for student in students if force or not is_graded(course, name, student)]
    report = GradingReport(before=len(students) - len(waiting), unsafe=config.RunSubmission.unsafe)
    api = NbGraderAPI(config=config)
    with tqdm(total=len(waiting), desc=f"Grading {name}", unit="student", disable=not waiting) as progress:
        for student, outcome in _run_all(workers, course, lesson, waiting):
            is_error = isinstance(outcome, BaseException)
            failure = _sentence(outcome) if is_error else _write_marks(api, name, student, outcome)
            if failure:
                report.failed[student] = failure
            else:
                report.graded += 1
                if reason := unreadable(outcome):
                    report.unreadable[student] = reason
                if reason := stopped(outcome):
                    report.stopped[student] = reason
                if tasks := missing_tasks(outcome):
                    report.missing[student] = tasks
                if remarks := outcome.metadata["edgekit"].get("left_out"):
                    report.left_out[student] = "; ".join(remarks)
            progress.update()
    return report


def _write_marks(api: NbGraderAPI, name: str, student: str, notebook: NotebookNode) -> str:
    """Let nbgrader mark a notebook that was run; returns why it could not, or nothing."""
    RunSubmission.prepared[student, name] = notebook
    try:
        result = api.autograde(name, student, force=True)
    finally:
        RunSubmission.prepared.pop((student, name), None)
    if result["success"]:
        return ""
    said = (result.get("error") or result.get("log") or "").strip().splitlines()
    return said[-1] if said else "nbgrader did not say why"


def _sentence(error: BaseException) -> str:
    if isinstance(error, BrokenExecutor):
        return "the worker that ran it was killed, two times; the machine may be out of memory"
    if isinstance(error, NotToBeSent):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def load_config(course: Course) -> Config:
    """The course's own nbgrader_config.py; raises what kept it from setting nbgrader up."""
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(course.root)).load_config()
    except SystemExit as stop:
        raise stop.__cause__ or stop from None


def handed_in(course: Course, name: str) -> list[str]:
    """The students who have handed in something for lesson ``name``."""
    students = [path.parent.name for path in course.submissions(name) if path.is_dir()]
    return sorted(student for student in students if not unfit(student))


def is_graded(course: Course, name: str, student: str) -> bool:
    """Whether the notebook that was run is there and every test has its mark; someone half graded is not."""
    try:
        text = course.graded_notebook(student, name).read_text(encoding="utf-8")
        if "unsafe" not in json.loads(text)["metadata"]["edgekit"]:  # nbgrader's first half was done, RunSubmission not
            return False
    except (OSError, ValueError, KeyError):  # killed while it was written
        return False
    with course.open_gradebook() as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(name, name, student)
        except MissingEntry:
            return False
        return all(grade.auto_score is not None or grade.needs_manual_grade for grade in notebook.grades)


def _run_all(workers: Workers, course: Course, lesson: LessonParcel, students: list[str]) -> Iterator[tuple]:
    """Yield each student with the notebook that was run, or with the error that kept it from running."""
    waiting, suspects = collections.deque(students), collections.deque()
    while waiting:
        for student, outcome in _run_until_broken(workers, course, lesson, waiting, ahead=2):
            if isinstance(outcome, BrokenExecutor):
                suspects.append(student)
            else:
                yield student, outcome
    while suspects:  # a worker that is killed takes its pool along; one at a time, each only risks itself
        yield from _run_until_broken(workers.alone(), course, lesson, suspects, ahead=1)


def _run_until_broken(workers: Workers, course: Course, lesson: LessonParcel, waiting: collections.deque, ahead: int):
    """Take students from ``waiting`` until none is left or the pool is broken.

    Only ``ahead`` submissions a slot are on their way at a time: their files are in memory, and a broken pool makes
    suspects of all of them.
    """
    running: dict[concurrent.futures.Future, str] = {}
    broken = False
    source = nbformat.read(course.source_notebook(lesson.name), as_version=4)
    with workers.executor(lesson.settings["unsafe"], imports(source)) as executor:
        while running or (waiting and not broken):
            while waiting and not broken and len(running) < ahead * workers.slots:
                student = waiting.popleft()
                try:
                    running[executor.submit(run, Parcel.of(lesson, course, student))] = student
                except BrokenExecutor:
                    waiting.appendleft(student)
                    broken = True
                except (OSError, NotToBeSent) as error:
                    yield student, error
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), _outcome(future)


def _outcome(future: concurrent.futures.Future) -> NotebookNode | BaseException:
    try:
        return nbformat.from_dict(future.result())
    except (Exception, concurrent.futures.CancelledError) as error:
        return error


_one_at_a_time = threading.Lock()  # a worker of a cluster may have several threads; limits are for whole processes


def run(parcel: Parcel) -> dict:
    """In a worker: unpack a submission where it harms nobody, and run it; returns the notebook.

    A worker that does not come back is ended, so that somebody hears of it.
    """
    config = Config({"RunSubmission": parcel.lesson.settings})
    with _one_at_a_time, places.scratch() as scratch:
        if not config.RunSubmission.unsafe:
            bubblewrap.check()
        course = Course.at(scratch)
        parcel.unpack(course)
        config.RunSubmission.course_root = str(course.root)
        watchdog = threading.Timer(RunSubmission(config=config).notebook_seconds + _PATIENCE, os._exit, [1])
        watchdog.daemon = True
        watchdog.start()
        try:
            notebook = _run(course, parcel.lesson.name, parcel.student, config)
            notebook.metadata["edgekit"]["left_out"] = parcel.left_out[:_LISTED]
            return notebook
        finally:
            watchdog.cancel()


def _run(course: Course, name: str, student: str, config: Config) -> NotebookNode:
    """In a worker: the student's notebook, made whole and run."""
    RunSubmission.warm = RunSubmission.brief = True
    submitted = course.submitted(student, name)
    notebook = read_or_note(course.submitted_notebook(student, name))
    about = {"student": student, "assignment": name, "notebook": name, "db_url": course.gradebook_url}
    with places.scratch() as scratch:
        files = Path(scratch) / "files"
        resources = {"nbgrader": about, "metadata": {"path": str(files)}}
        lesson = Lesson.of(resources, course)
        copy_files(submitted, files, name)
        copy_files(lesson.folder, files, name)
        for step in (RestoreCells, RunSubmission):
            notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook
