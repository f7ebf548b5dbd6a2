"""Pictures of a large network: its shape, the cost of each layer, and comparisons of measured values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Graph, op_macs
from edgekit.plots._style import BLUE, GREEN, INK, ORANGE, PALETTE, PURPLE, figure, in_style, repeat

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KIND_COLORS = {"conv2d": BLUE, "depthwise_conv2d": ORANGE, "fully_connected": GREEN, "mean": PURPLE}
_KIND_NAMES = {
    "conv2d": "convolution (mixes the channels)",
    "depthwise_conv2d": "depthwise (each channel separately)",
    "mean": "average over the picture",
    "fully_connected": "weighted sum, then sigmoid",
}


@in_style
def feature_maps(net: Graph, title: str | None = None) -> Figure:
    """Draw a convolutional network from image to answer: each tensor is a slab, thicker if it has more channels.

    Args:
        net: an `edgekit.network.Network` or `QuantizedNetwork` whose input is an image.
        title: above the picture.

    Returns:
        A `Picture`.

    Raises:
        ValueError: its input is not an image.
    """
    if len(net.shapes[net.input]) != 3:
        raise InvalidValue(f"only networks of images can be drawn as slabs; this one takes {net.shapes[net.input]}")
    ops = [op for op in net.ops if op.kind in _KIND_COLORS]
    picture, ax = figure(9, 3.1)
    at, shown, last = 0.0, set(), None
    tallest = net.shapes[net.input][0]
    for shape, op in [(net.shapes[net.input], None), *((net.shapes[op.output], op) for op in ops)]:
        height, channels = (shape[0], shape[2]) if len(shape) == 3 else (1, shape[-1])
        # The area of a picture's side, and the logarithm of its channels, keep both ends of the network visible.
        tall, thick = 0.08 + 0.92 * (height / tallest) ** 0.7, 0.18 + 0.075 * np.log2(max(channels, 1))
        color = INK if op is None else _KIND_COLORS[op.kind]
        label = _KIND_NAMES.get(op.kind) if op is not None and op.kind not in shown else None
        shown.add(op.kind if op is not None else None)
        _slab(ax, at, thick, tall, color, label)
        size = f"{height}×{height}" if len(shape) == 3 and height > 1 else "1"
        if size != last:
            ax.text(at + thick / 2, tall / 2 + 0.17, size, ha="left", va="bottom", size=8.5, rotation=35)
            last = size
        if op is None or op.kind != "depthwise_conv2d":
            ax.text(at + thick / 2, -tall / 2 - 0.05, f"{channels}", ha="center", va="top", size=8)
        at += thick + 0.13
    ax.text(-0.15, -0.72, "channels", size=8.5, va="center")
    ax.set(xlim=(-0.2, at + 0.3), ylim=(-0.8, 1.0))
    ax.set_axis_off()
    picture.legend(loc="outside lower left", ncols=2, fontsize=9)
    default = f"{net.name}: {net.parameters:,} parameters, {net.macs / 1e6:.2f} million multiply-accumulates"
    picture.suptitle(title or default, x=0.01, ha="left", size=11.5, weight="bold")
    return picture


def _slab(ax, left, thick, tall, color, label):
    """A box seen from the front and a little from above."""
    bottom, depth = -tall / 2, 0.12 * (0.3 + tall)
    ax.fill(
        [left, left + thick, left + thick, left],
        [bottom, bottom, bottom + tall, bottom + tall],
        color=color,
        alpha=0.85,
        label=label,
    )
    top = [bottom + tall, bottom + tall, bottom + tall + depth, bottom + tall + depth]
    ax.fill([left, left + thick, left + thick + depth, left + depth], top, color=color, alpha=0.45)
    side = [left + thick, left + thick + depth, left + thick + depth, left + thick]
    ax.fill(side, [bottom, bottom + depth, bottom + tall + depth, bottom + tall], color=color, alpha=0.6)


@in_style
def costs(net: Graph, title: str = "What each layer costs") -> Figure:
    """Draw the parameters and the multiply-accumulates of each layer: its memory and its work.

    Args:
        net: an `edgekit.network.Network` or `QuantizedNetwork`.
        title: above the picture.

    Returns:
        A `Picture`.
    """
    ops = [op for op in net.ops if op.weights is not None]
    names = [op.name for op in ops]
    picture, axes = figure(9, 3.9, rows=2, sharex=True)
    for ax, values, what in (
        (axes[0], [op.weights.size + op.bias.size for op in ops], "parameters"),
        (axes[1], [op_macs(op, net.shapes) / 1000 for op in ops], "thousand MACs"),
    ):
        ax.bar(names, values, color=[_KIND_COLORS.get(op.kind, PURPLE) for op in ops], width=0.75)
        ax.set_ylabel(what)
        ax.grid(False, axis="x")
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        ax.margins(x=0.01)
    axes[1].tick_params(axis="x", rotation=90, labelsize=8)
    axes[0].set_title(title)
    for kind in dict.fromkeys(op.kind for op in ops):
        axes[0].bar([names[0]], [0], color=_KIND_COLORS.get(kind, PURPLE), label=kind)
    axes[0].legend(loc="upper left")
    return picture


@in_style
def compare(measures: Mapping[str, Mapping[str, Any]], title: str = "") -> Figure:
    """Draw several measures of the same things side by side, each measure on its own scale.

    Args:
        measures: dict from a measure ("milliseconds", say) to a dict from a label to its value. A value may also be a
            pair (value, text) where the text is to stand beside the bar.
        title: above the picture.

    Returns:
        A `Picture`.
    """
    most = max(len(values) for values in measures.values())
    picture, axes = figure(9, 0.55 + 0.34 * most + (0.3 if title else 0), len(measures), squeeze=False)
    for i, (ax, (measure, values)) in enumerate(zip(axes[0], measures.items(), strict=True)):
        largest = max((value[0] if isinstance(value, tuple) else value) for value in values.values()) or 1
        for row, ((_, value), color) in enumerate(zip(values.items(), repeat(PALETTE), strict=False)):
            value, text = value if isinstance(value, tuple) else (value, f"{value:,.4g}")
            ax.barh(row, value, color=color, height=0.66)
            inside = value > 0.55 * largest
            ax.text(
                value - 0.02 * largest if inside else value + 0.02 * largest,
                row,
                text,
                va="center",
                ha="right" if inside else "left",
                color="white" if inside else INK,
                size=9,
                weight="bold",
            )
        ax.set(xlim=(0, largest), xticks=[])
        ax.set_yticks(range(len(values)), list(values) if i == 0 else [""] * len(values))
        ax.invert_yaxis()
        ax.grid(False)
        ax.spines["bottom"].set_visible(False)
        ax.set_title(measure, size=10)
    if title:
        picture.suptitle(title, x=0.01, ha="left", size=11.5, weight="bold")
    return picture
