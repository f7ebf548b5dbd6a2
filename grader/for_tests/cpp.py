"""For test cells: builds and runs the student's C++ in the sandbox, and sends it inputs from outside.

    from grader.for_tests import cpp
    with cpp.board("main_cpp", model_files) as board:
        score = board.classify([0, 1]).scores[0]

Only the text of the student's cell is taken. The project around it is made anew by trusted code, and compiled once for
all students; the student's file is compiled, and the program run, in the sandbox, so that neither
``#include "/etc/..."`` nor the program finds anything.

The student reads nothing about the test's network: where the build fails, the compiler's words come from a second look
at the student's file alone, without the network's sources, and no message quotes what the program prints.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grader.for_tests import answers
from grader.grading import session
from grader.lesson import test_names
from grader.sandbox import bubblewrap, places

if TYPE_CHECKING:
    import numpy as np

    from edgekit.board import Board

OBJECTS = "EDGEKIT_OBJECTS"  # the variable that names the folder of compiled objects
MAX_HEARD = 16 << 20  # bytes that a program may say
_LIMITS = bubblewrap.Limits(notebook_seconds=300, memory_mb=2048, disk_mb=512)
_MOST_LINES = 12  # of the compiler's words
_CAMERA = "camera"  # the folder of the simulated camera's pictures, in the working folder; without it, it shows bars


class CppError(answers.WrongAnswer):
    """The program does not build; ``for_student`` is what the compiler says about the student's own lines."""


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
        edgekit.board.BoardError: The program stopped, or does not answer. ``for_student`` says which, and quotes
            nothing that the program printed.
    """
    from edgekit.board import Board, BoardError

    with places.scratch() as scratch:
        program = _program(cell, Path(scratch), model_files, app, path, build_seconds, pictures)
        with _transport(program) as transport:
            try:
                opened = Board(transport)
                with opened:
                    yield opened
            except BoardError as error:
                error.for_student = _how_it_failed(error)  # type: ignore[attr-defined]
                raise


def on_another_board(grade_id: str, name: str, cell: str, model_files: Sequence[Path]) -> object:
    """What a task's cell makes of a name when it runs again, with a board that has another network.

    So an answer that was not asked of the board, but typed or computed in Python, is another one. The cell runs in the
    student's kernel, in a copy of its names.

    Args:
        grade_id: The task whose cell runs again.
        name: The answer's name.
        cell: Grade id of the ``%%firmware`` cell, whose program the board runs.
        model_files: See `board`.

    Returns:
        The answer; in an instructor's own notebook None, since there is no cell to run again.

    Raises:
        CppError: The program does not build.
        WrongAnswer: The cell makes no such name.
    """
    if session.student is None:
        return None
    with places.scratch() as scratch:
        program = _program(cell, Path(scratch), model_files, "xormodel", "src/main.cpp", 120, None).read_bytes()
    text = session.cell_text(grade_id) or ""
    if name not in test_names.bound_names(text, remember=False):
        raise answers.WrongAnswer(f"{name} should be made in the cell of its task")
    source, encoded = test_names.python_source(text), session.student.encode(program)
    return session.student.ask("again", cell=source, name=name, program=encoded)


def _how_it_failed(error: Exception) -> str:
    """A sentence for the student; the error's own may quote the program, which knows the test's network."""
    if "too much" in str(error):
        return "the program prints too much"
    if "has stopped" in str(error):
        return "the program stopped, or crashed, before it answered"
    return "the program does not answer: does its loop take each input, and reach serial.write_result(...)?"


def _program(
    cell: str,
    scratch: Path,
    model_files: Sequence[Path],
    app: str,
    path: str,
    build_seconds: float,
    pictures: "np.ndarray | None",
) -> Path:
    """The program of a student's cell, in a folder of its own; the arguments are those of `board`."""
    from edgekit.firmware import put_before_camera

    source = firmware_source(_cell_text(cell, path), path)
    project = _create(app, scratch / "project", model_files)
    (project.directory / path).write_text(source, encoding="utf-8")
    scratch.chmod(0o755)
    _build(project, path, build_seconds)
    program = _taken_out(project.program("sim"), scratch / "run")
    if pictures is not None:
        put_before_camera(project, pictures)
        shutil.copytree(project.directory / _CAMERA, program.parent / _CAMERA)
    return program


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
    own = project.directory / path
    if "clang" not in compiler():  # g++ finds a header that is compiled already beside it, and then saves half the time
        shutil.copyfile(_object(source / "Model.h", source, headers), source / "Model.h.gch")
    command = [*_command(source), str(own), *map(str, objects), "-o", str(program)]
    result = in_sandbox(command, project.directory, True, seconds)
    if result.returncode:
        raise CppError(f"main.cpp does not build:\n{_compiler_says(project, source, own, seconds)}")


def in_sandbox(
    command: list[str], folder: Path, writable: bool, seconds: float, limits: bubblewrap.Limits = _LIMITS
) -> subprocess.CompletedProcess:
    """Run a command on a student's files where only one folder is seen; what it prints is in ``stdout``."""
    if not session.is_unsafe():
        return bubblewrap.run(command, limits, seconds, binds=[(folder, writable)])
    null, pipe, both = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    return subprocess.run(command, timeout=seconds, stdin=null, stdout=pipe, stderr=both, text=True)


def _compiler_says(project, source: Path, own: Path, seconds: float) -> str:
    """The compiler's errors in the student's lines, when the test's network is no longer in the project.

    Only its headers stay, for they have sizes and no weights. An error can quote a number (``Show<weights[0]>``), or
    tell one by whether it occurs, so that no choice among the messages of the real build would be safe.
    """
    for file in source.rglob("*"):
        if file.is_file() and file != own and file.suffix != ".h":
            file.unlink()
    result = in_sandbox([*_command(source), "-fsyntax-only", str(own)], project.directory, False, seconds)
    place = re.compile(rf"^(?:\S*/)?{re.escape(own.name)}:(?=\d+:)")
    lines = [
        line for line in result.stdout.splitlines() if place.match(line) and re.search(r": (fatal )?error: ", line)
    ]
    if lines:
        return "\n".join(place.sub(f"{own.name}:", line)[:300] for line in lines[:_MOST_LINES])
    if result.returncode:
        return "the errors are not in your lines, but in files that they include: does one of your macros change them?"
    return (
        "it compiles, but does not become a program: it should define app_main(), once, and no function or variable "
        "that another file of the project defines, and include only headers"
    )


def compiler() -> str:
    """The C++ compiler of this machine."""
    from edgekit.firmware import compiler

    name = next(iter(compiler.compilers()), None)
    if name is None:
        raise RuntimeError(f"no C++ compiler is installed: {compiler.REMEDY}")
    return name


def _command(source: Path) -> list[str]:
    from edgekit import firmware

    camera = [f'-DCAMERA_FOLDER="{_CAMERA}"', "-DCAMERA_MICROSECONDS=2000"]
    quickly = ["-O1", "-g0"]  # a submission waits for each build
    return [compiler(), *firmware.CXX_FLAGS, *quickly, f"-I{source}", *camera]


def _object(file: Path, source: Path, headers: bytes) -> Path:
    """A file of the project's own, compiled; kept for the next student."""
    command = _command(source)
    name = str(file.relative_to(source))
    flags = [word for word in command if not word.startswith("-I")]
    key = hashlib.sha256("\0".join([*flags, name]).encode() + headers + file.read_bytes()).hexdigest()
    made = _objects() / f"{key}.o"
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the others wait for the worker that compiles it
        if not made.exists():
            new = made.with_suffix(".new")
            kind = ["-x", "c++-header"] if file.suffix == ".h" else ["-c"]
            subprocess.run([*command, *kind, str(file), "-o", str(new)], check=True, capture_output=True)
            new.rename(made)
    return made


@functools.cache
def _objects() -> Path:
    """Where objects are kept: a folder of all workers of a run, or one of this process."""
    if OBJECTS in os.environ:
        return Path(os.environ[OBJECTS])
    return places.new()


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
