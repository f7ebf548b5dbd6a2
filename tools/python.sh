# Finds the Python that start-notebook.sh and tests/run.sh build their environments with: sourced by both, POSIX sh.
# TensorFlow has no packages for Python 3.14 yet, so the newest that will do is 3.13.

# Print the command of a Python 3.11 to 3.13, or explain on stderr and return 1.
find_python() {
    found=""
    for candidate in ${EDGEKIT_PYTHON:+"$EDGEKIT_PYTHON"} python3 python3.13 python3.12 python3.11 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        # A pyenv shim exists for versions that are not active, and macOS has a python3 that offers to install Xcode.
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case $version in
        3.11 | 3.12 | 3.13)
            command -v "$candidate"
            return 0
            ;;
        esac
        [ -n "$found" ] || found="Python $version ($(command -v "$candidate"))"
    done
    echo "edgekit needs Python 3.11, 3.12 or 3.13; this machine has ${found:-no Python}." \
        "Install one from https://www.python.org/downloads/ and start again." >&2
    return 1
}
