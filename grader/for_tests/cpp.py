"""For test cells: builds and runs the student's C++ in the sandbox, and sends it inputs from outside.

    from grader.for_tests import cpp
    with cpp.board("main_cpp", model_files) as board:
        score = board.classify([0, 1]).scores[0]

Only the text of the student's cell is taken. The project around it is made anew by trusted code, and compiled once for
all students; the student's file is compiled, and the program run, in the sandbox, so that neither
``#include "/etc/..."`` nor the program finds anything.
"""

import atexit
import contextlib
import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grader.for_tests import answers
from grader.grading import session
from grader.sandbox import bubblewrap

if TYPE_CHECKING:
    import numpy as np

    from edgekit.board import Board

MAX_HEARD = 16 << 20  # bytes that a program may say
_LIMITS = bubblewrap.Limits(notebook_seconds=300, memory_mb=2048, disk_mb=512)
_CAMERA = "camera"  # the folder of the simulated camera's pictures, in the working folder; without it, it shows bars


class CppError(answers.WrongAnswer):
    """The program does not build; ``for_student`` is what the compiler says, which the student may read."""


@contextlib.contextmanager
def board(
    cell: str,
    model_files: Sequence[Path],
    app: str = "xormodel",
    path: str = "src/main.cpp",
    build_seconds: float = 120,
    pictures: "np.ndarray | None" = None,
) -> Iterator["Board"]:
    """A simulated board that runs the C++ of a student's cell.

    Args:
        cell: Grade id of the ``%%firmware`` cell.
        model_files: The files that `edgekit.codegen.export` wrote for a network of the test's own, so that no answer
            can be guessed.
        app: The application of `edgekit.firmware.create`.
        path: The file that the cell writes, inside the project.
        build_seconds: Longest time the build may take.
        pictures: What the camera shows, one after the other and again: uint8 (N, 96, 96, 3).

    Yields:
        The board, which runs the student's program.

    Raises:
        CppError: The cell does not begin with ``%%firmware PATH``, or does not compile.
        edgekit.board.BoardError: The program stopped, or does not answer.
    """
    from edgekit.board import Board, BoardError
    from edgekit.firmware import put_before_camera

    source = firmware_source(_cell_text(cell, path), path)
    with tempfile.TemporaryDirectory(prefix="edgekit-", dir="/tmp") as scratch:
        project = _create(app, Path(scratch) / "project", model_files)
        (project.directory / path).write_text(source, encoding="utf-8")
        Path(scratch).chmod(0o755)
        _build(project, path, build_seconds)
        program = _taken_out(project.program("sim"), Path(scratch) / "run")
        if pictures is not None:
            put_before_camera(project, pictures)
            shutil.copytree(project.directory / _CAMERA, program.parent / _CAMERA)
        with _transport(program) as transport:
            try:
                opened = Board(transport)
                with opened:
                    yield opened
            except BoardError as error:
                error.for_student = str(error)  # type: ignore[attr-defined]
                raise


def _create(app: str, directory: Path, model_files):
    """A project that does not become the current one: the lesson's stays it, in an instructor's notebook."""
    from edgekit import firmware
    from edgekit.notebook.session import this_notebook

    with this_notebook.unchanged():
        return firmware.create(app, directory, model_files)


def firmware_source(text: str, path: str) -> str:
    """The C++ in a ``%%firmware PATH`` cell; raises CppError when the cell is not one."""
    first, _, source = text.lstrip().partition("\n")
    if not re.fullmatch(rf"%%firmware\s+{re.escape(path)}\s*", first):
        raise CppError(f"the cell should begin with %%firmware {path}; it begins with {first[:60]!r}")
    return source.replace("\0", "")


def _cell_text(cell: str, path: str) -> str:
    """The text of the cell under grading; in an instructor's own notebook, the last such cell that was run."""
    text = session.cell_text(cell)
    if text is not None:
        return text
    from IPython import get_ipython

    history = get_ipython().history_manager.input_hist_raw
    return next((text for text in reversed(history) if text.lstrip().startswith(f"%%firmware {path}")), "")


def _build(project, path: str, seconds: float) -> None:
    """Compile the student's file in the sandbox and link it with the rest, as the project's sim environment would."""
    source, program = project.directory / "src", project.program("sim")
    program.parent.mkdir(parents=True)
    rest = [
        file
        for file in sorted(source.rglob("*.cpp"))
        if file != project.directory / path and not file.is_relative_to(source / "board" / "esp")
    ]
    headers = b"".join(file.read_bytes() for file in sorted(source.rglob("*.h")))
    objects = []
    for number, file in enumerate(rest):
        objects.append(program.parent / f"{number}.o")
        shutil.copyfile(_object(file, source, headers), objects[-1])
    command = [*_compiler(source), str(project.directory / path), *map(str, objects), "-o", str(program)]
    if session.is_unsafe():
        result = subprocess.run(
            command,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    else:
        result = bubblewrap.run(command, _LIMITS, seconds, binds=[(project.directory, True)])
    if result.returncode:
        raise CppError(f"main.cpp does not build:\n{_compiler_says(result.stdout, path)}")


def _compiler(source: Path) -> list[str]:
    from edgekit import firmware
    from edgekit.firmware import compiler

    name = next(iter(compiler.compilers()), None)
    if name is None:
        raise RuntimeError(f"no C++ compiler is installed: {compiler.REMEDY}")
    return [name, *firmware.CXX_FLAGS, f"-I{source}", f'-DCAMERA_FOLDER="{_CAMERA}"']


def _object(file: Path, source: Path, headers: bytes) -> Path:
    """A file of the project's own, compiled; kept for the next student."""
    command = _compiler(source)
    name = str(file.relative_to(source))
    flags = [word for word in command if not word.startswith("-I")]
    key = hashlib.sha256("\0".join([*flags, name]).encode() + headers + file.read_bytes()).hexdigest()
    made = _objects() / f"{key}.o"
    if not made.exists():
        new = made.with_suffix(".new")
        subprocess.run([*command, "-c", str(file), "-o", str(new)], check=True, capture_output=True)
        new.rename(made)
    return made


@functools.cache
def _objects() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edgekit-objects-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _compiler_says(output: str, path: str) -> str:
    """The compiler's complaints about the student's own lines.

    Nothing else of what it says: it quotes other files, and with a macro or a message a student's line could let it
    quote the network that the test has made.
    """
    own = re.compile(rf"(?:.*/)?{re.escape(path)}:([0-9]+):(?:[0-9]+:)? (?:fatal )?error: (.*)")
    found = [match for match in map(own.fullmatch, output.splitlines()) if match]
    lines = [f"{Path(path).name}:{match[1]}: error: {_without_values(match[2])}" for match in found]
    if not lines:
        is_linker = "undefined reference" in output or "multiple definition" in output
        lines = [
            "the linker found a name that is not defined, or defined twice" if is_linker else "the compiler failed"
        ]
    return "\n".join(line[:300] for line in lines[:12])


def _without_values(complaint: str) -> str:
    """A complaint without numbers of several digits and without texts, in which values could be told."""
    complaint = re.sub(r'"[^"]*"', '"..."', complaint)
    return re.sub(r"[-+]?[0-9][0-9.eE+-]{2,}", "...", complaint)


def _taken_out(program: Path, folder: Path) -> Path:
    """A copy of the built program in a folder of its own: all that the next sandbox is shown."""
    if program.is_symlink() or not program.is_file():
        raise CppError("the build made no program")
    folder.mkdir(mode=0o755)
    copy = folder / "program"
    shutil.copyfile(program, copy, follow_symlinks=False)
    copy.chmod(0o755)
    return copy


@contextlib.contextmanager
def _transport(program: Path):
    from edgekit.board import StdioTransport, TransportError

    class Limited(StdioTransport):
        """A line on which only so much is heard."""

        heard = 0

        def read(self, timeout):
            data = super().read(timeout)
            self.heard += len(data)
            if self.heard > MAX_HEARD:
                raise TransportError("the program says too much")
            return data

    command = [str(program), "--stdio"]
    if session.is_unsafe():
        yield Limited(["sh", "-c", 'cd "$0" && exec "$@"', str(program.parent), *command])
        return
    box = bubblewrap.Sandbox(_LIMITS, files=program.parent, binds=[(program.parent, False)])
    try:
        transport = Limited(box.command(command, show_run=False))
        box.watch(transport._process)
        yield transport
    finally:
        box.close()
