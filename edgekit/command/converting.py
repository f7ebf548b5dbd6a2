"""`edgekit export` and `edgekit quantize`: a network as C, and as a .tflite file in int8."""

import argparse
import re
from pathlib import Path
from typing import Any

from edgekit.command import quantizing
from edgekit.command.models import SUPPORTED, read
from edgekit.command.parser import file_to_write, folder_to_write
from edgekit.errors import InvalidValue
from edgekit.network import Graph

MODEL = f"{SUPPORTED.removeprefix('supported are ')}; or carclassifier"


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    export = commands.add_parser(
        "export",
        help="write a network as C and .tflite",
        description="Write a network as C for a microcontroller, and as .tflite; in int8 with --calibration.",
    )
    export.add_argument("model", type=Path, help=MODEL)
    export.add_argument("--name", help="name of the network in C (default: the file's name)")
    export.add_argument(
        "--to", type=Path, default=Path(), metavar="FOLDER", help="folder to write to (default: the current folder)"
    )
    export.add_argument("--engine", choices=("compiled", "tflm"), default="compiled")
    quantizing.add_options(export, required=False)
    export.set_defaults(run=_export, parser=export)

    quantize = commands.add_parser(
        "quantize",
        help="write a network in int8 as .tflite, and say how near it is to float",
        description="Quantize a network to int8, write it as a .tflite file, and say how near it is to float.",
    )
    quantize.add_argument("model", type=Path, help=MODEL)
    quantize.add_argument("--to", type=Path, required=True, metavar="FILE", help="the .tflite file to write")
    quantize.add_argument("--name", help="name of the network in the file (default: the one that it has)")
    quantizing.add_options(quantize, required=True)
    quantize.set_defaults(run=_quantize, parser=quantize)


def _export(options: argparse.Namespace) -> None:
    from edgekit import codegen, tflite
    from edgekit.cost import picture_bytes, too_large

    quantizing.check(options)
    name = _name_in_c(options)
    model = read(options.model)
    network: Graph = model.network
    folder_to_write(options.to)
    if options.calibration:
        original, network, inputs = quantizing.quantized(model, options)
        print(quantizing.measured(original, network, inputs))
    written = codegen.export(network, name, options.to, engine=options.engine)
    file = options.to / f"{name}.tflite"
    changed = options.calibration or options.model.suffix.lower() != ".tflite"
    if changed and not (file.exists() and options.model.exists() and file.samefile(options.model)):
        written.append(tflite.save(network, file))
    for path in written:
        print(path)
    sizes = codegen.header.sizes(written[0].read_text(encoding="utf-8"), name)
    if problem := too_large(sizes["arena"], picture_bytes(network)):
        print(f"For an ESP-EYE it is too large: the arena {problem}.")


def _name_in_c(options: argparse.Namespace) -> str:
    """The name for C: the one that was given, or the file's."""
    from edgekit.codegen import names

    if options.name:
        return names.check(options.name)
    stem = options.model.resolve().stem
    try:
        return names.check(stem)
    except InvalidValue as error:
        word = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")
        word = word if re.match(r"[A-Za-z]", word) else f"model_{word}".rstrip("_")
        for better in (word, f"{word}_model", "model"):
            try:
                names.check(better)
            except InvalidValue:
                continue
            raise InvalidValue(f"{error}; say --name {better}") from None
        raise


def _quantize(options: argparse.Namespace) -> None:
    from edgekit import tflite

    quantizing.check(options)
    file_to_write(options.to, (".tflite",), "--to", [options.model])
    model = read(options.model, options.name)
    network, result, inputs = quantizing.quantized(model, options)
    print(quantizing.measured(network, result, inputs))
    tflite.save(result, options.to)
    print(f"{options.to}: {options.to.stat().st_size:,} bytes")
