"""Places each tensor in the arena, so that tensors that are not needed at the same time share memory.

The input and the output of an op are needed at the same time. But if the op goes through both in a known order, it may
write over values that it has already read: a `Rule` says how far apart the two must start.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ALIGNMENT = 4  # bytes; the LX6's loads for multiply-accumulate read whole words


@dataclass(frozen=True)
class Buffer:
    """A piece of the arena.

    Attributes:
        name: a tensor's name, or an op's name with " scratch" after it.
        size: bytes.
        first, last: positions of the op that first writes it and of the op that last reads it; -1 is before all ops.
    """

    name: str
    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Rule:
    """How an op's output may share memory with its input.

    Attributes:
        source, result: names of the buffers.
        lowest, highest: bounds in bytes of result's offset minus source's offset; None if there is no bound.
    """

    source: str
    result: str
    lowest: int | None = None
    highest: int | None = None


@dataclass(frozen=True)
class Arena:
    """The memory of all tensors.

    Attributes:
        buffers: the `Buffer`s in it.
        offsets: dict from a buffer's name to where it starts, bytes.
        size: bytes.
    """

    buffers: tuple[Buffer, ...]
    offsets: dict[str, int]
    size: int


def arrange(buffers: Iterable[Buffer], rules: Sequence[Rule] = (), attempts: int = 200) -> Arena:
    """Choose offsets with which buffers that are needed at the same time share no byte, unless a `Rule` allows it.

    Buffers are placed one after the other, each at the lowest offset that fits. The size of the result depends on the
    order, so several orders are tried: largest first, by time, and random ones (the same at each call).

    Args:
        buffers: `Buffer`s with distinct names.
        rules: `Rule`s, at most one for each pair of buffers.
        attempts: number of random orders.

    Returns:
        The smallest `Arena` found.
    """
    buffers = tuple(buffers)
    between = {(rule.source, rule.result): rule for rule in rules}
    last = max((buffer.last for buffer in buffers), default=0)
    floor = max(needed(position, buffers, rules) for position in range(-1, last + 1))
    best = None
    for order in _orders(buffers, attempts):
        offsets = place(order, between)
        size = max((offsets[buffer.name] + _aligned(buffer.size) for buffer in buffers), default=0)
        if best is None or size < best.size:
            best = Arena(buffers, offsets, size)
        if size == floor:
            break
    return best


def needed(position: int, buffers: Sequence[Buffer], rules: Sequence[Rule] = ()) -> int:
    """Bytes that every arena needs during an op: if two tensors may share memory, only the larger one counts.

    Args:
        position: the op's position.
        buffers: `Buffer`s.
        rules: `Rule`s.

    Returns:
        int.
    """
    sizes = {buffer.name: _aligned(buffer.size) for buffer in buffers if buffer.first <= position <= buffer.last}
    shared = (min(sizes[rule.source], sizes[rule.result]) for rule in rules if {rule.source, rule.result} <= set(sizes))
    return sum(sizes.values()) - max(shared, default=0)


def _orders(buffers: Sequence[Buffer], attempts: int) -> Iterator[Sequence[Buffer]]:
    yield sorted(buffers, key=lambda buffer: -buffer.size)
    yield list(buffers)
    yield list(reversed(buffers))
    shuffle = random.Random(0).shuffle
    for _ in range(attempts):
        order = list(buffers)
        shuffle(order)
        yield order


def place(order: Iterable[Buffer], between: Mapping[tuple[str, str], Rule] | None = None) -> dict[str, int]:
    """Place buffers in this order, each at the lowest offset that fits.

    Args:
        order: `Buffer`s.
        between: dict from (source, result) to `Rule`.

    Returns:
        dict from name to bytes.
    """
    between = between or {}
    placed, offsets = [], {}
    for buffer in order:
        rivals = [other for other in placed if other.first <= buffer.last and buffer.first <= other.last]
        allowed = [_allowed(buffer, other, offsets[other.name], between) for other in rivals]
        # The lowest offset that fits is 0, or at a bound of another buffer.
        candidates = sorted({0, *(low for choices in allowed for low, _ in choices if low is not None and low > 0)})
        offsets[buffer.name] = next(
            offset for offset in candidates if all(_within(offset, choices) for choices in allowed)
        )
        placed.append(buffer)
    return offsets


def _allowed(buffer, other, at, between):
    """Intervals (lowest, highest) of the offsets that a buffer may have if another buffer starts at `at`."""
    choices = [(None, at - _aligned(buffer.size)), (at + _aligned(other.size), None)]
    if rule := between.get((other.name, buffer.name)):
        low = None if rule.lowest is None else _aligned(at + rule.lowest)
        choices.append((low, None if rule.highest is None else at + rule.highest))
    if rule := between.get((buffer.name, other.name)):
        low = None if rule.highest is None else _aligned(at - rule.highest)
        choices.append((low, None if rule.lowest is None else at - rule.lowest))
    return choices


def _within(offset, choices):
    return any((low is None or offset >= low) and (high is None or offset <= high) for low, high in choices)


def _aligned(size):
    return -(-size // ALIGNMENT) * ALIGNMENT
