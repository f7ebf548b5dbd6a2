"""A small camera: a soft lens, a dark corner, a noisy sensor, a wrong white balance and a hurried exposure.

After the ESP-EYE's OV2640: 2 megapixels of 2.2 micrometres, scaled down in the chip, automatic gain up to 32 times.
"""

import numpy as np


def _smeared(image, kernel, axis):
    reach = len(kernel) // 2
    padded = np.pad(image, [(reach, reach) if i == axis else (0, 0) for i in range(3)], mode="edge")
    size = image.shape[axis]
    return sum(weight * np.take(padded, np.arange(i, i + size), axis=axis) for i, weight in enumerate(kernel))


def _gaussian(sigma):
    x = np.arange(-int(3 * sigma + 1), int(3 * sigma + 1) + 1)
    kernel = np.exp(-0.5 * (x / sigma) ** 2)
    return kernel / kernel.sum()


def photograph(scene, side, rng, night=False, rain=False):
    """Linear light as the camera stores it.

    Args:
        scene: float (S, S, 3), linear RGB; S a multiple of `side`.
        side: of the result.
        rng: `numpy.random.Generator`.
        night: a high gain: dimmer and noisier.
        rain: streaks across the picture.

    Returns:
        uint8 (side, side, 3).
    """
    factor = scene.shape[0] // side
    sigma = factor * rng.choice([0.35, 0.5, 0.75, 1.1], p=[0.35, 0.35, 0.2, 0.1])
    for axis in (0, 1):
        scene = _smeared(scene, _gaussian(sigma), axis)
    if rng.random() < 0.15:
        length = int(rng.integers(2, 4)) * factor + 1
        scene = _smeared(scene, np.full(length, 1 / length), int(rng.integers(2)))
    image = scene.reshape(side, factor, side, factor, 3).mean((1, 3))

    # The exposure settles on the brighter part, as a camera's does, but not always well.
    bright = np.sort(image.mean(2).ravel())[int(0.8 * side * side)]
    gain = rng.uniform(0.38, 0.82) / max(bright, 0.05) * (0.55 if night else 1)
    balance = np.exp(rng.normal(0, 0.05, 3))
    image = image * gain * balance
    across = np.linspace(-1, 1, side) ** 2
    image *= 1 - rng.uniform(0, 0.18) * (across[:, None, None] + across[None, :, None])
    if rain:
        image = _rain(image, rng)
    noise = rng.uniform(0.002, 0.012) * (3.0 if night else 1)
    image = image + rng.normal(0, 1, image.shape) * noise * np.sqrt(0.15 + np.clip(image, 0, 1))
    grey = image.mean(2, keepdims=True)
    image = grey + (image - grey) * rng.uniform(0.6, 1.2)
    # A soft shoulder instead of clipped highlights, then the usual gamma.
    image = np.clip(image, 0, None)
    image = np.where(image < 0.7, image, 0.7 + 0.3 * (1 - np.exp(-(image - 0.7) / 0.3)))
    return np.round(255 * np.clip(image, 0, 1) ** (1 / rng.uniform(2.0, 2.5))).astype(np.uint8)


def _rain(image, rng):
    side = len(image)
    slant = rng.uniform(-0.3, 0.3)
    for _ in range(rng.integers(15, 50)):
        x, y, length = rng.uniform(0, side), rng.uniform(0, side), rng.integers(3, 9)
        rows = (int(y) + np.arange(length)).clip(0, side - 1)
        columns = (x + slant * np.arange(length)).astype(int).clip(0, side - 1)
        image[rows, columns] += 0.05
    return image
