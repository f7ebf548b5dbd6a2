"""Sets nbgrader up for a course: puts our steps into its commands, and mends how it reads submissions."""

import fnmatch
import glob
import os
import sysconfig
import warnings
from pathlib import Path

from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
from nbgrader import coursedir, preprocessors
from nbgrader.converters import Autograde, GenerateAssignment, base
from traitlets.config import Config
from traitlets.log import get_logger

from grader.grading import feedback, steps, times
from grader.grading.files import files, unfit
from grader.grading.restore import RestoreCells
from grader.grading.run import RunSubmission
from grader.lesson import release
from grader.paths import COURSE_ID, Course
from grader.text import printable


def configure(config: Config, root: Path | str) -> None:
    """Fill nbgrader's ``config`` for the course at ``root``; make source notebooks that are missing or old.

    Ends the process, with the reason, where that is not possible: after any other error in its configuration nbgrader
    goes on without it, and so without the sandbox. Where files of the course are still in its old place, it would begin
    a second gradebook.
    """
    course = Course.at(root)
    if to_be_moved := course.to_be_moved():
        raise SystemExit(to_be_moved)
    try:
        _configure(config, course)
    except Exception as error:
        raise SystemExit(f"nbgrader cannot be set up for {course.root}: {type(error).__name__}: {error}") from error


def _configure(config: Config, course: Course) -> None:
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's, about nbgrader's own way with its sessions
    # nbgrader runs `alembic` by name, which fails where the virtual environment is used without being activated
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + os.environ.get("PATH", os.defpath)
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.course_id = COURSE_ID
    config.GenerateAssignment.preprocessors = release.release_preprocessors(GenerateAssignment)
    config.Autograde.exporter_class = steps.SubmissionExporter
    config.Autograde.sanitize_preprocessors = [
        preprocessors.ClearOutput,
        RestoreCells,
        preprocessors.OverwriteKernelspec,
        preprocessors.CheckCellMetadata,
    ]
    config.Autograde.autograde_preprocessors = [
        RunSubmission,
        ClearMetadataPreprocessor,
        preprocessors.LimitOutput,
        preprocessors.SaveAutoGrades,
        preprocessors.AssignLatePenalties,
        preprocessors.CheckCellMetadata,
    ]
    config.RunSubmission.course_root = str(course.root)
    config.GenerateFeedback.preprocessors = [steps.HideHiddenTests, preprocessors.GetGrades, CSSHTMLHeaderPreprocessor]
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = {
        "markdown2html": feedback.markdown_to_html,
        "highlight_code": feedback.highlighted,
    }
    harden(course)
    release.build_outdated(course)


def harden(course: Course) -> None:
    """Mend what nbgrader does with what was handed in.

    Left to itself it follows links, takes a folder's name for a pattern, and stops the whole class at a line break in a
    name, at a time it cannot read, or at a submission without the notebook.
    """

    def regular_files(path: str, exclude: list[str] | None = None) -> list[str]:
        kept, remarks = files(Path(path), course.source(os.path.basename(path)))
        if remarks:
            student = os.path.basename(os.path.dirname(path))
            get_logger().warning("%s: left out: %s", student, "; ".join(remarks[:5] + ["..."] * (len(remarks) > 5)))
        relative = [file.relative_to(path) for file in kept]
        is_ignored = lambda part: any(fnmatch.fnmatch(part, pattern) for pattern in exclude or ())  # noqa: E731
        return [os.path.join(path, file) for file in relative if not any(map(is_ignored, file.parts))]

    def timestamp(self, dest_path: str):
        path = Path(dest_path) / "timestamp.txt"
        if path.is_symlink() or not path.is_file():
            return None
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(200).strip()
        try:
            return times.in_utc(text) if text else None
        except ValueError as error:
            self.log.warning("%s: %s; the submission counts as handed in on time", path, error)
            return None

    def init_notebooks(self) -> None:
        name, notebook = self.coursedir.assignment_id, self.coursedir.notebook_id
        self.assignments, self.notebooks = {}, []
        for folder in sorted(glob.glob(self._format_source(name, self.coursedir.student_id))):
            problem = unfit(Path(folder).parent.name)
            if problem or not os.path.isdir(folder):
                self.log.warning(problem or f"{printable(folder)}: left out, it is no folder")
                continue
            found = glob.glob(os.path.join(glob.escape(folder), f"{notebook}.ipynb"))
            main = os.path.join(folder, f"{name}.ipynb")
            if notebook in ("*", name) and main not in found and course.source_notebook(name).exists():
                found.append(main)  # read as missing, and marked 0
            if found:
                self.assignments[folder] = found
        if not self.assignments:
            inherited(self)

    inherited = base.BaseConverter.init_notebooks
    base.find_all_files = regular_files
    coursedir.CourseDirectory.get_existing_timestamp = timestamp
    Autograde.init_notebooks = init_notebooks
