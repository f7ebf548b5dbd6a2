"""The instructor's command line: ``python -m grader COMMAND``; see docs/authoring.md and docs/instructors.md."""

import argparse
import sys
import warnings
from pathlib import Path

from grader.paths import COURSE, Course, LessonError
from grader.text import without_control


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    course = Course.at(options.course)
    to_be_moved = course.to_be_moved()
    if to_be_moved:
        print(f"{to_be_moved}.", file=sys.stderr)
        if options.command in _WITH_STUDENTS:
            return 2
    try:
        return _COMMANDS[options.command](course, options)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m grader", description=__doc__)
    parser.add_argument("--course", type=Path, default=COURSE, help="the nbgrader course (grader/course)")
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
    where.add_argument(
        "--jobs", type=_count, help="notebooks that run at the same time (default: one for each core, and one more)"
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="run them on a Dask cluster; see docs/instructors.md")
    grade.add_argument("--force", action="store_true", help="grade again what is graded")
    grade.add_argument("--unsafe", action="store_true", help="run the notebooks without the sandbox")
    collect = commands.add_parser("collect", help="put a platform's download of all submissions into submitted/")
    collect.add_argument("name")
    collect.add_argument("export", type=Path, help="the folder or zip file, as Moodle or Canvas let you download it")
    collect.add_argument("--known-only", action="store_true", help="leave out students who are not in the gradebook")
    report = commands.add_parser("report", help="write a page about the class: marks, time, solutions that look alike")
    report.add_argument("name")
    report.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write it (default: report/NAME.html in the course)"
    )
    back = commands.add_parser("hand-back", help="write marks and feedback in the form the platform takes back")
    back.add_argument("name")
    back.add_argument(
        "--marks", type=Path, metavar="CSV", help="Moodle's grading worksheet or Canvas's gradebook export"
    )
    back.add_argument(
        "--to", type=Path, metavar="FOLDER", help="where to write (default: handed_back/NAME in the course)"
    )
    back.add_argument("--column", help="the column of the marks, if it is not called Grade (Moodle) or NAME (Canvas)")
    back.add_argument("--comments-column", help="Moodle's column of comments, if it is not called Feedback comments")
    back.add_argument("--scale", action="store_true", help="scale the marks to the platform's maximum")
    back.add_argument("--team-column", help="Moodle's column of the teams, if it is not called Group")
    back.add_argument(
        "--groups", type=Path, metavar="CSV", help="for a group assignment of Canvas: its export of groups"
    )
    back.add_argument(
        "--late-penalty", type=_percent, default=0.0, metavar="PERCENT", help="taken off where Canvas says LATE"
    )
    back.add_argument("--unfinished", action="store_true", help="also those with answers not yet marked by hand")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number, 1 or more")
    return int(text)


def _percent(text: str) -> float:
    try:
        percent = float(text)
    except ValueError:
        percent = -1.0
    if not 0 <= percent <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number from 0 to 100")
    return percent


def _build(course: Course, options: argparse.Namespace) -> int:
    from grader.lesson import release

    for name in options.name:
        print(release.build(course, name))
    return 0


def _release(course: Course, options: argparse.Namespace) -> int:
    from grader.lesson import release

    for name in options.name:
        print(release.release(course, name))
    return 0


def _check(course: Course, options: argparse.Namespace) -> int:
    from grader.lesson import release

    names = options.name or course.names
    problems = [problem for name in names for problem in release.differences(course, name)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print("run: python -m grader release " + " ".join(sorted({p.split("/")[0] for p in problems})), file=sys.stderr)
        return 1
    print(f"notebooks/ is what the lessons release: {', '.join(names) or 'no lessons yet'}")
    return 0


def _demo(course: Course, options: argparse.Namespace) -> int:
    from grader import demo

    marked = demo.run(course, options.name, options.unsafe)
    print(demo.table(marked))
    if options.unsafe:
        print("Graded without the sandbox (--unsafe).")
    problems = demo.problems(marked)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


def _grade(course: Course, options: argparse.Namespace) -> int:
    from grader.batch import whole_class
    from grader.batch.workers import ClusterUnusable, ClusterWorkers, LocalWorkers
    from grader.sandbox.bubblewrap import SandboxMissing

    course.lesson(options.name)
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's, about nbgrader's own way with its sessions
    workers = ClusterWorkers(options.scheduler) if options.scheduler else LocalWorkers(options.jobs)
    try:
        report = whole_class.grade(course, options.name, workers, options.force, options.unsafe)
    except SandboxMissing as error:
        print(f"{error} To grade without it, at your own risk, add --unsafe.", file=sys.stderr)
        return 1
    except ClusterUnusable as error:
        print(error, file=sys.stderr)
        return 1
    if not report.graded and not report.before and not report.failed:
        print(
            f"nobody has handed in {options.name}: there is no {course.submitted('STUDENT', options.name)}",
            file=sys.stderr,
        )
        return 1
    already = f"; {report.before} were graded before (--force grades them again)" if report.before else ""
    print(f"{report.graded} graded{' without the sandbox (--unsafe)' if report.unsafe else ''}{already}.")
    for student, reason in report.unreadable.items():
        print(f"{student}: graded 0: {reason}")
    for student, reason in report.stopped.items():
        print(f"{student}: graded, but stopped: {reason}")
    for student, tasks in report.missing.items():
        print(f"{student}: graded, but no cell was found for: {tasks}")
    for student, remarks in report.left_out.items():
        print(f"{student}: graded without some files: {remarks}")
    for student, reason in report.failed.items():
        print(f"{student}: not graded: {reason}", file=sys.stderr)
    return 1 if report.failed else 0


def _collect(course: Course, options: argparse.Namespace) -> int:
    from grader.platforms import collect
    from grader.platforms.exports import ExportError

    course.lesson(options.name)
    try:
        report = collect.collect(course, options.name, options.export, options.known_only)
    except ExportError as error:
        print(without_control(str(error), "?"), file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    return 0


def _report(course: Course, options: argparse.Namespace) -> int:
    from grader.platforms import collect
    from grader.report import class_report, page

    course.lesson(options.name)
    try:
        late = [student for student, known in collect.manifest(course, options.name).items() if known.late]
        about = class_report.gather(course, options.name, late)
        print(page.write(about, options.output or course.report_page(options.name)))
    except class_report.ReportError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _hand_back(course: Course, options: argparse.Namespace) -> int:
    from grader.platforms import hand_back
    from grader.platforms.tables import HandBackError, Options

    course.lesson(options.name)
    target = options.to or course.handed_back(options.name)
    how = Options(
        options.column,
        options.comments_column,
        options.scale,
        options.unfinished,
        options.late_penalty,
        options.team_column,
        options.groups,
    )
    try:
        report = hand_back.hand_back(course, options.name, options.marks, target, how)
    except HandBackError as error:
        print(without_control(str(error), "?"), file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    return 0


_COMMANDS = {
    "build": _build,
    "release": _release,
    "check": _check,
    "demo": _demo,
    "grade": _grade,
    "collect": _collect,
    "report": _report,
    "hand-back": _hand_back,
}
_WITH_STUDENTS = ("grade", "collect", "report", "hand-back")  # commands that read or write students' work

if __name__ == "__main__":
    sys.exit(main())
