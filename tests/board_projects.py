"""Firmware projects that the board's tests share, with a hand-written network instead of an exported one."""

from pathlib import Path

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
