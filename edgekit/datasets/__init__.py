"""Data for the lessons: loaded by name, split by name, always in one shape.

Three data sets have a name:

========  ======================================  =============================================  ================
name      splits                                  inputs                                         labels
========  ======================================  =============================================  ================
xor       train (4 rows), noisy (400 rows)        float32 (N, 2)                                 0 or 1
========  ======================================  =============================================  ================

Nothing here imports TensorFlow, except ``load("photos", ...)``, which downloads through ``keras.datasets``.
"""

from importlib import import_module

from edgekit.datasets.dataset import Dataset

__all__ = ["Dataset", "load"]

_LOADERS = {"xor": "edgekit.datasets.xor"}


def load(name, split="train"):
    """Load one split of a data set.

    Args:
        name: a name of the table above.
        split: a split of that data set.

    Returns:
        A `Dataset`.

    Raises:
        ValueError: no data set or split has that name; the message lists those there are.

    Example:
        >>> load("xor", "train").inputs.shape
        (4, 2)
    """
    if name not in _LOADERS:
        raise ValueError(f"no data set is called {name!r}; there are {', '.join(_LOADERS)}")
    module = import_module(_LOADERS[name])
    if split not in module.SPLITS:
        raise ValueError(f"the data set {name!r} has no split {split!r}; it has {', '.join(module.SPLITS)}")
    return module.load(split)
