"""A real board and a simulated board work through the same functions."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import serial
from board_projects import SOLUTION, built, make
from conftest import require

from edgekit import board as boards
from edgekit.board.protocol import HELLO, READY, Frame, Reader
from edgekit.board.transport import start_simulator, stop_simulator

TRUTH = {(0, 0): 0, (0, 1): 1, (1, 0): 1, (1, 1): 0}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    require("g++")
    project = make(tmp_path_factory.mktemp("board") / "project")
    built(project)
    return project


@pytest.fixture
def board(project):
    with boards.simulate(project) as board:
        yield board


def test_the_simulated_board_knows_exclusive_or(board):
    for inputs, output in TRUTH.items():
        result = board.classify(inputs)
        assert result.scores == pytest.approx([output])
        assert result.microseconds >= 0


def test_a_board_says_which_network_it_runs(board):
    assert (board.info.model, board.info.input_shape, board.info.dtype) == ("xormodel", (2,), "float32")
    assert board.simulated
    assert "simulated" in board.name


@pytest.mark.parametrize("values", [[0], [0, 1, 0], [[0, 1], [1, 0]], 0.0])
def test_an_input_of_the_wrong_shape_is_refused(board, values):
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        board.classify(values)


@pytest.mark.parametrize("values", [[0, np.nan], [np.inf, 0]])
def test_an_input_that_is_not_finite_is_refused(board, values):
    with pytest.raises(ValueError, match="NaN"):
        board.classify(values)


def test_any_program_can_open_the_simulated_board_with_pyserial(project):
    process, path = start_simulator(project.program())
    try:
        for _ in range(2):  # opening and closing the port leaves the board running
            with serial.Serial(path, 9600, timeout=5) as port:
                port.write(Frame(HELLO).encode())
                reader, frames = Reader(), []
                while not frames:
                    byte = port.read(1)
                    assert byte, "no answer"
                    frames = reader.take(byte)
                assert frames[0].type == READY
                assert frames[0].payload.endswith(b"xormodel")
    finally:
        stop_simulator(process)


def test_a_board_on_a_port_is_opened_by_its_path_and_a_busy_port_is_explained(project):
    process, path = start_simulator(project.program())
    try:
        with boards.connect(path) as board:
            assert board.classify([1, 0]).scores == pytest.approx([1])
            with pytest.raises(boards.BoardError, match="in use by another program"):
                boards.connect(path)
    finally:
        stop_simulator(process)


def test_a_missing_port_is_explained():
    with pytest.raises(boards.BoardError, match="plugged in"):
        boards.connect("/dev/ttyNOTHERE")


def test_a_silent_board_is_explained():
    ours, theirs = os.openpty()
    try:
        with pytest.raises(boards.BoardError, match="RST"):
            boards.Board(boards.SerialTransport(os.ttyname(theirs)), patience=0.5)
        with boards.connect(os.ttyname(theirs), wait=False) as board:  # but it can be watched
            os.write(ours, b"rst:0x10 (RTCWDT_RTC_RESET)\r\n")
            said = []
            board.monitor(said.append, seconds=0.3)
            assert said == ["rst:0x10 (RTCWDT_RTC_RESET)\n"]
    finally:
        os.close(ours)
        os.close(theirs)


def test_closing_the_board_stops_the_simulator(project):
    board = boards.simulate(project)
    process = board.transport._process
    board.close()
    board.close()
    assert process.poll() is not None


def test_the_simulator_does_not_outlive_a_killed_notebook(project):
    code = f"""
import edgekit.board, time
board = edgekit.board.simulate({str(project.program())!r})
print(board.transport._process.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as notebook:
        pid = int(notebook.stdout.readline())
        notebook.kill()
    deadline = time.monotonic() + 10
    while _runs(pid):
        assert time.monotonic() < deadline, "the simulator still runs"
        time.sleep(0.02)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_the_application_runs_over_standard_input_and_output_too(project):
    with boards.Board(boards.StdioTransport([str(project.program()), "--stdio"])) as board:
        assert board.classify([1, 1]).scores == pytest.approx([0])


def test_the_board_moves_to_another_rate(board):
    board.set_baud(921600)
    assert board.classify([0, 1]).scores == pytest.approx([1])


def test_what_the_board_prints_can_be_read_beside_its_answers(board):
    board.classify([0, 1])
    assert "1.0000 in" in board.text()


def test_an_index_that_the_network_does_not_have_stops_the_program_with_its_reason(tmp_path):
    project = make(tmp_path / "project", SOLUTION.replace("model.set_input(1,", "model.set_input(2,"))
    built(project)
    with boards.simulate(project) as board, pytest.raises(boards.BoardError, match=r"abort.*there is no input 2"):
        board.classify([0, 1])


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        # Answers once, and then sends results that nobody asked for.
        ("if (input[1] == 0) input.next();", "does not answer: does main.cpp's loop reach input.next"),
        ("input.next(); raise(SIGUSR1);", "restarts whenever it gets an input"),  # presses its own reset button
    ],
)
def test_a_program_that_talks_but_never_answers_is_explained(tmp_path, monkeypatch, instead, says):
    main = "#include <csignal>\n" + SOLUTION.replace("input.next();", instead)
    project = make(tmp_path / "project", main)
    built(project)
    monkeypatch.setattr("edgekit.board.board._LONGEST_INFERENCE", 2.0)
    with boards.simulate(project) as board, pytest.raises(boards.BoardError, match=says):
        [board.classify(row) for row in ([0, 1], [1, 0])]


class Restarting(boards.Transport):
    """A board in a crash loop: it prints its boot messages and why it stops, again and again, and answers nothing."""

    name = "/dev/ttyUSB0"
    said = b"rst:0xc (SW_CPU_RESET)\r\nerror: the camera does not start\r\nRebooting...\r\n"

    def read(self, timeout):
        time.sleep(0.05)
        return self.said

    def write(self, data):
        pass


def test_a_board_that_starts_again_and_again_is_quoted():
    with pytest.raises(boards.BoardError, match=r"does not answer; .* with: error: the camera does not start$"):
        boards.Board(Restarting(), patience=0.5)


def test_a_line_without_a_reset_says_so(project):
    process, port = start_simulator(project.program())
    try:
        with boards.connect(port) as board, pytest.raises(boards.TransportError, match="has no reset line"):
            board.transport.reset_board()
    finally:
        stop_simulator(process)


def test_a_program_that_is_not_built_is_explained(tmp_path):
    with pytest.raises(boards.BoardError, match="build it first"):
        boards.simulate(make(tmp_path / "project"))
