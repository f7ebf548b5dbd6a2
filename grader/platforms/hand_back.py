"""Writes marks and feedback in the form in which a learning platform takes them back.

Moodle: its own grading worksheet with grades and comments filled in ("Upload grading worksheet"; a row is matched by
its Identifier), and a zip file with the folders of its download ("Upload multiple feedback files in a zip"). Canvas:
its own gradebook export with one assignment's column (rows are matched by ID), and a zip file with the very names of
its download ("Upload submissions"). Canvas shows a file sent back under the name the student gave it, toy.ipynb, so
feedback goes there as a notebook; Moodle's students get a page of HTML.
"""

import csv
import io
import re
import zipfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grader.grading.steps import HideHiddenTests
from grader.paths import Course
from grader.platforms import collect
from grader.platforms.collect import Collected
from grader.report import marks as class_marks
from grader.report.marks import Graded
from grader.text import one_line

_OURS = re.compile(r"Graded: [^\n]* points \([^\n]*\)\.[^\n]*")  # what an earlier hand-back wrote into a comment


class HandBackError(ValueError):
    """Marks cannot be handed back with what was given; the message says what is expected."""


@dataclass
class HandBackReport:
    """The files that were written, and the students who are not in them."""

    written: list[Path] = field(default_factory=list)
    marks: int = 0
    feedback: int = 0
    left_out: list[str] = field(default_factory=list)
    unsafe: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.marks} marks and {self.feedback} feedback files in {len(self.written)} files:"]
        lines += [f"  {path}" for path in self.written]
        lines += [f"left out: {line}" for line in self.left_out]
        if self.unsafe:
            lines.append(f"Graded without the sandbox (--unsafe): {', '.join(self.unsafe)}")
        return lines


@dataclass
class Options:
    """How marks go into the platform's table."""

    column: str | None = None  # the column of the marks, where its name does not say so
    comments: str | None = None  # Moodle's column of comments, where it is not in English
    scale: bool = False  # to the platform's maximum, where it is not the lesson's
    unfinished: bool = False  # also those with answers that wait to be marked by hand


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
    graded = class_marks.read(course, name)
    report = HandBackReport()
    ready = {}
    for student, about in known.items():
        reason = _why_not(graded.get(student), options)
        if reason:
            report.left_out.append(f"{student}: {reason}")
        else:
            ready[student] = (about, graded[student])
    report.unsafe = [student for student, (_, result) in ready.items() if result.is_unsafe]
    filled = None
    if table is not None:
        fill = _moodle_table if platforms == {"moodle"} else _canvas_table
        filled = fill(_Table.read(table), name, ready, options, report)
    target.mkdir(parents=True, exist_ok=True)
    _write_feedback(course, name, ready, _fresh(target / f"{name}-feedback.zip"), report)
    if filled is not None:
        path = _fresh(target / f"{name}-marks.csv")
        path.write_bytes(filled.dump())
        report.written.append(path)
    return report


def _why_not(result: Graded | None, options: Options) -> str:
    if result is None or result.notebook is None:
        return "not graded yet"
    if result.waits and not options.unfinished:
        return f"waits to be marked by hand: {', '.join(result.waits)} (--unfinished hands it back all the same)"
    return ""


def _fresh(path: Path) -> Path:
    """``path``, free; what was there is kept under a dated name."""
    if path.exists():
        then = datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y-%m-%d_%H-%M-%S")
        path.rename(path.with_name(f"{path.stem}-{then}{path.suffix}"))
    return path


@dataclass
class _Table:
    """A CSV file of a platform's, to be given back unchanged except for the cells that are filled in."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str
    newline: str
    bom: bool

    @classmethod
    def read(cls, path: Path) -> "_Table":
        try:
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except OSError as error:
            raise HandBackError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise HandBackError(
                f"{path} is not CSV in UTF-8; give the file as the platform let you download it"
            ) from error
        first = text.partition("\n")[0]
        delimiter = max(",;\t", key=first.count)
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row]
        if len(rows) < 2 or len(rows[0]) < 3:
            raise HandBackError(f"{path} has no table; give the file as the platform let you download it")
        width = len(rows[0])
        rows = [row + [""] * (width - len(row)) for row in rows]
        return cls(rows[0], rows[1:], delimiter, "\r\n" if "\r\n" in text else "\n", data.startswith(b"\xef\xbb\xbf"))

    def column(self, *names: str) -> int | None:
        """The column with one of these names."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def need(self, wanted: str, option: str) -> int:
        found = self.column(wanted)
        if found is None:
            raise HandBackError(
                f"the table has no column {wanted!r}; say with {option} which one it is: "
                + ", ".join(map(repr, self.header))
            )
        return found

    def dump(self) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.delimiter, lineterminator=self.newline).writerows([self.header, *self.rows])
        return text.getvalue().encode("utf-8-sig" if self.bom else "utf-8")


def tame(cell: str) -> str:
    """A cell as a spreadsheet shows it and does not run it: a name may be ``=HYPERLINK(...)``.

    A leading apostrophe makes it text. Never used for the columns by which a platform matches rows or reads marks.
    """
    is_number = re.fullmatch(r"-?[\d.,]*", cell.strip())
    return f"'{cell}" if cell.lstrip(" ")[:1] in tuple("=+-@\t\r\n") and not is_number else cell


def _moodle_table(table: _Table, name: str, ready: dict, options: Options, report: HandBackReport) -> _Table:
    """Moodle's worksheet: Identifier first, then Grade with Maximum Grade beside it, and Feedback comments."""
    grade = table.need(options.column or "Grade", "--column")
    comments = (
        table.need(options.comments, "--comments-column") if options.comments else table.column("Feedback comments")
    )
    dates = [index for index, title in enumerate(table.header) if title.startswith("Last modified")]
    by_id = {about.id: (student, result) for student, (about, result) in ready.items()}
    untouched = {0, grade, grade + 1, comments, *dates}
    for row in table.rows:
        number = re.search(r"(\d+)\s*$", row[0])
        if not number:
            raise HandBackError(f"the first column should be Moodle's Identifier (Participant 123456), not {row[0]!r}")
        found = by_id.pop(number[1], None)
        row[:] = [cell if index in untouched else tame(cell) for index, cell in enumerate(row)]
        if found is None:
            continue
        result = found[1]
        row[grade] = _mark(result, _number(row[grade + 1]) if grade + 1 < len(row) else None, name, options)
        if comments is not None:
            row[comments] = _comment(row[comments], result.summary())
        report.marks += 1
    if comments is None and report.marks:
        report.left_out.append(
            "comments: the worksheet has no column 'Feedback comments' (--comments-column names another)"
        )
    report.left_out += [f"{student}: not in the worksheet" for student, _ in by_id.values()]
    return table


def _comment(before: str, ours: str) -> str:
    """Replace the words of an earlier hand-back in a comment; words written by hand stay."""
    kept = _OURS.sub("", before).strip()
    return f"{kept}\n{ours}" if kept else ours


def _canvas_table(table: _Table, name: str, ready: dict, options: Options, report: HandBackReport) -> _Table:
    """Canvas's gradebook: the columns about students, and one assignment's; others would be imported as well."""
    identity, section = table.column("ID"), table.column("Section")
    if identity is None or section is None or table.header[0] not in ("Student", "LastName"):
        raise HandBackError("this is no gradebook export of Canvas: it should begin with Student, ID, ... Section")
    column = _canvas_column(table, name, section, options)
    points = next((row for row in table.rows if "Points Possible" in row[0]), None)
    maximum = _number(points[column]) if points else None
    by_id = {about.id: (student, result) for student, (about, result) in ready.items()}
    kept = [*range(section + 1), column]
    for row in table.rows:
        if row is points or not row[identity].strip():
            continue
        row[: section + 1] = [cell if i == identity else tame(cell) for i, cell in enumerate(row[: section + 1])]
        found = by_id.pop(row[identity].strip(), None)
        if found:
            row[column] = _mark(found[1], maximum, name, options)
            report.marks += 1
    report.left_out += [f"{student}: not in the gradebook export" for student, _ in by_id.values()]
    narrow = [[row[index] for index in kept] for row in table.rows]
    return _Table([table.header[i] for i in kept], narrow, table.delimiter, table.newline, table.bom)


def _canvas_column(table: _Table, name: str, section: int, options: Options) -> int:
    if options.column:
        return table.need(options.column, "--column")
    titles = [re.sub(r"\s*\(\d+\)$", "", title).strip().casefold() for title in table.header]
    found = [index for index, title in enumerate(titles) if index > section and title == name.casefold()]
    if len(found) != 1:
        listed = ", ".join(repr(title) for title in table.header[section + 1 :])
        raise HandBackError(f"which column is {name}? Say so with --column: {listed}")
    return found[0]


def _number(text: str) -> float | None:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _mark(result: Graded, maximum: float | None, name: str, options: Options) -> str:
    """The points as text; in the platform's own measure where that is another and ``scale`` was asked for."""
    if maximum is None or maximum == result.maximum:
        return f"{round(result.points, 2):g}"
    if not options.scale:
        raise HandBackError(
            f"{name} has {result.maximum:g} points, but the platform's maximum is {maximum:g}. "
            "Change it there and download the table again, or add --scale"
        )
    return f"{round(result.points / result.maximum * maximum, 2) if result.maximum else 0.0:g}"


def _write_feedback(course: Course, name: str, ready: dict, path: Path, report: HandBackReport) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for student, (about, result) in ready.items():
            if about.platform == "canvas":
                archive.writestr(about.file, nbformat.writes(feedback_notebook(result)))
            else:
                page = course.feedback_page(student, name)
                graded = course.graded_notebook(student, name)
                if not page.is_file() or page.stat().st_mtime < graded.stat().st_mtime:
                    what = "is older than the marks" if page.is_file() else "is missing"
                    report.left_out.append(f"{student}: feedback {what}; run nbgrader generate_feedback {name} --force")
                    continue
                archive.write(page, f"{_moodle_folder(about)}/{name}.html")
            report.feedback += 1
    report.written.append(path)


def _moodle_folder(about: Collected) -> str:
    """The name of the student's folder, as downloaded; Moodle looks at its number only."""
    plain = one_line(about.file).replace("/", "?")
    return about.file if plain == about.file else f"Participant_{about.id}_assignsubmission_file_"


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
