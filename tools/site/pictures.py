"""Draws the pictures of docs/arithmetic.md from the shipped network: python tools/site/pictures.py

They are kept in docs/images/arithmetic, so that the site is built without TensorFlow. Run this again when the network
or the style of the pictures changes.
"""

import sys
from pathlib import Path

import numpy as np

from edgekit import calibration, datasets, models, network, plots, quantization
from edgekit.quantization import formulas, noise

FOLDER = Path(__file__).resolve().parents[2] / "docs/images/arithmetic"


def draw() -> dict:
    """Every picture, by the name of its file."""
    net = network.from_keras(models.load_pretrained("carclassifier"))
    images = models.preprocess(datasets.load("cars", "calibration").inputs)
    ranges = calibration.calibrate(net, images[:100], histograms=True)
    quantized = {scheme: quantization.quantize(net, ranges, scheme) for scheme in ("per_channel", "per_tensor")}

    op = next(op for op in net.ops if op.kind == "depthwise_conv2d")  # the layer that one scale ruins
    rows = quantization.by_channel(op.weights, op.kind)
    per_channel, per_tensor = formulas.weight_scales(rows, 0), formulas.weight_scales(rows, None)
    rounded = {
        "a scale for each channel": dequantized(rows, per_channel, 0),
        "one scale for the layer": dequantized(rows, per_tensor, None),
    }

    wave = np.array([-0.62, -0.35, -0.11, 0.0, 0.14, 0.33, 0.71, 0.9])
    scale, zero_point = 0.125, -3  # few steps, so that they can be seen
    return {
        "steps": plots.quantization_steps(wave, scale, zero_point),
        "range": plots.histogram(ranges, op.output, quantized["per_channel"].quantization[op.output]),
        "channels": plots.channels(
            rows, {"a scale for each channel": per_channel, "one scale for the layer": per_tensor}, op.name
        ),
        "rounding": plots.rounding(rows, rounded, f"The weights of {op.name} before and after"),
        "noise": plots.noise(
            {
                "a scale for each channel": noise.per_layer(net, quantized["per_channel"], images[:20]),
                "one scale for the layer": noise.per_layer(net, quantized["per_tensor"], images[:20]),
            },
            title="Signal to noise",
        ),
    }


def dequantized(rows, scales, axis):
    """What is left of weights after rounding."""
    return formulas.dequantize_weights(formulas.round_weights(rows, scales, axis), scales, axis)


def main(folder: Path = FOLDER) -> None:
    """Write the pictures as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in draw().items():
        bundle, _ = picture._repr_mimebundle_()
        (folder / f"{name}.png").write_bytes(bundle["image/png"])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
