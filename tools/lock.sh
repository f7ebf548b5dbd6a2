#!/bin/sh
# Pins what pyproject.toml asks for, for every platform and Python, with no addresses. Needs uv.
# A version that is pinned already stays as it is while it fits; tools/lock.sh --upgrade takes the newest of each.
set -e
cd "$(dirname "$0")/.."
compile="uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate -c tools/constraints.txt pyproject.toml $*"
$compile --extra lessons --extra grading --extra editable -o requirements.lock
$compile --extra test -c requirements.lock -o requirements-test.lock
