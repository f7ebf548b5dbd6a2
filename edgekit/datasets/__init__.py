"""Data for the lessons: loaded by name, split by name, always in one shape.

========  ==================================================  ==========================================  =========
name      splits                                              inputs                                      labels
========  ==================================================  ==========================================  =========
xor       train (4 rows), noisy (400)                         float32 (N, 2)                              0 or 1
cars      train (3,000), calibration (200), test (500)        uint8 (N, 96, 96, 3), rendered, no download 1: a car
photos    train (9,800), calibration (200), test (2,000)      uint8 (N, 96, 96, 3), CIFAR-10, downloaded  1: a car
========  ==================================================  ==========================================  =========

`from_folder` reads a user's own photographs, `to_folder` writes images as files. Only
``load("photos", ...)`` imports TensorFlow, since it downloads through `keras.datasets`.
"""

from importlib import import_module

from edgekit.datasets.dataset import Dataset
from edgekit.datasets.images import from_folder, to_folder
from edgekit.errors import InvalidValue

__all__ = ["Dataset", "from_folder", "load", "to_folder"]

# Each name and the module that loads it.
_LOADERS = {"xor": "edgekit.datasets.xor", "cars": "edgekit.datasets.cars", "photos": "edgekit.datasets.cifar10"}


def load(name: str, split: str = "train") -> Dataset:
    """Load one split of a data set.

    Args:
        name: a name of the table above.
        split: a split of that data set.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: no data set or split has this name; the message lists the existing ones.

    Example:
        >>> load("cars", "test").images.shape
        (500, 96, 96, 3)
    """
    if name not in _LOADERS:
        raise InvalidValue(f"no data set is called {name!r}; there are {', '.join(_LOADERS)}")
    module = import_module(_LOADERS[name])
    if split not in module.SPLITS:
        raise InvalidValue(f"the data set {name!r} has no split {split!r}; it has {', '.join(module.SPLITS)}")
    return module.load(split)
