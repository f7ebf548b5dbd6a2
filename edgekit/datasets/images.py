"""Reads and writes folders of photographs, and scales images to the network's size."""

import warnings
from os import PathLike
from pathlib import Path

import numpy as np

from edgekit.datasets.dataset import Dataset
from edgekit.errors import FileIsThere, InvalidValue, MissingFile

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm"}


def resize(images: np.ndarray, side: int = 96) -> np.ndarray:
    """Scale square images, bicubic, as Pillow does it.

    Args:
        images: uint8 (N, S, S, 3).
        side: of the result, pixels.

    Returns:
        uint8 (N, side, side, 3).
    """
    from PIL import Image

    if images.shape[1:3] == (side, side):
        return images
    size = (side, side)
    return np.stack([np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)) for image in images])


def from_folder(path: str | PathLike[str], side: int = 96) -> Dataset:
    """Photographs from a folder with the subfolders ``car`` and ``no_car``, as `edgekit capture` fills it.

    Each is turned upright, cropped to the square in its middle and scaled to the network's size, as the camera does.
    A file that cannot be read is skipped, and a warning names and counts what was skipped.

    Args:
        path: the folder.
        side: of the images, pixels.

    Returns:
        A `Dataset` of images uint8 (N, side, side, 3), in the order of their names, those without a car first.

    Raises:
        FileNotFoundError: the folder or one of its two subfolders is missing.
        ValueError: a subfolder holds no readable image.
    """
    path = Path(path)
    if not path.is_dir():
        raise MissingFile(f"there is no folder {path}")
    images, labels, broken = [], [], []
    for label, name in enumerate(("no_car", "car")):
        folder = path / name
        if not folder.is_dir():
            raise MissingFile(f"{path} needs two subfolders, car and no_car; {name} is missing")
        before = len(images)
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() not in SUFFIXES:
                continue
            try:
                images.append(_read(file, side))
                labels.append(label)
            except Exception:  # Pillow raises many kinds for broken files
                broken.append(f"{name}/{file.name}")
        if len(images) == before:
            raise InvalidValue(f"{folder} holds no image that can be read ({', '.join(sorted(SUFFIXES))})")
    if broken:
        listed = ", ".join(broken[:10]) + (", ..." if len(broken) > 10 else "")
        warnings.warn(f"{len(broken)} of {len(broken) + len(images)} images could not be read: {listed}", stacklevel=2)
    return Dataset(np.stack(images), np.array(labels, np.uint8), ("no car", "car"))


def to_folder(dataset: Dataset, path: str | PathLike[str], prefix: str = "image") -> int:
    """Write images as PNG files, in a folder for each class, as `from_folder` reads them.

    Args:
        dataset: a `Dataset` of images.
        path: the folder; made if missing.
        prefix: the files' names begin with it and end in the row's number.

    Returns:
        The number of files written.

    Raises:
        ValueError: the data set holds no images.
        FileExistsError: one of the files is there already; nothing is overwritten.
    """
    from PIL import Image
    from tqdm.auto import tqdm

    if dataset.inputs.dtype != np.uint8:
        raise InvalidValue("this data set holds numbers, not images: there is nothing to write as PNG files")
    folders = [Path(path) / name.replace(" ", "_") for name in dataset.class_names]
    files = [folders[label] / f"{prefix}_{row:05}.png" for row, label in enumerate(dataset.labels)]
    there = next((file for file in files if file.exists()), None)
    if there:
        raise FileIsThere(f"{there} is there already: choose another folder")
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for image, file in zip(tqdm(dataset.images, unit="image", leave=False), files, strict=True):
        Image.fromarray(image).save(file)
    return len(files)


def _read(file, side):
    from PIL import Image, ImageOps

    with Image.open(file) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return np.asarray(ImageOps.fit(upright, (side, side), Image.Resampling.BICUBIC))
