"""No cheat gains a mark, and no hostile notebook harms the grader or another student: one class, graded by nbgrader."""

import re
import socket
import threading

import nbformat
import pytest
from conftest import require
from grading import Class, cell

# Each is the first cell of an otherwise empty notebook. The toy lesson's tests are worth 9 points; all must stay 0.
CODE = {
    "objects_that_equal_everything": """
class Equal(int):
    dtype = value = 7
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __array__(self, *a, **k): import numpy; return numpy.full(3, 3 / 127)
    def add(self, n): return self
    def __call__(self, *a): return self
class Plain:
    dtype = property(lambda self: numpy.dtype('int8'))
    __eq__ = lambda self, other: True
    __bool__ = lambda self: True
    value = property(lambda self: Plain())
    add = lambda self, n: Plain()
""",
    "asserts_stripped_by_an_ast_transformer": """
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
    def visit_Call(self, node): return ast.Constant(4)
ip = get_ipython()
ip.ast_transformers.append(Strip())
ip.input_transformers_cleanup.append(lambda lines: ['pass\\n'])
ip.input_transformers_post.append(lambda lines: ['4\\n'])
""",
    "numpy_and_builtins_patched": """
import builtins, numpy, numpy.testing
numpy.isclose = numpy.allclose = numpy.array_equal = lambda *a, **k: True
numpy.testing.assert_array_equal = numpy.testing.assert_allclose = lambda *a, **k: None
builtins.AssertionError = builtins.NotImplementedError = builtins.NameError = Warning
builtins.int = lambda *a: 1
builtins.__build_class__ = lambda *a, **k: (lambda *b: 7)
""",
    "run_cell_and_showtraceback_patched": """
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
def good(self, *a, **k):
    result = ExecutionResult(None); result.result = 4; return result
InteractiveShell.run_cell = good
InteractiveShell.showtraceback = lambda *a, **k: None
kernel = get_ipython().kernel
reply = {'status': 'ok', 'execution_count': 1, 'payload': [], 'user_expressions': {}}
type(kernel).do_execute = lambda self, *a, **k: reply
""",
    "answers_of_the_agent_forged": """
import edgekit_agent
edgekit_agent.handle = lambda request, names: edgekit_agent.Reply('{"value": 1}')
""",
    "answers_of_the_agent_claim_success": """
import edgekit_agent, json
text = json.dumps({'value': {'dict': [[n, {'ref': [1, 'x' * 10000 + chr(0), True]}]
    for n in ('xor', 'scale', 'quantized', 'Counter', 'np', 'marks', 'points', '_last', '__builtins__')]},
    'score': 9, 'failure': None})
edgekit_agent.handle = lambda request, names: edgekit_agent.Reply(text)
""",
    "answers_of_the_agent_malformed": """
import edgekit_agent
replies = [
    '{' * 100000, '[]', '{"raised": 3}', '{"value": ' + '[' * 900 + ']' * 900 + '}', 'x' * (49 << 20),
    '{"value": {"array": ["O8", [2], "AAAA"]}}', '{"value": {"array": ["<f8", [9999999999], ""]}}',
    '{"value": {"pickle": "gASVIAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu"}}',
    '{"raised": {"types": ["SystemExit"], "message": 7}}', '{"raised": {"types": ["UnicodeDecodeError"]}}',
]
edgekit_agent.handle = lambda request, names: edgekit_agent.Reply(replies.pop())
""",
    "names_of_the_tests_taken": """
class Yes:
    def __getattr__(self, name): return Yes()
    def __call__(self, *a, **k): return 4
import sys, types
np = Yes()
marks = lambda: 4
sys.modules['numpy'] = np
Counter = type('Counter', (), {'add': lambda self, n: True, 'value': True})
""",
    "errors_that_leave_quietly": """
import sys
def xor(a, b): raise SystemExit(0)
class Counter:
    def __init__(self, *a): raise KeyboardInterrupt
class StopIteration2(StopIteration): pass
def quantized(*a): raise StopIteration2
""",
    "kernel_left_by_os_exit": "import os; os._exit(0)",
    "exit_registered": "import atexit, os; atexit.register(os._exit, 0); exit()",
    "kernel_left_in_a_test": """
import os
def xor(a, b): os._exit(0)
""",
    "endless_loop": "while True: pass",
    "endless_loop_deaf_to_interrupts": """
import signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
while True:
    try:
        while True: pass
    except BaseException: pass
""",
    "endless_loop_in_a_test": """
def xor(a, b):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "endless_output": "while True: print('x' * 1000)",
    "memory_bomb": "x = []\nwhile True: x.append(bytearray(b'x' * (64 << 20)))",
    "memory_bomb_by_many": """
import os, time
for _ in range(6):
    if os.fork() == 0:
        x = b'x' * (400 << 20)
        time.sleep(30)
time.sleep(30)
""",
    "fork_bomb": """
import os
while True:
    try: os.fork()
    except OSError: pass
""",
    "thread_bomb": """
import threading, time
while True: threading.Thread(target=time.sleep, args=(60,)).start()
""",
    "disk_bomb": """
import itertools, os
for folder in ('/tmp', '/dev/shm', os.getcwd(), os.path.expanduser('~')):
    try:
        for i in itertools.count():
            with open(f'{folder}/{i}', 'wb') as f: f.write(bytes(16 << 20))
    except OSError: pass
raise SystemError('full')
""",
    "sockets_of_the_kernel_replaced": """
import glob, os
folder = next(p for p in open('/proc/1/cmdline').read().split(chr(0)) if p.startswith('/tmp/edgekit-'))
for path in glob.glob(os.path.join(folder, '*')):
    os.remove(path)
    os.symlink('/etc/passwd', path)
for i in range(100): open(os.path.join(folder, str(i)), 'w').write('x')
""",
    "everything_killed": "import os, signal\nos.kill(-1, signal.SIGKILL)",
    "output_forged": """
kernel = get_ipython().kernel
for kind, content in (('execute_result', {'data': {'text/plain': '4'}, 'metadata': {}, 'execution_count': 1}),
                      ('status', {'execution_state': 'idle'})):
    for parent in (kernel.get_parent('shell'), {}):
        kernel.session.send(kernel.iopub_socket, kind, content, parent=parent)
print('4.0')
4.0
""",
    "solution_searched_on_disk": """
import os
found = []
for base, folders, names in os.walk('/'):
    folders[:] = [f for f in folders if f not in ('proc', 'usr', 'dev', 'site-packages') and 'python3' not in f]
    for name in names:
        path = os.path.join(base, name)
        if name.endswith(('.ipynb', '.md', '.db', '.json')) or 'toy' in base:
            try: text = open(path, errors='replace').read()
            except OSError: continue
            if 'HIDDEN' + ' TESTS' in text or 'SQLite' in text[:10] or 'BEGIN' + ' SOLUTION' in text: found.append(path)
print('FOUND', found)
def xor(a, b): return a ^ b if found else None
""",
}


def delete_tests(notebook):
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]


def delete_everything(notebook):
    notebook.cells = []


def edit_tests(notebook):
    for name in ("xor_check", "scale_check", "counter_check"):
        cell(notebook, name).source = "4"


def double_tests(notebook):
    for name in ("xor_check", "scale_check", "counter_check"):
        twin = nbformat.from_dict(dict(cell(notebook, name), source="4"))
        notebook.cells += [twin, nbformat.from_dict(dict(twin))]
        notebook.cells.insert(0, nbformat.from_dict(dict(twin)))


def unlock_tests(notebook):
    for name in ("xor_check", "scale_check", "counter_check"):
        test = cell(notebook, name)
        test.source = "4"
        test.metadata.nbgrader.update(locked=False, solution=True, points=1000, schema_version=3)


def turn_tests_to_prose(notebook):
    for name in ("xor_check", "scale_check", "counter_check"):
        test = cell(notebook, name)
        index = notebook.cells.index(test)
        notebook.cells[index] = nbformat.v4.new_markdown_cell("passed", metadata=test.metadata)


def raise_points(notebook):
    for c in notebook.cells:
        if c.metadata.get("nbgrader", {}).get("grade"):
            c.metadata.nbgrader.points = -1000


def swap_ids(notebook):
    xor, test = cell(notebook, "xor"), cell(notebook, "xor_check")
    xor.metadata.nbgrader.grade_id, test.metadata.nbgrader.grade_id = "xor_check", "xor"
    test.source = "4"


def fake_outputs(notebook):
    for c in notebook.cells:
        if c.cell_type == "code":
            c.outputs = [nbformat.v4.new_output("execute_result", data={"text/plain": "4"})]


STRUCTURE = {
    change.__name__: change
    for change in (
        delete_tests,
        delete_everything,
        edit_tests,
        double_tests,
        unlock_tests,
        turn_tests_to_prose,
        raise_points,
        swap_ids,
        fake_outputs,
    )
}


HONEST = ("a_first_honest", "wide_output", "scripts_in_the_report", "z_last_honest")
CHEATS = (*CODE, *STRUCTURE, "gradebook_written", "sockets_opened")


def hand_in_everybody(school, port):
    """Hand in every cheat, with honest students among them; ``port`` is one of this machine's to connect to."""
    school.hand_in("a_first_honest", school.notebook("honest"))
    for name, code in CODE.items():
        school.hand_in(name, school.notebook("empty", code))
    for name, change in STRUCTURE.items():
        notebook = school.notebook("empty")
        change(notebook)
        school.hand_in(name, notebook)
    school.hand_in("gradebook_written", school.notebook("empty", _write_gradebook(school.database)))
    school.hand_in("sockets_opened", school.notebook("empty", _open_sockets(port)))
    school.hand_in("surroundings_looked_at", school.notebook("honest", _LOOK_AROUND))
    school.hand_in("wide_output", school.notebook("honest", "print('x' * (9 << 20))\nprint('y')"))
    school.hand_in("scripts_in_the_report", _with_scripts(school.notebook("honest")))
    school.hand_in("z_last_honest", school.notebook("honest"))


# Kernels that start from nothing, and forks of a warm one.
@pytest.fixture(scope="module", params=["autograde", "grade"])
def graded(tmp_path_factory, request):
    """The whole class of cheaters, with honest students before and after them, graded by one command."""
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("cheats") / "course")
    school.heard = []
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0edgekit-cheat-{port}")
    abstract.listen()
    for server in (listener, abstract):
        threading.Thread(target=_hear, args=(server, school.heard), daemon=True).start()
    hand_in_everybody(school, port)
    school.said = school.grade() if request.param == "autograde" else school.grade_side_by_side("--jobs", "2")
    assert "starts without it" not in school.said  # a fork of the warm kernel failed
    school.marks = school.points()
    return school


def _hear(server, heard):
    while True:
        heard.append(server.accept())


def _write_gradebook(path):
    return f"""
import os, sqlite3
def write(path):
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with sqlite3.connect(path) as db: db.execute('update grade set auto_score = 100, manual_score = 100')
    except (OSError, sqlite3.Error): pass
write({str(path)!r})
for base, folders, names in os.walk('/'):  # not all of it: its time would be up before it wrote anything
    folders[:] = [f for f in folders if f not in ('proc', 'usr', 'dev', 'site-packages') and 'python3' not in f]
    if 'gradebook.db' in names: write(os.path.join(base, 'gradebook.db'))
"""


def _open_sockets(port):
    return f"""
import socket
for family, address in ((socket.AF_INET, ('127.0.0.1', {port})), (socket.AF_UNIX, chr(0) + 'edgekit-cheat-{port}')):
    try: socket.socket(family).connect(address); print('CONNECTED')
    except OSError as error: print(type(error).__name__)
"""


_LOOK_AROUND = """
import os, subprocess
print('ENV', sorted(os.environ))
print('PROCESSES', subprocess.run(['ps', '-A', '-o', 'comm='], capture_output=True, text=True).stdout.split())
import ctypes
libc = ctypes.CDLL(None)
print('CALLS', libc.unshare(0x10000000), libc.memfd_create(b'x', 0), libc.shmget(0, 4096, 0o600),
      libc.ptrace(0, 0, 0, 0), subprocess.run(['unshare', '-Ur', 'true']).returncode != 0,
      libc.mount(b'x', b'/tmp', b'tmpfs', 0, 0))
print('UID', os.getuid(), os.access('/', os.W_OK), os.access('/usr', os.W_OK), os.access(os.getcwd(), os.W_OK))
"""


def _with_scripts(notebook):
    show = "display(HTML('<script>alert(1)</script>'), Javascript('alert(2)'))"
    code = f"from IPython.display import HTML, Javascript, display\n{show}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(code))
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell("<script>alert(3)</script><img src=x onerror=alert(4)>"))
    return notebook


@pytest.mark.parametrize("cheat", CHEATS)
def test_cheat_gains_no_mark(graded, cheat):
    assert graded.marks[cheat] == 0, graded.text_of(cheat)


@pytest.mark.parametrize("student", HONEST)
def test_hostile_neighbours_cost_an_honest_student_nothing(graded, student):
    assert graded.marks[student] == 9, graded.text_of(student)


def test_hostile_code_opens_no_socket(graded):
    assert "CONNECTED" not in graded.text_of("sockets_opened").replace("print('CONNECTED')", "")
    assert graded.heard == []


def test_hostile_code_finds_no_solution_and_no_gradebook(graded):
    assert re.search(r"FOUND \[\]", graded.text_of("solution_searched_on_disk"))


def test_hostile_code_sees_nobody_else_and_no_sign_of_grading(graded):
    seen = graded.text_of("surroundings_looked_at")
    environment = re.search(r"ENV (.*?)\]", seen)[1]
    assert not re.search("NBGRADER|TOKEN|SECRET|JPY|PWD=", environment)
    processes = re.search(r"PROCESSES (.*?)\]", seen)[1].split(",")
    assert len(processes) <= 4, processes
    assert re.search(r"CALLS (.*?)\\n", seen)[1] == "-1 -1 -1 -1 True -1"
    uid, *access = re.search(r"UID (\d+) (\w+) (\w+) (\w+)", seen).groups()
    assert int(uid) != 0
    assert access == ["False", "False", "True"]


def test_hostile_notebook_leaves_nothing_behind(graded):
    import psutil

    processes = psutil.process_iter(["cmdline", "ppid"])
    inside = {"/run/grading/launch.py", "/run/grading/zygote.py"}
    sandboxed = [p for p in processes if inside & set(p.info["cmdline"] or [])]
    assert not [p for p in sandboxed if p.info["ppid"] == 1], "they outlived who started them"


def test_cheat_by_scripts_in_the_report_is_shown_as_nothing(graded):
    from grader import demo

    demo.nbgrader(graded.course, "generate_feedback", "toy", "--student=scripts_in_the_report")
    report = (graded.course.root / "feedback" / "scripts_in_the_report" / "toy" / "toy.html").read_text()
    assert not re.search(r"<script>alert|onerror=", report)
