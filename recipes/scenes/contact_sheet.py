"""Draws many images as one, framed by their labels, so that a person can look at a data set."""

import numpy as np

_FRAME = 4  # pixels


def contact_sheet(images: np.ndarray, labels: np.ndarray, columns: int = 10, scale: int = 2) -> np.ndarray:
    """Images in rows, those with a car framed green, the others red.

    Args:
        images: uint8 (N, S, S, 3).
        labels: (N,), 1 for a car.
        columns: images in a row.
        scale: pixels of the sheet for each pixel of an image.

    Returns:
        uint8 (H, W, 3).
    """
    side = images.shape[1] * scale
    cell = side + 2 * _FRAME
    sheet = np.full((-(-len(images) // columns) * cell, columns * cell, 3), 255, np.uint8)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        y, x = (i // columns) * cell, (i % columns) * cell
        sheet[y : y + cell, x : x + cell] = (30, 160, 60) if label else (200, 50, 40)
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[y + _FRAME : y + _FRAME + side, x + _FRAME : x + _FRAME + side] = large
    return sheet
