"""Reads Keras' ImageNet weights, from which the training starts."""

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

if TYPE_CHECKING:
    import keras


def load_imagenet(model: "keras.Model", path: str | PathLike[str]) -> None:
    """Fill all layers but the last with the weights that `keras.applications` downloads for ``weights="imagenet"``.

    Read with h5py by layer name: Keras 3 no longer opens these files as a model.

    Args:
        model: a `keras.Model` with the layers of `keras.applications.MobileNet`.
        path: the .h5 file.

    Raises:
        ValueError: a layer of the model is not in the file.
    """
    with h5py.File(path) as file:
        groups = file.get("model_weights", file)
        for layer in model.layers[:-1]:
            for weight in layer.weights:
                stored = next(
                    (
                        groups[f"{layer.name}/{layer.name}/{name}:0"]
                        for name in (weight.name, f"depthwise_{weight.name}")
                        if f"{layer.name}/{layer.name}/{name}:0" in groups
                    ),
                    None,
                )
                if stored is None or stored.shape != tuple(weight.shape):
                    raise ValueError(
                        f"{Path(path).name} has no {layer.name}/{weight.name} of shape {tuple(weight.shape)}"
                    )
                weight.assign(stored[:])
