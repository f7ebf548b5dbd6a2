"""Remembers a notebook's current project, current board and chosen port, so that no cell has to name them.

In a plain program nothing is remembered: making a project and opening a board change no global. In a notebook,
``%load_ext edgekit`` adds this session to `edgekit.firmware.observers`, and each new project becomes the current one.

    from edgekit.notebook.session import this_notebook
    this_notebook.project(), this_notebook.board()
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from edgekit.board import Board, BoardError, SerialTransport, TransportError, connect, ports, simulate
from edgekit.firmware import FirmwareError, Project, observers

SIMULATED = "sim"  # in place of a port: the simulated board, also when a board is plugged in


class Session:
    """The project, the board and the port that a notebook uses."""

    def __init__(self) -> None:
        self._project: Project | None = None
        self._board: Board | None = None
        self._where: str | None = None

    def listen(self) -> None:
        """Let each project that is created or opened from now on become the current one."""
        if self.use_project not in observers:
            observers.append(self.use_project)

    def stop_listening(self) -> None:
        """Undo `listen`."""
        if self.use_project in observers:
            observers.remove(self.use_project)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep the current project in a with-block, whatever projects are made in it."""
        before = self._project
        try:
            yield
        finally:
            self._project = before

    def use_project(self, project: Project) -> None:
        """Make a project the current one.

        Args:
            project: the project that `project` returns from now on.
        """
        self._project = project

    def project(self) -> Project:
        """Return the current project: the last one that was created or opened.

        In a kernel that has made none yet, for example because it was restarted, it is the one beside the notebook.

        Raises:
            FirmwareError: there is none yet, or there are several beside the notebook.
        """
        if self._project is None:
            self._project = _project_beside()
        return self._project

    def use(self, where: str | None = None) -> str | None:
        """Choose the board that `board` opens, and close the one that is open.

        Args:
            where: a port, "sim" for the simulated board, or None for the board that is plugged in.

        Returns:
            The port that this means now, or None for the simulated board.
        """
        self.release()
        self._where = where
        return locate(where)

    def board(self, project: Project | None = None, wait: bool = True) -> Board:
        """Return the board in use: the one that is plugged in, or else the simulated one; it is opened on first use.

        Args:
            project: the project to simulate; None takes the current one.
            wait: see `Board`.

        Returns:
            The same open board each time, until `release`, or until it is unplugged or stops.

        Raises:
            BoardError: as for `connect` and `simulate`.
        """
        if self._board is None or self._board.closed:
            self._board = open_board(project or self.project(), self._where, wait)
        return self._board

    def open(self, project: Project, port: str | None) -> Board:
        """Open the board at exactly this port, without looking for another one; `board` returns it from now on.

        Args:
            project: the project to simulate, and whose rate the board starts with.
            port: the port, or None for the simulated board.

        Returns:
            The open board.

        Raises:
            BoardError: as for `connect` and `simulate`.
        """
        self.release()
        self._board = open_board(project, SIMULATED if port is None else port)
        return self._board

    def release(self) -> None:
        """Close the board in use, so that it can be flashed or opened by another program."""
        if self._board is not None:
            self._board.close()
            self._board = None


def _project_beside() -> Project:
    """Open the only project in the current folder."""
    found = []
    for folder in sorted(Path().iterdir()):
        with contextlib.suppress(FirmwareError, OSError):
            found.append(Project(folder))
    if len(found) > 1:
        names = ", ".join(project.directory.name for project in found)
        raise FirmwareError(f"there are several firmware projects here: open {names} with firmware.open_project(...)")
    if not found:
        raise FirmwareError("there is no firmware project yet: make one with edgekit.firmware.create(...)")
    return found[0]


this_notebook = Session()
"""The session of the notebook that this process runs."""


def locate(where: str | None = None) -> str | None:
    """Return the port of a board.

    Args:
        where: a port, "sim" for the simulated board, or None for the board that is plugged in.

    Returns:
        The port, or None for the simulated board.
    """
    if where == SIMULATED:
        return None
    return where or ports.first()


def open_board(project: Project, where: str | None = None, wait: bool = True) -> Board:
    """Open the board that is plugged in, or the simulated one if there is none.

    Args:
        project: the project to simulate, and whose rate the board starts with.
        where: a port, "sim" for the simulated board, or None for the board that is plugged in.
        wait: see `Board`.

    Returns:
        The open board; its `simulated` tells which kind.

    Raises:
        BoardError: as for `connect` and `simulate`.
    """
    port = locate(where)
    return simulate(project, wait) if port is None else connect(port, project.options.baud, wait)


def check_port(port: str) -> None:
    """Check that a port can be opened.

    Args:
        port: path or name of the port.

    Raises:
        BoardError: it is missing, busy, or this user has no permission; the message has the remedy.
    """
    try:
        SerialTransport(port).close()
    except TransportError as error:
        raise BoardError(str(error)) from None
