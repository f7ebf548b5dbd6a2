"""The photographs that the car network is trained and measured on. They must not be redistributed, so they lie outside.

The folder named by ``--photos`` or the variable EDGEKIT_PHOTOS holds files ``photos_*.npz`` with ``images`` uint8
(N, S, S, 3), RGB, and ``labels`` (N,), 1 for a car and 0 for none.

A fixed fifth of every file is kept out of training and out of every choice made while training, and only measured: the
rows ``default_rng(2018).permutation(N)[: N // 5]``.
"""

import os
from pathlib import Path

import numpy as np

from edgekit.datasets import Dataset

CLASS_NAMES = ("no car", "car")
_SPLIT_SEED = 2018


def find_folder(folder: str | Path | None = None) -> Path | None:
    """The photographs' folder: the argument, or EDGEKIT_PHOTOS, or shared/data beside the checkout; None if absent."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(folder or os.environ.get("EDGEKIT_PHOTOS") or beside)
    return folder if folder.is_dir() and any(folder.glob("photos_*.npz")) else None


def load_photographs(folder: str | Path, held_out: bool) -> dict[str, Dataset]:
    """All photographs of a folder, by file.

    Args:
        folder: holds ``photos_*.npz``.
        held_out: True for the fifth that is only measured, False for the rest.

    Returns:
        dict from the file's stem to a `Dataset`, images at their own size.

    Raises:
        FileNotFoundError: there is no such file in the folder.
    """
    files = sorted(Path(folder).glob("photos_*.npz"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no photos_*.npz; see recipes/cars/photographs.py for what they hold")
    result = {}
    for path in files:
        with np.load(path, allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        order = np.random.default_rng(_SPLIT_SEED).permutation(len(images))
        rows = np.sort(order[: len(order) // 5] if held_out else order[len(order) // 5 :])
        result[path.stem] = Dataset(images[rows], labels[rows], CLASS_NAMES)
    return result
