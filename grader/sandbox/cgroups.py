"""A cgroup for each submission, where this machine gives one: its kernel then counts and limits all memory exactly.

Version 2 (https://docs.kernel.org/admin-guide/cgroup-v2.html) needs root or a delegated group, for example from
``systemd-run --user --scope -p Delegate=yes``; version 1 needs root. Everything counts: private and shared memory,
files in memory, and what the machine's kernel keeps for the processes.
"""

import contextlib
import functools
import itertools
import os
import time
from dataclasses import dataclass
from pathlib import Path

_NAMES = itertools.count(1)
_OWN = "edgekit-grader"  # a group for the grader itself: in version 2, only groups without processes have limited ones


@dataclass(frozen=True)
class Place:
    """Where groups can be made: one folder for both controllers (version 2), or one for each (version 1)."""

    memory: Path
    pids: Path

    @property
    def is_version_2(self) -> bool:
        """Whether one group has both controllers."""
        return self.memory == self.pids


class Group:
    """One submission's processes.

    Args:
        place: Where to make it.
        memory: The most bytes that they may use together.
        processes: The most processes and threads.

    Raises OSError where it cannot be made.
    """

    def __init__(self, place: Place, memory: int, processes: int) -> None:
        name = f"edgekit-{os.getpid()}-{next(_NAMES)}"
        self._folders = list(dict.fromkeys((place.memory / name, place.pids / name)))
        self._memory = self._folders[0]
        for folder in self._folders:
            folder.mkdir()
        try:
            if place.is_version_2:
                _write(self._memory / "memory.max", memory)
                _write(self._memory / "memory.swap.max", 0, optional=True)
                _write(self._memory / "memory.oom.group", 1, optional=True)
            else:
                _write(self._memory / "memory.limit_in_bytes", memory)
                _write(self._memory / "memory.memsw.limit_in_bytes", memory, optional=True)
            _write(self._folders[-1] / "pids.max", processes)
        except OSError:
            self.close()
            raise
        self._events = self._memory / ("memory.events" if place.is_version_2 else "memory.oom_control")

    @property
    def doors(self) -> list[Path]:
        """The files that a process id is written to, so that the process and its future children belong to it."""
        return [folder / "cgroup.procs" for folder in self._folders]

    def add(self, pid: int) -> None:
        """Let a process belong to it."""
        for door in self.doors:
            _write(door, pid)

    @property
    def is_over(self) -> bool:
        """Whether the machine's kernel had to end one of its processes, because all together used too much memory."""
        counts = dict(line.split() for line in self._events.read_text().splitlines())
        return int(counts.get("oom_kill", 0)) > 0

    def close(self) -> None:
        """Remove it; its processes must have been killed, and may take a moment to end."""
        deadline = time.monotonic() + 5
        for folder in self._folders:
            while folder.exists():
                try:
                    folder.rmdir()
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)


def joining(group: Group, command: list[str]) -> list[str]:
    """A command line that joins the group, and then becomes ``command``."""
    script = 'for door in {}; do echo $$ > "$door" || exit 125; done; exec "$@"'
    doors = " ".join(f"'{door}'" for door in group.doors)
    return ["/bin/sh", "-c", script.format(doors), "sh", *command]


@functools.cache
def place() -> Place | None:
    """Where this process can make groups; None where it cannot."""
    found = _version_2() or _version_1()
    if found is None:
        return None
    _remove_those_of_the_dead(found)
    try:
        Group(found, 1 << 30, 64).close()
    except OSError:
        return None
    return found


def _remove_those_of_the_dead(found: Place) -> None:
    """Groups stay when a grader is killed; their names have its process id."""
    for folder in {*found.memory.glob("edgekit-*-*"), *found.pids.glob("edgekit-*-*")}:
        pid = folder.name.split("-")[1]
        if pid.isdecimal() and not Path("/proc", pid).exists():
            with contextlib.suppress(OSError):
                folder.rmdir()


def _version_2() -> Place | None:
    folder = _folder_of("")
    if folder is None:
        return None
    if folder.name == _OWN:
        folder = folder.parent
    try:
        if not {"memory", "pids"} <= set((folder / "cgroup.controllers").read_text().split()):
            return None
        if not {"memory", "pids"} <= set((folder / "cgroup.subtree_control").read_text().split()):
            _share_out(folder)
    except OSError:
        return None
    return Place(folder, folder)


def _share_out(folder: Path) -> None:
    """Let groups below ``folder`` have limits; this process steps aside into one of them if it must."""
    control = folder / "cgroup.subtree_control"
    try:
        _write(control, "+memory +pids")
    except OSError:
        (folder / _OWN).mkdir(exist_ok=True)
        _write(folder / _OWN / "cgroup.procs", os.getpid())
        try:
            _write(control, "+memory +pids")
        except OSError:  # others are still in it
            _write(folder / "cgroup.procs", os.getpid())
            (folder / _OWN).rmdir()
            raise


def _version_1() -> Place | None:
    memory, pids = _folder_of("memory"), _folder_of("pids")
    return Place(memory, pids) if memory and pids else None


def _folder_of(controller: str) -> Path | None:
    """The folder of this process's own group: of a controller of version 1, or ('') of version 2."""
    try:
        own = next(
            path
            for _, controllers, path in (
                line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()
            )
            if controller in controllers.split(",")
        )
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    except (OSError, StopIteration):
        return None
    for line in mounts:
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split()[:3]
        if kind == ("cgroup" if controller else "cgroup2") and (not controller or controller in options.split(",")):
            inside = os.path.relpath(own, root) if own.startswith(root) else "."
            folder = Path(point, inside)  # in a container, the path may be that of the machine outside
            return folder if folder.is_dir() else Path(point)
    return None


def _write(file: Path, value: object, optional: bool = False) -> None:
    if optional and not file.exists():
        return
    file.write_text(str(value))
