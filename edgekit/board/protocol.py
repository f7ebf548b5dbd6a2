"""The computer's side of the serial protocol: its frames survive log text, lost bytes and resets.

A frame is ``00 COBS(type, sequence, payload, CRC-32) 00``, with little-endian numbers. The board's side is
firmware_templates/common/src/board/Protocol.h (constants and payloads) and Frame.h. docs/firmware.md has the table, and
tests/board/test_protocol.py checks that both sides agree. COBS is Cheshire and Baker's Consistent Overhead Byte
Stuffing (1999).
"""

import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.errors import EdgekitError

VERSION = 1  # of the protocol; READY carries it
MAX_PAYLOAD = 256  # bytes
PIECE = 240  # bytes of an input or of a photograph in one frame
MAX_OFFSETS = (MAX_PAYLOAD - 4) // 4  # of missing pieces in one frame
NEW_BAUD_SECONDS = 2.0  # after which the board gives up a new rate that brought no whole frame
OVERHEAD = 3 + 4  # bytes of a frame beside its payload: type and sequence, checksum

# From the computer.
HELLO, IMAGE, QUERY, SET_BAUD, SHOW = 0x81, 0x82, 0x83, 0x84, 0x85
# From the board.
READY, RESULT, ERROR, MISSING, PHOTO = 0x91, 0x92, 0x93, 0x94, 0x95

_INPUT_TYPES: dict[str, np.dtype] = {"f": np.dtype("<f4"), "u": np.dtype("u1")}
_LONGEST_TEXT = 1 << 16  # bytes kept of text that nobody reads: the last ones
_LONGEST = MAX_PAYLOAD + OVERHEAD + 2  # bytes between two zeros: COBS adds at most 2 here


class BoardError(EdgekitError):
    """The board cannot be reached or reports an error; the message says what to do."""


@dataclass(frozen=True)
class Frame:
    """A message on the line.

    Attributes:
        type: one of the constants of this module.
        payload: up to `MAX_PAYLOAD` bytes.
        sequence: number of the frame, modulo 65536.
    """

    type: int
    payload: bytes = b""
    sequence: int = 0

    def encode(self) -> bytes:
        """Return the frame's bytes on the line, both zeros included."""
        plain = struct.pack("<BH", self.type, self.sequence & 0xFFFF) + self.payload
        return b"\0" + cobs_encode(plain + struct.pack("<I", zlib.crc32(plain))) + b"\0"

    @classmethod
    def decode(cls, between: bytes) -> "Frame | None":
        """Read the frame between two zeros.

        Args:
            between: the bytes, without the zeros.

        Returns:
            The frame, or None if the bytes are no frame or a damaged one.
        """
        plain = cobs_decode(between)
        if plain is None or not OVERHEAD <= len(plain) <= MAX_PAYLOAD + OVERHEAD:
            return None
        body, (checksum,) = plain[:-4], struct.unpack("<I", plain[-4:])
        if zlib.crc32(body) != checksum:
            return None
        kind, sequence = struct.unpack("<BH", body[:3])
        return cls(kind, body[3:], sequence)

    @property
    def transfer(self) -> int | None:
        """Number of the input or photograph that the frame belongs to; None if it names none."""
        if self.type in (HELLO, SET_BAUD, READY) or len(self.payload) < 4:
            return None
        return struct.unpack_from("<I", self.payload)[0]


def cobs_encode(plain: bytes) -> bytes:
    """Encode bytes without zeros: each code byte replaces a zero and is the distance to the next one.

    Args:
        plain: any bytes.

    Returns:
        Bytes without a zero.
    """
    out = bytearray()
    for block in plain.split(b"\0"):
        # 254 bytes without a zero are a block of their own, which stands for no zero.
        while len(block) >= 254:
            out += b"\xff" + block[:254]
            block = block[254:]
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def cobs_decode(encoded: bytes) -> bytes | None:
    """Undo `cobs_encode`.

    Args:
        encoded: bytes that `cobs_encode` returned.

    Returns:
        The plain bytes, or None if `cobs_encode` cannot return such bytes.
    """
    out, at = bytearray(), 0
    while at < len(encoded):
        code = encoded[at]
        if code == 0 or at + code > len(encoded):
            return None
        out += encoded[at + 1 : at + code]
        at += code
        if code != 0xFF and at < len(encoded):
            out.append(0)
    return bytes(out)


class Reader:
    """Separates the received bytes into frames and text."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._text = bytearray()

    def take(self, received: bytes) -> list[Frame]:
        """Add received bytes.

        Args:
            received: bytes in their order on the line.

        Returns:
            The frames that these bytes completed; everything else is kept as text for `text()`.
        """
        frames = []
        for byte in received:
            if byte:
                self._pending.append(byte)
                continue
            if self._pending:
                frame = Frame.decode(bytes(self._pending))
                if frame:
                    frames.append(frame)
                else:
                    self._keep_text()
                self._pending.clear()
        # A frame never starts like text (its second byte is its type, 0x80 or more): whole lines need not wait.
        if len(self._pending) > _LONGEST or (b"\n" in self._pending and _looks_like_text(self._pending[:2])):
            end = self._pending.rfind(b"\n") + 1 or len(self._pending)
            rest = self._pending[end:]
            del self._pending[end:]
            self._keep_text()
            self._pending = rest
        return frames

    def text(self) -> str:
        """Return the text that came between frames since the last call, decoded as UTF-8, without broken frames."""
        text, self._text = self._text.decode("utf-8", "replace"), bytearray()
        return text

    def last_line(self) -> str:
        """Return the last line of the text and keep it for `text()`; empty if there is none."""
        return next((line for line in self._newest_lines() if line.strip()), "")

    def last_words(self) -> str:
        """Return the last line in which a program says why it fails, and keep it; empty if there is none."""
        return next((line.strip() for line in self._newest_lines() if _FAILURE.search(line)), "")

    def _newest_lines(self) -> list[str]:
        return (self._text + self._pending).decode("utf-8", "replace").split("\n")[::-1]

    def _keep_text(self) -> None:
        # Bytes of a broken frame would be noise in a log.
        if not any(byte < 32 and byte not in b"\t\r\n\x1b" for byte in self._pending):
            self._text += self._pending.replace(b"\r\n", b"\n")
            del self._text[:-_LONGEST_TEXT]


# How edgekit's applications, and ESP-IDF's panic handler, say why they stop.
_FAILURE = re.compile(r"^error: |Guru Meditation Error|abort\(\) was called|assert failed|stack overflow")


def _looks_like_text(start: bytes | bytearray) -> bool:
    return all(byte < 0x80 and (byte >= 32 or byte in b"\t\r\n\x1b") for byte in start)


# Payloads from the computer.


def image_piece(transfer: int, data: bytes, offset: int) -> Frame:
    """Make an IMAGE frame: one piece of an input.

    Args:
        transfer: number of the input.
        data: the whole input.
        offset: of the piece's first byte in it, a multiple of `PIECE`.
    """
    head = struct.pack("<III", transfer, len(data), offset)
    return Frame(IMAGE, head + data[offset : offset + PIECE])


def query(transfer: int) -> Frame:
    """Make a QUERY frame, which asks for the result of an input, or for the pieces that are missing.

    Args:
        transfer: number of the input.
    """
    return Frame(QUERY, struct.pack("<I", transfer))


def set_baud(baud: int) -> Frame:
    """Make a SET_BAUD frame; the board answers with the same frame at the old rate and changes then.

    Args:
        baud: the new rate, bits per second.
    """
    return Frame(SET_BAUD, struct.pack("<I", baud))


def show(transfer: int, missing: Sequence[int] = ()) -> Frame:
    """Make a SHOW frame, which asks for a photograph.

    Args:
        transfer: number of the photograph.
        missing: offsets of the pieces that have not arrived, at most `MAX_OFFSETS`; none asks for a new photograph.
    """
    return Frame(SHOW, struct.pack(f"<{1 + len(missing)}I", transfer, *missing))


# Payloads from the board.


@dataclass(frozen=True)
class Info:
    """A board's description of its network, from a READY frame.

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
    input_shape: tuple[int, ...]
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
    """A network's answer to one input, from a RESULT frame.

    Attributes:
        scores: float32 array, shape (n,): real values.
        microseconds: the network's time, measured by the board.
        label: the application's verdict in words; may be empty.
        simulated: whether the board is a program on this computer, whose time it is then.
    """

    scores: np.ndarray
    microseconds: int
    label: str = ""
    simulated: bool = False

    def __repr__(self) -> str:
        scores = ", ".join(f"{score:.4f}" for score in self.scores)
        where = "this computer" if self.simulated else "the board"
        return f"{self.label + ': ' if self.label else ''}{scores} ({self.microseconds:,} µs on {where})"


def parse_ready(payload: bytes) -> Info:
    """Read the payload of a READY frame.

    Args:
        payload: the frame's payload.

    Raises:
        BoardError: it belongs to another version of the protocol.
    """
    version, input_type, model_type, rank = struct.unpack_from("<BccB", payload)
    if version != VERSION or input_type.decode() not in _INPUT_TYPES:
        raise BoardError("the board uses another version of the protocol: flash it again with this edgekit")
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


def parse_result(payload: bytes) -> Result:
    """Read the payload of a RESULT frame.

    Args:
        payload: the frame's payload.
    """
    microseconds, length = struct.unpack_from("<IB", payload, 4)
    label = payload[9 : 9 + length].decode("utf-8", "replace")
    return Result(np.frombuffer(payload[9 + length :], "<f4").copy(), microseconds, label)


def parse_error(payload: bytes) -> str:
    """Read the text in the payload of an ERROR frame.

    Args:
        payload: the frame's payload.
    """
    return payload[4:].decode("utf-8", "replace")


def parse_missing(payload: bytes) -> list[int]:
    """Read the offsets of missing pieces in the payload of a MISSING frame.

    Args:
        payload: the frame's payload.
    """
    return [offset for (offset,) in struct.iter_unpack("<I", payload[4:])]


_PHOTO_HEAD = struct.Struct("<IIII")  # transfer, bytes of the whole, its CRC-32, offset


class Photo:
    """A photograph that arrives in pieces.

    Each piece carries the checksum of the whole photograph, so that pieces from before and after a reset are not mixed.

    Args:
        shape: (height, width, 3).

    Attributes:
        newest: offset of the piece that came last.
        last: offset of the photograph's last piece.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape, self._size = shape, int(np.prod(shape))
        self._pieces: dict[int, bytes] = {}
        self._checksum: int | None = None
        self.newest: int | None = None
        self.last = (self._size - 1) // PIECE * PIECE

    def take(self, payload: bytes) -> bool:
        """Keep the piece in the payload of a PHOTO frame.

        Args:
            payload: the frame's payload.

        Returns:
            Whether the piece is a new one.
        """
        head = _PHOTO_HEAD.size
        if len(payload) <= head:
            return False
        _, total, checksum, offset = _PHOTO_HEAD.unpack_from(payload)
        if total != self._size or offset % PIECE or len(payload) - head != min(PIECE, total - offset):
            return False
        if checksum != self._checksum:
            self._checksum, self._pieces = checksum, {}
        new, self.newest = offset not in self._pieces, offset
        self._pieces[offset] = payload[head:]
        return new

    def missing(self) -> list[int]:
        """List the offsets of the pieces that have not arrived; empty before the first one arrived, and at the end."""
        return [at for at in range(0, self._size, PIECE) if at not in self._pieces] if self._pieces else []

    def image(self) -> np.ndarray | None:
        """Return the photograph as a uint8 array (height, width, 3); None while a piece is missing."""
        data = b"".join(self._pieces[at] for at in sorted(self._pieces))
        if len(data) != self._size or zlib.crc32(data) != self._checksum:
            return None
        return np.frombuffer(data, np.uint8).reshape(self._shape).copy()
