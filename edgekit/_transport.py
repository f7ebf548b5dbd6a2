"""The ways to a board as one interface: a serial port, a simulated board, standard input and output.

A transport carries bytes and knows nothing of their meaning; `edgekit.board.Board` talks over any of them.
"""

import contextlib
import os
import select
import signal
import subprocess
import time

from edgekit.errors import EdgekitError

BOOT_SECONDS = 5.0


class TransportError(EdgekitError):
    """The way to the board cannot be opened or is gone; the message says what to do."""


class Transport:
    """What `Board` needs of a way to a board.

    Attributes:
        name: what a person calls it: a port's path.
        simulated: whether there is a program instead of a board behind it.
        baud: the rate of the line when it was opened, bits a second.
    """

    name = "?"
    simulated = False
    baud = 115200

    def read(self, timeout):
        """Return what has come, waiting up to `timeout` seconds for the first byte; b"" for nothing.

        Raises:
            TransportError: the other end is gone.
        """
        raise NotImplementedError

    def write(self, data):
        """Send all bytes.

        Raises:
            TransportError: the other end is gone.
        """
        raise NotImplementedError

    def set_baud(self, baud):
        """Change the rate of a serial line, bits a second; elsewhere nothing."""

    def reset_board(self):
        """Restart the board.

        Raises:
            TransportError: there is no way to.
        """
        raise TransportError(f"{self.name} has no reset line")

    def close(self):
        """Give everything back; may be called twice."""


class SerialTransport(Transport):
    """A serial port, opened with pyserial.

    Args:
        port: path or name of the port, for example /dev/ttyUSB0 or COM3.
        baud: bits a second.

    Raises:
        TransportError: the port is missing, busy, or may not be used, with the remedy.
    """

    def __init__(self, port, baud=115200):
        import serial

        from edgekit import _ports

        self.name, self.baud = str(port), baud
        try:
            # Exclusive: two programs that read one port each get half of every frame.
            self._serial = serial.Serial(baudrate=baud, timeout=0, write_timeout=5, exclusive=_exclusive())
            # These lines reset an ESP32 into its downloader or its program; a board in use is left running.
            self._serial.dtr = self._serial.rts = False
            self._serial.port = self.name
            self._serial.open()
        except (serial.SerialException, OSError, ValueError) as error:
            raise TransportError(_ports.explain(self.name, error)) from None

    def read(self, timeout):
        import serial

        try:
            self._serial.timeout = timeout
            first = self._serial.read(1)
            return first + self._serial.read(self._serial.in_waiting) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:
            raise TransportError(f"{self.name} is gone: was the cable pulled? ({error})") from None

    def write(self, data):
        import serial

        try:
            self._serial.write(data)
        except (serial.SerialException, OSError) as error:
            raise TransportError(f"{self.name} takes no more bytes: was the cable pulled? ({error})") from None

    def set_baud(self, baud):
        self._serial.flush()
        self._serial.baudrate = baud

    def reset_board(self):
        """Restart the board by its reset line, as PlatformIO's and Espressif's tools do."""
        self._serial.rts = True
        time.sleep(0.1)
        self._serial.rts = False

    def close(self):
        self._serial.close()


def _exclusive():
    return True if os.name == "posix" else None


class SimulatedTransport(SerialTransport):
    """A simulated board: starts its program, opens its pseudo-terminal like any serial port, and stops it at the end.

    Args:
        program: path of the executable that `Project.build("sim")` made.

    Raises:
        TransportError: the program does not start.
    """

    simulated = True

    def __init__(self, program):
        self._process = None
        try:
            self._process, port = start_simulator(program)
            super().__init__(port)
        except BaseException:
            self.close()
            raise

    def read(self, timeout):
        try:
            data = super().read(timeout)
        except TransportError:
            self._check(0.1)  # the line hangs up a moment before the process is seen to have ended
            raise
        if not data:
            self._check(0)
        return data

    def write(self, data):
        try:
            super().write(data)
        except TransportError:
            self._check(0.1)
            raise

    def _check(self, patience):
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(patience)
            raise TransportError(f"the simulated board has stopped: {describe_exit(status)}")

    def reset_board(self):
        """Press the simulated board's reset button."""
        self._process.send_signal(signal.SIGUSR1)

    def close(self):
        if hasattr(self, "_serial"):
            super().close()
        if self._process is not None:
            stop_simulator(self._process)


def start_simulator(program):
    """Start a simulated board.

    It stops when its standard input is closed, so that it does not outlive this process even if that is killed.

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


def stop_simulator(process):
    """Stop it and wait until it is gone."""
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def describe_exit(status):
    """What a program's exit status means, in words."""
    if status is not None and status < 0:
        return {
            signal.SIGSEGV: "it used memory that is not its own (for example an index outside an array)",
            signal.SIGABRT: "it called abort() (for example a failed assert)",
            signal.SIGFPE: "it divided an integer by zero",
        }.get(-status, f"it was ended by signal {-status}")
    return "app_main() returned, but a board's program runs for ever" if status == 0 else f"exit status {status}"


class StdioTransport(Transport):
    """A simulated board whose serial line is its standard input and output, for places without pseudo-terminals.

    Args:
        command: the program and its arguments, for example [program, "--stdio"], possibly inside a sandbox.
    """

    simulated = True

    def __init__(self, command):
        self.name = "standard input and output"
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        except OSError as error:
            raise TransportError(f"{command[0]} does not start ({error})") from None

    def read(self, timeout):
        if not select.select([self._process.stdout], [], [], timeout)[0]:
            return b""
        data = os.read(self._process.stdout.fileno(), 65536)
        if not data:
            raise TransportError(f"the simulated board has stopped: {describe_exit(self._process.wait())}")
        return data

    def write(self, data):
        try:
            self._process.stdin.write(data)
        except OSError:
            raise TransportError(f"the simulated board has stopped: {describe_exit(self._process.wait())}") from None

    def close(self):
        stop_simulator(self._process)
        self._process.stdout.close()
