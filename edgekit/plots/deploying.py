"""Pictures of a network on a board: the arena over time, and the use of instructions, flash and memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from edgekit.plots._style import BLUE, GREEN, INK, PALETTE, RED, figure, in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class ArenaLike(Protocol):
    """An arena with its buffers, as `edgekit.codegen.arena.Arena`."""

    @property
    def buffers(self) -> Sequence: ...

    @property
    def offsets(self) -> Mapping[str, int]: ...

    @property
    def size(self) -> int: ...


class Costs(Protocol):
    """The costs of a network, as `edgekit.cost.Deployment`."""

    @property
    def rows(self) -> Sequence: ...

    @property
    def flash(self) -> int: ...

    @property
    def arena(self) -> int: ...


@in_style
def arena(arena: ArenaLike, ops: Sequence[str], title: str | None = None) -> Figure:
    """Draw the arena over time: each buffer is a bar; its width is the time it is needed, its height is its size.

    Args:
        arena: an `edgekit.codegen.arena.Arena`.
        ops: names of the ops, in order.
        title: above the picture.

    Returns:
        A `Picture`.
    """
    picture, axes = figure(9, 4.2)
    for i, buffer in enumerate(sorted(arena.buffers, key=lambda buffer: (buffer.first, buffer.name))):
        scratch = buffer.name.endswith(" scratch")
        color = INK if scratch else PALETTE[i % len(PALETTE)]
        first, last = max(buffer.first, -1), min(buffer.last, len(ops) - 1)
        axes.bar(
            first - 0.46,
            buffer.size,
            last - first + 0.92,
            bottom=arena.offsets[buffer.name],
            align="edge",
            color=color,
            alpha=0.35 if scratch else 0.55,
            edgecolor=color,
            linewidth=0.8,
        )
    axes.set_xticks(range(-1, len(ops)), ["input", *ops], rotation=90, fontsize=7)
    axes.axhline(arena.size, color=INK, linewidth=1)
    axes.set_ylabel("bytes")
    axes.grid(False, axis="x")
    axes.set_title(title or f"The arena: {arena.size:,} bytes; bars that overlap share memory, scratch is grey")
    return picture


@in_style
def deployment(costs: Costs, budgets: Mapping[str, int]) -> Figure:
    """Draw the instructions of each layer, and how full flash and memory are.

    Args:
        costs: an `edgekit.cost.Deployment`.
        budgets: bytes of the board: "flash", and one or more kinds of memory, each compared with the arena.

    Returns:
        A `Picture`.
    """
    picture, (left, right) = figure(9, 0.17 * len(costs.rows) + 1.4, 2, width_ratios=[2.2, 1])
    left.barh([row.name for row in costs.rows], [row.instructions / 1e6 for row in costs.rows], color=BLUE)
    left.invert_yaxis()
    left.tick_params(axis="y", labelsize=7)
    left.set(title="Instructions an inference", xlabel="million")
    parts = {what: (costs.flash if what == "flash" else costs.arena) / room for what, room in budgets.items()}
    colors = [GREEN if share <= 1 else RED for share in parts.values()]
    right.bar(list(parts), [100 * share for share in parts.values()], color=colors)
    right.axhline(100, color=INK, linewidth=1)
    right.tick_params(axis="x", labelsize=8)
    right.set(title="Share of the board", ylabel="percent")
    return picture
