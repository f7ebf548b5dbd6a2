"""Asks the tests of a lesson, hidden parts included, what they think of other answers: python answers.py LESSON

Runs the lesson's cells once with its solutions; then, for every test, each answer takes the place of the solution. The
answers cross to the test as they do when a notebook is graded (`edgekit_agent`, `edgekit_wire`), but in this process,
so that hundreds of them take a minute. Prints JSON: for every test its points and, for every answer, its score, what
the test said, and for right and wrong ones what the part of the test that students see says by itself.
"""

import json
import re
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "grader" / "sandbox" / "inside"), str(Path(__file__).parent)]

import edgekit_agent  # noqa: E402
import numpy as np  # noqa: E402
from answers_table import FUNCTIONS, TEXTS, VALUES  # noqa: E402

from edgekit import firmware  # noqa: E402
from edgekit.errors import EdgekitError  # noqa: E402
from edgekit.notebook.checks import Check  # noqa: E402
from edgekit.notebook.lesson import try_program  # noqa: E402
from grader.for_tests import xor_network  # noqa: E402
from grader.grading import session, trusted  # noqa: E402
from grader.grading.run import _library_names  # noqa: E402
from grader.lesson import test_names  # noqa: E402
from grader.lesson.source import read_lesson  # noqa: E402
from grader.paths import COURSE, Course  # noqa: E402


def _yes(self, *args, **kwargs):
    return True


def _itself(self, *args, **kwargs):
    return self


# A class whose objects say yes to everything.
Everything = type("Everything", (), dict.fromkeys(["__eq__", "__ne__", "__lt__", "__gt__", "__bool__"], _yes))
for _name in ("__call__", "__getitem__", "__getattr__"):
    setattr(Everything, _name, _itself)


def each(result, change):
    """A result with ``change`` applied to every number and array in it."""
    if isinstance(result, dict):
        return {key: each(value, change) for key, value in result.items()}
    if isinstance(result, tuple | list):
        return type(result)(each(value, change) for value in result)
    return change(np.asarray(result)) if isinstance(result, np.ndarray | np.generic | int | float) else result


def turned(array):
    return array[::-1].copy() if array.ndim and len(array) > 1 else -array - 1


WRONG_RESULTS = {
    "an empty array": lambda array: np.empty(0),
    "an empty array of as many dimensions": lambda array: np.empty((0,) * max(array.ndim, 1)),
    "zeros": lambda array: np.zeros_like(array),
    "not numbers": lambda array: np.full(array.shape, np.nan),
    "a little more": lambda array: (array + 1 if array.dtype.kind in "iu" else array * 1.01 + 0.01).astype(array.dtype),
    "backwards": turned,
    "one of them": lambda array: array.ravel()[0] if array.ndim and array.size else array + 1,
    "text": lambda array: str(array),
}


class InProcess(trusted.Student):
    """The student's side, in this process."""

    def __init__(self, names):
        self.names_there = names

    def _execute(self, expression):
        text = re.search(r"handle\('([^']*)'", expression)[1]
        return edgekit_agent.handle(text, self.names_there).text


class _AsKeras:
    """Instead of a board, whose answers the test asks for once more, of a real program."""

    def __init__(self, model):
        self._weights = model.get_weights()
        self.asked = 0

    def classify(self, row):
        self.asked += 1
        return types.SimpleNamespace(scores=xor_network.outputs(self._weights, np.array([row], np.float32))[0])


def lesson_states(name):
    """The lesson's names before every test, with its solutions; and the notebook."""
    notebook = read_lesson(Course.at(COURSE).lesson(name))
    names: dict = {"__name__": "student"}
    before = {}
    for cell in notebook.cells:
        marks = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code" or "not-graded" in cell.metadata.get("tags", []):
            continue
        if marks.get("grade"):
            before[marks["grade_id"]] = dict(names)
        elif marks.get("grade_id") == "on_board":
            names["device"] = _AsKeras(names["model"])
        elif marks.get("grade_id") == "float_network":
            from grader.for_tests import car_network

            names["net"] = car_network.trained()  # as the cell makes it with Keras
        else:
            source = "\n".join(line for line in cell.source.split("\n") if not line.startswith("%"))
            if not cell.source.startswith("%%") and marks.get("grade_id") != "project":
                exec(compile(source, marks.get("grade_id", "cell"), "exec"), names)
    return notebook, before


def score(test, names, cells, library):
    """The points of one answer, and what the test said."""
    session.current = {"cells": cells, "library": library, "unsafe": False, "hidden": []}
    session.student = InProcess(names)
    trusted._cells = trusted._Cells()
    trusted.run_test(json.dumps(test))
    said = json.loads(trusted.result())
    failure = said["failure"]
    if failure and failure["name"] not in ("AssertionError", "CheckError", "HiddenCheckFailed"):
        return (said["score"] or 0.0), f"{failure['name']}: {failure['message']}"
    return (said["score"] or 0.0), failure and failure["message"]


def shown_part(source):
    """What students see of a test."""
    return re.sub(r"### BEGIN HIDDEN TESTS.*?### END HIDDEN TESTS", "", source, flags=re.DOTALL)


class Trials:
    """The cells that try a program before its test does, and a project for them."""

    def __init__(self, notebook, folder):
        self._folder, self._project = folder, None
        self.cells = {
            check.task: cell
            for cell in notebook.cells
            if cell.cell_type == "code" and not cell.metadata.get("nbgrader", {}).get("grade")
            if (check := Check.of(cell.source))
        }

    def says(self, task, names, text):
        """What the cell of a task says of the program in ``text``; None if it finds nothing wrong."""
        app = names["model_files"][0].stem
        self._project = self._project or firmware.create(app, self._folder, names["model_files"])
        self._project.write("src/main.cpp", text.partition("\n")[2] + "\n")
        own = names | {"project": self._project, "try_program": try_program}
        own["firmware"] = types.SimpleNamespace(create=lambda *_: self._project)
        if app == "carclassifier":
            own["some"] = names["test"].images[:8]
        try:
            exec(compile(self.cells[task].source, "try", "exec"), own)
        except (AssertionError, EdgekitError) as error:
            return str(error)
        return None


def recorded(function, name, shown):
    """A function that knows the answers that the shown part of its test asks for, and no others."""
    known = {}

    def record(*args, **kwargs):
        known[repr((args, kwargs))] = function(*args, **kwargs)
        return known[repr((args, kwargs))]

    shown(name, record)
    return lambda *args, **kwargs: known.get(repr((args, kwargs)), np.empty(0))


def answers_to(lesson, task, names, text):
    """The answers to a task: by (kind, what it is), the names that take others' places, and the text of its cell."""
    if task != "on_board":  # whose solution opens a board, and there is none
        yield ("right", "the solution"), {}, text
    for function in FUNCTIONS.get(task, ()):
        right = names.get(function)
        if right is None:
            continue
        for what, change in WRONG_RESULTS.items():
            wrong = lambda *a, right=right, change=change, **k: each(right(*a, **k), change)  # noqa: E731
            yield ("wrong", f"{function}: {what}"), {function: wrong}, text
        yield ("wrong", f"{function}: nothing"), {function: lambda *a, **k: None}, text
        yield ("forged", f"{function}: yes to everything"), {function: Everything()}, text
    for kind, sources in _of(VALUES, lesson, task).items():
        for source in sources:
            own = dict(names)
            try:
                exec(compile(source, "answer", "exec"), own)
            except Exception as error:  # a cell that fails leaves the names that it made before
                if kind == "right":
                    raise RuntimeError(f"{task}: {source}") from error
            # A right answer may go on from the solution, and then its cell has both.
            yield (kind, source), own, f"{text}\n{source}" if kind == "right" else source
    for kind, changes in _of(TEXTS, lesson, task).items():
        for old, new in changes:
            if old not in text:
                raise RuntimeError(f"{task} has no {old}")
            yield (kind, new or f"without {old}"), {}, text.replace(old, new)


def _of(table, lesson, task):
    return table.get(lesson, {}).get(task) or table["both"].get(task, {})


def main(name):
    """Print the scores of all answers to the tests of a lesson."""
    notebook, before = lesson_states(name)
    library = _library_names(notebook)
    marked = {c.metadata["nbgrader"]["grade_id"]: c for c in notebook.cells if "nbgrader" in c.metadata}
    cells = {grade_id: cell.source for grade_id, cell in marked.items()}
    plans = test_names.plan(notebook, {grade_id: cells[grade_id] for grade_id in before})
    trials = Trials(notebook, Path("firmware_of_trials").resolve())
    results = {}
    for grade_id, names in before.items():
        task, points = grade_id.removesuffix("_check"), marked[grade_id].metadata["nbgrader"]["points"]
        request = {
            **{"grade_id": grade_id, "source": cells[grade_id], "points": points, "seconds": 60},
            **{"student": plans[grade_id].student, "imports": plans[grade_id].imports},
        }

        def shown(function, record, request=request, names=names):
            part = request | {"source": shown_part(request["source"])}
            score(part, names | {function: record}, cells, library)

        looked_up = [
            (
                ("forged", f"{function}: the shown answers"),
                {function: recorded(names[function], function, shown)},
                cells[task],
            )
            for function in FUNCTIONS.get(task, ())
            if function in names
        ]
        results[grade_id] = {"points": points, "answers": []}
        for (kind, what), changed, text in [*answers_to(name, task, names, cells[task]), *looked_up]:
            got, said = score(request, names | changed, cells | {task: text}, library)
            if kind == "forged":
                seen = None
            elif task in trials.cells and name == "carclassifier_hard":  # the car lessons share these
                seen = None if kind == "right" else "It is tried with the answers to carclassifier_easy."
            elif task in trials.cells:
                seen = trials.says(task, names | changed, text)
            else:
                part = request | {"source": shown_part(request["source"])}
                _, seen = score(part, names | changed, cells | {task: text}, library)
            results[grade_id]["answers"].append([kind, what, got, said, seen])
    print(json.dumps(results))


if __name__ == "__main__":
    run, sys.modules["__main__"] = main, types.ModuleType("__main__")  # the tests leave their names there
    run(sys.argv[1])
