"""Serves modules and functions under their names of version 0.1, for the notebooks that students already have.

A notebook with ``from edgekit.lesson import TODO`` or ``edgekit.report`` gets the module that has them today.
New code uses today's names. Rooms import only earlier rooms; only this file names later ones, as text in its tables.
"""

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from operator import attrgetter
from types import ModuleType

FORMER = {
    # In hidden tests of the hard lesson, which gradebooks keep as they were released.
    "edgekit._convolution": "edgekit.network.windows",
    "edgekit.bias_correction": "edgekit.quantization.adjustments",
    "edgekit.codegen.moving": "edgekit.codegen.copy_ops",
    "edgekit.codegen.plan": "edgekit.codegen.compiled",
    "edgekit.datasets.photos": "edgekit.datasets.cifar10",
    "edgekit.emulator": "edgekit.cost.emulator",
    "edgekit.equalization": "edgekit.quantization.adjustments",
    "edgekit.explanation": "edgekit.quantization.explanation",
    "edgekit.fixed_point": "edgekit.quantization.fixed_point",
    "edgekit.integer": "edgekit.quantization.integer",
    "edgekit.lesson": "edgekit.notebook.lesson",
    "edgekit.magics": "edgekit.notebook.magics",
    "edgekit.noise": "edgekit.quantization.noise",
    "edgekit.report": "edgekit.cost",
}

# For each module that has them: {former name of a function: "module:name" of today}.
FORMER_FUNCTIONS = {
    "edgekit.board": {
        "benchmark": "edgekit.benchmark:run",
        "check_port": "edgekit.notebook.session:check_port",
        "current": "edgekit.notebook.session:this_notebook.board",
        "find": "edgekit.notebook.session:open_board",
        "locate": "edgekit.notebook.session:locate",
        "release": "edgekit.notebook.session:this_notebook.release",
        "use": "edgekit.notebook.session:this_notebook.use",
    },
    "edgekit.firmware": {
        "current": "edgekit.notebook.session:this_notebook.project",
    },
}


def functions_of(module: str) -> Callable[[str], object]:
    """Make a ``__getattr__`` for a module, which finds its former functions.

    Args:
        module: The module's full name.
    """

    def find(name: str) -> object:
        today = FORMER_FUNCTIONS.get(module, {}).get(name)
        if today is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        place, _, function = today.partition(":")
        return attrgetter(function)(import_module(place))

    return find


class _Finder(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in FORMER else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(FORMER[spec.name])
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has given the module the spec of its former name: give it back its own.
        module.__spec__ = module.__spec__.loader_state if module.__spec__ else None


def install() -> None:
    """Let the former names be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
