"""Lists the lessons that come with edgekit, and makes the student's own copy of one, which nothing overwrites."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import EdgekitError

MANIFEST = ".edgekit.json"  # in a student's folder: the hash of each file as it was copied


class StartError(EdgekitError):
    """A lesson cannot be opened; the message is one sentence that tells the user what to do."""


def lessons_folder() -> Path:
    """The folder of the lessons: ``edgekit/lessons`` in an installed wheel, ``notebooks`` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "lessons"
    return installed if installed.is_dir() else package.parent / "notebooks"


def available(lessons: Path | None = None) -> dict[str, str]:
    """List the lessons.

    Args:
        lessons: the folder with a folder for each lesson; None takes `lessons_folder`.

    Returns:
        {name: title}; the first lesson is the one to begin with.
    """
    found = {}
    for path in sorted((lessons or lessons_folder()).glob("*/*.ipynb")):
        if path.stem == path.parent.name:
            found[path.stem] = _title(path)
    # The lesson without a camera comes first, because it is the easiest; the others are in alphabetical order.
    return dict(sorted(found.items(), key=lambda lesson: (lesson[0] != "xormodel", lesson[0])))


def _title(path: Path) -> str:
    try:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for line in "".join(cell["source"]).splitlines():
                if cell["cell_type"] == "markdown" and line.startswith("# "):
                    return line[2:].strip()
    except (ValueError, KeyError, OSError):
        pass
    return ""


def copy_lesson(
    name: str,
    workspace: Path,
    reset: bool = False,
    say: Callable[[str], object] = print,
    lessons: Path | None = None,
) -> Path:
    """Make the student's own copy of a lesson, or add what is new to it; never overwrite a file.

    Args:
        name: the lesson.
        workspace: the folder that holds the student's folders, one for each lesson.
        reset: rename the student's folder with the date, and make a new one.
        say: called with one line of progress at a time.
        lessons: the folder with a folder for each lesson; None takes `lessons_folder`.

    Returns:
        The student's folder, workspace/NAME.

    Raises:
        OSError: the workspace cannot be written.
    """
    source, folder = (lessons or lessons_folder()) / name, workspace / name
    if reset and folder.exists():
        aside = folder.with_name(f"{name}-{time.strftime('%Y-%m-%d-%H%M%S')}")
        folder.rename(aside)
        say(f"Your folder is now {shown(aside)}.")
    manifest_path = folder / MANIFEST
    try:
        manifest = json.loads(manifest_path.read_text())
    except (OSError, ValueError):
        manifest = {}
    new = not folder.exists()
    added, changed = [], []
    for path in sorted(p for p in source.rglob("*") if p.is_file() and ".ipynb_checkpoints" not in p.parts):
        relative = path.relative_to(source).as_posix()
        target, digest = folder / relative, _hash(path)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, target)
            manifest[relative] = digest
            added.append(relative)
        elif manifest.setdefault(relative, _hash(target)) != digest:
            changed.append(relative)
    if added:
        _write(manifest_path, json.dumps(manifest, indent=1).encode())
    if new:
        say(f"Made {shown(folder)} for your work.")
    elif added:
        say(f"Added to {shown(folder)}: {', '.join(added)}.")
    if changed:
        say(
            f"Newer in {shown(source)} than in your folder: {', '.join(changed)}. Your file is kept; "
            "--reset makes a new folder, and keeps yours under a name with the date."
        )
    return folder


def shown(path: Path) -> str:
    """A path for messages: relative to the current folder, if it is inside it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def _copy(path: Path, target: Path) -> None:
    _write(target, path.read_bytes())
    shutil.copymode(path, target)


def _write(target: Path, content: bytes) -> None:
    """Write a file completely or not at all, so that a full disk or an interruption leaves no incomplete notebook."""
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
