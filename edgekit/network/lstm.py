"""The arithmetic of an LSTM in float32 (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

The four gates are in TensorFlow Lite's order: input, forget, cell, output. Their weights are one array, and so are
their biases: row gate * units + unit. The first columns of the weights are for the input, the others for the output of
the step before.
"""

from typing import Any

import numpy as np

GATES = 4


def units(op: Any) -> int:
    """The number of values that an LSTM gives at each step."""
    return len(op.bias) // GATES


def blocks(op: Any) -> list[tuple[slice, slice]]:
    """The parts of an LSTM's weights that are matrices of their own: of each gate, for the input and for its output."""
    n, (_, columns) = units(op), op.weights.shape
    sides = slice(0, columns - n), slice(columns - n, columns)
    return [(slice(gate * n, (gate + 1) * n), side) for gate in range(GATES) for side in sides]


def run(x: np.ndarray, op: Any) -> tuple[np.ndarray, np.ndarray]:
    """The outputs and the cell of an LSTM after each step; both are 0 before the first one.

    Args:
        x: float32 (N, steps, inputs).
        op: its weights (4 * units, inputs + units), bias (4 * units,) and cell_clip.

    Returns:
        (outputs, cells): float32 (N, steps, units).
    """
    n = units(op)
    of_input, of_output = op.weights[:, :-n].T, op.weights[:, -n:].T
    sums = x @ of_input + op.bias
    output = cell = np.zeros((len(x), n), np.float32)
    outputs, cells = (np.empty((*x.shape[:2], n), np.float32) for _ in range(2))
    for step in range(x.shape[1]):
        gates = sums[:, step] + output @ of_output
        let_in, keep, new, let_out = np.split(gates, GATES, axis=1)
        cell = _sigmoid(keep) * cell + _sigmoid(let_in) * np.tanh(new)
        if op.cell_clip:
            cell = np.clip(cell, -np.float32(op.cell_clip), np.float32(op.cell_clip))
        output = _sigmoid(let_out) * np.tanh(cell)
        outputs[:, step], cells[:, step] = output, cell
    return outputs, cells


def _sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)  # 1 / (1 + exp(-x)), which would overflow
