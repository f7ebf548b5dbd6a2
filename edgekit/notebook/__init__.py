"""The notebook's side of edgekit: its session (project, board and port in use), its magics, and help for lessons."""

from importlib import import_module as _import_module
from typing import Any as _Any

__all__ = ["checks", "lesson", "load_ipython_extension", "magics", "quiet", "session"]


def load_ipython_extension(ipython: _Any) -> None:
    """Register the magics and explain errors, as ``%load_ext edgekit`` does; a lesson's kernel starts with it.

    Args:
        ipython: the notebook's IPython, an `InteractiveShell`.
    """
    _import_module("edgekit.notebook.quiet").install()
    _import_module("edgekit.notebook.checks").install(ipython)
    _import_module("edgekit.notebook.magics").register(ipython)
