"""Runs PlatformIO, also without a network: its builder comes from the scons package instead of a download."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path

# PlatformIO asks for version updates, and sends telemetry at the end of a run. Without a network, both would wait.
_QUIET = {
    "PLATFORMIO_DISABLE_UPGRADE_CHECK": "true",
    "PLATFORMIO_DISABLE_PROGRESSBAR": "true",
    "PLATFORMIO_SETTING_ENABLE_TELEMETRY": "no",
    "PLATFORMIO_NO_ANSI": "true",
}


def core_folder() -> Path:
    """Return PlatformIO's core folder: ``PLATFORMIO_CORE_DIR``, or ``~/.platformio``, as PlatformIO chooses it."""
    chosen = os.environ.get("PLATFORMIO_CORE_DIR")
    return Path(chosen).expanduser() if chosen else Path.home() / ".platformio"


def prepare() -> None:
    """Put PlatformIO's builder, tool-scons, into the folder that PlatformIO would download it to.

    An existing folder is not changed. This only adds the package that PlatformIO would download, in PlatformIO's form,
    so that `pio` in a terminal and VS Code find it too.
    """
    scons = metadata.version("scons")
    major, minor, patch = ([*scons.split("."), "0", "0"])[:3]
    version = f"4.{major}{int(minor):02}{int(patch):02}.0"
    packages = core_folder() / "packages"
    if any(_installed_version(folder) == version for folder in packages.glob("tool-scons*")):
        return
    taken = (packages / "tool-scons").exists()
    target = packages / (f"tool-scons@{version}" if taken else "tool-scons")
    if target.exists():
        return
    packages.mkdir(parents=True, exist_ok=True)
    # Made in another folder and then renamed, so that an interrupted copy never looks like a package.
    aside = Path(tempfile.mkdtemp(prefix="_tmp_installing-edgekit-", dir=packages))
    try:
        package = aside / "tool-scons"
        local = package / f"scons-local-{scons}"
        found = util.find_spec("SCons")
        assert found is not None
        assert found.origin is not None
        source = Path(found.origin).parent
        shutil.copytree(source, local / "SCons", ignore=shutil.ignore_patterns("__pycache__"))
        (package / "scons.py").write_text(_SCONS.format(local=local.name))
        identity = {"name": "tool-scons", "version": version}
        (package / "package.json").write_text(json.dumps(identity | {"description": "SCons, from the scons package"}))
        spec = {"owner": "platformio", "id": None, "name": "tool-scons", "requirements": None, "uri": None}
        (package / ".piopm").write_text(json.dumps({"type": "tool", **identity, "spec": spec}))
        try:
            package.rename(target)
        except OSError:
            if not target.exists():  # another process made it first: use that one
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


_SCONS = """\
#!/usr/bin/env python3
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "{local}"))

if __name__ == "__main__":
    import SCons.Script

    SCons.Script.main()
"""


def _installed_version(folder: Path) -> str | None:
    try:
        return json.loads((folder / ".piopm").read_text())["version"]
    except (OSError, ValueError, KeyError):
        return None


def has_espressif() -> bool:
    """Tell whether Espressif's tools are installed."""
    return (core_folder() / "packages" / "framework-espidf").is_dir()


def is_online() -> bool:
    """Tell within 5 seconds whether PlatformIO's registry can be reached; PlatformIO itself tries for a minute."""
    if urllib.request.getproxies():
        return True  # only the proxy can tell
    try:
        socket.create_connection(("registry.platformio.org", 443), timeout=5).close()
    except OSError:
        return False
    return True


def command(*arguments: str) -> list[str]:
    """Return the command line that runs PlatformIO with this Python.

    Args:
        *arguments: the words that follow `pio`.
    """
    return [sys.executable, "-m", "platformio", *arguments]


def environment(folder: str | Path | None = None) -> dict[str, str]:
    """Return the environment variables to run PlatformIO with.

    Args:
        folder: the project whose own platforms are to be used; None uses PlatformIO's folder.
    """
    # PlatformIO keeps links to the platforms of all projects in one folder, so that two builds at the same time would
    # mix them up. Here each project has its own folder.
    own = {"PLATFORMIO_PLATFORMS_DIR": str(Path(folder) / ".pio" / "platforms")} if folder else {}
    return os.environ | _QUIET | own


def run(
    arguments: list[str], folder: Path, on_line: Callable[[str], object], own_platforms: bool = True
) -> tuple[int, str]:
    """Run PlatformIO and pass on its output line by line.

    Args:
        arguments: the words that follow `pio` on the command line.
        folder: the folder to run it in.
        on_line: called with each line of output, standard error included, as it appears.
        own_platforms: whether only the platforms in the project are needed.

    Returns:
        (exit status, whole output).
    """
    prepare()
    lines = []
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(folder if own_platforms else None),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            assert process.stdout is not None  # a pipe
            for line in process.stdout:
                lines.append(line)
                on_line(line.rstrip("\n"))
        except BaseException:
            process.terminate()
            raise
    return process.returncode, "".join(lines)
