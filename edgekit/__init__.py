"""edgekit: from a Keras model to int8 C on a microcontroller, one readable step at a time.

Every step is a module of its own (see docs/architecture.md). They are loaded on first use, so that
``import edgekit`` is quick and TensorFlow is imported only where a Keras model is built, trained or read.
"""

from importlib import import_module as _import_module

__version__ = "0.1.0"

_MODULES = (
    "bias_correction",
    "board",
    "calibration",
    "capture",
    "codegen",
    "datasets",
    "equalization",
    "firmware",
    "integer",
    "lesson",
    "models",
    "network",
    "noise",
    "plots",
    "quantization",
    "report",
    "tflite",
    "training",
)

__all__ = [*_MODULES, "load_ipython_extension"]


def __getattr__(name):
    if name in _MODULES:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'edgekit' has no attribute {name!r}; it has {', '.join(_MODULES)}")


def __dir__():
    return sorted([*globals(), *_MODULES])


def load_ipython_extension(ipython):
    """Register the notebook magics (``%load_ext edgekit``)."""
    _import_module("edgekit.notebook.quiet").install()
    _import_module("edgekit.magics").register(ipython)
