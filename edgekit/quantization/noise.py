"""Measures the noise of quantization layer by layer, to find where a network loses its accuracy.

    SQNR = 10 log10( sum of signal^2 / sum of (signal - quantized signal)^2 )  dB

One more bit gives 6 dB more. Above 30 dB a layer loses almost nothing; at 0 dB its output has as much noise as signal.
"""

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Network, check_images
from edgekit.quantization import integer
from edgekit.quantization.parameters import dequantized_weights
from edgekit.quantization.quantized import QuantizedNetwork
from edgekit.table import Table


def per_layer(network: Network, quantized: QuantizedNetwork, images: np.ndarray) -> Table:
    """The signal-to-quantization-noise ratio of every layer.

    Args:
        network: the float `Network`.
        quantized: a `QuantizedNetwork` made from it.
        images: float array (N, *input shape), real values; a few dozen are enough.

    Returns:
        `Table` with the columns layer, kind, "weights dB" (of the rounded weights alone; nan if an op has none) and
        "output dB" (of the op's output, with all noise from the ops before).

    Raises:
        ValueError: there are no images, or one network was not made from the other.
    """
    images = check_images(network, images, "measuring noise")
    theirs = {op.output: op for op in quantized.ops}
    if any(op.output not in theirs for op in network.ops):
        raise InvalidValue(f"{quantized.name!r} is not quantized from this network: their tensors have other names")
    signal, lost = dict.fromkeys(theirs, 0.0), dict.fromkeys(theirs, 0.0)
    steps = integer.walk(quantized, quantized.quantize_input(images))
    for real, q in zip(network.walk(images), steps, strict=True):
        for op in network.ops:
            values = real[op.output].astype(np.float64)
            signal[op.output] += np.sum(values**2)
            lost[op.output] += np.sum((values - quantized.quantization[op.output].dequantize(q[op.output])) ** 2)
    rows = []
    for op in network.ops:
        of_weights = np.nan
        if op.weights is not None:
            of_weights = decibels(op.weights, dequantized_weights(theirs[op.output]))
        rows.append((op.name, op.kind, of_weights, _decibels(signal[op.output], lost[op.output])))
    return Table(("layer", "kind", "weights dB", "output dB"), rows)


def decibels(signal: np.ndarray, quantized: np.ndarray) -> float:
    """The ratio for two arrays of the same shape, in dB; infinite if they are equal."""
    signal = np.asarray(signal, np.float64)
    return _decibels(np.sum(signal**2), np.sum((signal - quantized) ** 2))


def _decibels(signal, lost):
    if lost == 0:
        return float("inf")
    return float(10 * np.log10(signal / lost)) if signal else float("-inf")
