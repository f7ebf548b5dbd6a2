"""Computes the operators of a .tflite file that only read constants, such as the DEQUANTIZE of float16 weights.

Where a batch or a side was open when a model was converted, the file computes shapes from shapes: SHAPE, STRIDED_SLICE,
PACK, RESHAPE. On a microcontroller every shape is fixed. So the reader gives SHAPE its numbers, and what follows from
them is computed here as from constants.
"""

from collections.abc import Callable, Sequence
from functools import partial
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


def _reshaped_to(file, operator):
    """The second input is the shape; the output's in the file may have a 1 in the place of an open size."""
    if len(operator.inputs) == 1:
        return _reshaped(file, operator)
    values, shape = (file.values(index) for index in operator.inputs)
    return values.reshape([int(n) for n in shape.reshape(-1)])


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


def part(shape: Sequence[int], begin: Any, end: Any, steps: Any, options: Any) -> tuple[list[range], set[int]]:
    """The indices that a STRIDED_SLICE takes along each axis, and the axes that it removes.

    Args:
        shape: of its input, with the batch.
        begin, end, steps: its constants, one number for each axis.
        options: its options in the file, with masks.

    Returns:
        (ranges, removed).
    """
    ranges, removed = [], set()
    for axis, n in enumerate(shape):
        first, last, step = (int(values[axis]) for values in (begin, end, steps))
        if options.shrinkAxisMask >> axis & 1:
            first = first + n if first < 0 else first
            ranges.append(range(first, first + 1))
            removed.add(axis)
            continue
        chosen = slice(
            None if options.beginMask >> axis & 1 else first, None if options.endMask >> axis & 1 else last, step
        )
        ranges.append(range(*chosen.indices(n)))
    return ranges, removed


def _strided_slice(options, x, begin, end, steps):
    if options.ellipsisMask or options.newAxisMask or getattr(options, "offset", False) or len(begin) != x.ndim:
        return None
    ranges, removed = part(x.shape, begin, end, steps, options)
    return np.squeeze(x[np.ix_(*ranges)], axis=tuple(removed))


# function(options, *inputs): what the operator computes from whole numbers
_OF_NUMBERS: dict[str, Callable[..., np.ndarray | None]] = {
    "STRIDED_SLICE": _strided_slice,
    "GATHER": lambda options, x, indices: None if options.batchDims else np.take(x, indices, axis=options.axis),
    "PACK": lambda options, *parts: np.stack(parts, options.axis),
    "CONCATENATION": lambda options, *parts: np.concatenate(parts, options.axis),
    "REDUCE_PROD": lambda options, x, axes: x.prod(tuple(axes.ravel()), x.dtype, keepdims=bool(options.keepDims)),
    "MUL": lambda options, a, b: a * b,
    "ADD": lambda options, a, b: a + b,
    "SUB": lambda options, a, b: a - b,
    "MAXIMUM": lambda options, a, b: np.maximum(a, b),
    "MINIMUM": lambda options, a, b: np.minimum(a, b),
}
# The types of tensors of whole numbers, which hold shapes and indices and have no scale.
WHOLE_NUMBERS = {"INT32": np.int32, "INT64": np.int64}
# The most of them in one tensor that are computed: shapes have a few, and indices one for each place of an axis.
MOST_NUMBERS = 2**16


def _of_numbers(file, operator, code):
    """What an operator computes from whole numbers; None where it reads others, or too many."""
    if any(file.type(index) not in WHOLE_NUMBERS for index in (*operator.inputs, *operator.outputs)):
        return None
    values = [file.values(index) for index in operator.inputs]
    sizes = [each.size for each in values]
    if (sum(sizes) if code in ("PACK", "CONCATENATION") else prod(sizes)) > MOST_NUMBERS:
        return None
    file.spend(8 * max(sum(sizes), prod(sizes) if len(sizes) < 3 else 0))
    with np.errstate(over="ignore"):
        result = _OF_NUMBERS[code](operator.builtinOptions, *values)
    return None if result is None else np.asarray(result)


# Operators that are computed if all that they read is constant: function(file, operator) to the values of its output.
_COMPUTED: dict[str, Callable[[File, Any], np.ndarray | None]] = {
    "DEQUANTIZE": _dequantized,
    "QUANTIZE": _quantized,
    "CAST": _cast,
    "RESHAPE": _reshaped_to,
    "SQUEEZE": _reshaped,
    "EXPAND_DIMS": _reshaped,
    "TRANSPOSE": _transposed,
    "FILL": _filled,
    "RANGE": _counted,
    "SHAPE": lambda file, operator: np.array(
        file.values(operator.inputs[0]).shape, DTYPES[file.type(operator.outputs[0])]
    ),
} | {code: partial(_of_numbers, code=code) for code in _OF_NUMBERS}


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
    except (ValueError, TypeError, IndexError, ArithmeticError, KeyError, AttributeError) as error:
        damaged(f"{code} cannot compute the constant {tensor.name!r} ({type(error).__name__})")
    scaled = tensor.quantization is not None and len(tensor.quantization.scale)
    if code not in ("DEQUANTIZE", "QUANTIZE", "CAST") and values.dtype.kind in "iu" and scaled:
        _keeps_steps(file, code, operator)
    tensor.shape = list(values.shape)
    file.remember(output, np.asarray(values, order="C"))
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
