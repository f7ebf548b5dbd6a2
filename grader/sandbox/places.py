"""A folder of its own for each process that grades; one that was killed leaves it to the next process to remove."""

import contextlib
import fcntl
import multiprocessing.util
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

VARIABLE = "EDGEKIT_GRADER_FOLDER"  # a process that is given a folder has none of its own
_PREFIX = "edgekit-of-"
_SHARED = Path("/tmp")  # not tempfile's own place: the path of a Unix socket is at most 107 characters
_LOCK = "lock"

_made: dict[int, Path] = {}  # by process id: a fork makes another
_one_at_a_time = threading.Lock()


def own() -> Path:
    """This process's folder; it is removed when the process ends, or is killed and another one asks for its own."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    with _one_at_a_time:
        process = os.getpid()
        if process not in _made:
            _remove_deserted()
            _made[process] = folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_SHARED))
            _lock(folder)
            # Not atexit, which some versions of Python do not heed in the processes of multiprocessing
            multiprocessing.util.Finalize(None, remove, (folder,), exitpriority=0)
        return _made[process]


def scratch() -> tempfile.TemporaryDirectory:
    """A folder for a with statement."""
    return tempfile.TemporaryDirectory(dir=own())


def new(place: Path | None = None) -> Path:
    """A folder, in ``place`` or in `own`, that stays until it is removed, or this process ends."""
    return Path(tempfile.mkdtemp(dir=place or own()))


def remove(folder: Path) -> None:
    """Remove a folder whatever a program has put there: folders without end, or without rights."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if folder.exists():
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _lock(folder: Path) -> None:
    """Hold the folder's lock until this process ends, however it ends; it has the name only once it is held."""
    handle = os.open(folder / "new", os.O_CREAT | os.O_RDWR, 0o600)
    with contextlib.suppress(OSError):  # a file system without locks: the folder of a killed process stays
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(folder / "new", folder / _LOCK)


def _remove_deserted() -> None:
    """Remove the folders of this user's processes that were killed."""
    for folder in _SHARED.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, in use, or gone
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            handle = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
            finally:
                os.close(handle)
