"""The .tflite file: the student's own numbers in the format that TensorFlow Lite, LiteRT and TensorFlow Lite Micro run.

No converter stands between. `to_bytes` puts each tensor, scale and op of a network into the flatbuffer as it is;
`from_bytes` reads such a file, its own or one from TensorFlow's converter, so that it can be run, compared and compiled
like any other network here. The format is TensorFlow Lite's schema, version 3 (schema.fbs, file identifier "TFL3").
"""

from pathlib import Path


def to_bytes(network):
    """The network as the bytes of a .tflite file.

    Args:
        network: a `Network` (float32) or a `QuantizedNetwork` (int8).

    Returns:
        bytes. Input and output are of the network's own type, with a batch of 1.

    Example:
        >>> pathlib.Path("xormodel.tflite").write_bytes(to_bytes(network))
    """
    from edgekit._tflite_writer import Writer

    return Writer(network).to_bytes()


def from_bytes(data, name=None):
    """The network that a .tflite file holds.

    Args:
        data: the file's bytes.
        name: the network's name; by default the one in the file.

    Returns:
        A `Network` if the file's tensors are float32, a `QuantizedNetwork` if they are int8. Where an int8 graph takes
        and gives float32, by a QUANTIZE at its begin and a DEQUANTIZE at its end, they are left out: `predict` does
        what they do.

    Raises:
        ValueError: the bytes are no .tflite file, or hold what is not supported; the message names the op and lists
            what is.

    Example:
        >>> quantized = from_bytes(pathlib.Path("model.tflite").read_bytes())
        >>> quantized.predict(images)
    """
    from edgekit._tflite_reader import read

    return read(data, name)


def save(network, path):
    """Write the network to a .tflite file; returns the `pathlib.Path`."""
    path = Path(path)
    path.write_bytes(to_bytes(network))
    return path


def load(path):
    """Read a .tflite file; see `from_bytes`."""
    return from_bytes(Path(path).read_bytes())
