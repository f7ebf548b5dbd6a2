"""Makes a network in int8 from given numbers. It checks each number, and an error names the op or tensor."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import OPS, WEIGHTED, Network, check_network
from edgekit.quantization.formulas import QMAX, QMIN
from edgekit.quantization.parameters import FIXED, Quantization, activation_quantization, by_channel, from_channels
from edgekit.quantization.quantized import QuantizedNetwork
from edgekit.quantization.shared_scales import groups

_LARGEST_BIAS = 2**30  # half of an int32: the other half is for the sum


def assemble(network: Network, activations: Mapping[str, Any], weights: Mapping[str, Any]) -> QuantizedNetwork:
    """Make a `QuantizedNetwork` from given numbers, so that a student's own numbers go to the board.

    Args:
        network: a `Network`. Its biases are rounded here, to steps of s_in * s_w.
        activations: dict from the name of each tensor to a pair (scale, zero_point), or to a `Quantization`. Outputs of
            sigmoid, softmax and tanh always get the scale that the specification fixes. A constant that is not named
            gets the scale of its own range.
        weights: dict from the name of each op with weights to a pair (q, scales). q holds the int8 weights, whole
            numbers from -127 to 127, in the op's own shape or as rows (out, n), as `by_channel` gives them. scales has
            one number for each output channel, or one number for all.

    Returns:
        `QuantizedNetwork`.

    Raises:
        ValueError: a number is missing, is not possible, or has another shape; the message names the op or tensor. Or
            the network has an LSTM.
    """
    check_network(network, Network)
    network, leader = groups(network, FIXED)
    fixed = {op.output: FIXED[op.kind] for op in network.ops if op.kind in FIXED}
    source = {op.output: op.inputs[0] for op in network.ops if op.kind == "rescale"}
    tensors = {}
    for name in leader:
        given = source.get(name, name)
        if name in fixed:
            tensors[name] = fixed[name]
        elif name in network.constants and name not in activations:
            tensors[name] = activation_quantization(*_limits(network.constants[name]))
        else:
            tensors[name] = _activation(given, _get(activations, given, "tensor"))
    for name, first in leader.items():
        if tensors[name] != tensors[first]:
            raise InvalidValue(f"the tensors {name!r} and {first!r} must share one scale and zero point")
    ops = []
    for op in network.ops:
        if op.kind in WEIGHTED:
            q, scales = _weights(op, _get(weights, op.name, "op"))
            bias = _bias(op, tensors[op.inputs[0]].scale, scales)
            op = replace(op, weights=q, weight_scales=scales, bias=bias)
        elif OPS[op.kind].blocks:
            raise InvalidValue(
                f"assemble takes no numbers for {op.name!r}, an {op.kind} with several scales: quantize chooses them"
            )
        ops.append(op)
    constants = {name: tensors[name].quantize(values) for name, values in network.constants.items()}
    ends, states = (network.inputs, network.outputs), network.states
    return QuantizedNetwork(
        network.name, *ends, network.shapes, tuple(ops), tensors, constants=constants, states=states
    )


def _limits(values):
    return float(values.min(initial=0)), float(values.max(initial=0))


def _get(given, name, what):
    if not hasattr(given, "keys"):
        raise InvalidValue(f"expected a dict from the name of each {what} to its numbers, got a {type(given).__name__}")
    if name not in given:
        raise InvalidValue(f"nothing is given for the {what} {name!r}")
    value = given[name]
    return (value.scale, value.zero_point) if isinstance(value, Quantization) else _pair(value, f"the {what} {name!r}")


def _pair(value, what):
    if value is None or value is Ellipsis:
        raise InvalidValue(f"for {what} the value is still {value!r}: is the task above it done?")
    try:
        first, second = value
    except (TypeError, ValueError):
        raise InvalidValue(f"{what} needs two things, got {value!r:.80}") from None
    return first, second


def _activation(name, pair):
    scale, zero_point = (_numbers(value, f"the {part} of {name!r}") for value, part in zip(pair, _PARTS, strict=True))
    if scale.size != 1 or zero_point.size != 1:
        raise InvalidValue(
            f"the tensor {name!r} has one scale and one zero point, got {scale.size} and {zero_point.size}"
        )
    scale, zero_point = np.float32(scale.item()), zero_point.item()
    if not (np.isfinite(scale) and scale > 0):
        raise InvalidValue(f"the scale of {name!r} must be above 0, got {scale:g}")
    if zero_point != round(zero_point) or not QMIN <= zero_point <= QMAX:
        raise InvalidValue(
            f"the zero point of {name!r} must be a whole number from {QMIN} to {QMAX}, got {zero_point:g}"
        )
    return Quantization(scale, int(zero_point))


_PARTS = ("scale", "zero point")


def _numbers(value, what):
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise InvalidValue(f"{what} should be a number, got {value!r:.60}") from None
    return array


def _weights(op, pair):
    q, scales = _numbers(pair[0], f"the weights of {op.name!r}"), _numbers(pair[1], f"the scales of {op.name!r}")
    rows = by_channel(op.weights, op.kind).shape
    if q.shape not in (op.weights.shape, rows):
        raise InvalidValue(
            f"the weights of {op.name!r} should have the shape {rows} or {op.weights.shape}, got {q.shape}"
        )
    if not np.array_equal(q, np.rint(q)) or np.abs(q).max(initial=0) > QMAX:
        raise InvalidValue(f"the int8 weights of {op.name!r} should be whole numbers from -127 to 127")
    scales = np.atleast_1d(scales).astype(np.float32)
    if scales.shape not in ((rows[0],), (1,)):
        raise InvalidValue(
            f"{op.name!r} needs {rows[0]} scales, one for each channel, or a single one; got shape {scales.shape}"
        )
    if not (np.isfinite(scales) & (scales > 0)).all():
        channel = int(np.argmin(np.isfinite(scales) & (scales > 0)))
        raise InvalidValue(f"the scale of channel {channel} of {op.name!r} must be above 0, got {scales[channel]:g}")
    q = q.astype(np.int8)
    return (q if q.shape == op.weights.shape else from_channels(q, op)), scales


def _bias(op, input_scale, scales):
    steps = op.bias.astype(np.float64) / (np.float64(input_scale) * scales.astype(np.float64))
    if np.abs(steps).max() > _LARGEST_BIAS:
        channel = int(np.abs(steps).argmax())
        scale = np.broadcast_to(scales, op.bias.shape)[channel]
        raise InvalidValue(
            f"the scale of channel {channel} of {op.name!r}, {scale:.3g}, is so small that its bias does not fit into "
            "an int32; if all weights of a channel are 0, any scale is right, for example 1"
        )
    return np.rint(steps).astype(np.int32)
