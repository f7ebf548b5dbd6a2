"""The easy car lesson works as students and instructors use it: in the browser, with its solution, and graded."""

from lesson_tries import try_grading, try_in_jupyterlab

PICTURES = 25
SAID = (
    "accuracy: float 0.984, naively rounded 0.500",
    "one scale a channel: accuracy 0.980",
    "The program gives the same scores as your network: 0.03, 0.97",
    "all 500 outputs equal those of your network in Python, to the last bit: True",
)


def test_the_solution_runs_in_jupyterlab_and_its_plots_are_there(tmp_path):
    try_in_jupyterlab("carclassifier_easy", PICTURES, SAID, tmp_path)


def test_solution_partial_and_empty_submissions_are_marked_in_that_order():
    try_grading("carclassifier_easy")
