"""The trained networks that come with edgekit. docs/model-card.md tells their accuracy and where they fail."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import InvalidValue
from edgekit.models import weights
from edgekit.models.architectures import mobilenet_v1

if TYPE_CHECKING:
    import keras

_PRETRAINED = {"carclassifier": mobilenet_v1}


def load_pretrained(name: str) -> "keras.Model":
    """A trained network, ready to predict.

    Args:
        name: ``carclassifier``: `mobilenet_v1`, which tells images (96, 96, 3) with a car from those without.

    Returns:
        A `keras.Model`: preprocessed images (N, 96, 96, 3) -> (N, 1), the probability of a car.

    Raises:
        ValueError: no network has this name; the message lists the existing ones.
    """
    if name not in _PRETRAINED:
        raise InvalidValue(f"no trained network is called {name!r}; there are {', '.join(_PRETRAINED)}")
    model = _PRETRAINED[name]()
    weights.load(model, Path(__file__).with_name(f"{name}.npz"))
    return model
