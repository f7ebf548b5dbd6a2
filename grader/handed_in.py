"""What of submitted/ is let near the grading: whatever lies there, a class is graded to its end."""

import glob
import os
import re
from pathlib import Path

from traitlets.log import get_logger

from grader.exports import one_line

MAX_FILES = 2000
MAX_BYTES = 256 << 20  # of all files of a submission but the notebook
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff*?\[\]]")


def unfit(student: str) -> str:
    """Why a folder's name cannot be a student's: nbgrader would stop at it, or take others' work for theirs."""
    if _UNFIT.search(student):
        return f"submitted/{printable(student)}: left out, its name has characters nbgrader cannot take; rename it"
    return ""


def printable(name: str) -> str:
    """A file's name in one line, even where it is no text."""
    return one_line(os.fsencode(name).decode("utf-8", "replace"))


def files(folder: Path, lesson: Path | None = None, max_bytes: int = MAX_BYTES) -> tuple[list[Path], list[str]]:
    """The files of a submission that may be copied, and a remark for each that is left out.

    Parameters
    ----------
    folder : Path
        A submission, or a lesson.
    lesson : Path, optional
        The lesson's own folder: what would stand in the way of its files is left out.
    max_bytes : int
        The most bytes in all; smaller files come first.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        return [], [f"{printable(folder.name)}: it is a link"]
    found, remarks = [], []
    for base, folders, names in os.walk(folder):
        folders.sort()
        remarks += [f"{printable(name)}: it is a link" for name in folders if Path(base, name).is_symlink()]
        for name in sorted(names):
            path = Path(base, name)
            problem = _problem(path, path.relative_to(folder), lesson)
            if problem:
                remarks.append(f"{printable(str(path.relative_to(folder)))}: {problem}")
            else:
                found.append(path)
    kept, total = [], 0
    for path in sorted(found, key=lambda path: path.stat().st_size):
        total += path.stat().st_size
        if len(kept) == MAX_FILES or total > max_bytes:
            break
        kept.append(path)
    if len(kept) < len(found):
        remarks.append(f"{len(found) - len(kept)} of its files: too many or too large in all")
    return sorted(kept), remarks


def _problem(path: Path, relative: Path, lesson: Path | None) -> str:
    if path.is_symlink():
        return "it is a link"
    if not path.is_file():
        return "it is no regular file"
    if len(os.fsencode(relative)) > 1000:
        return "its path is too long"
    if not os.access(path, os.R_OK):
        return "it cannot be read"
    if lesson is not None:
        if (lesson / relative).is_dir():
            return "the lesson has a folder of this name"
        if any((lesson / parent).is_file() for parent in relative.parents):
            return "the lesson has a file of its folder's name"
    return ""


def harden(source: Path | None = None) -> None:
    """Mend what nbgrader does with what was handed in; ``source`` is the course's folder of lessons.

    Left to itself it follows links, takes a folder's name for a pattern, and stops the whole class at a line break in a
    name, at a time it cannot read, or at a submission without the notebook.
    """
    from nbgrader import coursedir, utils
    from nbgrader.converters import Autograde, base

    def regular_files(path: str, exclude: list[str] | None = None) -> list[str]:
        lesson = source / os.path.basename(path) if source else None
        kept, remarks = files(Path(path), lesson)
        if remarks:
            student = os.path.basename(os.path.dirname(path))
            get_logger().warning("%s: left out: %s", student, "; ".join(remarks[:5] + ["..."] * (len(remarks) > 5)))
        wanted = {os.path.join(path, relative) for relative in (os.path.relpath(file, path) for file in kept)}
        return [file for file in utils.find_all_files(path, exclude) if file in wanted]

    def timestamp(self, dest_path: str):
        path = Path(dest_path) / "timestamp.txt"
        if path.is_symlink() or not path.is_file():
            return None
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                return utils.parse_utc(file.read(200).strip() or None)
        except (ValueError, OverflowError):
            self.log.warning("%s: not a time; the submission counts as handed in on time", path)
            return None

    def init_notebooks(self) -> None:
        name, notebook = self.coursedir.assignment_id, self.coursedir.notebook_id
        self.assignments, self.notebooks = {}, []
        for folder in sorted(glob.glob(self._format_source(name, self.coursedir.student_id))):
            problem = unfit(Path(folder).parent.name)
            if problem or not os.path.isdir(folder):
                self.log.warning(problem or f"{printable(folder)}: left out, it is no folder")
                continue
            found = glob.glob(os.path.join(glob.escape(folder), f"{notebook}.ipynb"))
            main = os.path.join(folder, f"{name}.ipynb")
            if notebook in ("*", name) and main not in found and source and (source / name / f"{name}.ipynb").exists():
                found.append(main)  # read as missing, and marked 0
            if found:
                self.assignments[folder] = found
        if not self.assignments:
            inherited(self)

    inherited = base.BaseConverter.init_notebooks
    base.find_all_files = regular_files
    coursedir.CourseDirectory.get_existing_timestamp = timestamp
    Autograde.init_notebooks = init_notebooks
