"""Reads and writes a network's weights as one .npz of named float32 arrays, and reads Keras' ImageNet weights."""

from pathlib import Path

import numpy as np


def _named(model):
    return {f"{layer.name}/{weight.name}": weight for layer in model.layers for weight in layer.weights}


def save(model, path):
    """Write the weights of a Keras model to `path` (.npz): arrays named layer/weight, float32."""
    with open(path, "wb") as file:
        np.savez(file, **{name: np.asarray(weight, np.float32) for name, weight in _named(model).items()})


def load(model, path):
    """Fill a Keras model with the weights that `save` wrote.

    Raises:
        ValueError: the file holds other weights than the model has; the message names one.
    """
    weights = _named(model)
    with np.load(path, allow_pickle=False) as arrays:
        odd = set(arrays.files) ^ set(weights)
        odd |= {name for name in set(arrays.files) & set(weights) if arrays[name].shape != tuple(weights[name].shape)}
        if odd:
            raise ValueError(
                f"{Path(path).name} does not fit {model.name}: {sorted(odd)[0]} is missing or of another shape"
            )
        for name, weight in weights.items():
            weight.assign(arrays[name])


def load_imagenet(model, path):
    """Fill all layers but the last with the weights that `keras.applications` downloads for ``weights="imagenet"``.

    Read with h5py by layer name: Keras 3 no longer opens these files as a model.

    Raises:
        ValueError: a layer of the model is not in the file.
    """
    import h5py

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
