"""Damages .tflite files at random, and uses whatever `tflite.from_bytes` accepts of them."""

import contextlib

import numpy as np

from edgekit import tflite
from edgekit.codegen import compiled, tflm
from edgekit.quantization import QuantizedNetwork
from edgekit.tflite.unpacking import unpack

WORDS = (0, 1, 2, 4, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 0x7F800000, 0x7FC00000, 0x80000000)


def structure(data):
    """The positions of the bytes outside large buffers: damage in weights is rarely noticed, damage here always."""
    kept = np.ones(len(data), bool)
    start = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
    for buffer in unpack(data).buffers:
        if buffer.data is not None and len(buffer.data) > 64:
            first = buffer.data.__array_interface__["data"][0] - start
            kept[first : first + len(buffer.data)] = False
    return np.flatnonzero(kept)


def mutated(data, places, random):
    """The file with one kind of damage.

    Args:
        data: bytes of a .tflite file.
        places: result of `structure`; two of three damages are there.
        random: `numpy.random.Generator`.
    """
    result = bytearray(data)

    def position():
        return int(random.choice(places)) if random.integers(3) else int(random.integers(len(data)))

    def word():
        return min(position(), len(data) - 4) // 4 * 4

    kind = random.integers(7)
    if kind == 0:
        result[position()] ^= 1 << int(random.integers(8))
    elif kind == 1:
        for _ in range(random.integers(2, 20)):
            result[position()] = int(random.integers(256))
    elif kind == 2:
        del result[random.integers(len(data)) :]
    elif kind == 3:
        one, other = word(), word()
        result[one : one + 4], result[other : other + 4] = result[other : other + 4], result[one : one + 4]
    elif kind == 4:
        at, value = word(), int(random.choice(WORDS))
        result[at : at + 4] = value.to_bytes(4, "little")
    elif kind == 5:
        at = word()
        value = int.from_bytes(result[at : at + 4], "little") + int(random.integers(-8, 9))
        result[at : at + 4] = (value % 2**32).to_bytes(4, "little")
    else:
        at, length = position(), int(random.integers(1, 64))
        result[at : at + length] = bytes(len(result[at : at + length]))
    return bytes(result)


def use(data):
    """Read a file, and do with its network what users do; tell whether it was read.

    Raises:
        Exception: anything but a ValueError is a defect.
    """
    try:
        network = tflite.from_bytes(data)
    except ValueError:
        return False
    with contextlib.suppress(ValueError), np.errstate(all="ignore"):
        network.predict({name: np.zeros((1, *network.shapes[name]), np.float32) for name in network.inputs})
        again = tflite.from_bytes(tflite.to_bytes(network))
        assert isinstance(again, QuantizedNetwork) == isinstance(network, QuantizedNetwork)
        for engine in (compiled, tflm):
            engine.source(network, "network")
    return True
