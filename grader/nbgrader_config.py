"""nbgrader reads this in grader/; everything is set in grader/course.py, so that other courses can do the same."""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent))

from grader.course import configure  # noqa: E402

configure(get_config(), here)  # noqa: F821
