"""The submission that the tests in this kernel grade; in an instructor's own notebook there is none."""

from collections.abc import Collection
from typing import Any

# grader.grading.run sends it before the first test: connection and pid of the student's kernel, the folder of the
# lesson's files, cells (the student's texts by grade id), own_cells (the texts of cells that the lesson does not have),
# library (names that the lesson imports from edgekit), hidden (folders that no sandbox may show), and unsafe: whether
# it runs without the sandbox.
current: dict | None = None

student: Any = None
"""Asks the student's kernel (`grader.grading.trusted.Student`); None in an instructor's own notebook."""


def is_unsafe() -> bool:
    """Whether the instructor chose to grade this submission without the sandbox."""
    return bool(current and current.get("unsafe"))


def cell_text(grade_id: str) -> str | None:
    """The student's text of a task, empty where it is missing; None outside grading."""
    return None if current is None else current.get("cells", {}).get(grade_id, "")


def other_texts(grade_ids: Collection[str]) -> list[str]:
    """The student's texts of all cells but those of some tasks."""
    if current is None:
        return []
    tasks = [text for grade_id, text in current.get("cells", {}).items() if grade_id not in grade_ids]
    return [*current.get("own_cells", []), *tasks]


def library_names() -> list[str]:
    """The names that the lesson imports from edgekit."""
    return [] if current is None else current.get("library", [])
