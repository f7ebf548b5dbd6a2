"""Opens an ONNX file and checks it: nothing in it is trusted, and nothing in it is executed."""

import os
from pathlib import Path
from typing import Any

from edgekit.errors import InvalidValue
from edgekit.extras import extra

OLDEST = 13  # the opset to which older files are converted
MOST_VALUES = 1 << 24  # of one tensor: far above what a microcontroller can hold
_REAL = ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16")


def opened(data: bytes, folder: str | os.PathLike | None) -> Any:
    """The checked model in the bytes of a file.

    Args:
        data: the file's content.
        folder: where the files with its weights are, if they are not in it.

    Returns:
        An `onnx.ModelProto` of at least opset 13, with all weights in it and without functions of its own.

    Raises:
        ValueError: it is no ONNX model, damaged, or has weights in a file that is not in the folder.
        ImportError: onnx is not installed.
    """
    with extra("onnx"):
        import onnx
    from onnx import checker, inliner, version_converter

    try:
        model = onnx.load_model_from_string(bytes(data))
    except Exception as error:  # google.protobuf raises a class of its own for damaged bytes
        raise InvalidValue(f"this is no ONNX model, or it is damaged: {first_line(error)}") from None
    if not model.graph.node:
        raise InvalidValue("this is no ONNX model, or it is empty: it has no nodes")
    _load_weights(onnx, model, folder)
    try:
        checker.check_model(model)
        if model.functions:
            model = inliner.inline_local_functions(model)
        if _opset(model) < OLDEST:
            model = version_converter.convert_version(model, OLDEST)
    except Exception as error:  # each of them raises what a damaged or old model leads it to
        raise InvalidValue(f"this ONNX model cannot be used: {first_line(error)}; export it again") from None
    return model


def _opset(model):
    versions = [each.version for each in model.opset_import if each.domain in ("", "ai.onnx")]
    if not versions:
        raise InvalidValue("it names no version of ONNX's operators")
    return versions[0]


def _load_weights(onnx, model, folder):
    """Take weights from the files beside the model, and from nowhere else."""
    external = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if not external:
        return
    files = sorted({entry.value for tensor in external for entry in tensor.external_data if entry.key == "location"})
    if folder is None or not all((Path(folder) / file).is_file() for file in files):
        raise InvalidValue(
            f"its weights are in another file, {', '.join(files)[:80]!r}, which is not beside it: put it there, or "
            "save the model in one file with onnx.save(onnx.load(path), path)"
        )
    try:
        onnx.load_external_data_for_model(model, os.fspath(folder))
    except Exception as error:
        raise InvalidValue(f"its weights in {', '.join(files)[:80]!r} cannot be read: {first_line(error)}") from None


def input_shape(onnx: Any, tensor: Any) -> tuple[int, ...]:
    """The shape of an input, with the batch, which is 1 where it is open.

    Args:
        onnx: the package.
        tensor: an `onnx.ValueInfoProto`.

    Raises:
        ValueError: it holds no real numbers, or another size than the batch is open.
    """
    if tensor.type.WhichOneof("value") != "tensor_type":
        raise InvalidValue(f"the input {tensor.name!r} is a {tensor.type.WhichOneof('value')}; a tensor is needed")
    kind = onnx.TensorProto.DataType.Name(tensor.type.tensor_type.elem_type)
    if kind not in _REAL:
        raise InvalidValue(
            f"the input {tensor.name!r} holds {kind}; inputs of real numbers (float32) are supported: export the model "
            "without the steps that turn other values into real ones"
        )
    if not tensor.type.tensor_type.HasField("shape"):
        raise InvalidValue(f"the input {tensor.name!r} has no shape: export the model with fixed sizes")
    shape = []
    for place, size in enumerate(tensor.type.tensor_type.shape.dim):
        n = size.dim_value if size.WhichOneof("value") == "dim_value" else 0
        if n <= 0 and place == 0:
            n = 1
        if n <= 0:
            given = size.dim_param or "unknown"
            raise InvalidValue(
                f"the input {tensor.name!r} has an open size, {given!r}, in axis {place}: a microcontroller needs "
                "every size fixed, except the batch's; export the model without dynamic_axes or dynamic_shapes for it"
            )
        shape.append(n)
    if not shape:
        raise InvalidValue(f"the input {tensor.name!r} is one number without axes; at least one axis is needed")
    return tuple(shape)


def first_line(error: BaseException) -> str:
    """What an error says, in one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:197]}..."
