"""The command line of `edgekit start` and start-notebook.sh: its options, and the order of the steps."""

import argparse
import errno
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from edgekit.extras import explain_missing
from edgekit.start import server
from edgekit.start.workspace import StartError, available, copy_lesson

START_NOTEBOOK = "start-notebook.sh"
STOPPED = "\nStopped; the next start continues from here."


def main(arguments: Sequence[str] | None = None, program: str = "edgekit start") -> int:
    """Open a lesson; on success, JupyterLab replaces this process.

    Args:
        arguments: the arguments after the program's name; None means those of this process.
        program: the name in usage messages.

    Returns:
        The exit status: 0, 1 after an error, 2 for a wrong name, 130 when interrupted.
    """
    return run(parse(arguments, program))


def parse(arguments: Sequence[str] | None, program: str) -> argparse.Namespace:
    """Read the command line; if it is wrong, end the process with a message.

    Args:
        arguments: the arguments after the program's name; None means those of this process.
        program: the name in usage messages.
    """
    parser = argparse.ArgumentParser(prog=program, description=describe(program))
    add_arguments(parser, program)
    return parser.parse_args(arguments)


def describe(program: str) -> str:
    """The command in a sentence, for ``--help``."""
    install = "The first start installs what it needs in .venv; your" if program == START_NOTEBOOK else "Your"
    return (
        f"Open a lesson in JupyterLab. {install} own copy of the lesson is in workspace/NAME and is never overwritten."
    )


def add_arguments(parser: argparse.ArgumentParser, program: str = "edgekit start") -> None:
    """Add the command's arguments to a parser.

    Args:
        parser: gets the arguments.
        program: start-notebook.sh has no ``--workspace``, because it always uses its checkout.
    """
    parser.add_argument("name", nargs="?", metavar="NAME", help="the lesson; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the lessons")
    parser.add_argument("--no-browser", action="store_true", help="start the server, open no browser")
    parser.add_argument(
        "--port", type=int, metavar="N", help=f"the server's port (default: from {server.FIRST_PORT} on)"
    )
    parser.add_argument(
        "--reset", action="store_true", help="start the lesson again; your folder is kept under a name with the date"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"try it all out: {'install, ' if program == START_NOTEBOOK else ''}start, run the first cells, stop",
    )
    if program != START_NOTEBOOK:
        parser.add_argument(
            "--workspace",
            type=Path,
            metavar="FOLDER",
            help="the folder in which your folder of the lesson is made (default: workspace, in the current folder)",
        )


def run(options: argparse.Namespace) -> int:
    """Run the command.

    Args:
        options: what a parser made with `add_arguments` returned.

    Returns:
        The exit status, unless JupyterLab replaces this process.
    """
    status = answer(options)
    if status is not None:
        return status
    try:
        port = server.choose_port(options.port)
        if not find_spec("jupyterlab"):
            raise StartError(explain_missing("jupyterlab", "lessons") + ".")
        workspace = (getattr(options, "workspace", None) or Path("workspace")).resolve()
        notebook = copy_lesson(options.name, workspace, options.reset, say) / f"{options.name}.ipynb"
        if options.check:
            server.try_out(notebook, port)
        server.serve(notebook, port, browser=not options.no_browser)
    except StartError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(explain(error), file=sys.stderr)
    except KeyboardInterrupt:
        print(STOPPED, file=sys.stderr)
        return 130
    return 1


def answer(options: argparse.Namespace) -> int | None:
    """Handle the cases that need no JupyterLab: ``--list``, and a lesson's name that is missing or wrong.

    Args:
        options: what a parser made with `add_arguments` returned.

    Returns:
        The exit status, or None if a lesson should be opened.
    """
    lessons = available()
    if options.list:
        for name, title in lessons.items():
            print(f"{name:<20} {title}")
        return 0
    if options.name not in lessons:
        wrong = f"There is no lesson {options.name!r}" if options.name else "Name the lesson to open"
        print(f"{wrong}; there are: {', '.join(lessons) or 'none in notebooks/'}.", file=sys.stderr)
        return 2
    return None


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def explain(error: OSError, folder: Path | None = None) -> str:
    """The sentence for a file that could not be written or read.

    Args:
        error: what was raised.
        folder: the folder that is named where permission is missing; None takes the current one.
    """
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{where}: free some space and start again; none of your files was changed."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"The folder {folder or Path.cwd()} cannot be written{where}: check who owns it, or copy it to your home."
        )
    return f"That did not work: {error}"
