"""How bytes on a serial line become frames that survive log text, lost bytes and resets: the computer's side.

A frame is ``00 COBS(type, sequence, payload, CRC-32) 00``; firmware_templates/common/src/board/Frame.h describes it and
is its other implementation. COBS is Cheshire and Baker's Consistent Overhead Byte Stuffing (1999).
"""

import struct
import zlib
from dataclasses import dataclass

HELLO, IMAGE, QUERY, SET_BAUD, SHOW = 0x81, 0x82, 0x83, 0x84, 0x85
READY, RESULT, ERROR, MISSING, PHOTO = 0x91, 0x92, 0x93, 0x94, 0x95
MAX_PAYLOAD = 256
_LONGEST_TEXT = 1 << 16  # of text that nobody asks for, the last part is kept
_LONGEST = MAX_PAYLOAD + 7 + 2


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

    def encode(self):
        """The frame's bytes on the line, both zeros included."""
        plain = struct.pack("<BH", self.type, self.sequence & 0xFFFF) + self.payload
        return b"\0" + cobs_encode(plain + struct.pack("<I", zlib.crc32(plain))) + b"\0"

    @classmethod
    def decode(cls, between):
        """The frame that lay between two zeros, or None if that was no frame or a broken one."""
        plain = cobs_decode(between)
        if plain is None or not 7 <= len(plain) <= MAX_PAYLOAD + 7:
            return None
        body, (checksum,) = plain[:-4], struct.unpack("<I", plain[-4:])
        if zlib.crc32(body) != checksum:
            return None
        kind, sequence = struct.unpack("<BH", body[:3])
        return cls(kind, body[3:], sequence)


def cobs_encode(plain):
    """Replace every zero: each code byte says how many bytes follow before the next zero, which it stands for."""
    out = bytearray()
    for block in plain.split(b"\0"):
        # 254 bytes without a zero are a block of their own, after which no zero is meant.
        while len(block) >= 254:
            out += b"\xff" + block[:254]
            block = block[254:]
        out += bytes([len(block) + 1]) + block
    return bytes(out)


def cobs_decode(encoded):
    """The bytes that `cobs_encode` was given, or None if this is not what it writes."""
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
    """Separates what arrives into frames and text."""

    def __init__(self):
        self._pending = bytearray()
        self._text = bytearray()

    def take(self, received):
        """Return the frames that these bytes completed; what is no frame is kept as text for `text()`."""
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

    def text(self):
        """The text that came between frames since the last call, decoded as UTF-8; broken frames are left out."""
        text, self._text = self._text.decode("utf-8", "replace"), bytearray()
        return text

    def last_line(self):
        """The last line of the text, which `text()` will return all the same; empty if there is none."""
        lines = (self._text + self._pending).decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def _keep_text(self):
        # Bytes of a broken frame would be noise in a log.
        if not any(byte < 32 and byte not in b"\t\r\n\x1b" for byte in self._pending):
            self._text += self._pending.replace(b"\r\n", b"\n")
            del self._text[:-_LONGEST_TEXT]


def _looks_like_text(start):
    return all(byte < 0x80 and (byte >= 32 or byte in b"\t\r\n\x1b") for byte in start)
