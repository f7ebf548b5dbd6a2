"""An LSTM in int8 as TensorFlow Lite Micro computes it: int8 inputs, outputs and weights, and a cell of 16 bits.

Each gate adds two sums that were rounded to steps of 2^-12 in int16. Sigmoid and tanh of int16 lie between the values
of one table. The cell is in steps of a power of two. See lstm_eval.h in TensorFlow Lite Micro, and logistic.h and
tanh.h in TensorFlow Lite's reference kernels.
"""

from dataclasses import dataclass, replace

import numpy as np

from edgekit.network import Op
from edgekit.network.lstm import GATES, blocks, units
from edgekit.quantization import formulas
from edgekit.quantization.formulas import QMAX, QMIN, requantize
from edgekit.quantization.parameters import Quantized

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1
GATE_BITS = 12  # below the point of what goes into a gate
ACTIVATION_BITS = 15  # below the point of what comes out of it
# Of the cell: tanh of int16 multiplies by a power of two that must leave room in an int32, and may be any fraction.
LEAST_BITS, MOST_BITS = 1, 24
# In `quantize` the cell covers at least -1 to 1: the images of a calibration rarely show the longest memory.
_MOST_BITS_CHOSEN = 15
MOST_BIAS_STEPS = 2**21  # so that bias and accumulator stay well inside an int32


@dataclass(frozen=True)
class Scales:
    """The whole numbers of an LSTM's int8 arithmetic.

    Attributes:
        inputs, outputs: (multipliers, shifts) of the sums over the input and over the output of the step before, int64
            (4,) each, in the order of the gates.
        keep: (multiplier, shift) of a gate times the cell.
        new: (multiplier, shift) of a gate times what is new.
        output: (multiplier, shift) of a gate times the cell's tanh.
        clip: the largest value of the cell; 0 if there is no bound.
    """

    inputs: tuple[np.ndarray, np.ndarray]
    outputs: tuple[np.ndarray, np.ndarray]
    keep: tuple[int, int]
    new: tuple[int, int]
    output: tuple[int, int]
    clip: int


def scales(network: Quantized, op: Op) -> Scales:
    """The numbers of an LSTM, from its scales.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its LSTMs.

    Returns:
        `Scales`.
    """
    s_in, s_out = (float(network.quantization[name].scale) for name in (op.inputs[0], op.output))
    of_input, of_output = op.weight_scales.astype(np.float64).reshape(GATES, 2).T
    step = 2.0**-ACTIVATION_BITS
    cell = 2.0**-op.inner_bits
    return Scales(
        formulas.multiplier_and_shift(s_in * of_input * 2.0**GATE_BITS),
        formulas.multiplier_and_shift(s_out * of_output * 2.0**GATE_BITS),
        formulas.multiplier_and_shift(step),
        formulas.multiplier_and_shift(step * step / cell),
        formulas.multiplier_and_shift(step * step / s_out),
        int(min(float(np.float32(op.cell_clip)) / cell, INT16_MAX)),
    )


def quantized(op: Op, scheme: str, bits: int, input_scale: np.float32, cell: tuple[float, float]) -> Op:
    """An LSTM with int8 weights, a scale for each of their matrices, and int32 biases.

    Args:
        op: an LSTM of a float network.
        scheme, bits: of the weights, as in `edgekit.quantization.quantize`. One scale for each matrix is all that
            TensorFlow Lite Micro has, so "per_channel" is "per_tensor".
        input_scale: of the input.
        cell: (low, high), the range of the cell.

    Returns:
        The op.
    """
    weights, steps, biases = np.empty(op.weights.shape, np.int8), [], []
    for place, (rows, columns) in enumerate(blocks(op)):
        part, of_gate = op.weights[rows, columns], op.bias[rows]
        for_input = place % 2 == 0  # the bias is added to the sum over the input
        least = np.abs(of_gate.astype(np.float64)).max() / (float(input_scale) * MOST_BIAS_STEPS) if for_input else 0.0
        scale = np.ones(1, np.float32) if scheme == "naive" else formulas.weight_scales(part, None, bits, least)
        weights[rows, columns] = formulas.round_weights(part, scale, None, bits)
        steps.append(scale)
        if for_input:
            biases.append(formulas.quantize_bias(of_gate, input_scale, scale))
    bias, scales = np.concatenate(biases), np.concatenate(steps)
    return replace(op, weights=weights, bias=bias, weight_scales=scales, inner_bits=inner_bits(*cell))


def overflows(op: Op, input_scale: float | np.floating, output_scale: float | np.floating) -> bool:
    """Whether a sum of a gate could pass an int32 when it is shifted to steps of 2^-12: as a real number, 2^18 or more.

    Args:
        op: an LSTM with int8 weights.
        input_scale, output_scale: of its input and output.
    """
    for place, (rows, columns) in enumerate(blocks(op)):
        scale = (float(output_scale) if place % 2 else float(input_scale)) * float(op.weight_scales[place])
        sums = np.abs(op.weights[rows, columns].astype(np.int64)).sum(axis=1) * (QMAX - QMIN)
        if place % 2 == 0:
            sums = sums + np.abs(op.bias[rows].astype(np.int64))
        _, shift = formulas.multiplier_and_shift(scale * 2.0**GATE_BITS)
        if int(sums.max(initial=0)) << max(shift, 0) >= 2**31:
            return True
    return False


def run(network: Quantized, op: Op, q: np.ndarray) -> np.ndarray:
    """The outputs of an LSTM after each step.

    Args:
        network: a `QuantizedNetwork`.
        op: one of its LSTMs.
        q: int8 (N, steps, inputs).

    Returns:
        int8 (N, steps, units).
    """
    n, numbers = units(op), scales(network, op)
    z_in, z_out = (network.quantization[name].zero_point for name in (op.inputs[0], op.output))
    of_input, of_output = (part.T.astype(np.float64) for part in (op.weights[:, :-n], op.weights[:, -n:]))
    by_unit = [tuple(np.repeat(part, n) for part in pair) for pair in (numbers.inputs, numbers.outputs)]
    total = ((q.astype(np.float64) - z_in) @ of_input).astype(np.int64) + op.bias  # exact: far below 2^53
    given = _int16(requantize(total, *by_unit[0]))
    output = np.full((len(q), n), z_out, np.int64)
    cell = np.zeros((len(q), n), np.int64)
    outputs = np.empty((*q.shape[:2], n), np.int8)
    for step in range(q.shape[1]):
        total = ((output - z_out).astype(np.float64) @ of_output).astype(np.int64)
        gates = _int16(given[:, step] + _int16(requantize(total, *by_unit[1])))
        let_in, keep, new, let_out = np.split(gates, GATES, axis=1)
        kept = _int16(requantize(sigmoid(keep) * cell, *numbers.keep))
        added = _int16(requantize(sigmoid(let_in) * tanh(new, GATE_BITS), *numbers.new))
        cell = _int16(kept + added)
        if numbers.clip:
            cell = np.clip(cell, -numbers.clip, numbers.clip)
        output = requantize(tanh(cell, op.inner_bits) * sigmoid(let_out), *numbers.output) + z_out
        output = np.clip(output, QMIN, QMAX)
        outputs[:, step] = output
    return outputs


def _int16(x):
    return np.clip(x, INT16_MIN, INT16_MAX)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)): int16 values in steps of 2^-12 in, of 2^-15 out; int64 arrays."""
    x = 3 * x
    place, between = np.abs(x) >> 9, np.abs(x) & 511
    low, high = TABLE[np.minimum(place, 254)], TABLE[np.minimum(place, 254) + 1]
    y = np.where(place >= 255, 0x7FFF << 10, (low << 9) + between * (high - low))
    return np.where(x >= 0, y + 512, (1 << 25) - y + 511) >> 10


def tanh(x: np.ndarray, bits: int) -> np.ndarray:
    """tanh(x): int16 values in steps of 2^-bits in, of 2^-15 out; int64 arrays."""
    more = GATE_BITS - bits
    x = x * (3 << more) if more >= 0 else (3 * x + (1 << (-more - 1))) >> -more
    place, between = np.abs(x) >> 8, np.abs(x) & 255
    low, high = TABLE[np.minimum(place, 254)], TABLE[np.minimum(place, 254) + 1]
    y = np.where(place >= 255, 0xFFFF << 8, (low << 8) + between * (high - low))
    return np.where(x >= 0, y - (1 << 23) + 128, (1 << 23) - y + 127) >> 8


def inner_bits(low: float, high: float) -> int:
    """The bits below the point of an LSTM's cell: as many as a cell of this range leaves in an int16.

    TensorFlow's quantizer extends the range to a power of two in the same way.
    """
    largest = max(abs(low), abs(high), 2.0 ** (15 - _MOST_BITS_CHOSEN))
    return max(15 - int(np.ceil(np.log2(largest))), LEAST_BITS)


# The values 2^16 / (1 + exp(-n / 24)), n from 0 to 255, nearly: TensorFlow Lite's sigmoid_table_uint16.
# fmt: off
TABLE = np.array([
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794, 41432, 42064, 42688,
    43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443, 48964, 49475, 49975, 50464, 50942, 51409,
    51865, 52311, 52745, 53169, 53581, 53983, 54374, 54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433,
    57724, 58007, 58280, 58544, 58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110,
    61279, 61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990, 63090, 63186,
    63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030, 64090, 64148, 64204, 64257, 64308,
    64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652, 64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900,
    64926, 64950, 64974, 64997, 65019, 65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208,
    65221, 65234, 65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360, 65367,
    65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433, 65438, 65442, 65445, 65449,
    65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476, 65479, 65481, 65483, 65485, 65488, 65489, 65491,
    65493, 65495, 65497, 65498, 65500, 65501, 65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513,
    65514, 65515, 65516, 65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529, 65529, 65530, 65530,
    65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532, 65532, 65532, 65532, 65533, 65533, 65533,
    65533, 65533, 65533, 65533, 65533, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
])
# fmt: on
