"""Renders the car data: streets with and without a car, 96x96, the same pictures from the same seed.

``python -m recipes.scenes --sheet sheet.png`` draws a contact sheet; ``--output FOLDER`` makes the whole data set,
in the form that `edgekit.datasets.load("cars", split)` reads.
"""

import numpy as np

from recipes.scenes.scene import SIDE, picture

__all__ = ["SIDE", "SIZES", "labels", "picture", "render"]

SIZES = {"train": 3000, "calibration": 200, "test": 500}
_SEEDS = {"train": 1, "calibration": 2, "test": 3}


def labels(split: str) -> np.ndarray:
    """Which pictures of a split hold a car: uint8 (N,), half of them 1, in random order."""
    half = SIZES[split] // 2
    return np.random.default_rng(_SEEDS[split]).permutation(np.repeat([0, 1], half)).astype(np.uint8)


def render(split: str, index: int) -> np.ndarray:
    """The picture number `index` of a split: uint8 (96, 96, 3). About a third of a second."""
    return picture(_SEEDS[split], index, bool(labels(split)[index]))
