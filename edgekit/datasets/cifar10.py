"""Real photographs to train on: CIFAR-10 (Krizhevsky 2009), cars against its nine other classes.

The download (170 MB) goes through `keras.datasets`, which shows its progress and keeps it in ~/.keras/datasets.
"""

import numpy as np

from edgekit.datasets.dataset import Dataset
from edgekit.datasets.images import resize
from edgekit.errors import NoConnection
from edgekit.extras import extra

SPLITS = ("train", "calibration", "test")

_CAR = 1
_CALIBRATION = 200


def load(split: str) -> Dataset:
    """``train`` 9,800, ``calibration`` 200, ``test`` 2,000 photographs, enlarged from 32 to uint8 (N, 96, 96, 3).

    Half of each split are cars. The other half comes from the other classes, in parts as equal as possible.

    Raises:
        ConnectionError: the photographs are not on this computer yet and could not be downloaded.
    """
    with extra("lessons"):
        from keras.datasets import cifar10

    try:
        train, test = cifar10.load_data()
    except Exception as error:  # Keras raises bare Exception where a download fails
        raise NoConnection(
            "CIFAR-10 is not on this computer and could not be downloaded (170 MB from www.cs.toronto.edu): "
            "connect to the internet and call this again, or use load('cars'), which needs no download. "
            f"The cause: {error}"
        ) from error
    images, classes = test if split == "test" else train
    rows = _balanced(classes.ravel())
    if split != "test":
        rows = rows[:_CALIBRATION] if split == "calibration" else rows[_CALIBRATION:]
    labels = (classes.ravel()[rows] == _CAR).astype(np.uint8)
    return Dataset(resize(images[rows]), labels, ("no car", "car"))


def _balanced(classes):
    """Rows with as many cars as others, always the same, in random order; the first ones are balanced as well."""
    rng = np.random.default_rng(0)
    cars = rng.permutation(np.flatnonzero(classes == _CAR))
    by_class = [rng.permutation(np.flatnonzero(classes == other)) for other in np.unique(classes) if other != _CAR]
    shortest = min(map(len, by_class))
    others = np.stack([rows[:shortest] for rows in by_class], axis=1).ravel()[: len(cars)]
    pairs = np.stack([cars[: len(others)], others], axis=1)
    return rng.permuted(pairs, axis=1).ravel()
