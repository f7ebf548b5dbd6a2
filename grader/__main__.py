"""The instructor's command line: ``python -m grader COMMAND``; see docs/authoring.md and docs/instructors.md."""

import argparse
import sys
import warnings
from pathlib import Path

from grader import desk
from grader.course import Course
from grader.lesson_source import LessonError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m grader", description=__doc__)
    parser.add_argument("--course", type=Path, default=Path(__file__).parent, help="the nbgrader course (this folder)")
    commands = parser.add_subparsers(dest="command", required=True)
    for command, help_text, names in (
        ("build", "write the instructor's notebook, source/NAME/NAME.ipynb", "+"),
        ("release", "write what students get, notebooks/NAME/", "+"),
        ("check", "say whether notebooks/ is what the lessons release", "*"),
    ):
        commands.add_parser(command, help=help_text).add_argument("name", nargs=names)
    demo = commands.add_parser("demo", help="grade the solution, half of it and the empty notebook; print the marks")
    demo.add_argument("name")
    demo.add_argument("--unsafe", action="store_true", help="run the notebooks without the sandbox")
    grade = commands.add_parser("grade", help="grade everything handed in for a lesson, several notebooks at a time")
    grade.add_argument("name")
    where = grade.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=_count, help="notebooks that run at the same time (default: one for each core)")
    where.add_argument("--scheduler", metavar="ADDRESS", help="run them on a Dask cluster; see docs/instructors.md")
    grade.add_argument("--force", action="store_true", help="grade again what is graded")
    grade.add_argument("--unsafe", action="store_true", help="run the notebooks without the sandbox")
    desk.add_commands(commands)
    options = parser.parse_args(arguments)
    course = Course.at(options.course)
    try:
        return _COMMANDS[options.command](course, options)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 2


def _build(course: Course, options) -> int:
    from grader import releasing

    for name in options.name:
        print(releasing.build(course, name))
    return 0


def _release(course: Course, options) -> int:
    from grader import releasing

    for name in options.name:
        print(releasing.release(course, name))
    return 0


def _check(course: Course, options) -> int:
    from grader import releasing

    names = options.name or course.names
    problems = [problem for name in names for problem in releasing.differences(course, name)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("run: python -m grader release " + " ".join(sorted({p.split("/")[0] for p in problems})), file=sys.stderr)
        return 1
    print(f"notebooks/ is what the lessons release: {', '.join(names) or 'no lessons yet'}")
    return 0


def _demo(course: Course, options) -> int:
    from grader import demo

    marked = demo.run(course, options.name, options.unsafe)
    print(demo.table(marked))
    if options.unsafe:
        print("Graded without the sandbox (--unsafe).")
    problems = demo.problems(marked)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number, 1 or more")
    return int(text)


def _grade(course: Course, options) -> int:
    from grader import batch
    from grader.sandbox import SandboxMissing
    from grader.workers import ClusterUnusable, ClusterWorkers, LocalWorkers

    course.lesson(options.name)
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's, about nbgrader's own way with its sessions
    workers = ClusterWorkers(options.scheduler) if options.scheduler else LocalWorkers(options.jobs)
    try:
        report = batch.grade(course, options.name, workers, options.force, options.unsafe)
    except SandboxMissing as error:
        print(f"{error} To grade without it, at your own risk, add --unsafe.", file=sys.stderr)
        return 1
    except ClusterUnusable as error:
        print(error, file=sys.stderr)
        return 1
    if not report.graded and not report.before and not report.failed:
        print(
            f"nobody has handed in {options.name}: there is no {course.root / 'submitted' / 'STUDENT' / options.name}",
            file=sys.stderr,
        )
        return 1
    already = f"; {report.before} were graded before (--force grades them again)" if report.before else ""
    print(f"{report.graded} graded{' without the sandbox (--unsafe)' if report.unsafe else ''}{already}.")
    for student, reason in report.unreadable.items():
        print(f"{student}: graded 0: {reason}")
    for student, reason in report.stopped.items():
        print(f"{student}: graded, but stopped: {reason}")
    for student, reason in report.failed.items():
        print(f"{student}: not graded: {reason}", file=sys.stderr)
    return 1 if report.failed else 0


_COMMANDS = {"build": _build, "release": _release, "check": _check, "demo": _demo, "grade": _grade} | desk.COMMANDS

if __name__ == "__main__":
    sys.exit(main())
