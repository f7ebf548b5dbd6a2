"""Chooses the files of submitted/ that grading may read: whatever lies there, a class is graded to its end."""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from grader.text import printable

MAX_FILES = 2000
MAX_DEPTH = 20  # folders in folders
_MAX_SEEN = 20_000  # files and folders that are looked at
MAX_BYTES = 256 << 20  # of all files of a submission except the notebook
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff*?\[\]]")


def unfit(student: str) -> str:
    """Why a folder's name cannot be a student's: nbgrader would stop at it, or take others' work for theirs."""
    if _UNFIT.search(student):
        return f"submitted/{printable(student)}: left out, its name has characters nbgrader cannot take; rename it"
    return ""


def files(folder: Path, lesson: Path | None = None, max_bytes: int = MAX_BYTES) -> tuple[list[Path], list[str]]:
    """The files of a submission that may be copied, and a remark for each that is left out.

    Args:
        folder: A submission, or a lesson.
        lesson: The lesson's own folder: a file that would take the place of one of its files or folders is left out.
        max_bytes: The most bytes in all; smaller files come first.
    """
    if folder.is_symlink() or folder.parent.is_symlink():
        return [], [f"{printable(folder.name)}: it is a link"]
    found, remarks = [], []
    for path, problem in walk(folder):
        problem = problem or _problem(path, path.relative_to(folder), lesson)
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


def walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Everything below ``folder`` but folders; what cannot be copied with the reason, however deep it lies."""
    waiting, seen = [folder], 0
    while waiting:
        base = waiting.pop()
        try:
            entries = sorted(os.scandir(base), key=lambda entry: entry.name)
        except OSError as error:
            yield base, f"it cannot be read ({error.strerror})"
            continue
        for entry in entries:
            seen += 1
            path = Path(entry.path)
            if seen > _MAX_SEEN:
                yield path, f"it comes after {_MAX_SEEN} other files"
                return
            if entry.is_symlink():
                yield path, "it is a link"
            elif not entry.is_dir():
                yield path, ""
            elif len(path.relative_to(folder).parts) > MAX_DEPTH:
                yield path, f"it lies more than {MAX_DEPTH} folders deep"
            else:
                waiting.append(path)


def _problem(path: Path, relative: Path, lesson: Path | None) -> str:
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


def copy_files(folder: Path, target: Path, notebook: str, max_bytes: int = MAX_BYTES) -> None:
    """Copy the regular files of ``folder`` except the notebook over those in ``target``; no links, no devices."""
    target.mkdir(parents=True, exist_ok=True)
    for path in files(folder, max_bytes=max_bytes)[0]:
        relative = path.relative_to(folder)
        if relative == Path(f"{notebook}.ipynb"):
            continue
        for above in list(relative.parents)[-2::-1]:
            if (target / above).is_file():
                (target / above).unlink()
        if (target / relative).is_dir():
            shutil.rmtree(target / relative)
        (target / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / relative)
