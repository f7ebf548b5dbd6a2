"""Moodle's grading worksheet: whose its rows are, and the marks in them.

A row is matched by its Identifier and name ("Upload grading worksheet" of the assignment); feedback goes back in the
folders of the download ("Upload multiple feedback files in a zip").
"""

import re
import unicodedata

from grader.platforms.collect import Collected
from grader.platforms.tables import (
    Copy,
    Filled,
    HandBackError,
    Matches,
    Options,
    Ready,
    Table,
    mark_for,
    maximum_in,
    plain,
    tame,
)
from grader.text import one_line

# "No" in the languages of most Moodle sites: the grade cannot be changed.
_NO = frozenset(
    re.findall(
        r"\S+", "no nein non não nie ne nee nej nei нет ні nem nu ei ez не hayır όχι いいえ 否 아니요 לא لا không tidak"
    )
)
_OURS = re.compile(r"Graded: [^\n]* points \([^\n]*\)\.[^\n]*")  # what an earlier hand-back wrote into a comment


def fill(table: Table, name: str, ready: list[Ready], options: Options) -> Filled:
    """Moodle's worksheet: Identifier first, then Grade with Maximum Grade beside it, and Feedback comments.

    Raises HandBackError where it is none, or is one of teams and does not name them.
    """
    grade = table.need(options.column or "Grade", "--column")
    comments = (
        table.need(options.comments, "--comments-column")
        if options.comments
        else table.last_column("Feedback comments")
    )
    team = table.need(options.team, "--team-column") if options.team else table.last_column("Group")
    dates = [index for index, title in enumerate(table.header) if title.startswith("Last modified")]
    changeable = [grade + 2, grade + 3]  # Grade can be changed; where marking has steps, the step is before it
    untouched = {0, grade, grade + 1, *changeable, comments, *dates}
    copies, marks = [], 0
    owners = _Owners(ready, team, table.rows)
    for row in table.rows:
        number = re.search(r"([0-9]+)\s*$", row[0])
        if not number:
            raise HandBackError(
                f"the first column should be Moodle's Identifier (Participant 123456), not {one_line(row[0])!r}"
            )
        found = owners.of(number[1], row)
        if found is not None and any(cell.strip().casefold() in _NO for cell in row[grade + 2 : grade + 4]):
            owners.matches.kept.append(f"{found.student}: Moodle has locked the grade of {one_line(row[0])}")
        elif found is not None:
            maximum = maximum_in(row[grade + 1] if grade + 1 < len(row) else "", name)
            row[grade] = mark_for(found.result, maximum, name, options)
            if comments is not None:
                row[comments] = _comment(row[comments], found.result.summary())
            marks += 1
        if found is not None and team is not None:
            copies.append(Copy(found, _member_place(row[1], number[1], name)))
        row[:] = [cell if index in untouched else tame(cell) for index, cell in enumerate(row)]
    if team is None:
        owners.matches.refuse_teams(
            "an assignment of teams, and the numbers are those of the teams",
            "Download the worksheet with its column 'Group', or say with --team-column which one it is: "
            + ", ".join(map(repr, table.header)),
        )
        copies = [Copy(one, place(one.about, name)) for one in ready if one.student not in owners.matches.others]
    left_out = owners.matches.left_out(ready, owners.doubled())
    if comments is None and marks:
        left_out.append("comments: the worksheet has no column 'Feedback comments' (--comments-column names another)")
    return Filled(table, copies, marks, left_out)


class _Owners:
    """Whose the rows of a worksheet are."""

    def __init__(self, ready: list[Ready], team: int | None, rows: list[list[str]]) -> None:
        self.matches = Matches("worksheet")
        self._team = team
        self._by_id = {one.about.id: one for one in ready}
        self._by_name: dict[str, list[Ready]] = {}
        for one in ready:
            self._by_name.setdefault(_as_folder(one.about.name), []).append(one)
        self._teams: dict[str, set[str]] = {}  # the worksheet's teams, by how Moodle may call their folders
        for row in rows if team is not None else ():
            for folder in _folders(row[team]):
                self._teams.setdefault(folder, set()).add(row[team])

    def of(self, number: str, row: list[str]) -> Ready | None:
        """The submission of a row's participant, or of the participant's team."""
        found = self._by_id.get(number)
        is_own = found is not None and _is_participants(found.about.name, row)
        if self._team is not None and (same := self._of_team(row[self._team])):
            found = same[0] if len(same) == 1 else None
        elif found is not None and not is_own:
            if self._team is None:
                self.matches.others[found.student] = row[1]
            found = None
        if found is not None:
            self.matches.done.add(found.student)
        return found

    def _of_team(self, team: str) -> list[Ready]:
        """What was collected from a team; more than one submission where it cannot be told whose they are."""
        return [one for folder in _folders(team) for one in self._by_name.get(folder, []) * len(self._teams[folder])]

    def doubled(self) -> set[str]:
        """The students collected from teams that cannot be told apart."""
        folders = [
            folder
            for folder, same in self._by_name.items()
            if self._team is not None and max(len(same), len(self._teams.get(folder, ()))) > 1
        ]
        return {one.student for folder in folders for one in self._by_name[folder]}


def _as_folder(name: str) -> str:
    """A name as Moodle writes it in the name of a folder (clean_filename), with single spaces."""
    name = re.sub(r"[\x00-\x1f\x7f&<>\"`|':\\/?*]", "", unicodedata.normalize("NFC", name).replace("_", " "))
    return " ".join(name.split())


def _folders(team: str) -> set[str]:
    """How Moodle may call the folder of a team; it writes & as &amp; before it takes out the sign."""
    return {_as_folder(team), _as_folder(team.replace("&", "&amp;"))} - {""}


def _is_participants(name: str, row: list[str]) -> bool:
    """Whether the name of a submission is that of a row of Moodle's worksheet.

    With blind marking, it is the word before the number. Earlier versions of Moodle have a folder for each member of a
    team, and the team's name before the member's. Names of users who are suspended are within HTML.
    """
    own_names = (re.sub(r"[0-9]+\s*$", "", row[0]), row[1], re.sub(r"<[^>]*>", "", row[1]))
    return any(
        plain(name) == plain(own) or (_as_folder(own) and _as_folder(name).endswith(f"-{_as_folder(own)}"))
        for own in own_names
    )


def _comment(before: str, ours: str) -> str:
    """Replace the words of an earlier hand-back in a comment; words written by hand stay."""
    kept = _OURS.sub("", before).strip()
    return f"{kept}\n{ours}" if kept else ours


def place(about: Collected, name: str) -> str:
    """The name of a submission's feedback in the zip file: as downloaded, of which Moodle looks at the number only."""
    shown = one_line(about.file).replace("/", "?")
    folder = about.file if shown == about.file else f"Participant_{about.id}_assignsubmission_file_"
    return f"{folder}/{name}.html"


def _member_place(full_name: str, number: str, name: str) -> str:
    """The same for a member of a team, who has no folder in the download."""
    letters = re.sub(r"[\W_]+", " ", full_name).strip() or "Participant"
    return f"{letters}_{number}_assignsubmission_file_/{name}.html"
