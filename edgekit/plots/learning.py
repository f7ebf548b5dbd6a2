"""Pictures of training and of a small network: loss, decision boundary, noise, the network itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.datasets import Dataset
from edgekit.errors import InvalidValue
from edgekit.plots._style import BLUE, CLASS_COLORS, INK, ORANGE, PALETTE, figure, in_style, repeat, rgb

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure


@in_style
def loss(history: Any) -> Figure:
    """Draw the loss curve of a training run, and beside it the accuracy, if it was measured.

    Args:
        history: the result of `edgekit.training.fit`: lists with one number for each epoch, ``loss`` and perhaps
            ``accuracy``, ``val_loss``, ``val_accuracy``. A `keras.callbacks.History` is accepted too.

    Returns:
        A `Picture`.

    Raises:
        ValueError: the history has no loss.
    """
    history = getattr(history, "history", history)
    if not len(history.get("loss", ())):
        raise InvalidValue(f"the history holds no loss, only {', '.join(history) or 'nothing'}: has the training run?")
    measures = [name for name in ("loss", "accuracy") if len(history.get(name, ()))]
    picture, axes = figure(4.4 * len(measures), 2.9, len(measures), squeeze=False)
    for ax, name in zip(axes[0], measures, strict=True):
        epochs = np.arange(1, len(history[name]) + 1)
        curves = [("training", history[name], BLUE)]
        if len(history.get(f"val_{name}", ())):
            curves.append(("validation", history[f"val_{name}"], ORANGE))
        for label, values, color in curves:
            ax.plot(epochs, values, color=color, label=label, marker="o" if len(epochs) == 1 else None)
            ax.plot(epochs[-1], values[-1], "o", color=color, markersize=5, clip_on=False, zorder=5)
            ax.annotate(
                f"{values[-1]:.0%}" if name == "accuracy" else f"{values[-1]:.3g}",
                (epochs[-1], values[-1]),
                textcoords="offset points",
                xytext=(-2, 8),
                ha="right",
                color=color,
                weight="bold",
            )
        ax.set_title(name.capitalize())
        ax.set_xlabel("epoch")
        if name == "accuracy":
            ax.set_ylim(0, 1.09)
            ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        else:
            ax.set_ylim(bottom=0)
        if len(curves) > 1:
            ax.legend()
    return picture


@in_style
def points(dataset: Dataset, title: str = "Which class is each input?") -> Figure:
    """Draw the rows of a data set with two inputs as points of the plane, coloured by their class.

    Args:
        dataset: a `Dataset` with inputs of shape (N, 2).
        title: above the picture.

    Returns:
        A `Picture`.
    """
    inputs = _plane(dataset)
    picture, ax = figure(3.6, 3.6)
    _scatter(ax, inputs, dataset)
    _square(ax, *_window(inputs))
    ax.set_title(title)
    return picture


@in_style
def decision_boundary(
    predict: Any, dataset: Dataset | None = None, title: str = "Decision boundary", *, steps: int = 161
) -> Figure:
    """Draw the answers of a classifier with two inputs over the plane; on the line its output is 0.5.

    Args:
        predict: a Keras model, a `Network`, a `QuantizedNetwork`, or a function from inputs (N, 2) to N outputs, each
            from 0 to 1.
        dataset: a `Dataset` with inputs (N, 2) to draw over it; it also determines the visible part of the plane.
        title: above the picture.
        steps: points along each side of the grid; the classifier computes ``steps ** 2`` outputs.

    Returns:
        A `Picture`.
    """
    from matplotlib.colors import LinearSegmentedColormap

    inputs = _plane(dataset) if dataset is not None else np.array([[0, 0], [1, 1]], np.float32)
    (left, right), (bottom, top) = _window(inputs)
    across, up = np.linspace(left, right, steps), np.linspace(bottom, top, steps)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    outputs = _predict(predict, grid).reshape(steps, steps)

    # Transparent near 0.5, so that the middle has the page's colour in both themes.
    ends = [(*rgb(CLASS_COLORS[0]), 0.8), (*rgb(INK), 0.0), (*rgb(CLASS_COLORS[1]), 0.8)]
    shades = LinearSegmentedColormap.from_list("undecided", ends)
    picture, ax = figure(4.5, 3.6)
    image = ax.imshow(
        outputs,
        origin="lower",
        extent=(left, right, bottom, top),
        cmap=shades,
        vmin=0,
        vmax=1,
        interpolation="bilinear",
    )
    if outputs.min() < 0.5 < outputs.max():
        ax.contour(across, up, outputs, levels=[0.5], colors=INK, linewidths=2)
    bar = picture.colorbar(image, ax=ax, ticks=[0, 0.5, 1], shrink=0.8, pad=0.04)
    bar.outline.set_visible(False)
    bar.set_label("output")
    if dataset is not None:
        _scatter(ax, inputs, dataset)
    _square(ax, (left, right), (bottom, top))
    ax.grid(False)
    ax.set_title(title)
    return picture


@in_style
def output_against_noise(
    noise: np.ndarray,
    outputs: np.ndarray | Mapping[str, np.ndarray],
    title: str = "How much noise can it take?",
    *,
    xlabel: str = "noise added to the input",
) -> Figure:
    """Draw a network's outputs over the noise that was added to its input, with one curve for each input.

    Args:
        noise: (N,) the amount of noise.
        outputs: {label: outputs from 0 to 1}, or one array; (N,), or (N, D) for D random draws of each amount, which
            become dots around the curve of their mean.
        title: above the picture.
        xlabel: the meaning of the amount of noise.

    Returns:
        A `Picture`; above the line at 0.5 the answer is 1, below it 0.

    Raises:
        ValueError: the lengths of a curve and of the noise differ.
    """
    noise = np.asarray(noise, float).ravel()
    curves = outputs if hasattr(outputs, "items") else {"": outputs}
    picture, ax = figure(6.6, 3.3)
    ax.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    # The labels are on the left: without noise, the curves are far from the middle there.
    ax.text(0.005, 0.51, "answer 1", color=INK, size=8.5, va="bottom", transform=ax.get_yaxis_transform())
    ax.text(0.005, 0.49, "answer 0", color=INK, size=8.5, va="top", transform=ax.get_yaxis_transform())
    for color, (label, values) in zip(repeat(PALETTE), curves.items(), strict=False):
        values = np.asarray(values, float)
        if values.shape[:1] != noise.shape or values.ndim > 2:
            raise InvalidValue(f"the curve {label!r} has the shape {values.shape} for {noise.size} amounts of noise")
        draws = values.reshape(noise.size, -1)
        if draws.shape[1] > 1:
            ax.plot(noise, draws, "o", color=color, markersize=3.5, markeredgewidth=0, alpha=0.45)
        marker = "o" if draws.shape[1] == 1 and noise.size <= 60 else None
        ax.plot(noise, draws.mean(axis=1), color=color, marker=marker, markersize=4, label=str(label))
    ax.set(ylim=(-0.04, 1.04), yticks=[0, 0.25, 0.5, 0.75, 1], xlabel=xlabel, ylabel="output")
    ax.set_title(title)
    if any(curves):
        picture.legend(loc="outside right center", title="input", title_fontsize=10)
    return picture


@in_style
def neurons(model: keras.Model, title: str | None = None) -> Figure:
    """Draw a small network of dense layers: a line is a weight; its colour is the sign, its width the magnitude.

    Args:
        model: a Keras model whose layers with weights are all dense, at most 40 units wide.
        title: above the picture; by default its name.

    Returns:
        A `Picture`.

    Raises:
        ValueError: the model has other layers, or too many units to draw.
    """
    dense = [layer for layer in model.layers if layer.weights]
    kernels = [np.asarray(layer.kernel) for layer in dense if len(layer.weights) in (1, 2) and hasattr(layer, "kernel")]
    if len(kernels) != len(dense) or not kernels or any(kernel.ndim != 2 for kernel in kernels):
        raise InvalidValue("only networks of dense layers can be drawn as circles and lines")
    sizes = [kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)]
    if max(sizes) > 40:
        raise InvalidValue(f"a layer of {max(sizes)} units is too wide to draw, at most 40")
    picture, ax = figure(6.4, 1.2 + 0.3 * max(sizes))
    heights = [np.linspace(-1, 1, size) * (size - 1) / 2 if size > 1 else np.zeros(1) for size in sizes]
    largest = max(np.abs(kernel).max() for kernel in kernels) or 1.0
    for column, kernel in enumerate(kernels):
        for (i, j), weight in np.ndenumerate(kernel):
            size = abs(weight) / largest
            ax.plot(
                [column, column + 1],
                [heights[column][i], heights[column + 1][j]],
                color=BLUE if weight >= 0 else ORANGE,
                linewidth=0.3 + 3.2 * size,
                alpha=0.25 + 0.6 * size,
                zorder=1,
            )
    names = ["input", *(_layer_label(layer) for layer in dense)]
    for column, (units, name) in enumerate(zip(heights, names, strict=True)):
        ax.scatter(np.full(len(units), column), units, s=260, color=INK, zorder=3, edgecolors="none")
        ax.text(column, max(map(max, heights)) + 0.85, name, ha="center", va="bottom", size=10)
    ax.plot([], [], color=BLUE, label="positive weight")
    ax.plot([], [], color=ORANGE, label="negative weight")
    picture.legend(loc="outside lower center", ncols=2)
    ax.set_xlim(-0.3, len(sizes) - 0.7)
    ax.set_axis_off()
    picture.suptitle(
        title or f"{model.name}: {model.count_params()} parameters", x=0.01, ha="left", size=11.5, weight="bold"
    )
    return picture


def _layer_label(layer):
    activation = getattr(layer.activation, "__name__", "linear")
    return f"{layer.name}\n{activation}" if activation != "linear" else layer.name


def _plane(dataset):
    inputs = np.asarray(dataset.inputs)
    if inputs.ndim != 2 or inputs.shape[1] != 2:
        raise InvalidValue(f"only inputs of shape (N, 2) can be drawn in the plane, got {inputs.shape}")
    return inputs


def _window(inputs):
    """The part of the plane to show: the inputs with a margin of a third of their spread."""
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    margin = np.maximum((high - low) / 3, 0.1)
    return tuple(zip(low - margin, high + margin, strict=True))


def _square(ax, across, up):
    ax.set(xlim=across, ylim=up, xlabel="input a", ylabel="input b", aspect="equal", xticks=[0, 1], yticks=[0, 1])


def _scatter(ax, inputs, dataset):
    size = 150 if len(inputs) <= 20 else 16
    for label, (name, color) in enumerate(zip(dataset.class_names, repeat(CLASS_COLORS), strict=False)):
        rows = inputs[np.asarray(dataset.labels) == label]
        ax.scatter(*rows.T, s=size, color=color, edgecolors="white", linewidths=1.5 if size > 50 else 0.5, zorder=4)
        if size > 50:
            for row in rows:
                ax.text(*row, name, color="white", weight="bold", size=9, ha="center", va="center_baseline", zorder=5)


def _predict(predict, inputs):
    """Outputs (N,) of anything that can predict."""
    if hasattr(predict, "predict"):
        # Without verbose=0, Keras draws a progress bar into the notebook.
        quiet = {"verbose": 0} if hasattr(predict, "layers") else {}
        outputs = predict.predict(inputs, **quiet)
    elif hasattr(predict, "run"):
        outputs = predict.run(inputs)
    else:
        outputs = predict(inputs)
    outputs = np.asarray(outputs, float).reshape(len(inputs), -1)
    if outputs.shape[1] != 1:
        raise InvalidValue(f"expected one output for each input, got {outputs.shape[1]}")
    return outputs[:, 0]
