"""Prints figures of grading and checks each against its limit: python benchmarks/grading.py

Exits with 1 if a figure misses its limit. The peer is plain `nbgrader autograde` with the same sandbox, in a separate
course, in the same run. It runs every cell; `python -m grader grade` leaves out the cells that the lesson's author
tagged because no mark depends on them. --json prints the figures for a program.
"""

import argparse
import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "grader")]

from grader import demo  # noqa: E402
from grader.batch import whole_class  # noqa: E402
from grader.batch.workers import LocalWorkers  # noqa: E402
from grader.paths import COURSE, Course  # noqa: E402

BOMBS = ("memory_bomb", "memory_bomb_by_many", "fork_bomb", "thread_bomb", "endless_loop", "endless_loop_in_a_test")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--lesson", default="carclassifier_easy", help="whose solutions are timed")
    arguments.add_argument("--submissions", type=int, default=40, help="solutions that `python -m grader grade` grades")
    arguments.add_argument("--plain", type=int, default=6, help="how many of them plain `nbgrader autograde` grades")
    arguments.add_argument(
        "--jobs", type=int, default=LocalWorkers().slots, help="as for grade, which has this default"
    )
    arguments.add_argument("--honest", type=int, default=20, metavar="N", help="solutions graded of each lesson")
    arguments.add_argument("--killed", type=int, default=12, metavar="N", help="submissions of the run that is killed")
    arguments.add_argument("--only", nargs="+", choices=[part.__name__ for part in PARTS], help="these figures only")
    arguments.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = arguments.parse_args()
    lines = []
    with tempfile.TemporaryDirectory(prefix="edgekit-grading-") as scratch:
        for part in PARTS:
            if not options.only or part.__name__ in options.only:
                lines += part(Path(scratch).resolve(), options)
    if options.json:
        print(json.dumps([dict(zip(("figure", "value", "must", "reached"), line, strict=True)) for line in lines]))
    else:
        print(f"\n{'figure':66} {'measured':>40}  {'must':>10}")
        for what, value, must, reached in lines:
            print(f"{what:66} {value:>40}  {must:>10}  {'' if reached else 'MISSED'}")
    sys.exit(not all(reached for *_, reached in lines))


def throughput(scratch, options):
    """Seconds a submission, beside plain nbgrader's; all are solutions, so all marks must be full."""
    plain = course_of(scratch / "plain", options.lesson, options.plain)
    batched = course_of(scratch / "throughput", options.lesson, options.submissions)
    seconds = timed(lambda: demo.nbgrader(plain, "autograde", options.lesson))
    start = timed(lambda: demo.nbgrader(plain, "autograde", options.lesson))  # nothing left to do
    theirs = (seconds - start) / options.plain + start / options.submissions  # as if it had graded as many
    ours = timed(lambda: grade(batched, options.lesson, options)) / options.submissions
    measured = f"{theirs:.2f} s / {ours:.2f} s = {theirs / ours:.1f}"
    what = f"{options.lesson}, each of {options.submissions}: nbgrader (timed {options.plain}) / --jobs {options.jobs}"
    yield what, measured, "at least 12", theirs / ours >= 12
    yield fully_marked(plain, options.lesson, "plain nbgrader")
    yield fully_marked(batched, options.lesson, f"--jobs {options.jobs}")


def honest(scratch, options):
    """Runs of every lesson's solution."""
    for name in Course.at(COURSE).names:
        timed_one = Course.at(scratch / "throughput")
        if name == options.lesson and len(whole_class.handed_in(timed_one, name)) >= options.honest:
            continue  # counted there
        course = course_of(scratch / "honest", name, options.honest)
        grade(course, name, options)
        yield fully_marked(course, name, f"--jobs {options.jobs}")


def killed(scratch, options):
    """kill -9 of the whole process group after a third and after two thirds, and each time the same command again."""
    name, count = "xormodel", options.killed
    course = course_of(scratch / "killed", name, count)
    students = set(whole_class.handed_in(course, name))
    command = command_of(course, name, options)
    graded, again = {}, 0
    for most in (count // 3, 2 * count // 3, count):
        process = subprocess.Popen(command, cwd=CHECKOUT, start_new_session=True, stderr=subprocess.DEVNULL)
        notebooks = [course.graded_notebook(student, name) for student in students]
        while process.poll() is None and (most == count or sum(path.exists() for path in notebooks) < most):
            time.sleep(0.2)
        if most < count:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        now = done(course, name, students)
        again += sum(now[student] != graded[student] for student in graded)
        killed_at = len(graded)  # of the last kill, when the loop ends
        graded = now
    with sqlite3.connect(course.gradebook) as database:
        marks = database.execute("select count(*), count(distinct notebook_id || cell_id) from grade")
        rows, distinct = marks.fetchone()
        (cells,) = database.execute("select count(*) from grade_cells").fetchone()
    yield (
        f"{name}, kill -9 twice, the second when {killed_at} of {count} were graded: marks, doubled, graded twice",
        f"{rows} of {cells * count}, {rows - distinct}, {again}",
        "all, 0, 0",
        set(graded) == students and rows == distinct == cells * count and not again and 0 < killed_at < count,
    )
    yield fully_marked(course, name, "killed twice")


def hostile_texts(scratch, options):
    """The feedback and the report of a class of which everybody writes what is hard to render."""
    import nbformat
    from grading import Class
    from test_grading_feedback import SLOW

    school = Class(scratch / "hostile")
    for number in range(50):
        notebook = school.notebook("honest", f"print({SLOW[number % len(SLOW)]!r} * 300_000)")
        for text in SLOW[number % len(SLOW) :]:
            notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text * (200_000 // len(text))))
            notebook.cells.append(
                nbformat.v4.new_code_cell(f"raise type({text[:9]!r}, (Exception,), {{}})({text!r} * 9999)")
            )
        school.hand_in(f"student_{number:02}", notebook)
    school.grade_side_by_side("--jobs", str(options.jobs))
    students = whole_class.handed_in(school.course, "toy")
    start = time.time()
    demo.nbgrader(school.course, "generate_feedback", "toy")
    pages = [school.course.feedback_page(student, "toy") for student in students]
    made = [start, *sorted(page.stat().st_mtime for page in pages if page.is_file())]
    longest = max(after - before for before, after in itertools.pairwise(made))
    what = f"the longest feedback to {len(made) - 1} of {len(students)} whose texts are hard to render"
    yield what, f"{longest:.1f} s", "30 s", len(made) == 51 and longest <= 30
    command = [sys.executable, "-m", "grader", "--course", str(school.course.root), "report", "toy"]
    report = timed(lambda: subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL))
    yield f"the report of these {len(students)}", f"{report:.1f} s", "30 s", report <= 30


def cheats(scratch, options):
    """Every cheat and every hostile notebook of the tests, graded with honest ones among them."""
    import test_grading_cheats as hostile
    from grading import LIMITS, Class

    warnings.filterwarnings("ignore", message="Non-unique cell id")  # some cheats double cells
    school = Class(scratch / "cheats")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        hostile.hand_in_everybody(school, listener.getsockname()[1])
        school.grade_side_by_side("--jobs", str(options.jobs))
        try:
            listener.accept()
            reached_out = 1
        except BlockingIOError:
            reached_out = 0
    points = school.points()
    tried = set(hostile.CHEATS)
    gained = sorted(student for student in tried if points[student])
    what = "cheats that gained a mark, of those tried"
    yield what, f"{len(gained)} of {len(tried)} {' '.join(gained)}".strip(), "0", not gained and len(tried) >= 30
    yield "connections that hostile notebooks could make", str(reached_out), "0", not reached_out

    limit = next(float(line.split("=")[1]) for line in LIMITS.splitlines() if "notebook_seconds" in line)
    longest = max(seconds_of(school.autograded(student)) for student in BOMBS)
    what = f"longest of {len(BOMBS)} that eat memory, fork or never end"
    yield what, f"{longest:.0f} s", f"{limit:.0f} s", longest <= limit + 10  # the last cell's own limit, and its end
    full = [student for student in hostile.HONEST if points[student] == 9]
    yield (
        "honest ones among them fully marked",
        f"{len(full)} of {len(hostile.HONEST)}",
        "all",
        full == [*hostile.HONEST],
    )


PARTS = (throughput, honest, killed, cheats, hostile_texts)


def course_of(root, name, count):
    """A course in which ``count`` students hand in the solution of lesson ``name``."""
    original = Course.at(COURSE)
    course = demo.make_course(original.lessons, name, root / name)
    notebook = demo.submission(original, name, "honest")
    first = demo.hand_in(course, name, "student_0000", notebook).parent
    for number in range(1, count):
        shutil.copytree(first, course.submitted(f"student_{number:04}", name))
    demo.nbgrader(course, "generate_assignment", name)
    return course


def command_of(course, name, options):
    """The command that is measured."""
    return [sys.executable, "-m", "grader", "--course", str(course.root), "grade", name, "--jobs", str(options.jobs)]


def grade(course, name, options):
    """Grade a class; what the command says is shown."""
    subprocess.run(command_of(course, name, options), cwd=CHECKOUT)


def fully_marked(course, name, how):
    """The line of the table about honest students."""
    marked = demo.marks(course, name).values()
    full = sum(demo.total(marks) == demo.maximum(marks) > 0 for marks in marked)
    everybody = len(whole_class.handed_in(course, name))
    return f"solutions of {name} fully marked, {how}", f"{full} of {everybody}", "all", full == everybody


def done(course, name, students):
    """The students who are graded, with when."""
    return {
        student: course.graded_notebook(student, name).stat().st_mtime_ns
        for student in students
        if whole_class.is_graded(course, name, student)
    }


def seconds_of(notebook):
    """What the cells of a graded notebook took together."""
    return sum(cell.metadata.get("edgekit", {}).get("seconds", 0) for cell in notebook.cells)


def timed(function):
    """The seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
