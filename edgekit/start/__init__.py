"""Opens a lesson in JupyterLab: lists the lessons, makes the student's copy, starts the server, and can check all this.

`edgekit start` and start-notebook.sh both use this folder. start-notebook.sh runs it with the machine's own Python,
before any package is installed. So this folder uses only the standard library, except in `check`.
"""

from edgekit.start.command import main
from edgekit.start.workspace import StartError

__all__ = ["StartError", "main"]
