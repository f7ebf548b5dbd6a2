"""Makes a PlatformIO project from generated C and the templates, and builds, uploads and watches it.

The project is an ordinary one: `pio run` in a terminal and VS Code's PlatformIO extension work on it as it is.
docs/firmware.md describes what is in it.
"""

import re
import sys
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from edgekit import _compiler, _platformio, _project_files
from edgekit.errors import EdgekitError
from edgekit.table import Table

# Applications that a project can be made with; and its environments in PlatformIO: simulated board, board, emulated core.
APPS = ("xormodel", "carclassifier", "benchmark")
ENVIRONMENTS = ("sim", "esp_eye", "xtensa")


class FirmwareError(EdgekitError):
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


# What the compiler may aim at: the end of its name in ESP-IDF's Kconfig, and the compiler's own option.
_KCONFIG_LEVEL = {"debug": "DEBUG", "size": "SIZE", "performance": "PERF", "none": "NONE"}
_COMPILER_LEVEL = {"debug": "-Og", "size": "-Os", "performance": "-O2", "none": "-O0"}


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
        if not isinstance(self.baud, int) or not 1200 <= self.baud <= 4_000_000:
            raise ValueError(f"baud must be a number from 1200 to 4000000, not {self.baud!r}")


# Where `pio run -e esp_eye -t menuconfig` has what each option sets (ESP-IDF 5.5).
_MENU = {
    "cpu_mhz": "Component config > ESP System Settings > CPU frequency",
    "optimize": "Compiler options > Optimization Level",
    "bootloader_optimize": "Bootloader config > Bootloader optimization Level",
    "assertions": "Compiler options > Assertion level",
    "baud": "Component config > ESP System Settings > Channel for console output",
}


def changes(before, after):
    """What two choices of options change in sdkconfig.defaults, and where menuconfig has it.

    Args:
        before, after: `Options`.

    Returns:
        A table with a row for each option that differs: its lines before and after, and its place in menuconfig.

    Example:
        >>> changes(Options(), Options(cpu_mhz=240, optimize="performance"))
    """
    rows = []
    for name, place in _MENU.items():
        chosen = {name: getattr(after, name)}
        old, new = (_settings(options) for options in (before, replace(before, **chosen)))
        if old != new:
            lines = ("; ".join(line for line in one if line not in other) for one, other in ((old, new), (new, old)))
            rows.append((name, *lines, place))
    return Table(("option", "before", "after", "in menuconfig"), rows, note="" if rows else "Nothing changes.")


def _settings(options):
    """The lines of sdkconfig.defaults that set something."""
    text = _project_files.from_templates("xormodel", _values("xormodel", "model", "compiled", options))
    return [line for line in text["sdkconfig.defaults"].decode().splitlines() if line.startswith("CONFIG_")]


@dataclass(frozen=True)
class Instructions:
    """What one inference costs on an emulated core like the ESP32's.

    Attributes:
        count: instructions.
        options: the `Options` that it was compiled with.
        milliseconds: about what that is on the ESP-EYE, at `report.CYCLES_PER_INSTRUCTION`.
    """

    count: int
    options: Options
    milliseconds: float

    def __repr__(self):
        level, mhz = _COMPILER_LEVEL[self.options.optimize], self.options.cpu_mhz
        return f"{self.count:,} instructions at {level}: about {self.milliseconds:.0f} ms at {mhz} MHz"


def instructions(model, options=None):
    """Count the instructions of one inference on an emulated core, compiled as the options say.

    Only the network is counted; assertions in ESP-IDF and the bootloader are not part of it.

    Args:
        model: a `QuantizedNetwork`.
        options: an `Options`; None takes the defaults.

    Returns:
        `Instructions`.

    Raises:
        TypeError: the network is not int8: the core has no floating point unit.
        FirmwareError: compiler or emulator are not installed; with the remedy.
    """
    import numpy as np

    from edgekit import emulator
    from edgekit.report import CYCLES_PER_INSTRUCTION

    options = options or Options()
    if not hasattr(model, "quantization"):
        raise TypeError(f"instructions are counted of a quantized network, not of a {type(model).__name__}")
    zeros = np.zeros((1, *model.shapes[model.input]), np.int8)
    try:
        count = emulator.infer(model, zeros, "dc232b", _COMPILER_LEVEL[options.optimize]).instructions
    except emulator.EmulatorError as error:
        raise FirmwareError(str(error)) from None
    return Instructions(count, options, count * CYCLES_PER_INSTRUCTION / options.cpu_mhz / 1000)


def create(app, directory, model_files, options=None):
    """Make a firmware project, or bring an existing one up to date.

    The student's src/main.cpp is never touched once it is there. A generated file that was edited by hand is first
    copied to .previous/ in the project.

    Args:
        app: the application: "xormodel", or "carclassifier" for a network that takes images.
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
    manifest = _project_files.read_manifest(directory)
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

    made = {f"src/{path.name}": path.read_bytes() for path in model_files}
    made |= _project_files.from_templates(app, _values(app, model, engine, options))
    hashes = _project_files.bring_up_to_date(directory, made, manifest["files"])
    description = {"app": app, "model": model, "engine": engine, "options": asdict(options), "files": hashes}
    _project_files.write_manifest(directory, description)
    _platformio.prepare()
    return _make_current(Project(directory))


def _values(app, model, engine, options):
    """What the templates may name."""
    return {
        "app": app,
        "model": model,
        "engine": engine,
        "options": options,
        "kconfig_level": _KCONFIG_LEVEL,
        "compiler_level": _COMPILER_LEVEL,
        "sim_flags": " ".join(CXX_FLAGS),
    }


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
        manifest = _project_files.read_manifest(self.directory)
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

        baud = baud or self.options.baud
        with board.connect(port, baud, wait=False) if port else board.find(self, wait=False) as opened:
            opened.monitor()

    def write(self, name, text):
        """Write a file of the project; what it held before is kept in .previous/ (see `previous`).

        Args:
            name: path inside the project, for example "src/main.cpp".
            text: its new content.

        Returns:
            The file's path.

        Raises:
            FirmwareError: the path leads outside the project, to a folder, or to one that begins with a dot.
        """
        path = self._inside(name)
        if path.is_file() and path.read_text(errors="replace") != text:
            _project_files.keep(self.directory, path)
        _project_files.write(path, text.encode())
        return path

    def previous(self, name):
        """The kept earlier versions of a file, oldest first."""
        return _project_files.kept(self.directory, self._inside(name))

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
        if env == "esp_eye" and not _platformio.has_espressif() and not _platformio.is_online():
            raise BuildError(_NO_NETWORK)
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


_NO_NETWORK = (
    "PlatformIO wants to download Espressif's tools (about 1.5 GB, once) from registry.platformio.org and GitHub, and "
    'they cannot be reached from here; the simulated board needs no network: env="sim", or %flash sim in the notebook'
)


def _explain(output, problems):
    """One message for a failed run of PlatformIO."""
    if problems:
        return "the application does not compile:\n\n" + "\n\n".join(str(problem) for problem in problems)
    if re.search(r"InternetConnectionError|HTTPClientError|Please check your Internet|ConnectionError", output):
        return _NO_NETWORK
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
