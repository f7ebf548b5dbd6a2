"""Measures a car network: ``python -m recipes.cars.evaluate carclassifier --photos FOLDER``.

Accuracy by data set with Wilson's 95 % interval, in float32 and in int8 with weights quantized per channel, per tensor
and naively. The photographs are the fifth that training never sees.
"""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit import calibration, datasets, network, quantization
from edgekit.datasets.images import resize
from edgekit.models import load_pretrained, mobilenet_v1, preprocess, weights
from recipes.cars.photographs import find_folder, load_photographs

if TYPE_CHECKING:
    import keras

SCHEMES = ("float", "per_channel", "per_tensor", "naive")


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): right of count -> (low, high)."""
    share = right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def predictors(model: "keras.Model", schemes: Sequence[str] = SCHEMES) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """The network in each scheme: dict name -> a function from uint8 images (N, 96, 96, 3) to probabilities (N,).

    int8 is calibrated on the 200 shipped calibration scenes.
    """
    folded = network.from_keras(model)
    ranges = calibration.calibrate(folded, preprocess(datasets.load("cars", "calibration").images))

    def in_batches(predict):
        def probabilities(images):
            parts = [images[i : i + 100] for i in range(0, len(images), 100)]
            return np.concatenate([np.asarray(predict(preprocess(part)))[:, 0] for part in parts])

        return probabilities

    def predictor(scheme):
        if scheme == "float":
            return in_batches(model.predict_on_batch)
        return in_batches(quantization.quantize(folded, ranges, weights=scheme).predict)

    return {scheme: predictor(scheme) for scheme in schemes}


def measure(
    model: "keras.Model", photos: Path | None = None, schemes: Sequence[str] = SCHEMES
) -> dict[str, dict[str, dict[str, float]]]:
    """Accuracy of a network on everything that it was not trained on.

    Args:
        model: a `keras.Model`, as `mobilenet_v1` makes it.
        photos: folder of photographs, or None for the scenes only.
        schemes: some of `SCHEMES`.

    Returns:
        dict: data set -> scheme -> {"right", "count", "accuracy", "low", "high"}.
    """
    from tqdm.auto import tqdm

    sets = {"scenes": datasets.load("cars", "test")}
    if photos is not None:
        sets |= load_photographs(photos, held_out=True)
    functions = predictors(model, schemes)
    result = {name: {} for name in sets}
    with tqdm(total=len(sets) * len(functions), unit="measurement", leave=False) as bar:
        for name, data in sets.items():
            images = resize(data.images)
            for scheme, predict in functions.items():
                right, count = int(((predict(images) > 0.5) == data.labels).sum()), len(data)
                low, high = wilson(right, count)
                result[name][scheme] = {
                    "right": right,
                    "count": count,
                    "accuracy": right / count,
                    "low": low,
                    "high": high,
                }
                bar.update()
    return result


def table(result: dict[str, dict[str, dict[str, float]]]) -> str:
    """The result of `measure` as text."""
    lines = [f"{'':12}{'images':>7}  " + "".join(f"{scheme:24}" for scheme in SCHEMES)]
    for name, schemes in result.items():
        cells = [f"{cell['accuracy']:.3f} [{cell['low']:.3f}, {cell['high']:.3f}]" for cell in schemes.values()]
        lines.append(f"{name:12}{schemes['float']['count']:7}  " + "".join(f"{cell:24}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def worst(model: "keras.Model", count: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """The rendered test scenes that the float network gets most wrong: indices, most wrong first."""
    test = datasets.load("cars", "test")
    outputs = model.predict(preprocess(test.images), batch_size=100, verbose=0)[:, 0]
    return np.argsort(-np.abs(outputs - test.labels))[:count], outputs


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: words of the command line, or None for the process's own."""
    parser = argparse.ArgumentParser(prog="python -m recipes.cars.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("model", help="carclassifier, or a .npz that recipes.cars.train wrote")
    parser.add_argument("--photos", help="folder with photos_*.npz; without it, EDGEKIT_PHOTOS or the scenes alone")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--worst", type=Path, help="draw the scenes it gets most wrong into this PNG")
    options = parser.parse_args(arguments)
    photos = find_folder(options.photos)
    if photos is None and options.photos:
        parser.error(f"{options.photos} holds no photos_*.npz")
    if options.model.endswith(".npz"):
        model = mobilenet_v1()
        weights.load(model, options.model)
    else:
        try:
            model = load_pretrained(options.model)
        except ValueError as error:
            parser.error(str(error))
    result = measure(model, photos)
    print(json.dumps(result, indent=2) if options.json else table(result))
    if photos is None:
        print("no photographs here: only the rendered scenes were measured (see --photos)")
    if options.worst:
        from PIL import Image

        from recipes.scenes.contact_sheet import contact_sheet

        test = datasets.load("cars", "test")
        rows, _ = worst(model)
        Image.fromarray(contact_sheet(test.images[rows], test.labels[rows])).save(options.worst)


if __name__ == "__main__":
    main()
