"""Hides TensorFlow's messages about its own build, because in a lesson they look like errors.

Since version 2.20, no setting hides the messages at import ("Could not find cuda drivers ..."). So the standard error
stream is held back while TensorFlow is imported, and shown only if the import fails.
"""

import os
import sys
import tempfile
from contextlib import contextmanager
from importlib.machinery import PathFinder


def install() -> None:
    """Silence TensorFlow's next import, and its informational messages after it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec and spec.loader:
            execute = spec.loader.exec_module

            def quietly(module):
                with _held_back_stderr():
                    execute(module)

            spec.loader.exec_module = quietly  # type: ignore[method-assign]
        return spec


@contextmanager
def _held_back_stderr():
    """Collect what this process writes to file descriptor 2; write it out after all if an exception passes."""
    with tempfile.TemporaryFile() as held:
        saved = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
