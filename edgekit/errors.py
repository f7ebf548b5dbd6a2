"""The common base of edgekit's errors, so that a program can catch all of them by one name.

Each error has the base that it would have in plain Python too, so that ``except ValueError`` goes on catching it.
"""


class EdgekitError(Exception):
    """An error that edgekit explains: its message says what was expected, what came, and what to do."""


class InvalidValue(EdgekitError, ValueError):
    """An argument, a file or a network has a value that is not possible or not supported."""


class InvalidType(EdgekitError, TypeError):
    """An argument is of another type than the one that is needed."""


class UnknownName(EdgekitError, KeyError):
    """There is no entry of this name; the message lists those that there are."""


class MissingFile(EdgekitError, FileNotFoundError):
    """A file, a folder or a program is not there."""


class NotAFolder(EdgekitError, NotADirectoryError):
    """Something else is where a folder is needed."""


class NotAllowed(EdgekitError, PermissionError):
    """This user has no permission to read or write there."""


class FileIsThere(EdgekitError, FileExistsError):
    """A file would be overwritten."""


class NoConnection(EdgekitError, ConnectionError):
    """Something has to be downloaded, and cannot be."""
