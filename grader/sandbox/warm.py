"""Starts kernels that need not import TensorFlow: each is a fork of one that has, in a sandbox of its own.

`grader/sandbox/inside/zygote.py` is the other half. A fork shares only the memory of the libraries with the others.
Without a zygote, or where it fails, every kernel starts from nothing, as in plain `nbgrader autograde`. All workers of
a machine share one zygote, and one end of the line to it; each fork answers on a line of its own.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from grader.lesson.test_names import package
from grader.sandbox import bubblewrap, cgroups, places
from grader.sandbox.bubblewrap import Limits, Sandbox

# Kernels and edgekit import these where they first need them; without this, every fork would do that again.
_WITH_KERNELS = (
    *("import ipykernel.debugger", "import IPython.core.completerlib", "import IPython.core.magics.extension"),
    *("import IPython.extensions.storemagic", "import tornado.platform.asyncio", "import tornado.queues"),
)
_WITH_EDGEKIT = (
    *("import matplotlib.pyplot", "import keras", "import jinja2", "import tqdm.auto", "import numpy.random"),
    *("import threadpoolctl", "import PIL.JpegImagePlugin", "import multiprocessing.synchronize"),
    "import ai_edge_litert.schema_py_generated",
    *("import edgekit.datasets.cars", "import edgekit.notebook.magics", "import edgekit.notebook.quiet"),
)
_START_SECONDS = 180  # for all imports, on a machine with much else to do; a fork has to wait for them


class WarmFailed(RuntimeError):
    """There is no zygote, or it could not fork; the message says why. Kernels can be started without."""


class Zygote:
    """The process that has imported everything, in a sandbox that lacks only what its forks do for themselves.

    It can be handed to a process that multiprocessing starts, which can then start kernels, too.

    Args:
        imports: Import statements of the instructor's.
    """

    is_gone = False  # it did not answer
    is_shared = False  # another process started it

    def __init__(self, imports: Iterable[str]) -> None:
        bubblewrap.check()
        self.imports = frozenset(imports)
        self.pool = places.new()  # every fork's folder, hidden from the others
        self.pool.chmod(0o755)
        (self.pool / "secret").touch()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = json.dumps({"imports": _all_imports(sorted(self.imports))})
        with theirs:
            self._process: subprocess.Popen | None = subprocess.Popen(
                [
                    *bubblewrap.zygote_command(self.pool),
                    sys.executable,
                    "-I",
                    f"{bubblewrap.GRADING}/zygote.py",
                    settings,
                ],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def __getstate__(self) -> dict:
        return vars(self) | {"_process": None, "is_shared": True}  # whoever started it ends it

    def sandbox(self, limits: Limits, files: Path) -> Sandbox:
        """A sandbox for one submission, whose files are copied to where the zygote sees them."""
        box = Sandbox(limits, files, place=self.pool)
        box.zygote = self
        shutil.copytree(files, box.base / "files")
        return box

    def fork(self, box: Sandbox, program: list[str]) -> "Fork":
        """Start a kernel; raises WarmFailed."""
        request = box.settings | {
            "submitted": str(box.base / "files"),
            "pool": str(self.pool),
            "program": program,
        }
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with theirs:
            try:
                socket.send_fds(self._line, [json.dumps(request).encode()], [theirs.fileno()])
            except OSError as error:
                self.is_gone = True
                raise WarmFailed(f"the warm kernel is gone ({error})") from error
        return Fork(ours, box.group)

    def close(self) -> None:
        """End it and its forks, and forget their folders; in a process that it was handed to, only hang up."""
        self._line.close()
        if self._process is not None:
            with contextlib.suppress(Exception):
                self._process.kill()
                self._process.wait(5)
            places.remove(self.pool)


def _all_imports(imports: list[str]) -> list[str]:
    """A lesson's import statements, and what they import later: a lesson without edgekit needs no TensorFlow."""
    needs_edgekit = any(package(statement) == "edgekit" for statement in imports)
    return [*_WITH_KERNELS, *(_WITH_EDGEKIT if needs_edgekit else ()), *imports]


class Fork:
    """A fork, as jupyter_client wants a process to be (subprocess.Popen); it is nobody's child here.

    ``pid`` is of the process that waits outside the fork's namespaces and ends with it.
    """

    stdin = stdout = stderr = None

    def __init__(self, line: socket.socket, group: cgroups.Group | None) -> None:
        self.returncode: int | None = None
        self._line = line
        said, self.pid = self._hear()
        if said != "keeper":
            self.kill()
            raise WarmFailed(f"the warm kernel could not fork: {said}")
        if group is not None:
            group.add(self.pid)
        self._line.sendall(b"g")
        self._handle = os.pidfd_open(self.pid)
        said, _ = self._hear()
        if said != "ready":
            self.kill()
            raise WarmFailed(f"a fork of the warm kernel could not enter its sandbox: {said}")

    def _hear(self) -> tuple[str, int]:
        """A line that the fork said, and the process id of who said it, as the machine's kernel tells it."""
        self._line.settimeout(_START_SECONDS)
        text, sender = b"", 0
        try:
            while not text.endswith(b"\n"):
                data, about, _, _ = self._line.recvmsg(1, socket.CMSG_SPACE(12))
                if not data:
                    return text.decode(errors="replace") or "it ended without an answer", sender
                text += data
                for level, kind, value in about:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                        sender = struct.unpack("3i", value[:12])[0]
        except OSError as error:
            return str(error), sender
        return text.decode(errors="replace").strip(), sender

    def poll(self) -> int | None:
        """None while it lives."""
        if self.returncode is None and select.select([self._handle], [], [], 0)[0]:
            self.returncode = 0
            os.close(self._handle)
            self._line.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Until it ends."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.poll() is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a fork of the warm kernel", timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """To the process that waits; what runs inside ends with it."""
        if self.returncode is None and self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    terminate = kill
