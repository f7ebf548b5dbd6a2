"""`edgekit firmware`: a firmware project, made, built, uploaded and watched."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    firmware = commands.add_parser("firmware", help="make, build and upload a firmware project")
    actions = firmware.add_subparsers(metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a project from exported C")
    create.add_argument("app", help="the application, for example xormodel")
    create.add_argument("directory", type=Path, help="the project's folder")
    create.add_argument("model_files", nargs="+", type=Path, metavar="FILE", help="NAME.h and NAME.cpp")
    _add_firmware_options(create)
    create.set_defaults(run=_create, parser=create)
    for name, text in (("build", "compile a project"), ("upload", "compile a project and write it to the board")):
        action = actions.add_parser(name, help=text)
        action.add_argument("directory", type=Path, nargs="?", default=Path())
        action.add_argument("-e", "--env", default="sim", help="sim (default), esp_eye or xtensa")
        if name == "upload":
            action.add_argument("--port", help="the board's serial port (default: found automatically)")
        action.set_defaults(run=_build if name == "build" else _upload, parser=action)
    monitor = actions.add_parser("monitor", help="show what the board prints, until Ctrl-C")
    monitor.add_argument("directory", type=Path, nargs="?", default=Path())
    monitor.add_argument("--port", help="the board's serial port (default: found, or the simulated board)")
    monitor.set_defaults(run=_monitor, parser=monitor)


def _add_firmware_options(parser: argparse.ArgumentParser) -> None:
    """The fields of `firmware.Options` as options of the command line."""
    from dataclasses import fields

    from edgekit.firmware import Options

    for field in fields(Options):
        kind = int if isinstance(field.default, int) else str
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=kind, help=f"default: {field.default}")


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
