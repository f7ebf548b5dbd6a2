"""Opens a lesson in JupyterLab: environment, the student's own copy, the server.

start-notebook.sh runs this with whatever Python the machine has, so it uses the standard library only.
"""

import argparse
import errno
import hashlib
import json
import os
import shutil
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from environment import ROOT, SetupError, prepare

LESSONS = ROOT / "notebooks"
WORKSPACE = ROOT / "workspace"
MANIFEST = ".edgekit.json"  # in a student's folder: the hash of each file as it was copied
FIRST_PORT = 8888
_NBGRADER_PARTS = ("assignment_list", "course_list", "formgrader", "validate_assignment")


def main(arguments=None):
    options = _arguments(arguments)
    lessons = available()
    if options.list:
        for name, title in lessons.items():
            print(f"{name:<20} {title}")
        return 0
    if options.name not in lessons:
        wrong = f"There is no lesson {options.name!r}" if options.name else "Say which lesson to open"
        print(f"{wrong}; there are: {', '.join(lessons) or 'none in notebooks/'}.", file=sys.stderr)
        return 2
    try:
        port = choose_port(options.port)
        python = prepare(ROOT / ".venv", ROOT / "requirements.lock", say)
        folder = copy_lesson(options.name, options.reset)
        return start(python, folder, options.name, port, options)
    except SetupError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(_explain(error), file=sys.stderr)
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 130
    return 1


def say(line):
    print(line, flush=True)


def _arguments(arguments):
    parser = argparse.ArgumentParser(
        prog="start-notebook.sh",
        description="Open a lesson in JupyterLab. The first start installs what it needs in .venv; "
        "your own copy of the lesson is in workspace/NAME and is never overwritten.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="the lesson; --list shows them")
    parser.add_argument("--list", action="store_true", help="list the lessons")
    parser.add_argument("--no-browser", action="store_true", help="start the server, open no browser")
    parser.add_argument("--port", type=int, metavar="N", help=f"the server's port (default: from {FIRST_PORT} on)")
    parser.add_argument(
        "--reset", action="store_true", help="start afresh; your folder is moved aside, dated, not lost"
    )
    parser.add_argument(
        "--check", action="store_true", help="try it all out: install, start, run the first cells, stop"
    )
    return parser.parse_args(arguments)


def available():
    """The lessons there are, as {name: title}."""
    lessons = {}
    for path in sorted(LESSONS.glob("*/*.ipynb")):
        if path.stem == path.parent.name:
            lessons[path.stem] = _title(path)
    # The lesson without a camera comes first, whatever the alphabet says.
    return dict(sorted(lessons.items(), key=lambda lesson: (lesson[0] != "xormodel", lesson[0])))


def _title(path):
    try:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for line in "".join(cell["source"]).splitlines():
                if cell["cell_type"] == "markdown" and line.startswith("# "):
                    return line[2:].strip()
    except (ValueError, KeyError, OSError):
        pass
    return ""


def choose_port(wanted):
    """The wanted port if it is free, or the first free one from `FIRST_PORT` on.

    Raises:
        SetupError: the wanted port is taken or is not a port.
    """
    if wanted is not None and not 1 <= wanted <= 65535:
        raise SetupError(f"--port must be 1 to 65535, not {wanted}.")
    for port in [wanted] if wanted else range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            # As the server does: a port whose last connection has just closed counts as free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError as error:
                if error.errno == errno.EACCES:
                    raise SetupError(
                        f"Port {port} may only be used by the administrator: choose one above 1023."
                    ) from None
    if wanted:
        raise SetupError(f"Port {wanted} is taken by another program: choose another, or leave --port out.")
    raise SetupError(
        f"No port from {FIRST_PORT} to {FIRST_PORT + 99} is free: stop some servers, or give one with --port."
    )


def copy_lesson(name, reset=False):
    """Make the student's own copy of a lesson, or add what is new to it; never overwrite a file.

    Returns:
        The folder workspace/NAME.
    """
    source, folder = LESSONS / name, WORKSPACE / name
    if reset and folder.exists():
        aside = folder.with_name(f"{name}-{time.strftime('%Y-%m-%d-%H%M%S')}")
        folder.rename(aside)
        say(f"Your folder is now {_relative(aside)}.")
    manifest_path = folder / MANIFEST
    try:
        manifest = json.loads(manifest_path.read_text())
    except (OSError, ValueError):
        manifest = {}
    new = not folder.exists()
    added, changed = [], []
    for path in sorted(p for p in source.rglob("*") if p.is_file() and ".ipynb_checkpoints" not in p.parts):
        relative = path.relative_to(source).as_posix()
        target, digest = folder / relative, _hash(path)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, target)
            manifest[relative] = digest
            added.append(relative)
        elif manifest.setdefault(relative, _hash(target)) != digest:
            changed.append(relative)
    if added:
        _write(manifest_path, json.dumps(manifest, indent=1).encode())
    if new:
        say(f"Made {_relative(folder)} for your work.")
    elif added:
        say(f"Added to {_relative(folder)}: {', '.join(added)}.")
    if changed:
        say(
            f"Newer in notebooks/{name} than in your folder: {', '.join(changed)}. Yours is kept; "
            "--reset starts afresh with the new and moves yours aside."
        )
    return folder


def _copy(path, target):
    _write(target, path.read_bytes())
    shutil.copymode(path, target)


def _write(target, content):
    """Write a file whole or not at all, so that a full disk or an interruption leaves no half notebook."""
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _relative(path):
    return path.relative_to(ROOT).as_posix()


def start(python, folder, name, port, options):
    """Replace this process by JupyterLab, or, with --check, try it out and return the exit status."""
    environment = dict(os.environ)
    environment.pop("PYTHONHOME", None)
    environment["VIRTUAL_ENV"] = str(python.parent.parent)
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment.get('PATH', '')}"
    environment["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel and extensions before the user's others
    # A page_config.json without the question about news, and without nbgrader's menus, which are for instructors.
    configurations = [str(ROOT / "tools" / "lab"), *filter(None, [environment.get("JUPYTER_CONFIG_PATH")])]
    environment["JUPYTER_CONFIG_PATH"] = os.pathsep.join(configurations)
    sys.stdout.flush()
    if options.check:
        check = Path(__file__).with_name("check_lesson.py")
        os.execve(python, [str(python), str(check), str(folder / f"{name}.ipynb"), str(port)], environment)
    settings = {"root_dir": folder, "port": port, "port_retries": 0, "ip": "127.0.0.1"}
    # nbgrader's parts are for instructors; here they would only complain that there is no course.
    nbgrader = {f"nbgrader.server_extensions.{part}": False for part in _NBGRADER_PARTS}
    server = [
        *(str(python), "-m", "jupyterlab"),
        *(f"--ServerApp.{setting}={value}" for setting, value in settings.items()),
        f"--ServerApp.jpserver_extensions={nbgrader}",
        f"--LabApp.default_url=/lab/tree/{name}.ipynb",
        "--Application.log_level=WARN",
    ]
    if os.geteuid() == 0:
        server.append("--allow-root")
    if options.no_browser:
        server.append("--no-browser")
    say(f"Opening {_relative(folder)}/{name}.ipynb; Control-C here stops the server.")
    sys.stdout.flush()
    os.execve(python, server, environment)


def _explain(error):
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{where}: make room and start again; nothing of yours was changed."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"The folder {ROOT} cannot be written{where}: check who owns it, or copy it to your home."
    return f"That did not work: {error}"


if __name__ == "__main__":
    sys.exit(main())
