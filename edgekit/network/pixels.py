"""Finds the real values that a network takes for pixels from 0 to 255, as far as the network itself shows them.

A file of pixels does not say how they were scaled for training, and a wrong scale ruins a network without an error. So
edgekit takes uint8 pixels only where it knows the scale: from the input's scale of an int8 network, from scaling at the
beginning of a network (Rescaling, Normalization), or from the user.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from edgekit.network.ops import Op, Shape, run_op

# The usual real values of the pixels 0 and 255, and how they are computed from uint8 images.
USUAL = {
    (0.0, 1.0): "images / np.float32(255)",
    (-1.0, 1.0): "images / np.float32(127.5) - 1",
    (0.0, 255.0): "images.astype(np.float32)",
}
# edgekit.models.preprocess, for the networks that come with edgekit and those of edgekit.training.fit.
OWN = (-1.0, 127 / 128)
_SAME = 0.02  # two ranges are the same if their ends differ by less than this share
_SCALED = (0.25, 12.0)  # pixels from 0 to 255 are as wide as this after the scaling at the beginning of a network


class Shown(Protocol):
    """The parts of a network that show its input's range; `Network` and `QuantizedNetwork` have them."""

    @property
    def ops(self) -> tuple[Op, ...]: ...

    @property
    def shapes(self) -> dict[str, Shape]: ...


def pixel_range(network: Shown, tensor: str) -> tuple[float, float, str] | None:
    """The real values of the pixels 0 and 255, if the network shows them.

    Args:
        network: a `Network` or a `QuantizedNetwork`.
        tensor: the name of one of its inputs.

    Returns:
        (low, high, evidence): the two real values, and the part of a sentence that says what shows them; None if the
        network shows nothing.
    """
    quantization = getattr(network, "quantization", None)
    if quantization is not None:
        return _from_scale(quantization[tensor])
    return _from_first_ops(network, tensor)


def as_real(pixels: np.ndarray, low: float, high: float) -> np.ndarray:
    """Pixels as real values: 0 becomes `low`, 255 becomes `high`.

    Args:
        pixels: uint8, or whole numbers from 0 to 255; any shape.
        low: the real value of 0.
        high: the real value of 255.

    Returns:
        float32, the same shape.
    """
    values = np.arange(256) * ((high - low) / 255) + low
    return values.astype(np.float32)[np.asarray(pixels).astype(np.uint8)]


def _from_scale(q: Any) -> tuple[float, float, str] | None:
    """The usual range that int8 covers with this scale and zero point."""
    low, high = (float(q.scale) * (edge - q.zero_point) for edge in (-128, 127))
    width = high - low

    def difference(usual: tuple[float, float]) -> tuple[float, float]:
        return abs(usual[1] - usual[0] - width), abs(usual[0] - low)

    best = min((OWN, *USUAL), key=difference)
    if max(abs(best[0] - low), abs(best[1] - high)) > _SAME * (best[1] - best[0]):
        return None
    return *best, f"its int8 input covers {low:.4g} to {high:.4g}"


def _from_first_ops(network: Shown, tensor: str) -> tuple[float, float, str] | None:
    """0 to 255, if the ops that read the input first scale such values down to a few units."""
    constants: Mapping[str, np.ndarray] = getattr(network, "constants", {})
    shape, name = network.shapes[tensor], tensor
    values = np.stack([np.full(shape, value, np.float32) for value in (0, 1, 255)])
    while True:
        readers = [op for op in network.ops if name in op.inputs]
        if len(readers) != 1:
            return None
        (op,) = readers
        others = [source for source in op.inputs if source != name]
        if op.weights is not None or network.shapes[op.output] != shape or any(n not in constants for n in others):
            return None
        values = run_op(op, _arguments(op, name, values, constants), shape)
        slope = values[1] - values[0]
        if not np.allclose(values[2] - values[0], 255 * slope, rtol=1e-3, atol=1e-3):
            return None
        width = np.abs(values[2] - values[0])
        if width.min() >= _SCALED[0] and width.max() <= _SCALED[1]:
            seen = sorted((float(values[0].min()), float(values[2].max())))
            return 0.0, 255.0, f"its first op, {op.name}, scales 0 to 255 down to {seen[0]:.3g} to {seen[1]:.3g}"
        name = op.output


def _arguments(op: Op, name: str, values: np.ndarray, constants: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
    n = len(values)
    return [
        values if source == name else np.broadcast_to(constants[source], (n, *constants[source].shape))
        for source in op.inputs
    ]
