"""A network as C for a microcontroller: two files with the same functions, whatever the engine behind them.

`compiled` writes plain C for exactly this network, with no interpreter; `tflm` wraps the .tflite in TensorFlow Lite
Micro's interpreter. docs/architecture.md fixes the functions.
"""

from pathlib import Path

from edgekit.codegen import names
from edgekit.codegen.plan import picture as arena_picture

__all__ = ["ENGINES", "arena_picture", "export"]
ENGINES = ("compiled", "tflm")


def export(model, name, directory, engine="compiled"):
    """Write NAME.h and NAME.cpp for a network.

    Args:
        model: a `Network` (float32) or a `QuantizedNetwork` (int8).
        name: prefix of the C functions and the files' name; letters, digits, underscores.
        directory: folder to write to; made if it is not there. Files of these two names are replaced.
        engine: "compiled" (C99 that is also C++11, no other files needed) or "tflm" (C++ on TensorFlow Lite Micro).

    Returns:
        list of `pathlib.Path`: NAME.h and NAME.cpp.

    Raises:
        ValueError: an unknown engine, or a name that C does not allow.

    Example:
        >>> export(quantized, "carclassifier", "workspace/carclassifier")
        [PosixPath('workspace/carclassifier/carclassifier.h'), PosixPath('workspace/carclassifier/carclassifier.cpp')]
    """
    if engine not in ENGINES:
        raise ValueError(f"engine is one of {', '.join(ENGINES)}, got {engine!r}")
    names.check(name)
    from edgekit.codegen import compiled, header, tflm

    write = {"compiled": compiled.source, "tflm": tflm.source}[engine]
    source, arena_size = write(model, name)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = [directory / f"{name}.h", directory / f"{name}.cpp"]
    for path, text in zip(files, (header.text(model, name, engine, arena_size), source), strict=True):
        path.write_text(text, encoding="utf-8")
    return files
