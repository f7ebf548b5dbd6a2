"""Compiles one file, and turns the compiler's messages into messages that a student understands."""

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import MissingFile

REMEDY = "sudo apt install g++ (Debian, Ubuntu), sudo dnf install gcc-c++ (Fedora), xcode-select --install (macOS)"


# The same flags for `pio run -e sim` and for the quick check of one file.
CXX_FLAGS = ("-std=c++17", "-O2", "-g", "-Wall", "-Wextra", "-pthread")


@dataclass
class Problem:
    """One message of the compiler.

    Attributes:
        file: path inside the project, if possible.
        line, column: from 1.
        kind: "error" or "warning".
        text: the message.
        source: the line of code, or "".
        marker: a line that points at the place with ^ and ~, or "".
    """

    file: str
    line: int
    column: int
    kind: str
    text: str
    source: str = ""
    marker: str = ""

    def __str__(self) -> str:
        return self.show(f"{self.file}, line {self.line}")

    def show(self, where: str) -> str:
        """Format the message with another name for its place.

        Args:
            where: the place in words, for example "line 3 of the cell".
        """
        code = f"\n    {self.source}\n    {self.marker}" if self.source else ""
        # The compiler notices a missing semicolon only at the next word, lines later.
        missing = re.match(r"expected .*;.* before", self.text)
        hint = "\n    Is a ; missing at the end of the statement before this one?" if missing else ""
        return f"{where}: {self.kind}: {self.text}{code}{hint}"


_MESSAGE = re.compile(
    r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):(?P<column>\d+): (?:fatal )?(?P<kind>error|warning): (?P<text>.*)$"
)
_CODE = re.compile(r"^\s*\d* \| ?(.*)$")


def compilers() -> dict[str, str]:
    """Find the C++ compilers of this computer, as {name: path}, best first."""
    found = {name: shutil.which(name) for name in ("g++", "clang++")}
    return {name: path for name, path in found.items() if path}


def check(path: Path, project: Path, flags: Iterable[str], include: Iterable[Path]) -> list[Problem]:
    """Compile a file without writing anything.

    Args:
        path: the file.
        project: the project's folder; the compiler runs there.
        flags: options for the compiler.
        include: folders with headers.

    Returns:
        The messages, a list of `Problem`.

    Raises:
        FileNotFoundError: there is no compiler.
    """
    compiler = next(iter(compilers().values()), None)
    if compiler is None:
        raise MissingFile(f"no C++ compiler is installed: {REMEDY}")
    # Through an #include, so that a header can have "#pragma once".
    run = subprocess.run(
        [compiler, *flags, *(f"-I{folder}" for folder in include), "-fsyntax-only", "-x", "c++", "-"],
        input=f'#include "{path}"\n',
        cwd=project,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return parse(run.stderr, project)


def parse(output: str, project: str | Path) -> list[Problem]:
    """Find the compiler's messages in its output, or in PlatformIO's.

    Args:
        output: the text to look through.
        project: the project's folder; paths inside it are made relative.

    Returns:
        The messages in their order, each one once.
    """
    problems, project = [], Path(project)
    lines = output.splitlines()
    for number, line in enumerate(lines):
        match = _MESSAGE.match(line)
        if not match:
            continue
        file = Path(match["file"])
        if file.is_absolute() and file.is_relative_to(project):
            file = file.relative_to(project)
        source, marker = _code(lines[number + 1 : number + 3])
        text = re.sub(r" \[-W[^\]]*\]$", "", match["text"])
        problem = Problem(
            file.as_posix(), int(match["line"]), int(match["column"]), match["kind"], text, source, marker
        )
        if problem not in problems:
            problems.append(problem)
    return problems


def _code(lines: list[str]) -> tuple[str, str]:
    """The quoted line of code and the marker under it, as gcc and clang print them, without common indentation."""
    if len(lines) < 2 or "^" not in lines[1]:
        return "", ""
    quoted = [match[1] if (match := _CODE.match(line)) else line for line in lines]
    quoted = [line.expandtabs(4) for line in quoted]
    indent = min(len(line) - len(line.lstrip()) for line in quoted)
    source, marker = (line[indent:].rstrip() for line in quoted[:2])
    return source, marker
