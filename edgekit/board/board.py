"""Talks to a board over any transport: sends inputs, and sends again whatever the line loses.

An input is sent in numbered pieces. The board asks for the pieces that did not arrive, and the computer asks again for
an answer that was lost. docs/firmware.md describes the protocol.
"""

import contextlib
import secrets
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from edgekit.board import protocol
from edgekit.board.protocol import BoardError, Frame, Info, Photo, Result
from edgekit.board.transport import Transport, TransportError
from edgekit.errors import InvalidValue

_LONGEST_INFERENCE = 20.0  # seconds without progress after which a board that has an input counts as silent
_MOST_RESTARTS = 20  # resets while it has one input: a bad line and late answers to HELLO cause fewer
_NEW_BAUD_SECONDS = 0.75 * protocol.NEW_BAUD_SECONDS  # to receive a frame at a new rate, before the board gives it up


class Board:
    """A board that runs the firmware of an `edgekit.firmware.Project`.

    `connect` and `simulate` make it. As a context manager, it closes the port.

    Args:
        transport: the line to the board.
        patience: seconds without any answer after which the board counts as silent.
        wait: whether to wait until the board has described its network. With False it is asked on first use, so that
            you can also monitor a board that does not answer.

    Attributes:
        asked: how many inputs it was given with `classify`.

    Raises:
        BoardError: it does not answer.
    """

    def __init__(self, transport: Transport, patience: float = 5.0, wait: bool = True) -> None:
        self.transport = transport
        self.patience = patience
        self._reader = protocol.Reader()
        self._sequence = 0
        self._transfer = secrets.randbits(32)
        self._inbox: list[Frame] = []
        self._baud = self._start_baud = transport.baud
        self._close = weakref.finalize(self, transport.close)
        self._info: Info | None = None
        self.asked = 0
        if wait:
            try:
                self._info = self._hello(patience)
            except BaseException:
                self.close()
                raise

    @property
    def info(self) -> Info:
        """The board's description of its network."""
        if self._info is None:
            self._info = self._hello(self.patience)
        return self._info

    @property
    def name(self) -> str:
        """The board and its port in words, for messages; they tell whether the board is simulated."""
        return (
            f"the simulated board at {self.transport.name}" if self.simulated else f"the board at {self.transport.name}"
        )

    @property
    def simulated(self) -> bool:
        """Whether this is a program on this computer instead of a board."""
        return self.transport.simulated

    @property
    def baud(self) -> int:
        """The rate of the line, bits per second."""
        return self._baud

    def __repr__(self) -> str:
        return f"<Board at {self.transport.name}{' (simulated)' if self.simulated else ''}>"

    def __enter__(self) -> "Board":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        """Whether the board was closed or unplugged, or its simulating program has stopped."""
        return not self._close.alive

    def close(self) -> None:
        """Close the port; a simulated board stops. A second call does nothing."""
        self._close()

    def classify(self, values: object) -> Result:
        """Run the network on the board on one input.

        Args:
            values: array or nested lists of the shape `info.input_shape` (or as many values in one row), convertible
                to `info.input_dtype`: real numbers, or pixels from 0 to 255.

        Returns:
            The network's answer.

        Raises:
            ValueError: the input has another shape, or values that do not fit its type.
            BoardError: the board does not answer, or reports an error.
        """
        self._check_open()
        data = self._as_input(values).tobytes()
        self.asked += 1
        self._new_transfer()
        transfer = self._transfer
        pieces = range(0, len(data), protocol.PIECE)
        self._send_pieces(transfer, data, pieces)
        heard, wait = time.monotonic(), 0.2
        restarts, missing = 0, None
        while True:
            frame = self._receive(wait)
            # Only progress counts: a program that always sends and never listens counts as silent too.
            if time.monotonic() - heard > _LONGEST_INFERENCE:
                raise BoardError(self._silence())
            if frame is None:
                if time.monotonic() - heard > 2.0 and self._baud != self._start_baud:
                    self._recover_baud()
                # The answer, a piece or the question was lost, or the board is still computing.
                self._send(protocol.query(transfer))
                wait = min(wait * 1.5, 2.0)
                continue
            wait = 0.2
            if frame.type == protocol.READY:  # it was reset and has lost everything
                restarts += 1
                if restarts > _MOST_RESTARTS:
                    raise BoardError(
                        f"{self.name} restarts whenever it gets an input: its program crashes there; "
                        "%monitor shows its text"
                    )
                self._send_pieces(transfer, data, pieces)
                heard = time.monotonic()
            elif frame.transfer == transfer:
                if frame.type == protocol.RESULT:
                    return replace(protocol.parse_result(frame.payload), simulated=self.simulated)
                if frame.type == protocol.ERROR:
                    raise BoardError(f"{self.name} says: {protocol.parse_error(frame.payload)}")
                if frame.type == protocol.MISSING:
                    offsets = protocol.parse_missing(frame.payload)
                    self._send_pieces(transfer, data, [offset for offset in offsets if offset in pieces])
                    self._send(protocol.query(transfer))
                    if offsets != missing:
                        heard, missing = time.monotonic(), offsets

    def photograph(self) -> np.ndarray:
        """Take a photograph with the board's camera.

        Returns:
            uint8 array (height, width, 3), the network's input on the board: red, green and blue, from 0 to 255.

        Raises:
            BoardError: the program on the board has no camera, or sends no photograph.
        """
        self._check_open()
        self._new_transfer()
        transfer, photo = self._transfer, Photo(self.info.input_shape)
        heard, wait, ask_at = time.monotonic(), 0.2, 0.0
        asked: list[int] = []
        while (image := photo.image()) is None:
            now = time.monotonic()
            if now - heard > _LONGEST_INFERENCE:
                raise BoardError(self._no_photograph())
            if now >= ask_at:  # not after a silence: a program that uses its camera never stops sending
                if now - heard > 2.0 and self._baud != self._start_baud:
                    self._recover_baud()
                asked = photo.missing()[: protocol.MAX_OFFSETS]
                self._send(protocol.show(transfer, asked))
                wait = min(wait * 1.5, 1.0)
                ask_at = time.monotonic() + wait
            frame = self._receive(max(0.0, ask_at - time.monotonic()))
            if frame is None:
                continue
            if frame.type == protocol.READY:  # it was reset and has lost the question
                ask_at = 0.0
            elif frame.transfer == transfer:
                if frame.type == protocol.ERROR:
                    raise BoardError(f"{self.name} says: {protocol.parse_error(frame.payload)}")
                if frame.type == protocol.PHOTO and photo.take(frame.payload):
                    heard, wait = time.monotonic(), 0.2
                    # The pieces come in the order in which they were asked for: after the last one, no more will come.
                    ask_at = 0.0 if photo.newest == (asked[-1] if asked else photo.last) else heard + wait
        return image

    def monitor(self, on_text: Callable[[str], object] | None = None, seconds: float | None = None) -> None:
        """Pass on the text that the board prints, as soon as it arrives, until interrupted.

        Args:
            on_text: called with each piece of text; None prints it.
            seconds: stop after this long; None never stops.
        """
        show = on_text or (lambda text: print(text, end="", flush=True))
        deadline = None if seconds is None else time.monotonic() + seconds
        with contextlib.suppress(KeyboardInterrupt):
            while deadline is None or time.monotonic() < deadline:
                self._read(0.1, [])
                if text := self.text():
                    show(text)

    def text(self) -> str:
        """Return the text that the board has printed since the last call."""
        return self._reader.text()

    def reset(self) -> None:
        """Restart the board, as its RST button does."""
        self.transport.reset_board()
        self.transport.set_baud(self._start_baud)
        self._baud = self._start_baud
        self._info = self._hello(self.patience)

    def set_baud(self, baud: int) -> None:
        """Change the rate of the line.

        Args:
            baud: bits per second, for example 921600.

        Raises:
            BoardError: the line does not work at this rate; the rate at the start is used again.
        """
        deadline = time.monotonic() + self.patience
        while time.monotonic() < deadline:
            self._send(protocol.set_baud(baud))
            if self._wait_for(protocol.SET_BAUD, 0.5):
                break
        # The rate changes also without an answer: perhaps only the answer was lost.
        self._use_baud(baud)
        try:
            self._hello(_NEW_BAUD_SECONDS)
        except BoardError:
            self._use_baud(self._start_baud)
            self._hello(self.patience)
            raise BoardError(f"{self.name} does not work at {baud} baud: {self._start_baud} is used") from None

    def _check_open(self) -> None:
        if self.closed:
            raise BoardError(
                f"{self.name} is closed: open it again, for example with %flash or edgekit.board.current()"
            )

    def _new_transfer(self) -> None:
        self._transfer = (self._transfer + 1) & 0xFFFFFFFF or 1  # 0 is no transfer

    def _use_baud(self, baud: int) -> None:
        self.transport.set_baud(baud)
        self._baud = baud

    def _recover_baud(self) -> None:
        """After a reset, the board uses the rate at the start: find it there, and return to the faster rate."""
        baud = self._baud
        self._use_baud(self._start_baud)
        try:
            self._hello(1.0)
        except BoardError:
            self._use_baud(baud)
        else:
            with contextlib.suppress(BoardError):
                self.set_baud(baud)

    def _hello(self, patience: float) -> Info:
        deadline = time.monotonic() + patience
        while (remaining := deadline - time.monotonic()) > 0:
            self._send(Frame(protocol.HELLO))
            if frame := self._wait_for(protocol.READY, min(remaining, 0.5)):
                return protocol.parse_ready(frame.payload)
        raise BoardError(self._silence())

    def _wait_for(self, kind: int, seconds: float) -> Frame | None:
        """The next frame of this type, or None; other frames before it are dropped."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0:
            frame = self._receive(remaining)
            if frame is not None and frame.type == kind:
                return frame
        return None

    def _silence(self) -> str:
        if said := self._reader.last_words():  # also of a board that starts, fails and starts again
            return f"{self.name} does not answer; its program stopped with: {said}"
        if self.simulated:
            return f"{self.name} does not answer: does main.cpp's loop reach input.next()?"
        return (
            f"{self.name} does not answer: press its RST button; if that does not help, flash it again "
            "(%flash), and check with %monitor whether it prints anything"
        )

    def _no_photograph(self) -> str:
        try:
            self._hello(2.0)
        except BoardError as error:
            return str(error)
        return (
            f"{self.name} answers, but sends no photograph: bring the car application to it again, made with this "
            "edgekit, and check that its loop reaches images.next()"
        )

    def _as_input(self, values: object) -> np.ndarray:
        shape, dtype = self.info.input_shape, self.info.input_dtype
        array = np.asarray(values)
        if array.shape != shape and array.shape != (int(np.prod(shape)),):
            raise InvalidValue(f"the network takes an input of shape {shape}, not {array.shape}")
        if array.dtype.kind not in "fiub":
            raise InvalidValue(f"the network takes numbers, not {array.dtype}")
        if dtype == np.uint8 and array.dtype != np.uint8:
            if array.size and (array.min() < 0 or array.max() > 255 or (array != np.round(array)).any()):
                raise InvalidValue("pixels must be whole numbers from 0 to 255")
        elif not np.isfinite(array).all():
            raise InvalidValue("the input has NaN or infinite values")
        return array.astype(dtype)

    def _send_pieces(self, transfer: int, data: bytes, offsets: Iterable[int]) -> None:
        for offset in offsets:
            self._send(protocol.image_piece(transfer, data, offset))

    def _send(self, frame: Frame) -> None:
        self._sequence += 1
        try:
            self.transport.write(replace(frame, sequence=self._sequence).encode())
        except TransportError as error:
            raise self._gone(error) from None

    def _gone(self, error: TransportError) -> BoardError:
        self.close()
        said = self._reader.last_line()
        return BoardError(f"{error}; its last line was: {said}" if said else str(error))

    def _receive(self, timeout: float) -> Frame | None:
        """The next frame, or None if none comes in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._inbox:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return None
            self._read(remaining, self._inbox)
        return self._inbox.pop(0)

    def _read(self, timeout: float, inbox: list[Frame]) -> None:
        try:
            inbox.extend(self._reader.take(self.transport.read(timeout)))
        except TransportError as error:
            raise self._gone(error) from None
