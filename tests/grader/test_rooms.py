"""The rooms of grader/ import in one direction, and only `grader.paths` knows the names of a course's folders."""

import ast
from pathlib import Path

from import_order import modules, violations

import grader

PACKAGE = Path(grader.__file__).parent
ORDER = [
    "paths",
    "text",
    "lesson",
    "sandbox",
    "grading",
    "for_tests",
    "batch",
    "report",
    "platforms",
    "demo",
    "course",
    "__main__",
    "nbgrader_config",
]
FOLDERS = {"gradebook.db", "source", "submitted", "autograded", "feedback", "collected", "handed_back", "lessons"}


def test_each_room_imports_only_rooms_before_it_and_no_files_import_each_other_in_a_circle():
    assert violations(PACKAGE, ORDER) == []


def test_only_paths_joins_the_names_of_a_courses_folders():
    found = []
    for name, path in modules(PACKAGE).items():
        for node in ast.walk(ast.parse(path.read_text())) if name != "grader.paths" else ():
            parts = []
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                parts = [node.right]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("Path", "joinpath", "join"):
                parts = node.args
            words = {part.value for part in parts if isinstance(part, ast.Constant)}
            found += [f"{name}, line {node.lineno}: {word}" for word in words & FOLDERS]
    assert found == []
