"""Reads and writes a network's weights as one .npz of named float32 arrays."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import InvalidValue

if TYPE_CHECKING:
    import keras


def save(model: "keras.Model", path: str | PathLike[str]) -> None:
    """Write the weights of a Keras model to a file.

    Args:
        model: a `keras.Model`.
        path: the .npz file; its arrays are named layer/weight, float32.
    """
    arrays: dict[str, Any] = {name: np.asarray(weight, np.float32) for name, weight in _named(model).items()}
    with open(path, "wb") as file:
        np.savez(file, **arrays)


def load(model: "keras.Model", path: str | PathLike[str]) -> None:
    """Fill a Keras model with the weights that `save` wrote.

    Args:
        model: a `keras.Model` of the same layers.
        path: the .npz file.

    Raises:
        ValueError: the file's weights do not fit the model; the message names one that does not.
    """
    weights = _named(model)
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    odd = arrays.keys() ^ weights.keys()
    odd |= {name for name in arrays.keys() & weights.keys() if arrays[name].shape != tuple(weights[name].shape)}
    if odd:
        raise InvalidValue(
            f"{Path(path).name} does not fit {model.name}: {sorted(odd)[0]} is missing or of another shape"
        )
    for name, weight in weights.items():
        weight.assign(arrays[name])


def _named(model: "keras.Model") -> dict[str, Any]:
    return {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}
