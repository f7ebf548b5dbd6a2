"""Data sets: every one in the same shape, named by split, honest about what it holds."""

import numpy as np
import pytest

from edgekit import datasets


def test_xor_is_the_truth_table():
    data = datasets.load("xor", "train")
    assert data.inputs.dtype == np.float32
    assert data.inputs.shape == (4, 2)
    assert data.labels.shape == (4,)
    assert all(int(a) ^ int(b) == label for (a, b), label in zip(data.inputs, data.labels, strict=True))
    noisy = datasets.load("xor", "noisy")
    rounded = noisy.inputs.round().astype(int)
    assert (rounded[:, 0] ^ rounded[:, 1] == noisy.labels).mean() > 0.98
    with pytest.raises(AttributeError, match=r"use \.inputs"):
        _ = data.images


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="there are xor"):
        datasets.load("xro")
    with pytest.raises(ValueError, match="it has train, noisy"):
        datasets.load("xor", "test")


def test_a_dataset_checks_that_its_parts_fit():
    with pytest.raises(ValueError, match="need labels of shape"):
        datasets.Dataset(np.zeros((3, 2)), [0, 1], ("a", "b"))
    with pytest.raises(ValueError, match="labels must be 0 to 1"):
        datasets.Dataset(np.zeros((2, 2)), [0, 2], ("a", "b"))
    with pytest.raises(ValueError, match="N, H, W, C"):
        datasets.Dataset(np.zeros((2, 2), np.uint8), [0, 1], ("a", "b"))
