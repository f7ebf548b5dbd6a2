"""Reads inputs of a network from a data set, arrays, images or a table of numbers, and checks that they fit.

Pixels are taken only where it is known which real values they stand for: see `edgekit.network.pixels`.
"""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import datasets
from edgekit.command.files import KINDS, kind_of
from edgekit.command.text import one_line, reason
from edgekit.errors import InvalidValue, MissingFile
from edgekit.network import Graph, Shape
from edgekit.network.pixels import OWN, USUAL, as_real, pixel_range

SUPPORTED = "supported are .npy, .npz, .csv, a folder of PNG, JPEG or BMP images, and a data set's name"
RANDOM = 32  # inputs, where no data are given
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
_RANGES = " or ".join(f"{low:g} {high:g}" for low, high in USUAL)

Range = tuple[float, float]
Known = tuple[float, float, str]  # with the part of a sentence that says how it is known


@dataclass(frozen=True)
class Inputs:
    """Inputs of a network.

    Attributes:
        arrays: float32 (N, *input shape); for several inputs a dict by name.
        sentences: what was read, and what was assumed; to be printed.
    """

    arrays: Any
    sentences: tuple[str, ...]


def read_inputs(source: str, network: Graph, input_range: Range | None = None, known: Known | None = None) -> Inputs:
    """Read inputs for a network.

    Args:
        source: the path of a file or folder, or the name of a data set.
        network: a `Network` or a `QuantizedNetwork`.
        input_range: the real values of the pixels 0 and 255, as the user says.
        known: these values, if they are known of the network, and how they are known.

    Returns:
        `Inputs`.

    Raises:
        ValueError: they do not fit, or it is not known which real values pixels stand for; the message names the file.
        FileNotFoundError: there is no such file.
    """
    names = network.inputs
    read, notes = _read(source, [network.shapes[name] for name in names])
    arrays = _assign(source, network, names, read)
    sentences = list(notes)
    for name, array in arrays.items():
        of = source if len(arrays) == 1 else f"{source} ({name})"
        _check_shape(of, array, network.shapes[name])
        arrays[name], told = _as_real(of, network, name, array, input_range, known)
        sentences.append(told)
    sizes = {len(array) for array in arrays.values()}
    if len(sizes) > 1:
        raise InvalidValue(f"{source} holds different numbers of inputs: {_counts(arrays)}")
    return Inputs(arrays if len(names) > 1 else arrays[names[0]], tuple(sentences))


def random_inputs(network: Graph, other: Graph | None = None, known: Known | None = None, n: int = RANDOM) -> Inputs:
    """Random inputs for a network, or for two that are to be compared; always the same.

    Args:
        network: a `Network` or a `QuantizedNetwork`.
        other: another one, with the same inputs.
        known: the real values of the pixels 0 and 255, if they are known.
        n: how many.

    Returns:
        `Inputs`, spread evenly over what int8 covers, over the pixels' range if that is known, or from -1 to 1.
    """
    random = np.random.default_rng(0)
    arrays, ranges = {}, []
    for position, name in enumerate(network.inputs):
        low, high = known[:2] if known else (-1.0, 1.0)
        for each in filter(None, (network, other)):
            if position >= len(each.inputs):
                continue
            shown = pixel_range(each, each.inputs[position])
            q = getattr(each, "quantization", {}).get(each.inputs[position])
            if q is not None:
                low, high = (float(q.scale) * (edge - q.zero_point) for edge in (-128, 127))
                break
            if shown:
                low, high = shown[:2]
        arrays[name] = random.uniform(low, high, (n, *network.shapes[name])).astype(np.float32)
        ranges.append(f"{low:.4g} to {high:.4g}")
    text = f"{n} random inputs from {', '.join(ranges)}, since no data are given: --data takes true ones"
    if any(hasattr(each, "quantization") for each in (network, other)):
        text += ", for which int8 was calibrated"
    return Inputs(arrays if len(arrays) > 1 else next(iter(arrays.values())), (text,))


# Reading: an array, or a dict of arrays by name


def _read(source: str, shapes: Sequence[Shape]) -> tuple[Any, list[str]]:
    """(array or dict of arrays, sentences about how they were read)."""
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


# Checking


def _assign(source: str, network: Graph, names: Sequence[str], read: Any) -> dict[str, np.ndarray]:
    """The arrays by the names of the network's inputs."""
    if isinstance(read, list):
        return dict(zip(names, read, strict=True))
    if not isinstance(read, dict):
        if len(names) > 1:
            raise InvalidValue(
                f"{source} holds one array, but {network.name!r} has the inputs {', '.join(names)}: "
                "give a .npz file with arrays of these names"
            )
        return {names[0]: read}
    if len(names) == 1:
        if names[0] in read:
            return {names[0]: read[names[0]]}
        if len(read) == 1:
            return {names[0]: next(iter(read.values()))}
        raise InvalidValue(
            f"{source} holds {len(read)} arrays, {_counts(read)}: give a .npz file with the inputs alone, or name "
            f"their array {names[0]!r}"
        )
    missing = [name for name in names if name not in read]
    if missing:
        raise InvalidValue(
            f"{source} holds no array named {missing[0]!r}; {network.name!r} has the inputs {', '.join(names)}, and "
            f"the file holds {_counts(read) or 'nothing'}"
        )
    return {name: read[name] for name in names}


def _counts(arrays: dict[str, np.ndarray]) -> str:
    listed = [f"{one_line(name)} {array.shape}" for name, array in list(arrays.items())[:8]]
    return ", ".join(listed) + (", ..." if len(arrays) > 8 else "")


def _check_shape(of: str, array: np.ndarray, expected: Shape) -> None:
    expected, got = tuple(expected), array.shape
    wanted = f"(N, {', '.join(map(str, expected))})"
    if got[1:] == expected and len(got) == len(expected) + 1:
        if not len(array):
            raise InvalidValue(f"{of} holds no inputs: its shape is {got}")
        return
    hint = "one row for each input"
    if got == expected:
        hint = "it is one input without the batch: save array[None]"
    elif len(expected) == 3 and len(got) == 4 and (*got[2:], got[1]) == expected:
        hint = "its channels come first: save array.transpose(0, 2, 3, 1)"
    elif (*got[1:], 1) == expected and len(got) == len(expected):
        hint = "the axis of the channel is missing: save array[..., None]"
    elif got[1:] == (*expected, 1):
        hint = "it has an axis too many: save array[..., 0]"
    elif len(got) and prod(got[1:]) == prod(expected):
        hint = f"save array.reshape(-1, {', '.join(map(str, expected))}), if its values are in this order"
    elif len(expected) == 3 and len(got) == 4 and got[3] == expected[2]:
        hint = "scale the images to this size"
    raise InvalidValue(f"{of} holds an array of shape {got}, but the network takes {wanted}: {hint}")


def _as_real(
    of: str, network: Graph, name: str, array: np.ndarray, stated: Range | None, known: Known | None
) -> tuple[np.ndarray, str]:
    """(float32 array, the sentence about it)."""
    kind, shape = array.dtype, tuple(network.shapes[name])
    if kind != np.uint8 and not np.issubdtype(kind, np.floating):
        what = {"b": "true and false", "c": "complex numbers", "O": "Python objects"}.get(kind.kind, f"{kind} values")
        raise InvalidValue(
            f"{of} holds {what}, but inputs are real numbers: save them as float32, as the network takes them, or "
            "pixels from 0 to 255 as uint8"
        )
    shown = known or pixel_range(network, name)
    if kind == np.uint8:
        return _pixels(of, array, stated, shown, "uint8 pixels")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        values = np.ascontiguousarray(array, np.float32)
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise InvalidValue(f"{of}: input {int(np.argmin(finite))} (counted from 0) holds NaN or infinity")
    low, high = float(values.min()), float(values.max())
    image = len(shape) == 3 and shape[2] in (1, 3, 4)
    if image and low >= 0 and 8 < high <= 255 and np.array_equal(values, np.floor(values)):
        return _pixels(of, values, stated, shown, "whole numbers from 0 to 255, which are pixels,")
    if stated:
        raise InvalidValue(
            f"{of} holds real values from {low:.4g} to {high:.4g}, used unchanged: --input-range is for pixels"
        )
    if image and shown and shown[1] == 255 and low >= -1.5 and high <= 1.5:
        raise InvalidValue(
            f"{of} holds values from {low:.4g} to {high:.4g}, but {network.name!r} takes 0 to 255 ({shown[2]}): "
            "give the pixels as uint8, or multiply the values by 255"
        )
    return values, f"{len(values)} inputs from {of}, {_shape(shape)}, real values from {low:.4g} to {high:.4g}"


def _pixels(
    of: str,
    pixels: np.ndarray,
    stated: Range | None,
    shown: Known | None,
    what: str,
) -> tuple[np.ndarray, str]:
    """Pixels as the real values that the user states, that are known, or that the network shows."""
    if stated:
        (low, high), why = stated, "as --input-range says"
        if shown and not np.allclose(shown[:2], stated, rtol=0, atol=0.02 * (shown[1] - shown[0])):
            why += f"; but the network shows {shown[0]:g} to {shown[1]:.4g}, {shown[2]}"
    elif shown:
        low, high, why = shown
    else:
        raise InvalidValue(
            f"{of} holds {what} and the network does not show which real values it takes for 0 and 255: say "
            f"--input-range LOW HIGH as in training; usual are {_RANGES} ({OWN[0]:g} {OWN[1]} after edgekit.training)"
        )
    sentence = (
        f"{len(pixels)} inputs from {of}, {_shape(pixels.shape[1:])}, pixels: 0 to 255 stand for the real values "
        f"{low:.4g} to {high:.4g}, {why}"
    )
    return as_real(pixels, low, high), sentence


def _shape(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))
