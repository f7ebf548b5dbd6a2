"""Puts a platform's export into submitted/STUDENT/NAME/: everyone's newest work; nothing is lost, nothing guessed."""

import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from grader.paths import Course
from grader.platforms.exports import (
    MAX_SUBMISSION,
    ExportError,
    File,
    Submission,
    in_zip,
    other_platform,
    read_export,
    safe_path,
    slug,
)
from grader.platforms.exports import sort_out as sort_export
from grader.text import one_line, squeezed, without_control

_RESERVED = {"timestamp.txt": "nbgrader would take it for the time of submission"}


@dataclass
class Collected:
    """The platform's own names for the work in submitted/STUDENT/NAME; marks and feedback go back under them."""

    platform: str
    id: str
    name: str
    file: str  # Moodle's name of the student's folder, Canvas's name of the notebook's file
    attachment: int = 0
    modified: str = ""
    late: bool = False

    @property
    def age(self) -> tuple[int, str]:
        """A value that grows with each newer submission of the same student."""
        return self.attachment, self.modified


@dataclass
class CollectReport:
    """Who of an export was collected, and who was not."""

    new: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # one line each, about what was not taken as it stood
    unknown: list[str] = field(default_factory=list)  # not collected: whose it is, or what it is, is not known
    late: list[str] = field(default_factory=list)  # as Canvas says it

    def lines(self) -> list[str]:
        """The report as text."""
        counts = f"{len(self.new)} new, {len(self.replaced)} replaced, {len(self.unchanged)} unchanged"
        lines = [
            f"Collected: {counts}.",
            *([f"Handed in late: {', '.join(self.late)}."] if self.late else []),
            *(f"note: {note}" for note in self.notes),
            *(f"not collected: {line}" for line in self.unknown),
        ]
        return [without_control(line, "?") for line in lines]


def manifest(course: Course, name: str) -> dict[str, Collected]:
    """Who was collected for a lesson, by nbgrader's name of the student."""
    try:
        known = json.loads(_manifest_file(course, name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return {student: Collected(**about) for student, about in known.items()}


def collect(course: Course, name: str, export: Path, known_only: bool = False) -> CollectReport:
    """Put what ``export`` has for lesson ``name`` into submitted/.

    Args:
        course: The course.
        name: The lesson.
        export: A folder or zip file, as Moodle or Canvas let an instructor download all submissions.
        known_only: Leave out students who are not in the gradebook.

    Returns:
        Who was collected, and everything that was not taken as it came.

    Raises ExportError where the export cannot be read at all; what is wrong with one submission is in the report.
    """
    submissions, unknown = sort_export(read_export(export))
    if not submissions:
        other = other_platform(unknown)
        if other:
            raise ExportError(
                f"{export} is {other}'s download, which is not read here. Put each student's notebook into "
                f"{course.submitted('STUDENT', name)}/{name}.ipynb, and export the marks with: nbgrader export"
            )
        raise ExportError(
            f"{export} has nothing of Moodle's or Canvas's. Give the platform's download of all submissions: it has "
            "folders like Full name_123456_assignsubmission_file_ or files like lastnamefirstname_67890_12345_toy.ipynb"
        )
    report = CollectReport(
        unknown=[f"{file.label}: neither Moodle's nor Canvas's way to name a student's file" for file in unknown]
    )
    known = manifest(course, name)
    students = _Students(course, known, submissions, known_only)
    for submission in submissions:
        student, problem = students.find(submission)
        if student is None:
            report.unknown.append(f"{_who(submission)}: {problem}")
            continue
        if problem:
            report.notes.append(f"{_who(submission)}: {problem}")
        try:
            known[student] = _take(course, name, student, submission, known.get(student), report)
        except Exception as error:  # whatever one student hands in, the others are collected
            stays = "; what was collected before stays" if student in known else ""
            reason = error if isinstance(error, ExportError) else f"{type(error).__name__}: {one_line(str(error))}"
            report.unknown.append(f"{_who(submission)}: {reason}{stays}")
        else:
            _write_manifest(course, name, known)
            if known[student].late:
                report.late.append(student)
    return report


def _who(submission: Submission) -> str:
    return one_line(f"{submission.name} ({submission.id})")


class _Students:
    """Who is who: by the platform's number among those collected before, by their full name in the gradebook."""

    def __init__(
        self, course: Course, known: dict[str, Collected], submissions: list[Submission], known_only: bool
    ) -> None:
        self.known_only = known_only
        self.by_id = {(about.platform, about.id, squeezed(about.name)): student for student, about in known.items()}
        self.taken = set(known)
        names = [slug(submission.name).casefold() for submission in submissions]
        self.doubled = {name for name in names if names.count(name) > 1}
        self.by_name: dict[str, set[str]] = {}
        self.ids = set()
        if course.gradebook.exists():
            with course.open_gradebook() as gradebook:
                for student in gradebook.students:
                    self.ids.add(student.id)
                    for key in _keys(student.first_name or "", student.last_name or ""):
                        self.by_name.setdefault(key, set()).add(student.id)

    def find(self, submission: Submission) -> tuple[str | None, str]:
        """nbgrader's name for a student, or None; and a remark for the report, or why not."""
        before = self.by_id.get(_key(submission))
        if before:
            return before, ""
        plain = slug(submission.name)
        doubled = plain.casefold() in self.doubled
        matches = self.by_name.get(plain.casefold(), set())
        if len(matches) == 1 and not doubled and not (matches & self.taken):
            return self._keep(submission, *matches), ""
        numbered = f"{plain}_{slug(submission.id)}"
        student = numbered if submission.platform == "canvas" or doubled or plain in self.taken else plain
        if student in self.ids:
            return self._keep(submission, student), ""
        if self.known_only:
            why = "several students of the gradebook have this name" if len(matches) > 1 else "not in the gradebook"
            return None, f"{why} (--known-only)"
        remark = ""
        if doubled or len(matches) > 1:
            remark = f"more than one student has this name; collected as {student}"
        elif self.ids:
            remark = f"not in the gradebook yet; collected as {student}"
        return self._keep(submission, student), remark

    def _keep(self, submission: Submission, student: str) -> str:
        self.by_id[_key(submission)] = student
        self.taken.add(student)
        return student


def _key(submission: Submission) -> tuple[str, str, str]:
    """Who it is for the platform; the name, too, as a team may have the number of a participant."""
    return submission.platform, submission.id, squeezed(submission.name)


def _keys(first: str, last: str) -> set[str]:
    """A person's names as the platforms write them: "First Last", "Last First", "lastfirst"."""
    if not first or not last:
        return set()
    squeezed = re.sub(r"\W", "", last + first)
    return {slug(text).casefold() for text in (f"{first} {last}", f"{last} {first}", f"{last}, {first}", squeezed)}


def _take(
    course: Course, name: str, student: str, submission: Submission, before: Collected | None, report: CollectReport
):
    """Put one submission in its place; returns what is known about it now."""
    who = _who(submission)
    if not submission.files:
        raise ExportError("handed in a text or a link, and no file" if submission.texts else "handed in no file")
    files, notebook, notes = _choose(submission, name)
    file = submission.files.get(notebook)
    about = Collected(
        submission.platform,
        submission.id,
        submission.name,
        submission.names.get(notebook) or next(iter(submission.names.values())),
        submission.attachments.get(notebook, 0),
        file.modified if file else "",
        submission.late,
    )
    with tempfile.TemporaryDirectory(prefix="edgekit-collect-") as scratch:
        fresh = Path(scratch) / name
        notes += _unpack(files, fresh)
        if not (fresh / f"{name}.ipynb").exists():
            raise ExportError("; ".join(notes))
        target = course.submitted(student, name)
        if target.is_dir() and not target.is_symlink() and _contents(target) == _contents(fresh):
            report.unchanged.append(student)
            return about
        if before and about.age < before.age:
            report.notes.append(f"{who}: older than what was collected before, which stays")
            return before
        replaced = target.exists() or target.is_symlink()
        if replaced:
            _move_aside(course, name, student)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(fresh, target)
    report.notes += [f"{who}: {note}" for note in notes]
    (report.replaced if replaced else report.new).append(student)
    return about


def _choose(submission: Submission, name: str) -> tuple[dict[Path, File], tuple[str, ...] | None, list[str]]:
    """The files to unpack, each with its place; the path of the notebook among them; and remarks."""
    files, notes = _places(submission.files)
    for text in submission.texts:
        place, problem = safe_path(text.parts[-1:])
        if problem:
            notes.append(f"{text.label} left out: {problem}")
        else:
            files.setdefault(place, text)
    notebooks = _notebooks(files)
    if not notebooks:
        archives = [path for path in files if path.suffix.lower() == ".zip"]
        if len(archives) != 1:
            listed = ", ".join(one_line(str(path)) for path in files) or "; ".join(notes)
            raise ExportError(f"no notebook among what was handed in: {listed}")
        archive = archives[0]
        original = next(parts for parts, file in submission.files.items() if file is files[archive])
        inner, more = _places({file.parts: file for file in in_zip(io.BytesIO(_read(files[archive])))}, strip=True)
        notes += [f"unpacked from {one_line(str(archive))}", *more]
        notebooks = _notebooks(inner)
        if not notebooks:
            raise ExportError("; ".join([f"no notebook in {one_line(str(archive))}", *notes[1:]]))
        files = {path: file for path, file in files.items() if path != archive} | inner
    chosen = _notebook(notebooks, files, name, submission)
    wanted = Path(f"{name}.ipynb")
    if chosen != wanted:
        notes.append(f"{one_line(str(chosen))} is used as {wanted}")
        if wanted in files:
            files[_free(Path("earlier") / wanted, files)] = files[wanted]
        files[wanted] = files.pop(chosen)
    file = files[wanted]
    path = next((parts for parts, other in submission.files.items() if other is file), None)
    return {wanted: file} | files, path if path else original, notes  # written first: no other file takes its place


def _notebooks(files: Iterable[Path]) -> list[Path]:
    """The notebooks; Jupyter and a Mac keep others in hidden folders and files."""
    return [
        path for path in files if path.suffix.lower() == ".ipynb" and not any(p.startswith(".") for p in path.parts)
    ]


def _free(path: Path, files: dict[Path, File]) -> Path:
    """``path``, or one in a folder within its folder, where a student's file has that name."""
    while path in files:
        path = path.parent / "earlier" / path.name
    return path


def _places(files: dict[tuple[str, ...], File], strip: bool = False) -> tuple[dict[Path, File], list[str]]:
    """Each file by where it may go, and a remark for each that cannot; ``strip`` takes off a folder around all."""
    placed, notes = {}, []
    for parts, file in files.items():
        path, problem = safe_path(parts)
        problem = problem or file.problem or _RESERVED.get(path.name, "")
        if problem:
            notes.append(f"{file.label} left out: {problem}")
        elif "__MACOSX" in path.parts:
            continue
        elif path in placed:
            notes.append(f"{file.label} left out: another file has the same name")
        else:
            placed[path] = file
    tops = {path.parts[0] for path in placed if len(path.parts) > 1}
    if strip and len(tops) == 1 and all(len(path.parts) > 1 for path in placed):
        placed = {Path(*path.parts[1:]): file for path, file in placed.items()}
    return placed, notes


def _notebook(notebooks: list[Path], files: dict[Path, File], name: str, submission: Submission) -> Path:
    """The notebook that is meant: by its name, a platform's or a browser's number allowed; or the only one."""
    exact = Path(f"{name}.ipynb")
    like = re.compile(rf"{re.escape(name)}([-_ ]?\(?\d+\)?| ?-? ?[Cc]opy\d*)?\.ipynb", re.IGNORECASE)
    named = [path for path in notebooks if path == exact or like.fullmatch(path.name)]
    if submission.platform == "canvas" and len(named) > 1:  # a name is numbered when it is handed in again
        by_file = {id(file): submission.attachments[parts] for parts, file in submission.files.items()}
        return max(named, key=lambda path: by_file.get(id(files[path]), 0))
    if exact in named:
        return exact
    if len(named) == 1 or len(notebooks) == 1:
        return (named or notebooks)[0]
    listed = ", ".join(sorted(one_line(str(path)) for path in notebooks))
    raise ExportError(f"several notebooks, and none is called {exact}: {listed}")


def _read(file: File) -> bytes:
    if file.problem:
        raise ExportError(f"{file.label}: {file.problem}")
    return file.read()


def _unpack(files: dict[Path, File], target: Path) -> list[str]:
    """Write the files below ``target``; returns a remark for each that could not be."""
    notes, total = [], 0
    for path, file in files.items():
        try:
            data = _read(file)
            total += len(data)
            if total > MAX_SUBMISSION:
                raise ExportError(f"all in all it is larger than {MAX_SUBMISSION >> 20} MB")
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_bytes(data)
        except (ExportError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            notes.append(f"{file.label} left out: {reason}")
    return notes


def _contents(root: Path) -> dict[str, bytes]:
    return {
        str(Path(base, name).relative_to(root)): Path(base, name).read_bytes()
        for base, _, names in os.walk(root)
        for name in names
        if Path(base, name).is_file()
    }


def _move_aside(course: Course, name: str, student: str) -> None:
    """Keep the submission before, and what was graded from it, so that nobody takes its marks for the new one's."""
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
    earlier = course.collected(name) / "earlier" / student / now
    for place in (course.submitted, course.autograded, course.feedback):
        old = place(student, name)
        if old.exists() or old.is_symlink():
            earlier.mkdir(parents=True, exist_ok=True)
            shutil.move(old, earlier / old.relative_to(course.root).parts[0])


def _manifest_file(course: Course, name: str) -> Path:
    return course.collected(name) / "collected.json"


def _write_manifest(course: Course, name: str, known: dict[str, Collected]) -> None:
    path = _manifest_file(course, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(
        {student: asdict(about) for student, about in sorted(known.items())}, indent=1, ensure_ascii=False
    )
    scratch = path.with_suffix(".new")
    scratch.write_text(text + "\n", encoding="utf-8")
    scratch.replace(path)
