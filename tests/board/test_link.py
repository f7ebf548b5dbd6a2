"""The serial link delivers every input and every answer, also if the line damages bytes."""

import numpy as np
import pytest
from board_projects import FILES, built
from conftest import require

from edgekit import board as boards
from edgekit import firmware
from edgekit.board import FaultyTransport
from edgekit.board.protocol import SET_BAUD, Reader
from edgekit.board.transport import SerialTransport, SimulatedTransport, Transport, start_simulator, stop_simulator

MAIN = """
#include "Model.h"
#include "board/EspSerialPort.h"
#include "board/SerialInputProvider.h"

extern "C" void app_main() {
    static EspSerialPort serial;
    static SerialInputProvider input(serial);
    Model model;
    while (true) {
        input.next();
        for (int i = 0; i < Model::input_size; i++) {
            model.set_input(i, input[i]);
        }
        model.invoke();
        serial.write_result(model.output(0), 0);
    }
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    require("g++")
    project = firmware.create("xormodel", tmp_path_factory.mktemp("link") / "p", [FILES / "many.h", FILES / "many.cpp"])
    project.write("src/main.cpp", MAIN)
    return built(project)


def image(seed):
    return np.random.default_rng(seed).normal(size=(48, 48, 3)).astype(np.float32)


def expected(values):
    digest = 1
    for bits in values.ravel().view(np.uint32).tolist():
        digest = (digest * 31 + bits) & 0xFFFFFFFF
    return digest >> 8


def test_a_large_input_arrives_byte_by_byte(program):
    with boards.simulate(program) as board:
        assert board.info.input_shape == (48, 48, 3)
        for seed in range(5):
            assert board.classify(image(seed)).scores == [expected(image(seed))]


def test_lost_doubled_and_flipped_bytes_and_resets_cost_only_retries(program):
    line = FaultyTransport(SimulatedTransport(program), rate=0.001, reset_rate=3e-6)
    with boards.Board(line) as board:
        for seed in range(40):
            assert board.classify(image(seed)).scores == [expected(image(seed))]
    assert line.faults > 500
    assert line.resets > 0


def test_a_line_without_a_reset_is_damaged_without_resets(program):
    process, port = start_simulator(program)  # its pseudo-terminal has no such line
    try:
        line = FaultyTransport(SerialTransport(port), rate=0.0005, reset_rate=1.0)
        with boards.Board(line) as board:
            for seed in range(3):
                assert board.classify(image(seed)).scores == [expected(image(seed))]
        assert line.faults > 0
        assert line.resets == 0
    finally:
        stop_simulator(process)


def test_a_reset_board_is_found_again_and_forgets_nothing_that_matters(program):
    with boards.simulate(program) as board:
        board.classify(image(0))
        board.reset()
        assert board.classify(image(1)).scores == [expected(image(1))]


class TwoRates(Transport):
    """A line whose ends understand each other only when both use the same rate."""

    def __init__(self, transport, highest):
        self.transport, self.highest = transport, highest
        self.name, self.simulated, self.baud = transport.name, True, transport.baud
        self.mine = self.boards = transport.baud
        self.reader = Reader()

    def read(self, timeout):
        data = self.transport.read(timeout)
        if self.mine != self.boards or self.mine > self.highest:
            self.reader = Reader()
            for frame in Reader().take(data):
                self._notice(frame)
            return b""
        for frame in self.reader.take(data):
            self._notice(frame)
        return data

    def _notice(self, frame):
        if frame.type == SET_BAUD:
            self.boards = int.from_bytes(frame.payload, "little")

    def write(self, data):
        if self.mine == self.boards <= self.highest:
            self.transport.write(data)

    def set_baud(self, baud):
        self.mine = baud
        if baud == self.baud:
            self.boards = baud  # the board gives up a rate that brings nothing, or was reset

    def reset_board(self):
        self.boards = self.baud
        self.transport.reset_board()

    def close(self):
        self.transport.close()


def test_a_rate_that_the_line_does_not_carry_is_given_up(program):
    with boards.Board(TwoRates(SimulatedTransport(program), highest=460800)) as board:
        with pytest.raises(boards.BoardError, match="921600"):
            board.set_baud(921600)
        assert board.classify(image(0)).scores == [expected(image(0))]


def test_a_board_that_was_reset_at_a_fast_rate_is_met_at_the_rate_it_starts_with(program):
    line = TwoRates(SimulatedTransport(program), highest=921600)
    with boards.Board(line) as board:
        board.set_baud(921600)
        line.reset_board()
        assert board.classify(image(0)).scores == [expected(image(0))]
        assert line.mine == line.boards == 921600
