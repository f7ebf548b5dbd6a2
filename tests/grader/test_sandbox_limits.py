"""No program in the sandbox uses more memory, files or processes than its limits, and nothing of it is left."""

import os
import shutil
import sys
from pathlib import Path

import psutil
import pytest
from conftest import require

from grader.sandbox import bubblewrap, cgroups, warm
from grader.sandbox.kernels import Kernel

LIMITS = bubblewrap.Limits(cell_seconds=20, notebook_seconds=120, memory_mb=400, disk_mb=64, processes=64)

# Each would use about 1 GB, of 400 MB.
MEMORY = {
    "private": "x = [bytearray(b'x' * (16 << 20)) for _ in range(64)]",
    "private_of_many": """
import os, time
for _ in range(8):
    if os.fork() == 0:
        x = b'x' * (120 << 20)
        time.sleep(30)
time.sleep(20)
""",
    "shared": """
import mmap
x = mmap.mmap(-1, 1 << 30)
for i in range(0, 1 << 30, 1 << 20): x[i : i + (1 << 20)] = b'x' * (1 << 20)
""",
    "shared_out_of_view": """
import mmap
x = []
for _ in range(64):
    x.append(mmap.mmap(-1, 16 << 20))
    x[-1].write(b'x' * (16 << 20))
    x[-1].madvise(mmap.MADV_DONTNEED)
""",
    "shared_by_processes_that_ended": """
import mmap, os
x = []
for _ in range(64):
    x.append(mmap.mmap(-1, 16 << 20))
    if os.fork() == 0:
        x[-1].write(b'x' * (16 << 20))
        os._exit(0)
    os.wait()
""",
    "page_tables": """
import ctypes, mmap
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
start = libc.mmap(None, 1 << 39, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)
assert start not in (None, 2**64 - 1)
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.madvise(start, 1 << 39, 15)  # no huge pages
for i in range(0, 1 << 39, 2 << 20): ctypes.c_byte.from_address(start + i).value
""",
    "buffers_of_sockets": """
import os, socket, time
def fill():
    pairs = []
    while True:
        try: pairs.append(socket.socketpair())
        except OSError: break
        for s in pairs[-1]:
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            try:
                while True: s.send(b'x' * 60000)
            except OSError: pass
    time.sleep(30)
for _ in range(8):
    if os.fork() == 0: fill()
time.sleep(20)
""",
}

FILES = """
import itertools, os
n = 0
for folder in ('/tmp', '/dev/shm', os.getcwd(), os.path.expanduser('~')):
    try:
        for i in itertools.count():
            with open(f'{folder}/{i}', 'wb') as f: n += f.write(bytes(1 << 20))
    except OSError: pass
print(n >> 20)
"""
EMPTY_FILES = """
import itertools, os
n = 0
for folder in ('/tmp', '/dev/shm'):
    try:
        for n in itertools.count(n): os.close(os.open(f'{folder}/{n}', os.O_CREAT))
    except OSError: pass
print(n)
"""
OLD_STYLE = """
import ctypes
c = ctypes.CDLL(None)
print(c.semget(0, 10, 0o1600), c.shmget(0, 4096, 0o1600), c.msgget(0, 0o1600), c.mq_open(b'/q', 0o102, 0o600, None))
"""
LEAVINGS = """
import os
os.chdir(next(base for base, _, names in os.walk('/tmp') if 'kernel.json' in names))
made = 0
try:
    for made in range(3000):
        os.mkdir('d')
        os.chdir('d')
except OSError: pass
print(made)
"""


@pytest.fixture(params=["warm, in a cgroup", "from nothing, with a watchdog"])
def kernel(request, monkeypatch, tmp_path):
    """On a machine that gives no cgroup, the watchdog counts both times."""
    require("bwrap", "apt install bubblewrap")
    if "watchdog" in request.param:
        monkeypatch.setattr(cgroups, "place", lambda: None)
    tmp_path.chmod(0o755)
    zygote = warm.Zygote([]) if "warm" in request.param else None
    made = Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path) if zygote else bubblewrap.Sandbox(LIMITS, tmp_path))
    yield made
    made.close()
    assert not made.sandbox.base.exists()
    assert not made.sandbox.group or not any(door.exists() for door in made.sandbox.group.doors)
    if zygote:
        zygote.close()
        assert not zygote.pool.exists()


def text(result):
    return "".join(o.text if o.output_type == "stream" else f"{o.ename}: {o.evalue}" for o in result.outputs)


@pytest.mark.parametrize("name", MEMORY)
def test_limit_of_memory_holds_whatever_is_tried(kernel, name):
    kernel.run("1")
    said = kernel.run(MEMORY[name])
    after = kernel.run("import time; time.sleep(3)")  # the watchdog looks ten times a second
    assert said.status != "ok", text(said)
    stopped = "more than 400 MB of memory" in text(said)
    refused = any(word in text(said) for word in ("MemoryError", "Cannot allocate memory", "out of memory"))
    assert stopped or refused, text(said)
    assert refused or after.status == "died"


def test_limit_of_files_is_one_for_all_folders(kernel):
    assert 40 <= int(text(kernel.run(FILES))) <= 64


def test_limit_of_empty_files(kernel):
    assert 1000 <= int(text(kernel.run(EMPTY_FILES))) <= 64 * 256


def test_memory_that_no_process_owns_is_refused(kernel):
    assert text(kernel.run(OLD_STYLE)).split() == ["-1"] * 4


def test_nothing_is_left_of_what_was_put_beside_the_sockets(kernel):
    kernel.run(LEAVINGS)
    kernel.run("open('big', 'wb').write(bytes(50 << 20))")  # the fixture looks at what is left


def test_a_pool_of_processes_is_no_excess(kernel):
    code = "from multiprocessing import Pool\nwith Pool(12) as p: print(sum(p.map(abs, range(-50, 50), 1)))"
    assert text(kernel.run(code)) == "2500\n"


def test_processes_that_cannot_be_measured_are_stopped(monkeypatch, tmp_path):
    require("bwrap", "apt install bubblewrap")

    def fail(*_):
        raise PermissionError("no")

    tmp_path.chmod(0o755)
    sandbox = bubblewrap.Sandbox(LIMITS, tmp_path)
    made = Kernel(LIMITS, sandbox)
    try:
        assert made.run("1").status == "ok"
        monkeypatch.setattr(sandbox, "_excess", fail)
        sandbox._process.wait(10)
        assert "more than can be measured" in text(made.run("1"))
    finally:
        made.close()


def test_a_place_for_groups_is_found_as_the_machine_says(tmp_path, monkeypatch):
    """Version 2 with a delegated group, as on most machines today: only the files' names and contents are real."""
    own = tmp_path / "user.slice" / "grading.scope"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text("cpu memory pids\n")
    (own / "cgroup.subtree_control").write_text("")
    monkeypatch.setattr(cgroups, "_folder_of", lambda controller: own if controller == "" else None)
    found = cgroups._version_2()
    assert found == cgroups.Place(own, own)
    assert found.is_version_2
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    group = cgroups.Group(found, 400 << 20, 64)
    (made,) = [path for path in own.iterdir() if path.is_dir()]
    assert (made / "memory.max").read_text() == str(400 << 20)
    assert (made / "pids.max").read_text() == "64"
    for events, over in (("low 0\noom 1\noom_kill 0\n", False), ("oom 2\noom_kill 1\n", True)):
        (made / "memory.events").write_text(events)
        assert group.is_over == over


@pytest.mark.parametrize("warm_or_cold", ["cold", "warm"])
def test_what_is_the_instructors_is_hidden_where_it_lies_below_a_shown_folder(
    monkeypatch, tmp_path, warm_or_cold, request
):
    """As nbgrader's exchange does by default, below /usr; here, below the Python environment."""
    require("bwrap", "apt install bubblewrap")
    tmp_path.chmod(0o755)
    exchange = Path(sys.prefix) / "share" / f"exchange-{os.getpid()}"
    exchange.mkdir(parents=True)
    request.addfinalizer(lambda: shutil.rmtree(exchange))
    (exchange / "secret.txt").write_text("the others' work")
    look = f"import os; print(os.path.exists({str(exchange / 'secret.txt')!r}), os.listdir({str(exchange)!r}))"
    seen = []
    for hidden in (set(), {exchange}):
        monkeypatch.setattr(bubblewrap, "_hidden", hidden)
        zygote = warm.Zygote([]) if warm_or_cold == "warm" else None
        made = Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path) if zygote else bubblewrap.Sandbox(LIMITS, tmp_path))
        seen.append(text(made.run(look)))
        write = made.run(f"open({str(exchange / 'new')!r}, 'w')")
        assert write.status == "error"
        made.close()
        if zygote:
            zygote.close()
    assert seen == ["True ['secret.txt']\n", "False []\n"]


def test_the_checkout_is_hidden_where_it_lies_below_a_shown_folder_but_not_what_python_needs(monkeypatch):
    place = Path(sys.prefix)
    monkeypatch.setattr(bubblewrap, "_hidden", {place})
    arguments = " ".join(bubblewrap._system())
    needed = [folder for folder in bubblewrap._needed() if folder != place and folder.is_relative_to(place)]
    assert f"--tmpfs {place} " in arguments
    for folder in needed:
        assert arguments.index(f"--tmpfs {place} ") < arguments.rindex(f"--ro-bind {folder} ")


def test_what_a_kernel_says_where_nobody_listens_does_not_pile_up_here(kernel):
    """And a kernel that says much, honestly, loses nothing of it."""
    flood = """
import threading
kernel = get_ipython().kernel
def flood():
    while True:
        for socket in (kernel.control_socket, kernel.shell_socket, kernel.stdin_socket):
            for name in list(identities):
                try: socket.send_multipart([name, b'x' * (8 << 20)])
                except Exception: pass
identities = {get_ipython().kernel.get_parent('shell').get('header', {}).get('session', '').encode()}
identities |= {get_ipython().kernel._parent_ident['shell'][0]}
threading.Thread(target=flood, daemon=True).start()
"""
    before = psutil.Process().memory_info().rss
    kernel.run(flood)
    kernel.run("import time; time.sleep(3)")
    assert psutil.Process().memory_info().rss - before < 300 << 20


def test_outputs_of_all_cells_together_are_limited(kernel):
    kept = sum(len(text(kernel.run("print('x' * (3 << 20))"))) for _ in range(14))
    assert 20 << 20 < kept < 34 << 20


def test_many_quick_outputs_are_all_kept(kernel):
    assert len(kernel.run("for i in range(3000): display(i)").outputs) == 3000
