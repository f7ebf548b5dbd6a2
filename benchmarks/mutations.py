"""Damages .tflite files and uses what is still read: python benchmarks/mutations.py [--each 700]

Prints for each file how many damaged ones were read, the other exceptions than ValueError, the slowest one, and the
memory that the process took. Exits with 1 if there was an exception, or if one took more than a second of processing.
The files are edgekit's own, the converter's, and the published ones where they are here (EDGEKIT_NETWORKS).
"""

import argparse
import collections
import os
import resource
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
LONGEST = 1.0  # seconds of the processor for one file
MEMORY = 8 << 30  # bytes of addresses, TensorFlow's included: a wild length must end here and not in the swap


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--each", type=int, default=700, metavar="N", help="damages of each file (default: 700)")
    each = options.parse_args().each

    import numpy as np
    from mutations import mutated, structure, use

    files = sources()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore", RuntimeWarning)
    print(f"{'file':40} {'bytes':>9} {'damaged':>8} {'read':>6} {'exceptions':>10} {'slowest':>9} {'grown':>9}")
    failed = False
    for name, data in files.items():
        places, random = structure(data), np.random.default_rng(7)
        found, read, slowest = collections.Counter(), 0, 0.0
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(each):
            damaged, start = mutated(data, places, random), time.process_time()
            try:
                read += use(damaged)
            except Exception as error:
                found[f"{type(error).__name__}: {error}"] += 1
            slowest = max(slowest, time.process_time() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
        count = sum(found.values())
        print(f"{name:40.40} {len(data):9,} {each:8} {read:6} {count:10} {slowest:7.2f} s {grown:6} MB", flush=True)
        for message, times in found.most_common():
            print(f"    {times} x {message[:200]}")
        failed |= bool(found) or slowest > LONGEST
    sys.exit(failed)


def sources():
    """dict from name to the bytes of a .tflite file."""
    import published
    from converted import branched, convert, random_images, settle
    from one_of_each import network

    from edgekit import calibration, quantization, tflite

    files = {}
    for kind in ("conv2d", "concatenate", "softmax"):
        made, inputs = network(kind)
        files[f"edgekit float32 {kind}"] = tflite.to_bytes(made)
        files[f"edgekit int8 {kind}"] = tflite.to_bytes(
            quantization.quantize(made, calibration.calibrate(made, inputs))
        )
    images = random_images((12, 12, 3), 30)
    model = settle(branched(), images)
    for kind in ("float32", "float16", "int8 with float32 ends"):
        files[f"converter {kind}"] = convert(model, kind, images)
    for name in ("tflm_hello_int8", "tflm_micro_speech", "qat_small_i8", "mlperf_kws_int8"):
        if published.FOLDER.is_dir():
            files[name] = published.read(f"{name}.tflite")
    return files


if __name__ == "__main__":
    main()
