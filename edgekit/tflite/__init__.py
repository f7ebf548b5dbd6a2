"""Writes and reads .tflite files, the format that TensorFlow Lite, LiteRT and TensorFlow Lite Micro run.

No converter is needed: `to_bytes` writes each tensor, scale and op of a network unchanged, so that the file has the
student's own numbers. `from_bytes` reads such a file, or one from TensorFlow's converter, as a network that can be run,
compared and compiled. The format is TensorFlow Lite's schema, version 3 (schema.fbs, file identifier "TFL3").

ops             each kind of op in a file
writer          to_bytes
memory          what TensorFlow Lite Micro keeps in its arena for an op
reader          from_bytes: the ops and tensors of a file as a network
call, moves     one operator while it is read; the operators that move values, which may become several ops
unpacking       the parts of a file, without trusting its offsets and lengths
file, computed  the values of its constants, and the operators that only read constants or compute shapes from shapes
variables       variables, which are the states of a network
forms           other types at its ends, unused operators: brought to one form
"""

from os import PathLike
from pathlib import Path

from edgekit.network import Graph, Network
from edgekit.quantization import QuantizedNetwork
from edgekit.tflite.memory import Memory, memory_of
from edgekit.tflite.ops import OPERATORS, Operator
from edgekit.tflite.reader import from_bytes
from edgekit.tflite.saved_model import from_saved_model
from edgekit.tflite.unpacking import unpack
from edgekit.tflite.variables import variable_order
from edgekit.tflite.writer import to_bytes

__all__ = [
    "OPERATORS",
    "Memory",
    "Operator",
    "from_bytes",
    "from_saved_model",
    "load",
    "memory_of",
    "save",
    "to_bytes",
    "unpack",
    "variable_order",
]


def save(network: Graph, path: str | PathLike[str]) -> Path:
    """Write the network to a .tflite file; returns the `pathlib.Path`."""
    path = Path(path)
    path.write_bytes(to_bytes(network))
    return path


def load(path: str | PathLike[str]) -> Network | QuantizedNetwork:
    """Read a .tflite file; see `from_bytes`."""
    return from_bytes(Path(path).read_bytes())
