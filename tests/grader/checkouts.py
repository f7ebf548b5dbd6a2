"""For the grading tests: another checkout, with its own code, in which a process can be started."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from grader.paths import CHECKOUT

_LIVE = ("source", "submitted", "autograded", "feedback", "release", "collected", "handed_back")


def copy_of_checkout(target: Path, *folders: str) -> Path:
    """Copy the code, the templates and the lessons to ``target``, without caches and without anybody's work."""
    for name in folders or ("edgekit", "firmware_templates", "grader"):
        shutil.copytree(CHECKOUT / name, target / name, ignore=_left_out)
    return target


def _left_out(folder: str, names: list[str]) -> set[str]:
    found = {name for name in names if name == "__pycache__" or name.startswith((".", "gradebook.db"))}
    return found | ({*names} & {*_LIVE} if Path(folder).name == "course" else set())


def python(checkout: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Python in a checkout, with the code that is there."""
    return subprocess.run([sys.executable, *arguments], **_options(checkout), capture_output=True)


def start_python(checkout: Path, *arguments: str) -> subprocess.Popen:
    """Start Python in a checkout, to talk with it."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, *arguments], **_options(checkout), **pipes)


def _options(checkout: Path) -> dict:
    environment = os.environ | {"PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"cwd": checkout, "env": environment, "text": True}
