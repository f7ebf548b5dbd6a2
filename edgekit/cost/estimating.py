"""Estimates the cost of a network on the board, without a board: flash, memory, time, and whether it fits.

Instructions are counted on an emulated core if its tools are installed, and otherwise estimated from
multiply-accumulates and outputs. Milliseconds are computed from them with one assumption, which every report states.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from edgekit import plots
from edgekit.codegen import compiled
from edgekit.cost import emulator
from edgekit.cost.memory import WIFI_RAM, arena_room, picture_bytes, too_large
from edgekit.network import Graph, op_macs
from edgekit.quantization import QuantizedNetwork

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The ESP-EYE: an ESP32 with 4 MB of flash, of which half is for the program.
FLASH = 2_000_000
MEGAHERTZ = (80, 160, 240)
# Cycles an instruction, from the 380 ms that Espressif publishes for ESP-NN on an ESP32 and a network whose
# instructions with ESP-NN were counted.
CYCLES_PER_INSTRUCTION = 1.19
# Instructions of the kernels on an ESP32's core, measured on the car network: (each multiply-accumulate, each output).
_ESTIMATE = {"conv2d": (1.25, 28), "depthwise_conv2d": (3.0, 45), "fully_connected": (8, 60), "lstm": (8.3, 800)}
_ESTIMATE_OTHERS = (8, 100)
# A float multiply-accumulate with its loads, in the plain loops of the float kernels, and an exp or tanh.
_ESTIMATE_FLOAT = (9, 40)
_CODE = 9_000  # bytes of the kernels' code, about


@dataclass(frozen=True)
class Row:
    """One op.

    Attributes:
        name, kind: as in `Op`.
        macs: multiply-accumulates.
        constants: bytes of weights and biases.
        instructions: counted or estimated.
    """

    name: str
    kind: str
    macs: int
    constants: int
    instructions: int


@dataclass(frozen=True)
class Deployment:
    """The cost of a network on the board. It shows itself as a table in a notebook; `plot` draws it.

    Attributes:
        name: of the network.
        kind: "int8" or "float32".
        flash, arena: bytes.
        rows: tuple of `Row`.
        measured: whether instructions were counted on the emulated core, rather than estimated.
        milliseconds: dict from megahertz to milliseconds for an inference.
        fits: dict from "static memory", "beside Wi-Fi" and "flash" to whether the network fits there.
        reasons: sentences, one for each place where it does not fit.
        board_ms: milliseconds measured on a board, or None.
        room: bytes that the board has for the arena.
    """

    name: str
    kind: str
    flash: int
    arena: int
    rows: tuple[Row, ...] = field(repr=False)
    measured: bool
    milliseconds: dict[int, float]
    fits: dict[str, bool]
    reasons: tuple[str, ...]
    board_ms: float | None = None
    room: int = arena_room()

    @property
    def macs(self) -> int:
        """Multiply-accumulates of an inference."""
        return sum(row.macs for row in self.rows)

    @property
    def instructions(self) -> int:
        """Instructions of an inference."""
        return sum(row.instructions for row in self.rows)

    def table(self) -> str:
        """The report as text: one line for each op, then the totals."""
        lines = [f"{'op':26} {'kind':18} {'MACs':>10} {'constants':>10} {'instructions':>13} {'share':>6}"]
        for row in self.rows:
            share = row.instructions / max(self.instructions, 1)
            lines.append(
                f"{row.name:26.26} {row.kind:18} {row.macs:10,} {row.constants:10,} {row.instructions:13,} {share:6.1%}"
            )
        how = "counted on the emulated core dc232b" if self.measured else "estimated"
        lines += [
            "",
            f"{self.name} in {self.kind}: {self.macs:,} multiply-accumulates",
            f"{self.instructions:,} instructions per inference, {how}",
            f"flash {self.flash:,} bytes, arena {self.arena:,} bytes",
            "estimated time: " + ", ".join(f"{ms:.0f} ms at {mhz} MHz" for mhz, ms in self.milliseconds.items()),
            f"  assuming {CYCLES_PER_INSTRUCTION} cycles per instruction, from Espressif's figures for ESP-NN",
        ]
        if self.board_ms is not None:
            lines.append(f"measured on the board: {self.board_ms:.1f} ms")
        lines.append("fits: " + ", ".join(f"{what} {'yes' if yes else 'NO'}" for what, yes in self.fits.items()))
        return "\n".join(lines + list(self.reasons))

    def __str__(self) -> str:
        return self.table()

    def _repr_pretty_(self, printer, cycle):
        printer.text(self.table())

    def plot(self) -> "Figure":
        """Draw the instructions of each layer, and how full flash and memory are."""
        return plots.deployment(self, {"flash": FLASH, "memory": self.room, "with Wi-Fi": self.room - WIFI_RAM})


def estimate(model: Graph, board_ms: float | None = None, measure: bool | None = None) -> Deployment:
    """The cost of a network on the ESP-EYE, as the `compiled` engine writes it.

    Args:
        model: a `QuantizedNetwork`, or a `Network` to see the cost of float32.
        board_ms: milliseconds for an inference, measured on a board, to show beside the estimate.
        measure: whether to count instructions on the emulated core; by default, if its tools are installed. Only int8
            networks are counted, because the core has no floating point unit.

    Returns:
        `Deployment`.

    Example:
        >>> cost = estimate(quantized)
        >>> cost.plot()
    """
    quantized = isinstance(model, QuantizedNetwork)
    if measure is None:
        measure = emulator.available()
    if measure and isinstance(model, QuantizedNetwork):
        zeros = {name: np.zeros((1, *model.shapes[name]), np.int8) for name in model.inputs}
        result = emulator.infer(model, zeros, "dc232b")
        counts, flash, arena = result.by_op, result.flash, result.arena
    else:
        arena = compiled.compile_network(model, "model").arena.size
        counts = tuple(_estimate(model, op, quantized) for op in model.ops)
        flash = _CODE + sum(_constants(op) for op in model.ops)
    rows = tuple(
        Row(op.name, op.kind, op_macs(op, model.shapes), _constants(op), count)
        for op, count in zip(model.ops, counts, strict=True)
    )
    cycles = sum(counts) * CYCLES_PER_INSTRUCTION
    picture = picture_bytes(model)
    fits, reasons = _fits(flash, arena, picture, quantized)
    return Deployment(
        name=model.name,
        kind="int8" if quantized else "float32",
        flash=flash,
        arena=arena,
        rows=rows,
        measured=bool(quantized and measure),
        milliseconds={mhz: cycles / mhz / 1000 for mhz in MEGAHERTZ},
        fits=fits,
        reasons=reasons,
        board_ms=board_ms,
        room=arena_room(picture),
    )


def _fits(flash, arena, picture, quantized):
    static = too_large(arena, picture)
    remedy = "a smaller network or input" if quantized else "int8 takes a quarter"
    problems = {
        "static memory": static and f"the arena {static}",
        "beside Wi-Fi": _over("the arena takes", arena, arena_room(picture) - WIFI_RAM),
        "flash": _over("code and constants take", flash, FLASH),
    }
    reasons = tuple(f"{what}: {problem}; {remedy}" for what, problem in problems.items() if problem)
    return {what: problem is None for what, problem in problems.items()}, reasons


def _over(takes, used, budget):
    over = used - budget
    return f"{takes} {used:,} bytes, {over:,} more than the board's {budget:,}" if over > 0 else None


def _constants(op):
    """Bytes of an op's weights, biases and, in int8, multipliers and shifts."""
    if op.weights is None:
        return 0
    return op.weights.nbytes + op.bias.nbytes + (5 * op.bias.size if op.weights.dtype == np.int8 else 0)


def _estimate(model, op, quantized):
    if op.kind == "reshape":
        return 0
    per_mac, per_output = _ESTIMATE.get(op.kind, _ESTIMATE_OTHERS) if quantized else _ESTIMATE_FLOAT
    return int(per_mac * op_macs(op, model.shapes) + per_output * np.prod(model.shapes[op.output]))
