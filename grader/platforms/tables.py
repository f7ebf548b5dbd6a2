"""A table of a platform's, whose marks are filled in, and what Moodle's and Canvas's have in common."""

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from grader.platforms.collect import Collected
from grader.report.marks import Graded
from grader.text import one_line


class HandBackError(ValueError):
    """Marks cannot be handed back with what was given; the message says what is expected."""


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
class Ready:
    """One collected submission that can be handed back."""

    student: str
    about: Collected
    result: Graded


@dataclass(frozen=True)
class Copy:
    """A student, or a member of a team, who gets the feedback to a submission, and its name in the zip file."""

    ready: Ready
    path: str


@dataclass
class Filled:
    """A table with the marks in it, the feedback to be written, and who is left out."""

    table: "Table"
    copies: list[Copy]
    marks: int
    left_out: list[str]


@dataclass
class Matches:
    """Whose the rows of a table are.

    A number alone never decides it: a team's submission carries the team's number (Moodle) or one member's (Canvas).
    """

    where: str  # how the platform calls its table
    done: set[str] = field(default_factory=set)  # students whose row was found
    others: dict[str, str] = field(default_factory=dict)  # the name in the row of a student's number, if another's
    kept: list[str] = field(default_factory=list)  # lines about marks that stay as they are

    def refuse_teams(self, what: str, remedy: str) -> None:
        """Raise HandBackError where all numbers are those of other people: then they are the numbers of teams."""
        if self.others and not self.done:
            student, other = next(iter(self.others.items()))
            raise HandBackError(
                f"the {self.where} has {other!r} where {student} was collected: this seems to be {what}. {remedy}"
            )

    def left_out(self, ready: list[Ready], doubled: Collection[str] = ()) -> list[str]:
        """A line for each mark that is not written; ``doubled`` are the students of teams with the same name."""
        lines = list(self.kept)
        for student in (one.student for one in ready):
            if student in self.others:
                other = self.others[student]
                lines.append(f"{student}: the {self.where} has another name for its number, {other!r}")
            elif student in doubled:
                lines.append(f"{student}: more than one team has this name")
            elif student not in self.done:
                lines.append(f"{student}: not in the {self.where}")
        return lines


@dataclass
class Table:
    """A CSV file of a platform's, to be given back unchanged except for the cells that are filled in."""

    header: list[str]
    rows: list[list[str]]
    delimiter: str
    newline: str
    bom: bool

    @classmethod
    def read(cls, path: Path) -> "Table":
        try:
            data = path.read_bytes()
            text = data.decode("utf-8-sig")
        except OSError as error:
            raise HandBackError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise HandBackError(
                f"{path} is not CSV in UTF-8; give the file as the platform let you download it"
            ) from error
        try:
            delimiter = max(",;\t", key=lambda sign: len(next(_csv(text, sign), [])))
            rows = [row for row in _csv(text, delimiter) if row]
        except csv.Error as error:
            raise HandBackError(f"{path} is no proper CSV ({error}); download it again") from error
        if len(rows) < 2 or len(rows[0]) < 3:
            raise HandBackError(f"{path} has no table; give the file as the platform let you download it")
        width = len(rows[0])
        wide = next((row for row in rows if len(row) > width), None)
        if wide is not None:
            raise HandBackError(
                f"{path} has {len(wide)} cells in the row of {one_line(wide[0])!r}, and {width} in its header; "
                "download it again"
            )
        rows = [row + [""] * (width - len(row)) for row in rows]
        return cls(rows[0], rows[1:], delimiter, "\r\n" if "\r\n" in text else "\n", data.startswith(b"\xef\xbb\xbf"))

    def column(self, *names: str) -> int | None:
        """The column with one of these names."""
        return next((self.header.index(name) for name in names if name in self.header), None)

    def last_column(self, name: str) -> int | None:
        """The last column with this name, which Moodle reads: a field of the users' profiles may have the same."""
        return max((index for index, title in enumerate(self.header) if title == name), default=None)

    def need(self, wanted: str, option: str) -> int:
        found = self.last_column(wanted)
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


def _csv(text: str, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(len(text) + 1)  # a student's text is a cell, however long it is
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)


def tame(cell: str) -> str:
    """A cell as a spreadsheet shows it and does not run it: a name may be ``=HYPERLINK(...)``.

    A leading apostrophe makes it text. Never used for the columns by which a platform matches rows or reads marks.
    """
    is_number = re.fullmatch(r"-?[\d.,]*", cell.strip())
    shown = next((sign for sign in cell if unicodedata.category(sign)[0] not in "ZC"), "")  # after spaces of any kind
    begins = unicodedata.normalize("NFKC", shown)  # a spreadsheet takes full-width signs, too
    is_formula = begins in ("=", "+", "-", "\N{MINUS SIGN}", "@") or cell.lstrip(" ")[:1] in ("\t", "\r", "\n")
    return f"'{cell}" if is_formula and not is_number else cell


def maximum_in(text: str, name: str) -> float:
    """The platform's maximum; a scale of words, or a number that can be read in two ways, is no maximum."""
    text = text.strip()
    if re.fullmatch(r"[0-9]+(?:[.,][0-9]{1,2})?|[0-9]+\.[0-9]+", text):
        return float(text.replace(",", "."))
    raise HandBackError(
        f"the platform's maximum for {name} should be a number of points, not {one_line(text)!r}; set points "
        "there, not a scale or letters, and download the table again"
    )


def mark_for(result: Graded, maximum: float, name: str, options: Options) -> str:
    """The points as text; in the platform's own measure where that is another and ``scale`` was asked for."""
    if maximum == result.maximum:
        return _written(result.points)
    if not options.scale:
        raise HandBackError(
            f"{name} has {result.maximum:g} points, but the platform's maximum is {maximum:g}. "
            "Change it there and download the table again, or add --scale"
        )
    return _written(result.points / result.maximum * maximum if result.maximum else 0.0)


def _written(points: float) -> str:
    """Points with a decimal point, which both platforms read in every language, and at most two decimals."""
    return f"{points:.2f}".rstrip("0").rstrip(".")


def plain(name: str) -> str:
    """The letters and digits of a name, without accents and case; of a name that has none, the name."""
    signs = unicodedata.normalize("NFKD", name).casefold()
    return "".join(filter(str.isalnum, signs)) or name.strip()
