"""The notebook's way to the board: %%firmware writes a program, %flash brings it there, %monitor and %board look at it.

They act on the project that was last created or opened (`edgekit.firmware.create`), and on the board that is plugged
in, or the simulated one if there is none.
"""

import contextlib
import re
import time

from edgekit import board as boards
from edgekit import firmware
from edgekit.errors import EdgekitError

_FIRST_LINE = 2  # of a cell's body, counted as JupyterLab does: line 1 is the magic itself
_MOST = 4  # errors shown at once: the later ones often follow from the first
_COMPILED = {".cpp", ".cc", ".c", ".h", ".hpp"}


class Explained(EdgekitError):
    """What went wrong in words for the notebook; shown without a traceback, and the cell counts as failed."""

    def _render_traceback_(self):
        return str(self).splitlines()


def register(ipython):
    """Make the magics known to a running IPython (``%load_ext edgekit`` does this)."""
    ipython.register_magic_function(_firmware, "cell", "firmware")
    ipython.register_magic_function(_flash, "line", "flash")
    ipython.register_magic_function(_monitor, "line", "monitor")
    ipython.register_magic_function(_board, "line", "board")


@contextlib.contextmanager
def _explaining():
    try:
        yield
    except (firmware.FirmwareError, boards.BoardError, ValueError) as error:
        raise Explained(str(error)) from None


def _firmware(line, cell):
    """``%%firmware src/main.cpp``: write the cell to this file of the project and compile it at once."""
    name = line.strip().strip("'\"")
    if not name:
        raise Explained("say which file the cell is: %%firmware src/main.cpp")
    with _explaining():
        project = firmware.current()
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


def _in_cell(problem, name):
    if problem.file != name:
        return str(problem)
    return problem.show(f"line {problem.line + _FIRST_LINE - 1} of the cell")


def _flash(line):
    """``%flash``: build the program and write it to the board that is plugged in, or start it on the simulated one.

    ``%flash sim`` takes the simulated board whatever is plugged in, ``%flash PORT`` the board at a port.
    """
    where = line.strip() or None
    with _explaining():
        project = firmware.current()
        boards.use(where)
        port = boards.locate(where)
        if port is not None:
            boards.check_port(port)  # before minutes of building
            print(f"Building for the board at {port}.")
        else:
            print("Building for the simulated board" + (": no board is plugged in." if where is None else "."))
        project.upload("sim" if port is None else "esp_eye", port, on_line=_Progress())
        board = boards.current(project)
        print(f"{_sentence(board.name)} runs {board.info.model}.")


class _Progress:
    """Shows what PlatformIO does: not its banners, nor the compiler's messages, which are shown better at the end."""

    _BANNERS = re.compile(
        r"Verbose mode|LDF|Found |Scanning|No dependencies|Building in|Configuring|Platform Manager: |Processing |"
        r"If you like|- |Environment |\w+ +(SUCCESS|FAILED)|[-=*]{3}|Error: |$"
    )
    _STEP = re.compile(r"Compiling|Archiving|Indexing|Linking|Building|Generating|Starting|Running|Uploading")

    def __init__(self):
        self._in_message = False

    def __call__(self, line):
        if self._STEP.match(line):
            self._in_message = False
        elif re.match(r"In file included from|\S+: In |\S+:\d+:\d+: ", line):
            self._in_message = True
        if not self._in_message and not self._BANNERS.match(line):
            print(line.replace(".pio/build/", ""), flush=True)


def _monitor(line):
    """``%monitor``: show what the board prints for 3 seconds, or for as many as are given."""
    with _explaining():
        try:
            seconds = float(line) if line.strip() else 3.0
        except ValueError:
            raise Explained(f"%monitor takes a number of seconds, not {line.strip()!r}") from None
        boards.current(wait=False).monitor(seconds=seconds)


def _board(line):
    """``%board``: which board is in use. ``%board 0 1``: run the network on it once with this input."""
    with _explaining():
        board = boards.current()
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


def _sentence(name):
    return name[0].upper() + name[1:]
