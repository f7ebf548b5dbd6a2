"""The instructor's desk on the command line: collect what was handed in, report on the class, hand back marks."""

import sys
from pathlib import Path

from grader.course import Course
from grader.exports import ExportError


def add_commands(commands) -> None:
    """Add the desk's commands to the command line of ``python -m grader``."""
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
    back.add_argument("--unfinished", action="store_true", help="also those with answers not yet marked by hand")


def collect(course: Course, options) -> int:
    """Put an export into submitted/; returns the exit status."""
    from grader import collecting

    course.lesson(options.name)
    try:
        report = collecting.collect(course, options.name, options.export, options.known_only)
    except ExportError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    return 0


def report(course: Course, options) -> int:
    """Write the class report and print where it lies; returns the exit status."""
    from grader import class_report, report_page

    course.lesson(options.name)
    try:
        about = class_report.gather(course, options.name)
        print(report_page.write(about, options.output or course.root / "report" / f"{options.name}.html"))
    except class_report.ReportError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def hand_back(course: Course, options) -> int:
    """Write the marks and the feedback for the platform; returns the exit status."""
    from grader import handing_back

    course.lesson(options.name)
    target = options.to or course.root / "handed_back" / options.name
    how = handing_back.Options(options.column, options.comments_column, options.scale, options.unfinished)
    try:
        report = handing_back.hand_back(course, options.name, options.marks, target, how)
    except handing_back.HandBackError as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(report.lines()))
    return 0


COMMANDS = {"collect": collect, "report": report, "hand-back": hand_back}
