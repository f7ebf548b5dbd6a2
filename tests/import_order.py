"""Checks that the imports of a package go one way only, imports inside functions included; it reads syntax trees."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One file of a package imports another one: names of modules with dots, and the line of the import."""

    importer: str
    imported: str
    line: int


def violations(package: Path, order: Sequence[str]) -> list[str]:
    """Find the imports of a package that break the order of its rooms, and the circles between its files.

    A room is a module or a folder directly in the package. It may import only rooms that stand before it in ``order``.
    Inside a room the files need no order, but they must not import each other in a circle. The package's own
    ``__init__`` needs no place in the order: whoever imports a name from it depends on it, and circles count.

    Args:
        package: The folder of the package, which has an ``__init__.py``.
        order: The names of all rooms, without ``.py``; the first imports nothing of the package.

    Returns:
        One sentence for each violation; an empty list if there is none.
    """
    files = modules(package)
    found = imports(package)
    rooms = [name.split(".")[1] for name in files if "." in name]
    place = {room: number for number, room in enumerate(order)}
    unknown = sorted(set(rooms) - place.keys())
    problems = [f"{package.name}.{room} has no place in the order of the rooms" for room in unknown]
    problems += [f"{package.name}.{room} is in the order, and does not exist" for room in order if room not in rooms]
    for one in found:
        importer, imported = _room(one.importer), _room(one.imported)
        if importer in place and imported in place and place[imported] > place[importer]:
            where = files[one.importer].relative_to(package.parent).as_posix()
            problems.append(
                f"{where}, line {one.line}: {importer} must not import {one.imported}, which stands after it"
            )
    return problems + [f"a circle: {' imports '.join(circle)}" for circle in circles(found)]


def modules(package: Path) -> dict[str, Path]:
    """The files of a package by the names of their modules; folders without an ``__init__.py`` hold no modules."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        folders = [folder for folder in path.parents if folder.is_relative_to(package)]
        if all((folder / "__init__.py").is_file() for folder in folders):
            parts = path.relative_to(package.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> list[Import]:
    """Every import between the files of a package, in the order of the files and their lines."""
    files = modules(package)
    found: dict[Import, None] = {}
    for importer, path in files.items():
        for line, target in _targets(ast.parse(path.read_text(encoding="utf-8")), importer, path.name == "__init__.py"):
            for imported in _executed(target, importer, files):
                if imported != importer:
                    found[Import(importer, imported, line)] = None
    return sorted(found, key=lambda one: (one.importer, one.line, one.imported))


def _targets(tree: ast.Module, importer: str, is_package: bool) -> Iterator[tuple[int, tuple[str, str]]]:
    """Yield the line, the module and the name (or an empty string) of each import, however deep it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, (alias.name, "")
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                parts = importer.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                module = ".".join([*parts, *filter(None, [module])])
            for alias in node.names:
                yield node.lineno, (module, alias.name)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.lineno, (node.args[0].value, "")


def _executed(target: tuple[str, str], importer: str, files: dict[str, Path]) -> list[str]:
    """The modules of the package that an import executes.

    Importing a module executes the ``__init__`` of every folder around it as well, but the folders around the importer
    are being executed already: a file depends on the ``__init__`` of its own folder only if it takes a name from it.
    """
    module, name = target
    whole = f"{module}.{name}" if f"{module}.{name}" in files else module
    if whole not in files:
        return []
    parts = whole.split(".")
    around = [".".join(parts[:length]) for length in range(2, len(parts))]
    return [*(folder for folder in around if not f"{importer}.".startswith(f"{folder}.")), whole]


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def circles(found: Sequence[Import]) -> list[list[str]]:
    """The circles among imports, each as the modules on its way, the first one again at its end; one for each knot."""
    graph: dict[str, list[str]] = {}
    for one in found:
        graph.setdefault(one.importer, []).append(one.imported)
    reached = {module: _reachable(module, graph) for module in graph}
    seen: set[str] = set()
    result = []
    for module in sorted(graph):
        if module in reached[module] and module not in seen:
            knot = {other for other in reached[module] if module in reached.get(other, ())}
            seen |= knot
            result.append(_way_back(module, graph, knot))
    return result


def _reachable(start: str, graph: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for module in graph.get(waiting.pop(), []):
            if module not in found:
                found.add(module)
                waiting.append(module)
    return found


def _way_back(start: str, graph: dict[str, list[str]], knot: set[str]) -> list[str]:
    """The shortest way from a module back to itself, within its knot."""
    ways, seen = [[start]], {start}
    for way in ways:
        for module in graph[way[-1]]:
            if module == start:
                return [*way, start]
            if module in knot - seen:
                seen.add(module)
                ways.append([*way, module])
    raise ValueError(f"{start} is in no circle")
