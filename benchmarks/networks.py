"""Prints a table of model files: read or refused, exact, instructions on both emulated cores, arena beside Micro's.

    python benchmarks/networks.py ../shared/networks [--inputs N] [--json]

A file is exact if the integer arithmetic in Python, the C on both emulated cores and TensorFlow Lite Micro give the
same outputs on random inputs. Micro runs the file itself if that is int8 inside. A float network is quantized first,
and Micro runs the .tflite that edgekit writes. The exit status is 1 if any output differs or if Micro stops.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder with model files, or one file")
    parser.add_argument("--inputs", type=int, default=8, metavar="N", help="random inputs for each file (default: 8)")
    parser.add_argument("--json", action="store_true", help="print only the figures, as JSON")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inputs < 1:
        parser.error("--inputs must be at least 1")
    if options.one:
        print(json.dumps(measure(options.folder, options.inputs)))
        return
    if not options.folder.exists():
        parser.error(f"there is no file or folder {options.folder}")
    rows = [in_a_process(path, options) for path in with_progress(model_files(options.folder), not options.json)]
    if options.json:
        print(json.dumps(rows, indent=1))
    else:
        show(rows)
    sys.exit(any(row["wrong"] or row["failed"] for row in rows))


def model_files(folder):
    """The files and SavedModel folders that may be models: all but texts and hidden ones."""
    if folder.is_file() or (folder / "saved_model.pb").exists():
        return [folder]
    return [path for path in sorted(folder.iterdir()) if path.suffix not in (".md", ".txt") and path.name[0] != "."]


def with_progress(files, wanted):
    from tqdm.auto import tqdm

    return tqdm(files, unit="file", leave=False, disable=not wanted)


def in_a_process(path, options):
    """The figures of one file, measured in a process of its own, because Micro stops the process on some files."""
    command = [sys.executable, __file__, str(path), "--inputs", str(options.inputs), "--one"]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return json.loads(lines[-1])
    why = signal.Signals(-done.returncode).name if done.returncode < 0 else (done.stderr.splitlines() or ["?"])[-1]
    return {"file": path.name, "refused": "", "failed": f"the process ended: {why}", "wrong": 0}


def measure(path, n):
    """A dict of figures of one file."""
    from edgekit import calibration, quantization, tflite
    from edgekit.command.models import read_model
    from edgekit.errors import EdgekitError
    from edgekit.notebook import quiet

    quiet.install()
    row = {"file": path.name, "refused": "", "failed": "", "wrong": 0}
    try:
        network = read_model(path)
    except EdgekitError as error:
        return row | {"refused": str(error).replace(f"{path}", path.name)}
    random = np.random.default_rng(0)
    data = path.read_bytes() if path.is_file() and path.suffix.lower() == ".tflite" else None
    row |= {"kind": "int8", "ops": len(network.ops), "MACs": network.macs}
    if not isinstance(network, quantization.QuantizedNetwork):
        row["kind"] = "float"
        inputs = {
            name: random.uniform(-1, 1, (64, *network.shapes[name])).astype(np.float32) for name in network.inputs
        }
        network, data = quantization.quantize(network, calibration.calibrate(network, inputs)), None
    q = {name: random.integers(-128, 128, (n, *network.shapes[name])).astype(np.int8) for name in network.inputs}
    expected = several(network.run(q))
    lacking = {tflite.OPERATORS[op.kind].code for op in network.ops if "int8" not in tflite.OPERATORS[op.kind].in_micro}
    if lacking:
        row["lacking"] = ", ".join(sorted(lacking))
        return row | on_emulated_cores(network, q, expected, 0)
    try:
        theirs, row["Micro's arena"] = micro(data or tflite.to_bytes(network), network, q)
        row["outputs"] = sum(values.size for values in expected)
        row["wrong"] = sum(np.count_nonzero(a != b) for a, b in zip(expected, theirs, strict=True))
    except (RuntimeError, ValueError) as error:
        row["failed"] = f"Micro: {(str(error).strip().splitlines() or ['?'])[-1]}"
    return row | on_emulated_cores(network, q, expected, row["wrong"])


def several(results):
    return list(results) if isinstance(results, tuple) else [results]


def micro(data, network, q):
    """(outputs of Micro as int8, bytes of its arena) for int8 inputs."""
    from tflite_micro import runtime

    from edgekit import tflite

    interpreter = runtime.Interpreter.from_bytes(
        data,
        arena_size=max(10 * len(data), 1 << 22),
        intrepreter_config=runtime.InterpreterConfig.kAllocationRecording,
    )
    arena = arena_of(interpreter)
    details = [interpreter.get_input_details(i) for i in range(len(network.inputs))]
    results = [[] for _ in network.outputs]
    anew = any(tflite.OPERATORS[op.kind].goes_on for op in network.ops)
    for row in range(len(next(iter(q.values())))):
        if anew:
            interpreter.reset()
        for index, (name, detail) in enumerate(zip(network.inputs, details, strict=True)):
            values = as_in_the_file(network, name, q[name][row], detail["dtype"])
            interpreter.set_input(values.reshape(detail["shape"]), index)
        interpreter.invoke()
        for index, name in enumerate(network.outputs):
            values = interpreter.get_output(index).copy().reshape(network.shapes[name])
            results[index].append(as_int8(network, name, values))
    return [np.stack(values) for values in results], arena


def as_in_the_file(network, name, q, kind):
    """int8 values of a tensor as the file's own type: int8, uint8 or float32."""
    if kind == np.float32:
        return network.quantization[name].dequantize(q)
    return (q.astype(int) + 128).astype(np.uint8) if kind == np.uint8 else q


def as_int8(network, name, values):
    """The inverse of `as_in_the_file`. The steps of float32 values are whole, unless they are wrong."""
    if values.dtype == np.uint8:
        return (values.astype(int) - 128).astype(np.int8)
    if values.dtype != np.float32:
        return values
    q = network.quantization[name].quantize(values)
    return np.where(network.quantization[name].dequantize(q) == values, q.astype(np.int16), 999)


def arena_of(interpreter):
    """Bytes of the arena, which the interpreter only prints."""
    import re

    with tempfile.TemporaryFile() as file:
        saved = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            interpreter.print_allocations()
        finally:
            for number, copy in zip((1, 2), saved, strict=True):
                os.dup2(copy, number)
                os.close(copy)
        file.seek(0)
        found = re.search(rb"Arena allocation total (\d+) bytes", file.read())
    return int(found[1]) if found else None


def on_emulated_cores(network, q, expected, wrong):
    """Instructions on both cores and the arena; and how many outputs differ in all."""
    from edgekit.codegen import compile_network
    from edgekit.cost import emulator

    figures = {"arena": compile_network(network, "net").arena.size, "wrong": int(wrong)}
    if not emulator.available():
        return figures
    two = {name: values[:2] for name, values in q.items()}
    right = np.concatenate([values[:2].reshape(len(values[:2]), -1) for values in expected], axis=1)
    for core in emulator.CORES:
        result = emulator.infer(network, two, core)
        figures[core] = result.instructions
        figures["wrong"] += int(np.count_nonzero(np.array(result.outputs).reshape(right.shape) != right))
    return figures


def show(rows):
    from edgekit.table import Table

    columns = ("file", "kind", "read", "exact", "MACs", "lx106", "dc232b", "arena", "Micro's arena")
    figures = ("MACs", "lx106", "dc232b", "arena", "Micro's arena")
    lines = []
    for row in rows:
        read = "refused" if row["refused"] else "yes"
        exact = "failed" if row["failed"] else f"{row['wrong']:,} differ" if row["wrong"] else "yes"
        exact = f"{exact} (C)" if row.get("lacking") else exact
        numbers = [f"{row[name]:,}".rjust(12) if row.get(name) is not None else "" for name in figures]
        lines.append((row["file"], row.get("kind", ""), read, "" if row["refused"] else exact, *numbers))
    print(Table(columns, lines))
    for row in rows:
        if row["refused"] or row["failed"]:
            print(f"\n{row['refused'] or row['file'] + ': ' + row['failed']}")
        if row.get("lacking"):
            print(f"\n{row['file']}: TensorFlow Lite Micro has no {row['lacking']} in int8; only the C was compared")
    read = [row for row in rows if not row["refused"]]
    outputs, wrong = sum(row.get("outputs", 0) for row in read), sum(row["wrong"] for row in rows)
    print(f"\n{len(read)} of {len(rows)} files are read; {wrong} of {outputs:,} outputs differ from Micro's")


if __name__ == "__main__":
    main()
