"""Makes the marked cells of a submission what the instructor made them, and finds those that have lost their ids.

An editor may save a notebook without the ids of its cells, a student may copy it cell by cell, or take last year's. So
a cell is known by its id; else by its text, if that is the released one; else, for a task, by what it defines or where
it stands.
"""

import re
from dataclasses import dataclass

from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from grader.grading.marked_cells import Lesson, LessonCell
from grader.grading.run import RunSubmission
from grader.grading.trusted import hidden_lines
from grader.lesson import test_names

PUT_BACK = {"put_back": True}  # under "edgekit" in the metadata of a task that was missing; it is not run
_NO_ANSWER = "(No cell with this answer was found in what was handed in.)"
_LONGEST = 50_000  # characters of a cell that is searched for definitions
_CELL_MAGIC = re.compile(r"\s*(%%\w+[^\n]*)")


class RestoreCells(NbGraderPreprocessor):
    """Makes the marked cells what the instructor made them; takes the place of DeduplicateIds and OverwriteCells.

    A student's notebook only says where a cell stands and, for a task, what it holds. Anything else in it about
    marks is dropped: points, kinds, locks, doubled ids. Cells that are missing come back after the one they follow in
    the lesson; a missing task is not run, since its stub could undo what the student defined elsewhere, and a missing
    answer waits for a person.
    """

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        """The notebook with every marked cell of the lesson once; ``metadata.edgekit.missing`` names missing tasks."""
        lesson = Lesson.of(resources, RunSubmission(config=self.config).course)
        about = resources["nbgrader"]
        found = find(nb.cells, lesson)
        places = {index: grade_id for grade_id, index in found.items()}
        cells, at = [], {}
        for index, cell in enumerate(nb.cells):
            if index in places:
                at[places[index]] = cell = _restored(lesson.cells[places[index]], cell)
            else:
                if _grade_id(cell) in lesson.cells:
                    self.log.warning(
                        "%s: cell %r exists more than once; the last one counts", about["student"], _grade_id(cell)
                    )
                cell.metadata = NotebookNode()
            cells.append(cell)
        missing = [grade_id for grade_id in lesson.cells if grade_id not in at]
        if missing and "edgekit" not in nb.metadata:  # of an unreadable one enough has been said
            self.log.warning(
                "%s, %s: put back what is missing: %s", about["student"], about["notebook"], ", ".join(missing)
            )
            tasks = [grade_id for grade_id in missing if lesson.cells[grade_id].is_task]
            nb.metadata["edgekit"] = {"missing": tasks}
        nb.cells = _with_missing(cells, at, lesson)
        for number, cell in enumerate(nb.cells):
            cell.id = f"cell-{number}"
        return nb, resources


def _restored(known: LessonCell, cell: NotebookNode) -> NotebookNode:
    """The instructor's cell; where it is the student's to write, with the student's text and pictures."""
    restored = known.fresh()
    if known.is_task:
        restored.source = cell.source
        if restored.cell_type == "markdown" and "attachments" in cell:
            restored.attachments = cell.attachments
    return restored


def find(cells: list[NotebookNode], lesson: Lesson) -> dict[str, int]:
    """Which of a student's ``cells`` is which of the lesson's marked cells: the position by grade id.

    Of two cells with one id, or one text, the last counts, as with nbgrader.
    """
    found: dict[str, int] = {}
    for name_of in (_grade_id, lambda cell: cell.metadata.get("cell_id")):
        _find_by(list(map(name_of, cells)), {grade_id: grade_id for grade_id in lesson.cells}, found)
    if len(found) < len(lesson.cells):
        released, texts = _released(lesson), [_plain(cell.source) for cell in cells]
        _find_by(texts, {text: grade_id for grade_id, text in released if grade_id}, found)
        _find_tasks(cells, texts, lesson, released, found)
    return found


def _find_by(of_cells: list, names: dict[str, str], found: dict[str, int]) -> None:
    """Add to ``found`` the cells whose name is in ``names`` and belongs to a grade id that is not found yet."""
    taken = set(found.values())
    open_names = {name: grade_id for name, grade_id in names.items() if grade_id not in found}
    for index, name in enumerate(of_cells):
        grade_id = open_names.get(name)
        if grade_id is not None and index not in taken:
            found[grade_id] = index


def _find_tasks(cells: list, texts: list[str], lesson: Lesson, released: list, found: dict[str, int]) -> None:
    """Add the tasks that a student has done in cells without the lesson's ids; ``texts`` are those of the cells."""
    solutions = {_grade_id(cell): cell.source for cell in lesson.source.cells if _grade_id(cell)}
    missing = [
        _Task(grade_id, task.metadata["cell_type"], solutions.get(grade_id, task.source))
        for grade_id, task in lesson.cells.items()
        if grade_id not in found and task.is_task
    ]
    if not missing:
        return
    known = {text for _, text in released}
    free = [_Free(index, cell) for index, cell in enumerate(cells) if texts[index] not in known]
    by_text = {text: index for index, text in enumerate(texts)}
    for number, task in enumerate(missing):
        taken = set(found.values())
        fitting = [one for one in free if one.index not in taken and one.kind == task.kind]
        places = [found.get(name, by_text.get(text)) for name, text in released]
        low, high = _neighbours(places, [name for name, _ in released].index(task.grade_id), len(cells))
        between = [one for one in fitting if low < one.index < high]
        alike = sum(other.magic == task.magic for other in missing[number:])  # tasks that look the same, this one first
        place = _by_contents(task, between, alike) or _by_contents(task, fitting, alike)
        if place is None and not task.magic and not task.names and (low >= 0 or high < len(cells)):
            place = max(between, key=lambda one: len(one.source), default=None)
        if place is not None:
            found[task.grade_id] = place.index


@dataclass
class _Task:
    """A task without its cell: its kind of cell, and the instructor's solution."""

    grade_id: str
    kind: str
    solution: str

    def __post_init__(self) -> None:
        is_code = self.kind == "code"
        self.magic = _magic(self.solution) if is_code else ""
        self.names = test_names.bound_names(self.solution) if is_code and not self.magic else set()


class _Free:
    """A student's cell that is none of the lesson's."""

    def __init__(self, index: int, cell: NotebookNode) -> None:
        self.index = index
        self.kind = cell.cell_type
        self.source = cell.source
        self.magic = _magic(cell.source)
        is_code = self.kind == "code" and not self.magic and len(self.source) <= _LONGEST
        self.names = test_names.bound_names(self.source, remember=False) if is_code else set()


def _by_contents(task: _Task, cells: list[_Free], alike: int) -> _Free | None:
    """The cell that defines most of what the solution defines, or has its magic; of equal ones the last.

    Where the last ``alike`` ones belong to that many tasks that look the same, the first of these.
    """
    if task.magic:
        same = [cell for cell in cells if cell.magic == task.magic]
        return same[-min(alike, len(same))] if same else None
    best = max((len(task.names & cell.names) for cell in cells), default=0)
    return next((cell for cell in reversed(cells) if best and len(task.names & cell.names) == best), None)


def _neighbours(places: list[int | None], at: int, end: int) -> tuple[int, int]:
    """The nearest known places before and after the one at ``at``; -1 and ``end`` where there are none."""
    low = next((place for place in reversed(places[:at]) if place is not None), -1)
    return low, next((place for place in places[at + 1 :] if place is not None), end)


def _released(lesson: Lesson) -> list[tuple[str | None, str]]:
    """The cells that students got, in order: the grade id, where there is one, and the text as `_plain` has it."""
    cells = []
    for cell in lesson.source.cells:
        known = lesson.cells.get(_grade_id(cell))
        text = known.source if known else cell.source
        if known and known.is_test:
            hidden = hidden_lines(text)
            text = "\n".join(line for number, line in enumerate(text.split("\n"), 1) if number not in hidden)
        cells.append((known.grade_id if known else None, _plain(text)))
    return cells


def _plain(text: str) -> str:
    """A cell's text without what editors change: ends of lines and empty lines."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


def _magic(source: str) -> str:
    match = _CELL_MAGIC.match(source)
    return " ".join(match[1].split()) if match else ""


def _with_missing(cells: list[NotebookNode], at: dict[str, NotebookNode], lesson: Lesson) -> list[NotebookNode]:
    """``cells`` with those of the lesson that are not in ``at``, each after the one before it in the lesson."""
    previous = None
    for grade_id, known in lesson.cells.items():
        if grade_id not in at:
            at[grade_id] = _put_back(known)
            after = -1 if previous is None else next(i for i, cell in enumerate(cells) if cell is at[previous])
            cells.insert(after + 1, at[grade_id])
        previous = grade_id
    return cells


def _put_back(known: LessonCell) -> NotebookNode:
    cell = known.fresh()
    if known.is_task:
        cell.metadata["edgekit"] = dict(PUT_BACK)
        if known.metadata["grade"]:  # nbgrader gives 0 to an answer with the released text, and nobody would look at it
            cell.source = _NO_ANSWER if cell.cell_type == "markdown" else f"# {_NO_ANSWER}"
    return cell


def _grade_id(cell: NotebookNode) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")
