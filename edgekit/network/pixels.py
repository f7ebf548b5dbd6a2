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


class _Shown(Protocol):
    """The parts of a network that show its input's range; `Network` and `QuantizedNetwork` have them."""

    @property
    def ops(self) -> tuple[Op, ...]: ...

    @property
    def shapes(self) -> dict[str, Shape]: ...

    @property
    def constants(self) -> dict[str, np.ndarray]: ...


def pixel_range(network: _Shown, tensor: str) -> tuple[float, float, str] | None:
    """The real values of the pixels 0 and 255, if the network shows them.

    Args:
        network: a `Network` or a `QuantizedNetwork`.
        tensor: the name of one of its inputs.

    Returns:
        (low, high, evidence): the two real values, and the end of a sentence that says what shows them; None if the
        network shows nothing.
    """
    quantization = getattr(network, "quantization", None)
    if quantization is not None:
        return _from_scale(quantization[tensor])
    return _from_first_ops(network, tensor)


def advice(network: _Shown, tensor: str) -> str:
    """How to turn uint8 images into the real values that a network takes, for a message."""
    shown = pixel_range(network, tensor)
    own = "edgekit.models.preprocess(images) is the scale of the networks that come with edgekit"
    if shown:
        how = USUAL.get(shown[:2], "edgekit.models.preprocess(images)")
        return f"{how} gives {shown[0]:g} to {shown[1]:.4g}, {shown[2]}"
    usual = ", ".join(f"{how} ({low:g} to {high:g})" for (low, high), how in USUAL.items())
    return f"scale them as for training, usually {usual}; {own}"


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
    return *best, f"because its int8 input covers {low:.4g} to {high:.4g}"


def _from_first_ops(network: _Shown, tensor: str) -> tuple[float, float, str] | None:
    """0 to 255, if the ops that read the input first scale such values down to a few units."""
    shape, name, constants = network.shapes[tensor], tensor, network.constants
    values = _probes(shape)
    while True:
        readers = [op for op in network.ops if name in op.inputs]
        if len(readers) != 1:
            return None
        (op,) = readers
        others = [source for source in op.inputs if source != name]
        if op.weights is not None or network.shapes[op.output] != shape or any(n not in constants for n in others):
            return None
        values = run_op(op, _arguments(op, name, values, constants), shape)
        if not _is_affine(values):
            return None
        if evidence := _scales_down(values, op.name):
            return 0.0, 255.0, evidence
        name = op.output


def _arguments(op: Op, name: str, values: np.ndarray, constants: Mapping[str, np.ndarray]) -> Sequence[np.ndarray]:
    n = len(values)
    return [
        values if source == name else np.broadcast_to(constants[source], (n, *constants[source].shape))
        for source in op.inputs
    ]


def of_keras(model: Any) -> tuple[float, float, str] | None:
    """The real values of the pixels 0 and 255, if the first layers of a Keras model show them.

    A `Network` may not show them any more, because its scaling is folded into the layer after it.

    Args:
        model: a `keras.Model` with one input, which `from_keras` can read.

    Returns:
        As `pixel_range`.
    """
    graph = getattr(model, "_functional", None) or model
    if len(graph.inputs) != 1 or any(size is None for size in graph.inputs[0].shape[1:]):
        return None
    values, tensor = _probes(tuple(graph.inputs[0].shape[1:])), graph.inputs[0]
    while True:
        nodes = [node for nodes in graph._nodes_by_depth.values() for node in nodes if not node.is_input]
        readers = [node for node in nodes if any(one is tensor for one in node.arguments.keras_tensors)]
        if len(readers) != 1 or len(readers[0].arguments.keras_tensors) != 1:
            return None
        operation = readers[0].operation
        inner = getattr(operation, "_functional", None) or operation
        if hasattr(inner, "_nodes_by_depth"):
            if len(inner.inputs) != 1:
                return None
            graph, tensor = inner, inner.inputs[0]
            continue
        after = readers[0].output_tensors[0]
        if tuple(after.shape[1:]) != values.shape[1:]:
            return None
        arguments, options = readers[0].arguments.fill_in({id(tensor): values})
        values = np.asarray(operation(*arguments, **options), np.float32)
        if not _is_affine(values):
            return None
        if evidence := _scales_down(values, operation.name):
            return 0.0, 255.0, evidence
        tensor = after


def _probes(shape: Sequence[int]) -> np.ndarray:
    """Images of the value 0, of 1 and of 255."""
    return np.stack([np.full(shape, value, np.float32) for value in (0, 1, 255)])


def _is_affine(values: np.ndarray) -> bool:
    return np.allclose(values[2] - values[0], 255 * (values[1] - values[0]), rtol=1e-3, atol=1e-3)


def _scales_down(values: np.ndarray, name: str) -> str:
    """The evidence, if values from 0 to 255 are a few units wide now."""
    width = np.abs(values[2] - values[0])
    if width.min() < _SCALED[0] or width.max() > _SCALED[1]:
        return ""
    low, high = float(values.min()), float(values.max())
    return f"because its beginning, {name}, scales 0 to 255 down to {low:.3g} to {high:.3g}"
