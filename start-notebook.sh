#!/bin/sh
# Opens a lesson: ./start-notebook.sh xormodel  (--help says the rest). Needs only Python; installs everything else in .venv.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P) || exit 1
. "$root/tools/python.sh"
python=$(find_python) || exit 1
exec "$python" "$root/tools/start_notebook.py" "$@"
