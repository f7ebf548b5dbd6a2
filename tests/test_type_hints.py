"""Every public function and method of edgekit and grader has type hints for its arguments and its result."""

import ast

import pytest
from conftest import ROOT


def functions(tree, where=""):
    """All functions and methods of a module, with their names, as far as they can be reached from outside."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield where + node.name, node
        elif isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from functions(node, f"{where}{node.name}.")
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from functions(node, where)


def is_public(name):
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def missing(function, is_method):
    """What of a function has no type: its arguments' names, and "return"."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    decorators = {decorator.id for decorator in function.decorator_list if isinstance(decorator, ast.Name)}
    if is_method and "staticmethod" not in decorators:
        positional = positional[1:]
    rest = [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
    names = [argument.arg for argument in (*positional, *arguments.kwonlyargs, *rest) if argument.annotation is None]
    return names + ["return"] * (function.returns is None)


def modules():
    for package in ("edgekit", "grader"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("name", list(modules()))
def test_public_functions_have_types(name):
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    wanting = {
        f"{name}:{function.lineno} {where}": without
        for where, function in functions(tree)
        if is_public(function.name) and (without := missing(function, is_method="." in where))
    }
    assert not wanting
