"""Calibration: runs a network on images and notes the range of every tensor, so that int8 covers these ranges.

The weights are known, but the activations depend on the input. A few hundred images are enough.
"""

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InvalidValue, UnknownName
from edgekit.network import OPS, Batch, Network, Op, batch_size, by_name, check_images, check_network
from edgekit.network.windows import one_thread

# How the range of a tensor is chosen: see `calibrate`.
OBSERVERS = ("minmax", "percentile", "mse")
BINS = 2048  # of a histogram


@dataclass(frozen=True, eq=False)
class Ranges:
    """The range of every tensor.

    Attributes:
        limits: dict from tensor name to (low, high), real values: the range that int8 has to cover. An op that keeps
            values inside, such as the cell of an LSTM, has an entry of its own: see `inside`.
        histograms: dict from tensor name to (counts, edges), as `numpy.histogram` gives them; empty unless they were
            asked for or the observer needed them.
        observer: how the limits were chosen.
    """

    limits: dict[str, tuple[float, float]]
    histograms: dict[str, tuple[np.ndarray, np.ndarray]]
    observer: str

    def __getitem__(self, tensor: str) -> tuple[float, float]:
        if tensor not in self.limits:
            raise UnknownName(f"no tensor is called {tensor!r}; calibrated are {', '.join(self.limits)}")
        return self.limits[tensor]


def inside(op: Op) -> str:
    """The name under which `Ranges` has the values that an op keeps inside (`Kind.inside`)."""
    return f"{op.output} (inside)"


def calibrate(
    network: Network,
    images: Batch,
    observer: str = "minmax",
    percentile: float = 99.99,
    histograms: bool = False,
    progress: bool = False,
) -> Ranges:
    """Run the float network over images and note the range of every tensor.

    Args:
        network: a `Network`.
        images: float array (N, *input shape), real values as the network takes them; N of 100 to 200 is usual. Several
            inputs are a dict from name to array, or a tuple.
        observer: "minmax" covers every value seen. "percentile" cuts off the rarest values at both ends. "mse" searches
            the histogram for the range with the smallest mean squared error of rounding and cutting off together.
        percentile: for that observer, the share of values kept on each side, in percent.
        histograms: also keep a histogram of each tensor.
        progress: show a progress bar.

    Returns:
        `Ranges`.

    Raises:
        ValueError: no images, images of another shape or type, values that are not numbers, an unknown observer.
    """
    if observer not in OBSERVERS:
        raise InvalidValue(f"observer is one of {', '.join(OBSERVERS)}, got {observer!r}")
    if not 50 < percentile <= 100:
        raise InvalidValue(f"percentile is above 50 and at most 100, got {percentile}")
    check_network(network, Network)
    images = check_images(network, images, "calibration")
    if not all(np.isfinite(array).all() for array in by_name(network, images).values()):
        raise InvalidValue("calibration images hold NaN or infinity")
    with one_thread(), np.errstate(over="ignore", invalid="ignore"):  # overflows are reported below, by name
        return _calibrate(network, images, observer, percentile, histograms, progress)


def _calibrate(network, images, observer, percentile, histograms, progress):
    low, high = {}, {}
    for tensors in _walk(network, images, progress):
        for name, values in tensors.items():
            low[name] = min(low.get(name, np.inf), float(values.min()))
            high[name] = max(high.get(name, -np.inf), float(values.max()))
    for name in low:
        if not np.isfinite([low[name], high[name]]).all():
            raise InvalidValue(f"tensor {name!r} overflows float32 on these images: the network's weights are broken")
    limits = {name: (low[name], high[name]) for name in low}
    counts, seen_values = {}, {}
    if histograms or observer != "minmax":
        edges = {}
        for name, seen in limits.items():
            first, last = _widened(*seen)
            edges[name] = np.linspace(first, last, BINS + 1)
        for tensors in _walk(network, images, progress):
            for name, values in tensors.items():
                first, last = edges[name][[0, -1]]
                counts[name] = counts.get(name, 0) + _counts(values, first, last)
        seen_values = {name: (counts[name], edges[name]) for name in counts}
    if observer == "percentile":
        limits = {name: _percentile(*seen_values[name], percentile) for name in limits}
    elif observer == "mse":
        limits = {name: _least_squares(*seen_values[name]) for name in limits}
    limits |= {name: (low[name], high[name]) for name in network.constants}  # all their values are known
    return Ranges(limits, seen_values, observer)


def _walk(network, images, progress):
    batches = network.walk(images)
    if progress:
        from tqdm.auto import tqdm

        batches = tqdm(batches, total=-(-batch_size(images) // 8), desc="calibrating", unit="batch")
    keeping = [op for op in network.ops if OPS[op.kind].inside]
    for tensors in batches:
        for op in keeping:
            tensors[inside(op)] = OPS[op.kind].inside(op, [tensors[name] for name in op.inputs])
        yield tensors


def _counts(values, first, last):
    """The counts of `numpy.histogram`, which takes three times as long: it also looks for the edges that it rounded."""
    bins = np.subtract(values.ravel(), first, dtype=np.float64)
    bins /= last - first
    bins *= BINS
    bins = bins.astype(np.intp)
    np.minimum(bins, BINS - 1, out=bins)  # the last bin has the last edge, too
    return np.bincount(bins, minlength=BINS)


def _widened(low, high):
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _percentile(counts, edges, percentile):
    """The limits that keep this share of the values on each side, to the width of a bin."""
    share = np.cumsum(counts) / counts.sum()
    tail = 1 - percentile / 100
    first = int(np.searchsorted(share, tail, side="right"))
    last = int(np.searchsorted(share, 1 - tail, side="left"))
    return float(edges[first]), float(edges[min(last + 1, len(edges) - 1)])


def _least_squares(counts, edges, steps=255, candidates=100):
    """The limits with the smallest mean squared error, found by shrinking the whole range by one factor."""
    centers = (edges[:-1] + edges[1:]) / 2
    low, high = min(edges[0], 0.0), max(edges[-1], 0.0)
    best = (np.inf, low, high)
    for factor in np.linspace(1, 0.1, candidates):
        first, last = low * factor, high * factor
        step = (last - first) / steps
        cut = np.clip(centers, first, last)
        # Within a bin much narrower than a step the rounding error is spread evenly: its mean square is step^2 / 12.
        inside = (centers >= first) & (centers <= last)
        error = float(counts @ ((centers - cut) ** 2 + inside * step**2 / 12))
        best = min(best, (error, first, last))
    return best[1], best[2]
