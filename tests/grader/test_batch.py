"""A class is graded in parallel, here or on a cluster: a killed process loses no work, and nobody is graded twice."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from conftest import require
from grading import Class
from nbgrader.api import Gradebook

from grader import demo
from grader.__main__ import main
from grader.batch import whole_class
from grader.batch.parcels import LessonParcel, Parcel
from grader.batch.workers import ClusterUnusable, ClusterWorkers, LocalWorkers
from grader.paths import Course
from grader.report import marks

HONEST = [f"honest_{number}" for number in range(3)]
NEVER_ENDS = "while True: pass"


@pytest.fixture(scope="module")
def school(tmp_path_factory):
    require("bwrap", "apt install bubblewrap")
    school = Class(tmp_path_factory.mktemp("batch") / "course")
    for student in HONEST:
        school.hand_in(student, school.notebook("honest"))
    school.hand_in("partial", school.notebook("partial"))
    school.hand_in("broken", b"{")
    shutil.copyfile(school.database, school.course.root / "before.db")
    return school


@pytest.fixture
def ungraded(school):
    """The class before anybody is graded."""
    shutil.rmtree(school.course.root / "autograded", ignore_errors=True)
    shutil.copyfile(school.course.root / "before.db", school.database)
    return school


@pytest.fixture
def extra(ungraded):
    """Hands in one more notebook, for one test."""
    names = []

    def hand_in(student, notebook):
        names.append(student)
        return ungraded.hand_in(student, notebook)

    yield hand_in
    for name in names:
        shutil.rmtree(ungraded.course.root / "submitted" / name, ignore_errors=True)


_started = []


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Ends what a failed test leaves behind, which would write into the next one's course."""
    yield
    while _started:
        process = _started.pop()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def start(school, *options):
    """The grading command in a process group of its own, as a shell starts it."""
    command = [sys.executable, "-m", "grader", "--course", str(school.course.root), "grade", "toy", *options]
    process = subprocess.Popen(
        command, cwd=demo.CHECKOUT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _started.append(process)
    return process


def finish(process):
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def graded(school):
    """The students who have all their marks, each with what tells one writing of the notebook from another."""
    done = {}
    for student in whole_class.handed_in(school.course, "toy"):
        if whole_class.is_graded(school.course, "toy", student):
            about = (school.course.root / "autograded" / student / "toy" / "toy.ipynb").stat()
            done[student] = (about.st_ino, about.st_mtime_ns)
    return done


def wait_for(condition, process, seconds=300):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


EVERYBODY = dict.fromkeys(HONEST, 9) | {"partial": 5, "broken": 0}


def test_killed_in_the_middle_and_started_again_it_marks_everybody_once(ungraded, extra):
    extra("slow", ungraded.notebook("honest", "import time; time.sleep(4)"))  # there is a middle, however fast the rest
    everybody = EVERYBODY | {"slow": EVERYBODY["honest_0"]}
    alone = start(ungraded, "--jobs", "1")
    wait_for(lambda: graded(ungraded), alone)
    below = psutil.Process(alone.pid).children(recursive=True)
    alone.kill()  # as the kernel does when memory is short: only the one who writes the marks
    alone.communicate()
    assert below
    assert not psutil.wait_procs(below, timeout=30)[1], "workers and kernels outlive their grader"

    first = len(graded(ungraded))
    together = start(ungraded, "--jobs", "2")
    wait_for(lambda: len(graded(ungraded)) > first, together)
    os.killpg(together.pid, signal.SIGKILL)
    together.communicate()

    before = graded(ungraded)
    left = len(everybody) - len(before)
    assert 0 < left < len(everybody) - first
    status, out, said = finish(start(ungraded, "--jobs", "2"))
    assert status == 0, said
    assert out == f"{left} graded; {len(before)} were graded before (--force grades them again).\n"
    assert f"{left}/{left}" in said
    assert {student: graded(ungraded)[student] for student in before} == before
    assert ungraded.points() == everybody


def test_half_written_work_is_graded_again(school):
    assert whole_class.grade(school.course, "toy", LocalWorkers(2)).failed == {}
    paths = [school.course.root / "autograded" / name / "toy" / "toy.ipynb" for name in HONEST[:3]]
    for path in paths:
        path.chmod(0o644)  # nbgrader makes them read-only, which stops everyone but root
    paths[0].write_text(paths[0].read_text()[:500])
    paths[1].unlink()
    shutil.copyfile(school.course.root / "submitted" / HONEST[2] / "toy" / "toy.ipynb", paths[2])
    assert set(EVERYBODY) - set(graded(school)) == set(HONEST[:3])


def test_who_is_stopped_killed_or_missing_is_said_and_the_rest_goes_on(ungraded, extra):
    extra("endless", ungraded.notebook("honest", NEVER_ENDS))
    extra("ended", ungraded.notebook("empty", "import os; os._exit(0)"))
    (extra("nothing", ungraded.notebook("empty")) / "toy.ipynb").unlink()
    process = start(ungraded, "--jobs", "2")
    wait_for(lambda: graded(ungraded), process)
    server = next(p for p in psutil.Process(process.pid).children() if "forkserver" in " ".join(p.cmdline()))
    server.children()[0].kill()  # costs nobody a mark
    status, out, err = finish(process)
    assert status == 1
    assert "endless: graded, but stopped: this cell took longer than 6 seconds" in out
    assert "ended: graded, but stopped: the notebook's kernel ended" in out
    assert "broken: graded 0: it is not a Jupyter notebook" in out
    assert "nothing: not graded: no toy.ipynb was handed in" in err
    assert ungraded.points() == EVERYBODY | {"endless": 9, "ended": 0}


def test_a_parcel_needs_no_course_and_tells_of_no_student(ungraded, tmp_path):
    with Gradebook(f"sqlite:///{ungraded.database}", "edgekit") as gradebook:
        gradebook.add_student("somebody_else", email="somebody@example.org")
    settings = whole_class.load_config(ungraded.course).RunSubmission | {"unsafe": False}
    lesson = LessonParcel.of(ungraded.course, "toy", settings)
    parcel = Parcel.of(lesson, ungraded.course, "honest_1")
    assert b"somebody" in ungraded.database.read_bytes()
    assert b"somebody" not in lesson.gradebook
    away = ungraded.course.root.rename(tmp_path / "away")
    try:
        notebook = whole_class.run(parcel)
    finally:
        away.rename(ungraded.course.root)
    tests = [c for c in notebook["cells"] if c.metadata.get("nbgrader", {}).get("grade_id", "").endswith("_check")]
    assert len(tests) == 3
    assert not [output for cell in tests for output in cell.outputs if output.output_type == "error"]


@contextlib.contextmanager
def cluster(folder, workers=2):
    """A scheduler and workers of two threads each, processes of this machine; yields the address and the workers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    dask = [sys.executable, "-m", "dask"]
    options = {"cwd": demo.CHECKOUT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", address.rpartition(":")[2], "--no-dashboard"]
    worker = [*dask, "worker", address, "--no-dashboard", "--nthreads", "2", "--local-directory", str(folder)]
    started = [subprocess.Popen(scheduler, **options)]
    started += [subprocess.Popen(worker, start_new_session=True, **options) for _ in range(workers)]
    try:
        yield address, started[1:]
    finally:
        for process in started[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        started[0].kill()
        for process in started:
            process.wait()


def test_a_cluster_grades_as_this_machine_does_and_survives_the_loss_of_a_worker(ungraded, tmp_path):
    pytest.importorskip("distributed")
    with cluster(tmp_path) as (address, workers):
        process = start(ungraded, "--scheduler", address)
        wait_for(lambda: graded(ungraded), process)
        os.killpg(workers[0].pid, signal.SIGKILL)
        status, _, said = finish(process)
    assert status == 0, said
    assert ungraded.points() == EVERYBODY


def test_a_cluster_that_cannot_grade_is_refused_with_the_remedy(ungraded, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    with pytest.raises(ClusterUnusable, match=r"No Dask scheduler answers at .*python -m dask scheduler"):
        whole_class.grade(ungraded.course, "toy", ClusterWorkers("tcp://127.0.0.1:9", seconds=1))
    with cluster(tmp_path, workers=0) as (address, _), pytest.raises(ClusterUnusable, match=r"no workers.*dask worker"):
        whole_class.grade(ungraded.course, "toy", ClusterWorkers(address, seconds=3))
    monkeypatch.setattr("grader.batch.parcels.version", lambda: "newer")
    with cluster(tmp_path, workers=1) as (address, _), pytest.raises(ClusterUnusable, match="other code; update"):
        whole_class.grade(ungraded.course, "toy", ClusterWorkers(address))
    assert graded(ungraded) == {}


def test_without_dask_it_says_what_to_install(ungraded, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    root = str(ungraded.course.root)
    assert main(["--course", root, "grade", "toy", "--scheduler", "tcp://127.0.0.1:9"]) == 1
    assert "pip install -c requirements-test.lock distributed" in capsys.readouterr().err


def test_a_lesson_that_is_not_in_the_gradebook_is_named(tmp_path, capsys):
    course = demo.make_course(
        Course.at(demo.CHECKOUT / "tests" / "grader" / "course").lessons, "toy", tmp_path / "course"
    )
    assert main(["--course", str(course.root), "grade", "toy"]) == 2
    assert "nbgrader generate_assignment toy" in capsys.readouterr().err


def test_where_nobody_handed_in_it_says_where_it_looked(ungraded, tmp_path, capsys):
    shutil.copytree(ungraded.course.root, tmp_path / "course", ignore=shutil.ignore_patterns("submitted"))
    assert main(["--course", str(tmp_path / "course"), "grade", "toy"]) == 1
    assert f"nobody has handed in toy: there is no {tmp_path}/course/submitted/STUDENT/toy" in capsys.readouterr().err


def test_unsafe_grading_says_so_on_the_screen_and_in_every_notebook(ungraded, capsys, monkeypatch):
    monkeypatch.setattr("grader.sandbox.bubblewrap.check", lambda: pytest.fail("the sandbox is used"))
    assert main(["--course", str(ungraded.course.root), "grade", "toy", "--jobs", "1", "--unsafe"]) == 0
    assert "5 graded without the sandbox (--unsafe)." in capsys.readouterr().out
    results = marks.read(ungraded.course, "toy")
    assert len(results) == len(EVERYBODY)
    assert all(result.is_unsafe for result in results.values())
    assert ungraded.points() == EVERYBODY
