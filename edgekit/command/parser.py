"""The command line's parser: a mistake is one line, and a word that is nearly right is recognized."""

import argparse
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from edgekit.command.text import one_line
from edgekit.errors import FileIsThere, InvalidValue, NotAFolder, NotAllowed

_PICTURES = (".png", ".svg", ".pdf")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; subparsers are of this class too."""

    def error(self, message: str) -> NoReturn:
        """End the process with status 2 and one line."""
        print(f"{self.prog}: {one_line(message)}; {self.prog} --help explains all", file=sys.stderr)
        sys.exit(2)

    def refuse_unknown(self, words: Iterable[str]) -> NoReturn:
        """End the process because of words that are no argument of this command."""
        word = next(iter(words))
        options = [option for option in self._option_string_actions if option.startswith("--")]
        near = get_close_matches(word.partition("=")[0], options, 1, 0.6) if word.startswith("-") else []
        what = "there is no option" if word.startswith("-") else "there is one argument too many,"
        self.error(f"{what} {word}{f', did you mean {near[0]}?' if near else ''}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = list(map(str, action.choices))
        near = get_close_matches(str(value), choices, 1, 0.6)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise argparse.ArgumentError(action, f"{value!r} is none of {', '.join(choices)}{hint}")


def folder_to_write(path: Path) -> Path:
    """A folder, made if it does not exist, in which this user may write.

    Raises:
        NotADirectoryError, PermissionError: it is a file, or it must not be written to.
    """
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise NotAFolder(f"{there} is a file, and a folder is needed there: choose another one with --to")
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".edgekit-may-write"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise NotAllowed(f"{path} cannot be written to ({error.strerror}): choose another folder with --to") from None
    return path


def file_to_write(path: Path, suffixes: tuple[str, ...], option: str, sources: Iterable[Path] = ()) -> Path:
    """A file to be written, in a folder in which this user may write.

    Raises:
        ValueError, FileExistsError, NotADirectoryError, PermissionError: it cannot be written.
    """
    if path.is_dir():
        raise InvalidValue(
            f"{option} {path} is a folder: name a file in it, {path / ('out' + suffixes[0])} for example"
        )
    if path.suffix.lower() not in suffixes:
        raise InvalidValue(f"{option} names a file that ends in {' or '.join(suffixes)}, not {path}")
    if any(source.exists() and path.exists() and source.samefile(path) for source in sources):
        raise FileIsThere(f"{option} {path} would replace the file that is read: choose another name")
    folder_to_write(path.parent)
    return path


def picture_to_write(path: Path | None) -> Path | None:
    """The file of ``--plot``, or None."""
    return None if path is None else file_to_write(path, _PICTURES, "--plot")
