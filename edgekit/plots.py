"""The pictures of the lessons, in one style that is read equally well in JupyterLab's light and dark theme.

Each function returns a `Picture`. A notebook shows the one that a cell ends with; ``picture.show()`` shows it anywhere,
``picture.savefig(path)`` writes it. Matplotlib is imported when the first picture is drawn.
"""

from __future__ import annotations

import functools
import io
from contextlib import contextmanager

import numpy as np

# The middle tones: each has a contrast of at least 3 to 1 with white and with JupyterLab's dark grey (#111111).
INK = "#7b8088"
BLUE, ORANGE, GREEN, PURPLE, RED, TEAL = "#2f86eb", "#e0701f", "#1f9d61", "#9a6cf0", "#e5484d", "#0f9aa8"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, TEAL, RED)
CLASS_COLORS = (ORANGE, BLUE)  # of the classes 0 and 1
FAINT = 0.25  # opacity of grids and frames

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "figure.facecolor": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica Neue", "Segoe UI", "Noto Sans", "Arial", "DejaVu Sans"],
    "font.size": 10,
    "grid.alpha": FAINT,
    "grid.color": INK,
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.major.size": 0,
    "ytick.color": INK,
    "ytick.major.size": 0,
}


@functools.cache
def _picture_class():
    from matplotlib.figure import Figure

    class Picture(Figure):
        """A Matplotlib figure that shows itself in a notebook, sharp on any screen and without a background.

        It is not registered with pyplot: so it is drawn once, by the cell that returns it, and is forgotten with it.
        """

        def _repr_mimebundle_(self, include=None, exclude=None):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=192, bbox_inches="tight", pad_inches=0.08)
            png = buffer.getvalue()
            # The header's two big-endian sizes; a notebook shows the picture at half of them.
            width, height = (int.from_bytes(png[at : at + 4], "big") // 2 for at in (16, 20))
            label = ", ".join(ax.get_title(loc="left") for ax in self.axes if ax.get_title(loc="left"))
            bundle = {"image/png": png, "text/plain": f"<Picture: {label}>"}
            return bundle, {"image/png": {"width": width, "height": height}}

        def show(self):
            """Show the picture here, where a cell does not end with it."""
            from IPython.display import display

            display(self)

    return Picture


@contextmanager
def style():
    """Draw with the house style: ``with style(): ...`` also for a Matplotlib figure of one's own."""
    import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def figure(width, height, columns=1, rows=1, **subplots):
    """An empty `Picture` with its axes, to be filled inside `style`.

    Args:
        width, height: inches; a notebook shows 96 pixels an inch, and on a laptop is about 9 inches wide.
        columns, rows: of axes.
        subplots: passed to `Figure.subplots`.

    Returns:
        (picture, axes) where axes is one `Axes`, or an array of them.
    """
    picture = _picture_class()(figsize=(width, height), layout="constrained")
    return picture, picture.subplots(rows, columns, **subplots)


def _in_style(draw):
    @functools.wraps(draw)
    def styled(*args, **kwargs):
        with style():
            return draw(*args, **kwargs)

    return styled


@_in_style
def loss(history):
    """The loss curve of a training run and, where it was measured, the accuracy beside it.

    Args:
        history: what `edgekit.training.fit` returns: lists with one number an epoch, ``loss`` and perhaps ``accuracy``,
            ``val_loss``, ``val_accuracy``. A `keras.callbacks.History` will do.

    Returns:
        A `Picture`.

    Raises:
        ValueError: there is no loss in it.
    """
    history = getattr(history, "history", history)
    if not len(history.get("loss", ())):
        raise ValueError(f"the history holds no loss, only {', '.join(history) or 'nothing'}: has the training run?")
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


@_in_style
def points(dataset, title="Which class is each input?"):
    """The rows of a data set with two inputs as points of the plane, coloured by their class.

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


@_in_style
def decision_boundary(predict, dataset=None, title="Decision boundary", *, steps=161):
    """What a classifier with two inputs answers over the plane; the line is where it is undecided, at 0.5.

    Args:
        predict: a Keras model, a `Network`, a `QuantizedNetwork`, or a function from inputs (N, 2) to N outputs, each
            from 0 to 1.
        dataset: a `Dataset` with inputs (N, 2) to draw over it; it also says which part of the plane to show.
        title: above the picture.
        steps: points along each side of the grid; the classifier is asked for ``steps ** 2``.

    Returns:
        A `Picture`.
    """
    from matplotlib.colors import LinearSegmentedColormap

    inputs = _plane(dataset) if dataset is not None else np.array([[0, 0], [1, 1]], np.float32)
    (left, right), (bottom, top) = _window(inputs)
    across, up = np.linspace(left, right, steps), np.linspace(bottom, top, steps)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    outputs = _predict(predict, grid).reshape(steps, steps)

    # Transparent where undecided, so that the middle is the page's own colour in either theme.
    ends = [(*_rgb(CLASS_COLORS[0]), 0.8), (*_rgb(INK), 0.0), (*_rgb(CLASS_COLORS[1]), 0.8)]
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


@_in_style
def output_against_noise(noise, outputs, title="How much noise can it take?", *, xlabel="noise added to the input"):
    """Outputs of a network over the noise that was added to its input, one curve for each input.

    Args:
        noise: (N,) the amount of noise.
        outputs: {label: (N,) outputs from 0 to 1}, or one array (N,).
        title: above the picture.
        xlabel: what the amount of noise means.

    Returns:
        A `Picture`; above the line at 0.5 the answer is 1, below it 0.

    Raises:
        ValueError: a curve has another length than the noise.
    """
    noise = np.asarray(noise, float).ravel()
    curves = outputs if hasattr(outputs, "items") else {"": outputs}
    picture, ax = figure(6.6, 3.3)
    ax.axhline(0.5, color=INK, linewidth=1, linestyle=(0, (4, 3)))
    ax.text(0.995, 0.51, "answer 1", color=INK, size=8.5, ha="right", va="bottom", transform=ax.get_yaxis_transform())
    ax.text(0.995, 0.49, "answer 0", color=INK, size=8.5, ha="right", va="top", transform=ax.get_yaxis_transform())
    many = len(noise) > 60
    for color, (label, values) in zip(_repeat(PALETTE), curves.items(), strict=False):
        values = np.asarray(values, float).ravel()
        if values.shape != noise.shape:
            raise ValueError(f"the curve {label!r} has {values.size} outputs for {noise.size} amounts of noise")
        ax.plot(noise, values, color=color, marker=None if many else "o", markersize=4, label=str(label))
    ax.set(ylim=(-0.04, 1.04), yticks=[0, 0.25, 0.5, 0.75, 1], xlabel=xlabel, ylabel="output")
    ax.set_title(title)
    if any(curves):
        picture.legend(loc="outside right center", title="input", title_fontsize=10)
    return picture


@_in_style
def layers(model, title=None):
    """A small network of dense layers as circles and lines: a line's colour is its weight's sign, its width the size.

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
        raise ValueError("only networks of dense layers can be drawn as circles and lines")
    sizes = [kernels[0].shape[0], *(kernel.shape[1] for kernel in kernels)]
    if max(sizes) > 40:
        raise ValueError(f"a layer of {max(sizes)} units is too wide to draw, at most 40")
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
    ax.set_title(title or f"{model.name}: {model.count_params()} parameters", x=0.02, pad=30)
    return picture


@_in_style
def quantization_steps(values, scale, zero_point, title="Each real number moves to the nearest step"):
    """Real numbers above the grid of int8 steps that stands for them, and how far each has to move.

    Args:
        values: real numbers, any shape, at most 200.
        scale, zero_point: real = scale * (step - zero_point).
        title: above the picture.

    Returns:
        A `Picture`.
    """
    values = np.sort(np.asarray(values, float).ravel())
    if not 0 < values.size <= 200:
        raise ValueError(f"expected 1 to 200 numbers to draw, got {values.size}")
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


@_in_style
def histogram(ranges, tensor, quantization=None, title=None):
    """The values that a tensor took in calibration, with the range that its int8 steps cover.

    Args:
        ranges: `edgekit.calibration.Ranges` made with ``histograms=True``, or by another observer than "minmax".
        tensor: its name; of a layer's output, the layer's name.
        quantization: `edgekit.quantization.Quantization` of the tensor; by default the range is that of `ranges`.
        title: above the picture; by default the tensor's name and the share of values cut off.

    Returns:
        A `Picture`.
    """
    low, high = ranges[tensor]
    if tensor not in ranges.histograms:
        raise ValueError("these ranges hold no histograms: calibrate(network, images, histograms=True) keeps them")
    counts, edges = ranges.histograms[tensor]
    if quantization is not None:
        low, high = (float(quantization.dequantize(q)) for q in (-128, 127))
    centers = (edges[:-1] + edges[1:]) / 2
    cut = counts[(centers < low) | (centers > high)].sum() / counts.sum()
    picture, ax = figure(8.4, 2.8)
    # 128 bars are as many as the eye tells apart.
    ax.stairs(counts.reshape(-1, 16).sum(axis=1), edges[::16], fill=True, color=BLUE, alpha=0.85)
    for at in (low, high):
        ax.axvline(at, color=ORANGE)
    ax.set(yscale="symlog", xlabel="value", ylabel="how often", ylim=(0, None))
    ax.set_title(title or f"{tensor}: int8 covers {low:.3g} to {high:.3g}, {cut:.2%} of the values are cut off")
    return picture


@_in_style
def noise(tables, column="output dB", title="Signal to quantization noise, layer by layer"):
    """Where each way of quantizing loses the signal.

    Args:
        tables: dict from a label to the table of `edgekit.noise.per_layer`, all of one network; or one such table.
        column: "output dB" or "weights dB".
        title: above the picture.

    Returns:
        A `Picture`.
    """
    tables = tables if isinstance(tables, dict) else {"": tables}
    picture, ax = figure(8.8, 3.6)
    for (label, table), color in zip(tables.items(), _repeat(PALETTE), strict=False):
        decibels = np.array(table[column], float)
        decibels[~np.isfinite(decibels)] = np.nan
        ax.plot(table["layer"], decibels, marker="o", markersize=4, color=color, label=label)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set(ylabel="dB")
    ax.tick_params(axis="x", rotation=90, labelsize=8)
    ax.set_title(f"{title}; at 0 dB there is as much noise as signal")
    if len(tables) > 1:
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + 0.2 * (high - low))  # room for the legend
        ax.legend(loc="upper right", ncols=len(tables))
    return picture


def _layer_label(layer):
    activation = getattr(layer.activation, "__name__", "linear")
    return f"{layer.name}\n{activation}" if activation != "linear" else layer.name


def _repeat(colors):
    while True:
        yield from colors


def _rgb(color):
    from matplotlib.colors import to_rgb

    return to_rgb(color)


def _plane(dataset):
    inputs = np.asarray(dataset.inputs)
    if inputs.ndim != 2 or inputs.shape[1] != 2:
        raise ValueError(f"only inputs of shape (N, 2) can be drawn in the plane, got {inputs.shape}")
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
    for label, (name, color) in enumerate(zip(dataset.class_names, _repeat(CLASS_COLORS), strict=False)):
        rows = inputs[np.asarray(dataset.labels) == label]
        ax.scatter(*rows.T, s=size, color=color, edgecolors="white", linewidths=1.5 if size > 50 else 0.5, zorder=4)
        if size > 50:
            for row in rows:
                ax.text(*row, name, color="white", weight="bold", size=9, ha="center", va="center_baseline", zorder=5)


def _predict(predict, inputs):
    """Outputs (N,) of whatever can predict."""
    if hasattr(predict, "predict"):
        # Keras draws a progress bar into the notebook unless it is told not to.
        quiet = {"verbose": 0} if hasattr(predict, "layers") else {}
        outputs = predict.predict(inputs, **quiet)
    elif hasattr(predict, "run"):
        outputs = predict.run(inputs)
    else:
        outputs = predict(inputs)
    outputs = np.asarray(outputs, float).reshape(len(inputs), -1)
    if outputs.shape[1] != 1:
        raise ValueError(f"expected one output for each input, got {outputs.shape[1]}")
    return outputs[:, 0]
