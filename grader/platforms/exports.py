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
import struct
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, cast

from grader.text import one_line, squeezed, without_control

MAX_FILES = 50_000  # of an export
MAX_FILE = 64 << 20  # bytes of one file, unpacked
MAX_SUBMISSION = 256 << 20  # bytes of all files of a student
MAX_EXPORT = 16 << 30
_MAX_NAME = 200  # bytes in UTF-8
_MAX_PATH = 1000
_MAX_DEPTH = 20
_DIRECTORY = b"PK\x01\x02"  # an entry of the directory of a zip file begins with it
_UTF8 = 0x800  # its flag: the name is in UTF-8
_PLUGIN = re.compile(
    r"(?P<name>[^_]+)(?:_(?P<id>[0-9]{1,18}))?_assignsubmission_(?P<kind>[a-z][a-z0-9]*)(?:_(?P<rest>.*))?", re.DOTALL
)
_NUMBER = re.compile("[0-9]{1,18}")
_NOT_IN_NAMES = re.compile(r"[\x00-/:-@\[-^`{-\x7f]")  # ASCII that Canvas takes out of the name of a user
_OTHERS = {  # platforms whose exports are known, and not read
    "Brightspace": re.compile(r"[0-9]+-[0-9]+ - .+ - .+", re.DOTALL),
    "Blackboard": re.compile(r".+_attempt_[0-9]{4}(?:-[0-9]{2}){5}(?:_.+|\..+)", re.DOTALL),
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
    """All files below ``root``. Folders wait in a list: a call for each level would end at a student's deep folders."""
    count = 0
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield _unreadable(root, folder, error)
            continue
        waiting += [entry.path for entry in reversed(entries) if _is_folder(entry)]
        for entry in entries:
            if not _is_folder(entry):
                count += 1
                if count > MAX_FILES:
                    raise ExportError(f"{root} has more than {MAX_FILES} files; that is no export of one assignment")
                yield _in_folder_file(root, entry.path)


def _is_folder(entry: os.DirEntry) -> bool:
    return entry.is_dir(follow_symlinks=False)


def _in_folder_file(root: Path, path: str) -> File:
    try:
        status = os.lstat(path)
    except OSError as error:
        return _unreadable(root, path, error)
    problem = ""
    if stat.S_ISLNK(status.st_mode):
        problem = "it is a link"
    elif not stat.S_ISREG(status.st_mode):
        problem = "it is no regular file"
    elif status.st_size > MAX_FILE:
        problem = f"it is larger than {MAX_FILE >> 20} MB"
    return File(_parts_below(root, path), _file_time(status.st_mtime), problem, functools.partial(_read_file, path))


def _unreadable(root: Path, path: str, error: OSError) -> File:
    problem = f"it cannot be read ({error.strerror})"
    return File(_parts_below(root, path), "", problem, functools.partial(_read_file, path))


def _parts_below(root: Path, path: str) -> tuple[str, ...]:
    """The path as text: file systems also keep names that are none, and accents in two ways."""
    text = os.path.relpath(path, root).encode("utf-8", "replace").decode()
    return tuple(unicodedata.normalize("NFC", text).split(os.sep))


def _file_time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ExportError(f"it cannot be read ({error.strerror})") from error


def in_zip(source: Path | BinaryIO, max_files: int = 1000, max_bytes: int = MAX_SUBMISSION) -> Iterator[File]:
    """The files of a zip file (a path, or an open file); nothing is unpacked before it is read, and never too much."""
    try:
        archive = zipfile.ZipFile(cast(BinaryIO, _OnlyTrueClaims(source)))
    except Exception as error:  # zipfile raises what it meets in a broken file: struct.error, IndexError, ...
        raise ExportError(f"it is a broken zip file ({one_line(str(error))})") from error
    entries = [(entry, name) for entry in archive.infolist() if not (name := _zip_name(entry)).endswith("/")]
    if len(entries) > max_files:
        raise ExportError(f"it has more than {max_files} files")
    if sum(entry.file_size for entry, _ in entries if entry.file_size <= MAX_FILE) > max_bytes:
        raise ExportError(f"it would unpack to more than {max_bytes >> 20} MB")
    for entry, name in entries:
        problem = ""
        if stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a link"
        elif entry.flag_bits & 1:
            problem = "it is encrypted"
        elif entry.file_size > MAX_FILE:
            problem = f"it is larger than {MAX_FILE >> 20} MB"
        yield File(tuple(name.split("/")), _zip_time(entry), problem, functools.partial(_read_entry, archive, entry))


class _OnlyTrueClaims:
    """A zip file in whose directory only those names say that they are UTF-8 that are.

    ``zipfile`` believes them, and would refuse the whole file for one that is not.
    """

    def __init__(self, source: Path | BinaryIO) -> None:
        self._file = source.open("rb") if isinstance(source, Path) else source

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __del__(self) -> None:
        self._file.close()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        return _without_false_claims(data) if data.startswith(_DIRECTORY) else data


def _without_false_claims(directory: bytes) -> bytes:
    changed = bytearray(directory)
    start = 0
    while changed.startswith(_DIRECTORY, start) and start + 46 <= len(changed):
        name, extra, comment = struct.unpack_from("<3H", changed, start + 28)
        if not _is_utf8(directory[start + 46 : start + 46 + name]):
            changed[start + 9] &= ~(_UTF8 >> 8)
        start += 46 + name + extra + comment
    return bytes(changed)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _zip_name(entry: zipfile.ZipInfo) -> str:
    """The name: in UTF-8 also where a program (a Mac's) does not say so, else as old programs for DOS wrote it."""
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8 and _is_utf8(raw := name.encode("cp437")):
        name = raw.decode("utf-8")
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def _zip_time(entry: zipfile.ZipInfo) -> str:
    try:
        return datetime(*entry.date_time).isoformat(timespec="seconds") if entry.date_time[0] > 1980 else ""
    except ValueError:
        return ""


def _read_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        with archive.open(entry) as file:
            data = file.read(MAX_FILE + 1)
    except Exception as error:  # the decompressors raise what they meet: zlib.error, LZMAError, EOFError, ...
        raise ExportError(f"it is broken in the zip file ({one_line(str(error))})") from error
    if len(data) > MAX_FILE:
        raise ExportError(f"it is larger than {MAX_FILE >> 20} MB")
    return data


def sort_out(files: Iterator[File]) -> tuple[list[Submission], list[File]]:
    """Who handed in what: the submissions in the order of their names, and the files that say nothing about that.

    An export is of one platform, that of most of its students: another's name may be one that a student has chosen.
    """
    submissions: dict[tuple[str, str], Submission] = {}
    found_files = [(file, _moodle(file) or _canvas(file)) for file in files if not _is_litter(file.parts)]
    if _is_others([file for file, _ in found_files]):
        return [], [file for file, _ in found_files]
    platform = _platform([found[0] for _, found in found_files if found])
    if platform != "moodle":
        found_files = [(file, _canvas(file)) for file, _ in found_files]
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


def _platform(submissions: list[Submission]) -> str:
    """The platform that has more students; one student can have many files, and a name like another platform's."""
    students = {(one.platform, one.id, one.name) for one in submissions}
    count = Counter(platform for platform, _, _ in students)
    return max(count, key=lambda name: (count[name], name), default="")


def _is_others(files: list[File]) -> bool:
    """Whether every file has a name as Brightspace or Blackboard gives it; a student may choose such a name, too."""
    named = [
        list(takewhile(lambda part: not _PLUGIN.fullmatch(part), file.parts))
        for file in files
        if file.parts[-1] != "index.html"
    ]
    return bool(named) and any(all(any(map(form.fullmatch, parts)) for parts in named) for form in _OTHERS.values())


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
    """As Canvas itself infers it: the first two words of digits alone are user and attachment, LATE is before them."""
    name = file.parts[-1]
    words = name.split("_")
    late = words[:2] == ["LATE", "anon"]
    words = words[late:]
    if words[0] == "anon" and len(words) > 2:
        user, name_of = 1, "anon"
    else:
        user = next((i for i, word in enumerate(words[:-1]) if _NUMBER.fullmatch(word)), 0)
        late = words[user - 1] == "LATE"
        name_of = "_".join(words[: user - late])
    if not user or _NOT_IN_NAMES.search(name_of):
        return None
    submission, rest = Submission("canvas", words[user], name_of, late), words[user + 1 :]
    if rest in (["text.html"], ["link.html"]):
        return submission, (rest[0],), name, 0, True
    if len(rest) < 2 or not _NUMBER.fullmatch(rest[0]):
        return None
    return submission, ("_".join(rest[1:]),), name, int(rest[0]), False


def safe_path(parts: tuple[str, ...]) -> tuple[Path | None, str]:
    """Where a student's file may go, below the submission's folder; or None and the reason why it cannot go there."""
    cleaned = []
    for part in parts:
        if part in ("", "."):
            continue
        if part == "..":
            return None, "its path leads out of the submission"
        if len(part.encode("utf-8", "replace")) > _MAX_NAME:
            return None, "its name is too long"
        cleaned.append(without_control(part, "_"))
    if not cleaned or len(cleaned) > _MAX_DEPTH:
        return None, "it has no proper path" if not cleaned else f"it lies in more than {_MAX_DEPTH - 1} folders"
    if len("/".join(cleaned).encode("utf-8", "replace")) > _MAX_PATH:
        return None, "its path is too long"
    return Path(*cleaned), ""


def other_platform(files: list[File]) -> str:
    """The platform that has made an export in which nothing is Moodle's or Canvas's, if it is a known one."""
    names = [part for file in files for part in file.parts]
    return next((name for name, form in _OTHERS.items() if any(map(form.fullmatch, names))), "")


def slug(name: str) -> str:
    """A name as the name of a folder: letters and digits of any script, hyphens and underscores, at most 200 bytes."""
    words = re.sub(r"[^\w-]+", "_", unicodedata.normalize("NFC", name)).strip("_-")
    return words[:80].encode()[:200].decode(errors="ignore") or "student"
