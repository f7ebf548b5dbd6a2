"""Decides the meaning of each name in a test cell from the lesson's own text, before any student is asked.

A name belongs to whichever cell of the instructor's notebook bound it last before the test: an ``import`` means the
real module, a test cell means the test's own value, any other cell means the student's.
"""

import ast
import builtins
import functools
import symtable
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from IPython.core.inputtransformer2 import TransformerManager

if TYPE_CHECKING:
    from nbformat.notebooknode import NotebookNode  # slow to import, and the kernel of the tests has no need of it

# A worker asks the same of the same cells for every student. Nobody changes the trees.
_REMEMBER = functools.lru_cache(maxsize=1000)
_BUILTIN = frozenset(dir(builtins)) | {"get_ipython", "display", "__name__"}


@dataclass
class Names:
    """For one test cell: names to ask the student's kernel for, and import statements to run first."""

    student: list[str] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)


def plan(notebook: "NotebookNode", tests: dict[str, str]) -> dict[str, Names]:
    """The meaning of the names of every test cell.

    Args:
        notebook: The instructor's notebook, in its order.
        tests: The source of each test cell that will run, by grade id.
    """
    owners: dict[str, str] = {}  # "student", "test" or an import statement
    plans: dict[str, Names] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in tests:
            used, bound = used_names(tests[grade_id]), bound_names(tests[grade_id])
            plans[grade_id] = _meaning(used, bound, owners)
            owners.update(dict.fromkeys(bound, "test"))
        else:
            owners.update(dict.fromkeys(bound_names(cell.source), "student"))
        owners.update(imports(cell.source))
    for grade_id in tests.keys() - plans.keys():
        plans[grade_id] = _meaning(used_names(tests[grade_id]), bound_names(tests[grade_id]), owners)
    return plans


def _meaning(used: set[str], bound: set[str], owners: dict[str, str]) -> Names:
    names = Names()
    for name in sorted(used - _BUILTIN):
        owner = owners.get(name, "test" if name in bound else "student")
        if owner == "student":
            names.student.append(name)
        elif owner != "test":
            names.imports.append(owner)
    return names


def imports(source: str) -> dict[str, str]:
    """The names that imports anywhere in a cell's top level bind, each with a statement that binds it."""
    found = {}
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = ast.unparse(ast.Import([alias]))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                if alias.name != "*":
                    found[alias.asname or alias.name] = ast.unparse(ast.ImportFrom(node.module, [alias], 0))
    top = bound_names(source)
    return {name: statement for name, statement in found.items() if name in top}


@functools.lru_cache(maxsize=100)  # the tests of a submission ask for all its cells, one after the other
def statements(source: str) -> Sequence[tuple[str, str]]:
    """The names that a cell of a student's binds at its top level, each with a statement that binds it."""
    found = []
    for node in _tree.__wrapped__(source).body:
        try:
            text = ast.unparse(node)
        except RecursionError:
            continue
        found += [(name, text) for name in bound_names(text, remember=False)]
    return found


def attributes(source: str) -> set[str]:
    """The names of all attributes in a cell of a student's."""
    return {node.attr for node in ast.walk(_tree.__wrapped__(source)) if isinstance(node, ast.Attribute)}


def packages(source: str) -> set[str]:
    """The top-level packages that a cell of a student's imports anywhere, in functions too."""
    nodes = list(ast.walk(_tree.__wrapped__(source)))
    modules = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {module.partition(".")[0] for module in modules}


def package(statement: str) -> str:
    """The top-level package of an import statement, as `imports` writes it."""
    return statement.split()[1].partition(".")[0]


def bound_names(source: str, remember: bool = True) -> set[str]:
    """The names a cell binds at its top level; ``remember`` is for cells of the instructor's, which come again."""
    table = (_table if remember else _table.__wrapped__)(source)
    if table is None:
        return set()
    bound = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    return bound | {name for scope in _scopes(table) for name in _declared_global(scope)}


def used_names(source: str, remember: bool = True) -> set[str]:
    """The names a cell reads from its globals, in functions too; ``remember`` as for `bound_names`."""
    table = (_table if remember else _table.__wrapped__)(source)
    if table is None:
        return set()
    used = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    for scope in _scopes(table):
        used |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global() and symbol.is_referenced()}
    return used


def _scopes(table: symtable.SymbolTable):
    for child in table.get_children():
        yield child
        yield from _scopes(child)


def _declared_global(scope: symtable.SymbolTable):
    return (s.get_name() for s in scope.get_symbols() if s.is_declared_global() and s.is_assigned())


def python_source(source: str) -> str:
    """A cell's source with IPython's magics as Python."""
    return TransformerManager().transform_cell(source)


@_REMEMBER
def _tree(source: str) -> ast.Module:
    try:
        return ast.parse(python_source(source))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


@_REMEMBER
def _table(source: str) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(python_source(source), "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return None
