"""A network in int8, and `quantize`, which chooses its scales and zero points."""

from dataclasses import dataclass, field, replace

import numpy as np

from edgekit.calibration import Ranges, inside
from edgekit.errors import InvalidValue
from edgekit.network import (
    OPS,
    WEIGHTED,
    Batch,
    Graph,
    Network,
    Op,
    Results,
    States,
    as_results,
    by_name,
    check_input,
    check_network,
)
from edgekit.quantization import formulas, integer, lstm
from edgekit.quantization.formulas import QMAX, QMIN
from edgekit.quantization.parameters import (
    FINEST,
    FIXED,
    Quantization,
    activation_quantization,
    channel_axis,
    finest_output,
)
from edgekit.quantization.shared_scales import groups

# How weights are rounded: see `quantize`.
SCHEMES = ("per_channel", "per_tensor", "naive")


@dataclass(frozen=True, eq=False)
class QuantizedNetwork(Graph):
    """A network in int8.

    Attributes:
        name, inputs, outputs, shapes, states: as in `edgekit.network.Network`.
        ops: tuple of `Op` with int8 weights, float32 weight_scales and int32 bias.
        constants: dict from tensor name to int8 array.
        quantization: dict from tensor name to `Quantization`.
    """

    quantization: dict[str, Quantization] = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        for state, kept in self.states.items():
            if self.quantization[state] != self.quantization[kept]:
                raise InvalidValue(f"the state {state!r} keeps {kept!r}: both must have one scale and zero point")

    def first_states(self) -> States:
        """The states with which a sequence begins, the real 0: dict from name to int8 zero points (*shape)."""
        return integer.first_states(self)

    def run(self, q: Batch, states: States | None = None) -> Results:
        """Integer inference: int8 (N, *input shape) to int8 (N, *output shape). See `edgekit.quantization.integer`.

        Several inputs are a dict or a tuple of arrays, and several outputs a tuple, as in `Network.run`. If the network
        has states, the batch is a sequence.
        """
        return integer.run(self, q, states)

    def predict(self, real: Batch, states: States | None = None) -> Results:
        """Run on real values and return real values: float (N, *input shape) to float32 (N, *output shape)."""
        return self.dequantize_output(self.run(self.quantize_input(real), states))

    def quantize_input(self, real: Batch) -> Batch:
        """Real values (N, *input shape) as the int8 that `run` takes."""
        arrays = by_name(self, check_input(self, real))
        q = {name: self.quantization[name].quantize(array) for name, array in arrays.items()}
        return q if len(q) > 1 else q[self.input]

    def dequantize_output(self, q: Results) -> Results:
        """The real values, float32, of the int8 outputs of `run`."""
        arrays = q if isinstance(q, tuple) else (q,)
        scales = [self.quantization[name] for name in self.outputs]
        return as_results([scale.dequantize(array) for scale, array in zip(scales, arrays, strict=True)])


def quantize(
    network: Network, ranges: Ranges, scheme: str = "per_channel", bits: int = 8, *, weights: str | None = None
) -> QuantizedNetwork:
    """Choose scales and zero points, and round the weights.

    Args:
        network: a `Network`.
        ranges: `Ranges` of its tensors, from `edgekit.calibration.calibrate`.
        scheme: of the weights: "per_channel" (a scale for each output channel; fully connected layers have one for the
            whole tensor, as the specification says), "per_tensor" (one scale for each op), or "naive" (no scale:
            q = round(w)). An LSTM has one scale for each of its eight matrices.
        bits: bits of a weight, 2 to 8. Weights with fewer bits are also stored as int8.
        weights: the name of `scheme` in version 0.1.

    Returns:
        `QuantizedNetwork`.

    Raises:
        ValueError: the scheme is unknown, bits is out of range, the ranges are of another network, or an op's output
            would need a scale that it cannot have.
    """
    scheme = weights or scheme
    if scheme not in SCHEMES:
        raise InvalidValue(f"scheme is one of {', '.join(SCHEMES)}, got {scheme!r}")
    if bits not in range(2, 9):
        raise InvalidValue(f"bits is a whole number from 2 to 8, got {bits!r}")
    check_network(network, Network)
    keeping = {inside(op) for op in network.ops if OPS[op.kind].inside}
    missing = {*network.shapes, *keeping} - set(ranges.limits)
    if missing:
        raise InvalidValue(
            f"these ranges are of another network: the tensors {', '.join(sorted(missing))} were not calibrated"
        )
    network, tensors = _tensor_quantizations(network, ranges)
    ops = []
    for op in network.ops:
        if op.kind in WEIGHTED:
            of_op = "per_tensor" if scheme == "per_channel" and op.kind == "fully_connected" else scheme
            op = _quantize_op(op, of_op, bits, tensors[op.inputs[0]].scale)
        elif OPS[op.kind].blocks:
            s_in, s_out = (tensors[name].scale for name in (op.inputs[0], op.output))
            op = lstm.quantized(op, scheme, bits, s_in, ranges[inside(op)])
            if lstm.overflows(op, s_in, s_out):
                raise InvalidValue(
                    f"int8 cannot compute {op.name!r}: the sums of a gate may be 2^18 or more; make its input or its "
                    "weights smaller"
                )
        ops.append(op)
    constants = {name: tensors[name].quantize(values) for name, values in network.constants.items()}
    ends, states = (network.inputs, network.outputs), network.states
    return QuantizedNetwork(
        network.name, *ends, network.shapes, tuple(ops), tensors, constants=constants, states=states
    )


def _quantize_op(op: Op, scheme: str, bits: int, input_scale: np.float32) -> Op:
    """The op with int8 weights and int32 bias.

    A channel that is almost constant has very small weights. If its bias would be more than 2^21 steps of s_in * s_w,
    it gets larger steps.
    """
    axis = channel_axis(op.kind) if scheme == "per_channel" else None
    if scheme == "naive":
        scales = np.ones(1, np.float32)
    else:
        bias = np.abs(op.bias.astype(np.float64))
        if axis is None:
            bias = bias.max(keepdims=True)
        scales = formulas.weight_scales(op.weights, axis, bits, bias / (float(input_scale) * lstm.MOST_BIAS_STEPS))
    q = formulas.round_weights(op.weights, scales, axis, bits)
    return replace(op, weights=q, weight_scales=scales, bias=formulas.quantize_bias(op.bias, input_scale, scales))


def _tensor_quantizations(network, ranges):
    """The network, and a `Quantization` for each tensor; if tensors share one, it covers the widest of their ranges."""
    network, leader = groups(network, FIXED)
    # A rescale op writes the values that it reads.
    source = {op.output: op.inputs[0] for op in network.ops if op.kind == "rescale"}
    limits = {}
    for name, first in leader.items():
        low, high = ranges[source.get(name, name)]
        known = limits.get(first, (0.0, 0.0))
        limits[first] = (min(known[0], low), max(known[1], high))
    fixed = {op.output: FIXED[op.kind] for op in network.ops if op.kind in FIXED}
    widened = True
    while widened:  # a tensor that was widened can make the output of another op too narrow
        widened = False
        for op in network.ops:
            widened |= _widen(op, limits, leader, fixed)
    shared = {first: activation_quantization(*limits[first]) for first in limits} | fixed
    return network, {name: shared[first] for name, first in leader.items()}


def _widen(op, limits, leader, fixed):
    """Widen the ranges around an op until its int8 arithmetic can compute its output; tell whether any was widened."""
    widened = False
    for name, scale in _finest(op, limits, leader, fixed):
        low, high = limits[name]
        if high < low + scale * (QMAX - QMIN):
            limits[name], widened = (low, low + scale * (QMAX - QMIN)), True
            if not limits[name][1] < np.finfo(np.float32).max:
                raise InvalidValue(
                    f"int8 cannot compute {op.name!r}: its output shares a scale with its inputs, and its values are "
                    "far larger than theirs; make the network's values smaller"
                )
    return widened


def _finest(op, limits, leader, fixed):
    """The finest scales that an op's int8 arithmetic can compute: (name of the leader of a tensor's group, scale)."""
    if op.kind in FIXED:
        yield leader[op.inputs[0]], float(FINEST) / op.beta
    else:
        # From the scales: an input that is always 0 has no width, and yet a scale, 1.
        firsts = [leader[name] for name in op.inputs]
        scales = [float((fixed.get(first) or activation_quantization(*limits[first])).scale) for first in firsts]
        yield leader[op.output], 2 * finest_output(op, scales)
