"""The table from an op's kind to a function: edgekit chooses the function for an op in no other way.

There is such a table for float arithmetic, for int8 arithmetic, for .tflite files and for C. A test checks that all
tables have the same kinds, and names each op that is missing in one of them.
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
        """Return a decorator that enters a function for these kinds.

        Raises:
            ValueError: one of the kinds already has a function.
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
