"""Examines this computer: names the tools that a lesson needs and that are missing, and tells how to install them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

_SIGNS = {"good": "ok", "optional": "--", "bad": "!!"}
_REINSTALL = "run ./start-notebook.sh again: it installs what is missing"


@dataclass(frozen=True)
class Finding:
    """The result of examining one tool or package.

    Attributes:
        state: "good", "optional" (missing, and only some tasks need it) or "bad".
        what: the tool or package.
        found: its state in words.
        remedy: how to repair it; empty if nothing has to be done.
    """

    state: str
    what: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f"\n       {self.remedy}" if self.remedy else ""
        return f"{_SIGNS[self.state]}  {self.what}: {self.found}{remedy}"


def examine() -> Iterator[Finding]:
    """Examine everything.

    Yields:
        A `Finding` for each tool, as soon as it is known.
    """
    yield python()
    yield packages()
    yield lessons()
    yield platformio()
    yield compiler()
    yield serial_ports()
    yield disk()
    yield xtensa()
    yield bubblewrap()


def main() -> int:
    """Print all findings.

    Returns:
        0 if nothing that every lesson needs is missing, or 1.
    """
    bad = 0
    for finding in examine():
        print(finding, flush=True)
        bad += finding.state == "bad"
    print("Everything that a lesson needs is there." if not bad else f"{bad} of these must be repaired.")
    return 1 if bad else 0


def python() -> Finding:
    """The Python that runs this."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.maxsize < 2**32:
        return Finding("bad", "Python", f"{version}, for 32 bits", "install a 64-bit Python: TensorFlow needs one")
    return Finding("good", "Python", f"{version} at {sys.executable}")


def packages() -> Finding:
    """The packages that edgekit always needs: whether they are installed, in a version that fits."""
    wrong, count = _missing("")
    if wrong:
        return Finding("bad", "Packages", "; ".join(wrong), f"{_REINSTALL}, or pip install edgekit")
    return Finding("good", "Packages", f"all {count} that edgekit needs")


def lessons() -> Finding:
    """The packages of the extra ``lessons``."""
    wrong, count = _missing("lessons")
    if wrong:
        remedy = f'{_REINSTALL}, or pip install "edgekit[lessons]"; without them edgekit works on .tflite files'
        return Finding("optional", "Lessons", "; ".join(wrong), remedy)
    return Finding("good", "Lessons", f"all {count} packages for Keras, JupyterLab and pictures")


def _missing(extra: str) -> tuple[list[str], int]:
    """The faults of the packages that an extra adds ("" means the base package), and the number of these packages."""
    from packaging.requirements import Requirement

    wrong, count = [], 0
    for line in metadata.requires("edgekit") or []:
        requirement = Requirement(line)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if extra and (not requirement.marker or requirement.marker.evaluate({"extra": ""})):
            continue
        count += 1
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    return wrong, count


def platformio() -> Finding:
    """PlatformIO, its core folder, and Espressif's tools in it."""
    from edgekit.firmware import platformio as _platformio

    folder = _platformio.core_folder()
    try:
        version = metadata.version("platformio")
        _platformio.prepare()
    except metadata.PackageNotFoundError:
        return Finding("bad", "PlatformIO", "not installed", f"{_REINSTALL}, or pip install edgekit")
    except OSError as error:
        return Finding(
            "bad",
            "PlatformIO",
            f"its folder {folder} cannot be written ({error.strerror})",
            "make it yours, or name another: export PLATFORMIO_CORE_DIR=$HOME/platformio",
        )
    found = f"{version}, its tools in {folder}"
    if not _platformio.has_espressif():
        remedy = "nothing to do without a board; the first build for one downloads about 1.5 GB"
        return Finding("optional", "PlatformIO", f"{found}; Espressif's tools are not there yet", remedy)
    return Finding("good", "PlatformIO", f"{found}, Espressif's among them")


def compiler() -> Finding:
    """A C++ compiler for the simulated board, which compiles a small program."""
    from edgekit.firmware import compiler as _compiler

    compilers = _compiler.compilers()
    if not compilers:
        return Finding("bad", "C++ compiler", "none, so that there is no simulated board", _compiler.REMEDY)
    name, path = next(iter(compilers.items()))
    # macOS has a clang++ that only asks to install the real one.
    run = subprocess.run(
        [path, "-x", "c++", "-std=c++17", "-fsyntax-only", "-"],
        input="#include <thread>\nint main() {}\n",
        capture_output=True,
        text=True,
    )
    if run.returncode:
        return Finding("bad", "C++ compiler", f"{path} does not work: {run.stderr.strip()[:200]}", _compiler.REMEDY)
    return Finding("good", "C++ compiler", f"{name} at {path}")


def serial_ports() -> Finding:
    """Boards that are plugged in, and whether they may be used."""
    from edgekit.board import ports as _ports

    ports = _ports.candidates()
    if not ports:
        return Finding("optional", "Board", "none is plugged in; everything runs on the simulated one")
    forbidden = [port.device for port in ports if os.name == "posix" and not os.access(port.device, os.R_OK | os.W_OK)]
    names = ", ".join(_ports.describe(port) for port in ports)
    if forbidden:
        return Finding("bad", "Board", f"{names}, which this user cannot open", _ports.permission_remedy(forbidden[0]))
    return Finding("good", "Board", names)


def disk() -> Finding:
    """Disk space for builds, and for the tools that PlatformIO may download."""
    folder = Path.home() if Path.home().is_dir() else Path.cwd()
    free = shutil.disk_usage(folder).free / 1e9
    found = f"{free:.1f} GB free in {folder}"
    if free < 0.5:
        return Finding("bad", "Disk", found, "make room: a lesson writes about 0.2 GB")
    if free < 4:
        return Finding("optional", "Disk", found, "enough for the simulated board; Espressif's tools need about 4 GB")
    return Finding("good", "Disk", found)


def xtensa() -> Finding:
    """The emulated core, for counting instructions."""
    missing = [name for name in ("xtensa-lx106-elf-gcc", "qemu-system-xtensa") if not shutil.which(name)]
    if missing:
        return Finding(
            "optional",
            "Emulated Xtensa",
            f"no {' and no '.join(missing)}, so that instructions cannot be counted",
            "sudo apt install gcc-xtensa-lx106 picolibc-xtensa-lx106-elf qemu-system-misc (Debian, Ubuntu)",
        )
    return Finding("good", "Emulated Xtensa", "compiler and emulator")


def bubblewrap() -> Finding:
    """The sandbox for grading."""
    if not shutil.which("bwrap"):
        return Finding(
            "optional",
            "bubblewrap",
            "not there; only instructors need it, to grade",
            "sudo apt install bubblewrap (Debian, Ubuntu), sudo dnf install bubblewrap (Fedora)",
        )
    return Finding("good", "bubblewrap", "there, for grading")
