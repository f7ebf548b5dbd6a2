from pathlib import Path

from grader.course import configure

configure(get_config(), Path(__file__).parent)  # noqa: F821
