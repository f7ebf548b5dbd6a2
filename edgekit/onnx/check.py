"""Compares a network that was just read with ONNX's reference, so that no node is read wrongly without a word.

Each node is tried by itself, on the values that the reference gives its inputs. Then the whole network is compared.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import Network, run_op
from edgekit.onnx.layout import Value, held_shape
from edgekit.onnx.model import first_line
from edgekit.onnx.reader import Reader

SIZES = (1.0, 4.0, 0.1)  # of the random values in each input
NEAR = 1e-4  # of a node's largest output and of its largest input times 0.01: float32 sums in another order
ALIKE = 2e-3  # of the largest output, for the whole network
MOST_MACS = 4_000_000_000  # above it a network is too large to be compared in reasonable time, and for any board
REPORT = "please report this model"
_TEMPORARY = {"batch_norm": lambda op, x: x * op.weights + op.bias, "square": lambda op, x: np.square(x)}


def check(onnx: Any, model: Any, reader: Reader, network: Network) -> None:
    """Compare a network with the model that it was read from.

    Args:
        onnx: the package.
        model: the `onnx.ModelProto`.
        reader: the reader, after it has read the model.
        network: the network of its ops.

    Raises:
        ValueError: they compute different values; the message names the first such node.
    """
    if network.macs > MOST_MACS:
        raise InvalidValue(
            f"{network.name!r} takes {network.macs:,} multiply-accumulates, too many for a microcontroller; at most "
            f"{MOST_MACS:,} are read"
        )
    random = np.random.default_rng(0)
    given = {tensor.name for tensor in reader.graph.input}
    inputs = {name: value for name, value in reader.values.items() if name in given and isinstance(value, Value)}
    feeds = [
        {name: (size * random.normal(size=value.shape)).astype(np.float32) for name, value in inputs.items()}
        for size in SIZES
    ]
    theirs = [_reference(onnx, model, feed) for feed in feeds]
    known = {value.name: _batch([feed[name] for feed in feeds], value) for name, value in inputs.items()}
    x = {name: known[name] for name in network.inputs}
    for name, values in reader.constants.items():
        known[name] = np.broadcast_to(values, (len(SIZES), *values.shape))
    with np.errstate(all="ignore"):  # random values may be out of a function's range
        _nodes(reader, known, theirs)
        results = network.run(x)
    for name, ours in zip(network.outputs, results if isinstance(results, tuple) else (results,), strict=True):
        if _far(ours, known[name], ALIKE * _largest(known[name])):
            raise InvalidValue(
                f"{network.name!r} is not read rightly: its output {name!r} differs by up to "
                f"{_gap(ours, known[name]):.3g}; {REPORT}"
            )


def _reference(onnx, model, feed):
    """All tensors of the model, by name, as ONNX's reference computes them."""
    from onnx.reference import ReferenceEvaluator
    from onnx.reference.op_run import OpRun

    # ONNX's own takes only images, and before opset 14 normalizes with the batch's mean and variance.
    class GlobalMaxPool(OpRun):
        op_domain = ""

        def _run(self, x):
            return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)

    class BatchNormalization(OpRun):
        op_domain = ""

        def _run(self, x, scale, bias, mean, variance, epsilon=1e-5, momentum=None, training_mode=None):
            along = (1, -1, *(1,) * (x.ndim - 2))
            mean, variance, scale, bias = (values.reshape(along) for values in (mean, variance, scale, bias))
            return ((scale * (x - mean) / np.sqrt(variance + epsilon) + bias).astype(x.dtype),)

    kinds = {tensor.name: tensor.type.tensor_type.elem_type for tensor in model.graph.input}
    feed = {name: x.astype(onnx.helper.tensor_dtype_to_np_dtype(kinds[name])) for name, x in feed.items()}
    try:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(model, new_ops=[GlobalMaxPool, BatchNormalization]).run(
                None, feed, intermediate=True
            )
    except Exception as error:  # NumPy raises whatever it is led to
        raise InvalidValue(f"ONNX's reference cannot run this model: {first_line(error)}; export it again") from None


def _batch(arrays: Sequence[np.ndarray], value: Value) -> np.ndarray:
    """Arrays in ONNX's layout as a batch in the network's."""
    absent = [axis for axis in range(len(value.shape)) if axis not in value.axes]
    rows = [np.asarray(x, np.float32).reshape(value.shape).transpose(*absent, *value.axes) for x in arrays]
    return np.stack(rows).reshape(len(arrays), *held_shape(value.shape, value.axes))


def _nodes(reader, known, theirs):
    for step in reader.steps:
        size = 0.0
        for op in step.ops:
            values = [known[name] for name in op.inputs]
            size = max([size, *map(_largest, values)])
            temporary = _TEMPORARY.get(op.kind)
            y = temporary(op, values[0]) if temporary else run_op(op, values, reader.shapes[op.output])
            known[op.output] = np.asarray(y, np.float32)
        for name, value in step.outputs.items():
            given = [np.asarray(result[name]) for result in theirs]
            if any(each.shape != value.shape for each in given):
                raise InvalidValue(
                    f"node {step.node} is not read rightly: ONNX gives the shape {list(given[0].shape)}, and not "
                    f"{list(value.shape)}; {REPORT}"
                )
            exact, rough = _batch(given, value), NEAR if given[0].dtype != np.float16 else 0.02
            if _far(known[value.name], exact, rough * max(_largest(exact), 0.01 * size)):
                raise InvalidValue(
                    f"node {step.node} is not read rightly: ONNX gives values that differ by up to "
                    f"{_gap(known[value.name], exact):.3g}, where the largest is {_largest(exact):.3g}; {REPORT}"
                )
            known[value.name] = exact


def _largest(values):
    return float(np.abs(np.where(np.isfinite(values), values, 0)).max(initial=0))


def _gap(ours, theirs):
    return float(np.nanmax(np.abs(ours - theirs)))


def _far(ours, theirs, limit):
    finite = np.isfinite(theirs)
    close = np.abs(np.where(finite, ours, 0) - np.where(finite, theirs, 0)) <= limit + 1e-30
    return not (close & (finite | ~np.isfinite(ours))).all()
