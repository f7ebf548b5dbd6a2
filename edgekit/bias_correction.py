"""Bias correction: rounded weights shift the mean of what a layer computes; its bias takes the shift back.

    E[W_q x] - E[W x] = E[(W_q - W) x]

Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction", section 4.2, with the
expectation taken over images.
"""

from dataclasses import replace

import numpy as np

from edgekit.network import WEIGHTED, check_input, run_op
from edgekit.quantization import dequantized_weights, quantize_bias


def correct_bias(network, quantized, images):
    """The quantized network with the biases that bring each channel's mean back to the float network's.

    Args:
        network: the float `Network`.
        quantized: a `QuantizedNetwork` made of it.
        images: float array (N, *input shape), real values; those of the calibration will do.

    Returns:
        A `QuantizedNetwork`; only its biases differ.

    Raises:
        ValueError: no images, or the networks are not of one another.
    """
    images = check_input(network, images)
    if not len(images):
        raise ValueError("bias correction needs images, got an empty array")
    floats = {op.output: op for op in network.ops if op.kind in WEIGHTED}
    rounded = {op.output: op for op in quantized.ops if op.kind in WEIGHTED}
    if floats.keys() != rounded.keys():
        raise ValueError(f"{quantized.name!r} is not quantized from this network: their tensors have other names")
    errors = {}
    for name, op in floats.items():
        difference = dequantized_weights(rounded[name]) - op.weights
        errors[name] = replace(op, weights=difference, bias=np.zeros_like(op.bias), activation="none")
    shifts = dict.fromkeys(floats, 0.0)
    for tensors in network.walk(images):
        for name, error in errors.items():
            moved = run_op(error, [tensors[source] for source in error.inputs], network.shapes[name])
            cells = moved.size / len(moved) / moved.shape[-1]
            shifts[name] = shifts[name] + moved.sum(axis=tuple(range(moved.ndim - 1)), dtype=np.float64) / cells
    ops = []
    for op in quantized.ops:
        if op.output in shifts:
            bias = floats[op.output].bias - shifts[op.output] / len(images)
            s_in = quantized.quantization[op.inputs[0]].scale
            op = replace(op, bias=quantize_bias(bias, s_in, op.weight_scales))
        ops.append(op)
    return replace(quantized, ops=tuple(ops))
