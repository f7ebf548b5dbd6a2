"""A firmware project on disk: makes it from generated C and the templates, builds and uploads it."""

import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from pathlib import Path

from edgekit.codegen import header
from edgekit.cost import too_large
from edgekit.errors import EdgekitError, InvalidValue
from edgekit.firmware import compiler, files, platformio
from edgekit.firmware.compiler import CXX_FLAGS, Problem
from edgekit.firmware.options import Options

# Applications that a project can be made with.
APPS = ("xormodel", "carclassifier", "benchmark")
# Of PlatformIO: the simulated board, the board, the emulated core.
ENVIRONMENTS = ("sim", "esp_eye", "xtensa")


class FirmwareError(EdgekitError):
    """A project cannot be made, built or uploaded; the message says why and what to do."""


class BuildError(FirmwareError):
    """The application does not compile or link.

    Attributes:
        problems: the compiler's messages, a list of `Problem`; may be empty.
        output: everything that PlatformIO printed.
    """

    def __init__(self, message: str, problems: Iterable[Problem] = (), output: str = "") -> None:
        super().__init__(message)
        self.problems = list(problems)
        self.output = output


# Functions that are called with each project that is created or opened. Empty in a plain program; a notebook's session
# adds one when the extension is loaded, so that %flash finds the notebook's project.
observers: list[Callable[["Project"], None]] = []


def create(
    app: str, directory: str | Path, model_files: Iterable[str | Path], options: Options | None = None
) -> "Project":
    """Make a firmware project, or bring an existing one up to date.

    The student's src/main.cpp is never changed once it exists. A generated file that was edited by hand is first copied
    to .previous/ in the project.

    Args:
        app: the application: "xormodel", or "carclassifier" for a network that takes images.
        directory: the project's folder; made if missing.
        model_files: the files that `edgekit.codegen.export` wrote: NAME.h, NAME.cpp.
        options: an `Options`; None means the options of the existing project, or the defaults.

    Returns:
        The project.

    Raises:
        ValueError: an unknown application or options of the wrong kind.
        FirmwareError: the model files are not from `codegen.export`, or the folder has other files.
    """
    if app not in APPS:
        raise InvalidValue(f"there is no application {app!r}; there are: {', '.join(APPS)}")
    if options is not None and not isinstance(options, Options):
        raise InvalidValue(f"options must be a firmware.Options, not {type(options).__name__}")
    directory = Path(directory).resolve()
    model, model_files = _check_model_files(model_files)
    manifest = files.read_manifest(directory)
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
    made |= files.from_templates(
        app,
        options.template_values() | {"app": app, "model": model, "engine": engine, "sim_flags": " ".join(CXX_FLAGS)},
    )
    hashes = files.bring_up_to_date(directory, made, manifest["files"])
    description = {"app": app, "model": model, "engine": engine, "options": asdict(options), "files": hashes}
    files.write_manifest(directory, description)
    platformio.prepare()
    return _announced(Project(directory))


def open_project(directory: str | Path) -> "Project":
    """Open the project in a folder that `create` made.

    Args:
        directory: the project's folder.

    Returns:
        The project.

    Raises:
        FirmwareError: the folder holds no such project.
    """
    return _announced(Project(directory))


def _announced(project: "Project") -> "Project":
    for observer in observers:
        observer(project)
    return project


class Project:
    """A firmware project on disk.

    Attributes:
        directory: its folder.
        app, model, engine: the names of the application, the network and the engine.
        options: its `Options`.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory).resolve()
        manifest = files.read_manifest(self.directory)
        if manifest is None:
            raise FirmwareError(
                f"{self.directory} is not a firmware project: make one with edgekit.firmware.create(...)"
            )
        self.app, self.model, self.engine = manifest["app"], manifest["model"], manifest["engine"]
        self.options = _options(manifest)

    def __repr__(self) -> str:
        return f"Project({str(self.directory)!r}, app={self.app!r}, model={self.model!r})"

    def program(self, env: str = "sim") -> Path:
        """Path of the executable that `build(env)` makes; for "sim" it runs on this computer.

        Args:
            env: "sim", "esp_eye" or "xtensa".
        """
        name = {"sim": "program", "esp_eye": "firmware.bin", "xtensa": "program.elf"}[_check_env(env)]
        return self.directory / ".pio" / "build" / env / name

    def build(self, env: str = "sim", on_line: Callable[[str], object] | None = print) -> Path:
        """Compile and link with PlatformIO.

        Args:
            env: "sim", "esp_eye" or "xtensa".
            on_line: called with each line that PlatformIO prints; None for silence.

        Returns:
            The path of the program.

        Raises:
            BuildError: it does not compile, or a tool or download that it needs is missing.
        """
        self._pio(["run", "-e", _check_env(env)], env, on_line)
        return self.program(env)

    def upload(
        self, env: str = "sim", port: str | None = None, on_line: Callable[[str], object] | None = print
    ) -> None:
        """Build and write it to the board.

        The simulated board is started once, to see that it boots. The emulated Xtensa core runs the network, and prints
        its outputs and the number of instructions.

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

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project; its former content is kept in .previous/ (see `previous`).

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
            files.keep(self.directory, path)
        files.write(path, text.encode())
        return path

    def previous(self, name: str) -> list[Path]:
        """List the kept earlier versions of a file, oldest first.

        Args:
            name: path inside the project.
        """
        return files.kept(self.directory, self._inside(name))

    def check(self, name: str) -> list[Problem]:
        """Compile one file without building, with the simulated board's flags, in about a second.

        Args:
            name: path inside the project.

        Returns:
            The compiler's messages, of kind "error" or "warning"; empty if there are none.

        Raises:
            FirmwareError: there is no C++ compiler on this computer.
        """
        try:
            return compiler.check(self._inside(name), self.directory, CXX_FLAGS, [self.directory / "src"])
        except FileNotFoundError as error:
            raise FirmwareError(str(error)) from None

    def _inside(self, name: str) -> Path:
        path = (self.directory / name).resolve()
        parts = path.relative_to(self.directory).parts if path.is_relative_to(self.directory) else ()
        if not parts or parts[0].startswith(".") or path.is_dir():
            raise FirmwareError(f"{name!r} is not a file inside the project: name one such as src/main.cpp")
        return path

    def _pio(self, arguments: list[str], env: str, on_line: Callable[[str], object] | None) -> None:
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
        if env == "esp_eye" and (problem := self._arena_problem()):
            raise BuildError(problem)
        if env == "esp_eye" and not platformio.has_espressif() and not platformio.is_online():
            raise BuildError(_NO_NETWORK)
        if sys.platform == "win32" and env == "sim":
            raise BuildError("the simulated board needs Linux or macOS: on Windows, use WSL")
        status, output = platformio.run(
            arguments, self.directory, on_line or (lambda line: None), own_platforms=env != "esp_eye"
        )
        if status:
            problems = [p for p in compiler.parse(output, self.directory) if p.kind == "error"]
            raise BuildError(_explain(output, problems), problems, output)

    def _arena_problem(self) -> str | None:
        """A sentence if the board has no room for the network's arena."""
        text = (self.directory / "src" / f"{self.model}.h").read_text(errors="replace")
        sizes = header.sizes(text, self.model)
        picture = 0 if self.app == "xormodel" else sizes.get("input", 0)  # whose inputs are on the stack
        problem = too_large(sizes.get("arena", 0), picture)
        return f"the arena of {self.model} {problem}: take a smaller network or input, or int8" if problem else None


def _check_env(env: str) -> str:
    if env not in ENVIRONMENTS:
        raise InvalidValue(f"there is no environment {env!r}; there are: {', '.join(ENVIRONMENTS)}")
    return env


_NO_NETWORK = (
    "PlatformIO needs to download Espressif's tools (about 1.5 GB, once) from registry.platformio.org and GitHub, "
    'which cannot be reached from here; the simulated board needs no network: env="sim", or %flash sim in the notebook'
)


def _explain(output: str, problems: list[Problem]) -> str:
    """One message for a failed run of PlatformIO."""
    if problems:
        return "the application does not compile:\n\n" + "\n\n".join(str(problem) for problem in problems)
    if re.search(r"InternetConnectionError|HTTPClientError|Please check your Internet|ConnectionError", output):
        return _NO_NETWORK
    if re.search(r"will not fit in region `?dram0_0_seg|region `?dram0_0_seg'? overflowed", output):
        over = re.search(r"overflowed by (\d+) bytes", output)
        return (
            "the program's static data does not fit into the board's memory"
            + (f", by {int(over[1]):,} bytes" if over else "")
            + ": most of it is the network's arena; take a smaller network or input, int8, or smaller own arrays"
        )
    if re.search(r"Detected overlap at address|[Bb]ootloader binary size .* too large", output):
        return (
            "the bootloader is too large for its place in flash, before the partition table: remove sdkconfig.esp_eye "
            'if it was edited, so that the table lies at 0xE000 again, or take Options(bootloader_optimize="size")'
        )
    if ours := re.findall(r"^Error: (.*)$", output, re.M):
        return ours[-1]
    if undefined := re.findall(r"undefined reference to .*", output):
        return "the application does not link: " + "; ".join(dict.fromkeys(undefined))
    return "PlatformIO failed:\n" + "\n".join(output.splitlines()[-12:])


def _options(manifest: dict) -> Options:
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in manifest.get("options", {}).items() if name in known})


def _check_model_files(model_files: Iterable[str | Path]) -> tuple[str, list[Path]]:
    paths = [Path(path) for path in model_files]
    headers = [path for path in paths if path.suffix == ".h"]
    if len(headers) != 1 or not all(path.is_file() for path in paths):
        came = ", ".join(map(str, paths)) or "nothing"
        raise FirmwareError(f"expected the files that codegen.export wrote, NAME.h and NAME.cpp, but got {came}")
    name = headers[0].stem
    text = headers[0].read_text(errors="replace")
    if f"{name}_invoke" not in text:
        raise FirmwareError(f"{headers[0]} declares no {name}_invoke: export the network with edgekit.codegen.export")
    if f" *{name}_input(" not in text or f" *{name}_output(" not in text:
        raise FirmwareError(
            f"the applications of edgekit are for networks with one input and one output; {headers[0]} has several: "
            f"call {name}_input_0(), {name}_output_0() and so on in a program of your own"
        )
    if f"void {name}_reset(" in text:
        raise FirmwareError(
            f"the applications of edgekit are for networks that keep nothing from one input to the next; {headers[0]} "
            f"has states: call {name}_reset() and {name}_invoke() in a program of your own"
        )
    return name, paths
