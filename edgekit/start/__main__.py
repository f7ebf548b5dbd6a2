"""``python -m edgekit.start``: tools/start_notebook.py runs it in the environment that it has made."""

import sys

from edgekit.start.command import START_NOTEBOOK, main

sys.exit(main(program=START_NOTEBOOK))
