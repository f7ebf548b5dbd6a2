"""Makes the lessons' environment in .venv, then opens the lesson in it with `edgekit.start`.

start-notebook.sh runs this with whatever Python the machine has, so it uses the standard library only, as edgekit.start
does.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from environment import ROOT, SetupError, prepare

from edgekit.start import StartError, command, server


def main() -> int:
    """Open the lesson that the command line names.

    Returns:
        The exit status, unless the lesson takes this process's place.
    """
    os.chdir(ROOT)  # workspace/ lies there, and messages name files from there
    options = command.parse(None, command.START_NOTEBOOK)
    status = command.answer(options)
    if status is not None:
        return status
    try:
        server.choose_port(options.port)  # a taken one is named now, not after minutes of installing
        python = prepare(ROOT / ".venv", ROOT / "requirements.lock", command.say)
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
        os.execve(python, [str(python), "-m", "edgekit.start", *sys.argv[1:]], variables)
    except (SetupError, StartError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(command.explain(error, ROOT), file=sys.stderr)
    except KeyboardInterrupt:
        print(command.STOPPED, file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
