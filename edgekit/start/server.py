"""Starts JupyterLab on a student's folder, with the lesson's environment and settings before the user's own."""

import errno
import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

from edgekit.start.workspace import StartError, shown

FIRST_PORT = 8888
_NBGRADER_PARTS = ("assignment_list", "course_list", "formgrader", "validate_assignment")


def choose_port(wanted: int | None) -> int:
    """The wanted port if it is free, or the first free one from `FIRST_PORT` on.

    Args:
        wanted: a port, or None.

    Returns:
        A port on which nothing listens.

    Raises:
        StartError: the wanted port is taken or is not a port.
    """
    if wanted is not None and not 1 <= wanted <= 65535:
        raise StartError(f"--port must be 1 to 65535, not {wanted}.")
    for port in [wanted] if wanted else range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            # The server does the same: a port whose last connection has just closed counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError as error:
                if error.errno == errno.EACCES:
                    raise StartError(
                        f"Port {port} may only be used by the administrator: choose one above 1023."
                    ) from None
    if wanted:
        raise StartError(f"Port {wanted} is taken by another program: choose another, or leave --port out.")
    raise StartError(
        f"No port from {FIRST_PORT} to {FIRST_PORT + 99} is free: stop some servers, or give one with --port."
    )


def environment() -> dict[str, str]:
    """The variables under which the server runs: this Python's environment comes before the user's other ones."""
    variables = dict(os.environ)
    variables.pop("PYTHONHOME", None)
    variables["VIRTUAL_ENV"] = sys.prefix
    variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{variables.get('PATH', '')}"
    variables["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel and extensions before the user's others
    # lab/ comes before the user's own. Its page_config.json turns off the question about news, and nbgrader's menus,
    # which are for instructors; its kernel knows the magics and explains errors from the start, also after a restart.
    lab = str(Path(__file__).with_name("lab"))
    for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH"):
        variables[name] = os.pathsep.join([lab, *filter(None, [variables.get(name)])])
    return variables


def serve(notebook: Path, port: int, browser: bool = True) -> NoReturn:
    """Replace this process by JupyterLab, opened on a notebook.

    Args:
        notebook: the student's own copy; the server shows only its folder.
        port: a free port.
        browser: open it in a browser.
    """
    settings = {"root_dir": notebook.parent, "port": port, "port_retries": 0, "ip": "127.0.0.1"}
    server = [
        *(sys.executable, "-m", "jupyterlab"),
        *(f"--ServerApp.{setting}={value}" for setting, value in settings.items()),
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
        "--Application.log_level=WARN",
    ]
    if find_spec("nbgrader"):
        # nbgrader's extensions are for instructors; here they would only report that there is no course.
        parts = {f"nbgrader.server_extensions.{part}": False for part in _NBGRADER_PARTS}
        server.append(f"--ServerApp.jpserver_extensions={parts}")
    if os.geteuid() == 0:
        server.append("--allow-root")
    if not browser:
        server.append("--no-browser")
    print(f"Opening {shown(notebook)}; Control-C here stops the server.", flush=True)
    os.execve(sys.executable, server, environment())


def try_out(notebook: Path, port: int) -> NoReturn:
    """Replace this process by `edgekit.start.check`, which starts a server and runs the notebook's first cells.

    Args:
        notebook: the student's own copy.
        port: a free port.
    """
    sys.stdout.flush()
    check = [sys.executable, "-m", "edgekit.start.check", str(notebook), str(port)]
    os.execve(sys.executable, check, environment())
