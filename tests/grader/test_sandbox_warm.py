"""Forks of a warm kernel have its imported modules, and cannot see each other's data."""

import concurrent.futures
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import require

pytest.importorskip("nbgrader")

from grader.sandbox import bubblewrap, places, warm
from grader.sandbox.kernels import Kernel

LIMITS = bubblewrap.Limits(cell_seconds=60, notebook_seconds=120, memory_mb=1024, disk_mb=64)


@pytest.fixture(scope="module")
def zygote():
    require("bwrap", "apt install bubblewrap")
    zygote = warm.Zygote(["from edgekit import models", "import a_module_that_is_not_there"])
    yield zygote
    zygote.close()
    assert not zygote.pool.exists()


@pytest.fixture
def kernel(zygote, tmp_path):
    (tmp_path / "handed_in.txt").write_text("mine")
    tmp_path.chmod(0o755)
    made = []

    def start():
        made.append(Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path)))
        made[-1].ready()
        return made[-1]

    yield start
    for one in made:
        one.close()


def said(kernel, source):
    result = kernel.run(source)
    assert result.status == "ok", result.outputs
    return "".join(output.text for output in result.outputs)


def test_a_fork_has_the_modules_and_its_files(kernel):
    one = kernel()
    assert said(one, "import sys; print('numpy' in sys.modules, 'keras' in sys.modules)") == "True True\n"
    assert said(one, "print(open('handed_in.txt').read())") == "mine\n"
    assert said(one, "import tensorflow as tf; print(float(tf.linalg.matmul([[2.0]], [[3.0]])[0, 0]))") == "6.0\n"


def test_forks_side_by_side_share_no_file_process_number_or_socket(kernel):
    first, second = kernel(), kernel()
    said(first, "import os, socket\nfor f in ('/tmp/a', '/dev/shm/a', 'a'): open(f, 'w').write('first')")
    said(first, "s = socket.socket(); s.bind(('127.0.0.1', 9999)); s.listen()")
    said(first, "a = socket.socket(socket.AF_UNIX); a.bind(chr(0) + 'first'); a.listen(); import numpy as np; np.x = 1")
    look = """
import os, socket, numpy as np
print([f for f in ('/tmp/a', '/dev/shm/a', 'a') if os.path.exists(f)])
for family, address in ((socket.AF_INET, ('127.0.0.1', 9999)), (socket.AF_UNIX, chr(0) + 'first')):
    try: socket.socket(family).connect(address); print('CONNECTED')
    except ConnectionRefusedError: print('refused')
print(hasattr(np, 'x'), sorted(p for p in os.listdir('/proc') if p.isdigit()))
import glob; print(*(len(glob.glob(pattern)) for pattern in ('/tmp/*', '/tmp/*/*', '/tmp/*/*/*', '/tmp/*/*/*/*')))
"""
    lines = said(second, look).splitlines()
    assert lines[:4] == ["[]", "refused", "refused", "False ['1', '2']"]
    assert lines[4] == "1 1 1 1"  # down to its own folder in the pool, and nobody else's
    assert said(first, "import os; print(os.getuid())") != said(second, "import os; print(os.getuid())") or os.geteuid()
    draw = "import numpy as np, random; print(np.random.random(), random.random())"
    assert said(first, draw) != said(second, draw)


def test_a_fork_has_no_rights_and_keeps_its_limits(kernel):
    one = kernel()
    status = said(one, "print(*[l for l in open('/proc/self/status') if l.startswith(('Cap', 'NoNew', 'Seccomp:'))])")
    assert all(
        int(line.split()[1], 16) == 0 for line in status.splitlines() if line.strip().startswith(("CapE", "CapP"))
    )
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    assert said(one, "import resource; print(resource.getrlimit(resource.RLIMIT_DATA))") == f"{(1024 << 20,) * 2}\n"
    calls = "import ctypes, os; c = ctypes.CDLL(None); print(c.umount(b'/tmp'), c.mount(b'x', b'/tmp', b'tmpfs', 0, 0))"
    assert said(one, calls) == "-1 -1\n"
    result = one.run("hog = [bytearray(os.urandom(1 << 20)) for _ in range(3000)]")
    assert result.status in ("died", "error")


def test_a_fork_that_ends_takes_its_children_along(kernel):
    one = kernel()
    said(one, "import subprocess; p = subprocess.Popen(['sleep', '4321'], start_new_session=True)")
    one.run("import os; os._exit(3)")
    assert one.run("1").status == "died"
    one._manager.provisioner.process.wait(5)
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == ["sleep", "4321"]]


def test_a_lesson_without_edgekit_waits_for_no_keras_and_without_the_warm_kernel_a_kernel_starts_from_nothing(tmp_path):
    require("bwrap", "apt install bubblewrap")
    tmp_path.chmod(0o755)
    zygote = warm.Zygote(["import numpy as np", "from json import loads"])
    try:
        one = Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path))
        try:
            modules = (
                "import sys; print([name in sys.modules for name in ('numpy', 'json', 'keras', 'matplotlib.pyplot')])"
            )
            assert said(one, modules) == "[True, True, False, False]\n"
        finally:
            one.close()
        os.kill(zygote._process.pid, signal.SIGKILL)
        zygote._process.wait()
        with pytest.warns(UserWarning, match="starts without it"):
            one = Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path))
        try:
            assert said(one, "import sys; print('keras' in sys.modules)") == "False\n"
        finally:
            one.close()
    finally:
        zygote.close()


def test_workers_share_a_warm_kernel_and_a_kernel_ends_with_its_worker(tmp_path):
    require("bwrap", "apt install bubblewrap")
    tmp_path.chmod(0o755)
    zygote = warm.Zygote(["from json import loads"])
    try:
        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        worker = context.Process(target=_work, args=(zygote, tmp_path, theirs))
        worker.start()
        kernel = psutil.Process(ours.recv())
        below = kernel.children(recursive=True)
        assert zygote._process.pid in [process.pid for process in kernel.parents()]
        own = Kernel(LIMITS, zygote.sandbox(LIMITS, tmp_path))
        try:
            assert said(own, "import sys; print('json' in sys.modules)") == "True\n"
            worker.kill()
            worker.join()
            assert not psutil.wait_procs([kernel, *below], timeout=10)[1]
            assert said(own, "print('lives')") == "lives\n"
        finally:
            own.close()
    finally:
        zygote.close()


def _work(zygote, files, line):
    one = Kernel(LIMITS, zygote.sandbox(LIMITS, files))
    one.ready()
    line.send(one.pid)
    time.sleep(600)


def test_the_next_process_removes_what_a_killed_one_has_left():
    source = "from grader.sandbox import places; (places.new() / 'mine').touch(); print(places.own(), flush=True)"
    command = [sys.executable, "-c", f"{source}; input()"]
    environment = {name: value for name, value in os.environ.items() if name != places.VARIABLE}
    options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    killed, lives = (subprocess.Popen(command, **options) for _ in range(2))
    left, used = (Path(process.stdout.readline().strip()) for process in (killed, lives))
    killed.kill()
    killed.wait()
    assert left.is_dir()
    subprocess.run(command, input="\n", stdout=subprocess.DEVNULL, text=True, env=environment, check=True)
    assert not left.exists()
    assert len(list(used.glob("*/mine"))) == 1
    lives.communicate("\n")
    assert not used.exists()


def test_the_user_id_of_a_sandbox_is_another_in_every_worker():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["grader.sandbox.bubblewrap"])
    with (
        concurrent.futures.ProcessPoolExecutor(1, context) as one,
        concurrent.futures.ProcessPoolExecutor(1, context) as other,
    ):
        uids = [pool.submit(bubblewrap._nobodys_uid).result() for pool in (one, other, one, other)]
    assert len({*uids, bubblewrap._nobodys_uid()}) == 5
