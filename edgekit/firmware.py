"""Makes a PlatformIO project from generated C and the templates, and builds, uploads and watches it.

The project is an ordinary one: `pio run` in a terminal and VS Code's PlatformIO extension work on it as it is.
docs/firmware.md describes what is in it.
"""

import hashlib
import json
import re
import shutil
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from edgekit import _compiler, _platformio

APPS = ("xormodel",)
ENVIRONMENTS = ("sim", "esp_eye", "xtensa")
_MANIFEST = ".edgekit.json"  # in a project: what it was made from, and the hash of each generated file
_OWNED = {"src/main.cpp"}  # the student's
_KEPT = ".previous"  # in a project: what generated or magic-written files held before, dated


class FirmwareError(Exception):
    """A project cannot be made, built or uploaded; the message says why and what to do."""


class BuildError(FirmwareError):
    """The application does not compile or link.

    Attributes:
        problems: the compiler's messages as `edgekit._compiler.Problem` objects; may be empty.
        output: everything that PlatformIO printed.
    """

    def __init__(self, message, problems=(), output=""):
        super().__init__(message)
        self.problems = list(problems)
        self.output = output


# The compiler's levels, and the end of their names in ESP-IDF's Kconfig.
_KCONFIG_LEVEL = {"debug": "DEBUG", "size": "SIZE", "performance": "PERF", "none": "NONE"}


@dataclass(frozen=True)
class Options:
    """What can be chosen about the firmware; all of it ends up in sdkconfig.defaults.

    Args:
        cpu_mhz: clock of the ESP32: 80, 160 or 240.
        optimize: what the compiler aims at: "debug" (-Og), "size" (-Os), "performance" (-O2) or "none" (-O0).
        bootloader_optimize: the same for the bootloader.
        assertions: "enabled", "silent" (checked, without a message) or "disabled".
        baud: rate of the serial line at the start, bits a second.

    Raises:
        ValueError: an option that does not exist, with the list of those that do.
    """

    cpu_mhz: int = 160
    optimize: str = "debug"
    bootloader_optimize: str = "size"
    assertions: str = "enabled"
    baud: int = 115200

    def __post_init__(self):
        levels = tuple(_KCONFIG_LEVEL)
        for name, allowed in {
            "cpu_mhz": (80, 160, 240),
            "optimize": levels,
            "bootloader_optimize": levels,
            "assertions": ("enabled", "silent", "disabled"),
        }.items():
            if getattr(self, name) not in allowed:
                choices = ", ".join(map(repr, allowed))
                raise ValueError(f"{name} must be one of {choices}, not {getattr(self, name)!r}")
        if not isinstance(self.baud, int) or not 300 <= self.baud <= 5_000_000:
            raise ValueError(f"baud must be a number from 300 to 5000000, not {self.baud!r}")


def create(app, directory, model_files, options=None):
    """Make a firmware project, or bring an existing one up to date.

    The student's src/main.cpp is never touched once it is there. A generated file that was edited by hand is first
    copied to .previous/ in the project.

    Args:
        app: the application: "xormodel".
        directory: the project's folder; made if missing.
        model_files: the files that `edgekit.codegen.export` wrote: NAME.h, NAME.cpp.
        options: an `Options`; None takes the ones of the existing project, or the defaults.

    Returns:
        The `Project`, also returned by `current()` until another is made.

    Raises:
        ValueError: an unknown application or options of the wrong kind.
        FirmwareError: the model files are not what `codegen.export` writes, or the folder holds something else.
    """
    if app not in APPS:
        raise ValueError(f"there is no application {app!r}; there are: {', '.join(APPS)}")
    if options is not None and not isinstance(options, Options):
        raise ValueError(f"options must be a firmware.Options, not {type(options).__name__}")
    directory = Path(directory).resolve()
    model, model_files = _check_model_files(model_files)
    manifest = _read_manifest(directory)
    if manifest is None and directory.exists() and any(directory.iterdir()):
        raise FirmwareError(f"{directory} is not empty and not a firmware project: choose a new folder")
    manifest = manifest or {"files": {}}
    if options is None:
        options = _options(manifest)
    engine = (
        "tflm"
        if any("tensorflow/lite/micro" in path.read_text(errors="replace") for path in model_files)
        else "compiled"
    )

    values = {
        "app": app,
        "model": model,
        "engine": engine,
        "options": options,
        "kconfig_level": _KCONFIG_LEVEL,
        "sim_flags": " ".join(CXX_FLAGS),
    }
    made = {f"src/{path.name}": path.read_bytes() for path in model_files}
    made |= {name: _render(path, values) for name, path in _templates(app)}
    made = {name: content for name, content in made.items() if content.strip()}  # nothing to say: no file
    hashes = _bring_up_to_date(directory, made, manifest["files"])
    description = {"app": app, "model": model, "engine": engine, "options": asdict(options), "files": hashes}
    _write(directory / _MANIFEST, json.dumps(description, indent=1).encode())
    _platformio.prepare()
    return _make_current(Project(directory))


def open_project(directory):
    """Return the `Project` in a folder that `create` made, and make it the current one.

    Raises:
        FirmwareError: the folder holds no such project.
    """
    return _make_current(Project(directory))


_current = None


def _make_current(project):
    global _current
    _current = project
    return project


def current():
    """The project that was last created or opened in this session.

    Raises:
        FirmwareError: there is none yet.
    """
    if _current is None:
        raise FirmwareError("there is no firmware project yet: make one with edgekit.firmware.create(...)")
    return _current


# The same flags for `pio run -e sim` and for the quick check of one file.
CXX_FLAGS = ("-std=c++17", "-O2", "-g", "-Wall", "-Wextra", "-pthread")


class Project:
    """A firmware project on disk.

    Attributes:
        directory: its folder.
        app, model, engine: what it was made from.
        options: its `Options`.
    """

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        manifest = _read_manifest(self.directory)
        if manifest is None:
            raise FirmwareError(
                f"{self.directory} is not a firmware project: make one with edgekit.firmware.create(...)"
            )
        self.app, self.model, self.engine = manifest["app"], manifest["model"], manifest["engine"]
        self.options = _options(manifest)

    def __repr__(self):
        return f"Project({str(self.directory)!r}, app={self.app!r}, model={self.model!r})"

    def program(self, env="sim"):
        """Path of the executable that `build(env)` makes; for "sim" it runs on this computer."""
        name = {"sim": "program", "esp_eye": "firmware.bin", "xtensa": "program.elf"}[_check_env(env)]
        return self.directory / ".pio" / "build" / env / name

    def build(self, env="sim", on_line=print):
        """Compile and link with PlatformIO.

        Args:
            env: "sim", "esp_eye" or "xtensa".
            on_line: called with each line that PlatformIO prints; None for silence.

        Returns:
            The path of the program.

        Raises:
            BuildError: it does not compile, or something it needs cannot be had.
        """
        self._pio(["run", "-e", _check_env(env)], env, on_line)
        return self.program(env)

    def upload(self, env="sim", port=None, on_line=print):
        """Build and write it to the board.

        The simulated board is started once to see that it boots; the emulated Xtensa core runs the network and prints
        its outputs and the instructions they took.

        Args:
            env: "sim", "esp_eye" or "xtensa".
            port: the board's serial port; None lets PlatformIO find it.
            on_line: as for `build`.

        Raises:
            BuildError: it does not compile, the board cannot be written, or the simulated one does not start.
        """
        arguments = ["run", "-e", _check_env(env), "-t", "upload"]
        if port is not None:
            arguments += ["--upload-port", str(port)]
        self._pio(arguments, env, on_line)

    def monitor(self, port=None, baud=None):
        """Show what the board prints until interrupted.

        Args:
            port: the board's serial port; None finds the board, or starts the simulated one.
            baud: bits a second; None takes the project's.
        """
        from edgekit import board

        with board.connect(port, baud=baud or self.options.baud) if port else board.find(self) as opened:
            opened.monitor()

    def write(self, name, text):
        """Write a file of the project; what it held before is kept in .previous/ (see `previous`).

        Args:
            name: path inside the project, for example "src/main.cpp".
            text: its new content.

        Returns:
            The file's path.

        Raises:
            FirmwareError: the path leads outside the project or to a file that is not the student's.
        """
        path = self._inside(name)
        if path.is_file() and path.read_text(errors="replace") != text:
            _keep(self.directory, path)
        _write(path, text.encode())
        return path

    def previous(self, name):
        """The kept earlier versions of a file, oldest first."""
        path = self._inside(name)
        folder = self.directory / _KEPT / path.parent.relative_to(self.directory)
        return sorted(folder.glob(f"{path.stem}-*{path.suffix}"))

    def check(self, name):
        """Compile one file without building, with the simulated board's flags, in about a second.

        Args:
            name: path inside the project.

        Returns:
            The compiler's messages as a list of `Problem` (kind "error" or "warning"); empty if all is well.

        Raises:
            FirmwareError: there is no C++ compiler on this computer.
        """
        try:
            return _compiler.check(self._inside(name), self.directory, CXX_FLAGS, [self.directory / "src"])
        except FileNotFoundError as error:
            raise FirmwareError(str(error)) from None

    def _inside(self, name):
        path = (self.directory / name).resolve()
        parts = path.relative_to(self.directory).parts if path.is_relative_to(self.directory) else ()
        if not parts or parts[0].startswith(".") or path.is_dir():
            raise FirmwareError(f"{name!r} is not a file inside the project: name one such as src/main.cpp")
        return path

    def _pio(self, arguments, env, on_line):
        if env != "esp_eye" and self.engine == "tflm":
            raise BuildError(
                "the tflm engine runs on the ESP-EYE only, since TensorFlow Lite Micro's sources are downloaded with "
                'ESP-IDF: export with engine="compiled" to run on the simulated board'
            )
        if env == "esp_eye" and " " in str(self.directory):
            raise BuildError(
                f"ESP-IDF does not build in a folder whose path has a space, as {self.directory} has: make the project "
                "elsewhere, for example firmware.create(..., pathlib.Path.home() / 'edgekit-firmware', ...)"
            )
        if sys.platform == "win32" and env == "sim":
            raise BuildError("the simulated board needs Linux or macOS: on Windows, use WSL")
        status, output = _platformio.run(
            arguments, self.directory, on_line or (lambda line: None), own_platforms=env != "esp_eye"
        )
        if status:
            problems = [p for p in _compiler.parse(output, self.directory) if p.kind == "error"]
            raise BuildError(_explain(output, problems), problems, output)


def _check_env(env):
    if env not in ENVIRONMENTS:
        raise ValueError(f"there is no environment {env!r}; there are: {', '.join(ENVIRONMENTS)}")
    return env


def _explain(output, problems):
    """One message for a failed run of PlatformIO."""
    if problems:
        return "the application does not compile:\n\n" + "\n\n".join(str(problem) for problem in problems)
    if re.search(r"InternetConnectionError|HTTPClientError|Please check your Internet|ConnectionError", output):
        return (
            "PlatformIO wants to download Espressif's tools (about 1.5 GB, once) and there is no network; "
            'the simulated board, env="sim", needs none'
        )
    if ours := re.findall(r"^Error: (.*)$", output, re.M):
        return ours[-1]
    if undefined := re.findall(r"undefined reference to .*", output):
        return "the application does not link: " + "; ".join(dict.fromkeys(undefined))
    return "PlatformIO failed:\n" + "\n".join(output.splitlines()[-12:])


def _options(manifest):
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in manifest.get("options", {}).items() if name in known})


def _check_model_files(model_files):
    paths = [Path(path) for path in model_files]
    headers = [path for path in paths if path.suffix == ".h"]
    if len(headers) != 1 or not all(path.is_file() for path in paths):
        came = ", ".join(map(str, paths)) or "nothing"
        raise FirmwareError(f"expected the files that codegen.export wrote, NAME.h and NAME.cpp, but got {came}")
    name = headers[0].stem
    if f"{name}_invoke" not in headers[0].read_text(errors="replace"):
        raise FirmwareError(f"{headers[0]} declares no {name}_invoke: export the network with edgekit.codegen.export")
    return name, paths


def _template_folder():
    here = Path(__file__).resolve().parent
    installed = here / "firmware_templates"
    return installed if installed.is_dir() else here.parent / "firmware_templates"


def _templates(app):
    for root in (_template_folder() / "common", _template_folder() / "apps" / app):
        for path in sorted(p for p in root.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
            yield path.relative_to(root).as_posix().removesuffix(".j2"), path


def _render(path, values):
    if path.suffix != ".j2":
        return path.read_bytes()
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, trim_blocks=True)
    return environment.from_string(path.read_text()).render(values).encode()


def _bring_up_to_date(directory, made, before):
    """Write the generated files and remove those that are generated no more; keep aside what somebody edited.

    Args:
        made: {name: bytes}.
        before: {name: hash} of what was generated the last time.

    Returns:
        {name: hash} of what is generated now.
    """
    hashes = {name: _hash(content) for name, content in made.items()}
    for name in before.keys() | made.keys():
        path = directory / name
        there = _hash(path.read_bytes()) if path.is_file() else None
        if there == hashes.get(name) or (name in _OWNED and there):
            continue
        if there not in (None, before.get(name)):
            _keep(directory, path)
        if name in made:
            _write(path, made[name])
        else:
            path.unlink()
        if name == "sdkconfig.defaults":
            # ESP-IDF reads the defaults only where it has not yet written its own full configuration.
            for full in directory.glob("sdkconfig.*"):
                if full.name != name:
                    _keep(directory, full)
                    full.unlink()
    return hashes


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def _keep(directory, path):
    folder = directory / _KEPT / path.parent.relative_to(directory)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = len(list(folder.glob(f"{stamp}-*{path.suffix}")))
    shutil.copy2(path, folder / f"{stamp}-{number:02}{path.suffix}")


def _write(path, content):
    """Write so that an interrupted or failed write leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    try:
        new.write_bytes(content)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _read_manifest(directory):
    try:
        return json.loads((directory / _MANIFEST).read_text())
    except (OSError, ValueError):
        return None
