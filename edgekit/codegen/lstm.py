"""Writes an LSTM as C, in int8 and in float32."""

from edgekit.codegen.arena import Rule
from edgekit.codegen.header import number
from edgekit.codegen.step import Step, array, int32
from edgekit.network import Graph, Op
from edgekit.quantization import QuantizedNetwork, lstm


def int8(model: QuantizedNetwork, op: Op, layer: str) -> Step:
    """An LSTM of a `QuantizedNetwork` as a `Step`; `layer` is the beginning of its C names."""
    steps, inputs, units = _sizes(model, op)
    numbers = lstm.scales(model, op)
    source, result = model.quantization[op.inputs[0]], model.quantization[op.output]
    of_gates = [
        "{" + ", ".join(map(str, values)) + "}" for pair in (numbers.inputs, numbers.outputs) for values in pair
    ]
    definition = (
        f"static const lstm_int8_scales {layer}_lstm = {{\n"
        f"    {steps}, {inputs}, {units}, /* steps, inputs, units */\n"
        f"    {source.zero_point}, {result.zero_point}, /* zero points of input and output */\n"
        f"    {op.inner_bits}, {numbers.clip}, /* the cell's bits and bound */\n"
        f"    {layer}_weights, {layer}_bias,\n"
        f"    {', '.join(of_gates[:2])},\n"
        f"    {', '.join(of_gates[2:])},\n"
        f"    {', '.join(str(value) for pair in (numbers.new, numbers.output) for value in pair)}\n}};"
    )
    constants = [
        array("int8_t", f"{layer}_weights", op.weights),
        array("int32_t", f"{layer}_bias", op.bias, literal=int32),
        definition,
    ]
    call = f"lstm_int8(&{layer}_lstm, {{in0}}, {{out}}, {{scratch}});"
    # After each step but the last, the output must end before the inputs of the next one.
    room = min(0, (steps - 1) * (inputs - units))
    return Step(
        "int8/lstm.h",
        call,
        "\n".join(constants),
        2 * (inputs + 2 * units),
        lambda first, second: Rule(first, second, highest=room),
    )


def float32(model: Graph, op: Op, layer: str) -> Step:
    """An LSTM of a `Network` as a `Step`; `layer` is the beginning of its C names."""
    steps, inputs, units = _sizes(model, op)
    constants = [
        array("float", f"{layer}_weights", op.weights, literal=number),
        array("float", f"{layer}_bias", op.bias, literal=number),
        f"static const lstm_float_sizes {layer}_lstm = {{\n"
        f"    {steps}, {inputs}, {units}, {number(op.cell_clip)}, {layer}_weights, {layer}_bias\n}};",
    ]
    call = f"lstm_float(&{layer}_lstm, {{in0}}, {{out}}, {{scratch}});"
    return Step("float/lstm.h", call, "\n".join(constants), 4 * units)


def _sizes(model, op):
    (steps, inputs), (_, units) = model.shapes[op.inputs[0]], model.shapes[op.output]
    return steps, inputs, units
