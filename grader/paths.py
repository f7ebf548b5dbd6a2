"""Knows every path of a course, and its gradebook: all other modules ask `Course` for them, and join none."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nbgrader.api import Gradebook

CHECKOUT = Path(__file__).resolve().parent.parent
COURSE = CHECKOUT / "grader" / "course"  # the course of this checkout
COURSE_ID = "edgekit"

# Before COURSE, the course was the folder of the code itself: patterns of what an instructor may still have there, and
# the folder in the course where it belongs.
_OLD_PLACES = {
    "gradebook.db*": "",
    "submitted": "",
    "autograded": "",
    "feedback": "",
    "collected": "",
    "handed_back": "",
    "exchange": "",
    "*.csv": "",
    "report/*.html": "report",
    "lessons/*": "lessons",
}


class LessonError(ValueError):
    """There is no such lesson, or its text breaks a rule of docs/authoring.md; the message names the rule."""


@dataclass(frozen=True)
class Course:
    """The folders of one nbgrader course, and its gradebook.

    ``lessons/NAME/NAME.md`` is written by hand and ``source/`` is made from it. ``collected/``, ``handed_back/`` and
    ``report/`` are written by ``python -m grader``; the rest is nbgrader's.
    """

    root: Path
    notebooks: Path  # the released notebooks, which are committed

    @classmethod
    def at(cls, root: Path | str) -> "Course":
        """The course in the folder ``root``; that of this checkout releases to notebooks/, any other beside itself."""
        root = Path(root).resolve()
        return cls(root, (CHECKOUT if root == COURSE else root.parent) / "notebooks")

    @property
    def lessons(self) -> Path:
        """The texts of the lessons."""
        return self.root / "lessons"

    @property
    def shared(self) -> Path:
        """Texts that several lessons include."""
        return self.lessons / "shared"

    @property
    def names(self) -> list[str]:
        """The lessons of this course."""
        return sorted(path.parent.name for path in self.lessons.glob("*/*.md") if path.stem == path.parent.name)

    def lesson(self, name: str) -> Path:
        """The text of lesson ``name``; raises LessonError with the known names when there is none."""
        if name not in self.names:
            raise LessonError(f"no lesson {name!r} in {self.lessons}; there is {', '.join(self.names) or 'none yet'}")
        return self.lessons / name / f"{name}.md"

    def source(self, name: str) -> Path:
        """The folder of the instructor's notebook of a lesson and of its files."""
        return self.root / "source" / name

    def source_notebook(self, name: str) -> Path:
        """The instructor's notebook of a lesson."""
        return self.source(name) / f"{name}.ipynb"

    def submissions(self, name: str) -> list[Path]:
        """Everything in the place of the submissions for a lesson, whatever its name and type."""
        return sorted((self.root / "submitted").glob(f"*/{name}"))

    def submitted(self, student: str, name: str) -> Path:
        """The folder of what a student handed in."""
        return self.root / "submitted" / student / name

    def submitted_notebook(self, student: str, name: str) -> Path:
        """The notebook that a student handed in."""
        return self.submitted(student, name) / f"{name}.ipynb"

    def autograded(self, student: str, name: str) -> Path:
        """The folder of a submission after grading."""
        return self.root / "autograded" / student / name

    def graded_notebook(self, student: str, name: str) -> Path:
        """A student's notebook after grading, with outputs."""
        return self.autograded(student, name) / f"{name}.ipynb"

    def feedback(self, student: str, name: str) -> Path:
        """The folder of the feedback to a student."""
        return self.root / "feedback" / student / name

    def feedback_page(self, student: str, name: str) -> Path:
        """The page that a student gets back."""
        return self.feedback(student, name) / f"{name}.html"

    def collected(self, name: str) -> Path:
        """The folder of what is known about collected submissions, and of earlier ones."""
        return self.root / "collected" / name

    def handed_back(self, name: str) -> Path:
        """The folder of marks and feedback for the learning platform."""
        return self.root / "handed_back" / name

    def report_page(self, name: str) -> Path:
        """The page about the class."""
        return self.root / "report" / f"{name}.html"

    @property
    def gradebook(self) -> Path:
        """nbgrader's database."""
        return self.root / "gradebook.db"

    @property
    def gradebook_url(self) -> str:
        """The database as SQLAlchemy names it."""
        return f"sqlite:///{self.gradebook}"

    def open_gradebook(self) -> "Gradebook":
        """The gradebook, for a ``with`` statement; made where there is none."""
        from nbgrader.api import Gradebook

        return Gradebook(self.gradebook_url, COURSE_ID)

    def to_be_moved(self) -> str:
        """For the course of this checkout: one sentence about what still lies in its old place, grader/; or nothing."""
        return what_to_move(CHECKOUT) if self.root == COURSE else ""


def left_in_old_place(checkout: Path) -> dict[Path, Path]:
    """The course's files that a checkout still has in grader/, each with its place in grader/course/."""
    old = checkout / "grader"
    found = {}
    for pattern, folder in _OLD_PLACES.items():
        for path in sorted(old.glob(pattern)):
            if path.parent.name != "lessons" or any(path.glob("*.md")):
                found[path] = old / "course" / folder / path.name
    return found


def what_to_move(checkout: Path) -> str:
    """One sentence that says what to move where, with the commands; nothing where all is in its place."""
    moves = left_in_old_place(checkout)
    if not moves:
        return ""
    steps = []
    free = {path: target for path, target in moves.items() if not target.exists()}
    for folder in dict.fromkeys(target.parent for target in free.values()):
        names = [_shown(path, checkout) for path, target in free.items() if target.parent == folder]
        made = "" if folder.is_dir() else f"mkdir -p {_shown(folder, checkout)} && "
        steps.append(f"{made}mv {' '.join(names)} {_shown(folder, checkout)}/")
    said = [f"in {checkout} run: {' && '.join(steps)}"] if steps else []
    said += [
        f"put {_shown(path, checkout)} and {_shown(target, checkout)} together by hand"
        for path, target in moves.items()
        if path not in free
    ]
    return f"The course is now in grader/course/, and some of its files are still in grader/; {'; '.join(said)}"


def _shown(path: Path, checkout: Path) -> str:
    return shlex.quote(path.relative_to(checkout).as_posix())
