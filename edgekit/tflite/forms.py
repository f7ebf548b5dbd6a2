"""Brings the forms in which converters write the same network to one: the form that `reader` reads.

Files differ in what is around and between the ops of a network. Here unused operators are left out; operators that only
read constants are computed, such as the DEQUANTIZE of float16 weights; and where the network takes or gives float32 or
uint8 but computes in int8, the QUANTIZE and DEQUANTIZE at its ends are left out, because `predict` does the same.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.quantization import formulas
from edgekit.tflite.unpacking import damaged

Operators = list[tuple[str, Any]]  # (name of the operator, its schema object) in the order of the file
# No dimension is larger, and no tensor has more values: sizes of bytes must fit into an int32 on a device.
MOST_VALUES = 2**31
# All constants of a file together, in bytes after they are unpacked: far above the flash of any microcontroller.
MOST_BYTES = 2**28
DTYPES: dict[str, Any] = {
    "FLOAT32": np.float32,
    "FLOAT16": np.float16,
    "FLOAT64": np.float64,
    "INT4": np.int8,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "BOOL": np.bool_,
}


class File:
    """One subgraph of an unpacked file, with its constants.

    Attributes:
        schema: the generated module of the schema.
        graph: the subgraph; its `inputs` and `outputs` are those of the network, without the ends that are left out.
        operators: the operators that are left, in the order in which they run.
    """

    def __init__(self, schema: Any, model: Any, graph: Any) -> None:
        self.schema, self.graph = schema, graph
        self.operators: Operators = []
        self._buffers = model.buffers
        self._type_names = {value: key for key, value in vars(schema.TensorType).items() if isinstance(value, int)}
        self._values: dict[int, np.ndarray] = {}  # the values of constants, by the index of the tensor
        self._real_values: dict[int, np.ndarray] = {}
        self._bytes = 0

    def name(self, index: int) -> str:
        """The name of a tensor."""
        return self.graph.tensors[index].name

    def type(self, index: int) -> str:
        """The name of a tensor's type in the schema, such as INT8."""
        number = self.graph.tensors[index].type
        return self._type_names.get(number, f"TYPE_{number}")

    def is_constant(self, index: int) -> bool:
        """Whether the file holds the values of a tensor."""
        return index in self._values or bool(len(self._data(index)))

    def _data(self, index):
        number = self.graph.tensors[index].buffer
        data = self._buffers[number].data if number < len(self._buffers) else None
        return np.zeros(0, np.uint8) if data is None else data

    def values(self, index: int) -> np.ndarray | None:
        """The values of a tensor that the file holds, in the type of the file.

        Returns:
            array of the tensor's shape, not to be written to; None if the file holds no values.

        Raises:
            ValueError: the values do not fit the shape, are sparse, or are of a type without numbers.
        """
        if index not in self._values and self.is_constant(index):
            self._values[index] = self._unpacked(index)
        return self._values.get(index)

    def remember(self, index: int, values: np.ndarray) -> None:
        """Give a tensor its values, as if the file held them."""
        self._values[index] = values

    def spend(self, size: int) -> None:
        """Count bytes of constants before they are unpacked."""
        self._bytes += size
        if self._bytes > MOST_BYTES:
            raise InvalidValue(
                f"the constants of this file take more than {MOST_BYTES:,} bytes; no microcontroller has room for them"
            )

    def _unpacked(self, index):
        tensor, kind, data = self.graph.tensors[index], self.type(index), self._data(index)
        what = f"tensor {tensor.name!r}"
        if kind not in DTYPES:
            raise InvalidValue(f"{what} is {kind.lower()}; constants are numbers or bool")
        if tensor.sparsity is not None:
            raise InvalidValue(f"{what} is sparse, which is not supported: convert the model without sparsity")
        dtype, count = np.dtype(DTYPES[kind]), prod(tensor.shape)
        size = -(-count // 2) if kind == "INT4" else count * dtype.itemsize
        if min(tensor.shape, default=1) < 0 or len(data) != size:
            damaged(f"{what} is {kind.lower()} of shape {tensor.shape} and holds {len(data)} bytes")
        self.spend(count * dtype.itemsize)
        if kind == "INT4":  # two in a byte, the first in the lower half
            data = np.stack([data << 4, data], axis=-1).reshape(-1).view(np.int8)[:count] >> 4
            return data.reshape(tensor.shape)
        return np.frombuffer(data.tobytes(), dtype).reshape(tensor.shape)

    def real_values(self, index: int) -> np.ndarray | None:
        """The real values of a tensor that the file holds: float32, dequantized if they are quantized.

        Returns:
            float32 array of the tensor's shape; None if the file holds no values.
        """
        q = self.values(index)
        if q is None or q.dtype == np.float32:
            return q
        if index not in self._real_values:
            self.spend(4 * q.size)
            if q.dtype == np.float16:
                self._real_values[index] = q.astype(np.float32)
            else:
                scale, zero_point, axis = self.steps(index, q.shape)
                steps = q.astype(np.int32) - formulas.along(zero_point, q.ndim, axis).astype(np.int32)
                self._real_values[index] = formulas.dequantize_weights(steps, scale, axis)
        return self._real_values[index]

    def steps(self, index: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, int | None]:
        """The scales and zero points of a quantized tensor.

        Args:
            index: of the tensor.
            shape: its shape, along which several scales may lie.

        Returns:
            (scales float32 (n,), zero points int64 (n,), axis): axis is None where there is one for all.

        Raises:
            ValueError: there are none, they are no numbers above 0, or they fit no axis; names the tensor.
        """
        q, what = self.graph.tensors[index].quantization, f"tensor {self.name(index)!r}"
        count = 0 if q is None else len(q.scale)
        if not count:
            raise InvalidValue(
                f"{what} is {self.type(index).lower()} but has no scale: convert with full integer quantization"
            )
        if q.detailsType:
            raise InvalidValue(f"{what} is quantized in another way than by scales and zero points")
        wrong = q.scale[~(np.isfinite(q.scale) & (q.scale > 0))]
        if len(wrong):
            raise InvalidValue(f"{what} has the scale {wrong[0]:g}; a scale is a number above 0")
        if len(q.zeroPoint) != count:
            raise InvalidValue(f"{what} has {count} scales and {len(q.zeroPoint)} zero points; each scale needs one")
        low, high = (0, 255) if self.type(index) == "UINT8" else (-128, 127)
        if self.type(index) == "INT16":
            low, high = -32768, 32767
        wrong = q.zeroPoint[(q.zeroPoint < low) | (q.zeroPoint > high)]
        if len(wrong):
            raise InvalidValue(f"{what} has the zero point {wrong[0]}; it must be in {low} to {high}")
        if count == 1:
            return q.scale, q.zeroPoint, None
        axis = q.quantizedDimension
        if not 0 <= axis < len(shape) or shape[axis] != count:
            raise InvalidValue(
                f"{what} of shape {list(shape)} has {count} scales along dimension {axis} (quantized_dimension), which "
                "does not fit"
            )
        return q.scale, q.zeroPoint, axis


def one_form(file: File, operators: Operators) -> None:
    """Set `file.operators` and the ends of `file.graph` to the form that `reader` reads.

    Args:
        file: the subgraph.
        operators: all its operators.

    Raises:
        ValueError: the operators contradict each other, or use uint8 inside the network.
    """
    graph = file.graph
    for what, ends in (("input", graph.inputs), ("output", graph.outputs)):
        if not ends:
            raise InvalidValue(f"this .tflite file has no {what}")
        if len(set(ends)) != len(ends):
            raise InvalidValue(f"this .tflite file lists an {what} twice: {[file.name(index) for index in ends]}")
    for index in graph.inputs:
        if file.is_constant(index):
            damaged(f"its input {file.name(index)!r} is a constant")
    file.operators = _used(file, operators)
    file.operators = [entry for entry in file.operators if not _computed(file, *entry)]
    _leave_out_ends(file)
    _as_int8(file)
    _leave_out_ends(file)


def _used(file, operators):
    """The operators from which the outputs are computed, after a check that each value is computed once and in time."""
    graph, writer = file.graph, {}
    for position, (code, operator) in enumerate(operators):
        for index in operator.outputs:
            if index in writer or index in graph.inputs or file.is_constant(index):
                damaged(f"tensor {file.name(index)!r} is written by {code}, but it has its values already")
            writer[index] = position
    # An operator without an output does something else that counts, such as setting a variable.
    used = {position for position, (_, operator) in enumerate(operators) if not operator.outputs}
    wanted = [*graph.outputs, *(index for position in used for index in operators[position][1].inputs)]
    while wanted:
        index = wanted.pop()
        if index in writer and writer[index] not in used:
            used.add(writer[index])
            wanted += operators[writer[index]][1].inputs
    for position in sorted(used):
        code, operator = operators[position]
        for index in operator.inputs:
            if index >= 0 and writer.get(index, -1) >= position:
                damaged(f"{code} reads tensor {file.name(index)!r}, which is computed later")
    for index in graph.outputs:
        if index not in writer:
            raise InvalidValue(f"nothing in this file computes its output {file.name(index)!r}")
    return [operators[position] for position in sorted(used)]


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


def _computed(file, code, operator):
    """Compute the output of an operator that only reads constants; tell whether that was done."""
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


def _leave_out_ends(file):
    """Leave out a QUANTIZE after an input and a DEQUANTIZE or QUANTIZE before an output, if they only change the type.

    Between float32 and int8 they do what `predict` does. Between int8 and int8, after uint8 was read as int8, they do
    nothing if scale and zero point are the same.
    """
    graph = file.graph
    left = True
    while left:
        left = False
        for position, index in enumerate(graph.inputs):
            readers = [entry for entry in file.operators if index in entry[1].inputs]
            if len(readers) != 1 or index in graph.outputs or readers[0][0] != "QUANTIZE":
                continue
            (result,) = _single(file, readers[0])
            if file.type(index) == "FLOAT32" or _alike(file, index, result):
                file.operators.remove(readers[0])
                graph.inputs[position], left = result, True
        for position, index in enumerate(graph.outputs):
            writers = [entry for entry in file.operators if index in entry[1].outputs]
            read = any(index in operator.inputs for _, operator in file.operators)
            if read or not writers or writers[0][0] not in ("DEQUANTIZE", "QUANTIZE"):
                continue
            _single(file, writers[0])
            source = writers[0][1].inputs[0]
            to_real = writers[0][0] == "DEQUANTIZE" and file.type(source) in ("INT8", "UINT8")
            if source not in graph.outputs and (to_real or _alike(file, source, index)):
                file.operators.remove(writers[0])
                graph.outputs[position], left = source, True


def _single(file, entry):
    """The output of an operator that must have one input and one output, as a list."""
    code, operator = entry
    if len(operator.inputs) != 1 or len(operator.outputs) != 1 or operator.inputs[0] < 0:
        damaged(f"a {code} has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs; it has one of each")
    before, after = (file.graph.tensors[index].shape for index in (operator.inputs[0], operator.outputs[0]))
    if before != after:
        damaged(f"{code} makes {file.name(operator.outputs[0])!r} of shape {after} from a tensor of shape {before}")
    return operator.outputs


def _alike(file, first, second):
    """Whether two tensors are int8 with the same scale and zero point."""
    if file.type(first) != "INT8" or file.type(second) != "INT8":
        return False
    one, other = (file.graph.tensors[index].quantization for index in (first, second))
    return (
        one is not None
        and other is not None
        and len(one.scale) == 1
        and np.array_equal(one.scale, other.scale)
        and np.array_equal(one.zeroPoint, other.zeroPoint)
    )


def _as_int8(file):
    """Give the uint8 tensors at the ends of the network the same values as int8: all 128 lower, the zero point too."""
    graph = file.graph
    found = {index for index in (*graph.inputs, *graph.outputs) if file.type(index) == "UINT8"}
    for code, operator in file.operators:
        for index in (*operator.inputs, *operator.outputs):
            if index >= 0 and file.type(index) == "UINT8" and not file.is_constant(index):
                if code != "QUANTIZE":
                    raise InvalidValue(
                        f"tensor {file.name(index)!r} of a {code} is uint8: this file computes in uint8, an older form "
                        "for which TensorFlow Lite Micro has no kernels; int8 networks may have uint8 at their ends: "
                        "convert the model again, with full integer quantization to int8"
                    )
                found.add(index)
    for index in found:
        tensor = graph.tensors[index]
        file.steps(index, tuple(tensor.shape))  # checks them
        tensor.type = file.schema.TensorType.INT8
        tensor.quantization.zeroPoint = tensor.quantization.zeroPoint - 128
