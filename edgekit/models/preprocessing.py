"""Turns an image into a network's input. It is written once, so that training, calibration and the board agree."""

import numpy as np

from edgekit.errors import InvalidType


def preprocess(images: np.ndarray) -> np.ndarray:
    """Turn uint8 images, 0 to 255, into float32 from -1 to 1: (x - 128) / 128.

    Keras's MobileNet takes x / 127.5 - 1 instead. Quantized with that scale, half of the pixels are exactly between two
    steps. Here each pixel is a whole number of steps of 1 / 128, and int8 is x - 128.

    Args:
        images: uint8, any shape; channels RGB, last.

    Returns:
        float32, the same shape.

    Raises:
        TypeError: the images are not uint8 (they may have been preprocessed already).

    Example:
        >>> preprocess(np.array([0, 255], np.uint8))
        array([-1.       ,  0.9921875], dtype=float32)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InvalidType(
            f"preprocess takes uint8 images, 0 to 255; these are {images.dtype}. Were they preprocessed already?"
        )
    return (images.astype(np.float32) - np.float32(128)) / np.float32(128)
