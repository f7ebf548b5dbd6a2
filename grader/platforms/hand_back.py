"""Writes marks and feedback in the form in which a learning platform takes them back.

Moodle: its own grading worksheet with grades and comments filled in ("Upload grading worksheet"; a row is matched by
its Identifier), and a zip file with the folders of its download ("Upload multiple feedback files in a zip"). Canvas:
its own gradebook export with one assignment's column (rows are matched by ID), and a zip file with the very names of
its download ("Upload submissions"). Canvas shows a file sent back under the name the student gave it, toy.ipynb, so
feedback goes there as a notebook; Moodle's students get a page of HTML.

A number alone never decides whose mark it is: a team's submission carries the team's number (Moodle) or one member's
(Canvas), and so the name must be the participant's, or that of the participant's team.
"""

import csv
import io
import re
import unicodedata
import zipfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

from grader.grading.read import missing_tasks
from grader.grading.steps import HideHiddenTests
from grader.paths import Course
from grader.platforms import collect
from grader.platforms.collect import Collected
from grader.report import marks as class_marks
from grader.report.marks import Graded
from grader.text import one_line, squeezed

# "No" in the languages of most Moodle sites: the grade cannot be changed.
_NO = frozenset(
    re.findall(
        r"\S+", "no nein non não nie ne nee nej nei нет ні nem nu ei ez не hayır όχι いいえ 否 아니요 לא لا không tidak"
    )
)
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
    late: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)  # tasks of which no cell was found, by student

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.marks} marks and {self.feedback} feedback files in {len(self.written)} files:"]
        lines += [f"  {path}" for path in self.written]
        lines += [f"left out: {one_line(line)}" for line in self.left_out]
        lines += [f"{student}: no cell was found for {tasks}" for student, tasks in self.missing.items()]
        if self.late:
            lines.append(f"Handed in late: {', '.join(self.late)}")
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
    late_penalty: float = 0.0  # percent of the points, of everybody whom the platform calls late
    team: str | None = None  # Moodle's column of the teams, where it is not in English
    groups: Path | None = None  # Canvas's export of the groups, for a group assignment


@dataclass(frozen=True)
class _Ready:
    """One collected submission that can be handed back."""

    student: str
    about: Collected
    result: Graded


@dataclass(frozen=True)
class _Copy:
    """A student, or a member of a team, who gets the feedback to a submission, and its name in the zip file."""

    ready: _Ready
    path: str


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
    ready = []
    for student, about in known.items():
        reason = _why_not(graded.get(student), options)
        if reason:
            report.left_out.append(f"{student}: {reason}")
        else:
            ready.append(_Ready(student, about, _less_if_late(graded[student], about, options)))
    report.unsafe = [one.student for one in ready if one.result.is_unsafe]
    report.late = [one.student for one in ready if one.about.late]
    report.missing = {
        one.student: tasks for one in ready if one.result.notebook and (tasks := missing_tasks(one.result.notebook))
    }
    filled, copies = None, [_Copy(one, _place(one.about, name)) for one in ready]
    if table is not None:
        fill = _moodle_table if platforms == {"moodle"} else _canvas_table
        filled, copies = fill(_Table.read(table), name, ready, options, report)
    target.mkdir(parents=True, exist_ok=True)
    _write_feedback(course, name, copies, _fresh(target / f"{name}-feedback.zip"), report)
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
    begins = unicodedata.normalize("NFKC", cell.lstrip()[:1])  # a spreadsheet takes full-width signs, too
    is_formula = begins in ("=", "+", "-", "@") or cell[:1] in ("\t", "\r", "\n")
    return f"'{cell}" if is_formula and not is_number else cell


def _moodle_table(
    table: _Table, name: str, ready: list[_Ready], options: Options, report: HandBackReport
) -> tuple[_Table, list[_Copy]]:
    """Moodle's worksheet: Identifier first, then Grade with Maximum Grade beside it, and Feedback comments."""
    grade = table.need(options.column or "Grade", "--column")
    comments = (
        table.need(options.comments, "--comments-column") if options.comments else table.column("Feedback comments")
    )
    team = table.need(options.team, "--team-column") if options.team else table.column("Group")
    dates = [index for index, title in enumerate(table.header) if title.startswith("Last modified")]
    untouched = {0, grade, grade + 1, grade + 2, comments, *dates}
    copies, locked = [], []
    find = _Owners(ready, team)
    for row in table.rows:
        number = re.search(r"([0-9]+)\s*$", row[0])
        if not number:
            raise HandBackError(f"the first column should be Moodle's Identifier (Participant 123456), not {row[0]!r}")
        found = find.of(number[1], row)
        if found is not None and row[grade + 2 : grade + 3] and row[grade + 2].strip().casefold() in _NO:
            locked.append(f"{found.student}: Moodle has locked the grade of {one_line(row[0])}")
        elif found is not None:
            maximum = _maximum(row[grade + 1] if grade + 1 < len(row) else "", name)
            row[grade] = _mark(found.result, maximum, name, options)
            if comments is not None:
                row[comments] = _comment(row[comments], found.result.summary())
            report.marks += 1
        if found is not None and team is not None:
            copies.append(_Copy(found, _member_place(row[1], number[1], name)))
        row[:] = [cell if index in untouched else tame(cell) for index, cell in enumerate(row)]
    find.check_for_teams(table)
    if comments is None and report.marks:
        report.left_out.append(
            "comments: the worksheet has no column 'Feedback comments' (--comments-column names another)"
        )
    report.left_out += [*locked, *find.left_out()]
    if team is None:
        copies = [_Copy(one, _place(one.about, name)) for one in ready if not find.is_somebody_elses(one)]
    return table, copies


class _Owners:
    """Whose the rows of Moodle's worksheet are."""

    def __init__(self, ready: list[_Ready], team: int | None) -> None:
        self._ready = ready
        self._team = team
        self._by_id = {one.about.id: one for one in ready}
        self._by_name: dict[str, list[_Ready]] = {}
        for one in ready:
            self._by_name.setdefault(squeezed(one.about.name), []).append(one)
        self._found: set[str] = set()
        self._others: dict[str, str] = {}  # the name that the worksheet has for a number, if it is somebody else's

    def of(self, number: str, row: list[str]) -> _Ready | None:
        """The submission of a row's participant, or of the participant's team."""
        found = self._by_id.get(number)
        is_own = found is not None and _is_name_of(found.about.name, row[:2])
        if self._team is not None and (same := self._by_name.get(squeezed(row[self._team]))):
            found = same[0] if len(same) == 1 else None
        elif found is not None and not is_own:  # earlier versions of Moodle have a folder for each member of a team
            if self._team is None:
                self._others[found.student] = row[1]
            found = None
        if found is not None:
            self._found.add(found.student)
        return found

    def is_somebody_elses(self, one: _Ready) -> bool:
        """Whether the number of a submission is that of a participant with another name."""
        return one.student in self._others

    def check_for_teams(self, table: _Table) -> None:
        """Raise HandBackError where the numbers are those of other participants: then they are the numbers of teams."""
        if self._team is None and self._others and not self._found:
            student, other = next(iter(self._others.items()))
            raise HandBackError(
                f"the worksheet has {other!r} where {student} was collected: this seems to be an assignment of teams, "
                "and the numbers are those of the teams. Download the worksheet with its column 'Group', or say with "
                f"--team-column which one it is: {', '.join(map(repr, table.header))}"
            )

    def left_out(self) -> list[str]:
        """A line for each submission that no row belongs to."""
        lines = []
        for one in self._ready:
            if one.student in self._others:
                other = self._others[one.student]
                lines.append(f"{one.student}: the worksheet has another name for its number, {other!r}")
            elif self._team is not None and len(self._by_name[squeezed(one.about.name)]) > 1:
                lines.append(f"{one.student}: more than one team has this name")
            elif one.student not in self._found:
                lines.append(f"{one.student}: not in the worksheet")
        return lines


def _is_name_of(name: str, cells: list[str]) -> bool:
    """Whether the name of a submission is that of a row, or has a part of it: people change their names.

    With blind marking, Moodle's name is the word before the number, and Canvas's is ``anon``; Canvas writes no spaces.
    """
    own = _words(name)
    said = _words(re.sub(r"[0-9]+\s*$", "", cells[0])).union(*map(_words, cells[1:]))
    is_within = any(len(word) > 2 and word in squeezed(name) for word in said)
    return name == "anon" or bool(own & said) or is_within or squeezed(name) in map(squeezed, cells)


def _words(name: str) -> set[str]:
    """The words of a name, without accents."""
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign))
    return set(re.findall(r"[^\W_]+", plain.casefold()))


def _comment(before: str, ours: str) -> str:
    """Replace the words of an earlier hand-back in a comment; words written by hand stay."""
    kept = _OURS.sub("", before).strip()
    return f"{kept}\n{ours}" if kept else ours


def _canvas_table(
    table: _Table, name: str, ready: list[_Ready], options: Options, report: HandBackReport
) -> tuple[_Table, list[_Copy]]:
    """Canvas's gradebook: the columns about students, and one assignment's; others would be imported as well."""
    identity, section = table.column("ID"), table.column("Section")
    if identity is None or section is None or table.header[0] not in ("Student", "LastName"):
        raise HandBackError("this is no gradebook export of Canvas: it should begin with Student, ID, ... Section")
    column = _canvas_column(table, name, section, options)
    points = next((row for row in table.rows if "Points Possible" in row[0]), None)
    maximum = _maximum(points[column] if points else "", name) if ready else 0.0
    groups = _Groups.read(options.groups) if options.groups else None
    owners = groups.owners(ready) if groups else {one.about.id: one for one in ready}
    kept = [*range(section + 1), column]
    done, others, excused = set(), {}, []
    for row in table.rows:
        number = row[identity].strip()
        if row is points or not number:
            continue
        found = owners.get(number)
        if found and not groups and not _is_name_of(found.about.name, row[:section]):
            others[found.student] = " ".join(row[:identity])
        elif found and row[column].strip().casefold() == "ex":
            done.add(found.student)
            excused.append(f"{found.student}: excused in Canvas ({one_line(' '.join(row[:identity]))})")
        elif found:
            done.add(found.student)
            row[column] = _mark(found.result, maximum, name, options)
            report.marks += 1
        row[: section + 1] = [cell if i == identity else tame(cell) for i, cell in enumerate(row[: section + 1])]
    if others and not done:
        student, other = next(iter(others.items()))
        raise HandBackError(
            f"the gradebook export has {other!r} where {student} was collected: this seems to be a group assignment. "
            "Download the groups (People, the set of groups, Export) and name the file with --groups"
        )
    report.left_out += excused
    for one in ready:
        if one.student in others:
            other = others[one.student]
            report.left_out.append(f"{one.student}: the gradebook export has another name for its number, {other!r}")
        elif one.student not in done:
            report.left_out.append(f"{one.student}: not in the gradebook export")
    narrow = [[row[index] for index in kept] for row in table.rows]
    copies = [_Copy(one, one.about.file) for one in ready if one.student not in others]
    return _Table([table.header[i] for i in kept], narrow, table.delimiter, table.newline, table.bom), copies


class _Groups:
    """Canvas's export of a set of groups: the members of each, by Canvas's number of the user."""

    def __init__(self, members: dict[str, str]) -> None:
        self._group_of = members

    @classmethod
    def read(cls, path: Path) -> "_Groups":
        table = _Table.read(path)
        user, group = table.column("canvas_user_id"), table.column("group_name")
        if user is None or group is None:
            raise HandBackError(f"{path} is no export of groups: it should have canvas_user_id and group_name")
        return cls({row[user].strip(): squeezed(row[group]) for row in table.rows if row[group].strip()})

    def owners(self, ready: list[_Ready]) -> dict[str, _Ready]:
        """The submission of each member's group; of those in no group, their own."""
        of_groups = {squeezed(one.about.name): one for one in ready if one.about.id in self._group_of}
        own = {one.about.id: one for one in ready if one.about.id not in self._group_of}
        return own | {user: of_groups[group] for user, group in self._group_of.items() if group in of_groups}


def _canvas_column(table: _Table, name: str, section: int, options: Options) -> int:
    if options.column:
        return table.need(options.column, "--column")
    titles = [re.sub(r"\s*\(\d+\)$", "", title).strip().casefold() for title in table.header]
    found = [index for index, title in enumerate(titles) if index > section and title == name.casefold()]
    if len(found) != 1:
        listed = ", ".join(repr(title) for title in table.header[section + 1 :])
        raise HandBackError(f"which column is {name}? Say so with --column: {listed}")
    return found[0]


def _maximum(text: str, name: str) -> float:
    """The platform's maximum; a scale of words, or a number that can be read in two ways, is no maximum."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+(?:[.,][0-9]{1,2})?|[0-9]+\.[0-9]+", text):
        return float(text.replace(",", "."))
    raise HandBackError(
        f"the platform's maximum for {name} should be a number of points, not {text!r}; set points there, not a scale "
        "or letters, and download the table again"
    )


def _mark(result: Graded, maximum: float, name: str, options: Options) -> str:
    """The points as text; in the platform's own measure where that is another and ``scale`` was asked for."""
    if maximum == result.maximum:
        return f"{round(result.points, 2):g}"
    if not options.scale:
        raise HandBackError(
            f"{name} has {result.maximum:g} points, but the platform's maximum is {maximum:g}. "
            "Change it there and download the table again, or add --scale"
        )
    return f"{round(result.points / result.maximum * maximum, 2) if result.maximum else 0.0:g}"


def _write_feedback(course: Course, name: str, copies: list[_Copy], path: Path, report: HandBackReport) -> None:
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


def _place(about: Collected, name: str) -> str:
    """The name of a submission's feedback in the zip file: as downloaded. Moodle looks at its number only."""
    if about.platform == "canvas":
        return about.file
    plain = one_line(about.file).replace("/", "?")
    folder = about.file if plain == about.file else f"Participant_{about.id}_assignsubmission_file_"
    return f"{folder}/{name}.html"


def _member_place(full_name: str, number: str, name: str) -> str:
    """The same for a member of a team, who has no folder in the download."""
    plain = re.sub(r"[\W_]+", " ", full_name).strip() or "Participant"
    return f"{plain}_{number}_assignsubmission_file_/{name}.html"


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
