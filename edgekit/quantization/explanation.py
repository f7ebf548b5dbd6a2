"""Shows every step to one output of an int8 network, and why a desktop and a device may differ by one."""

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network import OPS, WEIGHTED, Op
from edgekit.quantization import formulas, integer
from edgekit.quantization.parameters import output_bounds, requantization
from edgekit.quantization.quantized import QuantizedNetwork
from edgekit.table import Table


@dataclass(frozen=True, repr=False)
class Explanation(Table):
    """A `Table` of the steps to one output.

    Attributes:
        position: index of the output in its tensor.
        output: the device's result, int8.
        desktop: the result of a desktop that rounds once, in float32, as XNNPACK does.
    """

    position: tuple[int, ...] = ()
    output: int = 0
    desktop: int = 0


def explain(
    network: QuantizedNetwork, op: Op | str, q: np.ndarray, position: tuple[int, ...] | None = None
) -> Explanation:
    """Show one output value's accumulator, multiplier, both roundings, zero point and clamp.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its ops with weights, or its name.
        q: int8 input of the network, of its input shape, for example `quantize_input(real)[0]`.
        position: index of the value in the op's output. By default it is a value for which a desktop that rounds once
            differs from a device that rounds twice; if there is none, it is the first value.

    Returns:
        A table that a notebook shows, with the attributes position, output (the device's int8) and desktop.

    Raises:
        ValueError: no such op or position, or an input of another type or shape.
    """
    found = _find(network, op)
    q = np.asarray(q)
    if q.shape == tuple(network.shapes[network.input]):
        q = q[None]
    if q.dtype != np.int8 or q.shape != (1, *network.shapes[network.input]):
        raise InvalidValue(
            f"explain takes one int8 input of shape {network.shapes[network.input]}, got {q.dtype} of shape {q.shape}: "
            "network.quantize_input(real)[0] makes it"
        )
    tensors = next(integer.walk(network, q))
    sums = integer.accumulate(network, found)(tensors[found.inputs[0]])[0]
    desktop = _round_once(network, found, sums + found.bias)
    output = tensors[found.output][0].astype(int)
    if position is None:
        differ = np.argwhere(desktop != output)
        position = tuple(differ[0]) if len(differ) else (0,) * output.ndim
    position = tuple(int(i) for i in np.atleast_1d(position))
    if len(position) != output.ndim or not all(-n <= i < n for i, n in zip(position, output.shape, strict=True)):
        raise InvalidValue(
            f"position {position} is not in the output of {found.name!r}, which has the shape {output.shape}"
        )
    return _table(network, found, position, int(sums[position]), int(output[position]), int(desktop[position]))


def _table(network, op, position, total, output, desktop):
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    channel = position[-1]
    multiplier, shift = (int(values[channel]) for values in requantization(network, op))
    scale = float(np.broadcast_to(op.weight_scales, op.bias.shape)[channel])
    accumulator = total + int(op.bias[channel])
    shifted = accumulator << max(shift, 0)
    high = int(formulas.high_mul(shifted, multiplier))
    e = max(-shift, 0)
    steps = int(formulas.requantize(accumulator, multiplier, shift))
    lowest, highest = output_bounds(network, op)
    d = float(source.scale) * scale / float(result.scale)
    rows = [
        ("sum of (x - z_in) * w", f"z_in = {source.zero_point}", total),
        ("+ bias", "int32, in steps of s_in * s_w", int(op.bias[channel])),
        ("= accumulator", "int32", accumulator),
        ("d = s_in * s_w / s_out", f"{source.scale:.6g} * {scale:.6g} / {result.scale:.6g}", d),
        ("d as integers: M", f"d = M / 2^31 * 2^{shift}", multiplier),
        (
            "accumulator * M / 2^31",
            f"{shifted * multiplier / 2**31:.4f} is rounded to the nearest, the first time",
            high,
        ),
        (f"shifted right by {e}", f"{high / 2**e:.4f} is rounded to the nearest, the second time", steps),
        ("+ z_out", f"z_out = {result.zero_point}", steps + result.zero_point),
        ("clamped: the output", f"to [{lowest}, {highest}], activation {op.activation}", output),
        ("its real value", "s_out * (q - z_out)", float(result.dequantize(output))),
        ("rounded once, as a desktop may", f"{accumulator} * d = {accumulator * d:.4f}, in float32", desktop),
    ]
    place = ", ".join(map(str, position))
    verdict = (
        "Device and desktop agree here."
        if output == desktop
        else f"The device gives {output}, the desktop {desktop}: the value is so near the middle of two steps that "
        "rounding twice and rounding once give different results."
    )
    title = f"{op.name}[{place}], a {op.kind}"
    return Explanation(("step", "with", "value"), rows, title, verdict, position, output, desktop)


def _find(network, op):
    if not isinstance(op, str):
        op = op.name
    known = {each.name: each for each in network.ops if each.kind in WEIGHTED}
    other = next((each for each in network.ops if each.name == op and OPS[each.kind].blocks), None)
    if other is not None:
        raise InvalidValue(f"{op!r} is an {other.kind}, whose steps explain does not show; it shows {', '.join(known)}")
    if op not in known:
        raise InvalidValue(f"no op with weights is called {op!r}; there are {', '.join(known)}")
    return known[op]


def _round_once(network, op, accumulators):
    """As XNNPACK does: accumulator times d in float32, to the nearest, halves to even."""
    source, result = network.quantization[op.inputs[0]], network.quantization[op.output]
    d = np.float32(source.scale) * op.weight_scales / np.float32(result.scale)
    steps = np.rint(accumulators.astype(np.float32) * d.astype(np.float32)).astype(np.int64)
    return np.clip(steps + result.zero_point, *output_bounds(network, op))
