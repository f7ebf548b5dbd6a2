"""`edgekit summary`, `report` and `compare`: what a network is, what it costs, and where two networks part."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.command import quantizing
from edgekit.command.converting import MODEL
from edgekit.command.files import kind_of
from edgekit.command.inputs import random_inputs, read_inputs
from edgekit.command.models import read, read_model
from edgekit.command.parser import picture_to_write
from edgekit.command.text import one_line
from edgekit.errors import InvalidValue
from edgekit.network import Graph, op_macs
from edgekit.quantization import QuantizedNetwork
from edgekit.table import Table


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    summary = commands.add_parser(
        "summary",
        help="show a network's ops, shapes, parameters, multiply-accumulates and scales",
        description="Show a network's ops with shapes, parameters, multiply-accumulates and, in int8, scales.",
    )
    summary.add_argument("model", type=Path, help=MODEL)
    summary.set_defaults(run=_summary, parser=summary)

    report = commands.add_parser(
        "report",
        help="show the flash, memory, instructions and time that a network needs on a board",
        description="Show the flash, memory, instructions by layer and time that a network needs on a board. "
        "Instructions are counted on an emulated core if its tools are installed (edgekit doctor), else estimated.",
    )
    report.add_argument("model", type=Path, help=MODEL)
    report.add_argument("--estimate", action="store_true", help="do not count on the emulated core: this is faster")
    report.add_argument("--plot", type=Path, metavar="FILE", help="draw it as .png, .svg or .pdf")
    quantizing.add_options(report, required=False)
    report.set_defaults(run=_report, parser=report)

    compare = commands.add_parser(
        "compare",
        help="show the first tensor at which two networks part, and the noise of each layer",
        description="Run two networks on the same inputs, and show the first tensor at which they part. The exit "
        "status is 0 if they agree, and 1 if they part.",
    )
    compare.add_argument("model", type=Path, metavar="A", help=MODEL)
    compare.add_argument("other", type=Path, metavar="B", help="the same")
    compare.add_argument("--data", metavar="DATA", help=f"inputs (default: random ones): {quantizing.DATA}")
    quantizing.add_input_range(compare)
    compare.add_argument(
        "--match",
        choices=("name", "layer", "position"),
        help="match tensors by name, by the name of the layer that writes them, or by position, the order of kinds and "
        "shapes (default: the first that matches half of them)",
    )
    compare.add_argument(
        "--decibels",
        type=float,
        default=10.0,
        metavar="DB",
        help="int8 parts from float below this SQNR (default: 10). Two int8 tensors with one scale part if a value "
        "differs, two float tensors below 80 dB",
    )
    compare.add_argument("--plot", type=Path, metavar="FILE", help="draw the SQNR of each layer as .png, .svg or .pdf")
    compare.set_defaults(run=_compare, parser=compare)


def _summary(options: argparse.Namespace) -> None:
    network = read_model(options.model)
    scales = getattr(network, "quantization", None)
    rows = []
    for op in network.ops:
        kind = op.kind if op.activation == "none" else f"{op.kind}+{op.activation}"
        parameters = 0 if op.weights is None else op.weights.size + op.bias.size
        row: list[str | int] = [one_line(op.name)[:40], kind, _shape(network, op.output)]
        if scales:
            row += [f"{float(scales[op.output].scale):.6g}", int(scales[op.output].zero_point)]
        rows.append((*row, parameters, op_macs(op, network.shapes)))
    columns = ("op", "kind", "output", *(("scale", "zero point") if scales else ()), "parameters", "MACs")
    print(f"{one_line(network.name)}: {'int8' if scales else 'float32'}, {len(network.ops)} ops")
    for what, names in (("input", network.inputs), ("output", network.outputs), ("state", tuple(network.states))):
        for name in names:
            q = f", scale {float(scales[name].scale):.6g}, zero point {scales[name].zero_point}" if scales else ""
            print(f"{what:6} {one_line(name)}: {_shape(network, name)}{q}")
    for line in _ends_of_file(options.model):
        print(line)
    print()
    print(Table(columns, rows))
    print()
    stored = sum(
        array.nbytes
        for array in (
            *(each for op in network.ops for each in (op.weights, op.bias) if each is not None),
            *network.constants.values(),
        )
    )
    if network.states:
        print(f"{len(network.states)} states keep {network.state_size:,} values from one inference to the next")
    print(
        f"{network.parameters:,} parameters in {stored:,} bytes, {network.macs:,} multiply-accumulates\n"
        "Batch normalization and activations are folded into the ops before them where that is possible."
    )


def _shape(network: Graph, name: str) -> str:
    return "x".join(map(str, network.shapes[name])) or "1"


def _ends_of_file(path: Path) -> list[str]:
    """The inputs and outputs of a .tflite file, as they are in the file: edgekit may leave out a QUANTIZE there."""
    if not path.is_file() or kind_of(path) != "tflite":
        return []
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    types = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    lines = []
    for what, indices in (("input", graph.inputs), ("output", graph.outputs)):
        for index in indices:
            tensor = graph.tensors[index]
            shape = "x".join(map(str, [] if tensor.shape is None else tensor.shape)) or "scalar"
            name = one_line((tensor.name or b"").decode(errors="replace"))[:60]
            lines.append(f"in the file: {what} {name}, {shape} {types.get(tensor.type, 'unknown')}")
    return lines


def _report(options: argparse.Namespace) -> None:
    from edgekit import cost

    quantizing.check(options)
    picture = picture_to_write(options.plot)
    model = read(options.model)
    network: Graph = model.network
    if options.calibration:
        _, network, _ = quantizing.quantized(model, options)
    deployment = cost.estimate(network, measure=False if options.estimate else None)
    print(deployment)
    if isinstance(network, QuantizedNetwork) and deployment.measured:
        print(_on_esp8266(network))
    if not isinstance(network, QuantizedNetwork):
        print("in float32: --calibration DATA shows the same for int8, which is smaller and faster")
    elif not deployment.measured and not options.estimate:
        from edgekit.cost import emulator

        print(f"the tools that count instructions are not installed; {emulator.REMEDY}")
    if picture:
        deployment.plot().savefig(picture)
        print(picture)


def _on_esp8266(network: QuantizedNetwork) -> str:
    """The instructions on the other core that can be emulated, as a line."""
    from edgekit.cost import emulator

    zeros = {name: np.zeros((1, *network.shapes[name]), np.int8) for name in network.inputs}
    count = emulator.infer(network, zeros, "lx106").instructions
    times = ", ".join(f"{count / mhz / 1000:.0f} ms at {mhz} MHz" for mhz in (80, 160))
    return f"on an ESP8266 (emulated core lx106): {count:,} instructions, in at least {times}"


def _compare(options: argparse.Namespace) -> int:
    from edgekit.quantization import comparing

    picture = picture_to_write(options.plot)
    stated = quantizing.stated_range(options)
    if stated and not options.data:
        raise InvalidValue("--input-range is for pixels, and pixels come with --data DATA")
    models = [read(path) for path in (options.model, options.other)]
    first, second = (model.network for model in models)
    if options.data:
        known = models[0].pixels or models[1].pixels
        inputs = read_inputs(options.data, _shows_range(first, second), stated, known)
    else:
        inputs = random_inputs(first, second, models[0].pixels or models[1].pixels)
    arrays = _in_order(inputs.arrays, first)
    result = comparing.compare(first, second, arrays, options.match, options.decibels, progress=True)
    for sentence in inputs.sentences:
        print(sentence)
    print(f"A is {options.model}, B is {options.other}; tensors are matched by {result.matching}")
    print()
    print(result.table())
    print()
    for which, names in zip("AB", result.unmatched, strict=True):
        if names:
            listed = ", ".join(one_line(name)[:40] for name in names[:5]) + (", ..." if len(names) > 5 else "")
            print(f"without a counterpart in {which}: {len(names)} tensors ({listed})")
    for name, real, other in _outputs(first, second, inputs.arrays):
        decided = comparing.agreement(real, other)
        if decided:
            print(f"output {one_line(name)[:40]}: {decided[0]} for {decided[1]:.1%} of the inputs")
    parting = result.parting
    if parting is None:
        print("They agree at every tensor.")
    else:
        how = f"SQNR {parting.decibels:.1f} dB"
        if parting.differing:
            how = f"{parting.differing:,} int8 values differ"
        print(f"They part first at {one_line(parting.first)[:60]} ({parting.kind}): {how}.")
    if picture:
        from edgekit import plots

        decibels = {pair.first: min(pair.decibels, 200.0) for pair in result.pairs}
        plots.decibels({"": decibels}, f"{options.other} beside {options.model}: SQNR by tensor").savefig(picture)
        print(picture)
    return 0 if parting is None else 1


def _shows_range(first: Graph, second: Graph) -> Graph:
    """The network that shows the range of its input, if one does: an int8 network does more often."""
    from edgekit.network.pixels import pixel_range

    for network in (first, second):
        if all(pixel_range(network, name) for name in network.inputs):
            return network
    return first


def _in_order(arrays: Any, network: Graph) -> Any:
    """Several arrays under the names of this network's inputs."""
    return dict(zip(network.inputs, arrays.values(), strict=True)) if isinstance(arrays, dict) else arrays


def _outputs(first: Any, second: Any, arrays: Any) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, the first network's output, the second's) for outputs of one shape."""
    results = []
    for network in (first, second):
        found = network.predict(_in_order(arrays, network))
        results.append(found if isinstance(found, tuple) else (found,))
    return [
        (name, one, other)
        for name, one, other in zip(first.outputs, *results, strict=False)
        if one.shape == other.shape
    ]
