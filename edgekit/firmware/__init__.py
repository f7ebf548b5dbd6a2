"""Makes a PlatformIO project from generated C and the templates, and builds and uploads it.

It is an ordinary project: `pio run` in a terminal and VS Code's PlatformIO extension work with it without edgekit.
docs/firmware.md describes its files.
"""

from edgekit.firmware.camera import put_before_camera
from edgekit.firmware.compiler import CXX_FLAGS, Problem
from edgekit.firmware.counting import Instructions, instructions
from edgekit.firmware.options import Options, changes
from edgekit.firmware.project import (
    APPS,
    ENVIRONMENTS,
    BuildError,
    FirmwareError,
    Project,
    create,
    observers,
    open_project,
)
from edgekit.former_names import functions_of

__all__ = [
    "APPS",
    "CXX_FLAGS",
    "ENVIRONMENTS",
    "BuildError",
    "FirmwareError",
    "Instructions",
    "Options",
    "Problem",
    "Project",
    "changes",
    "create",
    "instructions",
    "observers",
    "open_project",
    "put_before_camera",
]

__getattr__ = functions_of(__name__)
