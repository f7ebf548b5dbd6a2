"""Prints figures of the int8 arithmetic and, from the same run, of its peers: python benchmarks/quantization.py

Exits with 1 if a figure misses its limit. The peers are TensorFlow Lite Micro's Python runtime, LiteRT's
reference kernels (BUILTIN_REF) and tf.lite.TFLiteConverter. --json prints the figures for a program.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--json", action="store_true", help="print the figures as JSON")
    as_json = arguments.parse_args().json
    lines = list(figures())
    if as_json:
        print(json.dumps([dict(zip(("figure", "value", "must", "reached"), line, strict=True)) for line in lines]))
    else:
        print(f"\n{'figure':72} {'measured':>34}  {'must':>16}")
        for what, value, must, reached in lines:
            print(f"{what:72} {value:>34}  {must:>16}  {'' if reached else 'MISSED'}")
    sys.exit(not all(reached for *_, reached in lines))


def figures():
    """(what, measured, must, whether it is reached), one after the other."""
    import numpy as np
    from converted import convert
    from reference import differences, litert, micro

    from edgekit import calibration, datasets, models, network, quantization, tflite

    yield import_time()
    keras_model = models.load_pretrained("carclassifier")
    test = datasets.load("cars", "test")
    x = models.preprocess(test.images)
    seen = models.preprocess(datasets.load("cars", "calibration").images)[:200]

    def ours():
        net = network.from_keras(keras_model)
        quantized = quantization.quantize(net, calibration.calibrate(net, seen))
        return net, quantized, tflite.to_bytes(quantized)

    # Each twice, the quicker counts: the first call of either also warms what is loaded once.
    (net, quantized, data), seconds = quickest(ours)
    converted, converter_seconds = quickest(lambda: convert(keras_model, "int8", seen))
    ratio = seconds / converter_seconds
    measured = f"{seconds:.2f} s / {converter_seconds:.2f} s = {ratio:.2f}"
    yield "calibrate on 200 images + quantize + write / TFLiteConverter", measured, "at most 0.3", ratio <= 0.3

    q = quantized.quantize_input(x)
    mine = quantized.run(q)
    wrong = np.count_nonzero(mine != micro(data, q))
    yield f"outputs differing from TFLite Micro, {len(q)} images", f"{wrong}", "0", wrong == 0

    found = differences(quantized, q, litert)
    dense = next(i for i, op in enumerate(quantized.ops) if op.kind == "fully_connected")
    before = sum(found[op.output][0] for op in quantized.ops[:dense])
    after = max(found[op.output][1] for op in quantized.ops[dense:])
    yield "values of all tensors differing from BUILTIN_REF, before the dense op", f"{before}", "0", before == 0
    yield "largest difference from BUILTIN_REF, dense op and after", f"{after}", "at most 1", after <= 1

    theirs = tflite.from_bytes(converted)
    q_theirs = theirs.quantize_input(x)
    wrong = np.count_nonzero(theirs.run(q_theirs) != micro(converted, q_theirs))
    yield "the converter's file, read: outputs differing from TFLite Micro", f"{wrong}", "0", wrong == 0

    def accuracy(scores):
        return np.mean((scores.reshape(-1) > 0.5) == test.labels)

    real, int8 = accuracy(net.run(x)), accuracy(quantized.dequantize_output(mine))
    lost = 100 * (int8 - real)
    yield "int8 minus float accuracy, points", f"{int8:.3f} - {real:.3f}: {lost:+.1f}", "within 0.5", abs(lost) <= 0.5

    batch = q[:100]
    _, ours_seconds = quickest(lambda: quantized.run(batch), times=3)
    _, litert_seconds = quickest(lambda: litert_batch(data, batch), times=2)
    ratio = litert_seconds / ours_seconds
    measured = f"{100 / ours_seconds:.0f} / {100 / litert_seconds:.0f} = {ratio:.1f}"
    yield "images a second, batch of 100 / BUILTIN_REF on two threads", measured, "at least 4", ratio >= 4


def quickest(function, times=2):
    """(its result, the least seconds it took)."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def litert_batch(data, batch):
    """The whole batch in one call of LiteRT's reference kernels."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=os.cpu_count()
    )
    source = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(source, batch.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, batch)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def import_time():
    """The quickest of five fresh interpreters, less the start of one that imports nothing."""
    code = "import time; t = time.perf_counter(); import edgekit; print(time.perf_counter() - t)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(5)]
    seconds = min(float(run.stdout) for run in runs)
    return "import edgekit", f"{1000 * seconds:.0f} ms", "under 300 ms", seconds < 0.3


if __name__ == "__main__":
    main()
