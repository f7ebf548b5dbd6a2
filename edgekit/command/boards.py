"""`edgekit benchmark` and `edgekit capture`: a board, real or simulated, measured and used as a camera."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.command.models import read_model
from edgekit.errors import InvalidValue

if TYPE_CHECKING:
    from edgekit.firmware import Project
    from edgekit.network import Network
    from edgekit.quantization import QuantizedNetwork


def add(commands: Any) -> None:
    """Add the commands to the parser."""
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
    benchmark.set_defaults(run=_benchmark, parser=benchmark)

    capture = commands.add_parser("capture", help="take photographs with a board's camera, sorted into car and no_car")
    capture.add_argument("port", nargs="?", help="the board's serial port (default: found automatically)")
    capture.add_argument("folder", type=Path, help="folder to write to; earlier photographs in it are kept")
    capture.add_argument(
        "--simulate", action="store_true", help="the simulated board, with test images in front of its camera"
    )
    capture.add_argument("--project", type=Path, metavar="FOLDER", help="simulate this firmware project")
    capture.add_argument("--baud", type=int, metavar="RATE", help="bits per second while it runs, for example 921600")
    capture.set_defaults(run=_capture, parser=capture)


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

    reference = read_model(options.reference) if options.reference else None
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
    from edgekit import calibration, codegen, datasets, firmware, models, network, quantization

    print("Building the car network for the simulated board.")
    car = network.from_keras(models.load_pretrained("carclassifier"))
    images = models.preprocess(datasets.load("cars", "calibration").images)
    quantized = quantization.quantize(car, calibration.calibrate(car, images))
    files = codegen.export(quantized, "carclassifier", folder / "generated")
    return quantized, firmware.create(app, folder / "project", files)


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
