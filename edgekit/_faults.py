"""Makes a line as bad as one likes, to show that the link survives it."""

import random

from edgekit._transport import Transport


class FaultyTransport(Transport):
    """A transport that loses, doubles and flips bytes on their way, in both directions.

    Args:
        transport: the way to the board.
        rate: probability that something happens to a byte.
        reset_rate: probability that the board is reset after a byte was written, for example in mid-frame.
        seed: makes the faults repeatable for the same bytes.

    Attributes:
        faults, resets: how many there were.
    """

    def __init__(self, transport, rate, reset_rate=0.0, seed=0):
        self._transport = transport
        self.name, self.simulated, self.baud = transport.name, transport.simulated, transport.baud
        self._rate, self._reset_rate = rate, reset_rate
        self._random = random.Random(seed)
        self.faults = self.resets = 0

    def read(self, timeout):
        return self._damage(self._transport.read(timeout))

    def write(self, data):
        data = self._damage(data)
        if self._reset_rate and self._random.random() < self._reset_rate * len(data):
            at = self._random.randrange(len(data) + 1)
            self._transport.write(data[:at])
            self._transport.reset_board()
            self.resets += 1
            data = data[at:]
        self._transport.write(data)

    def _damage(self, data):
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

    def set_baud(self, baud):
        self._transport.set_baud(baud)

    def reset_board(self):
        self._transport.reset_board()

    def close(self):
        self._transport.close()
