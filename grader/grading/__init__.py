"""The grading of one submission: read it, run it, test it in a kernel that the student cannot reach."""

__all__ = [
    "feedback",
    "files",
    "marked_cells",
    "nbgrader_setup",
    "read",
    "restore",
    "run",
    "session",
    "steps",
    "times",
    "trusted",
]
