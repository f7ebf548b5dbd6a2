"""For test cells of the car lessons: a small network made anew, so that nobody can know its answers beforehand."""

from dataclasses import replace

import numpy as np

from edgekit import calibration, quantization
from edgekit.network import Network, Op


def small(seed: int) -> tuple[quantization.QuantizedNetwork, np.ndarray]:
    """An int8 network from 96 x 96 images to one sigmoid output, and the images it was calibrated with.

    Its answers differ from image to image, and depend on every colour and on where in the image it is.

    Returns:
        The network, and the images: uint8, shape (8, 96, 96, 3).
    """
    rng = np.random.default_rng(seed)
    shapes = {"image": (96, 96, 3), "first": (12, 12, 4), "flat": (576,), "sum": (1,), "score": (1,)}
    ops = (
        Op(
            *("conv2d", "first", ("image",), "first"),
            weights=rng.normal(0, 0.05, (4, 8, 8, 3)).astype(np.float32),
            bias=rng.normal(1, 0.5, 4).astype(np.float32),
            stride=(8, 8),
            activation="relu6",
        ),
        Op("reshape", "flat", ("first",), "flat"),
        Op(
            *("fully_connected", "sum", ("flat",), "sum"),
            weights=rng.normal(0, 0.1, (1, 576)).astype(np.float32),
            bias=np.zeros(1, np.float32),
        ),
        Op("sigmoid", "score", ("sum",), "score"),
    )
    # Coarse blocks: noise of single pixels would average out, and all images would get the same answer.
    blocks = rng.integers(0, 256, (8, 6, 6, 3)).astype(np.uint8)
    images = blocks.repeat(16, axis=1).repeat(16, axis=2)
    real = (images.astype(np.float32) - 128) / 128
    sums = Network("carclassifier", ("image",), ("sum",), shapes, ops[:3]).run(real)
    # As many answers on one side of one half as on the other.
    last = replace(ops[2], weights=ops[2].weights / sums.std() * 2, bias=-np.median(sums, axis=0) / sums.std() * 2)
    net = Network("carclassifier", ("image",), ("score",), shapes, (*ops[:2], last, ops[3]))
    return quantization.quantize(net, calibration.calibrate(net, real)), images
