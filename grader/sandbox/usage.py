"""Measures the memory of processes where no cgroup does, and so that nothing that they do makes it look smaller.

Private memory that is shared with other processes after a fork counts in parts, one for each of them (proportional set
size). Shared memory counts once and as a whole, resident or not: a program can take its pages out of its own view.
Files in memory, page tables and the buffers of sockets count, too.
"""

import contextlib
import functools
import mmap
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_SOCKET = 425_984  # bytes that a socket may hold: twice Linux's net.core.wmem_max
_SECONDS = 5  # for one measurement


class Unmeasurable(RuntimeError):
    """A measurement that took too long or was refused: no program may use more because of that."""


def memory(pids: Sequence[int], limit: int, folder: str) -> int:
    """The bytes that processes use together; more than ``limit`` counts only after a second, exact look.

    Args:
        pids: The processes, which may end at any time.
        limit: The bytes that they may use.
        folder: A folder in their file system whose files are in memory.

    Raises:
        Unmeasurable: It is not known how much they use.
    """
    deadline = time.monotonic() + _SECONDS
    private = tables = sockets = files = 0
    shared: dict[str, int] = {}
    for pid in pids:
        with _looking(deadline):
            status = _fields(Path(f"/proc/{pid}/status"))
            private += status.get("RssAnon", 0)
            tables += status.get("VmPTE", 0)
            _add_shared(pid, shared)
            sockets = sockets or _sockets(pid)
            files = files or _files(pid, folder)
    rest = tables + sum(shared.values()) + sockets * _SOCKET + files
    if private + rest <= limit:
        return private + rest
    private = 0
    for pid in pids:
        with _looking(deadline):
            private += _fields(Path(f"/proc/{pid}/smaps_rollup")).get("Pss_Anon", 0)
    return private + rest


@contextlib.contextmanager
def _looking(deadline: float) -> Iterator[None]:
    """Look at one process, which may end meanwhile; raises Unmeasurable where it is too late, or not allowed."""
    if time.monotonic() > deadline:
        raise Unmeasurable("its processes are too many or too large to be measured")
    try:
        yield
    except (FileNotFoundError, ProcessLookupError):
        pass  # it ended
    except OSError as error:
        raise Unmeasurable(f"one of its processes cannot be measured ({error.strerror})") from error


def _fields(file: Path) -> dict[str, int]:
    """The sizes in a file of /proc, in bytes."""
    words = (line.split() for line in file.read_text().splitlines())
    return {line[0].rstrip(":"): int(line[1]) << 10 for line in words if len(line) == 3 and line[2] == "kB"}


def _add_shared(pid: int, shared: dict[str, int]) -> None:
    """Add the memory that a process maps from no file and shares with others, by the number of its inode."""
    with open(f"/proc/{pid}/maps") as lines:
        for line in lines:
            addresses, _, offset, device, inode, *_ = line.split(maxsplit=5)
            if device == _anonymous_device():
                start, end = (int(address, 16) for address in addresses.split("-"))
                shared[inode] = max(shared.get(inode, 0), int(offset, 16) + end - start)


@functools.cache
def _anonymous_device() -> str:
    """The device that /proc/PID/maps gives for shared memory without a file."""
    with mmap.mmap(-1, mmap.PAGESIZE), open("/proc/self/maps") as lines:
        return next(line.split()[3] for line in lines if line.rstrip().endswith("/dev/zero (deleted)"))


def _sockets(pid: int) -> int:
    """How many sockets there are in the network namespace of a process."""
    with open(f"/proc/{pid}/net/sockstat") as lines:
        return next((int(line.split()[2]) for line in lines if line.startswith("sockets: used")), 0)


def _files(pid: int, folder: str) -> int:
    """The bytes of the files in memory; none while a process has not yet left the machine's own file system."""
    if os.path.samefile(f"/proc/{pid}/root", "/"):
        return 0
    status = os.statvfs(f"/proc/{pid}/root{folder}")
    return (status.f_blocks - status.f_bfree) * status.f_frsize
