"""Opens a board, real or simulated, to send it inputs and bring back what the network on it says.

with edgekit.board.simulate(project) as board:
    print(board.classify([0, 1]))
"""

from edgekit import _ports
from edgekit._answers import BoardError, Info, Result
from edgekit._board import Board
from edgekit._transport import SerialTransport, SimulatedTransport, StdioTransport, Transport, TransportError

__all__ = [
    "Board",
    "BoardError",
    "Info",
    "Result",
    "SerialTransport",
    "StdioTransport",
    "Transport",
    "TransportError",
    "benchmark",
    "check_port",
    "connect",
    "current",
    "find",
    "locate",
    "release",
    "simulate",
    "use",
]


def connect(port=None, baud=115200, wait=True):
    """Open the board on a serial port.

    Args:
        port: path or name of the port; None finds the board by the USB ids of its serial bridge.
        baud: bits a second at which the firmware starts.
        wait: see `Board`.

    Returns:
        A `Board`.

    Raises:
        BoardError: no board, a port that is busy or may not be used, or no answer; with the remedy.
    """
    if port is None:
        ports = _ports.candidates()
        if not ports:
            raise BoardError(f"{_ports.found()} Plug the board in, or use edgekit.board.simulate(project)")
        port = ports[0].device
    try:
        return Board(SerialTransport(port, baud), wait=wait)
    except TransportError as error:
        raise BoardError(str(error)) from None


def benchmark(device, dataset, results="benchmark.csv", images=None, baud=None, reference=None, resume=True):
    """Send labelled images to a board and collect its answers; see `edgekit.benchmark.run`."""
    from edgekit.benchmark import run

    return run(device, dataset, results, images, baud, reference, resume)


def check_port(port):
    """See that a port can be opened.

    Raises:
        BoardError: it is missing, busy, or may not be used; with the remedy.
    """
    try:
        SerialTransport(port).close()
    except TransportError as error:
        raise BoardError(str(error)) from None


def simulate(project, wait=True):
    """Start a simulated board: the project's program on this computer, behind a pseudo-terminal.

    Args:
        project: a `edgekit.firmware.Project` that was built for "sim", or the path of its program.
        wait: see `Board`.

    Returns:
        A `Board`; closing it stops the program.

    Raises:
        BoardError: the program is not there, does not start, or does not answer.
    """
    program = project.program("sim") if hasattr(project, "program") else project
    try:
        return Board(SimulatedTransport(program), wait=wait)
    except TransportError as error:
        raise BoardError(str(error)) from None


def find(project, where=None, wait=True):
    """The board that is plugged in, or the simulated one if there is none.

    Args:
        project: the project to simulate, and whose rate the board starts with.
        where: a port, or "sim" for the simulated board whatever is plugged in; None looks.
        wait: see `Board`.

    Returns:
        A `Board`; its `simulated` says which.
    """
    port = locate(where)
    return simulate(project, wait) if port is None else connect(port, project.options.baud, wait)


def locate(where=None):
    """The port that `find` would use, or None for the simulated board.

    Args:
        where: as for `find`.
    """
    if where == "sim":
        return None
    return where or next((port.device for port in _ports.candidates()), None)


_current = None
_where = None


def use(where=None):
    """Choose the board that `current` opens.

    Args:
        where: a port, "sim" for the simulated board, or None to look what is plugged in.
    """
    global _where
    release()
    _where = where


def current(project=None, wait=True):
    """The board that the notebook uses: one that is plugged in, or else the simulated one; opened on first use.

    Args:
        project: the project to simulate; None takes `edgekit.firmware.current()`.
        wait: see `Board`.

    Returns:
        The same open `Board` each time, until `release()` or until it is gone.

    Raises:
        BoardError: as for `connect` and `simulate`.
    """
    global _current
    if _current is None or _current.closed:
        from edgekit import firmware

        _current = find(project or firmware.current(), _where, wait)
    return _current


def release():
    """Close the board that `current` opened, so that it can be flashed or used by another program."""
    global _current
    if _current is not None:
        _current.close()
        _current = None
