"""Integer inference in NumPy: the reference that TensorFlow Lite Micro, the generated C and the board agree with.

The results equal integer arithmetic. Sums of products are computed in floating point, because that is many times
faster. It is exact while every partial sum stays below 2^24 (float32) or 2^53 (float64): such whole numbers have no
rounding, in any order. Each op here is written to be read; `fast_integer` has faster code for the ops with weights, for
networks whose bounds it can prove.
"""

import os
import weakref
from collections.abc import Callable, Collection, Iterator
from copy import copy

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import (
    MOVING,
    WEIGHTED,
    Batch,
    Dispatch,
    Op,
    Results,
    States,
    activations,
    as_results,
    batch_size,
    batches,
    bordered,
    broadcasting,
    by_name,
    in_sequence,
    last_use,
    moved,
    products,
    repeated_constants,
    resizing,
    windows,
)
from edgekit.quantization import arithmetic, fixed_point, formulas, log_softmax, lstm, tables
from edgekit.quantization.fast_integer import Workspace, fast_step
from edgekit.quantization.formulas import QMAX, QMIN, requantize
from edgekit.quantization.parameters import (
    Quantized,
    by_channel,
    matmul_requantization,
    output_bounds,
    requantization,
)
from edgekit.quantization.tables import prelu_multipliers

# function(network, op): a function from the op's int8 inputs to its int8 output
STEP = Dispatch("edgekit/quantization/integer.py")


def first_states(network: Quantized) -> States:
    """The states with which a sequence begins, the real 0: dict from name to int8 array (*shape)."""
    return {
        name: np.full(network.shapes[name], network.quantization[name].zero_point, np.int8) for name in network.states
    }


def run(network: Quantized, q: Batch, states: States | None = None) -> Results:
    """The network's int8 output for a batch. If the network has states, the batch is a sequence, in order.

    Args:
        network: a `QuantizedNetwork`.
        q: int8 array (N, *input shape); several inputs are a dict from name to array, or a tuple.
        states: with which the sequence begins, and afterwards those at its end: see `edgekit.network.Session`. None
            begins anew.

    Returns:
        int8 array (N, *output shape); several outputs are a tuple.

    Raises:
        ValueError: q has another type or shape.
    """
    arrays = by_name(network, q)
    for name, array in arrays.items():
        _check(network, name, array)
    n = batch_size(arrays)
    if not n:
        return as_results([np.zeros((0, *network.shapes[name]), np.int8) for name in network.outputs])
    if network.states:
        steps = walk(network, arrays, _MOST, network.outputs, states)
        several = [[tensors[name] for name in network.outputs] for tensors in steps]
        return as_results([np.concatenate(parts) for parts in zip(*several, strict=True)])
    run_chunk = _compile(network)
    workers = min(os.cpu_count() or 1, -(-n // _FEWEST))
    pieces = workers * -(-n // (workers * _MOST))
    split = {name: np.array_split(array, pieces) for name, array in arrays.items()}
    chunks = [{name: parts[piece] for name, parts in split.items()} for piece in range(pieces)]

    def outputs(chunk, workspace):
        tensors = run_chunk(chunk, workspace)
        return [tensors[name] for name in network.outputs]

    if workers == 1:
        workspace = Workspace()
        results = [outputs(chunk, workspace) for chunk in chunks]
    else:
        results = _in_threads(outputs, chunks, workers)
    return as_results([np.concatenate(parts) for parts in zip(*results, strict=True)])


def _check(network, name, q):
    expected = tuple(network.shapes[name])
    if q.dtype != np.int8:
        raise InvalidValue(
            f"integer inference takes int8, got {q.dtype}: quantize_input(real) makes it, predict(real) does both"
        )
    if q.shape[1:] != expected or q.ndim != len(expected) + 1:
        of = repr(network.name) if len(network.inputs) == 1 else f"the input {name!r} of {network.name!r}"
        raise InvalidValue(f"{of} takes int8 of shape (N, {', '.join(map(str, expected))}), got {q.shape}")


def walk(
    network: Quantized,
    q: Batch,
    batch_size: int = 8,
    keep: Collection[str] | None = None,
    states: States | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Every int8 tensor of the network, constants included, a few images at a time.

    Args:
        network: a `QuantizedNetwork`.
        q: int8 array (N, *input shape); several inputs as in `run`.
        batch_size: images at a time.
        keep: names of the tensors wanted; by default all.
        states: as in `run`.

    Yields:
        dict from tensor name to int8 array (n, *shape), for each batch of n images in turn.
    """
    run_chunk, workspace = _compile(network, keep=network.shapes if keep is None else keep), Workspace()
    states = first_states(network) if states is None else states
    for part in batches(network, q, batch_size):
        if network.states:
            yield in_sequence(network, part, states, lambda tensors: run_chunk(tensors, workspace))
        else:
            yield run_chunk(part, workspace)


# Images that a thread computes together: enough that the cost of NumPy's calls matters little.
_FEWEST, _MOST = 4, 25


# The results of `_compile` for a network's weights, kept as long as the network.
_STEPS: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _compile(network, keep=None):
    """A function from a dict of int8 inputs and a workspace to the tensors named in keep (by default the outputs)."""
    gone = last_use(network, set(network.outputs) if keep is None else set(keep))
    if network not in _STEPS:
        steps, same = [], copy(network)  # a step that referred to the network itself would keep it for ever
        for op in network.ops:
            fast = fast_step(same, op) if op.kind in WEIGHTED else None
            steps.append((op, fast, None if fast else STEP[op.kind](same, op)))
        _STEPS[network] = steps
    steps = _STEPS[network]

    def run_chunk(inputs, workspace):
        tensors = inputs | repeated_constants(network, batch_size(inputs))
        for position, (op, fast, plain) in enumerate(steps):
            sources = [tensors[name] for name in op.inputs]
            tensors[op.output] = fast(sources[0], workspace) if fast else plain(sources)
            for name in gone.get(position, ()):
                del tensors[name]
        return tensors

    return run_chunk


def _in_threads(function, chunks, workers):
    """function(chunk, workspace) of each chunk: one workspace for each thread, and one thread for a matrix product."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    def work(first):
        workspace = Workspace()
        return [function(chunk, workspace) for chunk in chunks[first::workers]]

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(work, range(workers)))
    return [parts[index % workers][index // workers] for index in range(len(chunks))]


def _exact_dtype(op, zero_point):
    """The narrowest float in which every partial sum of this op is a whole number without rounding."""
    reach = max(QMAX - zero_point, zero_point - QMIN)
    bound = reach * np.abs(by_channel(op.weights, op.kind).astype(np.int64)).sum(axis=1).max(initial=0)
    return np.float32 if bound < 2**24 else np.float64


def accumulate(network: Quantized, op: Op) -> Callable[[np.ndarray], np.ndarray]:
    """A function from an op's int8 input to its accumulators without the bias: the sums of (x - z_in) * w, int64."""
    z_in = network.quantization[op.inputs[0]].zero_point
    dtype = _exact_dtype(op, z_in)
    weights = op.weights.astype(dtype)

    def sums(q):
        x = q.astype(dtype)
        x -= dtype(z_in)
        if op.kind == "fully_connected":
            total = x.reshape(-1, weights.shape[1]) @ weights.T
            total = total.reshape(len(x), *network.shapes[op.output])
        elif op.kind == "transpose_conv2d":
            total = windows.transpose_conv2d(x, weights, op.stride, op.padding, op.output_size)
        else:
            # The border is z_in, which is the real 0: after the subtraction, 0.
            x = windows.pad_for(x, op.reach, op.stride, op.padding, 0)
            convolve = windows.conv2d if op.kind == "conv2d" else windows.depthwise_conv2d
            total = convolve(x, weights, op.stride, op.dilation)
        return total.astype(np.int64)

    return sums


@STEP.register("conv2d", "depthwise_conv2d", "transpose_conv2d", "fully_connected")
def _weighted(network, op):
    z_out = network.quantization[op.output].zero_point
    multipliers, shifts = requantization(network, op)
    lowest, highest = output_bounds(network, op)
    sums = accumulate(network, op)

    def step(inputs):
        accumulator = sums(inputs[0]) + op.bias
        return np.clip(requantize(accumulator, multipliers, shifts) + z_out, lowest, highest).astype(np.int8)

    return step


@STEP.register("lstm")
def _lstm(network, op):
    return lambda inputs: lstm.run(network, op, inputs[0])


@STEP.register("add", "sub")
def _sum(network, op):
    first, second, result = (network.quantization[name] for name in (*op.inputs, op.output))
    *parts, output = formulas.add_multipliers(first.scale, second.scale, result.scale)
    lowest, highest = output_bounds(network, op)
    combine = np.add if op.kind == "add" else np.subtract

    def step(inputs):
        scaled = [
            requantize((q.astype(np.int64) - source.zero_point) << 20, *part)
            for q, source, part in zip(broadcasting.aligned(inputs), (first, second), parts, strict=True)
        ]
        return np.clip(requantize(combine(*scaled), *output) + result.zero_point, lowest, highest).astype(np.int8)

    return step


@STEP.register("mul")
def _mul(network, op):
    first, second, result = (network.quantization[name] for name in (*op.inputs, op.output))
    multiplier, shift = arithmetic.mul_multiplier(first.scale, second.scale, result.scale)
    lowest, highest = output_bounds(network, op)

    def step(inputs):
        a, b = (q.astype(np.int64) for q in broadcasting.aligned(inputs))
        product = (a - first.zero_point) * (b - second.zero_point)
        return np.clip(requantize(product, multiplier, shift) + result.zero_point, lowest, highest).astype(np.int8)

    return step


@STEP.register("maximum", "minimum")
def _extremum(network, op):
    choose = np.maximum if op.kind == "maximum" else np.minimum
    return lambda inputs: choose(*broadcasting.aligned(inputs))


@STEP.register("squared_difference")
def _squared_difference(network, op):
    first, second, result = (network.quantization[name] for name in (*op.inputs, op.output))
    *parts, output = arithmetic.squared_difference_multipliers(first.scale, second.scale, result.scale)

    def step(inputs):
        a, b = (
            requantize((q.astype(np.int64) - source.zero_point) << arithmetic.SQUARE_BITS, *part)
            for q, source, part in zip(broadcasting.aligned(inputs), (first, second), parts, strict=True)
        )
        return np.clip(requantize((a - b) ** 2, *output) + result.zero_point, QMIN, QMAX).astype(np.int8)

    return step


@STEP.register("mean", "sum")
def _reduced_sum(network, op):
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    count, multiplier, shift = sum_scales(network, op)
    axes = tuple(axis + 1 for axis in op.axes)

    def step(inputs):
        total = inputs[0].sum(axis=axes, dtype=np.int64, keepdims=op.keepdims) - count * source.zero_point
        return np.clip(requantize(total, multiplier, shift) + result.zero_point, QMIN, QMAX).astype(np.int8)

    return step


def sum_scales(network: Quantized, op: Op) -> tuple[int, int, int]:
    """(number of values in a sum, multiplier, shift) of a mean or sum; a mean's division is in the multiplier."""
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    shape = network.shapes[op.inputs[0]]
    count = int(np.prod([shape[axis] for axis in op.axes]))
    if op.kind == "mean":
        return (count, *formulas.mean_multiplier(source.scale, result.scale, count))
    return (count, *formulas.rescale_multiplier(source.scale, result.scale))


@STEP.register("reduce_max", "reduce_min")
def _reduce(network, op):
    reduce = np.max if op.kind == "reduce_max" else np.min
    axes = tuple(axis + 1 for axis in op.axes)
    return lambda inputs: reduce(inputs[0], axis=axes, keepdims=op.keepdims)


@STEP.register("average_pool2d")
def _average_pool2d(network, op):
    lowest, highest = output_bounds(network, op)
    size = network.shapes[op.inputs[0]][:2]
    cells = windows.valid_cells(size, op.pool, op.stride, op.padding)[None, :, :, None].astype(np.int64)

    def step(inputs):
        x = windows.pad_for(inputs[0].astype(np.int64), op.pool, op.stride, op.padding, 0)
        total = windows.sum_pool2d(x, op.pool, op.stride)
        away = np.where(total > 0, total + cells // 2, total - cells // 2)
        return np.clip(np.sign(away) * (np.abs(away) // cells), lowest, highest).astype(np.int8)

    return step


@STEP.register("max_pool2d")
def _max_pool2d(network, op):
    lowest, highest = output_bounds(network, op)

    def step(inputs):
        x = windows.pad_for(inputs[0], op.pool, op.stride, op.padding, QMIN)
        return np.clip(windows.max_pool2d(x, op.pool, op.stride), lowest, highest)

    return step


@STEP.register("concatenate")
def _concatenate(network, op):
    return lambda inputs: np.concatenate(inputs, axis=op.axis + 1)


@STEP.register("pad", "pad_constant")
def _pad(network, op):
    fill = network.quantization[op.output].quantize(np.float32(op.fill or 0))
    return lambda inputs: bordered(op, inputs[0], fill)


@STEP.register(*MOVING)
def _moved(network, op):
    return lambda inputs: moved(op, inputs[0])


@STEP.register("resize_bilinear")
def _resize_bilinear(network, op):
    along = []
    for n, size in zip(network.shapes[op.inputs[0]][:2], op.size, strict=True):
        scale, offset = resizing.whole_places(n, size, op.align_corners, op.half_pixel_centers)
        first, second, _ = resizing.neighbours((scale * np.arange(size) + offset) / resizing.ONE, n)
        along.append((first, second, scale * np.arange(size) + offset - resizing.ONE * first))

    def step(inputs):
        total = resizing.bilinear(inputs[0].astype(np.int64), along, resizing.ONE)
        return (np.sign(total) * ((np.abs(total) + (1 << 19)) >> 20)).astype(np.int8)

    return step


@STEP.register("batch_matmul")
def _batch_matmul(network, op):
    z_out = network.quantization[op.output].zero_point
    multiplier, shift = matmul_requantization(network, op)
    zero_points = [network.quantization[name].zero_point for name in op.inputs]

    def step(inputs):
        a, b = (x.astype(np.float64) - zero for x, zero in zip(inputs, zero_points, strict=True))
        total = products(op, (a, b)).astype(np.int64)  # exact: the sums stay far below 2^53
        return np.clip(requantize(total, multiplier, shift) + z_out, QMIN, QMAX).astype(np.int8)

    return step


@STEP.register("reshape")
def _reshape(network, op):
    shape = network.shapes[op.output]
    return lambda inputs: inputs[0].reshape(len(inputs[0]), *shape)


@STEP.register(*tables.TABLE)
def _of_one_value(network, op):
    table = tables.table(network, op)
    return lambda inputs: table[inputs[0].view(np.uint8)]


@STEP.register("prelu")
def _prelu(network, op):
    source, slopes, result = (network.quantization[name] for name in (*op.inputs, op.output))
    above, below = prelu_multipliers(source.scale, slopes.scale, result.scale)

    def step(inputs):
        x = inputs[0].astype(np.int64) - source.zero_point
        slope = activations.aligned(inputs[1], x.ndim).astype(np.int64) - slopes.zero_point
        y = np.where(x >= 0, requantize(x, *above), requantize(x * slope, *below))
        return np.clip(y + result.zero_point, QMIN, QMAX).astype(np.int8)

    return step


@STEP.register("softmax")
def _softmax(network, op):
    source = network.quantization[op.inputs[0]]
    return lambda inputs: fixed_point.softmax(inputs[0], source, op.beta)


@STEP.register("log_softmax")
def _log_softmax(network, op):
    source = network.quantization[op.inputs[0]]
    log_softmax.check_classes(op.name, network.shapes[op.output][-1])
    return lambda inputs: log_softmax.log_softmax(inputs[0], source)
