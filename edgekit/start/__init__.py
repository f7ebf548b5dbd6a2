"""Opens a lesson in JupyterLab: the lessons there are, the student's own copy, the server, and a trial of all of it.

`edgekit start` and start-notebook.sh both come here. start-notebook.sh does so with the machine's bare Python as well,
before anything is installed: apart from `check`, this folder uses the standard library only.
"""

from edgekit.start.command import main
from edgekit.start.workspace import StartError

__all__ = ["StartError", "main"]
