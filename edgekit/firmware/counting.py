"""Counts the instructions of one inference for a project's options: the emulated core sees the effect of each level."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.firmware.options import Options
from edgekit.firmware.project import FirmwareError

if TYPE_CHECKING:
    from edgekit.quantization import QuantizedNetwork


@dataclass(frozen=True)
class Instructions:
    """The cost of one inference on an emulated core like the ESP32's.

    Attributes:
        count: instructions.
        options: the `Options` that the network was compiled with.
        milliseconds: about how long that takes on the ESP-EYE, at `report.CYCLES_PER_INSTRUCTION`.
    """

    count: int
    options: Options
    milliseconds: float

    def __repr__(self) -> str:
        flag, mhz = self.options.compiler_flag, self.options.cpu_mhz
        return f"{self.count:,} instructions at {flag}: about {self.milliseconds:.0f} ms at {mhz} MHz"


def instructions(model: "QuantizedNetwork", options: Options | None = None) -> Instructions:
    """Count the instructions of one inference on an emulated core, compiled as the options say.

    Only the network is counted; assertions in ESP-IDF and the bootloader are not part of it.

    Args:
        model: the int8 network.
        options: the compiler's options; None takes the defaults.

    Returns:
        The count, and the time it needs on the board.

    Raises:
        TypeError: the network is not int8: the core has no floating point unit.
        FirmwareError: compiler or emulator are not installed; the message has the remedy.
    """
    import numpy as np

    from edgekit import emulator
    from edgekit.report import CYCLES_PER_INSTRUCTION

    options = options or Options()
    if not hasattr(model, "quantization"):
        raise TypeError(f"instructions are counted of a quantized network, not of a {type(model).__name__}")
    zeros = np.zeros((1, *model.shapes[model.input]), np.int8)
    try:
        count = emulator.infer(model, zeros, "dc232b", options.compiler_flag).instructions
    except emulator.EmulatorError as error:
        raise FirmwareError(str(error)) from None
    return Instructions(count, options, count * CYCLES_PER_INSTRUCTION / options.cpu_mhz / 1000)
