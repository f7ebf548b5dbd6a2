"""Packs all that a worker needs to grade one submission as plain data: its machine may have no course."""

import functools
import hashlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from grader.grading.files import files
from grader.grading.read import MAX_BYTES
from grader.paths import CHECKOUT, COURSE, Course, LessonError, left_in_old_place
from grader.sandbox import places

_LESSON_TABLES = {  # of the gradebook: what it knows about lessons, and nothing about students
    "alembic_version",
    "course",
    "assignment",
    "notebook",
    "base_cell",
    "grade_cells",
    "solution_cells",
    "source_cell",
    "task_cells",
}


class NotToBeSent(ValueError):
    """There is no notebook to be packed; the message says so, in one line."""


class OtherVersion(RuntimeError):
    """The worker's checkout is not the same as that of the one who grades."""


@dataclass(frozen=True)
class LessonParcel:
    """A lesson as the grader knows it; the same for every submission."""

    name: str
    settings: dict  # of RunSubmission, as in nbgrader_config.py
    gradebook: bytes  # an SQLite database, without students
    source: dict[str, bytes]
    version: str

    @classmethod
    def of(cls, course: Course, name: str, settings: dict) -> "LessonParcel":
        """Pack lesson ``name``, with RunSubmission's ``settings``; raises LessonError where it is not released yet."""
        if not course.gradebook.exists() or not course.source_notebook(name).exists():
            raise LessonError(
                f"the gradebook does not know lesson {name!r}; first run: nbgrader generate_assignment {name}"
            )
        return cls(name, dict(settings), _lesson_gradebook(course.gradebook), _source(course, name), version())


@dataclass(frozen=True)
class Parcel:
    """One student's submission, with its lesson."""

    lesson: LessonParcel
    student: str
    submitted: dict[str, bytes]
    left_out: list[str]  # a remark for each file that is not in it

    @classmethod
    def of(cls, lesson: LessonParcel, course: Course, student: str) -> "Parcel":
        """Pack all that ``student`` handed in, except links and devices, and what is too much.

        Raises:
            NotToBeSent: Where there is no notebook.
            OSError: Where the notebook cannot be read.
        """
        folder = course.submitted(student, lesson.name)
        if not os.path.lexists(course.submitted_notebook(student, lesson.name)):
            raise NotToBeSent(f"no {lesson.name}.ipynb was handed in")
        notebook = course.submitted_notebook(student, lesson.name)
        if folder.is_symlink() or folder.parent.is_symlink():
            return cls(lesson, student, {}, [])
        kept, remarks = files(folder, course.source(lesson.name))
        submitted = {str(path.relative_to(folder)): path.read_bytes() for path in kept if path != notebook}
        if notebook.is_file() and not notebook.is_symlink():
            with notebook.open("rb") as file:
                submitted[notebook.name] = file.read(MAX_BYTES + 1)  # so much shows that it is too large
        return cls(lesson, student, submitted, remarks)

    def unpack(self, course: Course) -> None:
        """Make ``course``, an empty folder, one that has this lesson and this submission only; raises OtherVersion."""
        if self.lesson.version != version():
            raise OtherVersion(
                "this worker's checkout has other code than the grader's; update both and start it again"
            )
        course.gradebook.write_bytes(self.lesson.gradebook)
        _write(self.lesson.source, course.source(self.lesson.name))
        _write(self.submitted, course.submitted(self.student, self.lesson.name))


def _source(course: Course, name: str) -> dict[str, bytes]:
    folder = course.source(name)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files(folder)[0]}


@functools.cache
def version() -> str:
    """A digest of every file of this checkout that grading depends on: equal digests give equal marks."""
    digest = hashlib.sha256()
    for path in sorted(_files_that_grade()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(CHECKOUT).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _files_that_grade() -> Iterator[Path]:
    """The library with its kernels, weights and data, the firmware's templates, the grader's code and the lessons.

    Without caches and without students' work. nbgrader_config.py is left out, as its settings travel with a lesson:
    an instructor may change them without changing all workers.
    """
    rooms = [path.parent for path in (CHECKOUT / "grader").glob("*/__init__.py") if path.parent != COURSE]
    students = left_in_old_place(CHECKOUT)
    yield from (CHECKOUT / "grader").glob("*.py")
    for folder in (CHECKOUT / "edgekit", CHECKOUT / "firmware_templates", *rooms, Course.at(COURSE).lessons):
        for base, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            for name in names:
                path = Path(base, name)
                if not name.startswith(".") and path.suffix != ".pyc" and path.is_file() and path not in students:
                    yield path


def _write(contents: dict[str, bytes], folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def _lesson_gradebook(path: Path) -> bytes:
    """The gradebook with only the tables that describe lessons; all others are emptied, so that no student is in it."""
    with places.scratch() as scratch:
        copy = Path(scratch) / "copy.db"
        source, target = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True), sqlite3.connect(copy)
        try:
            source.backup(target)
            tables = {row[0] for row in target.execute("select name from sqlite_master where type = 'table'")}
            for table in tables - _LESSON_TABLES:
                target.execute(f'delete from "{table}"')
            target.commit()
            target.execute("vacuum")  # deleted rows would else still be in the file
        finally:
            source.close()
            target.close()
        return copy.read_bytes()
