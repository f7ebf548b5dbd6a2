"""The one way in which edgekit chooses what to do with an op: a table from its kind to a function.

Every room that treats ops has such a table: their float arithmetic, their int8 arithmetic, their form in a .tflite file
and their C. A test holds all tables to the same kinds, so that an op which lacks one of them is found by name.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from edgekit.errors import InvalidValue

Function = TypeVar("Function", bound=Callable[..., Any])


class Dispatch:
    """A table from a kind to the function for it.

    Args:
        place: the file that holds the functions, for the message when one is missing.

    Example:
        >>> RUN = Dispatch("edgekit/network/ops.py")
        >>> @RUN.register("tanh")
        ... def _tanh(op, inputs, shape): ...
        >>> RUN["tanh"](op, inputs, shape)
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._functions: dict[str, Callable[..., Any]] = {}

    def register(self, *kinds: str) -> Callable[[Function], Function]:
        """A decorator that enters a function for these kinds.

        Raises:
            ValueError: one of them has a function already.
        """

        def enter(function: Function) -> Function:
            for kind in kinds:
                if kind in self._functions:
                    raise InvalidValue(f"{self.place} has two functions for {kind!r}")
                self._functions[kind] = function
            return function

        return enter

    def __getitem__(self, kind: str) -> Callable[..., Any]:
        if kind not in self._functions:
            raise InvalidValue(f"{self.place} has no function for an op of the kind {kind!r}; it has {', '.join(self)}")
        return self._functions[kind]

    def __contains__(self, kind: object) -> bool:
        return kind in self._functions

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)
