"""Prints instructions, memory and flash of the car network on emulated Xtensa cores; checks every output to the bit.

    python benchmarks/xtensa.py [--images N] [--optimize=-O2] [--json]

The peers' figures are not measured here, only printed for comparison. They come from ESP-NN and TensorFlow Lite Micro
with a .tflite file of the same network, built for the same emulated core or for the core of an ESP32.
"""

import argparse
import json
import sys
import time

import numpy as np

PEERS = {
    "lx106": {"TensorFlow Lite Micro, reference kernels": 170.0, "ESP-NN": 119.0},
    "dc232b": {
        "TensorFlow Lite Micro, reference kernels (true ESP32 compiler and core)": 145.3,
        "ESP-NN (true ESP32 compiler and core)": 84.0,
    },
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5, help="test images to run on each core (default 5)")
    parser.add_argument("--optimize", default="-O2", help="the compiler's option (default -O2)")
    parser.add_argument("--json", action="store_true", help="print only the figures, as JSON")
    options = parser.parse_args()
    if options.images < 1:
        parser.error("--images must be at least 1")

    from edgekit import codegen
    from edgekit.cost import emulator

    network, images = car_network(options.images)
    expected = network.run(images)
    figures, layers = {}, {}
    for core in emulator.CORES:
        result = emulator.infer(network, images, core, options.optimize)
        wrong = int((np.array(result.outputs).reshape(expected.shape) != expected).sum())
        if wrong:
            sys.exit(f"{core}: {wrong} of {expected.size} outputs differ from edgekit.quantization.integer")
        figures[core] = {"instructions": result.instructions, "arena": result.arena, "flash": result.flash}
        layers[core] = result.by_op
    if options.json:
        print(json.dumps(figures))
        return
    print_table(network, figures, layers)
    print(f"\n{len(images)} images on each core, every output equal to edgekit.quantization.integer's")
    start = time.perf_counter()
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        codegen.export(network, "carclassifier", folder)
    print(f"export to C: {time.perf_counter() - start:.2f} s")


def car_network(n):
    """(the quantized car network, n of its int8 test images)."""
    from edgekit import calibration, datasets, models, network, quantization

    float_network = network.from_keras(models.load_pretrained("carclassifier"))
    calibrated = models.preprocess(datasets.load("cars", "calibration").images)
    quantized = quantization.quantize(float_network, calibration.calibrate(float_network, calibrated))
    images = datasets.load("cars", "test").images[:n]
    return quantized, quantized.quantize_input(models.preprocess(images))


def print_table(network, figures, layers):
    """The figures of each core, then instructions by layer."""
    from edgekit.network import op_macs

    for core, figure in figures.items():
        print(f"{core}: {figure['instructions'] / 1e6:.1f} M instructions an inference", end=", ")
        print(f"arena {figure['arena']:,} bytes, flash {figure['flash']:,} bytes (code and constants)")
        for peer, millions in PEERS[core].items():
            print(
                f"    {peer}: {millions} M, {millions * 1e6 / figure['instructions']:.1f} times as many (not run here)"
            )
    columns = "".join(f"{core:>14}{'a MAC':>8}" for core in layers)
    print(f"\n{'layer':28}{'kind':18}{'MACs':>11}{columns}")
    for i, op in enumerate(network.ops):
        macs = op_macs(op, network.shapes)
        cells = "".join(
            f"{counts[i]:14,}" + (f"{counts[i] / macs:8.2f}" if macs else " " * 8) for counts in layers.values()
        )
        print(f"{op.name:28}{op.kind:18}{macs:11,}{cells}")


if __name__ == "__main__":
    main()
