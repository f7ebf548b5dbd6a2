"""Computes the operators of a .tflite file that only read constants, such as the DEQUANTIZE of float16 weights."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.quantization import formulas
from edgekit.tflite.file import DTYPES, File
from edgekit.tflite.unpacking import damaged


def _dequantized(file, operator):
    return file.real_values(operator.inputs[0])


def _quantized(file, operator):
    values, (index,) = file.values(operator.inputs[0]), operator.outputs
    if values.dtype != np.float32 or file.type(index) != "INT8":
        return None
    scale, zero_point, axis = file.steps(index, values.shape)
    return formulas.quantize(values, scale[0], int(zero_point[0])) if axis is None else None


def _cast(file, operator):
    values, dtype = file.values(operator.inputs[0]), np.dtype(DTYPES[file.type(operator.outputs[0])])
    file.spend(values.size * dtype.itemsize)
    with np.errstate(invalid="ignore"):
        return values.astype(dtype)


def _reshaped(file, operator):
    return file.values(operator.inputs[0]).reshape(file.graph.tensors[operator.outputs[0]].shape)


def _transposed(file, operator):
    values, order = (file.values(index) for index in operator.inputs)
    file.spend(values.nbytes)
    return values.transpose([int(axis) for axis in order])


def _filled(file, operator):
    shape, value = (file.values(index) for index in operator.inputs)
    shape = [int(n) for n in shape]
    if min(shape, default=1) < 1:
        damaged(f"tensor {file.name(operator.outputs[0])!r} is filled to the shape {shape}")
    file.spend(prod(shape) * value.itemsize)
    return np.full(shape, value)


def _counted(file, operator):
    start, end, step = (float(file.values(index).item()) for index in operator.inputs)
    if not step or not (end - start) / step >= 0:
        damaged(f"tensor {file.name(operator.outputs[0])!r} counts from {start} to {end} in steps of {step}")
    file.spend(8 * int((end - start) / step))
    return np.arange(start, end, step).astype(file.values(operator.inputs[0]).dtype)


# Operators that are computed if all that they read is constant: function(file, operator) to the values of its output.
_COMPUTED: dict[str, Callable[[File, Any], np.ndarray | None]] = {
    "DEQUANTIZE": _dequantized,
    "QUANTIZE": _quantized,
    "CAST": _cast,
    "RESHAPE": _reshaped,
    "SQUEEZE": _reshaped,
    "EXPAND_DIMS": _reshaped,
    "TRANSPOSE": _transposed,
    "FILL": _filled,
    "RANGE": _counted,
}


def computed(file: File, code: str, operator: Any) -> bool:
    """Compute the output of an operator if it only reads constants.

    Args:
        file: the operator's file, which gets the values.
        code, operator: its name and its object.

    Returns:
        Whether that was done.

    Raises:
        ValueError: the operator and its tensors contradict each other; names the output.
    """
    inputs = operator.inputs
    if code not in _COMPUTED or len(operator.outputs) != 1 or not inputs or not all(index >= 0 for index in inputs):
        return False
    if not all(file.is_constant(index) for index in inputs):
        return False
    (output,) = operator.outputs
    tensor, kind = file.graph.tensors[output], file.type(output)
    try:
        values = _COMPUTED[code](file, operator)
        if values is None or kind not in DTYPES:
            return False
        if values.dtype != DTYPES[kind]:
            damaged(f"{code} computes {values.dtype} for tensor {tensor.name!r}, which is {kind.lower()}")
    except InvalidValue:
        raise
    except (ValueError, TypeError, IndexError, ArithmeticError, KeyError) as error:
        damaged(f"{code} cannot compute the constant {tensor.name!r} ({type(error).__name__})")
    if code not in ("DEQUANTIZE", "QUANTIZE", "CAST") and values.dtype.kind in "iu" and tensor.quantization is not None:
        _keeps_steps(file, code, operator)
    tensor.shape = list(values.shape)
    file.remember(output, np.ascontiguousarray(values))
    return True


def _keeps_steps(file, code, operator):
    """Check that an operator that moves the values of a constant keeps its scales."""
    source, result = (file.graph.tensors[index].quantization for index in (operator.inputs[0], operator.outputs[0]))
    if (
        source is None
        or not np.array_equal(source.scale, result.scale)
        or not np.array_equal(source.zeroPoint, result.zeroPoint)
    ):
        damaged(f"{code} gives {file.name(operator.outputs[0])!r} other scales than {file.name(operator.inputs[0])!r}")
