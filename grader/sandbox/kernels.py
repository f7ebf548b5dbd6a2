"""Kernels that run one cell at a time, in the sandbox or beside it; whatever the cell does, they come back in time."""

import asyncio
import contextlib
import queue
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

import nbformat
import zmq
from jupyter_client import KernelManager
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner
from nbformat.notebooknode import NotebookNode

from grader.sandbox import places
from grader.sandbox.bubblewrap import Limits, Sandbox
from grader.sandbox.clients import connect, interrupt
from grader.sandbox.warm import WarmFailed

MAX_OUTPUT = 4 << 20  # characters of a cell's outputs that are kept
MAX_OUTPUTS = 32 << 20  # of all cells of a notebook
_HEED_SECONDS = 2  # for an interrupt
PROVISIONER = "edgekit-sandbox"
Answer = TypeVar("Answer")


class KernelDied(RuntimeError):
    """The kernel ended: by itself, by its limits, or by what ran in it. The message says which, as far as is known."""


@dataclass
class Result:
    """The outcome of one cell: ``status`` is ok, error, timeout or died."""

    status: str
    outputs: list[NotebookNode] = field(default_factory=list)
    expressions: dict = field(default_factory=dict)


class SandboxProvisioner(LocalProvisioner):
    """Launches a kernel in the sandbox that its kernel spec names; jupyter_client's way to start kernels elsewhere.

    Importing this module registers it, not the installed package: students install edgekit, not the grader.
    """

    sandbox: Sandbox | None = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start the kernel; returns how to connect to it."""
        self.sandbox = _SANDBOXES[self.kernel_spec.metadata["sandbox"]]
        kwargs.pop("env", None)  # the sandbox sets its own
        kwargs["cwd"] = "/"
        connection_file = Path(cmd[-1])
        connection_file.chmod(0o644)
        if self.sandbox.zygote is not None:
            try:
                self.process = self.sandbox.zygote.fork(self.sandbox, cmd)
            except WarmFailed as error:
                warnings.warn(f"{error}; this kernel starts without it", stacklevel=2)
            else:
                self.pid = self.process.pid
                self.sandbox.watch(self.process)
                return self.connection_info
        info = await super().launch_kernel(
            self.sandbox.command(cmd), env={"PATH": "/usr/local/bin:/usr/bin:/bin"}, **kwargs
        )
        self.sandbox.watch(self.process)
        return info

    async def kill(self, restart: bool = False) -> None:
        """End everything in the sandbox."""
        self.sandbox.kill()

    async def terminate(self, restart: bool = False) -> None:
        """End everything in the sandbox."""
        self.sandbox.kill()


_SANDBOXES: dict[str, Sandbox] = {}
KernelProvisionerFactory.instance().provisioners[PROVISIONER] = EntryPoint(
    PROVISIONER, f"{__name__}:SandboxProvisioner", KernelProvisionerFactory.GROUP_NAME
)


class Kernel:
    """A Python kernel that runs cells and always comes back, whatever the cell does.

    Args:
        limits: Cell and notebook time, and for a sandboxed kernel all the rest.
        sandbox: Where it runs; beside this process without one.
        folder: Its working folder, for a kernel without a sandbox.
        environment: Variables for a kernel without a sandbox.
    """

    def __init__(
        self,
        limits: Limits,
        sandbox: Sandbox | None = None,
        folder: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.limits = limits
        self.sandbox = sandbox
        self._deadline = time.monotonic() + limits.notebook_seconds
        self._died: str | None = None
        self._in_time = True
        self._outputs = 0  # characters of them that are kept so far
        self._own = None if sandbox else places.scratch()
        place = sandbox.run if sandbox else Path(self._own.name)
        self._manager = KernelManager(transport="ipc", ip=str(place / "k"), connection_file=str(place / "kernel.json"))
        argv = ["ipykernel", "-f", "{connection_file}"]
        metadata: dict[str, Any] = {}
        if sandbox:
            _SANDBOXES[sandbox.base.name] = sandbox
            metadata = {"kernel_provisioner": {"provisioner_name": PROVISIONER}, "sandbox": sandbox.base.name}
        else:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        argv[-2:-2] = ["--HistoryManager.enabled=False"]
        self._manager._kernel_spec = KernelSpec(
            argv=argv, display_name="grading", language="python", interrupt_mode="message", metadata=metadata
        )
        options: dict[str, Any] = {"cwd": str(folder)} if folder else {}
        if environment is not None:
            options["env"] = environment
        self._manager.start_kernel(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        self._client: BlockingKernelClient | None = None

    @property
    def connection(self) -> dict[str, Any]:
        """How another client connects to this kernel; from memory, as the student can write the file."""
        info: dict[str, Any] = dict(self._manager.get_connection_info())
        return info | {"key": info["key"].decode() if isinstance(info["key"], bytes) else info["key"]}

    def ready(self, seconds: float = 60) -> None:
        """Wait until the kernel answers and its outputs are heard; raises KernelDied when it does not come up."""
        if self._client is not None:
            return
        self._client = connect(self.connection)
        try:
            deadline = time.monotonic() + seconds
            pause = 0.03  # seconds, and longer each time
            collector = _Collector()
            # Asked again and again: what is published before the subscription has arrived is lost, so that without an
            # "idle" heard here that of the first cell may never be.
            while not collector.finished:
                if not self._alive() or time.monotonic() > deadline:
                    raise KernelDied(self._why_died("the kernel did not start"))
                collector.requests.add(self._client.kernel_info())
                again = time.monotonic() + pause
                pause = min(1, 2 * pause)
                while not collector.finished and (left := again - time.monotonic()) > 0:
                    self._pump(collector, min(left, 0.1))
            if self.sandbox:
                self.sandbox.seal()
        except KernelDied as error:
            self._died = str(error)
            raise

    @property
    def usable(self) -> bool:
        """Whether the kernel lives and did all it was asked to in time."""
        return self._died is None and self._in_time and self._alive()

    def renew(self, limits: Limits) -> None:
        """Begin with another notebook: its time starts now."""
        self.limits = limits
        self._deadline = time.monotonic() + limits.notebook_seconds
        self._outputs = 0

    @property
    def pid(self) -> int:
        """The process that lives as long as the kernel."""
        return self._process.pid

    @property
    def _process(self) -> Any:
        """The process that the provisioner started; None before it did."""
        return getattr(self._manager.provisioner, "process", None)

    def discard(self) -> None:
        """Throw away what the kernel says to nobody, so that it does not pile up here."""
        while self._client.iopub_channel.socket.poll(0):
            with contextlib.suppress(Exception):
                self._client.iopub_channel.socket.recv_multipart(zmq.NOBLOCK)

    def run(
        self,
        source: str,
        seconds: float | None = None,
        expressions: dict[str, str] | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Result:
        """Run one cell, for at most ``seconds`` (the limits' cell_seconds) and what is left of the notebook's time.

        ``expressions`` are evaluated after it (Result.expressions), ``meanwhile()`` is called while it runs.
        """
        if self._died:
            return Result("died", [error_output("KernelDied", self._died)])
        try:
            self.ready()
        except KernelDied as error:
            return Result("died", [error_output("KernelDied", str(error))])
        deadline = min(time.monotonic() + (seconds or self.limits.cell_seconds), self._deadline)
        request = self._client.execute(
            source, store_history=True, allow_stdin=False, stop_on_error=False, user_expressions=expressions or {}
        )
        collector = _Collector(request, most=min(MAX_OUTPUT, MAX_OUTPUTS - self._outputs))
        try:
            return self._collect(collector, deadline, meanwhile)
        finally:
            self._outputs += collector.size

    def _collect(self, collector: "_Collector", deadline: float, meanwhile: Callable[[], None] | None) -> Result:
        """The outcome of the cell whose outputs are collected."""
        while not collector.finished:
            if not self._alive():
                self._died = self._why_died("the notebook's kernel ended while this cell ran")
                return Result("died", [*collector.outputs, error_output("KernelDied", self._died)])
            if time.monotonic() > deadline:
                return self._time_out(collector)
            self._pump(collector, min(0.5, max(0.0, deadline - time.monotonic())))
            if meanwhile:
                meanwhile()
        return Result(collector.status, collector.outputs, collector.expressions)

    def _pump(self, collector: "_Collector", seconds: float) -> None:
        poller = zmq.Poller()
        channels = (self._client.iopub_channel, self._client.shell_channel)
        for channel in channels:
            poller.register(channel.socket, zmq.POLLIN)
        ready = dict(poller.poll(int(seconds * 1000)))
        for channel in channels:
            if channel.socket in ready:
                try:
                    collector.take(channel.get_msg(timeout=0), channel is channels[1])
                except queue.Empty:
                    continue
                except Exception:
                    collector.malformed += 1  # hostile bytes on the wire; the deadline ends a flood of them

    def _time_out(self, collector: "_Collector") -> Result:
        """Interrupt; a kernel that does not heed it is killed."""
        seconds = "its time" if time.monotonic() > self._deadline else f"{self.limits.cell_seconds:g} seconds"
        message = error_output("CellTimeout", f"this cell took longer than {seconds}, and was stopped")
        self._in_time = False
        interrupt(self._client)
        deadline = time.monotonic() + _HEED_SECONDS
        while not collector.finished and self._alive():
            if time.monotonic() > deadline:
                self._kill()
                self._died = "the kernel did not heed an interrupt after a cell ran out of time, and was stopped"
                break
            self._pump(collector, 0.1)
        return Result("timeout", [*collector.outputs, message])

    def _alive(self) -> bool:
        process = self._process
        return process is not None and process.poll() is None

    def _why_died(self, otherwise: str) -> str:
        reason = (self.sandbox.killed_because or self.sandbox.excess()) if self.sandbox else None
        return f"the kernel was stopped: it used {reason}" if reason else otherwise

    def _kill(self) -> None:
        if self.sandbox:
            self.sandbox.kill()
        else:
            self._process.kill()

    def close(self) -> None:
        """End the kernel and forget it; never fails."""
        with contextlib.suppress(Exception):
            self._kill()
            self._process.wait(5)
        with contextlib.suppress(Exception):
            if self._client is not None:
                self._client.stop_channels()
                self._client.context.destroy(linger=0)
        with contextlib.suppress(Exception):
            self._manager.cleanup_resources()
        if self.sandbox:
            _SANDBOXES.pop(self.sandbox.base.name, None)
            self.sandbox.close()
        if self._own:
            self._own.cleanup()


def error_output(name: str, message: str, lines: list[str] | None = None) -> NotebookNode:
    """An output that nbgrader and its reports count as a failure."""
    return nbformat.v4.new_output("error", ename=name, evalue=message, traceback=lines or [f"{name}: {message}"])


class _Collector:
    """Gathers the messages that belong to its requests, and no more of them than ``most`` characters."""

    def __init__(self, *requests: str, most: int = MAX_OUTPUT) -> None:
        self.requests = set(requests)
        self.size = 0  # characters of the outputs
        self._most = most
        self.outputs: list[NotebookNode] = []
        self.expressions: dict = {}
        self.status = "ok"
        self.malformed = 0
        self._replied = self._idle = False

    @property
    def finished(self) -> bool:
        return self._replied and self._idle

    def take(self, message: dict, is_reply: bool) -> None:
        if message["parent_header"].get("msg_id") not in self.requests:
            return
        kind, content = message["header"]["msg_type"], message["content"]
        if is_reply:
            self._replied = True
            self.status = "ok" if content.get("status") == "ok" else "error"
            self.expressions = content.get("user_expressions") or {}
        elif kind == "status":
            self._idle = self._idle or content.get("execution_state") == "idle"
        elif kind == "clear_output":
            self.outputs.clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            self._keep(message)

    def _keep(self, message: dict) -> None:
        if self.size > self._most:
            return
        self.size += len(str(message["content"])) if len(message["content"]) < 100 else MAX_OUTPUT + 1
        if self.size > self._most:
            self.size = self._most + 1
            self.outputs.append(
                nbformat.v4.new_output("stream", name="stdout", text="\n... output cut: too long ...\n")
            )
            return
        output = nbformat.v4.output_from_msg(message)
        nbformat.validate(output, ref="output", version=4)
        last = self.outputs[-1] if self.outputs else None
        if last and output.output_type == "stream" and last.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            self.outputs.append(output)


def in_new_loop(function: Callable[..., Answer], *arguments: Any) -> Answer:
    """Call ``function`` where jupyter_client's blocking calls work, an event loop running already or not."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*arguments)
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()
