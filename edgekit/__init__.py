"""edgekit: from a Keras model to int8 C on a microcontroller, one readable step at a time.

Every step is a separate module or folder (see docs/architecture.md). They are loaded on first use, so that
``import edgekit`` is quick and TensorFlow is imported only where a Keras model is built, trained or read.
"""

from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import Any as _Any

from edgekit import former_names as _former_names
from edgekit.errors import EdgekitError

__version__ = "0.1.0"

_MODULES = (
    "benchmark",
    "board",
    "calibration",
    "capture",
    "codegen",
    "cost",
    "datasets",
    "doctor",
    "errors",
    "extras",
    "firmware",
    "models",
    "network",
    "notebook",
    "plots",
    "quantization",
    "start",
    "table",
    "tflite",
    "training",
)

__all__ = [*_MODULES, "EdgekitError", "load_ipython_extension"]

_former_names.install()


def __getattr__(name: str) -> _ModuleType:
    if name in _MODULES or f"{__name__}.{name}" in _former_names.FORMER:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'edgekit' has no attribute {name!r}; it has {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])


def load_ipython_extension(ipython: _Any) -> None:
    """Register the notebook magics (``%load_ext edgekit``)."""
    _import_module("edgekit.notebook").load_ipython_extension(ipython)
