"""The `edgekit` command, and the doctor's advice."""

import subprocess
import sys

import numpy as np
import pytest
from board_projects import MODEL_FILES
from conftest import require

from edgekit import datasets, doctor, models, network, tflite
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
    tflite.save(network.from_keras(models.xor_mlp()), tmp_path / "xormodel.tflite")
    assert main(["export", str(tmp_path / "xormodel.tflite"), "--to", str(tmp_path / "c")]) == 0
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["xormodel.cpp", "xormodel.h"]


def test_a_keras_model_is_exported_as_c(tmp_path):
    models.xor_mlp().save(tmp_path / "xormodel.keras")
    arguments = ["export", str(tmp_path / "xormodel.keras"), "--name", "net", "--to", str(tmp_path / "c")]
    assert main(arguments) == 0
    assert "net_invoke" in (tmp_path / "c" / "net.h").read_text()
    assert tflite.load(tmp_path / "c" / "net.tflite").parameters == 33


def test_calibration_data_make_the_export_int8(tmp_path, capsys):
    models.xor_mlp().save(tmp_path / "xormodel.keras")
    np.save(tmp_path / "inputs.npy", datasets.load("xor", "noisy").inputs)
    arguments = ["export", str(tmp_path / "xormodel.keras"), "--to", str(tmp_path), "--calibration"]
    assert main([*arguments, str(tmp_path / "inputs.npy")]) == 0
    assert "int8_t" in (tmp_path / "xormodel.h").read_text()
    again = ["export", str(tmp_path / "xormodel.tflite"), "--to", str(tmp_path / "again"), "--calibration", "xor"]
    assert main(again) == 1
    assert "int8 already" in capsys.readouterr().err
    (tmp_path / "text.npy").write_text("no numbers")
    assert main([*arguments, str(tmp_path / "text.npy")]) == 1
    assert "is a text file without a line of numbers" in capsys.readouterr().err


def test_a_data_set_becomes_files_that_are_read_back_and_never_overwritten(tmp_path, capsys):
    assert main(["data", "cars", "--split", "calibration", "--to", str(tmp_path)]) == 0
    capsys.readouterr()
    scenes, read = datasets.load("cars", "calibration"), datasets.from_folder(tmp_path)
    order = np.argsort(scenes.labels, kind="stable")
    np.testing.assert_array_equal(read.images, scenes.images[order])
    assert main(["data", "cars", "--split", "calibration", "--to", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main(["data"]) == 0
    assert "CIFAR-10" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["export", "nothing.keras"], "there is no file"),
        (["export", __file__], "is a text file"),
        (["export", "catclassifier"], "no trained network is called 'catclassifier'"),
        (["data", "cats"], "no data set is called 'cats'"),
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
    code = "import sys; from edgekit.command.main import parser; parser(); sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
