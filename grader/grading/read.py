"""Reads the notebooks of students, in which every byte may be hostile, and the notes that grading left there."""

import base64
import binascii
import json
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat.notebooknode import NotebookNode

MAX_BYTES = 64 << 20  # of a submitted notebook
MAX_CELLS = 2000
MAX_SOURCE = 1 << 20  # characters of a cell
_STOPPED = ("CellTimeout", "KernelDied")  # errors that are the grader's, about a submission that went too far
PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}  # how their files begin


class UnreadableNotebook(ValueError):
    """The submitted file is not a notebook; the message says what is wrong with it, in one line."""


def note(text: str) -> NotebookNode:
    """A cell of the grader's own, for the reader of the report."""
    return nbformat.v4.new_markdown_cell(text, metadata={"editable": False, "deletable": False})


def read_submission(path: Path) -> NotebookNode:
    """The notebook at ``path`` with only what a notebook may have; raises UnreadableNotebook."""
    if path.is_symlink() or path.parent.is_symlink() or path.parent.parent.is_symlink():
        raise UnreadableNotebook("it is a link")
    if not path.is_file():
        raise UnreadableNotebook("it is no regular file" if path.exists() else "there is no file of this name")
    if path.stat().st_size > MAX_BYTES:
        raise UnreadableNotebook(f"it is larger than {MAX_BYTES >> 20} MB")
    try:
        raw = json.loads(path.read_bytes())
        if type(raw) is not dict or type(raw.get("nbformat")) is not int:
            raise UnreadableNotebook("it is not a Jupyter notebook")
        if raw["nbformat"] != 4:
            raw = _converted(raw)
        if type(raw.get("cells")) is not list:
            raise UnreadableNotebook("it is a broken Jupyter notebook (it has no cells)")
        # Before nbformat looks at them: it would take seconds for each ten thousand.
        cells = _not_too_many([cell for cell in map(_slim, raw["cells"]) if cell])
        notebook = nbformat.from_dict({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})
        nbformat.validate(notebook)
    except UnreadableNotebook:
        raise
    except (ValueError, RecursionError, UnicodeError, MemoryError) as error:
        raise UnreadableNotebook(f"it is not a Jupyter notebook ({type(error).__name__})") from error
    except (
        Exception
    ) as error:  # nbformat's converters and validators raise what they meet: KeyError, AttributeError, ...
        raise UnreadableNotebook(f"it is a broken Jupyter notebook ({type(error).__name__})") from error
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def read_or_note(path: Path, on_error: Callable[[UnreadableNotebook], None] = lambda error: None) -> NotebookNode:
    """The notebook at ``path``; where it cannot be read, calls ``on_error(error)`` and gives one with a note."""
    try:
        return read_submission(path)
    except UnreadableNotebook as error:
        on_error(error)
        cells = [note(f"**The submitted file could not be graded:** {error}.")]
        return nbformat.v4.new_notebook(cells=cells, metadata={"edgekit": {"unreadable": str(error)}})


def unreadable(notebook: NotebookNode) -> str:
    """Why a submission could not be read as a notebook, as `read_or_note` left it; nothing if it could."""
    return str(notebook.metadata.get("edgekit", {}).get("unreadable", ""))


def stopped(notebook: NotebookNode) -> str:
    """The first time that a submission was stopped, as its report says it; nothing if it was not."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return next((o.evalue for o in outputs if o.output_type == "error" and o.ename in _STOPPED), "")


def missing_tasks(notebook: NotebookNode) -> str:
    """The grade ids of the tasks of which no cell was found in what was handed in; nothing if all were."""
    return ", ".join(notebook.metadata.get("edgekit", {}).get("missing", []))


def without_surrogates(text: str) -> str:
    """``text`` with a question mark for each half of a character, which no file in UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _converted(raw: dict) -> dict:
    """A notebook of an older format (nbformat 3 keeps its cells in worksheets) as nbformat 4 has it."""
    for sheet in raw.get("worksheets", []):
        sheet["cells"] = sheet["cells"][: MAX_CELLS + 1]
    return json.loads(json.dumps(nbformat.convert(nbformat.from_dict(raw), 4)))


def _slim(cell) -> dict | None:
    """A cell's type, source, ids and pasted pictures, without outputs and whatever else was put into it."""
    if type(cell) is not dict or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return None
    source = _text(cell.get("source", ""))
    if len(source) > MAX_SOURCE:
        source = "# this cell was longer than a million characters, and was left out"
    metadata = cell.get("metadata")
    marks = metadata.get("nbgrader") if type(metadata) is dict else None
    grade_id = marks.get("grade_id") if type(marks) is dict else None
    kept: dict = {"nbgrader": {"grade_id": grade_id}} if type(grade_id) is str else {}
    if not kept and type(cell.get("id")) is str:
        kept = {"cell_id": cell["id"]}
    slim = {"cell_type": cell["cell_type"], "source": source, "metadata": kept}
    if cell["cell_type"] == "code":
        slim |= {"outputs": [], "execution_count": None}
    pictures = _pictures(cell.get("attachments")) if cell["cell_type"] == "markdown" else {}
    return slim | ({"attachments": pictures} if pictures else {})


def _text(lines) -> str:
    """The text of a field that holds it whole or as a list of lines; empty where it is anything else."""
    if type(lines) is list:
        lines = "".join(line for line in lines if type(line) is str)
    return without_surrogates(lines) if type(lines) is str else ""


def _pictures(attachments) -> dict[str, dict[str, str]]:
    """The pictures that were pasted into a cell, by name; only what is a PNG or JPEG file."""
    found: dict[str, dict[str, str]] = {}
    for name, kinds in attachments.items() if type(attachments) is dict else ():
        for kind, data in kinds.items() if type(kinds) is dict else ():
            if kind in PICTURES and _is_picture(_text(data), PICTURES[kind]):
                found[without_surrogates(name)] = {kind: _text(data)}
    return found


def _is_picture(data: str, beginning: bytes) -> bool:
    try:
        return base64.b64decode("".join(data.split()), validate=True).startswith(beginning)
    except (binascii.Error, ValueError):
        return False


def _not_too_many(cells: list) -> list:
    if len(cells) <= MAX_CELLS:
        return cells
    kept = [cell for cell in cells if cell["metadata"].get("nbgrader")][:MAX_CELLS]
    said = note(f"*The notebook had {len(cells)} cells; only its tasks and tests were kept.*")
    del said["id"]  # no format before 4.5 has it
    return [said, *kept]
