"""What a board says of itself, of an input and of the world before its camera, taken out of its frames."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np

from edgekit.errors import EdgekitError

_INPUT_TYPES = {"f": np.dtype("<f4"), "u": np.dtype("u1")}


class BoardError(EdgekitError):
    """The board cannot be reached or says that something is wrong; the message says what to do."""


@dataclass(frozen=True)
class Info:
    """What a board says about the network on it.

    Attributes:
        model: its name.
        input_shape: shape of an input, without the batch.
        input_dtype: NumPy type of the values to send: float32 for real numbers, uint8 for pixels.
        dtype: the network's own type: "float32" or "int8".
        input_scale, input_zero_point: real = scale * (value - zero_point); 1 and 0 for float32.
        output_size: number of scores.
        output_scale, output_zero_point: the same for the output.
        arena_bytes: working memory of the network.
    """

    model: str
    input_shape: tuple
    input_dtype: np.dtype
    dtype: str
    input_scale: float
    input_zero_point: int
    output_size: int
    output_scale: float
    output_zero_point: int
    arena_bytes: int


@dataclass(frozen=True)
class Result:
    """What the network on a board said about one input.

    Attributes:
        scores: float32 array, shape (n,): real values.
        microseconds: how long the network took, measured on the board.
        label: the application's verdict in words; empty if it gives none.
    """

    scores: np.ndarray
    microseconds: int
    label: str = ""

    def __repr__(self):
        scores = ", ".join(f"{score:.4f}" for score in self.scores)
        return f"{self.label + ': ' if self.label else ''}{scores} ({self.microseconds:,} µs on the board)"


def parse_ready(payload):
    version, input_type, model_type, rank = struct.unpack_from("<BccB", payload)
    if version != 1 or input_type.decode() not in _INPUT_TYPES:
        raise BoardError("the board speaks another version of the protocol: flash it again with this edgekit")
    shape = struct.unpack_from(f"<{rank}i", payload, 4)
    rest = struct.Struct("<ififiI")
    at = 4 + 4 * rank
    output_size, scale, zero_point, out_scale, out_zero_point, arena = rest.unpack_from(payload, at)
    return Info(
        model=payload[at + rest.size :].decode("utf-8", "replace"),
        input_shape=shape,
        input_dtype=_INPUT_TYPES[input_type.decode()],
        dtype="int8" if model_type == b"b" else "float32",
        input_scale=scale,
        input_zero_point=zero_point,
        output_size=output_size,
        output_scale=out_scale,
        output_zero_point=out_zero_point,
        arena_bytes=arena,
    )


def parse_result(payload):
    microseconds, length = struct.unpack_from("<IB", payload, 4)
    label = payload[9 : 9 + length].decode("utf-8", "replace")
    return Result(np.frombuffer(payload[9 + length :], "<f4").copy(), microseconds, label)


class Photo:
    """A photograph that arrives in pieces.

    Each piece carries the checksum of the whole, so that pieces of two photographs, as a reset in between leaves them,
    are never put together.

    Args:
        shape: (height, width, 3).
        piece: bytes in a piece; the last one may have fewer.

    Attributes:
        newest: offset of the piece that came last.
        last: offset of the photograph's last piece.
    """

    def __init__(self, shape, piece):
        self._shape, self._piece = shape, piece
        self._size = int(np.prod(shape))
        self._pieces, self._checksum = {}, None
        self.newest, self.last = None, (self._size - 1) // piece * piece

    def take(self, payload):
        """Keep the piece in a PHOTO frame; True if it is a step forward."""
        if len(payload) <= 16:
            return False
        total, checksum, offset = struct.unpack_from("<III", payload, 4)
        if total != self._size or offset % self._piece or len(payload) - 16 != min(self._piece, total - offset):
            return False
        if checksum != self._checksum:
            self._checksum, self._pieces = checksum, {}
        new, self.newest = offset not in self._pieces, offset
        self._pieces[offset] = payload[16:]
        return new

    def missing(self):
        """Offsets of the pieces that are still to come; empty before the first came, and when all are here."""
        return [at for at in range(0, self._size, self._piece) if at not in self._pieces] if self._pieces else []

    def image(self):
        """The whole as a uint8 array (height, width, 3); None as long as something is missing."""
        data = b"".join(self._pieces[at] for at in sorted(self._pieces))
        if len(data) != self._size or zlib.crc32(data) != self._checksum:
            return None
        return np.frombuffer(data, np.uint8).reshape(self._shape).copy()
