"""Quantization: real numbers as int8, with a scale and a zero point. Read `formulas` first.

formulas        all formulas of the lessons, on plain arrays
parameters      the scales, zero points and multipliers of a network's tensors and ops
fixed_point     the tables of sigmoid, tanh and softmax; log_softmax beside them
arithmetic      the multipliers of products and squared differences
tables          every function of one int8, as a table of 256 values
integer         each op in int8, in readable form; fast_integer computes the same numbers faster
quantized       QuantizedNetwork and quantize; shared_scales ties the tensors that need one scale
assembling      assemble: a network from given numbers
explanation     explain: one output step by step
noise           signal to quantization noise, layer by layer
comparing       compare: two networks tensor by tensor
adjustments     equalization before, bias correction after
"""

from edgekit.quantization import fixed_point, formulas, integer, log_softmax, noise, tables
from edgekit.quantization.adjustments import correct_bias, equalize
from edgekit.quantization.assembling import assemble
from edgekit.quantization.comparing import Comparison, Pair, agreement, compare
from edgekit.quantization.explanation import Explanation, explain
from edgekit.quantization.formulas import (
    QMAX,
    QMIN,
    multiplier_and_shift,
    quantize_bias,
    quantize_weights,
    requantize,
    round_half_away,
    scale_and_zero_point,
    weight_scales,
)
from edgekit.quantization.parameters import (
    FINEST,
    FIXED,
    Quantization,
    activation_quantization,
    by_channel,
    channel_axis,
    dequantized_weights,
    finest_output,
    from_channels,
    matmul_requantization,
    output_bounds,
    requantization,
)
from edgekit.quantization.quantized import SCHEMES, QuantizedNetwork, quantize

quantize_multiplier = multiplier_and_shift  # its name in notebooks of version 0.1

__all__ = [
    "FINEST",
    "FIXED",
    "QMAX",
    "QMIN",
    "SCHEMES",
    "Comparison",
    "Explanation",
    "Pair",
    "Quantization",
    "QuantizedNetwork",
    "activation_quantization",
    "agreement",
    "assemble",
    "by_channel",
    "channel_axis",
    "compare",
    "correct_bias",
    "dequantized_weights",
    "equalize",
    "explain",
    "finest_output",
    "fixed_point",
    "formulas",
    "from_channels",
    "integer",
    "log_softmax",
    "matmul_requantization",
    "multiplier_and_shift",
    "noise",
    "output_bounds",
    "quantize",
    "quantize_bias",
    "quantize_weights",
    "requantization",
    "requantize",
    "round_half_away",
    "scale_and_zero_point",
    "tables",
    "weight_scales",
]
