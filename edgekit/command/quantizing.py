"""The options of int8, for every command that quantizes, and the measurement that follows."""

import argparse
from typing import Any

import numpy as np

from edgekit import calibration, quantization
from edgekit.command.inputs import Inputs, Range, read_inputs
from edgekit.command.models import Read
from edgekit.command.text import one_line
from edgekit.errors import InvalidValue
from edgekit.network import Network
from edgekit.quantization import QuantizedNetwork, comparing, noise

DATA = (
    "a .npy, .npz or .csv file of inputs, a folder of PNG, JPEG or BMP images, or the name of a data set (edgekit data "
    "lists them)"
)
POOR = 0.95  # an agreement below this share deserves advice


def add_options(parser: argparse.ArgumentParser, required: bool) -> None:
    """Add the options to a command's parser.

    Args:
        parser: gets the options.
        required: whether the command always quantizes; otherwise it does with ``--calibration``.
    """
    group = parser.add_argument_group("int8")
    group.add_argument("--calibration", metavar="DATA", required=required, help=f"typical inputs, 100 or more: {DATA}")
    add_input_range(group)
    group.add_argument(
        "--observer",
        choices=calibration.OBSERVERS,
        help="how the range of a tensor is chosen: minmax (default) covers every value, percentile cuts off the "
        "rarest, mse looks for the least error",
    )
    group.add_argument(
        "--percentile", type=float, metavar="P", help="for that observer: percent of the values kept (default: 99.99)"
    )
    group.add_argument(
        "--scheme", choices=("per_channel", "per_tensor"), help="scales of the weights (default: per_channel)"
    )
    group.add_argument("--weights-bits", type=int, metavar="BITS", help="2 to 8 (default: 8); stored as int8 anyway")
    group.add_argument("--equalize", action="store_true", help="give the channels between two layers similar ranges")
    group.add_argument("--correct-bias", action="store_true", help="shift biases so that the means of channels stay")


def add_input_range(parser: Any) -> None:
    """Add ``--input-range``, the meaning of pixels."""
    parser.add_argument(
        "--input-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="the real values of the pixels 0 and 255: 0 1 for x / 255, -1 1 for x / 127.5 - 1, 0 255 for unscaled "
        "pixels; needed for pixels where the network does not show it",
    )


def stated_range(options: argparse.Namespace) -> Range | None:
    """The range of ``--input-range``, or None.

    Raises:
        ValueError: it is no range.
    """
    if options.input_range is None:
        return None
    low, high = options.input_range
    if not (np.isfinite([low, high]).all() and low < high):
        raise InvalidValue(f"--input-range takes two numbers, the lower one first, got {low:g} {high:g}")
    return low, high


def check(options: argparse.Namespace) -> None:
    """Refuse options that mean nothing together, before long work begins."""
    if options.percentile is not None and options.observer != "percentile":
        raise InvalidValue("--percentile is for --observer percentile: add it, or leave out --percentile")
    if options.percentile is not None and not 50 < options.percentile <= 100:
        raise InvalidValue(f"--percentile is above 50 and at most 100, got {options.percentile:g}")
    if options.weights_bits is not None and options.weights_bits not in range(2, 9):
        raise InvalidValue(f"--weights-bits is a whole number from 2 to 8, got {options.weights_bits}")
    stated_range(options)
    if options.calibration is not None:
        return
    given = [
        option
        for option in ("input_range", "observer", "scheme", "weights_bits", "equalize", "correct_bias")
        if getattr(options, option) not in (None, False)
    ]
    if given:
        raise InvalidValue(f"--{given[0].replace('_', '-')} is for int8, and int8 needs --calibration DATA")


def quantized(model: Read, options: argparse.Namespace) -> tuple[Network, QuantizedNetwork, Inputs]:
    """(the float network, equalized if that is wanted; the network in int8; the inputs that it was calibrated with).

    Raises:
        ValueError: the network is int8 already, or the inputs do not fit.
    """
    network = model.network
    if isinstance(network, QuantizedNetwork):
        raise InvalidValue(f"{options.model} is int8 already: leave out --calibration, or start from the float network")
    inputs = read_inputs(options.calibration, network, stated_range(options), model.pixels)
    for sentence in inputs.sentences:
        print(sentence)
    adjusted = quantization.equalize(network, inputs.arrays) if options.equalize else network
    ranges = calibration.calibrate(
        adjusted, inputs.arrays, options.observer or "minmax", options.percentile or 99.99, progress=True
    )
    result = quantization.quantize(adjusted, ranges, options.scheme or "per_channel", options.weights_bits or 8)
    if options.correct_bias:
        result = quantization.correct_bias(adjusted, result, inputs.arrays)
    return adjusted, result, inputs


def measured(network: Network, result: QuantizedNetwork, inputs: Inputs) -> str:
    """How near int8 is to float on the inputs: a few lines."""
    lines, agreements = [], []
    expected, got = (_several(each.predict(inputs.arrays)) for each in (network, result))
    for name, real, int8 in zip(network.outputs, expected, got, strict=True):
        of = "" if len(expected) == 1 else f"{name}: "
        difference = float(np.abs(real - int8).max(initial=0.0))
        line = f"{of}int8 beside float on these inputs: {_dB(noise.decibels(real, int8))}, "
        line += f"largest difference {difference:.4g} of outputs from {real.min():.4g} to {real.max():.4g}"
        decided = comparing.agreement(real, int8)
        if decided:
            agreements.append(decided[1])
            line += f"; {decided[0]} for {decided[1]:.1%}"
        lines.append(line)
    noisiest = _noisiest(network, result, inputs)
    if noisiest:
        lines.append(noisiest)
    if agreements and min(agreements) < POOR:
        lines.append(
            "That is low. Check --input-range first; then try --observer mse, --equalize and --correct-bias; "
            "edgekit compare shows the first layer that is noisy"
        )
    return "\n".join(lines)


def _noisiest(network: Network, result: QuantizedNetwork, inputs: Inputs) -> str:
    """The noisiest layer, in a line."""
    table = noise.per_layer(network, result, inputs.arrays)
    found = [(dB, name) for name, dB in zip(table["layer"], table["output dB"], strict=True) if np.isfinite(dB)]
    if not found:
        return ""
    dB, name = min(found)
    return f"most noise: {one_line(name)[:60]}, {_dB(dB)} (edgekit compare shows all layers)"


def _several(results: Any) -> list[np.ndarray]:
    return list(results) if isinstance(results, tuple) else [results]


def _dB(value: float) -> str:
    return "equal" if value == float("inf") else f"SQNR {value:.1f} dB"
