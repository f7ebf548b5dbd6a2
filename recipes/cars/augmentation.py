"""Changes each training image at random, as if the ESP-EYE's OV2640 had taken another picture of the same thing.

The camera is held at an angle, its white balance drifts with the light, its small pixels are noisy, its lens is soft
and darker towards the corners, and at 96x96 its picture was scaled down from a larger one.
"""

import tensorflow as tf


def augment(images, seed):
    """A batch as another camera might have seen it.

    Args:
        images: uint8 (N, S, S, 3), RGB.
        seed: int32 (2,); the same seed gives the same result.

    Returns:
        float32 (N, S, S, 3), from -1 to 1, as `edgekit.models.preprocess` gives.
    """
    count, side = tf.shape(images)[0], images.shape[1]
    draws = _Draws(seed, count)
    x = tf.cast(images, tf.float32) / 255
    x = _moved(x, draws, side)
    x = _blurred(x, draws)
    x = _lit(x, draws, side)
    x += draws.uniform(0, 0.04)[:, None, None, None] * draws.normal(tf.shape(x))
    x = _erased(x, draws, side)
    return (tf.clip_by_value(x, 0, 1) * 255 - 128) / 128


class _Draws:
    """Random numbers for a batch: every call another stream of the same seed."""

    def __init__(self, seed, count):
        self.seed, self.count, self.calls = seed, count, 0

    def _next(self):
        self.calls += 1
        return self.seed + tf.constant([0, 7919 * self.calls])

    def uniform(self, low, high, *shape):
        return tf.random.stateless_uniform((self.count, *shape), self._next(), low, high)

    def normal(self, shape):
        return tf.random.stateless_normal(shape, self._next())

    def chance(self, probability):
        return tf.cast(self.uniform(0, 1) < probability, tf.float32)


def _moved(x, draws, side):
    """Mirrored, zoomed, stretched, turned and shifted; what comes in from outside is a reflection."""
    mirror = 1 - 2 * draws.chance(0.5)
    zoom = tf.exp(draws.uniform(tf.math.log(0.65), tf.math.log(1.15)))
    stretch = tf.exp(draws.uniform(-0.14, 0.14))
    angle = draws.uniform(-0.12, 0.12)
    cos, sin = tf.cos(angle), tf.sin(angle)
    a, b = mirror * zoom * stretch * cos, -zoom * stretch * sin
    c, d = mirror * zoom / stretch * sin, zoom / stretch * cos
    centre = (side - 1) / 2
    room = 0.10 + 0.5 * tf.maximum(0.0, 1 - zoom)
    shift_x, shift_y = (draws.uniform(-1, 1) * room * side for _ in range(2))
    zero = tf.zeros_like(a)
    rows = [a, b, centre + shift_x - (a + b) * centre, c, d, centre + shift_y - (c + d) * centre, zero, zero]
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=x,
        transforms=tf.stack(rows, axis=1),
        output_shape=tf.constant([side, side]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )


def _blurred(x, draws):
    """Some images soft, as from a lens out of focus or from a small picture that was enlarged; some sharpened."""
    soft = tf.nn.avg_pool2d(x, 3, 1, "SAME")
    softer = tf.nn.avg_pool2d(soft, 3, 1, "SAME")
    amount = draws.chance(0.35)[:, None, None, None] * draws.uniform(-0.7, 1.0)[:, None, None, None]
    return x + tf.maximum(amount, 0) * (softer - x) + tf.minimum(amount, 0) * (soft - x)


def _lit(x, draws, side):
    """Another exposure, contrast, saturation, white balance and gamma, and darker corners."""
    column = (slice(None), None, None, None)
    gain = tf.exp(draws.uniform(-0.35, 0.35))[column] * tf.exp(draws.uniform(-0.12, 0.12, 3))[:, None, None, :]
    mean = tf.reduce_mean(x, axis=(1, 2, 3), keepdims=True)
    x = mean + (x - mean) * draws.uniform(0.65, 1.35)[column]
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    x = grey + (x - grey) * draws.uniform(0.3, 1.4)[column]
    x = tf.pow(tf.clip_by_value(x * gain, 1e-3, 1), tf.exp(draws.uniform(-0.25, 0.25))[column])
    across = tf.linspace(-1.0, 1.0, side) ** 2
    vignette = (across[:, None] + across[None, :])[None, :, :, None]
    return x * (1 - draws.uniform(0, 0.15)[column] * vignette)


def _erased(x, draws, side):
    """A grey rectangle over some images, so that no single part of a car decides (Zhong et al. 2017)."""
    across = tf.range(side, dtype=tf.float32)

    def span():
        start, length = draws.uniform(-0.1, 0.9) * side, draws.uniform(0.1, 0.4) * side
        inside = (across >= start[:, None]) & (across < (start + length)[:, None])
        return tf.cast(inside, tf.float32)

    rectangle = draws.chance(0.25)[:, None, None, None] * span()[:, :, None, None] * span()[:, None, :, None]
    return x + rectangle * (draws.uniform(0, 1)[:, None, None, None] - x)
