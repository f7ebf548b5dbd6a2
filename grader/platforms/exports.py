"""Reads the exports of learning platforms without trusting them: whose is each file, and is it safe to unpack?

Moodle ("Download all submissions", mod/assign/classes/downloader.php) names the folder of a student
``Full name_123456_assignsubmission_file_`` (since 4.1 without the last underscore), or puts all files into one folder
and that in front of each name. Its number is the participant's in this one assignment. Where teams hand in, the name
and the number are those of the group, which nothing in the export shows; those in no group are ``Default group``,
without a number. Canvas ("Download Submissions", lib/content_zipper.rb) names a file
``lastnamefirstname_LATE_67890_12345_toy.ipynb``: the user's number, then the attachment's; anonymous ones
``anon_Ab1cD_12345_toy.ipynb``; of a group, its name and the number of one of its members. Both read these names again
when feedback comes back, and so they are kept as they are.
"""

import functools
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from grader.text import one_line, squeezed, without_control

MAX_FILES = 50_000  # of an export
MAX_FILE = 64 << 20  # bytes of one file, unpacked
MAX_SUBMISSION = 256 << 20  # bytes of all files of a student
MAX_EXPORT = 16 << 30
_PLUGIN = re.compile(
    r"(?P<name>[^_]+)(?:_(?P<id>[0-9]{1,18}))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<rest>.*))?", re.DOTALL
)
_NUMBER = re.compile("[0-9]{1,18}")
_OTHERS = {  # platforms whose exports are known, and not read
    "Brightspace": re.compile(r"[0-9]+-[0-9]+ - .+ - .+"),
    "Blackboard": re.compile(r".+_attempt_[0-9]{4}(?:-[0-9]{2}){5}(?:_.+|\..+)"),
}


class ExportError(ValueError):
    """The given file or folder is no readable export; the message says why, and what is expected."""


@dataclass(frozen=True)
class File:
    """One file of an export, not yet opened. ``parts`` is its path, as hostile as a student may have made it."""

    parts: tuple[str, ...]
    modified: str  # "2026-11-23T15:04:00", in the export's own time zone; "" where it is not known
    problem: str  # why it must not be unpacked, or ""
    read: Callable[[], bytes]  # raises ExportError

    @property
    def label(self) -> str:
        """Its path, fit for one line of a report."""
        return one_line("/".join(self.parts))


@dataclass
class Submission:
    """All that an export has of one student."""

    platform: str  # moodle or canvas
    id: str  # the platform's number for the student: in this assignment (Moodle), everywhere (Canvas)
    name: str
    late: bool = False
    files: dict[tuple[str, ...], File] = field(default_factory=dict)  # by path within the submission
    names: dict[tuple[str, ...], str] = field(default_factory=dict)  # what the platform calls the file or its folder
    attachments: dict[tuple[str, ...], int] = field(default_factory=dict)  # Canvas's numbers: they grow with time
    texts: list[File] = field(default_factory=list)  # handed in as text or link


def read_export(path: Path) -> Iterator[File]:
    """The files of a folder or a zip file; raises ExportError where it is neither."""
    if path.is_dir():
        yield from _in_folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        try:
            yield from in_zip(path, MAX_FILES, MAX_EXPORT)
        except ExportError as error:
            raise ExportError(f"{path}: {error}") from error
    elif path.exists():
        raise ExportError(
            f"{path} is neither a folder nor a zip file; give what the learning platform let you download"
        )
    else:
        raise ExportError(f"there is no {path}")


def _in_folder(root: Path) -> Iterator[File]:
    count = 0
    for base, folders, names in os.walk(root):
        folders.sort()
        linked = [name for name in folders if Path(base, name).is_symlink()]
        for name in sorted(names) + linked:
            path = Path(base, name)
            count += 1
            if count > MAX_FILES:
                raise ExportError(f"{root} has more than {MAX_FILES} files; that is no export of one assignment")
            status = path.lstat()
            problem = ""
            if stat.S_ISLNK(status.st_mode):
                problem = "it is a link"
            elif not stat.S_ISREG(status.st_mode):
                problem = "it is no regular file"
            elif status.st_size > MAX_FILE:
                problem = f"it is larger than {MAX_FILE >> 20} MB"
            modified = datetime.fromtimestamp(status.st_mtime).isoformat(timespec="seconds")
            parts = tuple(part.encode("utf-8", "replace").decode() for part in path.relative_to(root).parts)
            yield File(_composed(parts), modified, problem, functools.partial(_read_file, path))


def _composed(parts: Iterable[str]) -> tuple[str, ...]:
    """A path with each letter and its accents as one character: a Mac writes them as several."""
    return tuple(unicodedata.normalize("NFC", part) for part in parts)


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ExportError(f"it cannot be read ({error.strerror})") from error


def in_zip(source: Path | BinaryIO, max_files: int = 1000, max_bytes: int = MAX_SUBMISSION) -> Iterator[File]:
    """The files of a zip file (a path, or an open file); nothing is unpacked before it is read, and never too much."""
    try:
        archive = zipfile.ZipFile(source)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ExportError(f"it is a broken zip file ({one_line(str(error))})") from error
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > max_files:
        raise ExportError(f"it has more than {max_files} files")
    if sum(entry.file_size for entry in entries) > max_bytes:
        raise ExportError(f"it would unpack to more than {max_bytes >> 20} MB")
    for entry in entries:
        problem = ""
        if stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a link"
        elif entry.flag_bits & 1:
            problem = "it is encrypted"
        elif entry.file_size > MAX_FILE:
            problem = f"it is larger than {MAX_FILE >> 20} MB"
        yield File(
            _composed(_entry_name(entry).replace("\\", "/").split("/")),
            _zip_time(entry),
            problem,
            functools.partial(_read_entry, archive, entry),
        )


def _entry_name(entry: zipfile.ZipInfo) -> str:
    """The name of a file in a zip file; a Mac writes UTF-8 and does not say so."""
    if entry.flag_bits & 0x800:
        return entry.filename.encode("utf-8", "replace").decode()
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _zip_time(entry: zipfile.ZipInfo) -> str:
    try:
        return datetime(*entry.date_time).isoformat(timespec="seconds") if entry.date_time[0] > 1980 else ""
    except ValueError:
        return ""


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as file:
            data = file.read(MAX_FILE + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise ExportError(f"it is broken in the zip file ({one_line(str(error))})") from error
    if len(data) > MAX_FILE:
        raise ExportError(f"it is larger than {MAX_FILE >> 20} MB")
    return data


def sort_out(files: Iterator[File]) -> tuple[list[Submission], list[File]]:
    """Who handed in what: the submissions in the order of their names, and the files that say nothing about that.

    An export is of one platform, that of most of its files: another's name may be one that a student has chosen.
    """
    submissions: dict[tuple[str, str], Submission] = {}
    found_files = [(file, _moodle(file) or _canvas(file)) for file in files if not _is_litter(file.parts)]
    platforms = Counter(found[0].platform for _, found in found_files if found)
    platform = max(platforms, key=lambda name: (platforms[name], name), default="")
    unknown = []
    for file, found in found_files:
        if found is None or found[0].platform != platform:
            unknown.append(file)
            continue
        submission, inside, platform_name, attachment, is_text = found
        mine = submissions.setdefault((submission.id, squeezed(submission.name)), submission)
        mine.late = mine.late or submission.late
        if is_text:
            mine.texts.append(file)
            continue
        if inside in mine.files and not _is_newer(mine, inside, file, attachment):
            continue
        mine.files[inside], mine.names[inside], mine.attachments[inside] = file, platform_name, attachment
    return sorted(submissions.values(), key=lambda s: (s.name.casefold(), s.id)), unknown


def _is_litter(parts: tuple[str, ...]) -> bool:
    """Whether it is a file that file managers leave in folders."""
    return "__MACOSX" in parts or parts[-1].startswith("._") or parts[-1] in (".DS_Store", "Thumbs.db", "desktop.ini")


def _is_newer(submission: Submission, inside, file: File, attachment: int) -> bool:
    return (attachment, file.modified) > (submission.attachments[inside], submission.files[inside].modified)


def _moodle(file: File):
    for depth, part in enumerate(file.parts):
        match = _PLUGIN.fullmatch(part)
        if not match:
            continue
        below = file.parts[depth + 1 :]
        inside = tuple(filter(None, (match["rest"], *below)))
        if not inside:
            return None
        folder = part if below else part[: match.end("kind")] + "_"
        is_text = match["kind"] != "file"
        return Submission("moodle", match["id"] or "", match["name"].strip()), inside, folder, 0, is_text
    return None


def _canvas(file: File):
    """As Canvas itself infers it: without LATE, the first two words of digits alone are user and attachment."""
    name = file.parts[-1]
    words = name.split("_")
    late = "LATE" in words[:-1]
    if late:
        words.remove("LATE")
    if words[0] == "anon" and len(words) > 2:
        numbers, user, name_of = [1, 2], words[1], "anon"
    else:
        numbers = [i for i, word in enumerate(words[:-1]) if _NUMBER.fullmatch(word)][:2]
        if not numbers or numbers[0] == 0:
            return None
        user, name_of = words[numbers[0]], "_".join(words[: numbers[0]])
    submission = Submission("canvas", user, name_of, late)
    is_text = len(numbers) == 1 and words[-1] in ("text.html", "link.html")
    if is_text:
        return submission, (words[-1],), name, 0, True
    if len(numbers) < 2 or numbers[1] != numbers[0] + 1 or not _NUMBER.fullmatch(words[numbers[1]]):
        return None
    return submission, ("_".join(words[numbers[1] + 1 :]),), name, int(words[numbers[1]]), False


def safe_path(parts: tuple[str, ...]) -> tuple[Path | None, str]:
    """Where a student's file may go, below the submission's folder; or None and the reason why it cannot go there."""
    cleaned = []
    for part in parts:
        if part in ("", "."):
            continue
        if part == "..":
            return None, "its path leads out of the submission"
        if len(part.encode("utf-8", "replace")) > 200:
            return None, "its name is too long"
        cleaned.append(without_control(part, "_"))
    if not cleaned or len(cleaned) > 20:
        return None, "it has no proper path"
    return Path(*cleaned), ""


def other_platform(files: list[File]) -> str:
    """The platform that has made an export in which nothing is Moodle's or Canvas's, if it is a known one."""
    names = [part for file in files for part in file.parts]
    return next((name for name, form in _OTHERS.items() if any(map(form.fullmatch, names))), "")


def slug(name: str) -> str:
    """A name as the name of a folder: letters and digits of any script, hyphens and underscores, at most 200 bytes."""
    words = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", name)).strip("_-")
    return words[:80].encode()[:200].decode(errors="ignore") or "student"
