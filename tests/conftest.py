"""Shared by all tests: the repository's root, and a check that the tools are installed in CI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
pytest.register_assert_rewrite("lesson_tries")  # so that its failures tell the values


# Files that take minutes, longest first: begun early, so that no worker waits for the other one at the end.
SLOW = (
    "test_lesson_carclassifier_hard.py",
    "test_lesson_carclassifier_easy.py",
    "test_lesson_xormodel.py",
    "test_batch.py",
    "test_grading_cheats.py",
    "test_start_notebook.py",
    "test_grading_nbgrader.py",
    "test_codegen.py",
    "test_bit_exact.py",
    "test_sandbox_warm.py",
    "test_capture.py",
)


def pytest_collection_modifyitems(items):
    """Put the slow files first; tests/run.sh keeps this order."""
    order = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: order.get(item.path.name, len(SLOW)))


def require(tool, remedy=""):
    """Return the path of a program that a test needs, or skip the test.

    On a developer's machine a missing tool skips the test; with ``CI=true`` it fails, so that no check
    disappears unnoticed.

    Args:
        tool: the program's name, looked up in PATH.
        remedy: how to get it; added to the message.
    """
    path = shutil.which(tool)
    if path is None:
        message = f"{tool} is not installed" + (f": {remedy}" if remedy else "; tests/run.sh installs it where it can")
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def root():
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """The wheel, built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))
