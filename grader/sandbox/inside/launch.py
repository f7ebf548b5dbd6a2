"""The first program in the sandbox: set the limits, give up the last privileges, become the kernel or the command.

Usage: ``python -I launch.py SETTINGS PROGRAM ARGUMENT...``; SETTINGS is JSON, PROGRAM ``ipykernel`` runs right here.
"""

import functools
import json
import os
import resource
import shutil
import sys


def main() -> None:
    """Become the program named on the command line, with everything given up that it must not have."""
    settings, command = json.loads(sys.argv[1]), sys.argv[2:]
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    import mounts

    # A namespace of its own: bubblewrap's may belong to a user namespace in which this process has no rights
    mounts.call(mounts.LIBC.unshare(mounts.NEW_NAMESPACE), "unshare")
    mounts.mount(None, "/", None, mounts.PRIVATE_AND_BELOW)
    mounts.private_folders(settings)
    enter(settings)
    if command[0] != "ipykernel":
        os.execvp(command[0], command)
    become_kernel(command[1:])


def become_kernel(arguments: list[str]) -> None:
    """Be the Python kernel until it ends."""
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    class Kernel(IPKernelApp):
        """A kernel that loses no output, however fast they come: what waits to be sent counts as its own memory."""

        def init_iopub(self, context: zmq.Context) -> None:
            context.setsockopt(zmq.SNDHWM, 0)
            super().init_iopub(context)

        def init_io(self) -> None:
            """Wait for the thread that sends outputs only where there are any: ipykernel waits 5 times a message."""
            super().init_io()
            for stream in (sys.stdout, sys.stderr):
                stream.flush = functools.partial(_flush, stream, stream.flush)  # type: ignore[method-assign]

    sys.argv = ["ipykernel_launcher", *arguments]
    Kernel.launch_instance()


def _flush(stream, flush):
    if stream._flush_pending or stream._subprocess_flush_pending:
        flush()


def enter(settings: dict) -> None:
    """Give up everything, and go into the working folder; modules in it can be imported, after all others."""
    import mounts
    import seccomp

    _give_up_rights(settings)
    mounts.drop_capabilities()
    _take_files(settings)
    os.chdir(settings["folder"])
    sys.path.append(settings["folder"])
    seccomp.restrict()


def _give_up_rights(settings):
    """Become a user that nobody is, where there is one to become, and set the limits."""
    if settings["uid"] is not None:
        os.setgroups([])
        os.setresgid(settings["uid"], settings["uid"], settings["uid"])
        os.setresuid(settings["uid"], settings["uid"], settings["uid"])
    os.umask(0o077)
    for name, value in settings["limits"].items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def _take_files(settings):
    """Copy what was handed in into the working folder."""
    if settings["files"]:
        for entry in os.scandir(settings["files"]):
            copy = shutil.copytree if entry.is_dir() else shutil.copyfile
            copy(entry.path, os.path.join(settings["folder"], entry.name))


if __name__ == "__main__":
    main()
