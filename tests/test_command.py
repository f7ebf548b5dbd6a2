"""The `edgekit` command, and the doctor's advice."""

import subprocess
import sys

import pytest
from board_projects import MODEL_FILES
from conftest import require

from edgekit import doctor
from edgekit.__main__ import main


def test_the_doctor_finds_this_computer_well(capsys):
    require("g++")
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for what in ("Python", "Packages", "PlatformIO", "C++ compiler", "Board", "Disk", "Emulated Xtensa", "bubblewrap"):
        assert what in out


def test_the_doctor_names_a_missing_compiler_and_the_remedy(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "!!  C++ compiler: none" in out
    assert "apt install g++" in out


def test_the_doctor_tries_the_compiler(monkeypatch, tmp_path):
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'xcode-select: note: no developer tools were found' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    finding = doctor.compiler()
    assert finding.state == "bad"
    assert "no developer tools" in finding.found


def test_the_doctor_names_a_folder_that_platformio_cannot_use(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "file"))
    finding = doctor.platformio()
    assert finding.state == "bad"
    assert "PLATFORMIO_CORE_DIR" in finding.remedy


def test_a_project_is_made_and_uploaded_from_the_command_line(tmp_path, capfd):
    require("g++")
    folder = str(tmp_path / "project")
    files = [str(path) for path in MODEL_FILES]
    assert main(["firmware", "create", "xormodel", folder, *files, "--cpu-mhz", "240"]) == 0
    assert "240=y" in (tmp_path / "project" / "sdkconfig.defaults").read_text()
    assert main(["firmware", "upload", folder]) == 0
    assert "xormodel: ready" in capfd.readouterr().out


def test_a_tflite_file_is_exported_as_c(tmp_path):
    from edgekit import models, network, tflite

    tflite.save(network.from_keras(models.xor_mlp()), tmp_path / "xormodel.tflite")
    assert main(["export", str(tmp_path / "xormodel.tflite"), "--to", str(tmp_path / "c")]) == 0
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["xormodel.cpp", "xormodel.h"]


def test_a_keras_model_is_exported_as_c(tmp_path):
    from edgekit import models

    models.xor_mlp().save(tmp_path / "xormodel.keras")
    arguments = ["export", str(tmp_path / "xormodel.keras"), "--name", "net", "--to", str(tmp_path / "c")]
    assert main(arguments) == 0
    assert "net_invoke" in (tmp_path / "c" / "net.h").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "nothing.keras"], "there is no file"),
        (["export", __file__], "neither a Keras model"),
        (["firmware", "upload", "/"], "is not a firmware project"),
        (["firmware", "create", "toaster", "x", "y.h"], "there is no application 'toaster'"),
        (["firmware", "create", "xormodel", "x", "y.h", "--cpu-mhz", "100"], "80, 160, 240"),
    ],
)
def test_a_mistake_gets_one_sentence_and_status_1(arguments, says, capsys):
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_the_command_starts_quickly_enough_not_to_import_tensorflow():
    code = "import sys; from edgekit.__main__ import _parser; _parser(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
