"""The runtimes that edgekit's integers are compared with: TensorFlow Lite Micro's and LiteRT's reference kernels."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from edgekit import tflite
from edgekit.quantization import integer


def tensor_order(network):
    """Names of a network's tensors in the order in which `edgekit.tflite` writes them."""
    return list(network.shapes)


def micro(data, rows, tensors=None):
    """TensorFlow Lite Micro's Python runtime.

    Args:
        data: bytes of a .tflite file.
        rows: array (N, *input shape) of the file's own input type; for several inputs a dict in the file's order.
        tensors: dict from name to index of the tensors wanted; by default only the output.

    Returns:
        The output (N, ...), or a dict from name to array, one row an inference.
    """
    from tflite_micro import runtime

    # On some networks Micro stops the whole process, and no test can say on which: then this file stays.
    kept = Path(tempfile.gettempdir()) / f"micro-stopped-{os.getpid()}.tflite"
    kept.write_bytes(data)
    config = runtime.InterpreterConfig
    interpreter = runtime.Interpreter.from_bytes(
        data,
        arena_size=max(10 * len(data), 1 << 20),
        intrepreter_config=config.kPreserveAllTensors if tensors else config.kAllocationRecording,
    )
    results = []
    for row in zip(*(rows.values() if isinstance(rows, dict) else [rows]), strict=True):
        if _has_lstm(data):
            interpreter.reset()  # it would go on where it ended
        for place, value in enumerate(row):
            interpreter.set_input(value[None], place)
        interpreter.invoke()
        if tensors is None:
            results.append(interpreter.get_output(0)[0].copy())
        else:
            results.append({name: interpreter.GetTensor(i, 0)["tensor_data"][0] for name, i in tensors.items()})
    kept.unlink()
    if tensors is None:
        return np.stack(results)
    return {name: np.stack([result[name] for result in results]) for name in tensors}


def _has_lstm(data):
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    return BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM in {
        each.builtinCode for each in tflite.unpack(data).operatorCodes
    }


_TRIED = """
import json, os, sys
from tflite_micro import runtime
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
for path, size in json.loads(sys.argv[1]):
    child = os.fork()  # Micro stops the process where some allocations fail
    if not child:
        try:
            runtime.Interpreter.from_bytes(open(path, "rb").read(), arena_size=size).invoke()
            os._exit(0)
        except RuntimeError:
            os._exit(1)
    print(int(os.waitpid(child, 0)[1] == 0), flush=True)
"""


def accepted(tries, folder):
    """Whether Micro runs each file in an arena of this size: a list of bool, for a list of (bytes, arena size)."""
    pairs = []
    for place, (data, size) in enumerate(tries):
        (folder / f"{place}.tflite").write_bytes(data)
        pairs.append((str(folder / f"{place}.tflite"), size))
    done = subprocess.run([sys.executable, "-c", _TRIED, json.dumps(pairs)], capture_output=True, text=True, check=True)
    return [line == "1" for line in done.stdout.split()]


def litert(data, rows, tensors=None):
    """LiteRT's reference kernels (BUILTIN_REF), as `micro`."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=tensors is not None,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    wanted = tensors or {"": interpreter.get_output_details()[0]["index"]}
    results = {name: [] for name in wanted}
    for row in rows:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row[None])
        interpreter.invoke()
        for name, index in wanted.items():
            results[name].append(interpreter.get_tensor(index)[0])
    results = {name: np.stack(values) for name, values in results.items()}
    return results if tensors else results[""]


def differences(network, q, runtime=micro):
    """How each tensor differs between `edgekit.quantization.integer` and a runtime.

    Returns:
        dict from tensor name, in the order of the ops, to (number of values that differ, largest difference).
    """
    names = [op.output for op in network.ops]
    index = {name: tensor_order(network).index(name) for name in names}
    theirs = runtime(tflite.to_bytes(network), q, index)
    found = dict.fromkeys(names, (0, 0))
    for position, tensors in enumerate(integer.walk(network, q)):
        for name in names:
            ours = tensors[name].astype(int)
            gap = np.abs(ours - theirs[name][8 * position : 8 * position + len(ours)].reshape(ours.shape))
            found[name] = (found[name][0] + np.count_nonzero(gap), max(found[name][1], int(gap.max(initial=0))))
    return found


def describe(network, found):
    """One line for each op whose output differs: what a failing test should show."""
    return "\n".join(
        f"{op.kind} {op.name}: {found[op.output][0]} differ, by up to {found[op.output][1]}; "
        f"{[network.shapes[i] for i in op.inputs]} -> {network.shapes[op.output]}, {network.quantization[op.output]}"
        for op in network.ops
        if found[op.output][0]
    )
