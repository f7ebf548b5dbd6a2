"""The `edgekit` command: a thin way to the library from a terminal.

edgekit doctor                              what is missing on this computer, and how to get it
edgekit export model.keras --to out         C and .tflite from a Keras model or a .tflite file
edgekit firmware create xormodel folder out/xormodel.h out/xormodel.cpp
edgekit firmware upload folder              build it and bring it to the board, or start the simulated one
"""

import argparse
import sys
from pathlib import Path


def main(arguments=None):
    """Run the command.

    Args:
        arguments: the command line's words; None takes the process's own.

    Returns:
        The exit status: 0, 1 when something went wrong, 130 when interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options) or 0
    except KeyboardInterrupt:
        return 130
    except _explained() as error:
        print(error, file=sys.stderr)
        return 1


def _explained():
    """The errors whose message is all that a person needs."""
    from edgekit.board import BoardError
    from edgekit.firmware import FirmwareError

    return (FirmwareError, BoardError, ValueError, OSError)


def _parser():
    parser = argparse.ArgumentParser(
        prog="edgekit", description="Learn, teach and deploy a neural network on a microcontroller."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    doctor = commands.add_parser("doctor", help="say what is missing on this computer, and how to get it")
    doctor.set_defaults(run=_doctor)

    export = commands.add_parser("export", help="write a network as C")
    export.add_argument("model", type=Path, help="a Keras model (.keras) or a TensorFlow Lite file (.tflite)")
    export.add_argument("--name", help="name of the network in C (default: the file's name)")
    export.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help="where to (default: here)")
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
    for name, text in (("build", "compile a project"), ("upload", "compile it and bring it to the board")):
        action = actions.add_parser(name, help=text)
        action.add_argument("directory", type=Path, nargs="?", default=Path())
        action.add_argument("-e", "--env", default="sim", help="sim (default), esp_eye or xtensa")
        if name == "upload":
            action.add_argument("--port", help="the board's serial port (default: found by itself)")
        action.set_defaults(run=_build if name == "build" else _upload)
    monitor = actions.add_parser("monitor", help="show what the board prints, until Ctrl-C")
    monitor.add_argument("directory", type=Path, nargs="?", default=Path())
    monitor.add_argument("--port", help="the board's serial port (default: found, or the simulated board)")
    monitor.set_defaults(run=_monitor)
    return parser


def _add_firmware_options(parser):
    """The fields of `firmware.Options` as options of the command line."""
    from dataclasses import fields

    from edgekit.firmware import Options

    for field in fields(Options):
        kind = int if isinstance(field.default, int) else str
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, help=f"default: {field.default}")


def _doctor(options):
    from edgekit import doctor

    return doctor.main()


def _export(options):
    from edgekit import codegen

    network = _read(options.model)
    for path in codegen.export(network, options.name or options.model.stem, options.to, engine=options.engine):
        print(path)


def _read(path):
    """The network in a file."""
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix == ".tflite":
        from edgekit import tflite

        return tflite.from_bytes(path.read_bytes())
    if path.suffix in (".keras", ".h5"):
        import keras

        from edgekit import network

        return network.from_keras(keras.saving.load_model(path))
    raise ValueError(f"{path} is neither a Keras model (.keras) nor a TensorFlow Lite file (.tflite)")


def _create(options):
    from dataclasses import fields

    from edgekit import firmware

    chosen = {field.name: getattr(options, field.name) for field in fields(firmware.Options)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    settings = firmware.Options(**chosen) if chosen else None
    project = firmware.create(options.app, options.directory, options.model_files, settings)
    print(f"{project.directory}: write src/main.cpp, then edgekit firmware upload {options.directory}")


def _build(options):
    from edgekit import firmware

    print(firmware.open_project(options.directory).build(options.env))


def _upload(options):
    from edgekit import firmware

    firmware.open_project(options.directory).upload(options.env, options.port)


def _monitor(options):
    from edgekit import firmware

    firmware.open_project(options.directory).monitor(options.port)


if __name__ == "__main__":
    sys.exit(main())
