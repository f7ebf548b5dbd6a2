"""Reads Keras's LSTM, forwards, backwards and both ways: Micro has an op for no other recurrent layer."""

from typing import Any

import numpy as np

from edgekit.network.keras import _keras, _layer, _refuse


@_layer("LSTM", makes=("lstm", "strided_slice", "reshape"))
def _lstm(reader, layer, inputs):
    _check(layer)
    keras = _keras()
    if layer.activation is not keras.activations.tanh:
        _refuse(layer, f"the activation {_name(layer.activation)} in place of tanh")
    if layer.recurrent_activation is not keras.activations.sigmoid:
        _refuse(layer, f"the recurrent activation {_name(layer.recurrent_activation)} in place of sigmoid")
    if type(layer.cell) is not keras.layers.LSTMCell:
        _refuse(layer, f"the cell {type(layer.cell).__name__} in place of Keras's LSTMCell")
    source = reader.backwards(f"{layer.name}_backwards", inputs[0]) if layer.go_backwards else inputs[0]
    kernel, recurrent = (np.asarray(w, np.float32) for w in (layer.cell.kernel, layer.cell.recurrent_kernel))
    bias = np.asarray(layer.cell.bias, np.float32) if layer.use_bias else np.zeros(kernel.shape[1], np.float32)
    weights = np.ascontiguousarray(np.concatenate([kernel, recurrent]).T)  # Keras has the gates in the same order
    output = reader.add("lstm", layer.name, [source], weights=weights, bias=bias)
    return output if layer.return_sequences else reader.last_row(f"{layer.name}_last", output)


@_layer("Bidirectional", makes=("concatenate", "add", "mul"))
def _bidirectional(reader, layer, inputs):
    _check(layer)
    parts = []
    for part in (layer.forward_layer, layer.backward_layer):
        if type(part) is not _keras().layers.LSTM or "call" in vars(part):
            _refuse(layer, f"a {type(part).__name__} inside (only LSTM is supported there)")
        result = _lstm(reader, part, inputs)
        back = part.go_backwards and part.return_sequences
        parts.append(reader.backwards(f"{part.name}_in_order", result) if back else result)
    if layer.merge_mode == "concat":
        return reader.add("concatenate", layer.name, parts, axis=len(reader.shapes[parts[0]]) - 1)
    if layer.merge_mode not in ("sum", "ave", "mul"):
        _refuse(layer, f"merge_mode={layer.merge_mode}")
    output = reader.add("mul" if layer.merge_mode == "mul" else "add", layer.name, parts)
    return reader.affine(f"{layer.name}_half", output, 0.5, 0.0) if layer.merge_mode == "ave" else output


def _check(layer):
    for option in ("stateful", "return_state"):
        if getattr(layer, option):
            _refuse(layer, f"{option}=True")


def _name(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)
