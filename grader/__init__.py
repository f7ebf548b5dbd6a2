"""The instructor's side: lessons in reviewable text, their release as notebooks, and grading that can be trusted."""

import importlib

# Gradebooks keep the text of hidden tests as it was when a lesson was released, and so these names that they import.
_FORMER = {"car_network": "for_tests.car_network", "cpp": "for_tests.cpp", "litert": "for_tests.litert"}


def __getattr__(name: str) -> object:
    """The modules that hidden tests import, under the names that they had directly in this package."""
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{_FORMER[name]}")
