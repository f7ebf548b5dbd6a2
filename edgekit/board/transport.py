"""One interface for all lines to a board: a serial port, a simulated board, standard input and output.

A transport only carries bytes. `edgekit.board.Board` works with any transport.
"""

import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path

from edgekit.board import ports
from edgekit.errors import EdgekitError

BOOT_SECONDS = 5.0


class TransportError(EdgekitError):
    """The line to the board cannot be opened or is lost; the message says what to do."""


class Transport:
    """A line to a board, as `Board` uses it.

    Attributes:
        name: the port's path, or another name for messages.
        simulated: whether a program answers instead of a board.
        baud: the rate of the line when it was opened, bits per second.
    """

    name = "?"
    simulated = False
    baud = 115200

    def read(self, timeout: float) -> bytes:
        """Return the bytes that have arrived.

        Args:
            timeout: seconds to wait for the first byte.

        Returns:
            The bytes; b"" if none came.

        Raises:
            TransportError: the line is lost.
        """
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        """Send all bytes.

        Args:
            data: the bytes.

        Raises:
            TransportError: the line is lost.
        """
        raise NotImplementedError

    def set_baud(self, baud: int) -> None:
        """Change the rate of a serial line; other lines have none.

        Args:
            baud: bits a second.
        """

    def reset_board(self) -> None:
        """Restart the board.

        Raises:
            TransportError: this line has no reset.
        """
        raise TransportError(f"{self.name} has no reset line")

    def close(self) -> None:
        """Close the line; a second call does nothing."""


class SerialTransport(Transport):
    """A serial port, opened with pyserial.

    Args:
        port: path or name of the port, for example /dev/ttyUSB0 or COM3.
        baud: bits a second.

    Raises:
        TransportError: the port is missing, busy, or this user has no permission; the message has the remedy.
    """

    def __init__(self, port: object, baud: int = 115200) -> None:
        import serial

        self.name, self.baud = str(port), baud
        try:
            # Exclusive: two programs that read one port would each get parts of every frame.
            self._serial = serial.Serial(baudrate=baud, timeout=0, write_timeout=5, exclusive=_exclusive())
            # These two signals can reset an ESP32; set like this, opening the port does not reset it.
            self._serial.dtr = self._serial.rts = False
            self._serial.port = self.name
            self._serial.open()
        except (serial.SerialException, OSError, ValueError) as error:
            raise TransportError(ports.explain(self.name, error)) from None

    def read(self, timeout: float) -> bytes:
        import serial

        try:
            self._serial.timeout = timeout
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:
            raise TransportError(f"{self.name} is gone: was the cable pulled? ({error})") from None

    def write(self, data: bytes) -> None:
        import serial

        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise TransportError(f"{self.name} takes no more bytes: was the cable pulled? ({error})") from None

    def set_baud(self, baud: int) -> None:
        self._serial.flush()
        self._serial.baudrate = baud

    def reset_board(self) -> None:
        """Restart the board by its reset line, as PlatformIO's and Espressif's tools do.

        Raises:
            TransportError: the port has no such line, as a pseudo-terminal, or is gone.
        """
        import serial

        try:
            self._serial.rts = True
            time.sleep(0.1)
            self._serial.rts = False
        except (serial.SerialException, OSError) as error:
            raise TransportError(f"{self.name} has no reset line ({error})") from None

    def close(self) -> None:
        self._serial.close()


def _exclusive() -> bool | None:
    return True if os.name == "posix" else None


class SimulatedTransport(SerialTransport):
    """A simulated board: starts its program, opens its pseudo-terminal like a serial port, and stops it when closed.

    Args:
        program: path of the executable that `Project.build("sim")` made.

    Raises:
        TransportError: the program does not start.
    """

    simulated = True

    def __init__(self, program: str | Path) -> None:
        self._process, port = start_simulator(program)
        try:
            super().__init__(port)
        except BaseException:
            self.close()
            raise

    def read(self, timeout: float) -> bytes:
        try:
            data = super().read(timeout)
        except TransportError:
            self._check(0.1)  # the line hangs up a moment before the process is seen to have ended
            raise
        if not data:
            self._check(0)
        return data

    def write(self, data: bytes) -> None:
        try:
            super().write(data)
        except TransportError:
            self._check(0.1)
            raise

    def _check(self, patience: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(patience)
            raise TransportError(f"the simulated board has stopped: {describe_exit(status)}")

    def reset_board(self) -> None:
        """Press the simulated board's reset button."""
        self._process.send_signal(signal.SIGUSR1)

    def close(self) -> None:
        if hasattr(self, "_serial"):
            super().close()
        stop_simulator(self._process)


def start_simulator(program: str | Path) -> tuple["subprocess.Popen[bytes]", str]:
    """Start a simulated board.

    It stops when its standard input is closed, so that it ends with this process, even if this process is killed.

    Args:
        program: path of the executable.

    Returns:
        (process, path of its pseudo-terminal).

    Raises:
        TransportError: it does not start.
    """
    try:
        process = subprocess.Popen(
            [str(program), "--with-stdin"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise TransportError(f"the simulated board {program} does not start ({error}): build it first") from None
    assert process.stdout is not None  # a pipe
    line, deadline = b"", time.monotonic() + BOOT_SECONDS
    while not line.endswith(b"\n") and (remaining := deadline - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], remaining)[0]:
            break
        byte = os.read(process.stdout.fileno(), 1)
        if not byte:
            break
        line += byte
    process.stdout.close()
    if not line.startswith(b"port="):
        stop_simulator(process)
        raise TransportError(f"the simulated board {program} does not start: {describe_exit(process.returncode)}")
    return process, line[5:].decode().strip()


def stop_simulator(process: "subprocess.Popen[bytes]") -> None:
    """Stop a simulated board and wait until it has ended.

    Args:
        process: as `start_simulator` returned it.
    """
    assert process.stdin is not None  # a pipe
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def describe_exit(status: int | None) -> str:
    """Say in words why a program ended.

    Args:
        status: its exit status, negative for a signal.
    """
    if status is not None and status < 0:
        reasons: dict[int, str] = {
            signal.SIGSEGV: "it used memory outside its own (for example an index outside an array)",
            signal.SIGABRT: "it called abort() (for example a failed assert)",
            signal.SIGFPE: "it divided an integer by zero",
        }
        return reasons.get(-status, f"it was ended by signal {-status}")
    return "app_main() returned, but a board's program runs for ever" if status == 0 else f"exit status {status}"


class StdioTransport(Transport):
    """A simulated board whose serial line is its standard input and output, for systems without pseudo-terminals.

    Args:
        command: the program and its arguments, for example [program, "--stdio"], possibly inside a sandbox.
    """

    simulated = True

    def __init__(self, command: list[str]) -> None:
        self.name = "standard input and output"
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise TransportError(f"{command[0]} does not start ({error})") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout

    def read(self, timeout: float) -> bytes:
        if not select.select([self._output], [], [], timeout)[0]:
            return b""
        data = os.read(self._output.fileno(), 65536)
        if not data:
            raise TransportError(f"the simulated board has stopped: {describe_exit(self._process.wait())}")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._input.write(data)
        except OSError:
            raise TransportError(f"the simulated board has stopped: {describe_exit(self._process.wait())}") from None

    def close(self) -> None:
        stop_simulator(self._process)
        self._output.close()
