"""Tells what a file holds from its first bytes, because a name says nothing about the content."""

import os
import zipfile
from pathlib import Path

from edgekit.errors import InvalidValue, MissingFile, NotAllowed

# Each kind that `kind_of` returns, and its name in a sentence.
KINDS = {
    "tflite": "a TensorFlow Lite file",
    "keras": "a Keras model",
    "hdf5": "an HDF5 file",
    "saved_model": "a SavedModel folder",
    "saved_model.pb": "the file of a SavedModel, which needs the folder around it",
    "onnx": "an ONNX model",
    "torch": "a PyTorch file",
    "npy": "a NumPy array",
    "npz": "an archive of NumPy arrays",
    "pickle": "a Python pickle, which edgekit never opens, because opening it can run any program",
    "safetensors": "a safetensors file, which holds weights and no layers",
    "gguf": "a GGUF file of a language model",
    "image": "an image",
    "pdf": "a PDF document",
    "graph": "a frozen TensorFlow graph or another protocol buffer",
    "zip": "a zip archive",
    "gzip": "a compressed file (gzip), to be unpacked first",
    "lfs": "a pointer of Git LFS and not the file itself: run git lfs pull",
    "html": "a web page: download the file itself, not the page that shows it",
    "text": "a text file",
    "empty": "an empty file",
    "folder": "a folder",
    "unknown": "a file of an unknown format",
}

_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*")


def kind_of(path: Path) -> str:
    """What a file or folder holds: a key of `KINDS`.

    Args:
        path: the file or folder.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: it cannot be read.
        ValueError: it is a device or another thing that is no file.
    """
    if path.is_dir():
        saved = any((path / name).is_file() for name in ("saved_model.pb", "saved_model.pbtxt"))
        return "saved_model" if saved else "folder"
    if not path.exists():
        raise MissingFile(f"there is no file {path}")
    if not path.is_file():
        raise InvalidValue(f"{path} is no file: it is a device or a pipe")
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except PermissionError:
        raise NotAllowed(f"{path} cannot be read: this user has no permission") from None
    return _kind(path, start)


def _kind(path, start):
    if not start:
        return "empty"
    if start[4:8] == b"TFL3":
        return "tflite"
    for magic, kind in (
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (b"\x93NUMPY", "npy"),
        (b"GGUF", "gguf"),
        (b"%PDF", "pdf"),
        (b"\x1f\x8b", "gzip"),
        (b"version https://git-lfs", "lfs"),
    ):
        if start.startswith(magic):
            return kind
    if start.startswith(b"PK"):
        return _kind_of_archive(path)
    if start.startswith(_IMAGES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return "image"
    if start[0] == 0x80 and start[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "pickle"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < os.path.getsize(path):
        return "safetensors"
    # Protocol buffers have no mark of their own: these are their first fields, a number and then a message or a text.
    if start.startswith(b"\x08\x01\x12"):
        return "saved_model.pb"
    if start[:1] == b"\x08" and 3 <= start[1] <= 32 and start[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x3a", b"\x42"):
        return "onnx"
    if _is_text(start):
        lower = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:20].lower()
        return "html" if lower.startswith((b"<!doctype html", b"<html")) else "text"
    return "graph" if start[:1] == b"\x0a" else "unknown"


def _kind_of_archive(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "zip"
    if "config.json" in names and any(name.startswith("model.weights") for name in names):
        return "keras"
    if any(name.endswith("/data.pkl") or name == "data.pkl" for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else "zip"


def _is_text(start):
    text = start.decode("utf-8", errors="ignore")  # the last character may be cut
    return len(text.encode()) > len(start) - 4 and all(
        letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text
    )
