"""The computer's half of the conversation with a board, over any transport.

As docs/firmware.md describes it: an input goes in numbered pieces, the board asks for those that did not arrive, and an
answer that was lost is asked for again.
"""

import contextlib
import secrets
import struct
import time
import weakref

import numpy as np

from edgekit import _frame
from edgekit._answers import BoardError, Photo, parse_ready, parse_result
from edgekit._transport import TransportError

_PIECE = 240  # bytes of input in one frame; EspSerialPort.h has the same number
_LONGEST_INFERENCE = 20.0  # seconds without a step forward after which a board that has an input counts as silent
_MOST_RESTARTS = 20  # while it has one input: more than a bad line and late answers to a greeting explain
_NEW_BAUD_SECONDS = 1.5  # less than the 2 seconds after which the board gives up a new rate that brought no frame


class Board:
    """A board that runs the firmware of a `edgekit.firmware.Project`.

    Made by `connect` and `simulate`; a context manager that gives the port back.

    Args:
        transport: the way to it.
        patience: seconds without any answer after which it counts as silent.
        wait: whether to wait until it has said which network it runs; without, that is asked on first use, so that
            also a board that does not answer can be monitored.

    Raises:
        BoardError: it does not answer.
    """

    def __init__(self, transport, patience=5.0, wait=True):
        self.transport = transport
        self.patience = patience
        self._reader = _frame.Reader()
        self._sequence = 0
        self._transfer = secrets.randbits(32)
        self._inbox = []
        self._baud = self._start_baud = transport.baud
        self._close = weakref.finalize(self, transport.close)
        self._info = None
        if wait:
            try:
                self._info = self._hello(patience)
            except BaseException:
                self.close()
                raise

    @property
    def info(self):
        """What the board says about the network on it: an `Info`."""
        if self._info is None:
            self._info = self._hello(self.patience)
        return self._info

    @property
    def name(self):
        """The port, and whether the board is a simulated one."""
        return (
            f"the simulated board at {self.transport.name}" if self.simulated else f"the board at {self.transport.name}"
        )

    @property
    def simulated(self):
        """Whether this is a program on this computer instead of a board."""
        return self.transport.simulated

    @property
    def baud(self):
        """The rate of the line, bits a second."""
        return self._baud

    def __repr__(self):
        return f"<Board at {self.transport.name}{' (simulated)' if self.simulated else ''}>"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def closed(self):
        """Whether it was closed, or is gone: unplugged, or a simulated board whose program stopped."""
        return not self._close.alive

    def close(self):
        """Give the port back; a simulated board stops. May be called twice."""
        self._close()

    def classify(self, values):
        """Let the network on the board look at one input.

        Args:
            values: array or nested lists of the shape `info.input_shape` (or as many values in one row), convertible
                to `info.input_dtype`: real numbers, or pixels from 0 to 255.

        Returns:
            A `Result`.

        Raises:
            ValueError: the input has another shape, or values that do not fit its type.
            BoardError: the board does not answer, or reports an error.
        """
        self._check_open()
        data = self._as_input(values).tobytes()
        self._new_transfer()
        transfer = self._transfer
        pieces = range(0, len(data), _PIECE)
        self._send_pieces(transfer, data, pieces)
        heard, wait = time.monotonic(), 0.2
        restarts, missing = 0, None
        while True:
            frame = self._receive(wait)
            # Only steps forward count: a program that talks all the time without listening is silent too.
            if time.monotonic() - heard > _LONGEST_INFERENCE:
                raise BoardError(self._silence())
            if frame is None:
                if time.monotonic() - heard > 2.0 and self._baud != self._start_baud:
                    self._recover_baud()
                # The answer, a piece or the question was lost, or the board is still computing.
                self._ask(transfer)
                wait = min(wait * 1.5, 2.0)
                continue
            wait = 0.2
            if frame.type == _frame.READY:  # it was reset and has forgotten everything
                restarts += 1
                if restarts > _MOST_RESTARTS:
                    raise BoardError(
                        f"{self.name} restarts whenever it gets an input: its program crashes there; "
                        "%monitor shows what it says"
                    )
                self._send_pieces(transfer, data, pieces)
                heard = time.monotonic()
            elif len(frame.payload) >= 4 and struct.unpack_from("<I", frame.payload)[0] == transfer:
                if frame.type == _frame.RESULT:
                    return parse_result(frame.payload)
                if frame.type == _frame.ERROR:
                    raise BoardError(f"{self.name} says: {frame.payload[4:].decode('utf-8', 'replace')}")
                if frame.type == _frame.MISSING:
                    offsets = [offset for (offset,) in struct.iter_unpack("<I", frame.payload[4:])]
                    self._send_pieces(transfer, data, [offset for offset in offsets if offset in pieces])
                    self._ask(transfer)
                    if offsets != missing:
                        heard, missing = time.monotonic(), offsets

    def photograph(self):
        """Take a photograph with the board's camera.

        Returns:
            uint8 array (height, width, 3) as the network on the board gets it: red, green and blue, from 0 to 255.

        Raises:
            BoardError: the program on the board has no camera, or sends no photograph.
        """
        self._check_open()
        self._new_transfer()
        transfer, photo = self._transfer, Photo(self.info.input_shape, _PIECE)
        heard, wait, ask_at, asked = time.monotonic(), 0.2, 0.0, []
        while (image := photo.image()) is None:
            now = time.monotonic()
            if now - heard > _LONGEST_INFERENCE:
                raise BoardError(self._no_photograph())
            if now >= ask_at:  # by the clock, since a program that looks through its camera never stops talking
                if now - heard > 2.0 and self._baud != self._start_baud:
                    self._recover_baud()
                asked = photo.missing()[: (_frame.MAX_PAYLOAD - 4) // 4]
                self._send(_frame.SHOW, struct.pack(f"<{1 + len(asked)}I", transfer, *asked))
                wait = min(wait * 1.5, 1.0)
                ask_at = time.monotonic() + wait
            frame = self._receive(max(0.0, ask_at - time.monotonic()))
            if frame is None:
                continue
            if frame.type == _frame.READY:  # it was reset and has forgotten the wish
                ask_at = 0.0
            elif len(frame.payload) >= 4 and struct.unpack_from("<I", frame.payload)[0] == transfer:
                if frame.type == _frame.ERROR:
                    raise BoardError(f"{self.name} says: {frame.payload[4:].decode('utf-8', 'replace')}")
                if frame.type == _frame.PHOTO and photo.take(frame.payload):
                    heard, wait = time.monotonic(), 0.2
                    # What was asked for comes in order: nothing more is on its way after the last.
                    ask_at = 0.0 if photo.newest == (asked[-1] if asked else photo.last) else heard + wait
        return image

    def monitor(self, on_text=None, seconds=None):
        """Hand over what the board prints, as it comes, until interrupted.

        Args:
            on_text: called with each piece of text; None prints it.
            seconds: stop after this long; None never stops.
        """
        on_text = on_text or (lambda text: print(text, end="", flush=True))
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(KeyboardInterrupt):
            while deadline is None or time.monotonic() < deadline:
                self._read(0.1, [])
                if text := self.text():
                    on_text(text)

    def text(self):
        """What the board has printed since the last call."""
        return self._reader.text()

    def reset(self):
        """Restart the board, as its RST button does."""
        self.transport.reset_board()
        self.transport.set_baud(self._start_baud)
        self._baud = self._start_baud
        self._info = self._hello(self.patience)

    def set_baud(self, baud):
        """Talk faster or slower.

        Args:
            baud: bits a second, for example 921600.

        Raises:
            BoardError: the line does not carry this rate; the rate at the start is used again.
        """
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            self._send(_frame.SET_BAUD, struct.pack("<I", baud))
            if self._wait_for(_frame.SET_BAUD, 0.5):
                break
        # Also without an answer: it may be that only the answer was lost.
        self._use_baud(baud)
        try:
            self._hello(_NEW_BAUD_SECONDS)
        except BoardError:
            self._use_baud(self._start_baud)
            self._hello(self.patience)
            raise BoardError(f"{self.name} cannot be understood at {baud} baud: {self._start_baud} is used") from None

    def _check_open(self):
        if self.closed:
            raise BoardError(
                f"{self.name} is closed: open it again, for example with %flash or edgekit.board.current()"
            )

    def _new_transfer(self):
        self._transfer = (self._transfer + 1) & 0xFFFFFFFF or 1  # 0 is no transfer

    def _use_baud(self, baud):
        self.transport.set_baud(baud)
        self._baud = baud

    def _recover_baud(self):
        """A board that was reset talks at the rate at the start again: meet it there, and return to the faster one."""
        baud = self._baud
        self._use_baud(self._start_baud)
        try:
            self._hello(1.0)
        except BoardError:
            self._use_baud(baud)
        else:
            with contextlib.suppress(BoardError):
                self.set_baud(baud)

    def _hello(self, patience):
        deadline = time.monotonic() + patience
        while (remaining := deadline - time.monotonic()) > 0:
            self._send(_frame.HELLO)
            if frame := self._wait_for(_frame.READY, min(remaining, 0.5)):
                return parse_ready(frame.payload)
        raise BoardError(self._silence())

    def _wait_for(self, kind, seconds):
        """The next frame of this type, or None; others that come before it are dropped."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            frame = self._receive(remaining)
            if frame is not None and frame.type == kind:
                return frame
        return None

    def _ask(self, transfer):
        self._send(_frame.QUERY, struct.pack("<I", transfer))

    def _silence(self):
        if self.simulated:
            return f"{self.name} does not answer: does main.cpp's loop reach input.next()?"
        return (
            f"{self.name} does not answer: press its RST button; if that does not help, flash it again "
            "(%flash), and look with %monitor whether it prints anything"
        )

    def _no_photograph(self):
        try:
            self._hello(2.0)
        except BoardError as error:
            return str(error)
        return (
            f"{self.name} answers, but sends no photograph: bring the car application to it again, made with this "
            "edgekit, and see that its loop reaches images.next()"
        )

    def _as_input(self, values):
        shape, dtype = self.info.input_shape, self.info.input_dtype
        array = np.asarray(values)
        if array.shape != shape and array.shape != (int(np.prod(shape)),):
            raise ValueError(f"the network takes an input of shape {shape}, not {array.shape}")
        if array.dtype.kind not in "fiub":
            raise ValueError(f"the network takes numbers, not {array.dtype}")
        if dtype == np.uint8 and array.dtype != np.uint8:
            if array.size and (array.min() < 0 or array.max() > 255 or (array != np.round(array)).any()):
                raise ValueError("pixels must be whole numbers from 0 to 255")
        elif not np.isfinite(array).all():
            raise ValueError("the input has NaN or infinite values")
        return array.astype(dtype)

    def _send_pieces(self, transfer, data, offsets):
        for offset in offsets:
            head = struct.pack("<III", transfer, len(data), offset)
            self._send(_frame.IMAGE, head + data[offset : offset + _PIECE])

    def _send(self, kind, payload=b""):
        self._sequence += 1
        try:
            self.transport.write(_frame.Frame(kind, payload, self._sequence).encode())
        except TransportError as error:
            raise self._gone(error) from None

    def _gone(self, error):
        self.close()
        said = self._reader.last_line()
        return BoardError(f"{error}; it said last: {said}" if said else str(error))

    def _receive(self, timeout):
        """The next frame, or None if none comes in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._inbox:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self._read(remaining, self._inbox)
        return self._inbox.pop(0)

    def _read(self, timeout, inbox):
        try:
            inbox.extend(self._reader.take(self.transport.read(timeout)))
        except TransportError as error:
            raise self._gone(error) from None
