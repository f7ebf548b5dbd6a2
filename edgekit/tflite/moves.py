"""Reads the operators of a .tflite file that move values: slices, transposes, borders, copies, and batch_matmul.

Their numbers count the batch. They may also move the batch itself, or read a tensor that has none: such a tensor has a
first dimension other than 1, and its shape in the network is its whole shape in the file (`call.without_batch`). Some
operators become several ops, because a network's op has one output, or because TensorFlow Lite Micro has no such op.
"""

from collections.abc import Callable
from math import prod
from typing import Any

from edgekit.network import moves
from edgekit.tflite.computed import part
from edgekit.tflite.unpacking import MOST_DIMENSIONS

Full = tuple[int, ...]  # the shape of a tensor in the file, with its batch
MOVES: dict[str, Callable[[Any], None]] = {}  # function(call) that enters the ops of an operator, by its name
SEVERAL_OUTPUTS = ("SPLIT", "SPLIT_V", "UNPACK")


def _moves(*codes):
    def enter(function):
        MOVES.update(dict.fromkeys(codes, function))
        return function

    return enter


def _axis(call, axis, rank):
    if not -rank <= axis < rank:
        call.refuse(f"the axis {axis} in a tensor of {rank} dimensions")
    return axis % rank


def _along(call, position, touched, steps, result, output=0):
    """Enter the ops of a movement.

    Args:
        call: the operator.
        position: of its input.
        touched: whether values move along the batch.
        steps: function(shape, axes, first) to the steps for these axes of the file's shape: all from `first` on, which
            is 1 if the batch is left aside.
        result: the output's shape in the file.
        output: which output.
    """
    full = call.full(position)
    first = 0 if touched or full[0] != 1 or len(full) == 1 else 1
    shape = full[first:]
    call.follow(position, moves.then(call.into(position, shape), steps(shape, first)), result, output)


@_moves("STRIDED_SLICE")
def _strided_slice(call):
    full, options = call.full(0), call.options
    begin, end, strides = (call.numbers(position) for position in (1, 2, 3))
    if any(len(values) != len(full) for values in (begin, end, strides)):
        call.refuse(f"{len(begin)} bounds for {len(full)} dimensions")
    if options.ellipsisMask or options.newAxisMask or getattr(options, "offset", False):
        call.refuse("an ellipsis mask, a new axis mask or an offset")
    if not strides.all():
        call.refuse("a stride of 0")
    ranges, removed = part(full, begin, end, strides, options)
    _slice(call, ranges, removed)


@_moves("SLICE")
def _plain_slice(call):
    full, begin, size = call.full(0), call.numbers(1), call.numbers(2)
    if len(begin) != len(full) or len(size) != len(full):
        call.refuse(f"{len(begin)} bounds for {len(full)} dimensions")
    ends = [n if count == -1 else first + count for n, first, count in zip(full, begin, size, strict=True)]
    _slice(call, [range(int(first), int(end)) for first, end in zip(begin, ends, strict=True)], set())


@_moves("REVERSE_V2")
def _reverse(call):
    full = call.full(0)
    axes = {_axis(call, int(axis), len(full)) for axis in call.numbers(1)}
    _slice(call, [range(n)[::-1] if axis in axes else range(n) for axis, n in enumerate(full)], set())


@_moves("SPLIT")
def _split(call):
    full = call.full(1)
    axis = _axis(call, int(call.numbers(0)[0]), len(full))
    _parts(call, 1, axis, [full[axis] // len(call.outputs)] * len(call.outputs))


@_moves("SPLIT_V")
def _split_v(call):
    full, sizes = call.full(0), [int(n) for n in call.numbers(1)]
    axis = _axis(call, int(call.numbers(2)[0]), len(full))
    rest = full[axis] - sum(n for n in sizes if n >= 0)
    _parts(call, 0, axis, [rest if n < 0 else n for n in sizes])


def _parts(call, position, axis, sizes):
    full, start = call.full(position), 0
    if sum(sizes) != full[axis] or len(sizes) != len(call.outputs):
        call.refuse(f"parts of {sizes} for {full[axis]} values")
    for output, size in enumerate(sizes):
        ranges = [range(n) for n in full]
        ranges[axis] = range(start, start + size)
        _slice(call, ranges, set(), position, output)
        start += size


@_moves("UNPACK")
def _unpack(call):
    full = call.full(0)
    axis = _axis(call, int(call.options.axis), len(full))
    if full[axis] != len(call.outputs):
        call.refuse(f"{len(call.outputs)} outputs for {full[axis]} values")
    for output in range(full[axis]):
        ranges = [range(n) for n in full]
        ranges[axis] = range(output, output + 1)
        _slice(call, ranges, {axis}, 0, output)


def _slice(call, ranges, removed, position=0, output=0):
    full = call.full(position)
    ends = [(r[0], r[-1]) if r else (-1, -1) for r in ranges]
    if any(min(pair) < 0 or max(pair) >= n for pair, n in zip(ends, full, strict=True)):
        call.refuse(f"the part {[(r.start, r.stop, r.step) for r in ranges]} of a tensor of shape {list(full)}")
    result = [len(indices) for axis, indices in enumerate(ranges) if axis not in removed] or [1]

    def steps(shape, first):
        chosen = ranges[first:]
        strides = [r.step if len(r) > 1 else 1 for r in chosen]
        return moves.sliced(shape, [r[0] for r in chosen], [len(r) for r in chosen], strides, always=True)

    _along(call, position, False, steps, result, output)


@_moves("TRANSPOSE")
def _transpose(call):
    full, perm = call.full(0), [int(axis) for axis in call.numbers(1)]
    if sorted(perm) != list(range(len(full))):
        call.refuse(f"the order {perm} of {len(full)} dimensions")
    result = [full[axis] for axis in perm]

    def steps(shape, first):
        return moves.transposed(shape, [axis - first for axis in perm[first:]], always=True)

    _along(call, 0, perm[0] != 0, steps, result)


@_moves("PAD", "PADV2", "MIRROR_PAD")
def _pad(call):
    full, pairs = call.full(0), call.numbers(1).reshape(-1, 2).tolist()
    if len(pairs) != len(full) or min(map(min, pairs)) < 0:
        call.refuse(f"the paddings {pairs} of {len(full)} dimensions")
    result = [n + before + after for n, (before, after) in zip(full, pairs, strict=True)]
    if call.code == "MIRROR_PAD":
        modes = {call.schema.MirrorPadMode.REFLECT: "reflect", call.schema.MirrorPadMode.SYMMETRIC: "symmetric"}
        if call.options.mode not in modes:
            call.refuse(f"the mode {call.options.mode}")
        mode = modes[call.options.mode]
        most = [n - (mode == "reflect") for n in full]
        if any(max(pair) > limit for pair, limit in zip(pairs, most, strict=True)):
            call.refuse(f"the paddings {pairs}, more than the input {list(full)} has values to mirror")
        _along(
            call, 0, any(pairs[0]), lambda shape, first: moves.mirrored(shape, pairs[first:], mode, always=True), result
        )
        return
    fill = call.real(2) if call.code == "PADV2" else None
    _along(call, 0, any(pairs[0]), lambda shape, first: moves.padded(shape, pairs[first:], fill, always=True), result)


@_moves("TILE")
def _tile(call):
    full, times = call.full(0), [int(n) for n in call.numbers(1)]
    if len(times) != len(full) or min(times) < 1:
        call.refuse(f"the multiples {times} of {len(full)} dimensions")
    result = [n * count for n, count in zip(full, times, strict=True)]
    _along(call, 0, times[0] != 1, lambda shape, first: moves.tiled(shape, times[first:]), result)


@_moves("BROADCAST_TO")
def _broadcast(call):
    full, result = call.full(0), [int(n) for n in call.numbers(1)]
    longer = (1,) * (len(result) - len(full)) + tuple(full)
    if not 0 < len(longer) == len(result) <= MOST_DIMENSIONS or any(
        n not in (1, wanted) for n, wanted in zip(longer, result, strict=True)
    ):
        call.refuse(f"the shape {result} from {list(full)}")
    first = int(result[0] == 1 and len(result) > 1)
    shape = full[1:] if first and full[0] == 1 and len(full) > 1 else longer[first:]
    call.follow(0, moves.then(call.into(0, shape), moves.broadcast(shape, result[first:], always=True)), result)


@_moves("GATHER")
def _gather(call):
    full, options = call.full(0), call.options
    shape, indices = call.constant_shape(1), call.numbers(1)
    axis = _axis(call, int(options.axis), len(full))
    if options.batchDims:
        call.refuse("batch dimensions")
    if indices.size == 0 or indices.min() < 0 or indices.max() >= full[axis]:
        call.refuse(f"an index outside 0 to {full[axis] - 1}")
    result = [*full[:axis], *shape, *full[axis + 1 :]] or [1]

    _along(call, 0, axis == 0, lambda shape, first: moves.gathered(shape, indices, axis - first), result)


@_moves("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
def _blocks(call):
    full, block = call.full(0), int(call.options.blockSize)
    if len(full) != 4 or full[0] != 1 or block < 1:
        call.refuse(f"an input of shape {list(full)} and blocks of {block}")
    _, height, width, channels = full
    if call.code == "DEPTH_TO_SPACE":
        steps, rest = moves.depth_to_space(full[1:], block), channels % block**2
        result = (1, height * block, width * block, channels // block**2)
    else:
        steps, rest = moves.space_to_depth(full[1:], block), height % block or width % block
        result = (1, height // block, width // block, channels * block**2)
    if rest:
        call.refuse(f"an input of shape {list(full)} that blocks of {block} do not divide")
    call.follow(0, steps, result)


@_moves("PACK")
def _pack(call):
    full = call.full(0)
    axis = _axis(call, int(call.options.axis), len(full) + 1)
    if any(call.full(position) != full for position in range(len(call.inputs))):
        call.refuse("inputs of different shapes")
    _join(call, [(*full[:axis], 1, *full[axis:])] * len(call.inputs), axis)


@_moves("CONCATENATION")
def _concatenation(call):
    fulls = [call.full(position) for position in range(len(call.inputs))]
    axis = _axis(call, int(call.options.axis), len(fulls[0]))
    if call.options.fusedActivationFunction:
        call.refuse("a fused activation")
    if len({(*full[:axis], *full[axis + 1 :]) for full in fulls}) != 1:
        call.refuse(f"inputs of the shapes {[list(full) for full in fulls]}")
    _join(call, fulls, axis)


def _join(call, fulls, axis):
    """Concatenate inputs after giving each of them a shape of the file's."""
    result = (*fulls[0][:axis], sum(full[axis] for full in fulls), *fulls[0][axis + 1 :])
    batch = axis > 0 and result[0] == 1
    parts = []
    for position, full in enumerate(fulls):
        shape = full[1:] if batch else full
        parts.append(call.enter(position, call.into(position, shape)))
    axis -= batch
    while len(parts) > moves.MOST_JOINED:
        parts = [call.add("concatenate", parts[: moves.MOST_JOINED], axis=axis), *parts[moves.MOST_JOINED :]]
    last = call.add("concatenate", parts, axis=axis)
    call.finish(last, result)


@_moves("RESHAPE")
def _reshape(call):
    full = call.full(0)
    size = prod(full)
    wanted = None
    if len(call.inputs) > 1 and call.reader.whole_numbers(call.inputs[1]) is not None:
        wanted = [int(n) for n in call.numbers(1)]
    elif len(call.inputs) > 1:
        wanted = list(call.reader.sizes(call.output))
    elif call.options is not None and call.options.newShape is not None:
        wanted = [int(n) for n in call.options.newShape]
    else:
        wanted = list(call.reader.sizes(call.output))
    if len(wanted) > MOST_DIMENSIONS:
        call.refuse(f"a shape of {len(wanted)} dimensions")
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        wanted[wanted.index(-1)] = size // rest if rest > 0 else -1
    if min(wanted, default=0) < 1 or prod(wanted) != size:
        call.refuse(f"a shape that depends on data: {list(full)} to {wanted}")
    call.follow(0, [], wanted)


@_moves("SQUEEZE")
def _squeeze(call):
    full, axes = call.full(0), call.options.squeezeDims
    axes = {_axis(call, int(axis), len(full)) for axis in ([] if axes is None else axes)}
    axes = axes or {axis for axis, n in enumerate(full) if n == 1}
    if any(full[axis] != 1 for axis in axes):
        call.refuse(f"the dimensions {sorted(axes)} of an input of shape {list(full)}")
    call.follow(0, [], [n for axis, n in enumerate(full) if axis not in axes] or [1])


@_moves("EXPAND_DIMS")
def _expand_dims(call):
    full = list(call.full(0))
    axis = _axis(call, int(call.numbers(1)[0]), len(full) + 1)
    call.follow(0, [], [*full[:axis], 1, *full[axis:]])


@_moves("BATCH_MATMUL")
def _batch_matmul(call):
    fulls, options = [call.full(0), call.full(1)], call.options
    flipped = (bool(options.adjX), bool(options.adjY))
    if min(map(len, fulls)) < 2:
        call.refuse(f"inputs of the shapes {[list(full) for full in fulls]}")
    (*first, _, depth), (*second, other, _) = (
        (*full[:-2], full[-1], full[-2]) if flip else full for full, flip in zip(fulls, flipped, strict=True)
    )
    pairs = zip(first[::-1], second[::-1], strict=False)
    if depth != other or any(a != b and 1 not in (a, b) for a, b in pairs):
        call.refuse(f"inputs of the shapes {[list(full) for full in fulls]}")
    batch = all(len(full) > 2 and full[0] == 1 for full in fulls)
    sources = [call.enter(i, call.into(i, full[1:] if batch else full)) for i, full in enumerate(fulls)]
    name = call.add("batch_matmul", sources, transposed=flipped)
    shape = call.reader.shapes[name]
    call.finish(name, (1, *shape) if batch else shape)
