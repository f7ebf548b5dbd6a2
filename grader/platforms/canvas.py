"""Canvas's gradebook export: whose its rows are, and the marks in them.

Rows are matched by ID and name when the gradebook is imported; feedback goes back under the very names of the download
("Upload submissions").
"""

import re
from pathlib import Path

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


def fill(table: Table, name: str, ready: list[Ready], options: Options) -> Filled:
    """Canvas's gradebook: the columns about students, and one assignment's; others would be imported as well.

    Raises HandBackError where it is none, or the assignment is one of groups and ``options`` does not have them.
    """
    identity, section = table.column("ID"), table.column("Section")
    if identity is None or section is None or table.header[0] not in ("Student", "LastName"):
        raise HandBackError("this is no gradebook export of Canvas: it should begin with Student, ID, ... Section")
    column = _mark_column(table, name, section, options)
    points = next((row for row in table.rows if "Points Possible" in row[0]), None)
    maximum = maximum_in(points[column] if points else "", name) if ready else 0.0
    groups = _Groups.read(options.groups) if options.groups else _Groups({})
    owners = groups.owners(ready)
    matches, marks = Matches("gradebook export"), 0
    for row in (row for row in table.rows if row is not points):
        student, mark, number = " ".join(row[:identity]), row[column].strip(), row[identity].strip()
        found = owners.get(number) if number else None
        if found is not None and not groups.is_groups(found) and plain(found.about.name) != plain(student):
            matches.others[found.student] = student
        elif found is not None:
            matches.done.add(found.student)
            if mark.casefold() == "ex":
                matches.kept.append(f"{found.student}: excused in Canvas ({one_line(student)})")
            elif not re.fullmatch(r"-|[0-9.,]*", mark):
                matches.kept.append(f"{found.student}: Canvas has {one_line(mark)!r} in the place of the mark")
            else:
                row[column] = mark_for(found.result, maximum, name, options)
                marks += 1
        row[: section + 1] = [cell if i == identity else tame(cell) for i, cell in enumerate(row[: section + 1])]
    matches.refuse_teams(
        "a group assignment", "Download the groups (People, the set of groups, Export) and name the file with --groups"
    )
    kept = [*range(section + 1), column]
    narrow = [[row[index] for index in kept] for row in table.rows]
    copies = [Copy(one, one.about.file) for one in ready if one.student not in matches.others]
    small = Table([table.header[i] for i in kept], narrow, table.delimiter, table.newline, table.bom)
    return Filled(small, copies, marks, matches.left_out(ready))


class _Groups:
    """Canvas's export of a set of groups: the members of each, by Canvas's number of the user."""

    def __init__(self, group_of: dict[str, str]) -> None:
        self._group_of = group_of

    @classmethod
    def read(cls, path: Path) -> "_Groups":
        table = Table.read(path)
        user, group = table.column("canvas_user_id"), table.column("group_name")
        if user is None or group is None:
            raise HandBackError(f"{path} is no export of groups: it should have canvas_user_id and group_name")
        return cls({row[user].strip(): row[group].strip() for row in table.rows if row[group].strip()})

    def is_groups(self, one: Ready) -> bool:
        """Whether a submission has the number of a member and the name of the member's group."""
        return plain(self._group_of.get(one.about.id, "")) == plain(one.about.name)

    def owners(self, ready: list[Ready]) -> dict[str, Ready]:
        """The submission of each member's group; of those in no group, their own."""
        of_groups: dict[str, list[Ready]] = {}
        for one in ready:
            if self.is_groups(one):
                of_groups.setdefault(self._group_of[one.about.id], []).append(one)
        known = {group: same[0] for group, same in of_groups.items() if len(same) == 1}
        own = {one.about.id: one for one in ready if not self.is_groups(one)}
        return own | {user: known[group] for user, group in self._group_of.items() if group in known}


def _mark_column(table: Table, name: str, section: int, options: Options) -> int:
    if options.column:
        return table.need(options.column, "--column")
    # With Canvas's number of the assignment: columns of the course's own have none.
    assignment = re.compile(rf"{re.escape(name)}\s*\([0-9]+\)", re.IGNORECASE)
    titles = enumerate(table.header)
    found = [index for index, title in titles if index > section and assignment.fullmatch(title.strip())]
    if len(found) != 1:
        listed = ", ".join(repr(title) for title in table.header[section + 1 :])
        raise HandBackError(f"which column is {name}? Say so with --column: {listed}")
    return found[0]
