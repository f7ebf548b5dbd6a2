"""A worker grades only if its code, weights and templates equal those of the process that asks it."""

import json

import pytest
from checkouts import copy_of_checkout, start_python

from grader.batch import parcels

WORKER = """
import json, sys
from grader.batch import parcels
from grader.batch.workers import worker_problem
for line in sys.stdin:
    parcels.version.cache_clear()  # as a worker that is started again
    print(json.dumps(worker_problem(line.strip(), unsafe=True)), flush=True)
"""
REFUSED = "its checkout has other code; update it and start the worker again"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A worker's checkout; a test that changes a file of it puts the file back."""
    return copy_of_checkout(tmp_path_factory.mktemp("worker") / "edgekit")


@pytest.fixture(scope="module")
def answer(checkout):
    """Ask a process in that checkout whether it may grade for this one."""
    with start_python(checkout, "-c", WORKER) as worker:

        def answer():
            print(parcels.version(), file=worker.stdin, flush=True)
            return json.loads(worker.stdout.readline())

        yield answer
        worker.stdin.close()


def test_a_worker_with_the_same_code_is_admitted_whatever_caches_and_students_work_it_has(checkout, answer):
    litter = {
        "edgekit/__pycache__/board.cpython-312.pyc": "",
        "edgekit/.ipynb_checkpoints/notes.ipynb": "",
        "firmware_templates/common/.pio/build/program": "",
        "grader/course/gradebook.db": "",
        "grader/course/submitted/ada/xormodel/xormodel.ipynb": "{}",
        "grader/course/source/xormodel/xormodel.ipynb": "{}",
        "grader/course/report/xormodel.html": "",
        "grader/submitted/ada/xormodel/xormodel.ipynb": "{}",
        "grader/report/xormodel.html": "",
        "workspace/xormodel/xormodel.ipynb": "{}",
    }
    for name, text in litter.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    with (checkout / "grader/course/nbgrader_config.py").open("a") as config:
        config.write("c = get_config()\nc.RunSubmission.cell_seconds = 300\n")  # travels with a lesson
    assert answer() == ""


@pytest.mark.parametrize(
    "pattern",
    [
        "edgekit/**/*.py",
        "edgekit/**/*.h",
        "edgekit/**/*.npz",
        "edgekit/**/*.jpg",
        "firmware_templates/**/*.j2",
        "firmware_templates/**/*.cpp",
        "grader/grading/trusted.py",
        "grader/sandbox/inside/launch.py",
        "grader/for_tests/*.py",
        "grader/report/template/*.html",
        "grader/course/lessons/**/*.md",
    ],
)
def test_a_worker_with_one_changed_file_is_refused(checkout, answer, pattern):
    path = sorted(checkout.glob(pattern))[-1]
    before = path.read_bytes()
    path.write_bytes(before + b"\n")
    try:
        assert answer() == REFUSED
    finally:
        path.write_bytes(before)


def test_a_worker_that_lacks_a_file_or_has_one_more_is_refused(checkout, answer):
    more = checkout / "firmware_templates" / "common" / "src" / "More.h"
    more.write_text("")
    assert answer() == REFUSED
    more.unlink()
    weights = next(checkout.glob("edgekit/**/*.npz"))
    content = weights.read_bytes()
    weights.unlink()
    assert answer() == REFUSED
    weights.write_bytes(content)
    assert answer() == ""
