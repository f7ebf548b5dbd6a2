#!/bin/sh
# Pin what pyproject.toml asks for, for every platform and Python, with no addresses. Needs uv.
set -e
cd "$(dirname "$0")/.."
compile="uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate --extra editable pyproject.toml"
$compile --upgrade -o requirements.lock
$compile --extra test -c requirements.lock -o requirements-test.lock
