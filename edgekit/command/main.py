"""Runs the `edgekit` command: every error becomes one sentence and an exit status."""

import os
import sys
from collections.abc import Sequence

from edgekit.command import boards, converting, examining, lessons, projects
from edgekit.command.parser import Parser
from edgekit.command.text import one_line
from edgekit.errors import EdgekitError
from edgekit.notebook import quiet

TRACEBACK = "EDGEKIT_TRACEBACK"  # this variable of the environment shows where an error comes from
_FAMILIES = (lessons, examining, converting, projects, boards)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments of the command line; None means those of this process.

    Returns:
        The exit status: 0, 1 after an error, 2 after a mistake on the command line, 130 when interrupted.
    """
    try:
        options, unknown = parser().parse_known_args(arguments)
        if unknown:
            options.parser.refuse_unknown(unknown)
    except SystemExit as end:  # --help and mistakes
        return end.code if isinstance(end.code, int) else 2
    quiet.install()
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of the output, head for example, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        print(_sentence(error), file=sys.stderr)
        return 1


def parser() -> Parser:
    """The parser of all commands."""
    result = Parser(prog="edgekit", description="Learn, teach and deploy a neural network on a microcontroller.")
    commands = result.add_subparsers(metavar="COMMAND", required=True)
    for family in _FAMILIES:
        family.add(commands)
    return result


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, EdgekitError) and error.strerror:
        return one_line(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    if isinstance(error, (RuntimeError, ConnectionError)) and isinstance(error, EdgekitError):
        return str(error)  # a compiler's output has lines
    if isinstance(error, (EdgekitError, ValueError, OSError)):
        return one_line(error)
    if isinstance(error, MemoryError):
        return f"there is not enough memory for this ({one_line(error) or 'MemoryError'})"
    return one_line(
        f"edgekit failed: {type(error).__name__}: {error}. This is a defect of edgekit; please report it. "
        f"{TRACEBACK}=1 before the command shows where it is"
    )
