"""Writes a project's files from the templates, and keeps a copy of every file that somebody edited."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_MANIFEST = ".edgekit.json"  # the project's description, and the hash of each generated file
_KEPT = ".previous"  # earlier versions of files, dated
_OWNED = {"src/main.cpp"}  # the student's file: written once, then never again


def _template_folder() -> Path:
    package = Path(__file__).resolve().parent.parent
    installed = package / "firmware_templates"
    return installed if installed.is_dir() else package.parent / "firmware_templates"


def from_templates(app: str, values: Mapping[str, object]) -> dict[str, bytes]:
    """Fill in the templates of an application.

    Args:
        app: the application's name, a folder in firmware_templates/apps.
        values: the names that the templates use.

    Returns:
        {path in the project: content} of all files except those of the exported network; empty files are left out.
    """
    made = {name: _render(path, values) for name, path in _templates(app)}
    return {name: content for name, content in made.items() if content.strip()}


def from_template(name: str, values: Mapping[str, object]) -> bytes:
    """Fill in one template that all applications share.

    Args:
        name: the file's path in the project.
        values: the names that the template uses.

    Returns:
        The file's content.
    """
    return _render(_template_folder() / "common" / f"{name}.j2", values)


def _templates(app: str) -> Iterator[tuple[str, Path]]:
    for root in (_template_folder() / "common", _template_folder() / "apps" / app):
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield path.relative_to(root).as_posix().removesuffix(".j2"), path


def _render(path: Path, values: Mapping[str, object]) -> bytes:
    if path.suffix != ".j2":
        return path.read_bytes()
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return environment.from_string(path.read_text()).render(values).encode()


def bring_up_to_date(directory: Path, made: Mapping[str, bytes], before: Mapping[str, str]) -> dict[str, str]:
    """Write the generated files and remove those that are no longer generated; copy edited ones to .previous/ first.

    Args:
        directory: the project's folder.
        made: {name: content} of the files to write.
        before: {name: hash} of the files that were generated last time.

    Returns:
        {name: hash} of the files in `made`.
    """
    hashes = {name: _hash(content) for name, content in made.items()}
    for name in before.keys() | made.keys():
        path = directory / name
        there = _hash(path.read_bytes()) if path.is_file() else None
        if there == hashes.get(name) or (name in _OWNED and there):
            continue
        if there not in (None, before.get(name)):
            keep(directory, path)
        if name in made:
            write(path, made[name])
        else:
            path.unlink()
        if name == "sdkconfig.defaults":
            # ESP-IDF reads the defaults only if its own full configuration does not exist.
            for full in directory.glob("sdkconfig.*"):
                if full.name != name:
                    keep(directory, full)
                    full.unlink()
    return hashes


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def keep(directory: Path, path: Path) -> None:
    """Copy a file of the project to .previous/, before it is overwritten.

    Args:
        directory: the project's folder.
        path: the file.
    """
    folder = directory / _KEPT / path.parent.relative_to(directory)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = len(list(folder.glob(f"{stamp}-*{path.suffix}")))
    shutil.copy2(path, folder / f"{stamp}-{number:02}{path.suffix}")


def write(path: Path, content: bytes) -> None:
    """Write a file so that an interrupted or failed write leaves the old file unchanged.

    Args:
        path: the file; its folder is made if missing.
        content: its new content.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_manifest(directory: Path) -> dict | None:
    """Read the description of a project: application, model, engine, options, and the hash of each generated file.

    Args:
        directory: the project's folder.

    Returns:
        The description, or None if the folder holds no project.
    """
    try:
        return json.loads((directory / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None


def write_manifest(directory: Path, manifest: dict) -> None:
    """Write the description that `read_manifest` reads.

    Args:
        directory: the project's folder.
        manifest: the description, JSON's types only.
    """
    write(directory / _MANIFEST, json.dumps(manifest, indent=1).encode())


def kept(directory: Path, path: Path) -> list[Path]:
    """List the earlier versions of a file that `keep` copied, oldest first.

    Args:
        directory: the project's folder.
        path: the file.
    """
    return sorted((directory / _KEPT / path.parent.relative_to(directory)).glob(f"{path.stem}-*{path.suffix}"))
