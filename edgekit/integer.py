"""Integer inference in NumPy: the reference that TensorFlow Lite Micro, the generated C and the board agree with.

Only integer arithmetic in meaning. Sums of products are done in floating point all the same, because that is many times
faster and, while every partial sum stays below 2^24 (float32) or 2^53 (float64), exact: such whole numbers have no
rounding, in whatever order they are added. Each op here is written for reading; `edgekit._fast_integer` has a second
body for those with weights, for networks whose bounds it can prove.
"""

import os
import weakref

import numpy as np

from edgekit import _convolution, _fast_integer, fixed_point
from edgekit.fixed_point import requantize
from edgekit.network import WEIGHTED, _last_use
from edgekit.quantization import (
    QMAX,
    QMIN,
    by_channel,
    output_bounds,
    quantize_multiplier,
    requantization,
)


def run(network, q):
    """The network's int8 output for a batch.

    Args:
        network: a `QuantizedNetwork`.
        q: int8 array (N, *input shape).

    Returns:
        int8 array (N, *output shape).

    Raises:
        ValueError: q has another type or shape.
    """
    q = np.asarray(q)
    expected = tuple(network.shapes[network.input])
    if q.dtype != np.int8:
        raise ValueError(
            f"integer inference takes int8, got {q.dtype}: quantize_input(real) makes it, predict(real) does both"
        )
    if q.shape[1:] != expected or q.ndim != len(expected) + 1:
        raise ValueError(f"{network.name!r} takes int8 of shape (N, {', '.join(map(str, expected))}), got {q.shape}")
    if not len(q):
        return np.empty((0, *network.shapes[network.output]), np.int8)
    run_chunk = _compile(network)
    workers = min(os.cpu_count() or 1, -(-len(q) // _FEWEST))
    chunks = np.array_split(q, workers * -(-len(q) // (workers * _MOST)))
    if workers == 1:
        workspace = _fast_integer.Workspace()
        return np.concatenate([run_chunk(chunk, workspace)[network.output] for chunk in chunks])
    return np.concatenate(_in_threads(lambda chunk, w: run_chunk(chunk, w)[network.output], chunks, workers))


def walk(network, q, batch_size=8, keep=None):
    """Every int8 tensor of the network, a few images at a time; as `edgekit.network.Network.walk`."""
    run_chunk, workspace = _compile(network, keep=network.shapes if keep is None else keep), _fast_integer.Workspace()
    for start in range(0, len(q), batch_size):
        yield run_chunk(q[start : start + batch_size], workspace)


# Images that a thread takes through the network at a time: enough to make NumPy's calls worth their while.
_FEWEST, _MOST = 4, 25


# What `_compile` works out of a network's weights, kept as long as the network.
_STEPS = weakref.WeakKeyDictionary()


def _compile(network, keep=None):
    """A function from int8 images and a workspace to the tensors named in keep (by default the output)."""
    last_use = _last_use(network, {network.output} if keep is None else set(keep))
    if network not in _STEPS:
        steps = []
        for op in network.ops:
            fast = _fast_integer.plan(network, op) if op.kind in WEIGHTED else None
            steps.append((op, fast, None if fast else _step(network, op)))
        _STEPS[network] = steps
    steps = _STEPS[network]

    def run_chunk(q, workspace):
        tensors = {network.input: q}
        for position, (op, fast, plain) in enumerate(steps):
            inputs = [tensors[name] for name in op.inputs]
            tensors[op.output] = fast(inputs[0], workspace) if fast else plain(inputs)
            for name in last_use.get(position, ()):
                del tensors[name]
        return tensors

    return run_chunk


def _in_threads(function, chunks, workers):
    """function(chunk, workspace) of each chunk, a workspace a thread, the matrix products within one thread each."""
    from concurrent.futures import ThreadPoolExecutor

    from threadpoolctl import threadpool_limits

    def work(first):
        workspace = _fast_integer.Workspace()
        return [function(chunk, workspace) for chunk in chunks[first::workers]]

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(work, range(workers)))
    return [parts[index % workers][index // workers] for index in range(len(chunks))]


def _step(network, op):
    """A function from the op's int8 inputs to its int8 output, everything that can be known beforehand worked out."""
    makers = {
        "conv2d": _weighted,
        "depthwise_conv2d": _weighted,
        "fully_connected": _weighted,
        "add": _add,
        "concatenate": _concatenate,
        "average_pool2d": _average_pool2d,
        "max_pool2d": _max_pool2d,
        "mean": _mean,
        "pad": _pad,
        "reshape": _reshape,
        "rescale": _rescale,
        "sigmoid": _lookup,
        "tanh": _lookup,
        "softmax": _softmax,
    }
    return makers[op.kind](network, op)


def _exact_dtype(op, zero_point):
    """The narrowest float in which every partial sum of this op is a whole number without rounding."""
    reach = max(QMAX - zero_point, zero_point - QMIN)
    bound = reach * np.abs(by_channel(op.weights, op.kind).astype(np.int64)).sum(axis=1).max(initial=0)
    return np.float32 if bound < 2**24 else np.float64


def _weighted(network, op):
    source = network.quantization[op.inputs[0]]
    z_in, z_out = source.zero_point, network.quantization[op.output].zero_point
    multipliers, shifts = requantization(network, op)
    lowest, highest = output_bounds(network, op)
    dtype = _exact_dtype(op, z_in)
    weights = op.weights.astype(dtype)

    def step(inputs):
        x = inputs[0].astype(dtype)
        x -= dtype(z_in)
        if op.kind == "fully_connected":
            total = x.reshape(len(x), -1) @ weights.T
        else:
            # The border is z_in, which is the real 0: after the subtraction, 0.
            x = _convolution.pad_for(x, op.window, op.stride, op.padding, 0)
            total = getattr(_convolution, op.kind)(x, weights, op.stride)
        accumulator = total.astype(np.int64) + op.bias
        return np.clip(requantize(accumulator, multipliers, shifts) + z_out, lowest, highest).astype(np.int8)

    return step


def _add(network, op):
    first, second = (network.quantization[name] for name in op.inputs)
    result = network.quantization[op.output]
    twice = 2 * max(float(first.scale), float(second.scale))
    lowest, highest = output_bounds(network, op)
    parts = [(q.zero_point, *quantize_multiplier(float(q.scale) / twice)) for q in (first, second)]
    output = quantize_multiplier(twice / (2**20 * float(result.scale)))

    def step(inputs):
        total = 0
        for q, (zero_point, multiplier, shift) in zip(inputs, parts, strict=True):
            total = total + requantize((q.astype(np.int64) - zero_point) << 20, multiplier, shift)
        return np.clip(requantize(total, *output) + result.zero_point, lowest, highest).astype(np.int8)

    return step


def _mean(network, op):
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    cells = int(np.prod(network.shapes[op.inputs[0]][:2]))
    multiplier, shift = quantize_multiplier(float(source.scale) / float(result.scale))
    # The division by the number of cells goes into the multiplier, which is first made as long as 31 bits allow.
    grow = min(cells.bit_length() - 1, 32, 31 + shift)
    multiplier = (multiplier << grow) // cells

    def step(inputs):
        total = inputs[0].sum(axis=(1, 2), dtype=np.int64, keepdims=op.keepdims) - cells * source.zero_point
        return np.clip(requantize(total, multiplier, shift - grow) + result.zero_point, QMIN, QMAX).astype(np.int8)

    return step


def _average_pool2d(network, op):
    lowest, highest = output_bounds(network, op)
    size = network.shapes[op.inputs[0]][:2]
    cells = _convolution.valid_cells(size, op.pool, op.stride, op.padding)[None, :, :, None].astype(np.int64)

    def step(inputs):
        x = _convolution.pad_for(inputs[0].astype(np.int64), op.pool, op.stride, op.padding, 0)
        total = _convolution.sum_pool2d(x, op.pool, op.stride)
        away = np.where(total > 0, total + cells // 2, total - cells // 2)
        return np.clip(np.sign(away) * (np.abs(away) // cells), lowest, highest).astype(np.int8)

    return step


def _max_pool2d(network, op):
    lowest, highest = output_bounds(network, op)

    def step(inputs):
        x = _convolution.pad_for(inputs[0], op.pool, op.stride, op.padding, QMIN)
        return np.clip(_convolution.max_pool2d(x, op.pool, op.stride), lowest, highest)

    return step


def _concatenate(network, op):
    return lambda inputs: np.concatenate(inputs, axis=op.axis + 1)


def _pad(network, op):
    zero_point = network.quantization[op.inputs[0]].zero_point
    return lambda inputs: np.pad(inputs[0], ((0, 0), *op.paddings, (0, 0)), constant_values=zero_point)


def _reshape(network, op):
    shape = network.shapes[op.output]
    return lambda inputs: inputs[0].reshape(len(inputs[0]), *shape)


def _rescale(network, op):
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    multiplier, shift = quantize_multiplier(float(source.scale) / float(result.scale))

    def step(inputs):
        steps = requantize(inputs[0].astype(np.int64) - source.zero_point, multiplier, shift)
        return np.clip(steps + result.zero_point, QMIN, QMAX).astype(np.int8)

    return step


def _lookup(network, op):
    table = fixed_point.table(op.kind, network.quantization[op.inputs[0]])
    return lambda inputs: table[inputs[0].view(np.uint8)]


def _softmax(network, op):
    return lambda inputs: fixed_point.softmax(inputs[0], network.quantization[op.inputs[0]])
