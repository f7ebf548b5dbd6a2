"""The notebook's magics: %%firmware saves a program, %flash writes it to a board, %monitor and %board show its output.

They use the project that was last created or opened (`edgekit.firmware.create`), and the board that is plugged in, or
the simulated one if there is none.
"""

import contextlib
import re
import time
from collections.abc import Iterator
from typing import Any

from edgekit.board import BoardError, Result
from edgekit.errors import EdgekitError
from edgekit.firmware import FirmwareError, Problem
from edgekit.notebook.session import check_port, this_notebook

_FIRST_LINE = 2  # of a cell's body, counted as JupyterLab does: line 1 is the magic itself
_MOST = 4  # errors shown at once: the later ones often follow from the first
_COMPILED = {".cpp", ".cc", ".c", ".h", ".hpp"}


class Explained(EdgekitError):
    """An error that the notebook shows as one sentence without a traceback. The cell still counts as failed."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def register(ipython: Any) -> None:
    """Add the magics to a running IPython, and connect the session (``%load_ext edgekit`` does this).

    Args:
        ipython: the notebook's IPython, an `InteractiveShell`.
    """
    this_notebook.listen()
    ipython.register_magic_function(_firmware, "cell", "firmware")
    ipython.register_magic_function(_flash, "line", "flash")
    ipython.register_magic_function(_monitor, "line", "monitor")
    ipython.register_magic_function(_board, "line", "board")


@contextlib.contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except (FirmwareError, BoardError, ValueError) as error:
        raise Explained(str(error)) from None


def _firmware(line: str, cell: str) -> None:
    """``%%firmware src/main.cpp``: write the cell to this file of the project and compile it at once."""
    name = line.strip().strip("'\"")
    if not name:
        raise Explained("name the file to write: %%firmware src/main.cpp")
    with _explaining():
        project = this_notebook.project()
        is_new = not (project.directory / name).exists()
        path = project.write(name, cell if cell.endswith("\n") else cell + "\n")
        name = path.relative_to(project.directory).as_posix()
        written = "written, a new file of the project" if is_new else "written"
        if path.suffix not in _COMPILED:
            print(f"{name} is {written}.")
            return
        start = time.monotonic()
        problems = project.check(name)
        seconds = time.monotonic() - start
    errors = [problem for problem in problems if problem.kind == "error"]
    shown = [_in_cell(problem, name) for problem in errors or problems]
    if errors:
        more = f"\n\nand {len(shown) - _MOST} more" if len(shown) > _MOST else ""
        raise Explained(f"{name} is {written}, but does not compile:\n\n" + "\n\n".join(shown[:_MOST]) + more)
    print(f"{name} is {written} and compiles ({seconds:.1f} s)." + "".join(f"\n\n{text}" for text in shown))


def _in_cell(problem: Problem, name: str) -> str:
    if problem.file != name:
        return str(problem)
    return problem.show(f"line {problem.line + _FIRST_LINE - 1} of the cell")


def _flash(line: str) -> None:
    """``%flash``: build the program and write it to the board that is plugged in, or start it on the simulated one.

    ``%flash sim`` uses the simulated board also when a board is plugged in, ``%flash PORT`` the board at a port.
    """
    where = line.strip() or None
    with _explaining():
        project = this_notebook.project()
        port = this_notebook.use(where)  # chosen once: the board that is flashed is the board that is opened
        if port is not None:
            check_port(port)  # before minutes of building
            print(f"Building for the board at {port}.")
        else:
            print("Building for the simulated board" + (": no board is plugged in." if where is None else "."))
        project.upload("sim" if port is None else "esp_eye", port, on_line=_Progress())
        board = this_notebook.open(project, port)
        print(f"{_sentence(board.name)} runs {board.info.model}.")


class _Progress:
    """Shows PlatformIO's steps, without its banners and the compiler's messages; the error at the end has those."""

    _BANNERS = re.compile(
        r"Verbose mode|LDF|Found |Scanning|No dependencies|Building in|Configuring|Platform Manager: |Processing |"
        r"If you like|- |Environment |\w+ +(SUCCESS|FAILED)|[-=*]{3}|Error: |$"
    )
    _STEP = re.compile(r"Compiling|Archiving|Indexing|Linking|Building|Generating|Starting|Running|Uploading")

    def __init__(self) -> None:
        self._in_message = False

    def __call__(self, line: str) -> None:
        if self._STEP.match(line):
            self._in_message = False
        elif re.match(r"In file included from|\S+: In |\S+:\d+:\d+: ", line):
            self._in_message = True
        if not self._in_message and not self._BANNERS.match(line):
            print(line.replace(".pio/build/", ""), flush=True)


def _monitor(line: str) -> None:
    """``%monitor``: show the board's text for 3 seconds. ``%monitor 10``: for 10 seconds."""
    with _explaining():
        try:
            seconds = float(line) if line.strip() else 3.0
        except ValueError:
            raise Explained(f"%monitor takes a number of seconds, not {line.strip()!r}") from None
        this_notebook.board(wait=False).monitor(seconds=seconds)


def _board(line: str) -> Result | None:
    """``%board``: show which board is in use. ``%board 0 1``: run the network on it once with this input."""
    with _explaining():
        board = this_notebook.board()
        if not line.strip():
            info = board.info
            shape = " x ".join(map(str, info.input_shape))
            outputs = f"{info.output_size} output" + ("s" if info.output_size > 1 else "")
            print(f"{_sentence(board.name)} runs {info.model}: {info.dtype}, input {shape}, {outputs}.")
            return None
        try:
            values = [float(word) for word in line.replace(",", " ").split()]
        except ValueError:
            raise Explained(f"%board takes the numbers of one input, for example %board 0 1, not {line!r}") from None
        return board.classify(values)


def _sentence(name: str) -> str:
    return name[0].upper() + name[1:]
