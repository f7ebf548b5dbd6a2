"""`edgekit start`, `doctor` and `data`: the lessons, this computer, and the data sets."""

import argparse
from pathlib import Path
from typing import Any

from edgekit.start import command


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    doctor = commands.add_parser("doctor", help="find what is missing on this computer, and how to get it")
    doctor.set_defaults(run=_doctor, parser=doctor)

    start = commands.add_parser(
        "start", help="open a lesson in JupyterLab", description=command.describe("edgekit start")
    )
    command.add_arguments(start)
    start.set_defaults(run=command.run, parser=start)

    data = commands.add_parser("data", help="list the data sets, or write a data set's images as files")
    data.add_argument("name", nargs="?", help="a data set; without it, all are listed")
    data.add_argument("--split", default="test", help="default: test")
    data.add_argument(
        "--to", type=Path, metavar="FOLDER", help="write each image as a PNG file, in a folder for each class"
    )
    data.set_defaults(run=_data, parser=data)


def _doctor(options: argparse.Namespace) -> int:
    from edgekit import doctor

    return doctor.main()


def _data(options: argparse.Namespace) -> None:
    from edgekit import datasets

    if not options.name:
        print(datasets.__doc__)
        return
    dataset = datasets.load(options.name, options.split)
    print(dataset)
    if options.to:
        print(f"{datasets.to_folder(dataset, options.to, options.split)} images in {options.to}")
