"""A lesson on its way from reviewable text to an nbgrader notebook, and to the release that students get."""

__all__ = ["release", "source", "test_names"]
