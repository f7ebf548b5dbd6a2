"""One subgraph of a .tflite file with the values of its constants, checked before memory is taken for them."""

from math import prod
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.quantization import formulas
from edgekit.tflite.unpacking import damaged

# No tensor has as many values: sizes must fit into an int32 on a device.
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
        operators: (name in the schema, schema object) of the operators that are read, in the order in which they run.
        states: dict from the index of the tensor that an inference begins with to that of the tensor that it keeps.
    """

    def __init__(self, schema: Any, model: Any, graph: Any) -> None:
        self.schema, self.graph = schema, graph
        self.operators: list[tuple[str, Any]] = []
        self.states: dict[int, int] = {}
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
