"""Runs hostile code in bubblewrap: it has no network, sees only programs, and cannot use more than its limits.

Started by root, the sandbox gives up root for a user id nobody has; started by anyone else, it uses a user namespace.
Where neither works, `check` says what to do. Memory is limited by a cgroup where this machine gives one
(`grader.sandbox.cgroups`), else by a watchdog that measures it (`grader.sandbox.usage`).
"""

import contextlib
import functools
import itertools
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from grader.paths import CHECKOUT
from grader.sandbox import cgroups, places, usage

INSIDE = Path(__file__).resolve().parent / "inside"
HOME = "/home/student"
FOLDER = f"{HOME}/work"
GRADING = "/run/grading"
_SUBMISSION = "/run/submission"
_STORE = "/run/store"  # the file system in memory that holds all of FRESH
FRESH = (HOME, "/tmp", "/dev/shm")  # folders in memory, empty at first
_MAX_ENTRIES = 32  # in the folder of the kernel's sockets
_MAX_CONNECTION_FILE = 1 << 16  # bytes
# Nobody's data, but the instructor's: hidden where it lies below what is shown. nbgrader's exchange has these defaults.
_hidden = {CHECKOUT, Path("/usr/local/share/nbgrader"), Path("/usr/share/nbgrader"), Path("/srv/nbgrader")}
_numbers = itertools.count()


class SandboxMissing(RuntimeError):
    """Student code cannot be run safely on this machine; the message says what to install or allow."""


@dataclass(frozen=True)
class Limits:
    """How much one submission may use."""

    cell_seconds: float = 120
    notebook_seconds: float = 900
    memory_mb: int = 4096  # all processes together, with their files
    disk_mb: int = 1024  # all files together; they are kept in memory
    file_mb: int = 512
    processes: int = 512  # threads included, as the kernel counts

    def rlimits(self) -> dict[str, int]:
        """The part of the limits that the kernel keeps for each process."""
        return {
            "RLIMIT_DATA": self.memory_mb << 20,
            "RLIMIT_FSIZE": self.file_mb << 20,
            "RLIMIT_NPROC": self.processes,
            "RLIMIT_NOFILE": 1024,
            "RLIMIT_MSGQUEUE": 0,
            "RLIMIT_CORE": 0,
            "RLIMIT_CPU": int(self.notebook_seconds * 8),
        }


class Sandbox:
    """One private place for hostile code: a folder of its own for sockets, everything else in memory, gone at `close`.

    Args:
        limits: Limits.
        files: A folder whose files are copied into the working folder inside.
        binds: Further folders to show at the same path, and whether they may be written.
        place: Where to make its folder; by default in this process's own (`grader.sandbox.places`).
    """

    def __init__(
        self,
        limits: Limits,
        files: Path | None = None,
        binds: Sequence[tuple[Path, bool]] = (),
        place: Path | None = None,
    ) -> None:
        check()
        self.limits = limits
        self.zygote: Any = None  # a grader.sandbox.warm.Zygote that starts kernels in it
        self.killed_because: str | None = None  # why the watchdog ended it
        self._files = files
        self._binds = binds
        self._process: subprocess.Popen | None = None
        self._closed = threading.Event()
        place_of_groups = cgroups.place()
        self.group = (
            cgroups.Group(place_of_groups, limits.memory_mb << 20, limits.processes) if place_of_groups else None
        )
        self.base = places.new(place)
        self.run = self.base / "run"  # holds the connection file and the sockets, nothing else
        self.run.mkdir(mode=0o700)
        self._uid = _nobodys_uid() if _mode() == "root" else None
        if self._uid is not None:
            self.base.chmod(0o755)
            for path in (self.run, *(path for path, writable in binds if writable)):
                _give_away(path, self._uid)

    def command(self, program: list[str], show_run: bool = True) -> list[str]:
        """The command line that runs ``program`` inside. ``ipykernel`` as its first word runs the kernel."""
        own = [(path, path, writable) for path, writable in self._binds]
        if show_run:
            own.append((self.run, self.run, True))
        shown = [(INSIDE, GRADING, False), *own]
        if self._files is not None:
            shown.append((self._files, _SUBMISSION, False))
        arguments = _bubblewrap(_isolation(_mode(), ["CAP_SYS_ADMIN"]), shown, _environment())
        settings = json.dumps(self.settings | {"below": _below_fresh(*(path for path, _, _ in own))})
        command = [*arguments, sys.executable, "-I", f"{GRADING}/launch.py", settings, *program]
        return cgroups.joining(self.group, command) if self.group else command

    @property
    def settings(self) -> dict:
        """The settings for what enters the sandbox (grader/sandbox/inside/launch.py)."""
        return {
            "uid": self._uid,
            "limits": self.limits.rlimits(),
            "files": _SUBMISSION if self._files is not None else None,
            "folder": FOLDER,
            "fresh": FRESH,
            "store": _STORE,
            "disk": self.limits.disk_mb << 20,
            "below": _below_fresh(self.run),
        }

    def seal(self) -> None:
        """Make the folder of the sockets, which lies outside, unwritable, now that the sockets are there.

        Only root can; else the watchdog looks at it.
        """
        if self._uid is not None:
            os.chown(self.run, 0, 0)
            self.run.chmod(0o755)

    def watch(self, process: subprocess.Popen) -> None:
        """Keep an eye on the processes below ``process`` until it ends, and kill them all when they use too much."""
        self._process = process
        threading.Thread(target=self._watchdog, args=(process,), daemon=True, name="sandbox-watchdog").start()

    def _watchdog(self, process: subprocess.Popen) -> None:
        while not self._closed.wait(0.1) and process.poll() is None:
            reason = self.excess()
            if reason:
                self.kill(reason)
                return

    def excess(self) -> str | None:
        """What is used beyond the limits, if anything; where that cannot be found out, this is said."""
        try:
            return self._excess()
        except psutil.NoSuchProcess:
            return None
        except Exception as error:  # whatever made its watchdog fail, it must not gain by it
            return f"more than can be measured ({error})"

    def _excess(self) -> str | None:
        too_much = f"more than {self.limits.memory_mb} MB of memory"
        if self.group:
            if self.group.is_over:
                return too_much
        elif self._process is not None:
            processes = psutil.Process(self._process.pid).children(recursive=True)
            if len(processes) > self.limits.processes:
                return f"more than {self.limits.processes} processes"
            limit = self.limits.memory_mb << 20
            if usage.memory([process.pid for process in processes], limit, FRESH[0]) > limit:
                return too_much
        return "files among the kernel's sockets" if self._has_files() else None

    def _has_files(self) -> bool:
        """Whether there is more than sockets, and the file that names them, in their folder."""
        with os.scandir(self.run) as entries:
            for count, entry in enumerate(entries):
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                is_small = stat.S_ISREG(status.st_mode) and status.st_size <= _MAX_CONNECTION_FILE
                if count >= _MAX_ENTRIES or not (stat.S_ISSOCK(status.st_mode) or is_small):
                    return True
        return False

    def kill(self, reason: str | None = None) -> None:
        """End every process inside at once."""
        self.killed_because = self.killed_because or reason
        if self._process is None:
            return
        try:  # the first child is the sandbox's process 1: the kernel of the machine ends all others with it
            victims = psutil.Process(self._process.pid).children()
        except psutil.NoSuchProcess:
            victims = []
        for victim in [*victims, self._process]:
            try:
                os.kill(victim.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def close(self) -> None:
        """Kill what still runs and remove the folder."""
        self._closed.set()
        self.kill()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        if self.group:
            self.group.close()
        places.remove(self.base)


def _nobodys_uid() -> int:
    """A user id for one sandbox; no other sandbox of this process, or of one that runs beside it, has the same."""
    return 2_000_000 + os.getpid() % 100_000 * 1000 + next(_numbers) % 1000


def _bubblewrap(isolation: list[str], shown, environment: dict[str, str]) -> list[str]:
    """The beginning of a command line: all of the sandbox except the program and its writable folders."""
    arguments = ["bwrap", *isolation, "--proc", "/proc", "--dev", "/dev", *_parents(FOLDER, _STORE)]
    # Empty folders first: the checkout and its Python may lie below one of them, /tmp for instance.
    for folder in FRESH:
        arguments += ["--tmpfs", folder]
    arguments += [*_system(), *_parents(*(inside for _, inside, _ in shown))]
    for path, inside, writable in shown:
        arguments += ["--bind" if writable else "--ro-bind", str(path), str(inside)]
    arguments += ["--dir", _STORE, "--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in environment.items():
        arguments += ["--setenv", name, value]
    return [*arguments, "--"]


def _give_away(path: Path, uid: int) -> None:
    os.chown(path, uid, uid)
    for base, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(os.path.join(base, name), uid, uid, follow_symlinks=False)


def zygote_command(pool: Path) -> list[str]:
    """The beginning of a command line for `grader.sandbox.warm`: a sandbox whose forks can enter their own."""
    isolation = _isolation(_mode(), ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"])  # for namespaces and the loopback device, too
    # One thread, or it could not fork: OpenBLAS starts its threads when NumPy is imported.
    environment = _environment() | {"OPENBLAS_NUM_THREADS": "1"}
    shown = [(INSIDE, GRADING, False), (pool, pool, True)]
    return _bubblewrap(["--dir", _SUBMISSION, *isolation], shown, environment)


def _isolation(mode: str, rights: Sequence[str] = ()) -> list[str]:
    """Arguments for namespaces, and for the rights of the first program inside, which it gives up itself."""
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    shared += ["--die-with-parent", "--new-session", "--clearenv", "--hostname", "student"]
    if mode == "root":
        rights = [*rights, "CAP_SETUID", "CAP_SETGID"]
        shared += ["--cap-drop", "ALL"]
    else:
        shared += ["--unshare-user", "--uid", "1000", "--gid", "1000"]
    return [*shared, *(word for right in rights for word in ("--cap-add", right))]


def _parents(*paths: Path | str) -> list[str]:
    """Arguments that make the folders above ``paths``; left to itself, bubblewrap makes them unreadable for others."""
    folders = {folder for path in paths for folder in Path(path).parents}
    return [word for folder in sorted(folders)[1:] for word in ("--perms", "0755", "--dir", str(folder))]


def hide(folders: Iterable[Path | str]) -> None:
    """Hide these folders from every sandbox from now on, should they lie below one that it shows."""
    _hidden.update(Path(folder).resolve() for folder in folders)


def hidden() -> list[str]:
    """The folders that are hidden, to hide them in another process, too."""
    return sorted(map(str, _hidden))


def _covered() -> tuple[Path, ...]:
    """The hidden folders that a sandbox would show, the outermost of them."""
    shown = [Path("/usr"), *map(Path, _python_folders())]
    found: list[Path] = []
    for folder in sorted(_hidden, key=lambda folder: len(folder.parts)):
        is_seen = any(folder.is_relative_to(place) for place in shown) and folder.is_dir()
        if is_seen and not any(folder.is_relative_to(other) for other in found):
            found.append(folder)
    return tuple(found)


def _system() -> tuple[str, ...]:
    return _system_without(_covered())


@functools.cache
def _system_without(hidden: tuple[Path, ...]) -> tuple[str, ...]:
    """Arguments that show the programs of this machine and of this Python environment, and nobody's data."""
    arguments: list[str] = []
    for path in map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")):
        if path.is_symlink():
            arguments += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            arguments += ["--ro-bind", str(path), str(path)]
    for name in ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime", "fonts"):
        arguments += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    arguments += _parents(*_python_folders())
    for folder in _python_folders():
        arguments += ["--ro-bind", folder, folder]
    for cover in hidden:
        arguments += ["--perms", "0755", "--size", "4096", "--tmpfs", str(cover)]
        below = [str(folder) for folder in _needed() if folder != cover and folder.is_relative_to(cover)]
        arguments += _parents(*below)
        for folder in below:
            arguments += ["--ro-bind", folder, folder]
        arguments += ["--remount-ro", str(cover)]
    return tuple(arguments)


def _python_folders() -> list[str]:
    """The outermost of the folders that Python needs, as far as they do not lie below /usr."""
    outermost: list[Path] = []
    for folder in sorted(_needed(), key=lambda folder: len(folder.parts)):
        if not any(folder.is_relative_to(other) for other in [Path("/usr"), *outermost]):
            outermost.append(folder)
    return [str(folder) for folder in outermost]


def _needed() -> set[Path]:
    """The interpreter, its packages, and of this checkout the library alone: never grader/."""
    import edgekit

    library = Path(edgekit.__file__).resolve().parent
    folders = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, library}
    if (CHECKOUT / "firmware_templates").is_dir() and library.parent == CHECKOUT:
        folders.add(CHECKOUT / "firmware_templates")
    return folders


def _below_fresh(*more: Path) -> list[str]:
    """Of the folders that a sandbox shows, those that lie below one that is empty at first."""
    shown = dict.fromkeys([*_python_folders(), *map(str, more)])
    return [folder for folder in shown if any(Path(folder).is_relative_to(fresh) for fresh in FRESH)]


def _environment() -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": HOME,
        "USER": "student",
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
        "JUPYTER_PLATFORM_DIRS": "1",
    }


@functools.cache
def _mode() -> str:
    """How bubblewrap works here: ``root`` or ``user``; raises SandboxMissing where it does not."""
    if shutil.which("bwrap") is None:
        raise SandboxMissing(
            "Student code must run in bubblewrap, and there is no `bwrap` on this machine. "
            "Install it: `sudo apt install bubblewrap` (Debian, Ubuntu), `sudo dnf install bubblewrap` (Fedora)."
        )
    errors = []
    for mode in ("root", "user") if os.geteuid() == 0 else ("user",):
        command = ["bwrap", *_isolation(mode, ["CAP_SYS_ADMIN"]), *_system(), "--", "/bin/true"]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode == 0:
            return mode
        errors.append(result.stderr.strip())
    raise SandboxMissing(
        f"Student code must run in bubblewrap, and bubblewrap fails here ({'; '.join(errors)}). "
        "It needs user namespaces: see that /proc/sys/user/max_user_namespaces is not 0; on Ubuntu 24.04 or newer "
        "also run `sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a container, allow them or be root."
    )


def check() -> None:
    """Raise SandboxMissing, saying what to do, unless student code can be run safely here."""
    _mode()


def run(
    program: list[str],
    limits: Limits,
    seconds: float,
    binds: Sequence[tuple[Path, bool]] = (),
    files: Path | None = None,
    **options: Any,
) -> subprocess.CompletedProcess:
    """Run one command inside; returns a subprocess.CompletedProcess that says in its output when it was stopped."""
    sandbox = Sandbox(limits, files, binds)
    try:
        with tempfile.TemporaryFile(dir=places.own()) as output:
            process = subprocess.Popen(
                sandbox.command(program, show_run=False),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **options,
            )
            sandbox.watch(process)
            deadline = time.monotonic() + seconds
            while process.poll() is None:
                if time.monotonic() > deadline or output.tell() > 16 << 20:
                    sandbox.kill("the time limit" if time.monotonic() > deadline else "too much output")
                    process.wait()
                    break
                time.sleep(0.02)
            output.seek(0)
            text = output.read(1 << 20).decode("utf-8", "replace")
        if sandbox.killed_because:
            text += f"\n[stopped: {sandbox.killed_because}]"
        return subprocess.CompletedProcess(program, process.returncode, text)
    finally:
        sandbox.close()
