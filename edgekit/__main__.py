"""The `edgekit` command: calls the library from a terminal.

edgekit start xormodel                      opens a lesson in JupyterLab; --list names them
edgekit doctor                              finds missing tools, and says how to get them
edgekit data cars --split test --to cars    writes a data set's images as PNG files; without a name, lists all data sets
edgekit export model.keras --to out         writes C and .tflite from a Keras model, C from a .tflite file
edgekit export carclassifier --calibration cars    the same in int8
edgekit firmware create xormodel folder out/xormodel.h out/xormodel.cpp
edgekit firmware upload folder              builds the project and writes it to the board, or starts the simulated board
edgekit benchmark --simulate --images 500   measures a board's accuracy and time on the test images
edgekit capture photographs                 takes photographs with the board's camera, sorted into car and no_car
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError, InvalidValue
from edgekit.extras import extra
from edgekit.notebook import quiet
from edgekit.start import command

if TYPE_CHECKING:
    import numpy as np

    from edgekit.firmware import Project
    from edgekit.network import Network
    from edgekit.quantization import QuantizedNetwork


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments of the command line; None means those of this process.

    Returns:
        The exit status: 0, 1 after an error, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    quiet.install()
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        return 130
    except (EdgekitError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="edgekit", description="Learn, teach and deploy a neural network on a microcontroller."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    doctor = commands.add_parser("doctor", help="find what is missing on this computer, and how to get it")
    doctor.set_defaults(run=_doctor)

    start = commands.add_parser(
        "start", help="open a lesson in JupyterLab", description=command.describe("edgekit start")
    )
    command.add_arguments(start)
    start.set_defaults(run=command.run)

    data = commands.add_parser("data", help="list the data sets, or write a data set's images as files")
    data.add_argument("name", nargs="?", help="a data set; without it, all are listed")
    data.add_argument("--split", default="test", help="default: test")
    data.add_argument(
        "--to", type=Path, metavar="FOLDER", help="write each image as a PNG file, in a folder for each class"
    )
    data.set_defaults(run=_data)

    export = commands.add_parser("export", help="write a network as C and .tflite")
    export.add_argument(
        "model", type=Path, help="a Keras model (.keras), a TensorFlow Lite file (.tflite), or carclassifier"
    )
    export.add_argument(
        "--calibration",
        metavar="DATA",
        help="quantize to int8 with these inputs: cars, a folder with car and no_car, or a .npy file (N, *input shape) "
        "of uint8 images or float32",
    )
    export.add_argument("--name", help="name of the network in C (default: the file's name)")
    export.add_argument(
        "--to", type=Path, default=Path(), metavar="FOLDER", help="folder to write to (default: the current folder)"
    )
    export.add_argument("--engine", choices=("compiled", "tflm"), default="compiled")
    export.set_defaults(run=_export)

    firmware = commands.add_parser("firmware", help="make, build and upload a firmware project")
    actions = firmware.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a project from exported C")
    create.add_argument("app", help="the application, for example xormodel")
    create.add_argument("directory", type=Path, help="the project's folder")
    create.add_argument("model_files", nargs="+", type=Path, metavar="FILE", help="NAME.h and NAME.cpp")
    _add_firmware_options(create)
    create.set_defaults(run=_create)
    for name, text in (("build", "compile a project"), ("upload", "compile a project and write it to the board")):
        action = actions.add_parser(name, help=text)
        action.add_argument("directory", type=Path, nargs="?", default=Path())
        action.add_argument("-e", "--env", default="sim", help="sim (default), esp_eye or xtensa")
        if name == "upload":
            action.add_argument("--port", help="the board's serial port (default: found automatically)")
        action.set_defaults(run=_build if name == "build" else _upload)
    monitor = actions.add_parser("monitor", help="show what the board prints, until Ctrl-C")
    monitor.add_argument("directory", type=Path, nargs="?", default=Path())
    monitor.add_argument("--port", help="the board's serial port (default: found, or the simulated board)")
    monitor.set_defaults(run=_monitor)

    benchmark = commands.add_parser("benchmark", help="send the test images to a board: accuracy, time, a results file")
    benchmark.add_argument("port", nargs="?", help="the board's serial port (default: found automatically)")
    benchmark.add_argument(
        "--simulate", action="store_true", help="the simulated board, with the car network or with --project"
    )
    benchmark.add_argument("--project", type=Path, metavar="FOLDER", help="simulate this firmware project")
    benchmark.add_argument("--images", type=int, metavar="N", help="how many of the 500 test images (default: all)")
    benchmark.add_argument(
        "--faults",
        type=_share,
        default=0.0,
        metavar="P",
        help="damage this share of the bytes on the line, and reset the board now and then",
    )
    benchmark.add_argument(
        "--results",
        type=Path,
        default=Path("benchmark.csv"),
        metavar="FILE",
        help="CSV (default: benchmark.csv); an unfinished one is resumed",
    )
    benchmark.add_argument(
        "--restart", action="store_true", help="start again; an unfinished file is kept under a name with the date"
    )
    benchmark.add_argument("--baud", type=int, metavar="RATE", help="bits per second while it runs, for example 921600")
    benchmark.add_argument(
        "--reference",
        type=Path,
        metavar="MODEL",
        help="the network on the board, .tflite or .keras: count the scores that differ",
    )
    benchmark.set_defaults(run=_benchmark)

    capture = commands.add_parser("capture", help="take photographs with a board's camera, sorted into car and no_car")
    capture.add_argument("port", nargs="?", help="the board's serial port (default: found automatically)")
    capture.add_argument("folder", type=Path, help="folder to write to; earlier photographs in it are kept")
    capture.add_argument(
        "--simulate", action="store_true", help="the simulated board, with test images in front of its camera"
    )
    capture.add_argument("--project", type=Path, metavar="FOLDER", help="simulate this firmware project")
    capture.add_argument("--baud", type=int, metavar="RATE", help="bits per second while it runs, for example 921600")
    capture.set_defaults(run=_capture)
    return parser


def _add_firmware_options(parser: argparse.ArgumentParser) -> None:
    """The fields of `firmware.Options` as options of the command line."""
    from dataclasses import fields

    from edgekit.firmware import Options

    for field in fields(Options):
        kind = int if isinstance(field.default, int) else str
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, help=f"default: {field.default}")


def _doctor(options: argparse.Namespace) -> int:
    from edgekit import doctor

    return doctor.main()


def _export(options: argparse.Namespace) -> None:
    from edgekit import codegen

    network = _read(options.model)
    if options.calibration:
        network = _quantized(network, options.calibration)
    name = options.name or options.model.stem
    written = codegen.export(network, name, options.to, engine=options.engine)
    if options.model.suffix != ".tflite":
        from edgekit import tflite

        written.append(tflite.save(network, options.to / f"{name}.tflite"))
    for path in written:
        print(path)


def _quantized(network: "Network | QuantizedNetwork", calibration_data: str) -> "QuantizedNetwork":
    """The network in int8, per channel."""
    from edgekit import calibration, quantization

    if hasattr(network, "quantization"):
        raise InvalidValue("the network is int8 already: leave out --calibration")
    return quantization.quantize(network, calibration.calibrate(network, _inputs(calibration_data)))


def _inputs(name: str) -> "np.ndarray":
    """Inputs of a network, from a data set, a folder of photographs or an array in a file."""
    import numpy as np

    from edgekit import datasets, models

    path = Path(name)
    if path.suffix == ".npy":
        try:
            inputs = np.load(path, allow_pickle=False)
        except ValueError:
            raise InvalidValue(f"{path} is not a NumPy file of numbers: write it with numpy.save") from None
    else:
        inputs = (datasets.from_folder(path) if path.is_dir() else datasets.load(name, "calibration")).inputs
    return models.preprocess(inputs) if inputs.dtype == np.uint8 else inputs


def _data(options: argparse.Namespace) -> None:
    from edgekit import datasets

    if not options.name:
        print(datasets.__doc__)
        return
    dataset = datasets.load(options.name, options.split)
    print(dataset)
    if options.to:
        print(f"{datasets.to_folder(dataset, options.to, options.split)} images in {options.to}")


def _read(path: Path) -> "Network | QuantizedNetwork":
    """The network in a file, or the trained network of this name."""
    if not path.exists() and not path.suffix and len(path.parts) == 1:
        from edgekit import models, network

        return network.from_keras(models.load_pretrained(str(path)))
    if not path.is_file():
        raise InvalidValue(f"there is no file {path}")
    if path.suffix == ".tflite":
        from edgekit import tflite

        return tflite.from_bytes(path.read_bytes())
    if path.suffix in (".keras", ".h5"):
        with extra("lessons"):
            import keras

        from edgekit import network

        return network.from_keras(keras.saving.load_model(path))
    raise InvalidValue(f"{path} is neither a Keras model (.keras) nor a TensorFlow Lite file (.tflite)")


def _create(options: argparse.Namespace) -> None:
    from dataclasses import fields

    from edgekit import firmware

    chosen = {field.name: getattr(options, field.name) for field in fields(firmware.Options)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    settings = firmware.Options(**chosen) if chosen else None
    project = firmware.create(options.app, options.directory, options.model_files, settings)
    print(f"{project.directory}: write src/main.cpp, then edgekit firmware upload {options.directory}")


def _build(options: argparse.Namespace) -> None:
    from edgekit import firmware

    print(firmware.open_project(options.directory).build(options.env))


def _upload(options: argparse.Namespace) -> None:
    from edgekit import firmware

    firmware.open_project(options.directory).upload(options.env, options.port)


def _monitor(options: argparse.Namespace) -> None:
    from edgekit import firmware
    from edgekit.notebook.session import open_board

    project = firmware.open_project(options.directory)
    with open_board(project, options.port, wait=False) as board:
        board.monitor()


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 0.1:
        raise argparse.ArgumentTypeError(f"must be a share below 0.1, for example 0.001, not {text}")
    return share


def _benchmark(options: argparse.Namespace) -> int:
    import contextlib
    import tempfile

    from edgekit import benchmark, datasets
    from edgekit.board import (
        Board,
        BoardError,
        FaultyTransport,
        SerialTransport,
        SimulatedTransport,
        Transport,
        TransportError,
    )

    reference = _read(options.reference) if options.reference else None
    port = _chosen_port(options)
    with contextlib.ExitStack() as stack:
        if port is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            program, reference = _simulated_program(options.project, Path(folder), reference)
        transport: Transport
        try:
            transport = SimulatedTransport(program) if port is None else SerialTransport(port)
        except TransportError as error:
            raise BoardError(str(error)) from None
        if options.faults:
            # With 1 fault in 1,000 bytes, the board is reset once in 300,000 bytes: once in about ten images.
            transport = faulty = FaultyTransport(transport, options.faults, 0.003 * options.faults)
        board = stack.enter_context(Board(transport))
        print(f"Asking {board.name}, which runs {board.info.model}.")
        result = benchmark.run(
            board,
            datasets.load("cars", "test"),
            options.results,
            options.images,
            options.baud,
            reference,
            resume=not options.restart,
        )
    print(result)
    if options.faults:
        print(f"{faulty.faults:,} bytes were lost, doubled or flipped; the board was reset {faulty.resets} times.")
    print(f"Every answer is in {result.path}.")
    if result.lost:
        print("Interrupted: run the command again to continue.")
        return 130
    return 1 if result.wrong else 0


def _chosen_port(options: argparse.Namespace) -> str | None:
    """The port that was named or found; None for the simulated board."""
    from edgekit.board import BoardError
    from edgekit.notebook.session import locate

    if options.simulate or options.project is not None:
        if options.port:
            raise InvalidValue(f"choose either the board at {options.port} or a simulated one, not both")
        return None
    port = options.port or locate()
    if port is None:
        raise BoardError("no board is plugged in: plug one in, name its port, or simulate one with --simulate")
    return port


def _simulated_program(
    project: Path | None, folder: Path, reference: "Network | QuantizedNetwork | None"
) -> "tuple[Path, Network | QuantizedNetwork | None]":
    """The program of a project or of the shipped car network, and the network whose scores are the right ones."""
    from edgekit import firmware

    if project is not None:
        return firmware.open_project(project).build("sim", on_line=None), reference
    network, made = _car_project("benchmark", folder)
    return made.build("sim", on_line=None), reference or network


def _car_project(app: str, folder: Path) -> "tuple[QuantizedNetwork, Project]":
    """The car network that comes with edgekit, and a project of this application around it."""
    from edgekit import codegen, firmware

    print("Building the car network for the simulated board.")
    network = _quantized(_read(Path("carclassifier")), "cars")
    files = codegen.export(network, "carclassifier", folder / "generated")
    return network, firmware.create(app, folder / "project", files)


def _capture(options: argparse.Namespace) -> None:
    import contextlib
    import tempfile

    from edgekit import benchmark, board, capture, firmware

    port = _chosen_port(options)
    capture.check_folder(options.folder)
    with contextlib.ExitStack() as stack:
        if port is not None:
            device = board.connect(port)
        else:
            if options.project is not None:
                project = firmware.open_project(options.project)
            else:
                project = _simulated_camera(Path(stack.enter_context(tempfile.TemporaryDirectory())))
            project.build("sim", on_line=None)
            device = board.simulate(project)
        stack.enter_context(device)
        if options.baud:
            stack.callback(benchmark.restore_baud, device, device.baud)
            device.set_baud(options.baud)
        print(f"Looking through {device.name}.")
        try:
            with capture.keyboard() as keys:
                capture.collect(device, options.folder, keys)
        finally:
            print(f"{options.folder} holds {capture.count(options.folder)}.")


def _simulated_camera(folder: Path) -> "Project":
    """A project whose simulated camera shows some of the test images."""
    from edgekit import datasets, firmware

    _, project = _car_project("carclassifier", folder)
    firmware.put_before_camera(project, datasets.load("cars", "test").images[:20])
    return project


if __name__ == "__main__":
    sys.exit(main())
