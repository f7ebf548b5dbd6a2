"""Reads a SavedModel folder, of Keras or of plain TensorFlow, through TensorFlow's converter.

The converter knows every form of such a folder, so that only its float .tflite has to be read here.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from edgekit.errors import InvalidValue, MissingFile
from edgekit.extras import extra
from edgekit.network import Network
from edgekit.quantization import QuantizedNetwork
from edgekit.tflite.reader import from_bytes

PROTOBUF = ("saved_model.pb", "saved_model.pbtxt")


def from_saved_model(folder: str | Path) -> Network | QuantizedNetwork:
    """The network in a SavedModel folder, as `model.export(folder)` and `tf.saved_model.save` write it.

    Args:
        folder: the folder that holds saved_model.pb; it needs a signature "serving_default" or only one.

    Returns:
        A `Network` in float32 with the folder's name; a `QuantizedNetwork` only if the folder holds quantized ops.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it is no SavedModel, TensorFlow cannot convert it, or an op in it is not supported.
    """
    folder = Path(folder)
    if not folder.exists():
        raise MissingFile(f"there is no folder {folder}")
    if not any((folder / name).is_file() for name in PROTOBUF):
        raise InvalidValue(f"{folder} is no SavedModel: there is no {PROTOBUF[0]} in it")
    with extra("lessons"):
        import tensorflow as tf
    try:
        with _quiet():
            # Variables that are never written become constants, as in every Keras model.
            data = tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert()
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InvalidValue(f"TensorFlow's converter cannot convert the SavedModel {folder}: {first[:200]}") from error
    return replace(from_bytes(data), name=folder.resolve().name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what the converter prints through the operating system to a file that is thrown away."""
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
