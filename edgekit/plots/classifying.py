"""Pictures of a classifier's images and answers: images, confusion matrix, ROC, outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from edgekit.datasets import Dataset
from edgekit.errors import InvalidValue
from edgekit.plots._style import BLUE, CLASS_COLORS, GREEN, INK, PALETTE, RED, figure, in_style, repeat

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@in_style
def images(
    pictures: np.ndarray | Dataset,
    captions: Sequence[str] | None = None,
    right: Sequence[bool] | None = None,
    title: str = "",
    *,
    columns: int = 8,
) -> Figure:
    """Draw images side by side, each with a caption, and if given with a frame: green is right, red is wrong.

    Args:
        pictures: uint8 (N, H, W, 3), at most 64; or a `Dataset`, whose class names are then the captions.
        captions: N texts; None for none.
        right: N truth values, or None for no frames.
        title: above the pictures.
        columns: pictures in a row.

    Returns:
        A `Picture`.

    Raises:
        ValueError: no images, too many, or another number of captions.
    """
    if isinstance(pictures, Dataset):
        captions = captions if captions is not None else [pictures.class_names[label] for label in pictures.labels]
        pictures = pictures.images
    pictures = np.asarray(pictures)
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or not 0 < len(pictures) <= 64:
        raise InvalidValue(
            f"expected 1 to 64 uint8 images (N, height, width, 3), got {pictures.dtype} of shape {pictures.shape}"
        )
    for what, values in (("captions", captions), ("truth values", right)):
        if values is not None and len(values) != len(pictures):
            raise InvalidValue(f"{len(pictures)} images need as many {what}, got {len(values)}")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    side = 9 / max(columns, 4)
    space = 0.24 if captions is not None else 0.05
    picture, axes = figure(side * columns, rows * (side + space) + (0.3 if title else 0), columns, rows, squeeze=False)
    picture.get_layout_engine().set(w_pad=0.03, h_pad=0.02, wspace=0, hspace=0)
    for i, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if i >= len(pictures):
            continue
        ax.imshow(pictures[i], interpolation="bilinear")
        if captions is not None:
            ax.set_title(str(captions[i]), loc="center", size=8.5, weight="normal", y=-0.02, va="top", pad=0)
        if right is not None:
            height, width = pictures[i].shape[:2]
            color = GREEN if right[i] else RED
            ax.add_patch(_frame(width, height, color))
    if title:
        picture.suptitle(title, x=0.01, ha="left", size=11.5, weight="bold")
    return picture


def _frame(width, height, color):
    from matplotlib.patches import Rectangle

    return Rectangle((0.5, 0.5), width - 2, height - 2, fill=False, edgecolor=color, linewidth=3)


@in_style
def confusion(
    matrices: np.ndarray | Mapping[str, np.ndarray], class_names: Sequence[str] = ("no car", "car"), title: str = ""
) -> Figure:
    """Draw confusion matrices: a row for each label, a column for each answer.

    Args:
        matrices: counts (2, 2), or a dict from a label to such a matrix.
        class_names: of the two classes.
        title: above the matrix, if there is only one.

    Returns:
        A `Picture`; right answers are blue, wrong ones red; a stronger colour is a larger share of the row.

    Raises:
        ValueError: a matrix is not (2, 2).
    """
    matrices = matrices if isinstance(matrices, Mapping) else {title: matrices}
    picture, axes = figure(3.0 * len(matrices) + 0.2, 2.75, len(matrices), squeeze=False)
    for ax, (label, matrix) in zip(axes[0], matrices.items(), strict=True):
        matrix = np.asarray(matrix)
        if matrix.shape != (2, 2):
            raise InvalidValue(f"a confusion matrix of two classes is (2, 2), got {matrix.shape}")
        for (row, column), count in np.ndenumerate(matrix):
            share = count / max(matrix[row].sum(), 1)
            color = BLUE if row == column else RED
            ax.bar(column, 0.96, 0.96, bottom=row - 0.48, color=color, alpha=0.08 + 0.72 * share)
            ax.text(column, row - 0.08, f"{int(count):,}", ha="center", va="center", size=15, weight="bold")
            ax.text(column, row + 0.22, f"{share:.1%}", ha="center", va="center", size=8.5)
        for text in ax.texts:
            text.set_color(INK)
        _readable(ax, matrix)
        ax.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5), aspect="equal", xlabel="the network says", ylabel="the image shows")
        ax.set_xticks([0, 1], class_names)
        ax.set_yticks([0, 1], class_names, rotation=90, va="center")
        ax.grid(False)
        ax.spines[:].set_visible(False)
        ax.set_title(f"{label}\n{np.trace(matrix) / max(matrix.sum(), 1):.1%} right".strip())
    return picture


def _readable(ax, matrix):
    """The colour of a number: white on strong colours, in both themes."""
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    for text, share in zip(ax.texts, np.repeat(shares.ravel(), 2), strict=True):
        if share > 0.5:
            text.set_color("white")


@in_style
def roc(curves: Mapping[str, tuple], title: str = "Every threshold at once") -> Figure:
    """Draw the receiver operating characteristic: the share of cars found, against that of other images called a car.

    Args:
        curves: dict from a label to (false positive rates, true positive rates), each (T,), or to
            (false positive rates, true positive rates, marked) where `marked` is the index of a point to mark.
        title: above the picture.

    Returns:
        A `Picture`; the area under each curve is in the legend.
    """
    picture, ax = figure(4.9, 3.7)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.text(0.62, 0.57, "guessing", color=INK, size=8.5, rotation=38)
    for (label, (false, true, *marked)), color in zip(curves.items(), repeat(PALETTE), strict=False):
        false, true = np.asarray(false, float), np.asarray(true, float)
        order = np.lexsort((true, false))
        area = np.trapezoid(true[order], false[order])
        ax.plot(false[order], true[order], color=color, label=f"{label} (area {area:.3f})")
        for index in marked:
            ax.plot(false[index], true[index], "o", color=color, markersize=7, clip_on=False, zorder=5)
    ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="images without a car, called a car", ylabel="cars found")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.legend(loc="lower right")
    ax.set_title(title)
    return picture


@in_style
def scores(
    outputs: np.ndarray | Mapping[str, np.ndarray],
    labels: np.ndarray,
    class_names: Sequence[str] = ("no car", "car"),
    title: str = "What the network answers",
) -> Figure:
    """Draw how often each output occurs, for each label: the less the two histograms overlap, the better.

    Args:
        outputs: (N,) from 0 to 1, or a dict from a label to such arrays.
        labels: (N,) 0 or 1.
        class_names: of the two classes.
        title: above the histogram, if there is only one.

    Returns:
        A `Picture`.
    """
    each = outputs if isinstance(outputs, dict) else {title: outputs}
    picture, axes = figure(min(9, 4.6 * len(each)), 2.6, len(each), squeeze=False, sharey=True)
    edges = np.linspace(0, 1, 26)
    labels = np.asarray(labels)
    for ax, (label, values) in zip(axes[0], each.items(), strict=True):
        values = np.nan_to_num(np.asarray(values, float).reshape(len(labels)), nan=0.5)
        for kind, (name, color) in enumerate(zip(class_names, CLASS_COLORS, strict=True)):
            counts, _ = np.histogram(np.clip(values[labels == kind], 0, 1), edges)
            ax.stairs(counts, edges, fill=True, color=color, alpha=0.6, label=f"images: {name}")
        ax.axvline(0.5, 0, 0.62, color=INK, linewidth=1, linestyle=(0, (4, 3)))  # the legend is above
        ax.set(xlim=(0, 1), xlabel="output")
        ax.set_title(label)
    axes[0, 0].set_ylabel("images")
    axes[0, 0].legend(loc="upper center")
    return picture


@in_style
def agreement(
    real: np.ndarray, integer: np.ndarray, labels: np.ndarray, title: str = "Float against int8, image by image"
) -> Figure:
    """Draw the outputs of two networks for the same images; on the diagonal they are equal.

    Args:
        real, integer: (N,) outputs from 0 to 1.
        labels: (N,) 0 or 1, for the colours.
        title: above the picture.

    Returns:
        A `Picture`; in the shaded quarters the two answers differ.
    """
    real, integer, labels = (np.asarray(values).ravel() for values in (real, integer, labels))
    picture, ax = figure(4.6, 3.8)
    for left, bottom in ((0, 0.5), (0.5, 0)):
        ax.bar(left, 0.5, 0.5, bottom=bottom, align="edge", color=RED, alpha=0.12)
    ax.plot([0, 1], [0, 1], color=INK, linewidth=1)
    for kind, (name, color) in enumerate(zip(("no car", "car"), CLASS_COLORS, strict=True)):
        ax.scatter(real[labels == kind], integer[labels == kind], s=18, color=color, alpha=0.7, label=name)
    changed = int(((real > 0.5) != (integer > 0.5)).sum())
    ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", xlabel="float output", ylabel="int8 output")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1), title="the image shows", alignment="left")
    ax.set_title(f"{title}: {changed} of {len(real)} answers change")
    return picture
