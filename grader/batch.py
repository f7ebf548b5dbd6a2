"""Grades a whole class at once: notebooks run side by side, one process writes the marks, and none is ever lost."""

import concurrent.futures
import multiprocessing
import os
import signal
import tempfile
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import nbformat
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from tqdm.auto import tqdm
from traitlets.config import Config, PyFileConfigLoader

from grader import sandbox
from grader.course import Course
from grader.execution import RunSubmission, copy_files
from grader.submissions import Lesson, RestoreCells, read_or_note


def grade(course: Course, name: str, jobs: int, force: bool = False, unsafe: bool = False) -> dict[str, str]:
    """Grade what has been handed in for lesson ``name`` and is not graded yet.

    Parameters
    ----------
    course : Course
    name : str
        The lesson; `nbgrader generate_assignment` must have been run for it.
    jobs : int
        How many notebooks run at the same time.
    force : bool
        Grade again what is graded.
    unsafe : bool
        Run student code without the sandbox.

    Returns
    -------
    dict of str to str
        The students who could not be graded, each with the reason; the others are in the gradebook.
    """
    config = load_config(course)
    config.RunSubmission.unsafe = unsafe or bool(config.RunSubmission.get("unsafe", False))
    if not config.RunSubmission.unsafe:
        sandbox.check()
    waiting = [student for student in handed_in(course, name) if force or not is_graded(course, name, student)]
    failed: dict[str, str] = {}
    api = NbGraderAPI(config=config)
    with tqdm(total=len(waiting), desc=f"Grading {name}", unit="student") as progress:
        for student, outcome in _run_all(course, name, waiting, jobs, config):
            if isinstance(outcome, Exception):
                failed[student] = f"{type(outcome).__name__}: {outcome}"
            else:
                RunSubmission.prepared[student, name] = outcome
                result = api.autograde(name, student, force=True)
                RunSubmission.prepared.pop((student, name), None)
                if not result["success"]:
                    failed[student] = (result.get("error") or result.get("log") or "").strip().splitlines()[-1]
            progress.update()
    return failed


def load_config(course: Course) -> Config:
    """The course's own nbgrader_config.py."""
    return PyFileConfigLoader("nbgrader_config.py", path=str(course.root)).load_config()


def handed_in(course: Course, name: str) -> list[str]:
    """The students who have handed in something for lesson ``name``."""
    return sorted(path.parent.name for path in (course.root / "submitted").glob(f"*/{name}") if path.is_dir())


def is_graded(course: Course, name: str, student: str) -> bool:
    """Whether the graded notebook is there and every test has its mark; someone half graded is not."""
    if not (course.root / "autograded" / student / name / f"{name}.ipynb").exists():
        return False
    with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}", "edgekit") as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(name, name, student)
        except MissingEntry:
            return False
        return all(grade.auto_score is not None or grade.needs_manual_grade for grade in notebook.grades)


def _run_all(course: Course, name: str, students: list[str], jobs: int, config: Config):
    """Yield each student with the notebook that was run, or with the error that kept it from running."""
    broken = []
    for student, outcome in _run_pool(course, name, students, jobs, config):
        if isinstance(outcome, BrokenProcessPool):
            broken.append(student)
        else:
            yield student, outcome
    for student in broken:  # a worker that is killed takes its pool along; alone, each only risks itself
        yield from _run_pool(course, name, [student], 1, config)


def _run_pool(course: Course, name: str, students: list[str], jobs: int, config: Config):
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker) as pool:
        futures = {pool.submit(_run, course.root, name, student, config): student for student in students}
        for future in concurrent.futures.as_completed(futures):
            yield futures[future], future.exception() or nbformat.from_dict(future.result())


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who writes the marks


def _run(root: Path, name: str, student: str, config: Config) -> dict:
    """In a worker: the student's notebook, made whole and run."""
    from grader.submissions import harden

    harden()
    RunSubmission.warm = True
    submitted = root / "submitted" / student / name
    notebook = read_or_note(submitted / f"{name}.ipynb")
    about = {"student": student, "assignment": name, "notebook": name, "db_url": f"sqlite:///{root / 'gradebook.db'}"}
    with tempfile.TemporaryDirectory(prefix="edgekit-files-") as scratch:
        files = Path(scratch) / "files"
        resources = {"nbgrader": about, "metadata": {"path": str(files)}}
        lesson = Lesson.of(resources, config.RunSubmission.source_root)
        copy_files(submitted, files, name)
        copy_files(lesson.folder, files, name)
        for step in (RestoreCells, RunSubmission):
            notebook, resources = step(config=config).preprocess(notebook, resources)
    return notebook


def default_jobs() -> int:
    """One notebook for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
