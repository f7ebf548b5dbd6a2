"""`edgekit start` from an installed wheel does what start-notebook.sh does from a checkout, in the current folder."""

import json
import os
import subprocess
import sys

import pytest

from edgekit.start import command, server, workspace


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory):
    """A folder with the installed wheel; the packages that it needs are those of the tests' environment."""
    folder = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run(pip, check=True)
    return folder


def start(site, folder, *arguments, check=0):
    result = subprocess.run(
        [sys.executable, "-m", "edgekit", "start", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(site)},  # before the tests' own, editable edgekit
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == check, result.stdout + result.stderr
    return result


def test_the_wheels_lessons_are_listed(site, tmp_path):
    listed = start(site, tmp_path, "--list").stdout.splitlines()
    assert listed[0].startswith("xormodel  ")
    assert [line.split()[0] for line in listed] == list(workspace.available())
    lesson = site / "edgekit" / "lessons" / "zzz"
    lesson.mkdir()
    (lesson / "zzz.ipynb").write_text('{"cells": []}')
    assert start(site, tmp_path, "--list").stdout.splitlines()[-1].strip() == "zzz"


def test_a_lesson_is_tried_out_from_the_wheel_in_the_current_folder(site, tmp_path):
    result = start(site, tmp_path, "xormodel", "--check")
    lines = result.stdout.splitlines()
    assert lines[0] == "Made workspace/xormodel for your work."
    assert "JupyterLab answers" in result.stdout
    assert lines[-1] == "xormodel is ready."
    ours = tmp_path / "workspace" / "xormodel" / "xormodel.ipynb"
    assert ours.read_bytes() == (site / "edgekit" / "lessons" / "xormodel" / "xormodel.ipynb").read_bytes()


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Collect the server's command lines instead of starting it, in a temporary folder."""
    commands = []
    monkeypatch.setattr(server.os, "execve", lambda program, words, variables: commands.append((words, variables)))
    monkeypatch.chdir(tmp_path)
    return commands


def test_jupyterlab_opens_the_students_copy(served, tmp_path, capsys):
    command.main(["xormodel", "--no-browser"])
    ((words, variables),) = served
    assert f"--ServerApp.root_dir={tmp_path / 'workspace' / 'xormodel'}" in words
    assert "--LabApp.default_url=/lab/tree/xormodel.ipynb" in words
    assert "--no-browser" in words
    assert variables["JUPYTER_PREFER_ENV_PATH"] == "1"
    assert "Opening workspace/xormodel/xormodel.ipynb" in capsys.readouterr().out


def test_the_workspace_can_lie_elsewhere_and_work_is_moved_aside_on_reset(served, tmp_path, capsys):
    elsewhere = tmp_path / "my class"
    command.main(["xormodel", "--workspace", str(elsewhere)])
    notebook = elsewhere / "xormodel" / "xormodel.ipynb"
    lesson = json.loads(notebook.read_text())
    notebook.write_text("my work")
    command.main(["xormodel", "--workspace", "my class"])
    assert notebook.read_text() == "my work"
    command.main(["xormodel", "--workspace", "my class", "--reset"])
    (aside,) = elsewhere.glob("xormodel-*")
    assert f"Your folder is now my class/{aside.name}." in capsys.readouterr().out
    assert (aside / "xormodel.ipynb").read_text() == "my work"
    assert json.loads(notebook.read_text()) == lesson
    assert not (tmp_path / "workspace").exists()


def test_a_name_that_is_no_lesson_lists_the_lessons(served, capsys):
    assert command.main(["nonesuch"]) == 2
    assert capsys.readouterr().err.startswith("There is no lesson 'nonesuch'; there are: xormodel, ")
    assert served == []


def test_the_package_for_starting_needs_nothing_but_python():
    """start-notebook.sh imports it before anything is installed."""
    code = "import sys; before = set(sys.modules); import edgekit.start; print(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.split(".")[0] for name in result.stdout.split()}
    assert packages - set(sys.stdlib_module_names) == {"edgekit"}
