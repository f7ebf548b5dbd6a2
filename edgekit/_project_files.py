"""Writes a project's files from the templates, and never loses what somebody wrote in them."""

import hashlib
import json
import shutil
import time
from pathlib import Path

_MANIFEST = ".edgekit.json"  # what the project was made from, and the hash of each generated file
_KEPT = ".previous"  # what files held before they were written anew, dated
_OWNED = {"src/main.cpp"}  # the student's: written once, then never again


def _template_folder():
    here = Path(__file__).resolve().parent
    installed = here / "firmware_templates"
    return installed if installed.is_dir() else here.parent / "firmware_templates"


def from_templates(app, values):
    """The files that do not depend on the network, as {path in the project: bytes}; empty ones are left out."""
    made = {name: _render(path, values) for name, path in _templates(app)}
    return {name: content for name, content in made.items() if content.strip()}


def _templates(app):
    for root in (_template_folder() / "common", _template_folder() / "apps" / app):
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield path.relative_to(root).as_posix().removesuffix(".j2"), path


def _render(path, values):
    if path.suffix != ".j2":
        return path.read_bytes()
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return environment.from_string(path.read_text()).render(values).encode()


def bring_up_to_date(directory, made, before):
    """Write the generated files and remove those that are generated no more; keep aside what somebody edited.

    Args:
        made: {name: bytes}.
        before: {name: hash} of what was generated the last time.

    Returns:
        {name: hash} of what is generated now.
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
            # ESP-IDF reads the defaults only where it has not yet written its own full configuration.
            for full in directory.glob("sdkconfig.*"):
                if full.name != name:
                    keep(directory, full)
                    full.unlink()
    return hashes


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def keep(directory, path):
    """Copy a file of the project to .previous/ before it is written anew."""
    folder = directory / _KEPT / path.parent.relative_to(directory)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = len(list(folder.glob(f"{stamp}-*{path.suffix}")))
    shutil.copy2(path, folder / f"{stamp}-{number:02}{path.suffix}")


def write(path, content):
    """Write so that an interrupted or failed write leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def read_manifest(directory):
    """What the project was made from, or None if the folder holds no project."""
    try:
        return json.loads((directory / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None


def write_manifest(directory, manifest):
    """Note what the project was made from."""
    write(directory / _MANIFEST, json.dumps(manifest, indent=1).encode())


def kept(directory, path):
    """The earlier versions of a file, oldest first."""
    return sorted((directory / _KEPT / path.parent.relative_to(directory)).glob(f"{path.stem}-*{path.suffix}"))
