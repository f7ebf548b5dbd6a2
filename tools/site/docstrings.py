"""Tells griffe, which reads the code for the API reference, four habits of this code.

A comment above a public constant, or after it on its line, documents it; ``BLUE, ORANGE = ...`` makes two constants.
In a docstring, ``low, high: the range`` describes two arguments, and ``Example:`` begins one or more examples. In a
module's docstring, a paragraph of words in columns is a table.
"""

import ast
import re
from pathlib import Path

import griffe

SECTION = re.compile(r"^\s*(Args|Attributes):\s*$")
COLUMNS = re.compile(r"\S.*? {2,}\S|    ")
TOGETHER = re.compile(r"^(\s+)(\w+(?:, \*{0,2}\w+)+):\s+(.*)$")


class HouseStyle(griffe.Extension):
    """The extension that mkdocstrings loads from this file."""

    def on_module_members(self, *, node, mod, **_):
        """Add the constants of an assignment to several names, which griffe leaves out."""
        for each in node.body if isinstance(node, ast.Module) else ():
            if isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Tuple):
                values = each.value.elts if isinstance(each.value, ast.Tuple) else [None] * len(each.targets[0].elts)
                for target, value in zip(each.targets[0].elts, values, strict=True):
                    if target.id not in mod.members:
                        shown = None if value is None else ast.unparse(value)
                        attribute = griffe.Attribute(
                            target.id, value=shown, lineno=each.lineno, endlineno=each.end_lineno, parent=mod
                        )
                        mod.set_member(target.id, attribute)
                        self.on_attribute_instance(attr=attribute)

    def on_module_instance(self, *, node, mod, **_):
        """Keep a module's tables of words in columns: as indented text, which Markdown shows as it is written."""
        if isinstance(node, ast.Module) and mod.docstring is not None:
            paragraphs = ast.get_docstring(node, clean=False).strip().split("\n\n")
            mod.docstring.value = "\n\n".join(indented(each) if is_table(each) else each for each in paragraphs)

    def on_attribute_instance(self, *, attr, **_):
        """Take the comment of a module's constant as its docstring."""
        if attr.docstring is not None or not attr.parent.is_module or attr.name.startswith("_") or not attr.lineno:
            return
        if text := comment_of(attr.filepath, attr.lineno, attr.endlineno):
            text = text[0].upper() + text[1:] + ("" if text.endswith((".", ":")) else ".")
            attr.docstring = griffe.Docstring(text, lineno=attr.lineno, parent=attr)

    def on_instance(self, *, obj, **_):
        """Give each of several arguments that share a description a line of its own; call examples by griffe's word."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"(?m)^( *)Example:$", r"\1Examples:", apart(obj.docstring.value))


def comment_of(path: Path, first: int, last: int) -> str:
    """The comment after a constant on its line, or else the block of comment lines above the lines it stands among.

    Args:
        path: the module's file.
        first, last: the constant's lines, counted from 1.

    Returns:
        The text, or nothing.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if (last_line := lines[last - 1]).count("#") == 1 and not re.search(r"['\"][^'\"]*#", last_line):
        return last_line.split("#", 1)[1].strip()
    above = first - 2
    while above >= 0 and re.match(r"[A-Z_, ]+(?:: .+)? = |[ )\]}]", lines[above]):  # constants that share a comment
        above -= 1
    text = []
    while above >= 0 and lines[above].startswith("#"):
        text.insert(0, lines[above].lstrip("# "))
        above -= 1
    return " ".join(text)


def apart(docstring: str) -> str:
    """A docstring in which an entry ``a, b: text`` became one entry for each name."""
    lines = docstring.splitlines()
    result, at, section = [], 0, None
    while at < len(lines):
        line, at = lines[at], at + 1
        if SECTION.match(line):
            section = indent_of(line)
        elif line.strip() and section is not None and indent_of(line) <= section:
            section = None
        together = TOGETHER.match(line) if section is not None else None
        if not together:
            result.append(line)
            continue
        rest = []
        while at < len(lines) and lines[at].strip() and indent_of(lines[at]) > indent_of(line):
            rest.append(lines[at])
            at += 1
        indent, names, text = together.groups()
        for name in names.split(", "):
            result += [f"{indent}{name}: {text}", *rest]
    return "\n".join(result)


def is_table(paragraph: str) -> bool:
    """Whether all lines are words in columns, and there are two lines or more."""
    lines = paragraph.splitlines()
    return len(lines) > 1 and all(COLUMNS.match(line) for line in lines)


def indented(paragraph: str) -> str:
    """A paragraph as Markdown's block of code."""
    return "\n".join(f"    {line}" for line in paragraph.splitlines())


def indent_of(line: str) -> int:
    """The number of spaces that a line begins with."""
    return len(line) - len(line.lstrip())
