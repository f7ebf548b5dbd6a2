"""For test cells: takes a student's value as plain numbers of a certain shape, and compares it without broadcasting.

from grader.for_tests import answers
answers.close(preprocess(pixels), expected, "the values of other pixels")

`numpy.allclose` alone is no test: an empty array is close to everything, and one number to an array of them. A value
that is no plain data, such as an object of a class of the student's own, is refused.
"""

import numpy as np
from numpy.typing import ArrayLike

from edgekit.notebook import checks
from edgekit.notebook.checks import of_each as of_each
from grader.grading import session
from grader.lesson import test_names

# Names, modules and attributes by which code can reach a module that it does not name.
_LOOKS_ELSEWHERE = {
    *("__builtins__", "__import__", "builtins", "compile", "edgekit", "eval", "exec", "gc", "get_ipython", "getattr"),
    *("globals", "importlib", "inspect", "locals", "pkgutil", "runpy", "vars"),
}
_ATTRIBUTES_ELSEWHERE = {
    *("__builtins__", "__dict__", "__getattribute__", "__globals__", "__import__", "_getframe", "f_back", "f_builtins"),
    *("f_globals", "modules"),
}


class WrongAnswer(AssertionError):
    """An answer is refused; ``for_student`` says why, in words that the student may read."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.for_student = message


def _expect(condition: object, message: str) -> None:
    if not condition:
        raise WrongAnswer(message)


def numbers(value: object, shape: tuple[int, ...] | None, what: str) -> np.ndarray:
    """``value`` as an array of finite real numbers.

    Args:
        value: A number, an array, or lists of numbers.
        shape: The shape that it must have; None means any, but not an empty one.
        what: What it is, for the message: "the scales of other weights".

    Returns:
        The array, of the kind of number that the student chose.

    Raises:
        WrongAnswer: It is something else.
    """
    try:
        return checks.numbers(value, shape, what)
    except checks.CheckError as error:
        raise WrongAnswer(str(error)) from None


def close(value: object, expected: ArrayLike, what: str, rtol: float = 1e-5, atol: float = 1e-7) -> None:
    """Refuse a value that has not the shape of ``expected``, or differs by more than atol + rtol * |expected|."""
    wanted = np.asarray(expected, float)
    found = numbers(value, wanted.shape, what)
    _expect(np.allclose(found.astype(float), wanted, rtol=rtol, atol=atol), f"{what}: wrong")


def equal(value: object, expected: ArrayLike, what: str) -> None:
    """Refuse a value that is not exactly ``expected``, whatever the type of its numbers."""
    wanted = np.asarray(expected)
    _expect(np.array_equal(numbers(value, wanted.shape, what), wanted), f"{what}: wrong")


def own_work(*grade_ids: str) -> None:
    """Refuse tasks that call edgekit where the student is to write the function.

    Looked at are the names that the cells use from outside their functions, and what they mean in the student's other
    cells. In an instructor's own notebook there is nothing to look at.
    """
    waiting = [text for text in map(session.cell_text, grade_ids) if text]
    refused = _LOOKS_ELSEWHERE | set(session.library_names()) - {"TODO"}
    elsewhere = [pair for text in session.other_texts(grade_ids) for pair in test_names.statements(text)]
    seen = set()
    while waiting:
        text = waiting.pop()
        used = test_names.used_names(text, remember=False) - test_names.bound_names(text, remember=False)
        found = used & refused | test_names.attributes(text) & _ATTRIBUTES_ELSEWHERE
        found |= test_names.packages(text) & _LOOKS_ELSEWHERE
        _expect(not found, f"write this yourself, without {', '.join(sorted(found))}")
        meant = {statement for name, statement in elsewhere if name in used} - seen
        seen |= meant
        waiting += meant


def is_far_from_a_half(value: ArrayLike, margin: float = 1e-3) -> np.ndarray:
    """Whether rounding ``value`` to a whole number gives the same however it is computed."""
    return np.abs(np.abs(np.asarray(value, float) % 1) - 0.5) > margin
