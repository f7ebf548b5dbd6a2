"""Exclusive or: the smallest problem that a network without a hidden layer cannot learn (Minsky and Papert 1969)."""

import numpy as np

from edgekit.datasets.dataset import Dataset

SPLITS = ("train", "noisy")

_INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
_LABELS = np.array([0, 1, 1, 0], np.uint8)


def load(split: str) -> Dataset:
    """``train``: the truth table, 4 rows. ``noisy``: each row 100 times, with Gaussian noise (deviation 0.15) added."""
    if split == "train":
        return Dataset(_INPUTS.copy(), _LABELS.copy(), ("0", "1"))
    noise = np.random.default_rng(0).normal(0, 0.15, (400, 2)).astype(np.float32)
    return Dataset(np.tile(_INPUTS, (100, 1)) + noise, np.tile(_LABELS, 100), ("0", "1"))
