"""Gives a sandbox its writable folders, all in one file system in memory, so that one limit holds for all of them."""

import ctypes
import os
import struct

NOSUID, NODEV, NOEXEC = 2, 4, 8  # flags of mount(2)
PRIVATE_AND_BELOW = 1 << 18 | 16384
NEW_NAMESPACE = 0x00020000  # for unshare(2): of mounts
_READ_ONLY, _REMOUNT, _BIND = 1, 32, 4096
_INODES_PER_MB = 256  # a file takes about a kilobyte of the machine's memory, even when it is empty
_CAPSET = {"x86_64": 126, "aarch64": 91}
_NO_NEW_PRIVS, _AMBIENT, _CLEAR_ALL = 38, 47, 4  # for prctl(2)

LIBC = ctypes.CDLL(None, use_errno=True)


def private_folders(settings: dict) -> None:
    """Put an empty folder over each of ``settings["fresh"]``, and what lies below one of them back in its place."""
    below = {path: os.open(path, os.O_PATH) for path in settings["below"]}
    store, size = settings["store"], settings["disk"]
    inodes = max(size >> 20, 16) * _INODES_PER_MB
    mount("tmpfs", store, "tmpfs", NOSUID | NODEV, f"size={size},nr_inodes={inodes},mode=0755")
    os.umask(0)
    for number, folder in enumerate(settings["fresh"]):
        part = f"{store}/{number}"
        os.mkdir(part, 0o777)
        mount(part, folder, None, _BIND)
    for path, number in below.items():
        if os.path.isdir(f"/proc/self/fd/{number}"):
            os.makedirs(path, mode=0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            os.close(os.open(path, os.O_CREAT, 0o644))
        bind(number, path)
        os.close(number)
    os.makedirs(settings["folder"], mode=0o777, exist_ok=True)


def bind(number: int, target: str, read_only: bool = False) -> None:
    """Show an open folder or file at ``target``, with the rights that it has where it comes from, or fewer."""
    mount(f"/proc/self/fd/{number}", target, None, _BIND)
    if read_only:
        mount(None, target, None, _REMOUNT | _BIND | NOSUID | NODEV | _READ_ONLY)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2); raises OSError."""
    texts = [text and text.encode() for text in (source, target, kind)]
    call(LIBC.mount(*texts, ctypes.c_ulong(flags), data and data.encode()), f"mount on {target}")


def drop_capabilities() -> None:
    """Give up every right of root, for ever; raises OSError."""
    call(LIBC.prctl(_AMBIENT, _CLEAR_ALL, 0, 0, 0), "prctl")
    header, nothing = struct.pack("Ii", 0x20080522, 0), bytes(24)  # capset(2), version 3
    call(LIBC.syscall(_CAPSET[os.uname().machine], header, nothing), "capset")
    call(LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def call(result: int, name: str) -> None:
    """Raise OSError where a function of the C library has failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
