"""Counts the instructions of one inference on an emulated core, compiled with the options of a firmware project."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgekit.cost import emulator
from edgekit.cost.estimating import CYCLES_PER_INSTRUCTION
from edgekit.errors import InvalidType
from edgekit.quantization import QuantizedNetwork

# The compiler's option for each level of optimization that ESP-IDF offers.
COMPILER_LEVEL = {"debug": "-Og", "size": "-Os", "performance": "-O2", "none": "-O0"}


class Choices(Protocol):
    """The compiler options that matter to a network; `edgekit.firmware.Options` has them."""

    @property
    def optimize(self) -> str: ...

    @property
    def cpu_mhz(self) -> int: ...


@dataclass(frozen=True)
class _Defaults:
    optimize: str = "debug"
    cpu_mhz: int = 160


@dataclass(frozen=True)
class Instructions:
    """The cost of one inference on an emulated core like the ESP32's.

    Attributes:
        count: instructions.
        options: the options that it was compiled with.
        milliseconds: the estimated time on the ESP-EYE, with `CYCLES_PER_INSTRUCTION`.
    """

    count: int
    options: Choices
    milliseconds: float

    def __repr__(self) -> str:
        level, mhz = COMPILER_LEVEL[self.options.optimize], self.options.cpu_mhz
        return f"{self.count:,} instructions at {level}: about {self.milliseconds:.0f} ms at {mhz} MHz"


def instructions(model: QuantizedNetwork, options: Choices | None = None) -> Instructions:
    """Count the instructions of one inference on the emulated core dc232b.

    Only the network is counted; assertions in ESP-IDF and the bootloader are not part of it.

    Args:
        model: a `QuantizedNetwork`.
        options: an `edgekit.firmware.Options`; None takes its defaults.

    Returns:
        `Instructions`.

    Raises:
        TypeError: the network is not int8: the core has no floating point unit.
        EmulatorError: compiler or emulator are not installed; the message has the remedy.
    """
    if not isinstance(model, QuantizedNetwork):
        raise InvalidType(f"instructions are counted for a quantized network, not for a {type(model).__name__}")
    options = options or _Defaults()
    zeros = {name: np.zeros((1, *model.shapes[name]), np.int8) for name in model.inputs}
    count = emulator.infer(model, zeros, "dc232b", COMPILER_LEVEL[options.optimize]).instructions
    return Instructions(count, options, count * CYCLES_PER_INSTRUCTION / options.cpu_mhz / 1000)
