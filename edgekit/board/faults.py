"""Damages the bytes on a line, so that tests and `edgekit benchmark --faults` show that no answer is lost."""

import random

from edgekit.board.transport import Transport, TransportError


class FaultyTransport(Transport):
    """A transport that loses, doubles and flips bytes on their way, in both directions.

    Args:
        transport: the line to the board.
        rate: probability that a byte is damaged.
        reset_rate: probability that the board is reset after a byte, for example in the middle of a frame; of no effect
            on a line without a reset.
        seed: the same seed gives the same faults for the same bytes.

    Attributes:
        faults, resets: their numbers so far.
    """

    def __init__(self, transport: Transport, rate: float, reset_rate: float = 0.0, seed: int = 0) -> None:
        self._transport = transport
        self.name, self.simulated, self.baud = transport.name, transport.simulated, transport.baud
        self._rate, self._reset_rate = rate, reset_rate
        self._random = random.Random(seed)
        self.faults = self.resets = 0

    def read(self, timeout: float) -> bytes:
        return self._damage(self._transport.read(timeout))

    def write(self, data: bytes) -> None:
        data = self._damage(data)
        if self._reset_rate and self._random.random() < self._reset_rate * len(data):
            at = self._random.randrange(len(data) + 1)
            self._transport.write(data[:at])
            try:
                self._transport.reset_board()
                self.resets += 1
            except TransportError:
                self._reset_rate = 0.0  # this line has no reset: damage the bytes only
            data = data[at:]
        self._transport.write(data)

    def _damage(self, data: bytes) -> bytes:
        out = bytearray()
        for byte in data:
            if self._random.random() >= self._rate:
                out.append(byte)
                continue
            self.faults += 1
            fault = self._random.choice(("lost", "doubled", "flipped"))
            if fault == "doubled":
                out += bytes([byte, byte])
            elif fault == "flipped":
                out.append(byte ^ 1 << self._random.randrange(8))
        return bytes(out)

    def set_baud(self, baud: int) -> None:
        self._transport.set_baud(baud)

    def reset_board(self) -> None:
        self._transport.reset_board()

    def close(self) -> None:
        self._transport.close()
