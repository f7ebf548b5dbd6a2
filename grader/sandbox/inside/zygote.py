"""A process in a sandbox that has imported what a lesson needs, and forks a kernel for each student.

Usage: ``python -I zygote.py SETTINGS``; standard input is a Unix socket. For each submission comes a line of JSON and a
descriptor: the other end of a line on which the fork reports each step, so that the grader learns its process id.

Only trusted code runs here before the fork. The fork then takes leave of everything that the others share: new
namespaces for processes, mounts, network, IPC and host name, fresh file systems in memory over every writable folder,
which hide the others' folders too, a user id of its own where there is one to give, no capabilities, the limits and the
system call filter. It looks at itself from within before it becomes the kernel, and ends if any of that is not so.
"""

import contextlib
import fcntl
import gc
import json
import os
import select
import signal
import socket
import struct
import sys

_CLONE = 0x00020000 | 0x20000000 | 0x08000000 | 0x40000000 | 0x04000000  # NEWNS, NEWPID, NEWIPC, NEWNET, NEWUTS
_PR_SET_PDEATHSIG = 1
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def main() -> None:
    """Import, then fork a kernel for each request until the grader hangs up."""
    settings = json.loads(sys.argv[1])
    sys.path.append(os.path.dirname(os.path.abspath(__file__)))
    _warm_up(settings["imports"])
    line = socket.socket(fileno=os.dup(0))
    _empty_input()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # forks that ended are gone at once
    gc.collect()
    gc.freeze()  # what all forks share is not touched, and so not copied, by their garbage collectors
    threads = len(os.listdir("/proc/self/task"))
    while True:
        request, descriptors, _, _ = socket.recv_fds(line, 1 << 16, 1)
        if not request:
            return
        if threads > 1:  # a fork has one thread, and whatever the others held is held for ever
            socket.socket(fileno=descriptors.pop()).sendall(f"it has {threads} threads\n".encode())
        elif os.fork() == 0:
            line.close()
            try:
                _keep(json.loads(request), descriptors[0])
            finally:
                os._exit(1)
        for descriptor in descriptors:
            os.close(descriptor)


def _warm_up(imports):
    """Import what the lesson imports; what fails here fails again, and is told, where the student can see it."""
    import ipykernel.kernelapp  # noqa: F401

    for statement in imports:
        try:
            exec(statement, {})
        except Exception:
            continue


def _empty_input():
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _keep(request, descriptor):
    """Stay outside the new namespaces, and end when the kernel in them ends or the grader hangs up."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _die_with_parent()
    line = socket.socket(fileno=descriptor)
    import mounts

    try:
        mounts.call(mounts.LIBC.unshare(_CLONE), "unshare")
        line.sendall(b"keeper\n")
        if not line.recv(1):  # the grader counts this process, and so its children, as the submission's from now on
            os._exit(1)
        kernel = os.fork()
    except OSError as error:
        line.sendall(f"{error}\n".encode())
        os._exit(1)
    if kernel == 0:
        _live(request, line)
    handle = os.pidfd_open(kernel)
    if handle not in select.select([handle, line.fileno()], [], [])[0]:
        if request["uid"] is not None:
            os.setuid(request["uid"])  # root without capabilities may not kill what has another user id
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    os._exit(0)


def _live(request, line):
    """As process 1 of the new namespace: start the kernel, reap child processes, and end all with the kernel."""
    try:
        _enter(request, {0, 1, 2, line.fileno()})
        kernel = os.fork()
        if kernel:
            line.sendall(b"ready\n")
        line.close()
    except BaseException as error:
        line.sendall(f"{type(error).__name__}: {error}\n".encode())
        os._exit(1)
    if kernel == 0:
        try:
            _become_kernel(request["program"])
        finally:
            os._exit(0)
    while os.wait()[0] != kernel:
        pass
    os._exit(0)


def _enter(request, kept):
    """Into the sandbox of one submission; every step raises when it fails."""
    import launch
    import mounts

    os.setsid()
    mounts.mount(None, "/", None, mounts.PRIVATE_AND_BELOW)
    files = os.open(request["submitted"], os.O_PATH | os.O_DIRECTORY)
    mounts.mount("proc", "/proc", "proc", mounts.NOSUID | mounts.NODEV | mounts.NOEXEC)
    mounts.bind(files, request["files"], read_only=True)
    mounts.private_folders(request)
    _loopback_up()
    _close_all_but(kept)
    launch.enter(request)
    _die_with_parent()  # not earlier: a change of the user id makes the machine's kernel forget it
    _look_around(request)


def _loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _close_all_but(kept):
    for number in map(int, os.listdir("/proc/self/fd")):
        if number not in kept:
            with contextlib.suppress(OSError):  # the one that listed them is closed already
                os.close(number)


def _die_with_parent():
    import mounts

    mounts.call(mounts.LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def _look_around(request):
    """End unless all that should keep this process in does."""
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file if ":\t" in line)
    right = {
        "no capabilities": all(int(status[f"Cap{kind}"], 16) == 0 for kind in ("Inh", "Prm", "Eff", "Amb")),
        "no new privileges": status["NoNewPrivs"].strip() == "1",
        "the system call filter": status["Seccomp"].strip() == "2",
        "a user id of its own": request["uid"] is None or set(status["Uid"].split()) == {str(request["uid"])},
        "a process namespace of its own": os.getpid() == 1,
        "nobody else's folders": not os.path.exists(request["pool"] + "/secret"),
    }
    missing = [name for name, is_so in right.items() if not is_so]
    if missing:
        raise RuntimeError(f"the sandbox lacks {', '.join(missing)}")


def _become_kernel(program):
    import random

    random.seed()
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    import launch

    launch.become_kernel(program[1:])


if __name__ == "__main__":
    main()
