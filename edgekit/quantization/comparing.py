"""Compares two networks tensor by tensor, to find the first one at which they part.

Any two networks can be compared: a float network and its int8 network, two files of one network from different
converters, or two ways of quantizing. Both get the same real inputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Network, Shape, check_images
from edgekit.quantization import integer
from edgekit.quantization.quantized import QuantizedNetwork
from edgekit.table import Table

# Two float tensors are equal above this SQNR: float32 rounds at about 140 dB, and sums in another order reach 100 dB.
EQUAL = 80.0
# An int8 tensor follows a float one above this SQNR: below it, the noise is more than a tenth of the signal's power.
NOISY = 10.0

# How the tensors of two networks are matched: see `compare`.
MATCHINGS = ("name", "layer", "position")


@dataclass(frozen=True)
class Pair:
    """A tensor of one network beside its counterpart in the other.

    Attributes:
        first: its name in the first network.
        second: its name in the second network.
        kind: of the op that writes it in the first network; "input" for an input.
        shape: without the batch.
        decibels: the first tensor's signal over its difference from the second; infinite if they are equal.
        largest: the largest difference of two real values.
        differing: how many int8 values differ, if both are int8 with one scale and zero point; otherwise None.
        parted: whether the networks part here or before.
    """

    first: str
    second: str
    kind: str
    shape: Shape
    decibels: float
    largest: float
    differing: int | None
    parted: bool


@dataclass(frozen=True)
class Comparison:
    """Two networks, compared tensor by tensor.

    Attributes:
        pairs: tuple of `Pair`, in the first network's order: inputs, then the outputs of ops.
        matching: how tensors were matched: by "name", "layer" (names of ops) or "position" (order of kinds and shapes).
        unmatched: the names of the tensors of each network that have no counterpart.
        limits: dict from "float" and "int8" to the decibels below which two tensors part.
    """

    pairs: tuple[Pair, ...]
    matching: str
    unmatched: tuple[tuple[str, ...], tuple[str, ...]]
    limits: dict[str, float]

    @property
    def parting(self) -> Pair | None:
        """The first tensor at which the networks part; None if they do not."""
        return next((pair for pair in self.pairs if pair.parted), None)

    def table(self) -> Table:
        """A row for each pair of tensors."""
        columns = ("tensor", "in the second", "kind", "shape", "SQNR dB", "largest difference", "int8 differing")
        rows = []
        for pair in self.pairs:
            shape = "x".join(map(str, pair.shape))
            differing = "" if pair.differing is None else f"{pair.differing:,}"
            name = "the same" if pair.second == pair.first else pair.second
            rows.append((pair.first, name, pair.kind, shape, pair.decibels, pair.largest, differing))
        return Table(columns, rows)


def compare(
    first: Network | QuantizedNetwork,
    second: Network | QuantizedNetwork,
    inputs: Any,
    matching: str | None = None,
    decibels: float = NOISY,
    progress: bool = False,
) -> Comparison:
    """Run two networks on the same inputs and compare their tensors.

    Two int8 tensors with one scale and zero point part if any value differs. Two float tensors part below 80 dB. Else
    they part below `decibels`.

    Args:
        first: a `Network` or a `QuantizedNetwork`.
        second: another one, with inputs of the same shapes.
        inputs: float array (N, *input shape), real values; for several inputs as in `Network.run`.
        matching: match tensors by "name", by "layer" (the name of the op that writes it) or by "position" (the order of
            kinds and shapes); by default the first of these that matches half of the tensors.
        decibels: the signal to noise ratio below which an int8 tensor parts from another one.
        progress: show a progress bar.

    Returns:
        `Comparison`.

    Raises:
        ValueError: the inputs do not fit the networks, or no tensors match.
    """
    if matching is not None and matching not in MATCHINGS:
        raise InvalidValue(f"matching is one of {', '.join(MATCHINGS)}, got {matching!r}")
    sources = (first.inputs, second.inputs)
    shapes = [[network.shapes[name] for name in names] for network, names in zip((first, second), sources, strict=True)]
    if shapes[0] != shapes[1]:
        raise InvalidValue(
            f"{first.name!r} takes inputs of shape {_list(shapes[0])}, {second.name!r} {_list(shapes[1])}"
        )
    inputs = check_images(first, inputs, "comparing")
    renamed = inputs
    if isinstance(inputs, dict):
        renamed = {new: inputs[old] for old, new in zip(*sources, strict=True)}
    how, matched = _match(first, second, matching)
    matched = [*zip(*sources, strict=True), *matched]
    seen = _measure(first, second, inputs, renamed, matched, progress)
    kinds = {op.output: op.kind for op in first.ops}
    pairs, parted = [], False
    for (one, other), (signal, lost, largest, differing) in zip(matched, seen, strict=True):
        ratio = _decibels(signal, lost)
        if differing is not None:
            apart = differing > 0
        else:
            apart = ratio < (EQUAL if _is_float(first) and _is_float(second) else decibels)
        parted = parted or apart
        pairs.append(Pair(one, other, kinds.get(one, "input"), first.shapes[one], ratio, largest, differing, parted))
    left = tuple(
        tuple(op.output for op in network.ops if op.output not in {pair[side] for pair in matched})
        for side, network in enumerate((first, second))
    )
    return Comparison(tuple(pairs), how, (left[0], left[1]), {"float": EQUAL, "int8": decibels})


def _list(shapes):
    return ", ".join("x".join(map(str, shape)) for shape in shapes)


def _is_float(network):
    return not isinstance(network, QuantizedNetwork)


def _match(first, second, matching):
    """(how, pairs of names of tensors that ops write), in the order of the first network's ops."""
    most = min(len(first.ops), len(second.ops))
    found: list[tuple[str, str]] = []
    for how in (matching,) if matching else MATCHINGS:
        found = _MATCH[how](first, second)
        if found and (matching or 2 * len(found) >= most):
            break
    ends = zip(first.outputs, second.outputs, strict=False)
    there = {name for pair in found for name in pair}
    for pair in ends:
        if there.isdisjoint(pair) and first.shapes[pair[0]] == second.shapes[pair[1]]:
            found.append(pair)
    if not found:
        raise InvalidValue(f"no tensors of {first.name!r} and {second.name!r} have the same {how} and shape")
    order = {op.output: position for position, op in enumerate(first.ops)}
    return how, sorted(found, key=lambda pair: order.get(pair[0], len(order)))


def _by_key(first, second, key):
    there = {key(op): op.output for op in second.ops}
    pairs = ((op.output, there[key(op)]) for op in first.ops if key(op) in there)
    return [pair for pair in pairs if first.shapes[pair[0]] == second.shapes[pair[1]]]


def _by_position(first, second):
    """The longest common order of kinds and shapes; if it is short, of shapes alone."""

    def aligned(key):
        ours, theirs = ([key(network, op) for op in network.ops] for network in (first, second))
        blocks = SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
        return [
            (first.ops[block.a + i].output, second.ops[block.b + i].output)
            for block in blocks
            for i in range(block.size)
        ]

    found = aligned(lambda network, op: (op.kind, op.activation, network.shapes[op.output]))
    if 2 * len(found) < min(len(first.ops), len(second.ops)):
        found = max(found, aligned(lambda network, op: network.shapes[op.output]), key=len)
    return found


_MATCH = {
    "name": lambda first, second: _by_key(first, second, lambda op: op.output),
    "layer": lambda first, second: _by_key(first, second, lambda op: op.name),
    "position": _by_position,
}


def _measure(first, second, inputs, renamed, matched, progress):
    """For each pair: sums of squares of signal and difference, the largest difference, differing int8 or None."""
    signal, lost, largest = (np.zeros(len(matched)) for _ in range(3))
    exact = [_scale(first, one) is not None and _scale(first, one) == _scale(second, other) for one, other in matched]
    differing = np.zeros(len(matched), int)
    steps = zip(_walk(first, inputs), _walk(second, renamed), strict=True)
    if progress:
        from tqdm.auto import tqdm

        steps = tqdm(steps, desc="comparing", unit="batch", leave=False)
    for ours, theirs in steps:
        for i, (one, other) in enumerate(matched):
            a, b = _real(first, one, ours[one]), _real(second, other, theirs[other])
            signal[i] += np.sum(a**2)
            lost[i] += np.sum((a - b) ** 2)
            largest[i] = max(largest[i], np.abs(a - b).max(initial=0.0))
            differing[i] += np.count_nonzero(ours[one] != theirs[other]) if exact[i] else 0
    return [
        (signal[i], lost[i], float(largest[i]), int(differing[i]) if exact[i] else None) for i in range(len(matched))
    ]


def _walk(network, inputs):
    if isinstance(network, QuantizedNetwork):
        return integer.walk(network, network.quantize_input(inputs))
    return network.walk(inputs)


def _scale(network, name):
    return network.quantization[name] if isinstance(network, QuantizedNetwork) else None


def _real(network, name, values):
    q = _scale(network, name)
    return np.asarray(values if q is None else q.dequantize(values), np.float64)


def _decibels(signal: float, lost: float) -> float:
    if lost == 0:
        return float("inf")
    return float(10 * np.log10(signal / lost)) if signal else float("-inf")


def agreement(expected: Sequence[Any] | np.ndarray, got: Sequence[Any] | np.ndarray) -> tuple[str, float] | None:
    """How often two networks decide the same, if their output is a decision.

    Args:
        expected: float (N, classes), or (N, 1) probabilities.
        got: the other network's, the same shape.

    Returns:
        (what, share): what was counted, and the share from 0 to 1. None for outputs of another form.
    """
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.ndim != 2 or expected.shape != got.shape or not len(expected):
        return None
    if expected.shape[1] > 1:
        return "the same class", float(np.mean(expected.argmax(axis=1) == got.argmax(axis=1)))
    if expected.min() >= 0 and expected.max() <= 1:
        return "the same side of 0.5", float(np.mean((expected >= 0.5) == (got >= 0.5)))
    return None
