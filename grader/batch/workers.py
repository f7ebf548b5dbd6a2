"""Runs the notebooks of a class in processes of this machine or of a Dask cluster, through an Executor."""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.connection
import multiprocessing.util
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from grader.batch import parcels
from grader.for_tests.cpp import OBJECTS
from grader.grading import run
from grader.sandbox import bubblewrap, cgroups, places, warm


class ClusterUnusable(RuntimeError):
    """The cluster cannot grade; the message says what is wrong with it and what to do."""


class Workers(Protocol):
    """Somebody who runs functions elsewhere."""

    @property
    def slots(self) -> int:
        """How many calls run at the same time."""

    def executor(
        self, unsafe: bool, imports: Iterable[str]
    ) -> contextlib.AbstractContextManager[concurrent.futures.Executor]:
        """Start; raises SandboxMissing where student code cannot run in a sandbox, unless ``unsafe``.

        ``imports`` are the import statements of the lesson.
        """

    def alone(self) -> "Workers":
        """The same, for one call at a time."""


class LocalWorkers:
    """Processes of this machine.

    Args:
        jobs: How many processes; None means one for each core that this process may use, and one more, since a
            submission waits for a part of its time.
    """

    def __init__(self, jobs: int | None = None) -> None:
        self.slots = jobs or _cores() + 1

    def alone(self) -> "LocalWorkers":
        """One process."""
        return LocalWorkers(1)

    @contextlib.contextmanager
    def executor(self, unsafe: bool, imports: Iterable[str]) -> Iterator[concurrent.futures.Executor]:
        """A pool of processes that end with this one; they share one warm kernel."""
        context = multiprocessing.get_context("forkserver")  # their modules are imported once
        context.set_forkserver_preload(["grader.batch.whole_class"])
        with contextlib.ExitStack() as at_end:
            zygote = None
            if not unsafe:
                cgroups.place()  # now, since in version 2 a process can make way for groups only while it is alone
                zygote = at_end.enter_context(contextlib.closing(warm.Zygote(imports)))
            objects = places.new()
            at_end.callback(places.remove, objects)
            shared = (str(objects), zygote)
            pool = concurrent.futures.ProcessPoolExecutor(self.slots, context, _start_worker, shared)
            at_end.callback(pool.shutdown, cancel_futures=True)
            yield pool


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker(objects: str, zygote: warm.Zygote | None) -> None:
    os.environ[OBJECTS] = objects
    if zygote is not None:
        run.use_zygote(zygote)
    multiprocessing.util.Finalize(None, run.close_kernels, exitpriority=1)  # before its folder is removed
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who writes the marks
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A pool's worker waits for ever for a parent that was killed; nobody would end it, nor the kernels it keeps."""
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)


class ClusterWorkers:
    """The workers of a Dask scheduler.

    Args:
        address: The scheduler's, as it prints it: ``tcp://HOST:8786``.
    """

    def __init__(self, address: str, seconds: float = 30) -> None:
        self.address = address
        self._seconds = seconds
        self._client: Any = None  # a distributed.Client, once started

    @property
    def slots(self) -> int:
        """How many workers there are now; more may join at any time."""
        return max(1, len(self._client.nthreads()))

    def alone(self) -> "ClusterWorkers":
        """The same: the scheduler itself tries a call again elsewhere when it loses the worker."""
        return self

    @contextlib.contextmanager
    def executor(self, unsafe: bool, imports: Iterable[str]) -> Iterator[concurrent.futures.Executor]:
        """The cluster as an Executor; raises ClusterUnusable where it cannot be reached or cannot grade."""
        try:
            from distributed import Client
        except ImportError as error:
            raise ClusterUnusable(
                "Grading on a cluster needs Dask: pip install -c requirements-test.lock distributed"
            ) from error
        try:
            client = Client(self.address, timeout=self._seconds, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterUnusable(
                f"No Dask scheduler answers at {self.address}; start one with `python -m dask scheduler`, "
                "which prints its address."
            ) from error
        with client:
            self._client = client
            self._check(unsafe)
            yield client.get_executor(pure=False)

    def _check(self, unsafe: bool) -> None:
        """Ask every worker whether it can grade: one that cannot would fail students faster than others grade them."""
        join = f"On each machine, in the checkout: python -m dask worker {self.address} --nthreads 1"
        try:
            self._client.wait_for_workers(1, timeout=self._seconds)
        except TimeoutError as error:
            raise ClusterUnusable(f"The scheduler at {self.address} has no workers. {join}") from error
        answers = self._client.run(worker_problem, parcels.version(), unsafe, on_error="return")
        problems = [f"{worker}: {answer}" for worker, answer in answers.items() if answer]
        if problems:
            raise ClusterUnusable("\n".join(["These workers cannot grade:", *problems, join]))


def worker_problem(version: str, unsafe: bool) -> str:
    """On a worker: why it cannot grade for a grader whose code has this digest, in one sentence; or nothing."""
    if parcels.version() != version:
        return "its checkout has other code; update it and start the worker again"
    if not unsafe:
        try:
            bubblewrap.check()
        except bubblewrap.SandboxMissing as error:
            return str(error)
    return ""
