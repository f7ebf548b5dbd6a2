"""The common form of all data sets, so that training, calibration and evaluation handle only one form."""

from dataclasses import dataclass

import numpy as np

from edgekit.errors import InvalidType, InvalidValue


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs with their labels, row by row.

    Attributes:
        inputs: uint8 (N, H, W, C) for images, RGB, 0 to 255, as a camera gives them; float32 (N, ...) for the rest;
            rows of other whole numbers than uint8 become float32.
            A network takes images as ``edgekit.models.preprocess(images)``: float32, (x - 128) / 128, so from -1 to 1.
        labels: integer (N,), an index into `class_names`.
        class_names: the names of the classes; with two classes, a sigmoid output near 1 means the second.
    """

    inputs: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        inputs, labels = np.asarray(self.inputs), np.asarray(self.labels)
        if inputs.dtype == np.uint8 and inputs.ndim != 4:
            raise InvalidValue(f"images must be uint8 of shape (N, H, W, C), got shape {inputs.shape}")
        if inputs.dtype.kind in "biu" and inputs.ndim <= 2:  # rows of whole numbers, such as a truth table
            inputs = inputs.astype(np.float32)
        if labels.dtype.kind == "f" and np.array_equal(labels, np.rint(labels)):
            labels = labels.astype(np.int64)
        if inputs.dtype != np.uint8 and not np.issubdtype(inputs.dtype, np.floating):
            raise InvalidValue(f"inputs must be uint8 images (N, H, W, C) or real numbers, got {inputs.dtype}")
        if labels.dtype.kind not in "biu":
            raise InvalidValue(f"labels must be whole numbers, got {labels.dtype}")
        if labels.shape != inputs.shape[:1]:
            raise InvalidValue(f"{len(inputs)} inputs need labels of shape ({len(inputs)},), got {labels.shape}")
        if labels.size and not (labels.min() >= 0 and labels.max() < len(self.class_names)):
            raise InvalidValue(
                f"labels must be 0 to {len(self.class_names) - 1} for the classes {', '.join(self.class_names)}, "
                f"got {labels.min()} to {labels.max()}"
            )
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "class_names", tuple(self.class_names))

    @property
    def images(self) -> np.ndarray:
        """The inputs, if they are images: uint8 (N, H, W, C)."""
        if self.inputs.dtype != np.uint8:
            raise AttributeError("this data set holds numbers, not images: use .inputs")
        return self.inputs

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows: slice | np.ndarray | list[int]) -> "Dataset":
        """The chosen rows (a slice, a mask or indices) as a new `Dataset`."""
        if isinstance(rows, (int, np.integer)):
            raise InvalidType(
                f"dataset[{rows}] would be one row: use dataset[{rows}:{rows + 1}], or .inputs and .labels"
            )
        return Dataset(self.inputs[rows], self.labels[rows], self.class_names)

    def __repr__(self) -> str:
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        classes = ", ".join(f"{count} {name}" for count, name in zip(counts, self.class_names, strict=True))
        return f"Dataset({len(self)} inputs {self.inputs.shape[1:]} {self.inputs.dtype}: {classes})"
