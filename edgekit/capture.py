"""Takes photographs with a board's camera and sorts them into the folders car and no_car at once.

The command `edgekit capture` calls it; `edgekit.datasets.from_folder` reads the folders.
"""

import contextlib
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.board import Board
from edgekit.errors import NotAFolder, NotAllowed

if TYPE_CHECKING:
    import numpy as np

# The key for each label.
LABELS = {"c": "car", "n": "no_car"}
_PROMPT = "c car, n no car, q quit"


def collect(
    device: Board, folder: str | Path, keys: Iterable[str], show: Callable[[str], object] = print
) -> list[Path]:
    """Take a photograph for each key and save it under its label.

    Each one is in its file before the next is taken, and no file is ever overwritten.

    Args:
        device: a board that runs the car application.
        folder: path; its subfolders car and no_car are made if they are missing.
        keys: the keys pressed: "c" for a car, "n" for none, "q" to stop; the end of the keys stops too.
        show: called with each line for the person at the keyboard.

    Returns:
        The paths of the photographs in the order in which they were taken; after Ctrl-C, of those before it.

    Raises:
        NotADirectoryError: the folder's path or a label's path is a file.
        PermissionError: nothing can be written in this folder.
        BoardError: the board has no camera, or does not answer; the photographs so far are in the folder.
    """
    folder = check_folder(folder)
    taken = []
    with contextlib.suppress(KeyboardInterrupt):
        show(_PROMPT)
        for key in keys:
            if key == "q":
                break
            if key not in LABELS:
                if key.strip():
                    show(f"{key!r} is no label: {_PROMPT}")
                continue
            show(f"{LABELS[key]}: hold still")
            image = device.photograph()
            taken.append(_save(image, folder / LABELS[key]))
            if _is_colourful():
                show(_thumbnail(image))
            show(f"{taken[-1]}    so far {count(folder)}")
    return taken


def check_folder(folder: str | Path) -> Path:
    """Check that a folder for photographs can be used; it need not exist yet.

    Args:
        folder: its path.

    Returns:
        The path.

    Raises:
        NotADirectoryError: the folder's path or a label's path is a file.
        PermissionError: nothing can be written there.
    """
    folder = Path(folder)
    for path in (folder, *(folder / label for label in LABELS.values())):
        if path.exists() and not path.is_dir():
            raise NotAFolder(f"{path} is not a folder: name a folder, which is made if missing")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise NotAFolder(f"{there} is not a folder, so that {folder} cannot be made: choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise NotAllowed(f"this user cannot write in {there}: choose another folder")
    return folder


def count(folder: str | Path) -> str:
    """Count the images of each label in a folder, in words.

    Args:
        folder: its path.
    """
    from edgekit.datasets.images import SUFFIXES

    counts = {}
    for label in LABELS.values():
        path = Path(folder) / label
        counts[label] = sum(file.suffix.lower() in SUFFIXES for file in path.iterdir()) if path.is_dir() else 0
    return ", ".join(f"{number} {label}" for label, number in counts.items())


def _save(image: "np.ndarray", folder: Path) -> Path:
    """Write a photograph under the next free number."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(image).save(data, "png")
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [int(found[1]) for file in folder.iterdir() if (found := re.fullmatch(r"photo_(\d+)\.\w+", file.name))]
    number = max(numbers, default=0)
    while True:
        number += 1
        path = folder / f"photo_{number:05}.png"
        try:
            file = path.open("xb")
        except FileExistsError:  # another program writes to this folder too
            continue
        try:
            with file:
                file.write(data.getvalue())
        except BaseException:
            path.unlink()  # an incomplete photograph: the disk is full, or Ctrl-C came at this moment
            raise
        return path


@contextlib.contextmanager
def keyboard() -> Iterator[Iterator[str]]:
    """Give the keys pressed on the terminal one by one, without Enter; without a terminal, each line's first letter."""
    try:
        import termios
        import tty

        before = termios.tcgetattr(sys.stdin)
    except (ImportError, OSError, ValueError, termios.error):
        yield (line.strip()[:1] for line in sys.stdin)
        return
    try:
        tty.setcbreak(sys.stdin)  # Ctrl-C still interrupts
        yield iter(_key, "")
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _key() -> str:
    """One key; "" at the end (Ctrl-D), "?" for a key that sends several bytes, such as an arrow."""
    keyboard = sys.stdin.fileno()
    typed = os.read(keyboard, 1)
    if typed < b"\x80" and typed != b"\x1b":
        return "" if typed == b"\x04" else typed.decode()
    while select.select([keyboard], [], [], 0.01)[0]:
        os.read(keyboard, 64)
    return "?"


def _is_colourful() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and "NO_COLOR" not in os.environ


def _thumbnail(image: "np.ndarray") -> str:
    """An image as coloured text at half its size; each character shows two pixels, one above the other."""
    import numpy as np
    from PIL import Image

    height, width = image.shape[:2]
    small = np.asarray(Image.fromarray(image).resize((width // 2, height // 4 * 2)))
    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        cells = (
            "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*map(int, (*above, *below)))
            for above, below in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)
