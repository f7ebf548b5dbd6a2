"""The XOR lesson works as students and instructors use it: in the browser, with its solution, and graded."""

from lesson_tries import try_grading, try_in_jupyterlab

PICTURES = 7
SAID = (
    "1 xor 1 = 0",
    "Building for the simulated board: no board is plugged in.",
    "agree to the bit: True",
)


def test_the_solution_runs_in_jupyterlab_and_its_plots_are_there(tmp_path):
    try_in_jupyterlab("xormodel", PICTURES, SAID, tmp_path)


def test_solution_partial_and_empty_submissions_are_marked_in_that_order():
    try_grading("xormodel")
