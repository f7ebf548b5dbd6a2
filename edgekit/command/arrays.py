"""Reads arrays from files: NumPy's, tables of numbers, images, data sets. `inputs` checks that they fit a network."""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import datasets
from edgekit.command.files import KINDS, kind_of
from edgekit.command.text import one_line, reason
from edgekit.errors import InvalidValue, MissingFile
from edgekit.network import Shape

SUPPORTED = "supported are .npy, .npz, .csv, a folder of PNG, JPEG or BMP images, and a data set's name"
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp")


def read(source: str, shapes: Sequence[Shape]) -> tuple[Any, list[str]]:
    """Read arrays for the inputs of a network.

    Args:
        source: the path of a file or folder, or the name of a data set.
        shapes: of the network's inputs, without the batch.

    Returns:
        (arrays, sentences): one array, a list of arrays in the order of the inputs, or a dict of arrays by name; and
        sentences about how they were read.

    Raises:
        ValueError: the file is damaged, or holds something else.
        FileNotFoundError: there is no such file.
    """
    path = Path(source)
    if not path.exists():
        return _data_set(source)
    kind = kind_of(path)
    if kind == "folder":
        return _folder(path, shapes)
    if kind == "image":
        return _images(path, [path], shapes)
    if kind == "npy":
        return _array(path), []
    if kind == "npz":
        return _archive(path), []
    if kind == "text":
        return _table(path, shapes), []
    damaged = " (damaged)" if kind == "zip" and path.suffix.lower() == ".npz" else ""
    raise InvalidValue(f"{path} is {KINDS[kind]}{damaged}, which holds no inputs; {SUPPORTED}")


def _data_set(name: str) -> tuple[np.ndarray, list[str]]:
    if Path(name).suffix or len(Path(name).parts) != 1:
        raise MissingFile(f"there is no file or folder {name}; {SUPPORTED}")
    for split in ("calibration", "noisy"):
        try:
            return datasets.load(name, split).inputs, [f"the split {split!r} of the data set {name}"]
        except InvalidValue as error:
            if "no split" not in str(error):
                raise InvalidValue(f"there is no file or folder {name}, and {error}") from None
    raise InvalidValue(f"the data set {name} has no split for calibration")


def _array(path: Path) -> np.ndarray:
    """The array in a .npy file, not loaded into memory; a header that promises too much is refused before."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # NumPy raises many kinds for broken files
        raise InvalidValue(f"{path} {_broken(error)}") from None
    return array


def _archive(path: Path) -> dict[str, np.ndarray]:
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                with archive.open(info) as file:
                    _check_size(file, info.file_size)
        with np.load(path, allow_pickle=False) as loaded:
            for name in loaded.files:
                arrays[name] = loaded[name]
    except Exception as error:
        raise InvalidValue(f"{path} {_broken(error)}") from None
    return arrays


def _check_size(file: Any, size: int) -> None:
    """Check that an array in an archive is as large as its header says, before its memory is allocated."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if not dtype.hasobject and prod(shape) * dtype.itemsize > size:
        raise InvalidValue("its header promises more than the file holds")


def _broken(error: Exception) -> str:
    said = str(error)
    if "pickle" in said or "Python objects" in said or "Object arrays" in said:
        return "holds Python objects (a pickle), which edgekit never opens: save an array of numbers, all of one shape"
    return f"is damaged ({reason(error)}): save it again with numpy.save or numpy.savez"


def _folder(path: Path, shapes: Sequence[Shape]) -> tuple[np.ndarray, list[str]]:
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    images = [file for file in files if file.suffix.lower() in _IMAGES]
    if not images:
        found = f"; it holds {len(files)} other files, {files[0].name} for example" if files else " and nothing else"
        raise InvalidValue(f"{path} holds no image (PNG, JPEG or BMP){found}")
    array, sentences = _images(path, images, shapes)
    if len(files) > len(images):
        sentences.append(f"{len(files) - len(images)} other files in {path} were left out")
    return array, sentences


def _images(path: Path, files: Sequence[Path], shapes: Sequence[Shape]) -> tuple[np.ndarray, list[str]]:
    """Images (N, *input shape), uint8, each cropped to the input's proportions and scaled to its size."""
    from PIL import Image
    from tqdm.auto import tqdm

    if len(shapes) != 1:
        raise InvalidValue(f"{path} holds images, but the network has {len(shapes)} inputs: give a .npz file")
    (shape,) = shapes
    channels = shape[2] if len(shape) == 3 else 1
    if len(shape) not in (2, 3) or channels not in (1, 3):
        raise InvalidValue(f"{path} holds images, but the network takes inputs of shape {tuple(shape)}")
    size, other = (shape[1], shape[0]), {}
    result = np.empty((len(files), *shape), np.uint8)
    for row, file in enumerate(tqdm(files, desc="reading images", unit="image", leave=False, disable=len(files) < 50)):
        try:
            with Image.open(file) as image:
                result[row] = _fitted(file, image, size, channels, other).reshape(shape)
        except InvalidValue:
            raise
        except Exception as error:  # Pillow raises many kinds for broken files
            raise InvalidValue(f"{file} is a damaged image ({reason(error)}): remove it or save it again") from None
    sentences = []
    if other:
        sizes = ", ".join(f"{width} x {height}" for width, height in list(other)[:3])
        more = ", ..." if len(other) > 3 else ""
        sentences.append(
            f"{sum(other.values())} of {len(files)} images are {sizes}{more} pixels: each was cropped in its middle "
            f"and resized to {size[0]} x {size[1]}"
        )
    return result, sentences


def _fitted(file: Path, image: Any, size: tuple[int, int], channels: int, other: dict) -> np.ndarray:
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        raise InvalidValue(f"{file} has more than 8 bits in a pixel ({image.mode}): save it with 8 bits")
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise InvalidValue(f"{file} has transparent pixels: save it without transparency")
    grey = image.mode in ("1", "L")
    if not grey:
        image = image.convert("RGB")
        if channels == 1:
            red, green, blue = image.split()
            if not red.tobytes() == green.tobytes() == blue.tobytes():
                raise InvalidValue(f"{file} has colours, but the network takes grey images: convert the images to grey")
            image = red
    elif channels == 3:
        raise InvalidValue(f"{file} is a grey image, but the network takes colours: convert the images to RGB")
    else:
        image = image.convert("L")
    if image.size != size:
        other[image.size] = other.get(image.size, 0) + 1
        image = ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    return np.asarray(image)


def _table(path: Path, shapes: Sequence[Shape]) -> Any:
    """The rows of a .csv file, one for each input: float64 (N, *shape); the first line may name the columns."""
    sizes = [prod(shape) for shape in shapes]
    rows: list[list[float]] = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = file.read().splitlines()
    except UnicodeDecodeError:
        raise InvalidValue(f"{path} is no text in UTF-8: save the table as CSV in UTF-8") from None
    text = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=text.count) if any(mark in text for mark in ",;\t") else " "
    first = True
    for number, cells in _cells(path, lines, delimiter):
        if delimiter == " ":
            cells = [cell for cell in cells if cell]
        if not any(cells):
            continue
        header, first = first, False
        row = [_number(cell, delimiter) for cell in cells]
        if None in row:
            if header and all(value is None for value in row):
                continue
            wrong = cells[row.index(None)]
            raise InvalidValue(f"{path}, line {number}: {one_line(wrong)[:40]!r} is no number")
        if len(row) != sum(sizes):
            takes = " + ".join("x".join(map(str, shape)) for shape in shapes)
            raise InvalidValue(f"{path}, line {number}: {len(row)} values, but an input has {sum(sizes)} ({takes})")
        if header and len(row) > 3 and row == list(range(len(row))):
            raise InvalidValue(
                f"{path}, line {number}: 0 to {len(row) - 1} look like names of columns: remove this line"
            )
        rows.append([value for value in row if value is not None])
    if not rows:
        raise InvalidValue(f"{path} is a text file without a line of numbers; {SUPPORTED}")
    table = np.array(rows)
    if len(shapes) == 1:
        return table.reshape(-1, *shapes[0])
    starts = np.cumsum([0, *sizes])
    return [table[:, a:b].reshape(-1, *shape) for a, b, shape in zip(starts, starts[1:], shapes, strict=False)]


def _cells(path: Path, lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) for each row of a table."""
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise InvalidValue(f"{path}, line {reader.line_num}: {reason(error)}") from None


def _number(cell: str, delimiter: str) -> float | None:
    try:
        return float(cell.replace(",", ".") if delimiter == ";" else cell)
    except ValueError:
        return None
