#!/bin/sh
# Sets up what the tests need, checks style and types, and runs all tests, the site's strict build among them:
# tests/run.sh [arguments for pytest], for example tests/run.sh -k xor.
# With CI=true a test whose tool is missing fails; otherwise it is skipped.
set -eu
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
cd "$root"

# bubblewrap: the grading sandbox. gcc, g++, clang: the generated C and the simulated board. xtensa, qemu: the emulated
# core. chromium: the notebooks in a browser.
packages="bubblewrap gcc g++ clang gcc-xtensa-lx106 picolibc-xtensa-lx106-elf qemu-system-misc chromium chromium-driver python3-venv"
if command -v dpkg-query >/dev/null 2>&1; then
    missing=""
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
    done
    if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing Debian packages:$missing"
        # shellcheck disable=SC2086  # a list of names
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >/tmp/edgekit-apt.$$ 2>&1 ||
            { cat /tmp/edgekit-apt.$$ >&2; rm -f /tmp/edgekit-apt.$$; exit 1; }
        rm -f /tmp/edgekit-apt.$$
    elif [ -n "$missing" ]; then
        echo "Not installed, so that some tests are skipped (fail with CI=true): apt-get install$missing" >&2
    fi
fi

. "$root/tools/python.sh"
python=$(find_python) || exit 1
"$python" tools/environment.py .venv.test requirements-test.lock
PATH="$root/.venv.test/bin:$PATH"
export PATH

ruff check .
ruff format --check .
git ls-files '*.c' '*.h' '*.cpp' | xargs clang-format --dry-run -Werror
mypy

# Two workers; a file's tests stay on one, so that what they share (a class graded once, a project built once) is made once.
exec python -m pytest -n "${PYTEST_WORKERS:-2}" --dist loadfile --no-loadscope-reorder "$@"
