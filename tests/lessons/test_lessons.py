"""Every lesson is tried in a file of this folder."""

from pathlib import Path

from conftest import ROOT


def test_every_lesson_is_tried_in_a_file_of_its_own():
    lessons = {path.name for path in (ROOT / "notebooks").iterdir() if path.is_dir()}
    tried = {path.stem.removeprefix("test_lesson_") for path in Path(__file__).parent.glob("test_lesson_*.py")}
    assert tried == lessons
