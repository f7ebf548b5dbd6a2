"""Writes marks and feedback in the form in which a learning platform takes them back.

The marks go into the platform's own table (`grader.platforms.moodle`, `grader.platforms.canvas`), the feedback into a
zip file for upload. Canvas shows a file sent back under the name the student gave it, toy.ipynb, so feedback goes
there as a notebook; Moodle's students get a page of HTML.
"""

import zipfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grader.grading.read import missing_tasks
from grader.grading.steps import HideHiddenTests
from grader.paths import Course
from grader.platforms import canvas, collect, moodle
from grader.platforms.collect import Collected
from grader.platforms.tables import Copy, HandBackError, Options, Ready, Table
from grader.report import marks as class_marks
from grader.report.marks import Graded
from grader.text import one_line


@dataclass
class HandBackReport:
    """The files that were written, and the students who are not in them."""

    written: list[Path] = field(default_factory=list)
    marks: int = 0
    feedback: int = 0
    left_out: list[str] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # tasks of which no cell was found, by student

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.marks} marks and {self.feedback} feedback files in {len(self.written)} files:"]
        lines += [f"  {path}" for path in self.written]
        lines += [f"left out: {one_line(line)}" for line in self.left_out]
        lines += [f"{student}: no cell was found for {tasks}" for student, tasks in self.missing.items()]
        lines += [f"note: {note}" for note in self.notes]
        if self.late:
            lines.append(f"Handed in late: {', '.join(self.late)}")
        if self.unsafe:
            lines.append(f"Graded without the sandbox (--unsafe): {', '.join(self.unsafe)}")
        return lines


def hand_back(course: Course, name: str, table: Path | None, target: Path, options: Options) -> HandBackReport:
    """Write what the platform takes back for lesson ``name``.

    Args:
        course: The course.
        name: The lesson; it must have been collected with ``grader collect``.
        table: Moodle's grading worksheet or Canvas's gradebook export as downloaded; it is not changed. None: feedback
            only.
        target: The folder for ``NAME-marks.csv`` and ``NAME-feedback.zip``. Earlier files are renamed and get a date.
        options: How the marks go into the table.

    Raises HandBackError where the table is not what the platform exports, or its maximum is not the lesson's.
    """
    known = collect.manifest(course, name)
    if not known:
        raise HandBackError(
            f"nobody was collected for {name}: marks and feedback go back by the names in the platform's export. "
            f"First run: python -m grader collect {name} EXPORT"
        )
    platforms = {about.platform for about in known.values()}
    if len(platforms) > 1:
        raise HandBackError("some were collected from Moodle and some from Canvas; hand them back one course at a time")
    if options.groups and platforms == {"moodle"}:
        raise HandBackError("--groups is for Canvas; Moodle's worksheet names the teams itself (--team-column)")
    if options.team and platforms == {"canvas"}:
        raise HandBackError("--team-column is for Moodle; name Canvas's export of the groups with --groups")
    if options.late_penalty and platforms == {"moodle"}:
        raise HandBackError(
            "--late-penalty is for Canvas, whose download says who was late; Moodle's does not. Take the points off in "
            "formgrader, or in Moodle's worksheet"
        )
    graded = class_marks.read(course, name)
    report = HandBackReport()
    ready = []
    for student, about in known.items():
        reason = _why_not(graded.get(student), options)
        if reason:
            report.left_out.append(f"{student}: {reason}")
        else:
            ready.append(Ready(student, about, _less_if_late(graded[student], about, options)))
    report.unsafe = [one.student for one in ready if one.result.is_unsafe]
    report.late = [one.student for one in ready if one.about.late]
    report.missing = {
        one.student: tasks for one in ready if one.result.notebook and (tasks := missing_tasks(one.result.notebook))
    }
    filled = None
    if table is not None:
        platform = moodle if platforms == {"moodle"} else canvas
        filled = platform.fill(Table.read(table), name, ready, options)
        copies = filled.copies
        report.marks = filled.marks
        report.left_out += filled.left_out
    elif platforms == {"moodle"}:
        copies = [Copy(one, moodle.place(one.about, name)) for one in ready]
        report.notes.append(
            "without the worksheet (--marks) no names were compared; feedback to a team would go to the participant "
            "who has the team's number"
        )
    else:
        copies = [Copy(one, one.about.file) for one in ready]
    target.mkdir(parents=True, exist_ok=True)
    _write_feedback(course, name, copies, _fresh(target / f"{name}-feedback.zip"), report)
    if filled is not None:
        path = _fresh(target / f"{name}-marks.csv")
        path.write_bytes(filled.table.dump())
        report.written.append(path)
    return report


def _why_not(result: Graded | None, options: Options) -> str:
    if result is None or result.notebook is None:
        return "not graded yet"
    if result.waits and not options.unfinished:
        return f"waits to be marked by hand: {', '.join(result.waits)} (--unfinished hands it back all the same)"
    return ""


def _less_if_late(result: Graded, about: Collected, options: Options) -> Graded:
    if not about.late or not options.late_penalty:
        return result
    return replace(result, penalty=result.penalty + result.points * options.late_penalty / 100)


def _fresh(path: Path) -> Path:
    """``path``, free; what was there is kept under a dated name."""
    if path.exists():
        then = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d_%H-%M-%S")
        path.rename(path.with_name(f"{path.stem}-{then}{path.suffix}"))
    return path


def _write_feedback(course: Course, name: str, copies: list[Copy], path: Path, report: HandBackReport) -> None:
    late = {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for copy in copies:
            ready = copy.ready
            if ready.about.platform == "canvas":
                archive.writestr(copy.path, nbformat.writes(feedback_notebook(ready.result)))
            else:
                page = course.feedback_page(ready.student, name)
                graded = course.graded_notebook(ready.student, name)
                if not page.is_file() or page.stat().st_mtime < graded.stat().st_mtime:
                    what = "is older than the marks" if page.is_file() else "is missing"
                    late[ready.student] = f"feedback {what}; run nbgrader generate_feedback {name} --force"
                    continue
                archive.write(page, copy.path)
            report.feedback += 1
    report.left_out += [f"{student}: {reason}" for student, reason in late.items()]
    report.written.append(path)


def feedback_notebook(result: Graded) -> NotebookNode:
    """The graded notebook for the student: marks and comments beside the cells, without hidden tests."""
    notebook, _ = HideHiddenTests().preprocess(nbformat.from_dict(result.notebook), {})
    cells = [nbformat.v4.new_markdown_cell(f"**{result.summary()}**")]
    for cell in notebook.cells:
        grade_id = cell.metadata.pop("nbgrader", {}).get("grade_id")
        cell.metadata.pop("edgekit", None)
        cells.append(cell)
        mark = result.marks.get(grade_id)
        if mark:
            comment = f"\n\n> {mark.comment}" if mark.comment else ""
            points = "not marked yet" if mark.waits else f"{mark.points:g} of {mark.maximum:g} points"
            cells.append(nbformat.v4.new_markdown_cell(f"**{grade_id}: {points}**{comment}"))
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"
    notebook.cells = cells
    notebook.metadata.pop("edgekit", None)
    return notebook
