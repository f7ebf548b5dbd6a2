"""``python -m edgekit.start``: what tools/start_notebook.py runs in the environment that it has made."""

import sys

from edgekit.start.command import START_NOTEBOOK, main

sys.exit(main(program=START_NOTEBOOK))
