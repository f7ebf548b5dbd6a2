"""Photographs of the board's camera arrive complete and are saved under their labels, also after faults."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from board_projects import FILES, MODEL_FILES, built
from conftest import require

from edgekit import board as boards
from edgekit import capture, codegen, datasets, firmware
from edgekit.__main__ import main
from edgekit.board import FaultyTransport
from edgekit.board.protocol import PHOTO, SHOW, Frame, Reader
from edgekit.board.transport import SimulatedTransport
from edgekit.firmware import put_before_camera
from grader.for_tests import car_network

SOLUTION = (FILES / "car_main.cpp").read_text()


@pytest.fixture(scope="module")
def scenes():
    return datasets.load("cars", "test").images[:5]


@pytest.fixture(scope="module")
def project(scenes, tmp_path_factory):
    require("g++")
    folder = tmp_path_factory.mktemp("capture")
    net, _ = car_network.small(1)
    project = firmware.create("carclassifier", folder / "project", codegen.export(net, "car", folder / "c"))
    put_before_camera(project, scenes)
    project.build("sim", on_line=None)  # main.cpp as the student finds it
    return project


def number(photo, scenes):
    """Which of the scenes this is, to the bit."""
    return [np.array_equal(photo, scene) for scene in scenes].index(True)


def test_a_photograph_is_what_the_camera_sees(project, scenes):
    with boards.simulate(project) as board:
        photos = [board.photograph() for _ in range(4)]
    assert (photos[0].shape, photos[0].dtype) == ((96, 96, 3), np.uint8)
    first = number(photos[0], scenes)
    assert [number(photo, scenes) for photo in photos] == [(first + i) % 5 for i in range(4)]


def test_lost_doubled_and_flipped_bytes_cost_only_retries(project, scenes):
    line = FaultyTransport(SimulatedTransport(project.program("sim")), rate=0.001, reset_rate=3e-3)
    with boards.Board(line) as board:
        for _ in range(15):
            number(board.photograph(), scenes)
    assert line.faults > 400
    assert line.resets > 0


class ResetInTheMiddle(SimulatedTransport):
    """Resets the board once, after some pieces of a photograph, whose READY is lost too."""

    def __init__(self, program):
        self.pieces, self.resets, self.reader = 0, 0, Reader()
        super().__init__(program)

    def read(self, timeout):
        out = b""
        for frame in self.reader.take(super().read(timeout)):
            self.pieces += frame.type == PHOTO
            if self.pieces == 50 and not self.resets:
                self.resets += 1
                self.reset_board()
            if self.pieces < 50 or frame.type == PHOTO:
                out += frame.encode()
        return out


def test_pieces_of_two_photographs_are_never_put_together(project, scenes):
    with boards.Board(ResetInTheMiddle(project.program("sim"))) as board:
        number(board.photograph(), scenes)
        assert board.transport.resets == 1


def test_what_is_missing_is_asked_for_and_nothing_else(project, scenes):
    class Lossy(SimulatedTransport):
        """Loses two pieces, and counts what is asked."""

        def __init__(self, program):
            self.reader, self.lost, self.asked = Reader(), 0, []
            super().__init__(program)

        def read(self, timeout):
            out = b""
            for frame in self.reader.take(super().read(timeout)):
                offset = int.from_bytes(frame.payload[12:16], "little")
                if frame.type == PHOTO and offset in (480, 27600) and self.lost < 2:
                    self.lost += 1
                else:
                    out += frame.encode()
            return out

        def write(self, data):
            frame = Frame.decode(data[1:-1])
            if frame.type == SHOW and len(frame.payload) > 4:
                self.asked.append(list(np.frombuffer(frame.payload[4:], "<u4")))
            super().write(data)

    with boards.Board(Lossy(project.program("sim"))) as board:
        number(board.photograph(), scenes)
        assert board.transport.asked == [[480, 27600]]


def test_the_program_goes_on_with_its_work_afterwards(project):
    with boards.simulate(project) as board:
        board.photograph()
        board.text()
        text = []
        board.monitor(text.append, seconds=3.5)
    assert "car: 0.0000 in" in "".join(text)


def test_a_program_without_a_camera_says_so(tmp_path):
    require("g++")
    project = firmware.create("xormodel", tmp_path / "p", MODEL_FILES)
    built(project)
    with boards.simulate(project) as board:
        with pytest.raises(boards.BoardError, match="flash the car application with its camera"):
            board.photograph()
        assert len(board.classify([0, 1]).scores) == 1


def test_a_program_that_knows_no_photographs_is_told_from_a_silent_board(project, monkeypatch):
    class Older(SimulatedTransport):
        def write(self, data):
            if Frame.decode(data[1:-1]).type != SHOW:
                super().write(data)

    monkeypatch.setattr("edgekit.board.board._LONGEST_INFERENCE", 1.0)
    older = Older(project.program("sim"))
    with boards.Board(older) as board, pytest.raises(boards.BoardError, match="answers, but sends no photograph"):
        board.photograph()


def test_photographs_lie_under_their_labels_and_are_read_as_a_data_set(project, scenes, tmp_path):
    with boards.simulate(project) as board:
        taken = capture.collect(board, tmp_path / "mine", "cnxcq", show=lambda line: None)
        again = capture.collect(board, tmp_path / "mine", "c", show=lambda line: None)
    names = [path.relative_to(tmp_path / "mine").as_posix() for path in taken + again]
    assert names == ["car/photo_00001.png", "no_car/photo_00001.png", "car/photo_00002.png", "car/photo_00003.png"]
    dataset = datasets.from_folder(tmp_path / "mine")
    assert dataset.labels.tolist() == [0, 1, 1, 1]
    seen = [number(image, scenes) for image in dataset.images]
    assert seen[0] == (seen[1] + 1) % 5
    assert seen[2] == (seen[1] + 2) % 5


class Blank:
    """A board whose camera is covered."""

    def photograph(self):
        return np.zeros((96, 96, 3), np.uint8)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "car").mkdir()
    (tmp_path / "car" / "photo_00007.jpg").write_text("mine")
    (tmp_path / "car" / "holiday.png").write_text("mine too")
    before = sorted((tmp_path / "car").iterdir())
    (path,) = capture.collect(Blank(), tmp_path, "c", show=lambda line: None)
    assert path.name == "photo_00008.png"
    assert [file.read_text() for file in before] == ["mine too", "mine"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("file", "file is not a folder"),
        ("file/inside", "file is not a folder"),
        ("folder", "folder/car is not a folder"),
    ],
)
def test_a_folder_that_is_none_is_found_before_the_first_photograph(name, says, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "car").write_text("mine")
    with pytest.raises(NotADirectoryError, match=says):
        capture.collect(None, tmp_path / name, "c", show=lambda line: None)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["/dev/ttyNOWHERE", "photos"], "there is no port /dev/ttyNOWHERE"),
        (["photos", "/dev/null"], "/dev/null is not a folder"),
        (["/dev/ttyUSB0", "photos", "--simulate"], "not both"),
        (["photos", "--project", "nothing"], "is not a firmware project"),
    ],
)
def test_a_mistake_gets_one_sentence(arguments, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["capture", *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_on_a_terminal_keys_need_no_enter_and_ctrl_c_loses_nothing(project, tmp_path):
    command = [sys.executable, "-m", "edgekit", "capture", str(tmp_path / "mine"), "--project", str(project.directory)]
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(theirs)
    text = ""

    def read_until(pattern, seconds=120):
        nonlocal text
        deadline = time.monotonic() + seconds
        while not re.search(pattern, text):
            assert time.monotonic() < deadline, text
            if select.select([ours], [], [], 1.0)[0]:
                text += os.read(ours, 65536).decode(errors="replace")

    try:
        read_until("q quit")
        os.write(ours, b"\x1b[C")  # an arrow, whose last letter is a C
        read_until(r"'\?' is no label")
        os.write(ours, b"c")
        read_until("1 car, 0 no_car")
        os.write(ours, b"n")
        read_until("1 car, 1 no_car")
        os.killpg(running.pid, signal.SIGINT)  # what the terminal sends at Ctrl-C
        read_until("mine holds 1 car, 1 no_car")
        assert running.wait(20) == 0
    finally:
        running.kill()
        running.wait()
        os.close(ours)
    assert "\x1b[38;2;" in text  # what was taken is shown
    assert len(datasets.from_folder(tmp_path / "mine")) == 2
