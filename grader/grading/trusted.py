"""Runs test cells in the trusted kernel, with stand-ins for the objects in the student's kernel.

Nothing of the student's is ever executed, unpickled or compared here. Only plain data crosses, by value.
"""

import ast
import base64
import json
import math
import os
import queue
import re
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

import numpy
import psutil

from grader.grading import session
from grader.lesson.test_names import python_source
from grader.paths import CHECKOUT
from grader.sandbox import bubblewrap, clients
from grader.sandbox.inside import edgekit_wire as wire

_STABLE = (sys.prefix, sys.base_prefix, str(CHECKOUT))
_MIME = "application/vnd.edgekit+json"
_ERRORS = {
    name: error
    for name, error in vars(__builtins__ if not isinstance(__builtins__, dict) else __import__("builtins")).items()
    if isinstance(error, type) and issubclass(error, Exception) and not issubclass(error, UnicodeError)
}


class StudentError(Exception):
    """The student's code raised an error of a type of its own."""


class StudentGone(Exception):
    """The student's kernel did not answer: it ended, or took too long."""


class Stand:
    """A stand-in for an object in the student's kernel: it gives data, and is never asked for a verdict.

    It equals nothing and has no truth value, so that an object cannot pass a test by saying so itself.
    """

    __slots__ = ("_number", "_student", "_type_name")

    def __init__(self, student: "Student", number: int, type_name: str) -> None:
        self._student = student
        self._number = number
        self._type_name = type_name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"{self!r}: names that start with _ are not shown to tests")
        return self._student.ask("get", self, name=name)

    def __getitem__(self, key: Any) -> Any:
        return self._student.ask("item", self, key=self._student.encode(key))

    def __len__(self) -> int:
        length = self._student.ask("len", self)
        if type(length) is not int or length < 0:
            raise TypeError(f"{self!r} has no length")
        return length

    def __iter__(self) -> Iterator:
        items = self._student.ask("iter", self)
        if type(items) is not list:
            raise TypeError(f"{self!r} cannot be looped over")
        return iter(items)

    def __eq__(self, other: object) -> bool:
        raise TypeError(f"expected plain data to compare with, got {self!r}")

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise TypeError(f"expected plain data with a truth value, got {self!r}")

    def __repr__(self) -> str:
        return f"<{self._type_name} object of the notebook>"


class CallableStand(Stand):
    """A stand-in for what can be called: a function, a class, a Keras model."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        encode = self._student.encode
        return self._student.ask(
            "call", self, args=[encode(value) for value in args], kwargs={key: encode(kwargs[key]) for key in kwargs}
        )

    def _of_each(self, calls: list[tuple]) -> list:
        """What it returns for each tuple of arguments, asked in one request."""
        encode = self._student.encode
        results = self._student.ask("calls", self, calls=[[encode(value) for value in args] for args in calls])
        if type(results) is not list or len(results) != len(calls):
            raise wire.WireError("the notebook's answer is malformed")
        return results


class Student:
    """Asks the student's kernel.

    Args:
        connection: Of the student's kernel, see `grader.sandbox.kernels.Kernel.connection`.
        pid: The process to look at to see whether the kernel still lives.
    """

    def __init__(self, connection: dict, pid: int) -> None:
        self._client = clients.connect(connection, outputs=False)
        self._pid = pid
        self.deadline = math.inf

    def close(self) -> None:
        """Hang up."""
        self._client.stop_channels()
        self._client.context.destroy(linger=0)

    def names(self, names: list[str]) -> dict:
        """The values of those ``names`` that the notebook defines."""
        values = self.ask("names", names=names)
        return {name: values[name] for name in names if name in values} if type(values) is dict else {}

    def encode(self, value: Any) -> Any:
        """``value`` for the wire; raises TypeError for what is neither plain data nor a stand-in."""
        return wire.encode(value, self._reference)

    def _reference(self, value):
        if isinstance(value, Stand):
            return {"ref": [value._number, "", False]}
        if isinstance(value, Iterator):  # of a test: the notebook gets one that can also be read only once
            return {"iter": [self.encode(item) for item in value]}
        raise TypeError(
            f"cannot hand a {type(value).__name__} to the notebook: only plain data, arrays and its own objects"
        )

    def ask(self, op: str, target: Stand | None = None, **request: Any) -> Any:
        """The notebook's answer to one request, by value; raises what the student's code raised."""
        if target is not None:
            request["target"] = target._number
        text = base64.b64encode(wire.dumps({"op": op, **request}).encode()).decode()
        expression = f"__import__('edgekit_agent').handle('{text}', __import__('IPython').get_ipython().user_ns)"
        reply = wire.loads(self._execute(expression))
        if type(reply) is not dict or len(reply) != 1:
            raise wire.WireError("the notebook's answer is malformed")
        if "raised" in reply:
            raise self._error(reply["raised"])
        return wire.Decoder(self._stand).decode(reply.get("value"))

    def _stand(self, number, type_name, is_callable):
        type_name = re.sub(r"[^A-Za-z0-9_]", "", type_name)[:80] or "unknown"
        return (CallableStand if is_callable else Stand)(self, number, type_name)

    def _execute(self, expression: str) -> str:
        request = self._client.execute("", silent=True, allow_stdin=False, user_expressions={"answer": expression})
        while True:
            try:
                message = self._client.shell_channel.get_msg(timeout=0.2)  # not get_shell_msg: that starts a thread
            except queue.Empty:
                self._check_alive()
                continue
            except Exception as error:
                raise StudentGone("the notebook's kernel sent something that is not a message") from error
            if message["parent_header"].get("msg_id") == request:
                break
        try:
            return message["content"]["user_expressions"]["answer"]["data"][_MIME]
        except (KeyError, TypeError):
            raise StudentGone("the notebook's kernel did not answer the question of a test") from None

    def _check_alive(self):
        try:
            alive = psutil.Process(self._pid).status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            alive = False
        if not alive:
            raise StudentGone("the notebook's kernel ended while a test called it")
        if time.monotonic() > self.deadline:
            clients.interrupt(self._client)
            raise StudentGone("the notebook's code took too long in a test")

    @staticmethod
    def _error(raised) -> Exception:
        """The error the student's code raised, as a built-in one where it is one, told where it happened."""
        types = raised.get("types") if type(raised) is dict else None
        names = [name for name in types if type(name) is str] if type(types) is list else []
        kind = next((_ERRORS[name] for name in names if name in _ERRORS and name != "Exception"), StudentError)
        message = str(raised.get("message", ""))[:2000]
        if kind is StudentError and names:
            message = f"{names[0][:80]}: {message}"
        try:
            error = kind(message)
        except TypeError:
            error = StudentError(message)
        error.students_traceback = str(raised.get("traceback", ""))[:4000]  # type: ignore[attr-defined]
        return error


class _Cells:
    """The test cells run so far: their lines, and which of these are hidden."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.hidden: dict[str, set[int]] = {}

    def add(self, filename: str, source: str) -> None:
        self.lines[filename] = source.split("\n")
        self.hidden[filename] = hidden_lines(source)


def hidden_lines(source: str) -> set[int]:
    """The numbers of the lines in hidden regions, counted from 1."""
    hidden, inside = set(), False
    for number, line in enumerate(source.split("\n"), 1):
        if "BEGIN HIDDEN TESTS" in line:
            inside = True
        if inside:
            hidden.add(number)
        if "END HIDDEN TESTS" in line:
            inside = False
    return hidden


_cells = _Cells()
_last: dict = {}
_first_names: set[str] | None = None


def connect(settings: str) -> None:
    """Called by the grader for every submission: forget the one before, meet this student's kernel.

    The kernel is used again for the next student. It can be: what it got from the one before is plain data.
    """
    global _cells, _first_names
    session.current = json.loads(settings)
    bubblewrap.hide(session.current["hidden"])  # tests build and run programs of the student's in sandboxes
    namespace = sys.modules["__main__"].__dict__
    if session.student is None:
        _first_names = set(namespace)
    else:
        session.student.close()
    for name in set(namespace) - _first_names:
        del namespace[name]
    for name, module in list(sys.modules.items()):
        if not (getattr(module, "__file__", None) or sys.prefix).startswith(_STABLE):
            del sys.modules[name]  # a helper module of the lesson before
    numpy.random.seed()  # noqa: NPY002  (what the tests of the submission before seeded)
    os.chdir(session.current["folder"])
    _cells = _Cells()
    session.student = Student(session.current["connection"], session.current["pid"])


def run_test(request: str) -> None:
    """Run one test cell; `result` tells how it ended."""
    test = json.loads(request)
    _last.clear()
    _last.update(score=None, failure=None)
    filename = f"<{test['grade_id']}>"
    source = test["source"]
    _cells.add(filename, source)
    session.student.deadline = time.monotonic() + test["seconds"]
    namespace = sys.modules["__main__"].__dict__
    try:
        _bind(test, namespace)
        value = _execute(python_source(source), filename, namespace)
        _last["score"] = _score(value, test["points"])
    except BaseException as error:
        _last["failure"] = _report(error)


def result() -> str:
    """The score or the failure of the last test cell, as JSON."""
    return json.dumps(_last)


def _bind(test, namespace) -> None:
    """Give the names of the cell their meaning: real modules, and the student's values as they are now."""
    for statement in test["imports"]:
        exec(statement, namespace)
    values = session.student.names(test["student"]) if test["student"] else {}
    for name in test["student"]:
        namespace.pop(name, None)
    namespace.update(values)


def _execute(source, filename, namespace):
    tree = ast.parse(source, filename)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec"), namespace)
    return eval(compile(ast.Expression(last.value), filename, "eval"), namespace) if last else None


def _score(value, points: float) -> float:
    """The points for a cell that ended in ``value``: all for None; a number gives itself, within 0 and ``points``."""
    if value is None:
        return points
    if type(value) in (int, float) or isinstance(value, numpy.integer | numpy.floating):
        value = float(value)
        return 0.0 if math.isnan(value) else min(max(value, 0.0), points)
    raise TypeError(f"a test cell ends in a number of points or in nothing, not in a {type(value).__name__}")


def _report(error: BaseException) -> dict:
    """A failure for the student (``name``, ``message``, ``lines``) and for the instructor alone (``details``)."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in _cells.lines]
    hidden = any(frame.lineno in _cells.hidden[frame.filename] for frame in frames)
    name = type(error).__name__
    message = str(error).strip()
    students = getattr(error, "students_traceback", "")
    details = "".join(traceback.format_exception(error)) + (f"\nIn the notebook:\n{students}" if students else "")
    if hidden:
        said = type(error) is AssertionError and _raised_by_assert(error) and message
        message = message if said else _what_failed(error, name)
        return {
            "name": "HiddenCheckFailed",
            "message": message,
            "lines": [f"A hidden check failed: {message}"],
            "details": details,
        }
    lines = []
    if frames:
        frame = frames[-1]
        lines.append(f"This check failed, line {frame.lineno}:")
        last = frame.end_lineno if frame.end_lineno and frame.end_lineno < frame.lineno + 12 else frame.lineno
        lines += [f"    {line}" for line in _cells.lines[frame.filename][frame.lineno - 1 : last]]
    if isinstance(error, NameError) and not students:
        message += " (the notebook does not define it at this point)"
    lines.append(f"{name}: {message}" if message else name)
    if students:
        lines += ["It was raised in the notebook:", students.rstrip("\n")]
    return {"name": name, "message": message, "lines": lines, "details": details}


def _raised_by_assert(error: BaseException) -> bool:
    """Whether an assert statement of a test cell raised it, so that its message is the instructor's own words."""
    return traceback.extract_tb(error.__traceback__)[-1].filename in _cells.lines


def _what_failed(error: BaseException, name: str) -> str:
    if hasattr(error, "for_student"):
        return error.for_student
    if hasattr(error, "students_traceback"):
        return f"your code raised {name}"
    if isinstance(error, NameError) and error.name:
        return f"it needs {error.name}, which the notebook does not define"
    return str(error) if isinstance(error, StudentGone) else name
