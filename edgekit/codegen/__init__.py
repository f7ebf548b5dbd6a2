"""Writes a network as C for a microcontroller: two files, with the same functions for both engines.

`compiled` writes plain C for exactly this network, with no interpreter. `tflm` writes the .tflite file as bytes, for
TensorFlow Lite Micro's interpreter. docs/architecture.md lists the functions.

    names, header           names in C; NAME.h
    arena                   the place of each tensor in memory
    states                  what a network keeps from one inference to the next
    step                    an op as C; int8_ops, float_ops and copy_ops make a step for each op
    kernels/                the kernels, written by hand
    compiled, tflm          the two engines
"""

from os import PathLike
from pathlib import Path

from edgekit.codegen import compiled, header, names, tflm
from edgekit.codegen.compiled import Compiled, compile_network, picture
from edgekit.errors import InvalidValue
from edgekit.network import Graph, check_network

__all__ = ["ENGINES", "Compiled", "compile_network", "export", "picture"]
# The two ways to run a network on the device: see `export`.
ENGINES = ("compiled", "tflm")
plan = compiled  # notebooks of version 0.1 call codegen.plan.picture


def export(model: Graph, name: str, directory: str | PathLike[str], engine: str = "compiled") -> list[Path]:
    """Write NAME.h and NAME.cpp for a network.

    Args:
        model: a `Network` (float32) or a `QuantizedNetwork` (int8).
        name: prefix of the C functions and the files' name; letters, digits, underscores.
        directory: folder to write to; it is made if it does not exist. Files with these two names are replaced.
        engine: "compiled" (C99 that is also C++11, no other files needed) or "tflm" (C++ on TensorFlow Lite Micro).

    Returns:
        list of `pathlib.Path`: NAME.h and NAME.cpp.

    Raises:
        TypeError: model is no such network, for example a Keras model.
        ValueError: an unknown engine, a name that C does not allow, or the name of a system header.

    Example:
        >>> export(quantized, "carclassifier", "workspace/carclassifier")
        [PosixPath('workspace/carclassifier/carclassifier.h'), PosixPath('workspace/carclassifier/carclassifier.cpp')]
    """
    if engine not in ENGINES:
        raise InvalidValue(f"engine is one of {', '.join(ENGINES)}, got {engine!r}")
    names.check(name)
    check_network(model)
    write = {"compiled": compiled.source, "tflm": tflm.source}[engine]
    source, arena_size = write(model, name)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{name}.h", directory / f"{name}.cpp"]
    for path, text in zip(files, (header.text(model, name, engine, arena_size), source), strict=True):
        path.write_text(text, encoding="utf-8")
    return files
