"""nbgrader reads this in grader/course/; grader/grading/nbgrader_setup.py sets everything, for other courses too."""

import sys
from pathlib import Path

here = Path(__file__).resolve().parent
sys.path.insert(0, str(here.parents[1]))

from grader.grading.nbgrader_setup import configure  # noqa: E402

configure(get_config(), here)  # type: ignore[name-defined]  # noqa: F821
