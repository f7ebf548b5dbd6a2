"""The common base of edgekit's errors, so that a program can catch all of them by one name.

Each error also has the base class that it would have in plain Python, so that ``except ValueError`` still catches it.
"""


class EdgekitError(Exception):
    """An error that edgekit explains: its message says what was expected, what came, and what to do."""


class InvalidValue(EdgekitError, ValueError):
    """An argument, a file or a network has a value that is not possible or not supported."""


class InvalidType(EdgekitError, TypeError):
    """An argument has the wrong type."""


class UnknownName(EdgekitError, KeyError):
    """There is no entry of this name; the message lists the existing names."""


class MissingFile(EdgekitError, FileNotFoundError):
    """A file, a folder or a program does not exist."""


class NotAFolder(EdgekitError, NotADirectoryError):
    """A path should be a folder, but is something else."""


class NotAllowed(EdgekitError, PermissionError):
    """This user has no permission to read or write a file or folder."""


class FileIsThere(EdgekitError, FileExistsError):
    """A file would be overwritten."""


class NoConnection(EdgekitError, ConnectionError):
    """Something has to be downloaded, and cannot be."""
