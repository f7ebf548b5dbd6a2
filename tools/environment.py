"""Makes a virtual environment from a lock file once, and repairs it if this was interrupted.

Runs on a bare machine, so it uses the standard library only. Shared by start-notebook.sh (.venv) and tests/run.sh.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "edgekit-stamp.json"  # inside the environment: what it was made from; absent while it is being made
BUILDING = "edgekit-building"  # inside the environment: present from the first change to the last
DISK_NEEDED = 3.5e9  # bytes: 2.5 GB installed, and the largest downloads

# The lines that pip and uv print before a long silence: downloads of 10 MB or more, and the unpacking.
MILESTONE = re.compile(
    r"\s*(Downloading \S+ \(\d{2,}(?:\.\d+)? ?Mi?B\)|Installing collected packages|(?:Prepared|Installed) \d+ packages)"
)
NO_NETWORK = re.compile(
    r"NewConnectionError|Failed to establish a new connection|Name or service not known|Temporary failure in name|"
    r"nodename nor servname|ConnectTimeout|Connection refused|Connection reset|Network is unreachable|No route to host|"
    r"error sending request|dns error|failed to lookup address|tunnel error|ProxyError|Read timed out|timed out",
    re.IGNORECASE,
)
DISK_FULL = re.compile(r"No space left on device|Errno 28|os error 28|Disk quota exceeded", re.IGNORECASE)
NO_WHEEL = re.compile(r"No matching distribution found for (\S+)|Because (\S+) has no wheels", re.IGNORECASE)


class SetupError(Exception):
    """Something that the user can put right; the message is one sentence that says how."""


def prepare(folder, lock, say=print):
    """Bring the environment in line with its lock file; do nothing when it is already.

    Args:
        folder: the environment, inside the repository.
        lock: the requirements file.
        say: called with one line of progress at a time.

    Returns:
        The path of the environment's Python.

    Raises:
        SetupError: it cannot be done; the message says what to do.
    """
    python = folder / "bin" / "python"
    wanted = _fingerprint(folder, lock)
    if _stamp(folder) == wanted and python.exists():
        return python
    with _alone(say) as lock_handle:
        if _stamp(folder) == wanted and python.exists():  # another start has just done it
            return python
        try:
            _install(folder, lock, wanted, say, lock_handle)
        except OSError as error:
            raise SetupError(_explain(str(error), folder)) from error
    return python


def _install(folder, lock, wanted, say, lock_handle):
    def run(command, say=None):
        _run(command, folder, lock_handle, say)

    python = folder / "bin" / "python"
    stamp = _stamp(folder) or {}
    if (folder / BUILDING).exists():
        say("The last installation was interrupted: starting it over (what was downloaded is kept).")
        fresh = True
    elif folder.exists() and not _works(python):
        say(f"{folder.name} does not work any more (another Python, or a half-made folder): making it anew.")
        fresh = True
    elif stamp and stamp.get("root") != wanted["root"]:
        say("The folder has moved: making the environment anew (what was downloaded is kept).")
        fresh = True
    else:
        fresh = not folder.exists()
    _check_disk(folder, fresh)

    uv = shutil.which("uv")
    if fresh:
        say(f"Making {folder.name} with Python {platform.python_version()} ({'uv' if uv else 'venv and pip'}).")
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        (folder / BUILDING).touch()
        if uv:
            run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)])
        else:
            run([sys.executable, "-m", "venv", str(folder)])
    (folder / BUILDING).touch()
    (folder / STAMP).unlink(missing_ok=True)

    count = sum(1 for line in lock.read_text().splitlines() if re.match(r"[A-Za-z0-9]", line))
    say(f"Installing about {count} packages from {lock.name}; the first time takes some minutes and 2.5 GB.")
    start = time.monotonic()
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if uv:
        install = [uv, "pip", "install", "--python", str(python)]
    else:
        install = [*pip, "install", "--retries", "2", "--progress-bar", "off"]
        if _run_quietly([*pip, "--version"]):
            run([str(python), "-m", "ensurepip"])  # an environment that uv made has no pip
    run([*install, "-r", str(lock)], say)
    run([*install, "--quiet", "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    (folder / STAMP).write_text(json.dumps(wanted, indent=1))
    (folder / BUILDING).unlink()
    say(f"Installed in {time.monotonic() - start:.0f} s.")


def _fingerprint(folder, lock):
    """What an environment depends on; when any of it differs, the environment is brought in line."""
    content = lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return {"lock": hashlib.sha256(content).hexdigest(), "root": str(ROOT)}


def _stamp(folder):
    try:
        return json.loads((folder / STAMP).read_text())
    except (OSError, ValueError):
        return None


def _works(python):
    try:
        return _run_quietly([python, "-c", "import encodings"]) == 0
    except OSError:
        return False


def _run_quietly(command):
    return subprocess.run(command, capture_output=True, check=False).returncode


@contextmanager
def _alone(say):
    """Hold the repository's folder locked, so that two starts do not install into one environment at once."""
    handle = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another start is installing here: waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _check_disk(folder, fresh):
    free = shutil.disk_usage(folder.parent).free
    if fresh and free < DISK_NEEDED:
        raise SetupError(
            f"The disk is too full: {folder.parent} has {free / 1e9:.1f} GB free and the installation needs "
            f"{DISK_NEEDED / 1e9:.1f} GB; make room and start again."
        )


def _run(command, folder, lock_handle, say=None):
    """Run an installer; show its milestones; turn its failure into one sentence."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(lock_handle,),  # an installer that outlives this process still keeps the next start waiting
    )
    output = []
    try:
        for line in process.stdout:
            output.append(line)
            if say and (milestone := MILESTONE.match(line)):
                say(f"  {milestone.group(1)}")
        if process.wait() == 0:
            return
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
    raise SetupError(_explain("".join(output), folder))


def _explain(output, folder):
    # venv swallows what its pip says: a disk with nothing left explains a failure that says nothing.
    if DISK_FULL.search(output) or min(shutil.disk_usage(p).free for p in (folder.parent, tempfile.gettempdir())) < 1e6:
        return (
            "The disk is full: make room (the installation needs 3.5 GB, also in the temporary folder) and start again."
        )
    if "ensurepip" in output:
        return (
            f"This Python ({sys.executable}) cannot make virtual environments: install its venv package "
            "(Debian and Ubuntu: sudo apt install python3-venv) and start again."
        )
    if NO_NETWORK.search(output):
        return (
            "The packages cannot be downloaded, there is no connection to the package index: connect to the internet "
            "(behind a proxy, set HTTPS_PROXY) and start again; what was downloaded is kept."
        )
    if missing := NO_WHEEL.search(output):
        package = missing.group(1) or missing.group(2)
        return (
            f"The package index has no {package} that fits Python {platform.python_version()} on "
            f"{platform.system()} {platform.machine()}: try another Python from 3.11 to 3.13, or another computer."
        )
    if "Permission denied" in output or "Read-only file system" in output:
        return f"{folder} cannot be written: check who owns the folder {folder.parent}, or copy it to your home."
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return "The installation failed; the installer said: " + " / ".join(lines[-3:] or ["nothing"])


def main():
    folder, lock = (ROOT / argument for argument in sys.argv[1:3])
    try:
        prepare(folder, lock)
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
