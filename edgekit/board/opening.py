"""Opens a board: a real one at a serial port, or a simulated one on this computer."""

from pathlib import Path

from edgekit.board import ports
from edgekit.board.board import Board
from edgekit.board.protocol import BoardError
from edgekit.board.transport import SerialTransport, SimulatedTransport, TransportError
from edgekit.firmware import Project


def connect(port: object = None, baud: int = 115200, wait: bool = True) -> Board:
    """Open the board on a serial port.

    Args:
        port: path or name of the port; None finds the board by the USB ids of its serial bridge.
        baud: rate at which the firmware starts, bits per second.
        wait: see `Board`.

    Returns:
        The open board.

    Raises:
        BoardError: no board, a port that is busy or not permitted, or no answer; the message has the remedy.
    """
    if port is None:
        port = ports.first()
        if port is None:
            raise BoardError(f"{ports.found()} Plug the board in, or use edgekit.board.simulate(project)")
    try:
        return Board(SerialTransport(port, baud), wait=wait)
    except TransportError as error:
        raise BoardError(str(error)) from None


def simulate(project: Project | str | Path, wait: bool = True) -> Board:
    """Start a simulated board: the project's program on this computer, with a pseudo-terminal as its serial line.

    Args:
        project: a project that was built for "sim", or the path of its program.
        wait: see `Board`.

    Returns:
        The open board; closing it stops the program.

    Raises:
        BoardError: the program does not exist, does not start, or does not answer.
    """
    program = project if isinstance(project, str | Path) else project.program("sim")
    try:
        return Board(SimulatedTransport(program), wait=wait)
    except TransportError as error:
        raise BoardError(str(error)) from None
