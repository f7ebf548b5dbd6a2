"""start-notebook.sh on a machine without packages: first and second start, the student's folder, and its errors.

The copy of the repository that these tests start from lies in a path with spaces and has a short lock file, so that a
real installation takes seconds; one test at the end installs the whole lock file and runs ``--check``.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT, require

SHORT_LOCK = ("hatchling", "editables", "packaging", "pathspec", "pluggy", "trove-classifiers")
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# A short lesson\n", "Text."]},
        {"cell_type": "code", "id": "b", "metadata": {}, "source": "1 + 1", "outputs": [], "execution_count": None},
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
# JupyterLab is not in the short lock file. This stands for it where only what comes before the server matters.
STAND_IN = "import json, os, sys\nprint(json.dumps({'arguments': sys.argv[1:], 'path': os.environ['PATH']}))\n"


def checkout(folder, lock=SHORT_LOCK):
    """A copy of what start-notebook.sh needs from the repository."""
    for name in ("start-notebook.sh", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "requirements.lock"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    for name in ("tools", "edgekit", "firmware_templates"):
        if (ROOT / name).exists():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    if lock:
        pins = (ROOT / "requirements.lock").read_text().splitlines()
        (folder / "requirements.lock").write_text("\n".join(p for p in pins if p.split("==")[0] in lock) + "\n")
    lesson = folder / "notebooks" / "short"
    lesson.mkdir(parents=True)
    (lesson / "short.ipynb").write_text(json.dumps(NOTEBOOK))
    (lesson / "data.csv").write_text("0,1\n")
    return folder


def without_uv():
    """PATH without uv, so that venv and pip do the work, and with the Python that runs the tests first."""
    folders = [os.path.dirname(os.path.realpath(sys.executable)), *os.environ["PATH"].split(os.pathsep)]
    return os.pathsep.join(f for f in folders if not os.access(os.path.join(f, "uv"), os.X_OK))


def start(folder, *arguments, cwd="/", check=None, **environment):
    result = subprocess.run(
        [folder / "start-notebook.sh", *arguments],
        cwd=cwd,
        env=os.environ | {"PATH": without_uv()} | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if check is not None:
        assert result.returncode == check, result.stdout + result.stderr
    return result


def one_sentence(result):
    """The complaint on stderr, after checking that it is one line and no traceback."""
    assert result.returncode not in (0, None)
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A checkout whose environment is installed, with a stand-in for JupyterLab."""
    folder = checkout(tmp_path_factory.mktemp("a room with spaces"))
    first = start(folder, "short", "--no-browser")
    assert "Making .venv" in first.stdout
    assert "Installed in" in first.stdout, first.stdout + first.stderr
    (site,) = (folder / ".venv" / "lib").glob("python3*/site-packages")
    (site / "jupyterlab.py").write_text(STAND_IN)
    return folder


@pytest.fixture
def work(room):
    """The student's folder, not made yet."""
    shutil.rmtree(room / "workspace", ignore_errors=True)
    return room / "workspace" / "short"


def test_list_names_the_lessons_with_their_titles(room):
    assert start(room, "--list", check=0).stdout.split(maxsplit=1) == ["short", "A short lesson\n"]


@pytest.mark.parametrize("arguments", [["nonesuch"], []])
def test_an_unknown_or_missing_name_lists_the_names_and_exits_2(room, arguments):
    result = start(room, *arguments, check=2)
    assert one_sentence(result).endswith("there are: short.")


def test_a_second_start_installs_nothing_and_opens_the_students_copy(room, work):
    result = start(room, "short", "--no-browser", "--port", "9871", cwd=room.parent, check=0)
    assert "Installing" not in result.stdout
    server = json.loads(result.stdout.splitlines()[-1])
    assert f"--ServerApp.root_dir={work}" in server["arguments"]
    assert "--ServerApp.port=9871" in server["arguments"]
    assert "--LabApp.default_url=/lab/tree/short.ipynb" in server["arguments"]
    assert "--no-browser" in server["arguments"]
    assert server["path"].split(os.pathsep)[0] == str(room / ".venv" / "bin")
    assert (work / "data.csv").read_text() == "0,1\n"


def test_a_changed_lock_file_is_installed_at_the_next_start(room, work):
    lock = room / "requirements.lock"
    lock.write_text(lock.read_text() + "# a comment\n")
    assert "Installed in" in start(room, "short", check=0).stdout
    assert "Installed in" not in start(room, "short", check=0).stdout


def test_a_students_files_are_never_overwritten(room, work):
    start(room, "short", check=0)
    (work / "short.ipynb").write_text("my work")
    (work / "mine.txt").write_text("mine")
    (work / "data.csv").unlink()
    upstream = room / "notebooks" / "short"
    (upstream / "new.txt").write_text("new")
    try:
        result = start(room, "short", check=0)
        assert "Added to workspace/short: data.csv, new.txt." in result.stdout
        assert "Newer" not in result.stdout  # it is the student's file that changed, not the lesson
        (upstream / "short.ipynb").write_text(json.dumps(NOTEBOOK | {"nbformat_minor": 4}))
        result = start(room, "short", check=0)
        assert "Newer in notebooks/short than in your folder: short.ipynb. Your file is kept" in result.stdout
        assert (work / "short.ipynb").read_text() == "my work"
        assert (work / "mine.txt").read_text() == "mine"
    finally:
        (upstream / "new.txt").unlink()
        (upstream / "short.ipynb").write_text(json.dumps(NOTEBOOK))


def test_reset_moves_the_folder_aside_with_the_date(room, work):
    start(room, "short", check=0)
    (work / "short.ipynb").write_text("my work")
    result = start(room, "short", "--reset", check=0)
    (aside,) = work.parent.glob("short-*")
    assert aside.name.startswith(time.strftime("short-%Y-"))
    assert f"Your folder is now workspace/{aside.name}." in result.stdout
    assert (aside / "short.ipynb").read_text() == "my work"
    assert json.loads((work / "short.ipynb").read_text()) == NOTEBOOK


def test_a_taken_port_is_named_when_asked_for_and_passed_over_otherwise(room, work):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = start(room, "short", "--port", port, check=1)
        assert one_sentence(result).startswith(f"Port {port} is taken by another program")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8888))
            taken.listen()
        except OSError:
            pass  # someone else has it: just as well
        server = json.loads(start(room, "short", check=0).stdout.splitlines()[-1])
        (chosen,) = (a for a in server["arguments"] if a.startswith("--ServerApp.port="))
        assert int(chosen.split("=")[1]) > 8888


def test_an_old_python_is_named(room, tmp_path):
    require("sh")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python"):
        (folder / name).write_text('#!/bin/sh\ncase "$2" in *version_info*) echo 3.9;; *) exit 1;; esac\n')
        (folder / name).chmod(0o755)
    result = start(room, "short", check=1, PATH=f"{folder}:/usr/bin:/bin")
    assert "needs Python 3.11, 3.12 or 3.13; this machine has Python 3.9" in one_sentence(result)


def test_no_network_is_named_and_the_next_start_repairs(tmp_path):
    folder = checkout(tmp_path)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"  # bound, not listening: connections are refused
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_CACHE_DIR": str(tmp_path / "cache")}
        result = start(folder, "short", PIP_INDEX_URL=index, **offline)
    assert "there is no connection to the package index: connect to the internet" in one_sentence(result)
    again = start(folder, "short")
    assert "The last installation was interrupted" in again.stdout
    assert "Installed in" in again.stdout, again.stdout + again.stderr


def test_an_interrupted_installation_is_repaired_by_the_next_start(tmp_path):
    folder = checkout(tmp_path)
    process = subprocess.Popen(
        [folder / "start-notebook.sh", "short"],
        env=os.environ | {"PATH": without_uv()},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.startswith("Installing"):
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    result = start(folder, "short")
    assert "The last installation was interrupted: starting it over" in result.stdout
    assert "Installed in" in result.stdout, result.stdout + result.stderr


def test_a_moved_folder_gets_a_new_environment(room, tmp_path):
    moved = checkout(tmp_path)
    shutil.copytree(room / ".venv", moved / ".venv", symlinks=True)
    result = start(moved, "short")
    assert "The folder has moved" in result.stdout
    assert "Installed in" in result.stdout, result.stdout + result.stderr


def in_small_disk(folder, size, script):
    """Run a shell script where `folder` is a file system of `size` bytes."""
    bwrap = require("bwrap", "apt-get install bubblewrap")
    return subprocess.run(
        [bwrap, "--dev-bind", "/", "/", "--size", str(size), "--tmpfs", folder, "sh", "-c", script],
        env=os.environ | {"PATH": without_uv()},
        capture_output=True,
        text=True,
    )


def test_too_small_a_disk_is_named_before_anything_is_installed(tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "small disk").mkdir()
    copy, disk = checkout(tmp_path / "copy"), tmp_path / "small disk"
    result = in_small_disk(disk, 60_000_000, f"cp -R '{copy}/.' '{disk}' && '{disk}/start-notebook.sh' short")
    assert one_sentence(result).startswith("The disk is too full: ")
    assert "the installation needs 3.5 GB" in result.stderr


def test_a_disk_that_fills_up_while_installing_is_named(tmp_path):
    (tmp_path / "copy").mkdir()
    (tmp_path / "temporary").mkdir()
    folder, temporary = checkout(tmp_path / "copy"), tmp_path / "temporary"
    script = f"export TMPDIR='{temporary}' PIP_NO_CACHE_DIR=1; '{folder}/start-notebook.sh' short"
    assert one_sentence(in_small_disk(temporary, 20_000, script)).startswith("The disk is full")


def test_a_full_disk_leaves_no_half_copied_lesson(room, tmp_path):
    (room / "notebooks" / "short" / "large.bin").write_bytes(os.urandom(3_000_000))
    workspace = room / "workspace"
    workspace.mkdir(exist_ok=True)
    try:
        script = f"'{room}/start-notebook.sh' short; code=$?; find '{workspace}' -type f -name '*large*'; exit $code"
        result = in_small_disk(workspace, 1_000_000, script)
        assert one_sentence(result).startswith("The disk is full")
        assert "large" not in result.stdout
    finally:
        (room / "notebooks" / "short" / "large.bin").unlink()


def test_check_installs_everything_and_runs_the_first_cells_in_the_running_server(tmp_path):
    names = sorted(path.name for path in (ROOT / "notebooks").iterdir() if (path / f"{path.name}.ipynb").exists())
    assert "xormodel" in names
    (tmp_path / "a laptop").mkdir()
    folder = checkout(tmp_path / "a laptop", lock=None)
    for name in names:
        shutil.copytree(ROOT / "notebooks" / name, folder / "notebooks" / name)
    for name in names:
        # uv, where there is one, makes the real installation a matter of seconds.
        result = start(folder, name, "--check", check=0, PATH=os.environ["PATH"])
        assert "JupyterLab answers" in result.stdout
        assert result.stdout.splitlines()[-1] == f"{name} is ready."

    broken = json.loads((folder / "workspace" / "xormodel" / "xormodel.ipynb").read_text())
    code = next(cell for cell in broken["cells"] if cell["cell_type"] == "code")
    code["source"] = "import package_that_is_missing"
    (folder / "workspace" / "xormodel" / "xormodel.ipynb").write_text(json.dumps(broken))
    result = start(folder, "xormodel", "--check", check=1)
    assert "cell 1 of the notebook ('import package_that_is_missing') failed: ModuleNotFoundError" in one_sentence(
        result
    )
