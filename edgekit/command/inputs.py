"""Reads inputs of a network from a data set, arrays, images or a table of numbers, and checks that they fit.

Pixels are taken only where it is known which real values they stand for: see `edgekit.network.pixels`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from edgekit.command.arrays import read
from edgekit.command.text import one_line
from edgekit.errors import InvalidValue
from edgekit.network import Graph, Shape
from edgekit.network.pixels import OWN, USUAL, as_real, pixel_range

RANDOM = 32  # inputs, where no data are given
_RANGES = " or ".join(f"{low:g} {high:g}" for low, high in USUAL)

Range = tuple[float, float]
Known = tuple[float, float, str]  # with the part of a sentence that says how it is known


@dataclass(frozen=True)
class Inputs:
    """Inputs of a network.

    Attributes:
        arrays: float32 (N, *input shape); for several inputs a dict by name.
        sentences: what was read, and what was assumed; to be printed.
    """

    arrays: Any
    sentences: tuple[str, ...]


def read_inputs(source: str, network: Graph, input_range: Range | None = None, known: Known | None = None) -> Inputs:
    """Read inputs for a network.

    Args:
        source: the path of a file or folder, or the name of a data set.
        network: a `Network` or a `QuantizedNetwork`.
        input_range: the real values of the pixels 0 and 255, as the user says.
        known: these values, if they are known of the network, and how they are known.

    Returns:
        `Inputs`.

    Raises:
        ValueError: they do not fit, or it is not known which real values pixels stand for; the message names the file.
        FileNotFoundError: there is no such file.
    """
    names = network.inputs
    found, notes = read(source, [network.shapes[name] for name in names])
    arrays = _assign(source, network, names, found)
    sentences = list(notes)
    for name, array in arrays.items():
        of = source if len(arrays) == 1 else f"{source} ({name})"
        _check_shape(of, array, network.shapes[name])
        arrays[name], told = _as_real(of, network, name, array, input_range, known)
        sentences.append(told)
    sizes = {len(array) for array in arrays.values()}
    if len(sizes) > 1:
        raise InvalidValue(f"{source} holds different numbers of inputs: {_counts(arrays)}")
    return Inputs(arrays if len(names) > 1 else arrays[names[0]], tuple(sentences))


def random_inputs(network: Graph, other: Graph | None = None, known: Known | None = None, n: int = RANDOM) -> Inputs:
    """Random inputs for a network, or for two that are to be compared; always the same.

    Args:
        network: a `Network` or a `QuantizedNetwork`.
        other: another one, with the same inputs.
        known: the real values of the pixels 0 and 255, if they are known.
        n: how many.

    Returns:
        `Inputs`, spread evenly over what int8 covers, over the pixels' range if that is known, or from -1 to 1.
    """
    random = np.random.default_rng(0)
    arrays, ranges = {}, []
    for position, name in enumerate(network.inputs):
        low, high = known[:2] if known else (-1.0, 1.0)
        for each in filter(None, (network, other)):
            if position >= len(each.inputs):
                continue
            shown = pixel_range(each, each.inputs[position])
            q = getattr(each, "quantization", {}).get(each.inputs[position])
            if q is not None:
                low, high = (float(q.scale) * (edge - q.zero_point) for edge in (-128, 127))
                break
            if shown:
                low, high = shown[:2]
        arrays[name] = random.uniform(low, high, (n, *network.shapes[name])).astype(np.float32)
        ranges.append(f"{low:.4g} to {high:.4g}")
    text = f"{n} random inputs from {', '.join(ranges)}, since no data are given: --data takes true ones"
    if any(hasattr(each, "quantization") for each in (network, other)):
        text += ", for which int8 was calibrated"
    return Inputs(arrays if len(arrays) > 1 else next(iter(arrays.values())), (text,))


# Checking


def _assign(source: str, network: Graph, names: Sequence[str], read: Any) -> dict[str, np.ndarray]:
    """The arrays by the names of the network's inputs."""
    if isinstance(read, list):
        return dict(zip(names, read, strict=True))
    if not isinstance(read, dict):
        if len(names) > 1:
            raise InvalidValue(
                f"{source} holds one array, but {network.name!r} has the inputs {', '.join(names)}: "
                "give a .npz file with arrays of these names"
            )
        return {names[0]: read}
    if len(names) == 1:
        if names[0] in read:
            return {names[0]: read[names[0]]}
        if len(read) == 1:
            return {names[0]: next(iter(read.values()))}
        raise InvalidValue(
            f"{source} holds {len(read)} arrays, {_counts(read)}: give a .npz file with the inputs alone, or name "
            f"their array {names[0]!r}"
        )
    missing = [name for name in names if name not in read]
    if missing:
        raise InvalidValue(
            f"{source} holds no array named {missing[0]!r}; {network.name!r} has the inputs {', '.join(names)}, and "
            f"the file holds {_counts(read) or 'nothing'}"
        )
    return {name: read[name] for name in names}


def _counts(arrays: dict[str, np.ndarray]) -> str:
    listed = [f"{one_line(name)} {array.shape}" for name, array in list(arrays.items())[:8]]
    return ", ".join(listed) + (", ..." if len(arrays) > 8 else "")


def _check_shape(of: str, array: np.ndarray, expected: Shape) -> None:
    expected, got = tuple(expected), array.shape
    wanted = f"(N, {', '.join(map(str, expected))})"
    if got[1:] == expected and len(got) == len(expected) + 1:
        if not len(array):
            raise InvalidValue(f"{of} holds no inputs: its shape is {got}")
        return
    hint = "one row for each input"
    if got == expected:
        hint = "it is one input without the batch: save array[None]"
    elif len(expected) == 3 and len(got) == 4 and (*got[2:], got[1]) == expected:
        hint = "its channels come first: save array.transpose(0, 2, 3, 1)"
    elif len(expected) == 2 and len(got) == 3 and (got[2], got[1]) == expected:
        hint = "its channels come first: save array.transpose(0, 2, 1)"
    elif (*got[1:], 1) == expected and len(got) == len(expected):
        hint = "the axis of the channel is missing: save array[..., None]"
    elif got[1:] == (*expected, 1):
        hint = "it has an axis too many: save array[..., 0]"
    elif len(got) and prod(got[1:]) == prod(expected):
        hint = f"save array.reshape(-1, {', '.join(map(str, expected))}), if its values are in this order"
    elif len(expected) == 3 and len(got) == 4 and got[3] == expected[2]:
        hint = "scale the images to this size"
    raise InvalidValue(f"{of} holds an array of shape {got}, but the network takes {wanted}: {hint}")


def _as_real(
    of: str, network: Graph, name: str, array: np.ndarray, stated: Range | None, known: Known | None
) -> tuple[np.ndarray, str]:
    """(float32 array, the sentence about it)."""
    kind, shape = array.dtype, tuple(network.shapes[name])
    if kind != np.uint8 and not np.issubdtype(kind, np.floating):
        what = {"b": "true and false", "c": "complex numbers", "O": "Python objects"}.get(kind.kind, f"{kind} values")
        raise InvalidValue(
            f"{of} holds {what}, but inputs are real numbers: save them as float32, as the network takes them, or "
            "pixels from 0 to 255 as uint8"
        )
    shown = known or pixel_range(network, name)
    if kind == np.uint8:
        return _pixels(of, array, stated, shown, "uint8 pixels")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        values = np.ascontiguousarray(array, np.float32)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise InvalidValue(f"{of}: input {int(np.argmin(finite))} (counted from 0) holds NaN or infinity")
    low, high = float(values.min()), float(values.max())
    image = len(shape) == 3 and shape[2] in (1, 3, 4)
    if image and low >= 0 and 8 < high <= 255 and np.array_equal(values, np.floor(values)):
        return _pixels(of, values, stated, shown, "whole numbers from 0 to 255, which are pixels,")
    if stated:
        raise InvalidValue(
            f"{of} holds real values from {low:.4g} to {high:.4g}, used unchanged: --input-range is for pixels"
        )
    if image and shown and shown[1] == 255 and low >= -1.5 and high <= 1.5:
        raise InvalidValue(
            f"{of} holds values from {low:.4g} to {high:.4g}, but {network.name!r} takes 0 to 255 ({shown[2]}): "
            "give the pixels as uint8, or multiply the values by 255"
        )
    return values, f"{len(values)} inputs from {of}, {_shape(shape)}, real values from {low:.4g} to {high:.4g}"


def _pixels(
    of: str,
    pixels: np.ndarray,
    stated: Range | None,
    shown: Known | None,
    what: str,
) -> tuple[np.ndarray, str]:
    """Pixels as the real values that the user states, that are known, or that the network shows."""
    if stated:
        (low, high), why = stated, "as --input-range says"
        if shown and not np.allclose(shown[:2], stated, rtol=0, atol=0.02 * (shown[1] - shown[0])):
            why += f"; but the network shows {shown[0]:g} to {shown[1]:.4g}, {shown[2]}"
    elif shown:
        low, high, why = shown
    else:
        raise InvalidValue(
            f"{of} holds {what} and the network does not show which real values it takes for 0 and 255: say "
            f"--input-range LOW HIGH as in training; usual are {_RANGES} ({OWN[0]:g} {OWN[1]} after edgekit.training)"
        )
    sentence = (
        f"{len(pixels)} inputs from {of}, {_shape(pixels.shape[1:])}, pixels: 0 to 255 stand for the real values "
        f"{low:.4g} to {high:.4g}, {why}"
    )
    return as_real(pixels, low, high), sentence


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))
