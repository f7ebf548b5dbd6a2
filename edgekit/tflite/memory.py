"""What TensorFlow Lite Micro keeps in its arena for an op, and what it takes while the op runs.

The numbers are bytes on a 64-bit computer, as the runtime's recording allocator shows them. A kind of op that is not in
the table takes the usual amount.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

from edgekit.network import Op, Shape

Bytes = Callable[[Op, Mapping[str, Shape], int], int]  # of an op, the shapes of all tensors and the bytes of a value


@dataclass(frozen=True)
class Memory:
    """The memory of one op besides its tensors.

    Attributes:
        kept: function(op, shapes, width) to the bytes that the kernel keeps for the op.
        scratch: function(op, shapes, width) to the bytes that it needs while it runs; 0 for none.
        pieces: how many tensors and pieces of scratch memory the op has that are planned and not counted otherwise.
    """

    kept: Bytes = lambda op, shapes, width: 64
    scratch: Bytes = lambda op, shapes, width: 0
    pieces: int = 0


def memory_of(op: Op) -> Memory:
    """The memory of an op's kind."""
    return _MEMORY.get(op.kind, _USUAL)


def _keeps(size: int) -> Memory:
    return Memory(lambda op, shapes, width: size)


def _by_channel(op, shapes, width):
    """A multiplier and a shift for each channel."""
    return 136 + 8 * max(op.bias.size, 4)


def _connected(op, shapes, width):
    return 96 if op.weight_scales is None or op.weight_scales.size == 1 else 104 + 8 * op.bias.size


def _transposed_copies(op, shapes, width):
    """Of a batch_matmul: Micro multiplies rows by rows, and copies an input that does not stand so."""
    first, second = (prod(shapes[name]) * width for name in op.inputs)
    return 192 + (first if op.transposed[0] else 0) + (0 if op.transposed[1] else second)


def _sums(op, shapes, width):
    """Of a mean or sum in int8: sums of 32 bits."""
    return 4 * prod(shapes[op.output]) if width == 1 else 0


def _states(op, shapes, width):
    """Of an LSTM: its numbers, and its output and cell, which last until the next inference."""
    units = shapes[op.output][-1]
    return 720 + _up(width * units) + _up(max(width, 2) * units)


def _gates(op, shapes, width):
    """Of an LSTM: four vectors as wide as its cell."""
    return 4 * _up(max(width, 2) * shapes[op.output][-1])


def _up(size):
    return -(-size // 16) * 16


_USUAL = Memory()
_REDUCED = Memory(scratch=lambda op, shapes, width: 32)
_SUMMED = Memory(scratch=lambda op, shapes, width: 32 + _sums(op, shapes, width))
_MEMORY = {
    "conv2d": Memory(_by_channel),
    "depthwise_conv2d": Memory(_by_channel),
    "transpose_conv2d": Memory(
        _by_channel, scratch=lambda op, shapes, width: 4 * prod(shapes[op.output]) if width == 1 else 0
    ),
    "fully_connected": Memory(_connected),
    "lstm": Memory(_states, _gates, 5),  # both states, and the other three vectors
    "batch_matmul": Memory(_transposed_copies),
    # ESP-NN's softmax takes 4 bytes for each value of a row; Micro's own takes nothing.
    "softmax": Memory(
        _keeps(128).kept, scratch=lambda op, shapes, width: 4 * shapes[op.output][-1] if width == 1 else 0
    ),
    "mean": _SUMMED,
    "sum": _SUMMED,
    "reduce_max": _REDUCED,
    "reduce_min": _REDUCED,
    "mirror_pad": Memory(scratch=lambda op, shapes, width: 32),
    "elu": _keeps(304),
    "squared_difference": _keeps(144),
    "mul": _keeps(128),
    "concatenate": _keeps(128),
    "strided_slice": _keeps(136),
    "add": _keeps(112),
    "sub": _keeps(112),
}
