from pathlib import Path

from grader.grading.nbgrader_setup import configure

configure(get_config(), Path(__file__).parent)  # noqa: F821
