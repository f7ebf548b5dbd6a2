"""A benchmark sends labelled images to a board, loses no answer, and resumes where it was interrupted."""

import csv
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import require

from edgekit import benchmark, calibration, codegen, datasets, firmware, models, network, quantization, tflite
from edgekit import board as boards
from edgekit.__main__ import main
from edgekit.benchmark import BenchmarkError


@pytest.fixture(scope="module")
def scenes():
    return datasets.load("cars", "test")[:40]


@pytest.fixture(scope="module")
def net(scenes):
    real = network.from_keras(models.load_pretrained("carclassifier"))
    return quantization.quantize(real, calibration.calibrate(real, models.preprocess(scenes.images)))


@pytest.fixture(scope="module")
def project(net, tmp_path_factory):
    require("g++")
    folder = tmp_path_factory.mktemp("benchmark")
    project = firmware.create("benchmark", folder / "project", codegen.export(net, "car", folder / "generated"))
    project.build("sim", on_line=None)
    return project


@pytest.fixture(scope="module")
def board(project):
    with boards.simulate(project) as board:
        yield board


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_answer_is_counted_and_in_the_file(board, net, scenes, tmp_path):
    result = benchmark.run(board, scenes, tmp_path / "b.csv", reference=net)
    scores = net.predict(models.preprocess(scenes.images))
    answers = (scores[:, 0] > 0.5).astype(int)
    np.testing.assert_array_equal(result.scores, scores)
    np.testing.assert_array_equal(result.answers, answers)
    assert result.confusion.tolist() == [
        [int(np.sum((scenes.labels == truth) & (answers == answer))) for answer in (0, 1)] for truth in (0, 1)
    ]
    assert result.accuracy == np.mean(answers == scenes.labels)
    assert (result.lost, result.wrong, (result.microseconds > 0).all()) == (0, 0, True)
    written = rows(result.path)
    assert [float(row["scores"]) for row in written] == scores[:, 0].tolist()
    assert [int(row["label"]) for row in written] == scenes.labels.tolist()
    assert "40 of 40 images answered, 0 lost, 0 wrong" in str(result)
    assert "ms on this computer, not on a board (" in str(result)
    assert "<table>" in result._repr_html_()


def test_a_board_with_other_weights_is_seen_to_be_wrong(board, net, scenes, tmp_path):
    other = quantization.quantize(
        network.from_keras(models.load_pretrained("carclassifier")),
        calibration.calibrate(
            network.from_keras(models.load_pretrained("carclassifier")), models.preprocess(scenes.images[:2])
        ),
    )
    assert benchmark.run(board, scenes, tmp_path / "b.csv", count=10, reference=other).wrong > 0


def test_a_benchmark_goes_on_after_its_last_whole_line(board, scenes, tmp_path):
    path = tmp_path / "b.csv"
    benchmark.run(board, scenes, path, count=10)
    before = path.read_bytes()
    path.write_bytes(before + before.splitlines()[-1].replace(b"9,", b"10,", 1)[:-9])  # power went in the middle of it
    result = benchmark.run(board, scenes, path, count=20)
    assert path.read_bytes().startswith(before)
    assert [int(row["row"]) for row in rows(path)] == list(range(20))
    assert len(result) == 20


def test_a_finished_or_unwanted_file_is_kept_under_another_name(board, scenes, tmp_path):
    path = tmp_path / "b.csv"
    first = benchmark.run(board, scenes, path, count=3) and path.read_text()
    benchmark.run(board, scenes, path, count=3)
    benchmark.run(board, scenes, path, count=5, resume=False)
    kept = sorted(p for p in tmp_path.iterdir() if p != path)
    assert len(kept) == 2
    assert first in [p.read_text() for p in kept]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: "my notes\n", "is not a benchmark's results"),
        (lambda text: text.replace(",car,", ",truck,"), "holds the answers of truck, but the board runs car"),
        (lambda text: re.sub(r"\n1,\w+", "\n1,00000000", text), "the answers to other images"),
        (lambda text: re.sub(r",[0-9.e-]+(,\d+,[\d.]+\n)$", r",0.123\1", text), "another version of car"),
        (lambda text: text.replace(",car,", ",car,x"), "line 2 of .* cannot be read"),
    ],
)
def test_a_file_of_something_else_is_left_alone(spoil, says, board, scenes, tmp_path):
    path = tmp_path / "b.csv"
    benchmark.run(board, scenes, path, count=4)
    path.write_text(spoil(path.read_text()))
    before = path.read_bytes()
    with pytest.raises(BenchmarkError, match=says):
        benchmark.run(board, scenes, path, count=8)
    assert path.read_bytes() == before


def test_images_that_the_network_cannot_take_are_refused(board, scenes, tmp_path):
    small = datasets.Dataset(scenes.images[:, ::2, ::2], scenes.labels, scenes.class_names)
    with pytest.raises(ValueError, match=r"takes inputs of shape \(96, 96, 3\), and these have \(48, 48, 3\)"):
        benchmark.run(board, small, tmp_path / "b.csv")
    with pytest.raises(ValueError, match="from 1 to 40"):
        benchmark.run(board, scenes, tmp_path / "b.csv", count=41)
    assert not (tmp_path / "b.csv").exists()


def test_the_line_is_faster_for_the_while(board, scenes, tmp_path):
    rates = []
    original = board.set_baud
    board.set_baud = lambda baud: (rates.append(baud), original(baud))
    try:
        assert benchmark.run(board, scenes, tmp_path / "b.csv", count=2, baud=921600).lost == 0
    finally:
        del board.set_baud
    assert rates == [921600, 115200]
    assert board.baud == 115200


def test_the_command_survives_a_bad_line(project, net, tmp_path, capsys):
    tflite.save(net, tmp_path / "car.tflite")
    arguments = ["benchmark", "--project", str(project.directory), "--images", "30", "--faults", "0.001"]
    arguments += ["--reference", str(tmp_path / "car.tflite"), "--results", str(tmp_path / "b.csv")]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "30 of 30 images answered, 0 lost, 0 wrong" in out
    assert int(re.search(r"([\d,]+) bytes were lost, doubled or flipped", out)[1].replace(",", "")) > 300


def test_killed_in_the_middle_it_goes_on(project, tmp_path):
    path = tmp_path / "b.csv"
    command = [
        sys.executable,
        "-m",
        "edgekit",
        "benchmark",
        "--project",
        str(project.directory),
        "--results",
        str(path),
    ]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (path.exists() and path.read_bytes().count(b"\n") > 5):
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.01)
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()
    before = path.read_bytes()
    assert main(["benchmark", "--project", str(project.directory), "--results", str(path), "--images", "500"]) == 0
    assert path.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    assert [int(row["row"]) for row in rows(path)] == list(range(500))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "--simulate"], "not both"),
        (["/dev/ttyNOWHERE"], "/dev/ttyNOWHERE"),
        (["--project", "/"], "not a firmware project"),
        (["--simulate", "--reference", "nothing.tflite"], "there is no file"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_network_with_several_scores_answers_with_the_highest():
    assert benchmark._answer(np.array([0.2, 0.5, 0.3])) == 1
    assert benchmark._answer(np.array([0.5])) == 0


def test_old_notebooks_find_it_at_the_board_and_count_in_images(board, scenes, tmp_path):
    assert len(boards.benchmark(board, scenes, tmp_path / "b.csv", images=3)) == 3
