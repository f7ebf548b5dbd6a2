"""What a lesson's check cells say: that they passed and with how many points, or in one sentence what is not right yet.

A check is a cell whose first line names its task and its points (docs/authoring.md). `install` watches the cells that a
notebook runs: after a check that passes, it prints the points and how far the lesson is; for a check that fails, the
traceback is replaced by a sentence. `hint` gives the hints to a task one after the other.
"""

import difflib
import json
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

__all__ = [
    "Check",
    "CheckError",
    "Lesson",
    "expect",
    "hint",
    "install",
    "numbers",
    "of_each",
    "parts",
    "same",
    "this_lesson",
]

HINTS = "hints.json"  # beside the notebook: the hints to each task, from the lesson's text
_MARK = re.compile(r"# Check of ([\w-]+): ([0-9.]+) of ([0-9.]+) points, task ([0-9]+) of ([0-9]+)\.?\s*$")
# What mistakes in a lesson raise; errors of the syntax are shown by IPython itself.
_EXPLAINED: tuple[type[Exception], ...] = (
    *(ArithmeticError, AssertionError, AttributeError, EdgekitError, LookupError),
    *(NameError, OSError, RuntimeError, TypeError, ValueError),
)
_RUN_ABOVE = "Run > Run All Above Selected Cell"


class CheckError(EdgekitError, AssertionError):
    """An answer is not right yet; the message says what is wrong with it."""


def expect(condition: object, message: str) -> None:
    """Refuse an answer, in a function where an assert would show code instead of the message.

    Args:
        condition: whether the answer is right.
        message: a sentence on what is wrong with it.

    Raises:
        CheckError: it is not right.
    """
    if not condition:
        raise CheckError(message)


def numbers(value: object, shape: tuple[int, ...] | None, what: str) -> "np.ndarray":
    """An answer as an array of finite numbers.

    Args:
        value: a number, an array, or lists of numbers.
        shape: the shape that it should have; None means any, but not an empty one.
        what: what it is, for the message: "the scales of these weights".

    Returns:
        The array, of the kind of number that it had.

    Raises:
        CheckError: it is something else, or has another shape.
    """
    import numpy as np

    expect(value is not None, f"{what} should be numbers, but there is nothing (None): is the result returned?")
    plain = isinstance(value, bool | int | float | list | tuple | np.ndarray | np.generic)
    kind = "function" if callable(value) and not isinstance(value, type) else type(value).__name__.strip("_")
    expect(plain, f"{what} should be numbers, not an object of type {kind}")
    try:
        array = np.asarray(value)
    except ValueError:
        raise CheckError(f"{what} should be numbers, as many in each row") from None
    expect(array.dtype.kind not in "US", f"{what} should be numbers, yours is text")
    expect(array.dtype.kind in "biuf", f"{what} should be numbers, yours is of type {array.dtype}")
    if shape is None:
        expect(array.size, f"{what}: there are no numbers")
    elif array.shape != shape:
        axes = " (an axis is too many: keepdims, or [:, None]?)" if array.squeeze().shape == shape else ""
        raise CheckError(f"{what} should have the shape {shape}, yours has the shape {array.shape}{axes}")
    expect(np.isfinite(array).all(), f"{what}: some are infinite, or not a number (nan)")
    return array


def parts(value: object, what: str, *names: str) -> tuple:
    """The parts of an answer that has several, such as what a function returns.

    Args:
        value: the answer.
        what: what it is, for the message: "the result of evaluate".
        names: what its parts are.

    Returns:
        The parts, as many as there are names.

    Raises:
        CheckError: it has not as many parts.
    """
    wanted = f"{what} should be {len(names)} values, {' and '.join(names)}"
    expect(value is not None, f"{wanted}, but there is nothing (None): is the result returned?")
    try:
        found = tuple(value)  # type: ignore[arg-type]
    except TypeError:
        raise CheckError(f"{wanted}; yours is one of type {type(value).__name__}") from None
    expect(len(found) == len(names), f"{wanted}; yours are {len(found)}")
    return found


def same(
    value: object,
    expected: "ArrayLike",
    what: str,
    atol: float = 0.0,
    mistakes: "Mapping[str, ArrayLike] | None" = None,
) -> None:
    """Compare an answer with what it should be, without broadcasting.

    Args:
        value: the answer.
        expected: what it should be.
        what: what it is, for the message: "the zero point of the range 0 to 6".
        atol: the largest difference that counts as none. 1e-5 of the expected numbers always counts as none if it is
            not 0.
        mistakes: what known mistakes give, from a sentence that names the mistake to its numbers.

    Raises:
        CheckError: it differs; the message names the mistake, or shows the first number that differs.
    """
    import numpy as np

    wanted = np.asarray(expected)
    found = numbers(value, wanted.shape, what)

    def agree(other: "ArrayLike") -> np.ndarray:
        other = np.asarray(other)
        if not atol or other.dtype.kind not in "biuf":
            return np.asarray(found == other)
        return np.isclose(found.astype(float), other.astype(float), rtol=1e-5, atol=atol)

    right = agree(wanted)
    if right.all():
        return
    for mistake, numbers_of_it in (mistakes or {}).items():
        if np.shape(numbers_of_it) == wanted.shape and agree(numbers_of_it).all():
            raise CheckError(mistake)
    if wanted.size <= 8:
        raise CheckError(f"{what} should be {_shown(wanted)}, yours: {_shown(found)}")
    first = tuple(int(i) for i in np.argwhere(~right)[0])
    raise CheckError(
        f"{what}: {np.count_nonzero(~right):,} of {wanted.size:,} differ; the first at {list(first)} "
        f"should be {_shown(wanted[first])}, yours is {_shown(found[first])}"
    )


def of_each(function: Callable, arguments: Iterable[tuple]) -> list:
    """Ask a function for many answers.

    Args:
        function: a function of the notebook.
        arguments: the arguments of each call.

    Returns:
        What it returns for each. When a notebook is graded, one request asks for all, which is much faster.
    """
    calls = list(arguments)
    at_once = getattr(type(function), "_of_each", None)  # of a stand-in for it (grader.grading.trusted)
    return at_once(function, calls) if at_once else [function(*args) for args in calls]


def _shown(array: "np.ndarray") -> str:
    import numpy as np

    values = np.asarray(array)
    text = np.array2string(values, separator=", ", precision=6, suppress_small=False, max_line_width=200)
    return " ".join(text.split())


@dataclass(frozen=True)
class Check:
    """A check cell.

    Attributes:
        task: the id of its task.
        points: what the task gives.
        total: the points of all tasks of the lesson.
        number: which of the lesson's tasks it is, from 1.
        count: how many tasks the lesson has.
    """

    task: str
    points: float
    total: float
    number: int
    count: int

    @property
    def first_line(self) -> str:
        """The first line of its cell."""
        return f"# Check of {self.task}: {self.points:g} of {self.total:g} points, task {self.number} of {self.count}"

    @staticmethod
    def of(source: str) -> "Check | None":
        """Read the first line of a cell.

        Args:
            source: the cell's text.

        Returns:
            The check, or None for any other cell.
        """
        found = _MARK.match(source.lstrip().partition("\n")[0])
        if not found:
            return None
        task, points, total, number, count = found.groups()
        return Check(task, float(points), float(total), int(number), int(count))


class Lesson:
    """How far the notebook's reader is: which checks passed, and which hints were given.

    Attributes:
        current: the check that runs, or ran last; None before the first.
        is_checking: whether a check runs now.
    """

    def __init__(self) -> None:
        self.current: Check | None = None
        self.is_checking = False
        self._passed: dict[str, float] = {}
        self._said: tuple[float, int] | None = None
        self._hints: dict[str, int] = {}

    def starts(self, source: str) -> None:
        """Note the cell that is about to run.

        Args:
            source: its text.
        """
        check = Check.of(source)
        self.is_checking = check is not None
        self.current = check or self.current

    def ended(self, is_right: bool) -> str | None:
        """Note how that cell ended.

        Args:
            is_right: whether it ran without an error.

        Returns:
            A line for the reader after a check that passed, else None.
        """
        check = self.current
        if not self.is_checking or check is None:
            return None
        self.is_checking = False
        if not is_right:
            self._passed.pop(check.task, None)
            return None
        self._passed[check.task] = check.points
        line = f"passed: {check.points:g} of {check.points:g}"
        now = sum(self._passed.values()), len(self._passed)
        if now != self._said:  # a check that passes once more repeats nothing
            line += f"   (so far {now[0]:g} of {check.total:g} points, {now[1]} of {check.count} tasks)"
        self._said = now
        if len(self._passed) == check.count:
            line += "\nAll tasks pass. Save the notebook (Ctrl+S) before you hand it in."
        return line

    def hint(self, task: str | None) -> str:
        """The next hint to a task.

        Args:
            task: the task; None takes that of the check that ran last.

        Returns:
            The hint, or a sentence that says why there is none.
        """
        hints = read_hints()
        if not hints:
            return f"There are no hints here: this notebook has no file {HINTS} beside it."
        if task is None:
            task = self.current.task if self.current else next(iter(hints))
            if task in self._passed:
                return f"The check of {task} passes. For another task, name it: {_names(hints)}."
        task = task.removesuffix("_check")
        if task not in hints:
            near = difflib.get_close_matches(task, hints, 1)
            return f"There are no hints to {task!r}" + (f"; is it {near[0]!r}?" if near else f": {_names(hints)}.")
        steps = hints[task]
        given = min(self._hints.get(task, 0), len(steps) - 1)
        self._hints[task] = given + 1
        more = "" if given + 1 == len(steps) else "\n(Another hint() says more.)"
        return f"Hint {given + 1} of {len(steps)} to {task}: {steps[given]}{more}"


this_lesson = Lesson()
"""The lesson of the notebook that this process runs."""


def hint(task: str | None = None) -> None:
    """Print the next hint to a task: first where to look, then the idea, then nearly the answer.

    Args:
        task: the task's id; None takes the task whose check ran last.
    """
    print(this_lesson.hint(task))


def read_hints() -> dict[str, list[str]]:
    """Read the hints that lie beside the notebook, in the current folder.

    Returns:
        The hints to each task; empty where there is no such file.
    """
    try:
        read = json.loads(Path(HINTS).read_text(encoding="utf-8"))
        return {str(task): [str(step) for step in steps] for task, steps in read.items() if steps}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _names(hints: dict[str, list[str]]) -> str:
    return ", ".join(f'hint("{task}")' for task in hints)


def install(ipython: Any) -> None:
    """Watch the cells that an IPython runs, and explain their errors.

    Args:
        ipython: the notebook's IPython, an `InteractiveShell`.
    """
    if getattr(ipython, "_edgekit_explains", False):
        return
    ipython._edgekit_explains = True
    ipython.events.register("pre_run_cell", lambda info: this_lesson.starts(info.raw_cell or ""))
    ipython.events.register("post_run_cell", _say)
    ipython.set_custom_exc(_EXPLAINED, _show)


def _say(result: Any) -> None:
    line = this_lesson.ended(result.success)
    if line:
        print(line)


def _show(
    shell: Any, kind: type[BaseException], error: BaseException, trace: TracebackType, tb_offset: int | None = None
) -> None:
    """Show an error as IPython does, but in a sentence where there is one."""
    try:
        lines = explain(error, trace, shell.user_ns, this_lesson.is_checking)
        if lines:
            error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    except Exception:
        pass  # an error that cannot be explained is shown as it is
    shell.showtraceback((kind, error, trace), running_compiled_code=True)


def explain(error: BaseException, trace: TracebackType, names: dict, is_checking: bool) -> list[str] | None:
    """Say in a few lines what an error in a cell means.

    Args:
        error: the error.
        trace: its traceback.
        names: the notebook's names, by which the frames of its cells are known.
        is_checking: whether it happened in a check.

    Returns:
        The lines; None where Python's traceback says it best.
    """
    if hasattr(error, "_render_traceback_"):
        lines = list(error._render_traceback_())
        return ["Not yet: " + lines[0], *lines[1:], *_offer()] if is_checking and lines else None
    everywhere = list(traceback.walk_tb(trace))
    frames = [(frame, line) for frame, line in everywhere if frame.f_globals is names]
    if not frames:
        return None
    frame, line = frames[-1]
    function = _function([frame for frame, _ in frames])
    is_in_cell = everywhere[-1][0] is frame  # not in a library that the cell calls
    own = frame.f_code.co_filename != frames[0][0].f_code.co_filename  # code of another cell, which this one calls
    if isinstance(error, NameError) and is_in_cell and error.name and error.name not in names:
        where = [] if is_checking and not own else [_place(frame, line)]
        return [_not_defined(error.name, names, is_checking, function if own else ""), *where]
    if is_in_cell and not (is_checking and not own) and "..." in _code(frame, line):
        return ["The ... in this line stands for what is still to be written:", _place(frame, line)]
    if isinstance(error, NotImplementedError) and is_in_cell and not str(error):
        return [f"{'Not yet: ' if is_checking else ''}{function} is still to do."]
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if not is_checking:
        return [_place(frame, line), said] if isinstance(error, EdgekitError) and not is_in_cell else None
    if isinstance(error, AssertionError) and not own and str(error):
        return [f"Not yet: {error}", *_offer()]
    if isinstance(error, EdgekitError) and not (own and is_in_cell):
        return [f"Not yet: {error}", *([_place(frame, line)] if own else []), *_offer()]
    if own:
        return [f"Not yet: {function} raises {said}", _place(frame, line), *_offer()]
    return [f"Not yet: the check cannot use this answer ({said}). Its line was:", _place(frame, line), *_offer()]


def _function(frames: list[FrameType]) -> str:
    """The innermost function of the notebook among the frames, without the expressions inside it that are one too."""
    named = [frame.f_code.co_name for frame in frames if not frame.f_code.co_name.startswith("<")]
    return f"{named[-1]}()" if named else "the cell"


def _code(frame: FrameType, line: int) -> str:
    return traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name).line or ""


def _place(frame: FrameType, line: int) -> str:
    whose = "the" if frame.f_code.co_name == "<module>" else "its"
    return f"    line {line} of {whose} cell: {_code(frame, line)}"


def _offer() -> list[str]:
    return ["(hint() in a cell below gives a hint.)"] if read_hints() else []


def _not_defined(name: str, names: dict, is_checking: bool, function: str) -> str:
    """A sentence about a name that no cell has made, in a function of the notebook or in the cell itself."""
    near = difflib.get_close_matches(name, [each for each in names if not each.startswith("_")], 1, 0.75)
    typed = f" Is it `{near[0]}`?" if near and (function or not is_checking) else ""
    above = "Run the cell of its task first" if is_checking else "If a cell above makes it, run that cell first"
    restarted = f"(after a restart of the kernel: {_RUN_ABOVE})"
    if function:
        said = f"{function} uses `{name}`, but there is no `{name}`.{typed}"
        return f"Not yet: {said}" if is_checking else said
    return f"{'Not yet: there' if is_checking else 'There'} is no `{name}`.{typed} {above} {restarted}."
