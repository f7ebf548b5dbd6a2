"""Takes a .tflite file apart without trusting it: every offset and length is checked before it is followed.

A .tflite file is a FlatBuffer. Its tables, vectors and texts refer to each other by offsets. In a damaged file they can
lead anywhere, or give a length of 2^31. FlatBuffers' own Python code follows them; this module reads only inside the
file, and reads at most a few times as many bytes as the file has. So a small file never makes much work.
"""

import struct
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from edgekit.errors import InvalidValue

# The most entries of a list of tables, such as the tensors, and of the operators; networks for microcontrollers have
# hundreds.
MOST_ENTRIES = 2**16
MOST_OPERATORS = 2**12
MOST_DIMENSIONS = 8
_LONGEST_NAME = 1000
# How files begin that are often given instead of a .tflite file.
_BEGINNINGS = {
    b"PK\x03\x04": "a zip archive, as Keras writes .keras files",
    b"\x89HDF": "an HDF5 file, as Keras writes .h5 files",
    b"\x93NUMPY": "a NumPy array",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x7fELF": "a compiled program",
    b"%PDF": "a PDF document",
    b"GGUF": "a GGUF model",
}


def unpack(data: bytes) -> Any:
    """The parts of a .tflite file.

    Args:
        data: the file's bytes.

    Returns:
        The schema's `ModelT` with all that a network needs: operator codes, subgraphs, buffers, description, metadata.
        All indices of tensors, buffers and operator codes are valid; -1 only stands for an input that is left out.
        Names and texts are str, cut to 1,000 bytes, with any characters: messages show them with repr. Tensors of one
        subgraph have different names. Buffers are views of `data`.

    Raises:
        ValueError: these bytes are no .tflite file, or an offset, a length or an index in it is not possible.
    """
    if data[4:8] != b"TFL3":
        raise InvalidValue(
            f"these {len(data)} bytes are no .tflite file, but {describe(data)}: bytes 4 to 8 are {data[4:8]!r}, not "
            "b'TFL3'"
        )
    return _File(data).model()


def describe(data: bytes) -> str:
    """A file's kind, from its first bytes, in a few words: "a zip archive, ..."."""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    if not data:
        return "an empty file"
    if data[4:8] == b"TFL3":
        return "a .tflite file"
    if data[:1] == b"\x08" and b"onnx" in data[:4096].lower():
        return "an ONNX model"
    start = data[:256].decode(errors="replace")[:-1]  # a letter may be cut at the end
    if all(letter.isprintable() or letter.isspace() for letter in start) and "\ufffd" not in start:
        return "a text"
    return "a file of another kind"


def damaged(what: str) -> NoReturn:
    """Raise the ValueError that says how a file contradicts itself."""
    raise InvalidValue(f"this .tflite file is damaged: {what}")


class _File:
    def __init__(self, data):
        from ai_edge_litert import schema_py_generated as schema

        self.schema, self.data = schema, data
        self.bytes = np.frombuffer(data, np.uint8)
        self.left = 4 * len(data) + 4096  # bytes that may still be read
        self.option_types = {value: name for name, value in vars(schema.BuiltinOptions).items() if name[0] != "_"}

    def model(self):
        table = self.table(self.offset(0))
        model = self.schema.ModelT()
        model.version = table.number(0, "<I")
        if model.version != 3:
            raise InvalidValue(f"this .tflite file has version {model.version} of the schema; version 3 is supported")
        model.description = table.text(3)
        model.buffers = [self.buffer(entry) for entry in table.tables(4)]
        model.operatorCodes = [self.operator_code(entry) for entry in table.tables(1)]
        model.metadata = [self.metadata(entry) for entry in table.tables(6)]
        model.subgraphs = [self.graph(model, entry) for entry in table.tables(2)]
        if not model.subgraphs:
            damaged("it has no subgraph")
        return model

    def buffer(self, table):
        buffer = self.schema.BufferT()
        start, size = table.number(1, "<Q"), table.number(2, "<Q")
        place = table.reference(0)
        if start > 1:  # in a large file the values follow the FlatBuffer; 0 and 1 say that they do not
            if start + size > len(self.data):
                damaged(f"a buffer of {size} bytes begins at byte {start} of {len(self.data)}")
            buffer.data = self.bytes[start : start + size]
        elif place is not None:
            first, length = self.vector(place, 1)
            buffer.data = self.bytes[first : first + length]
        return buffer

    def operator_code(self, table):
        code = self.schema.OperatorCodeT()
        code.deprecatedBuiltinCode, code.builtinCode = table.number(0, "<b"), table.number(3, "<i")
        code.customCode, code.version = table.text(1), table.number(2, "<i", 1)
        return code

    def metadata(self, table):
        entry = self.schema.MetadataT()
        entry.name, entry.buffer = table.text(0), table.number(1, "<I")
        return entry

    def graph(self, model, table):
        graph = self.schema.SubGraphT()
        graph.name = table.text(4)
        graph.tensors = [self.tensor(model, entry) for entry in table.tables(0)]
        name_apart(graph.tensors)
        graph.operators = [self.operator(model, entry) for entry in table.tables(3, MOST_OPERATORS)]
        graph.inputs, graph.outputs = table.numbers(1, "<i4"), table.numbers(2, "<i4")
        uses = [("the network", "input", graph.inputs, 0), ("the network", "output", graph.outputs, 0)]
        uses += [("an operator", "input", operator.inputs, -1) for operator in graph.operators]
        uses += [("an operator", "output", operator.outputs, 0) for operator in graph.operators]
        for whose, what, indices, least in uses:
            for index in indices:
                if not least <= index < len(graph.tensors):
                    damaged(f"{whose} has the {what} {index}; the file has {len(graph.tensors)} tensors")
        return graph

    def tensor(self, model, table):
        tensor = self.schema.TensorT()
        tensor.name, tensor.type = table.text(3), table.number(1, "<b")
        tensor.shape, tensor.shapeSignature = table.numbers(0, "<i4"), table.numbers(7, "<i4") or None
        if len(tensor.shape) > MOST_DIMENSIONS:
            damaged(f"tensor {tensor.name!r} has {len(tensor.shape)} dimensions")
        tensor.buffer = table.number(2, "<I")
        if tensor.buffer >= max(len(model.buffers), 1):
            damaged(f"tensor {tensor.name!r} has its values in buffer {tensor.buffer} of {len(model.buffers)}")
        tensor.isVariable = bool(table.number(5, "<B"))
        if table.reference(6) is not None:
            tensor.sparsity = self.schema.SparsityParametersT()  # that there are some is all that is needed
        place = table.reference(4)
        if place is not None:
            tensor.quantization = self.quantization(self.table(place))
        return tensor

    def quantization(self, table):
        quantization = self.schema.QuantizationParametersT()
        quantization.scale, quantization.zeroPoint = table.array(2, "<f4"), table.array(3, "<i8")
        quantization.detailsType, quantization.quantizedDimension = table.number(4, "<B"), table.number(6, "<i")
        return quantization

    def operator(self, model, table):
        operator = self.schema.OperatorT()
        operator.opcodeIndex = table.number(0, "<I")
        if operator.opcodeIndex >= len(model.operatorCodes):
            damaged(f"an operator has code {operator.opcodeIndex} of {len(model.operatorCodes)}")
        operator.inputs, operator.outputs = table.numbers(1, "<i4"), table.numbers(2, "<i4")
        operator.builtinOptionsType = table.number(3, "<B")
        name, place = self.option_types.get(operator.builtinOptionsType, "NONE"), table.reference(4)
        if place is not None and name != "NONE":
            self.table(place)  # checks it
            try:
                operator.builtinOptions = getattr(self.schema, f"{name}T").InitFromBuf(self.data, place)
            except Exception as error:  # the generated code raises whatever a wrong offset in them leads it to
                damaged(f"its {name} cannot be read ({type(error).__name__})")
        return operator

    # Bytes

    def spend(self, size):
        """Count bytes that are read: tables may refer to each other so that few bytes make much work."""
        self.left -= size
        if self.left < 0:
            damaged("its tables refer to the same bytes again and again")

    def read(self, form, position):
        size = struct.calcsize(form)
        if not 0 <= position <= len(self.data) - size:
            damaged(f"an offset leads to byte {position} of {len(self.data)}")
        self.spend(size)
        return struct.unpack_from(form, self.data, position)[0]

    def offset(self, position):
        """The place that the offset at this position leads to."""
        return position + self.read("<I", position)

    def vector(self, position, size):
        """(position of the first element, number of elements) of a vector with elements of this size."""
        length, first = self.read("<I", position), position + 4
        if length * size > len(self.data) - first:
            damaged(f"a vector of {length} elements begins at byte {first} of {len(self.data)}")
        return first, length

    def table(self, position):
        return _Table(self, position)


class _Table:
    """A table of the file; its fields have numbers, in the order of the schema."""

    def __init__(self, file, position):
        self.file, self.position = file, position
        self.fields = position - file.read("<i", position)
        self.end = file.read("<H", self.fields)
        size = file.read("<H", self.fields + 2)
        if self.end < 4 or self.end % 2 or self.fields + self.end > len(file.data) or position + size > len(file.data):
            damaged(f"the table at byte {position} of {len(file.data)} does not fit")

    def place(self, number):
        """The position of a field; None if it is left out."""
        at = 4 + 2 * number
        offset = self.file.read("<H", self.fields + at) if at + 2 <= self.end else 0
        return self.position + offset if offset else None

    def number(self, number, form, default=0):
        place = self.place(number)
        return default if place is None else self.file.read(form, place)

    def reference(self, number):
        """The position of the table, vector or text that a field refers to; None if it is left out."""
        place = self.place(number)
        return None if place is None else self.file.offset(place)

    def text(self, number):
        place = self.reference(number)
        if place is None:
            return ""
        first, length = self.file.vector(place, 1)
        length = min(length, _LONGEST_NAME)
        self.file.spend(length)
        return self.file.data[first : first + length].decode(errors="replace")

    def array(self, number, dtype):
        """A vector of numbers as an array of its own; empty if it is left out."""
        place, size = self.reference(number), np.dtype(dtype).itemsize
        if place is None:
            return np.zeros(0, dtype)
        first, length = self.file.vector(place, size)
        self.file.spend(length * size)
        return np.frombuffer(self.file.data, dtype, length, first).copy()

    def numbers(self, number, dtype):
        return self.array(number, dtype).tolist()

    def tables(self, number, most=MOST_ENTRIES) -> Iterator["_Table"]:
        """The tables of a vector, of which there may be this many."""
        place = self.reference(number)
        if place is None:
            return
        first, length = self.file.vector(place, 4)
        if length > most:
            damaged(f"it has a list of {length} entries, where at most {most} are possible")
        for position in range(first, first + 4 * length, 4):
            yield self.file.table(self.file.offset(position))


def name_apart(tensors: list[Any]) -> None:
    """Give every tensor of a subgraph a name of its own."""
    taken: set[str] = set()
    for index, tensor in enumerate(tensors):
        base = tensor.name = tensor.name or f"tensor_{index}"
        count = index
        while tensor.name in taken:
            tensor.name, count = f"{base}_{count}", count + len(tensors)
        taken.add(tensor.name)
