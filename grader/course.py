"""Where a course keeps its things, and how nbgrader is set up for it: nbgrader_config.py only calls `configure`."""

import os
import sysconfig
import warnings
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Course:
    """The folders of one nbgrader course.

    ``lessons/NAME/NAME.md`` is written by hand, ``source/`` is made from it; the rest is nbgrader's.
    """

    root: Path
    notebooks: Path  # what students get, committed

    @classmethod
    def at(cls, root: Path | str) -> "Course":
        root = Path(root).resolve()
        return cls(root, root.parent / "notebooks")

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def shared(self) -> Path:
        """Texts that several lessons include."""
        return self.lessons / "shared"

    @property
    def source(self) -> Path:
        return self.root / "source"

    @property
    def names(self) -> list[str]:
        """The lessons of this course."""
        return sorted(path.parent.name for path in self.lessons.glob("*/*.md") if path.stem == path.parent.name)

    def lesson(self, name: str) -> Path:
        """The text of lesson ``name``; raises LessonError with the known names when there is none."""
        from grader.lesson_source import LessonError

        if name not in self.names:
            raise LessonError(f"no lesson {name!r} in {self.lessons}; there is {', '.join(self.names) or 'none yet'}")
        return self.lessons / name / f"{name}.md"


def configure(config, root: Path | str) -> None:
    """Fill nbgrader's ``config`` for the course at ``root``; make source notebooks that are missing or old."""
    from nbconvert.preprocessors import ClearMetadataPreprocessor, CSSHTMLHeaderPreprocessor
    from nbgrader import preprocessors as steps
    from nbgrader.converters import GenerateAssignment

    from grader import handed_in, releasing, submissions
    from grader.execution import RunSubmission

    course = Course.at(root)
    warnings.filterwarnings("ignore", module="nbgrader")  # SQLAlchemy's, about nbgrader's own way with its sessions
    # nbgrader runs `alembic` by name, which fails where the virtual environment is used without being activated
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = scripts + os.pathsep + os.environ.get("PATH", os.defpath)
    config.CourseDirectory.root = str(course.root)
    config.CourseDirectory.course_id = "edgekit"
    config.GenerateAssignment.preprocessors = releasing.release_preprocessors(GenerateAssignment)
    config.Autograde.exporter_class = submissions.SubmissionExporter
    config.Autograde.sanitize_preprocessors = [
        steps.ClearOutput,
        submissions.RestoreCells,
        steps.OverwriteKernelspec,
        steps.CheckCellMetadata,
    ]
    config.Autograde.autograde_preprocessors = [
        RunSubmission,
        ClearMetadataPreprocessor,
        steps.LimitOutput,
        steps.SaveAutoGrades,
        steps.AssignLatePenalties,
        steps.CheckCellMetadata,
    ]
    config.RunSubmission.source_root = str(course.source)
    config.GenerateFeedback.preprocessors = [submissions.HideHiddenTests, steps.GetGrades, CSSHTMLHeaderPreprocessor]
    config.HTMLExporter.sanitize_html = True
    config.HTMLExporter.filters = {"markdown2html": submissions.harmless_html}
    handed_in.harden(course.source)
    releasing.build_outdated(course)
