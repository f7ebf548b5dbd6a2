"""The cost of a network on the board, without a board: flash, memory, instructions, time.

estimating      estimate: a report of all costs
memory          the room for an arena
counting        instructions: counted for the compiler options of a firmware
emulator        runs generated C on an emulated Xtensa
"""

from edgekit.cost.counting import COMPILER_LEVEL, Instructions, instructions
from edgekit.cost.emulator import EmulatorError
from edgekit.cost.estimating import CYCLES_PER_INSTRUCTION, Deployment, Row, estimate
from edgekit.cost.memory import arena_room, picture_bytes, too_large

deployment = estimate  # its name in notebooks of version 0.1

__all__ = [
    "COMPILER_LEVEL",
    "CYCLES_PER_INSTRUCTION",
    "Deployment",
    "EmulatorError",
    "Instructions",
    "Row",
    "arena_room",
    "estimate",
    "instructions",
    "picture_bytes",
    "too_large",
]
