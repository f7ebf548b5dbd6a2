"""From the bytes of an ONNX file to a network."""

import os
from pathlib import Path

from edgekit.errors import InvalidValue
from edgekit.network import Network, check_numbers, folding
from edgekit.onnx import activations, arithmetic, movements, products, recurrent, windows  # noqa: F401 (they enter their functions)
from edgekit.onnx.check import check
from edgekit.onnx.flattened import ordered_weights, read_ops
from edgekit.onnx.model import opened
from edgekit.onnx.reader import Reader


def load(path: str | os.PathLike, name: str | None = None) -> Network:
    """Read an .onnx file, with the files of its weights beside it.

    Args:
        path: the file.
        name: the network's name; by default that of the model's graph.

    Returns:
        A `Network`, as `from_bytes`.

    Raises:
        ValueError: as `from_bytes`.
        OSError: the file cannot be read.
        ImportError: onnx is not installed.
    """
    return from_bytes(Path(path).read_bytes(), name, Path(path).parent)


def from_bytes(data: bytes, name: str | None = None, folder: str | os.PathLike | None = None) -> Network:
    """Read an ONNX model, such as PyTorch exports it.

    ONNX has channels first, (batch, channels, height, width). The network has them last, as TensorFlow Lite does: an
    image that goes into a convolution, and one that comes out, has the shape (height, width, channels). Other inputs
    and outputs keep ONNX's order. The batch is 1.

    Args:
        data: the content of an .onnx file, of opset 13 or later; older ones are converted where ONNX can.
        name: the network's name; by default that of the model's graph.
        folder: where the files with the model's weights are, if they are beside it.

    Returns:
        A `Network`, with batch normalization folded and activations fused; it agrees with ONNX's reference up to
        float32 rounding.

    Raises:
        ValueError: it is no ONNX model, damaged or too large, or has a node that is not supported; or the network
            computes other values than ONNX's reference on random inputs. The message names the node.
        ImportError: onnx is not installed.
    """
    model = opened(data, folder)
    import onnx

    reader = Reader(onnx, model)
    inputs, outputs = reader.read()
    if not {op.output for op in reader.ops} & set(outputs):
        raise InvalidValue("this model computes nothing: its output is its input")
    ops = read_ops(ordered_weights(reader.ops, reader.shapes, outputs), outputs)
    shapes = dict(reader.shapes)
    ops = folding.fold(ops, shapes, outputs)
    read = {each for op in ops for each in op.inputs}
    constants = {each: values for each, values in reader.constants.items() if each in read}
    live = {*inputs, *constants, *(op.output for op in ops)}
    network = Network(
        name or model.graph.name or "network",
        tuple(inputs),
        tuple(outputs),
        {each: shape for each, shape in shapes.items() if each in live},
        tuple(ops),
        constants=constants,
    )
    check_numbers(network)
    check(onnx, model, reader, network)
    return network
