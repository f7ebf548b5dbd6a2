"""Writes and reads an LSTM in a .tflite file, where it has 24 inputs: matrices, biases and the two states.

The states are variables: a runtime begins with 0, and at the next inference goes on where the one before ended, until
it is reset. A network here, as a Keras model, begins anew with every input. So a runtime has to be reset before each.
"""

from typing import Any

import numpy as np

from edgekit.network import Op
from edgekit.network.lstm import GATES, blocks, units
from edgekit.quantization import Quantization, lstm

# The inputs of the operator, by their place.
MATRICES, PEEPHOLES, BIASES, PROJECTION = slice(1, 9), slice(9, 12), slice(12, 16), slice(16, 18)
OUTPUT_STATE, CELL_STATE, NORMALIZATION = 18, 19, slice(20, 24)
INPUTS = 24
_GATES = ("input", "forget", "cell", "output")
_ABSENT = ((PEEPHOLES, "peepholes"), (PROJECTION, "a projection"), (NORMALIZATION, "layer normalization"))


def write(writer: Any, op: Op, options: Any) -> None:
    """Fill in the options."""
    options.fusedActivationFunction = writer.schema.ActivationFunctionType.TANH
    options.cellClip = op.cell_clip


def constants(writer: Any, op: Op) -> list[int]:
    """Enter all inputs but the first; returns the indices of their tensors, -1 for those that are left out."""
    # From the order of the op's blocks, gate by gate, to the file's: all matrices of the input first.
    order = [*range(0, 2 * GATES, 2), *range(1, 2 * GATES, 2)]
    parts, n = blocks(op), units(op)
    matrices = []
    for place in order:
        side = "recurrent" if place % 2 else "input"
        scale = None if op.weight_scales is None else op.weight_scales[place]
        name = f"{op.name}/{side}_to_{_GATES[place // 2]}_weights"
        matrices.append(writer.array(name, op.weights[parts[place]], scale))
    biases = []
    for gate in range(GATES):
        scale = None
        if op.weight_scales is not None:
            scale = writer.quantization[op.inputs[0]].scale * op.weight_scales[2 * gate]
        biases.append(writer.array(f"{op.name}/{_GATES[gate]}_gate_bias", op.bias[n * gate : n * (gate + 1)], scale))
    names = [f"{op.name}/output_state", f"{op.name}/cell_state"]
    if op.weight_scales is None:
        states = [writer.unknown(name, (1, n), "FLOAT32", variable=True) for name in names]
    else:
        q = writer.quantization[op.output]
        states = [
            writer.unknown(names[0], (1, n), "INT8", (q.scale, q.zero_point), variable=True),
            writer.unknown(names[1], (1, n), "INT16", (2.0**-op.inner_bits, 0), variable=True),
        ]
    return [*matrices, *[-1] * 3, *biases, *[-1] * 2, *states, *[-1] * 4]


def intermediates(writer: Any, op: Op) -> list[int]:
    """Enter the tensors by which LiteRT finds scales inside an LSTM; Micro does not read them."""
    if op.weight_scales is None:
        return []
    q = writer.quantization[op.output]
    gates = [writer.unknown(f"{op.name}/input_to_{gate}_intermediate", (0,), "FLOAT32") for gate in _GATES]
    hidden = writer.unknown(f"{op.name}/effective_hidden_scale_intermediate", (0,), "INT8", (q.scale, q.zero_point))
    return [*gates, hidden]


def read(call: Any) -> dict[str, Any]:
    """The weights, biases, scales and options of the `Op`."""
    reader, inputs = call.reader, [*call.inputs, *[-1] * (INPUTS - len(call.inputs))]
    _check_options(call)
    if not 20 <= len(call.inputs) <= INPUTS:
        call.refuse(f"{len(call.inputs)} inputs")
    for places, what in _ABSENT:
        if max(inputs[places]) >= 0:
            call.refuse(f"{what}, which TensorFlow Lite Micro lacks,")
    if inputs[1] < 0 or inputs[5] < 0:
        call.refuse("no input gate of its own (CIFG), which TensorFlow Lite Micro lacks,")
    if len(call.shape(0)) != 2:
        call.refuse(f"an input of shape {list(call.full(0))}, where (1, steps, values) is expected,")
    if reader.file.states:
        call.refuse(
            "variables beside it, so that it goes on from one inference to the next: every inference begins anew here"
        )
    if call.shape(0)[0] == 1 and not reader.own():
        call.refuse(
            "a single step, so that it is of use only if it goes on from one inference to the next (a stream): every "
            "inference begins anew here"
        )
    depth = call.shape(0)[1]
    matrices = [_matrix(call, index) for index in inputs[MATRICES]]
    n = len(matrices[0])
    for place, matrix in enumerate(matrices):
        if matrix.shape != (n, depth if place < GATES else n):
            call.refuse(f"the weights {reader.names[inputs[1 + place]]!r} of shape {list(matrix.shape)}")
    weights = np.concatenate([np.concatenate(sides, axis=1) for sides in zip(matrices[:4], matrices[4:], strict=True)])
    bias = np.concatenate([_bias(call, index, n) for index in inputs[BIASES]])
    found = {"weights": weights, "bias": bias, "cell_clip": max(float(call.options.cellClip), 0.0)}
    _check_states(call, inputs, n)
    if not reader.quantization:
        return found
    return found | _scales(call, inputs, weights, bias)


def _check_options(call):
    options = call.options
    if options.fusedActivationFunction != call.schema.ActivationFunctionType.TANH:
        call.refuse("another activation than TANH")
    if options.timeMajor:
        call.refuse("the steps before the batch (time_major)")
    if getattr(options, "diagonalRecurrentTensors", False):
        call.refuse("diagonal recurrent weights, which TensorFlow Lite Micro lacks,")
    if not abs(options.cellClip) < np.inf:
        call.refuse(f"the clip {options.cellClip}")


def _matrix(call, index):
    reader = call.reader
    if index < 0:
        call.refuse("weights that are left out")
    if reader.quantization and reader.type(index) != "INT8":
        call.refuse(f"{reader.type(index).lower()} weights and int8 activations")
    values = reader.constant(index, np.int8 if reader.quantization else np.float32)
    if values is None or values.ndim != 2 or not values.size:
        call.refuse(f"the weights {reader.names[index]!r}, which are no matrix of constants")
    return values


def _bias(call, index, n):
    reader = call.reader
    if index < 0:
        call.refuse("a bias that is left out")
    if reader.type(index) not in (("INT32",) if reader.quantization else ("FLOAT32", "FLOAT16")):
        call.refuse(f"an {reader.type(index).lower()} bias")
    values = reader.constant(index, np.int32 if reader.quantization else np.float32)
    if values is None or values.shape != (n,):
        call.refuse(f"the bias {reader.names[index]!r}, which has not {n} constants")
    return values


def _check_states(call, inputs, n):
    """Both are variables of this operator only: otherwise they would not be 0 at its first step."""
    reader = call.reader
    used = [index for _, operator in reader.operators for index in (*operator.inputs, *operator.outputs)]
    types = ("INT8", "INT16") if reader.quantization else ("FLOAT32", "FLOAT32")
    for place, kind in zip((OUTPUT_STATE, CELL_STATE), types, strict=True):
        index = inputs[place]
        if index < 0:
            call.refuse("a state that is left out")
        name, tensor = reader.names[index], reader.graph.tensors[index]
        if not tensor.isVariable or reader.file.is_constant(index) or used.count(index) != 1:
            call.refuse(f"the state {name!r}, which is no variable of its own")
        if reader.type(index) != kind:
            call.refuse(f"an {reader.type(index).lower()} state {name!r}, where {kind.lower()} is expected,")
        if np.prod(tensor.shape, dtype=np.int64) != n:
            call.refuse(f"the state {name!r} of shape {list(tensor.shape)}, where {n} values are expected,")


def _scales(call, inputs, weights, bias):
    """The scales of an LSTM in int8, which must be those that TensorFlow Lite Micro's arithmetic assumes."""
    reader = call.reader
    source = reader.quantization[call.source(0)]
    found = [_scale(call, index) for index in inputs[MATRICES]]
    weight_scales = np.array([pair for pairs in zip(found[:4], found[4:], strict=True) for pair in pairs], np.float32)
    for gate, index in enumerate(inputs[BIASES]):
        q, step = reader.graph.tensors[index].quantization, float(source.scale) * float(weight_scales[2 * gate])
        if q is not None and len(q.scale) and not np.all(np.abs(q.scale - step) <= 0.01 * step):
            call.refuse(f"the bias {reader.names[index]!r} in other steps than its input times its weights")
    cell, zero_points, _ = reader.file.steps(inputs[CELL_STATE], ())
    bits = -np.log2(float(cell[0]))
    if bits != np.round(bits) or not lstm.LEAST_BITS <= bits <= lstm.MOST_BITS or zero_points[0]:
        call.refuse(f"a cell in steps of {cell[0]:g}; a power of two and the zero point 0 are expected, which")
    options: dict[str, Any] = {"weight_scales": weight_scales, "inner_bits": int(bits)}
    op = Op("lstm", "", (), "", weights=weights, bias=bias, **options)
    if lstm.overflows(op, source.scale, state_steps(call).scale):
        call.refuse("weights so large that the sums of a gate do not fit into an int32")
    return options


def state_steps(call: Any) -> Quantization:
    """The steps of the state, in which an LSTM in int8 computes its output; runtimes copy it to the output's."""
    scales, zero_points, _ = call.reader.file.steps(call.inputs[OUTPUT_STATE], ())
    return Quantization(np.float32(scales[0]), int(zero_points[0]))


def _scale(call, index):
    scales, zero_points, axis = call.reader.file.steps(index, ())
    if axis is not None or len(scales) != 1:
        call.refuse(f"weights {call.reader.names[index]!r} with a scale for each channel")
    if np.any(zero_points):
        call.refuse(f"weights {call.reader.names[index]!r} with a zero point")
    return scales[0]
