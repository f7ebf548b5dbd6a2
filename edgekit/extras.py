"""Names a missing package and the extra, such as ``edgekit[lessons]``, that installs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from edgekit.errors import EdgekitError


class MissingPackageError(EdgekitError, ImportError):
    """A package is missing that plain ``pip install edgekit`` does not install; the message says how to install it."""


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Make a context for the imports of packages that an extra installs.

    Args:
        name: the extra, for example ``lessons``.

    Raises:
        MissingPackageError: a package that is imported in the context is not installed. A package that is installed but
            fails to import raises its own error.

    Example:
        >>> with extra("lessons"):
        ...     import keras
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or find_spec(error.name.partition(".")[0]):
            raise
        raise MissingPackageError(explain_missing(error.name, name), name=error.name) from None


def explain_missing(package: str, name: str) -> str:
    """The sentence for a package that is not installed.

    Args:
        package: its name, or the name of a module in it.
        name: the extra that installs it.
    """
    return f'{package.partition(".")[0]} is not installed: run pip install "edgekit[{name}]", which brings it'
