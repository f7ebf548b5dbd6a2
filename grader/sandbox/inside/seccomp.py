"""Refuses system calls: new namespaces and mounts, other processes' memory, and memory that no limit counts.

A student's process could otherwise make a namespace of its own, mount file systems there and fill the machine's memory
with what no limit sees. The filter is seccomp's BPF, see seccomp(2); it needs no library.
"""

import ctypes
import platform
import struct

_PR_SET_SECCOMP, _FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, both machines being little-endian
_NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW... flag of clone(2)

_MACHINES = {"x86_64": 0, "aarch64": 1}  # columns of the numbers below
_DENIED = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "shmget": (29, 194),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}
_UNKNOWN = {  # programs try these and have another way when a kernel does not know them
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "clone3": (435, 435),  # its flags lie where a filter cannot see them
}
_CLONE = (56, 220)
_AUDIT = (0xC000003E, 0xC00000B7)


def restrict() -> None:
    """Give up these system calls for this process and all it will start; on machines not listed here, do nothing."""
    if platform.machine() not in _MACHINES:
        return
    program = _program(_MACHINES[platform.machine()])
    buffer = ctypes.create_string_buffer(program)

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))

    libc = ctypes.CDLL(None, use_errno=True)
    header = Program(len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(header), 0, 0):
        raise OSError(ctypes.get_errno(), "the system call filter was refused")


def _program(machine):
    denied, unknown = _ERRNO | _EPERM, _ERRNO | _ENOSYS
    steps = [(_LOAD, 0, 0, _ARCHITECTURE), (_JUMP_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, denied)]
    steps += [(_LOAD, 0, 0, _NUMBER), (_JUMP_GREATER, 0, 1, 0x40000000), (_RETURN, 0, 0, denied)]  # x32 calls
    for numbers in _DENIED.values():
        steps += [(_JUMP_EQUAL, 0, 1, numbers[machine]), (_RETURN, 0, 0, denied)]
    for numbers in _UNKNOWN.values():
        steps += [(_JUMP_EQUAL, 0, 1, numbers[machine]), (_RETURN, 0, 0, unknown)]
    steps += [(_JUMP_EQUAL, 0, 3, _CLONE[machine]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    steps += [(_JUMP_BITS, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, denied), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
