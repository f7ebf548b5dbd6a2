"""Pictures of real numbers that become int8: steps, ranges, and the errors of rounding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from edgekit.calibration import Ranges
from edgekit.errors import InvalidValue
from edgekit.plots._style import BLUE, GREEN, INK, ORANGE, PALETTE, figure, in_style, repeat
from edgekit.quantization import Quantization
from edgekit.table import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@in_style
def quantization_steps(
    values: ArrayLike, scale: float, zero_point: int, title: str = "Each real number moves to the nearest step"
) -> Figure:
    """Draw real numbers above the int8 steps, and the distance from each number to its step.

    Args:
        values: real numbers, any shape, at most 200.
        scale, zero_point: real = scale * (step - zero_point).
        title: above the picture.

    Returns:
        A `Picture`.
    """
    values = np.sort(np.asarray(values, float).ravel())
    if not 0 < values.size <= 200:
        raise InvalidValue(f"expected 1 to 200 numbers to draw, got {values.size}")
    steps = np.clip(np.round(values / scale) + zero_point, -128, 127)
    moved = scale * (steps - zero_point)
    picture, ax = figure(8.4, 2.3)
    grid = scale * (np.arange(-128, 128) - zero_point)
    margin = 0.04 * (values[-1] - values[0]) + scale
    grid = grid[(grid >= values[0] - margin) & (grid <= values[-1] + margin)]
    ax.vlines(grid, -0.12, 0.12, color=INK, alpha=0.55, linewidth=0.8)
    ax.plot([values, moved], [np.full(values.size, 0.82), np.full(values.size, 0.16)], color=INK, linewidth=0.8)
    ax.scatter(values, np.full(values.size, 0.9), color=BLUE, s=26, zorder=3)
    ax.scatter(moved, np.zeros(values.size), color=ORANGE, s=26, zorder=3)
    ax.set(yticks=[0, 0.9], yticklabels=["int8 steps", "real"], ylim=(-0.3, 1.15), xlabel="value")
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    error = np.abs(moved - values).max()
    ax.set_title(f"{title}; the farthest by {error:.3g} (half a step is {scale / 2:.3g})")
    return picture


@in_style
def histogram(
    ranges: Ranges, tensor: str, quantization: Quantization | None = None, title: str | None = None
) -> Figure:
    """Draw the values of a tensor in calibration, with the range that its int8 steps cover.

    Args:
        ranges: `edgekit.calibration.Ranges` made with ``histograms=True``, or by another observer than "minmax".
        tensor: its name; a layer's output has the layer's name.
        quantization: `edgekit.quantization.Quantization` of the tensor; by default the range is that of `ranges`.
        title: above the picture; by default the tensor's name and the share of values cut off.

    Returns:
        A `Picture`.
    """
    low, high = ranges[tensor]
    if tensor not in ranges.histograms:
        raise InvalidValue("these ranges hold no histograms: calibrate(network, images, histograms=True) keeps them")
    counts, edges = ranges.histograms[tensor]
    if quantization is not None:
        low, high = (float(quantization.dequantize(q)) for q in (-128, 127))
    centers = (edges[:-1] + edges[1:]) / 2
    cut = counts[(centers < low) | (centers > high)].sum() / counts.sum()
    picture, ax = figure(8.4, 2.8)
    # The eye can hardly tell apart more than 128 bars.
    ax.stairs(counts.reshape(-1, 16).sum(axis=1), edges[::16], fill=True, color=BLUE, alpha=0.85)
    for at in (low, high):
        ax.axvline(at, color=ORANGE)
    ax.set(yscale="symlog", xlabel="value", ylabel="how often", ylim=(0, None))
    ax.set_title(title or f"{tensor}: int8 covers {low:.3g} to {high:.3g}, {cut:.2%} of the values are cut off")
    return picture


def noise(
    tables: Table | Mapping[str, Table],
    column: str = "output dB",
    title: str = "Signal to quantization noise, layer by layer",
) -> Figure:
    """Draw the signal to noise ratio of each layer, for each way of quantizing.

    Args:
        tables: dict from a label to the table of `edgekit.quantization.noise.per_layer`, all of one network; or one
            such table.
        column: "output dB" or "weights dB".
        title: above the picture.

    Returns:
        A `Picture`.
    """
    tables = {"": tables} if isinstance(tables, Table) else tables
    curves = {label: dict(zip(table["layer"], table[column], strict=True)) for label, table in tables.items()}
    return decibels(curves, f"{title}; at 0 dB, noise and signal are equal")


@in_style
def decibels(curves: Mapping[str, Mapping[str, float]], title: str) -> Figure:
    """Draw the decibels of each layer, with a curve for each way of quantizing.

    Args:
        curves: dict from a label to a dict from a layer's name to its decibels.
        title: above the picture.

    Returns:
        A `Picture`.
    """
    picture, ax = figure(8.8, 3.6)
    for (label, layers), color in zip(curves.items(), repeat(PALETTE), strict=False):
        values = np.array(list(layers.values()), float)
        values[~np.isfinite(values)] = np.nan
        ax.plot([_short(name) for name in layers], values, marker="o", markersize=4, color=color, label=label)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set(ylabel="dB")
    ax.tick_params(axis="x", rotation=90, labelsize=8)
    ax.margins(x=0.02)
    ax.set_title(title)
    if len(curves) > 1:
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.2 * (high - low))  # room for the legend
        ax.legend(loc="upper right", ncols=len(curves))
    return picture


def _short(name):
    return name if len(name) <= 14 else f"{name[:11]}..."


@in_style
def pairs(values: Mapping[str, np.ndarray], title: str, xlabel: str = "channel") -> Figure:
    """Draw a few numbers that were computed in two or three ways, side by side.

    Args:
        values: dict from a label to (n,) numbers, n at most 64.
        title: above the picture.
        xlabel: the meaning of the positions 0 to n - 1.

    Returns:
        A `Picture`.
    """
    picture, ax = figure(8.8, 2.5)
    width = 0.8 / len(values)
    for i, ((label, numbers), color) in enumerate(zip(values.items(), repeat(PALETTE), strict=False)):
        numbers = np.asarray(numbers, float).ravel()
        at = np.arange(len(numbers))
        ax.bar(at - 0.4 + (i + 0.5) * width, numbers, 0.9 * width, color=color, label=label)
    ax.set(xlabel=xlabel, xticks=at)
    ax.margins(x=0.01)
    ax.grid(False, axis="x")
    ax.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(values))
    ax.set_title(title)
    return picture


@in_style
def rounding(
    real: np.ndarray, rounded: np.ndarray | Mapping[str, np.ndarray], title: str = "Weights before and after"
) -> Figure:
    """Draw histograms of real weights, and of the same weights after rounding.

    Args:
        real: float array, any shape.
        rounded: the real values that the rounded weights stand for, of the same shape; or a dict from a label to such
            arrays.
        title: above the picture.

    Returns:
        A `Picture`; the title of each histogram gives its number of different values.

    Raises:
        ValueError: the shapes differ.
    """
    real = np.asarray(real, float).ravel()
    each = rounded if isinstance(rounded, dict) else {"rounded": rounded}
    low, high = (pick([pick(np.asarray(v, float)) for v in (real, *each.values())]) for pick in (np.min, np.max))
    margin = 0.03 * (high - low) or 1.0
    edges = np.linspace(low - margin, high + margin, 102)
    picture, axes = figure(8.8, 1.0 + 1.15 * (1 + len(each)), rows=1 + len(each), sharex=True)
    for ax, (label, values), color in zip(axes, [("float", real), *each.items()], repeat(PALETTE), strict=False):
        values = np.asarray(values, float).ravel()
        if values.shape != real.shape:
            raise InvalidValue(f"{label!r} has {values.size} weights, the real ones are {real.size}")
        counts, _ = np.histogram(values, edges)
        ax.stairs(counts, edges, fill=True, color=color)
        ax.set_yscale("symlog")
        ax.set_ylim(0, 12 * counts.max())  # on this scale a quarter of the height, for the words
        ax.set_yticks([])
        levels = len(np.unique(values))
        ax.text(
            0.995, 0.93, f"{label}: {levels:,} different value{'s' * (levels > 1)}", va="top", ha="right", color=color,
            weight="bold", transform=ax.transAxes,
        )  # fmt: skip
        ax.grid(False, axis="y")
    axes[-1].set_xlabel("weight")
    axes[0].set_title(title)
    return picture


@in_style
def channels(
    rows: np.ndarray,
    scales: Mapping[str, np.ndarray] | None = None,
    title: str = "The weights of each channel",
    *,
    most: int = 32,
) -> Figure:
    """Draw the weights of a layer, channel by channel, and the number of int8 steps that each channel uses.

    Args:
        rows: float (channels, n), as `edgekit.quantization.by_channel` gives them; the first `most` are drawn.
        scales: None, or a dict from a label to scales (channels,) or (1,). Bars then show each channel's largest weight
            in steps of its scale, from 0 to 127.
        title: above the picture.

    Returns:
        A `Picture`.
    """
    rows = np.asarray(rows, float)
    if rows.ndim != 2:
        raise InvalidValue(f"expected a row of weights for each channel, got an array of shape {rows.shape}")
    rows = rows[:most]
    scales = scales or {}
    picture, axes = figure(8.8, 2.5 + 1.5 * bool(scales), rows=1 + bool(scales), sharex=True, squeeze=False)
    ax = axes[0, 0]
    ax.axhline(0, color=INK, linewidth=0.8)
    at = np.arange(len(rows))
    ax.bar(at, np.ptp(rows, axis=1), 0.7, bottom=rows.min(axis=1), color=BLUE, alpha=0.3)
    ax.plot(np.repeat(at, rows.shape[1]), rows.ravel(), "_", color=BLUE, markersize=11, markeredgewidth=1.4)
    ax.set_ylabel("weights")
    ax.grid(False, axis="x")
    ax.set_title(title)
    if scales:
        ax = axes[1, 0]
        width = 0.8 / len(scales)
        for i, ((label, scale), color) in enumerate(zip(scales.items(), repeat((ORANGE, GREEN)), strict=False)):
            scale = np.broadcast_to(np.ravel(scale)[:most], len(rows))
            steps = np.abs(rows).max(axis=1) / scale.astype(float)
            ax.bar(at - 0.4 + (i + 0.5) * width, np.clip(steps, 0, 127), 0.92 * width, color=color, label=label)
        ax.set(ylabel="steps used", ylim=(0, 175), yticks=[0, 64, 127])
        ax.grid(False, axis="x")
        ax.legend(loc="upper right", ncols=len(scales))
    axes[-1, 0].set_xlabel("channel")
    axes[-1, 0].set_xticks(at if len(rows) <= 32 else at[::4])
    return picture
