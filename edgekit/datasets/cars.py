"""The car data that comes with edgekit: rendered streets, with a car and without, made by recipes/scenes.

A split is in ``scenes/`` as JPEG sheets of 10 x 10 pictures, which any viewer shows, and a file of their labels. A side
of 96 pixels is 12 JPEG blocks, so that compression never mixes neighbouring pictures of a sheet.
"""

from pathlib import Path

import numpy as np

from edgekit.datasets.dataset import Dataset

SPLITS = ("train", "calibration", "test")
CLASS_NAMES = ("no car", "car")

_FOLDER = Path(__file__).with_name("scenes")
_COLUMNS = 10
_PER_SHEET = _COLUMNS**2
_QUALITY = 90


def load(split: str) -> Dataset:
    """``train`` 3,000, ``calibration`` 200, ``test`` 500 images, uint8 (N, 96, 96, 3), half of them with a car."""
    return read(_FOLDER, split)


def read(folder: Path, split: str) -> Dataset:
    """Read a split that `write` wrote.

    Args:
        folder: the folder with the split.
        split: its name.

    Returns:
        A `Dataset` of images, uint8 (N, S, S, 3).
    """
    from PIL import Image

    labels = np.array([int(line) for line in (folder / f"{split}_labels.txt").read_text().split()], np.uint8)
    images = []
    for path in sorted(folder.glob(f"{split}_*.jpg")):
        sheet = np.asarray(Image.open(path))
        side = sheet.shape[1] // _COLUMNS
        rows = sheet.reshape(-1, side, _COLUMNS, side, 3).transpose(0, 2, 1, 3, 4)
        images.append(rows.reshape(-1, side, side, 3))
    return Dataset(np.concatenate(images)[: len(labels)], labels, CLASS_NAMES)


def write(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Put a split into a folder.

    Args:
        folder: a `pathlib.Path`, made if it is not there.
        split: its name.
        images: uint8 (N, S, S, 3), N a multiple of 100, S of 8.
        labels: (N,).
    """
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    side = images.shape[1]
    for sheet in range(len(images) // _PER_SHEET):
        part = images[sheet * _PER_SHEET : (sheet + 1) * _PER_SHEET]
        rows = part.reshape(_COLUMNS, _COLUMNS, side, side, 3).transpose(0, 2, 1, 3, 4)
        whole = Image.fromarray(np.ascontiguousarray(rows.reshape(_COLUMNS * side, _COLUMNS * side, 3)))
        # Chroma at full resolution: at half resolution, the colours of neighbouring pictures would mix.
        whole.save(folder / f"{split}_{sheet:02d}.jpg", quality=_QUALITY, subsampling=0, optimize=True)
    lines = ["".join(f"{label} " for label in labels[i : i + 50]).rstrip() for i in range(0, len(labels), 50)]
    (folder / f"{split}_labels.txt").write_text("\n".join(lines) + "\n")
