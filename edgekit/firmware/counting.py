"""Keeps the former name `firmware.instructions` of `cost.instructions`, whose errors are a `FirmwareError` here."""

from edgekit import cost
from edgekit.cost import Instructions
from edgekit.firmware.options import Options
from edgekit.firmware.project import FirmwareError
from edgekit.quantization import QuantizedNetwork


def instructions(model: QuantizedNetwork, options: Options | None = None) -> Instructions:
    """Count the instructions of one inference on an emulated core; see `edgekit.cost.instructions`.

    Args:
        model: the int8 network.
        options: the compiler's options; None means the defaults.

    Returns:
        The count, and an estimate of the time on the board.

    Raises:
        TypeError: the network is not int8.
        FirmwareError: compiler or emulator are not installed; the message has the remedy.
    """
    try:
        return cost.instructions(model, options or Options())
    except cost.EmulatorError as error:
        raise FirmwareError(str(error)) from None
