"""Firmware projects that the board's tests share, with a hand-written network instead of an exported one."""

import atexit
import functools
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from conftest import require

from edgekit import firmware

FILES = Path(__file__).resolve().parent / "cpp"
MODEL_FILES = [FILES / "xormodel.h", FILES / "xormodel.cpp"]
SOLUTION = (FILES / "main.cpp").read_text()


def make(directory, main=SOLUTION, options=None):
    """A project with this main.cpp, not yet built."""
    project = firmware.create("xormodel", directory, MODEL_FILES, options)
    if main is not None:
        project.write("src/main.cpp", main)
    return project


def built(project):
    """The project's program for this computer, from the files and flags of its environment sim, without PlatformIO.

    For tests of a running board. Equal files are compiled once in a session; with PlatformIO each project would take
    five seconds. tests/firmware builds projects as users do.

    Args:
        project: a project, whose files may have changed.

    Returns:
        The path of the program, as from `Project.build`.
    """
    source, program = project.directory / "src", project.program("sim")
    program.parent.mkdir(parents=True, exist_ok=True)
    headers = b"".join(path.read_bytes() for path in sorted(source.rglob("*.h")))
    objects = []
    for path in sorted(source.rglob("*.cpp")):
        if path.is_relative_to(source / "board" / "esp"):
            continue
        content = path.read_bytes()
        flags = [*firmware.CXX_FLAGS]
        if b"CAMERA_FOLDER" in content:
            flags.append(f'-DCAMERA_FOLDER="{project.directory / "camera"}"')
        name = str(path.relative_to(source))
        key = hashlib.sha256("\0".join([*flags, name]).encode() + headers + content).hexdigest()
        objects.append(_objects() / f"{key}.o")
        if not objects[-1].exists():
            subprocess.run([require("g++"), *flags, f"-I{source}", "-c", path, "-o", objects[-1]], check=True)
    subprocess.run([require("g++"), *firmware.CXX_FLAGS, *objects, "-o", program], check=True)
    return program


@functools.cache
def _objects():
    folder = Path(tempfile.mkdtemp(prefix="edgekit-objects-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
