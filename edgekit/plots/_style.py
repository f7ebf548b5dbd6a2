"""The style of all pictures: it is readable in JupyterLab's light and dark themes."""

import functools
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from edgekit.extras import extra

Draw = TypeVar("Draw", bound=Callable[..., Any])

# The middle tones: each has a contrast of at least 3 to 1 with white and with JupyterLab's dark grey (#111111).
INK = "#7b8088"
BLUE, ORANGE, GREEN, PURPLE, RED, TEAL = "#2f86eb", "#e0701f", "#1f9d61", "#9a6cf0", "#e5484d", "#0f9aa8"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, TEAL, RED)
CLASS_COLORS = (ORANGE, BLUE)  # of the classes 0 and 1
_MOST_TEXTS = 24  # of a picture, that its description repeats
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

        It is not registered with pyplot, so that only the cell that returns it draws it, and its memory is freed.
        """

        def _repr_mimebundle_(self, include=None, exclude=None):
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=192, bbox_inches="tight", pad_inches=0.08)
            png = buffer.getvalue()
            # The header's two big-endian sizes; a notebook shows the picture at half of them.
            width, height = (int.from_bytes(png[at : at + 4], "big") // 2 for at in (16, 20))
            titles = [self.get_suptitle(), *(ax.get_title(loc="left") for ax in self.axes)]
            label = ", ".join(filter(None, titles))
            bundle = {"image/png": png, "text/plain": f"<Picture: {label}>"}
            return bundle, {"image/png": {"width": width, "height": height, "alt": description(self)}}

        def show(self, warn: bool = True) -> None:
            """Show the picture now; needed if it is not the last value of a cell."""
            from IPython.display import display

            display(self)

    return Picture


def description(figure: Any) -> str:
    """What a figure shows, in words, for readers who do not see it.

    Args:
        figure: a Matplotlib figure.

    Returns:
        Its titles, and for each of its axes what is drawn over what, between which values, and the texts in it.
    """
    parts = [figure.get_suptitle()]
    parts += [_description(axes) for axes in figure.axes]
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _description(axes: Any) -> str:
    """One of a figure's axes in words; empty if there is nothing to tell."""
    titles = [" ".join(axes.get_title(loc=place).split()) for place in ("left", "center")]
    said = []
    for name, label, axis in (
        ("across", axes.get_xlabel(), axes.xaxis),
        ("upwards", axes.get_ylabel(), axes.yaxis),
    ):
        texts = [tick.get_text() for tick in axis.get_ticklabels() if tick.get_visible() and tick.get_text()]
        if axes.axison and axis.get_visible() and texts:
            ends = f"from {texts[0]} to {texts[-1]}" if len(texts) > 4 else ", ".join(texts)
            said.append(f"{name}: {label + ', ' if label else ''}{ends}")
        elif label:
            said.append(label)
    legend = axes.get_legend()
    named = [text.get_text() for text in legend.get_texts()] if legend else []
    written = [" ".join(text.get_text().split()) for text in axes.texts if text.get_visible()]
    for what, texts in (("drawn", named), ("written in it", list(filter(None, written)))):
        if texts:
            more = [f"and {len(texts) - _MOST_TEXTS} more"] if len(texts) > _MOST_TEXTS else []
            said.append(f"{what}: {', '.join([*texts[:_MOST_TEXTS], *more])}")
    title = ", ".join(filter(None, titles))
    return f"{title}: {'; '.join(said)}" if title and said else title or "; ".join(said)


@contextmanager
def style() -> Iterator[None]:
    """Draw with edgekit's style; you can use ``with style(): ...`` for your own Matplotlib figures too."""
    with extra("lessons"):
        import matplotlib

    with matplotlib.rc_context(_STYLE):
        yield


def figure(width: float, height: float, columns: int = 1, rows: int = 1, **subplots: Any) -> tuple[Any, Any]:
    """An empty `Picture` with its axes, to be filled inside `style`.

    Args:
        width, height: inches; a notebook shows 96 pixels an inch, and on a laptop is about 9 inches wide.
        columns, rows: numbers of axes.
        subplots: passed to `Figure.subplots`.

    Returns:
        (picture, axes) where axes is one `Axes`, or an array of them.
    """
    picture = _picture_class()(figsize=(width, height), layout="constrained")
    return picture, picture.subplots(rows, columns, **subplots)


def in_style(draw: Draw) -> Draw:
    """A decorator: the function draws with edgekit's style."""

    @functools.wraps(draw)
    def styled(*args, **kwargs):
        with style():
            return draw(*args, **kwargs)

    return cast(Draw, styled)


def repeat(colors: Sequence[str]) -> Iterator[str]:
    """As many colours as needed; they repeat."""
    while True:
        yield from colors


def rgb(color: str) -> tuple[float, float, float]:
    """A colour as red, green and blue from 0 to 1."""
    from matplotlib.colors import to_rgb

    return to_rgb(color)
