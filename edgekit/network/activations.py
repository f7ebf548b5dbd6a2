"""Functions of one value in float32: the activations of published networks, each with its facts.

In int8 such a function is a table of 256 values (`edgekit.quantization.tables`). So a further one is a few lines in
each of the six places. Log-softmax, which reads a row, is beside them.
"""

import functools
import math

import numpy as np

from edgekit.errors import InvalidValue
from edgekit.network.ops import ACTIVATIONS, kind

# An int8 that is rescaled by a multiplier and shift needs an output no finer than this share of its input's steps.
_NARROWEST = 2.0**-18
# Clamps: the lowest and the highest real value that each lets through; of these, ops can fuse the `ACTIVATIONS`.
LIMITS = ACTIVATIONS | {"relu_0_to_1": (0.0, 1.0)}
_SQRT_2_OVER_PI = np.float32(math.sqrt(2 / math.pi))


@kind("relu", scales_through=True, narrowest=_NARROWEST)
def _relu(op, inputs, shape):
    return np.maximum(inputs[0], 0)


@kind("relu_n1_to_1", narrowest=_NARROWEST)  # alone only in files: `folding` replaces it for TensorFlow Lite Micro
@kind("relu_0_to_1", narrowest=_NARROWEST)
def _clip(op, inputs, shape):
    return np.clip(inputs[0], *LIMITS[op.kind])


@kind("leaky_relu", options=("alpha",), scales_through=True, narrowest=_NARROWEST)
def _leaky_relu(op, inputs, shape):
    x = inputs[0]
    return np.where(x > 0, x, x * np.float32(op.alpha))


def _of_first(op, shapes):
    try:
        fits = len(shapes[0]) <= MOST_AXES and np.broadcast_shapes(*shapes) == tuple(shapes[0])
    except ValueError:
        fits = False
    if not fits:
        raise InvalidValue(
            f"{op.name!r} has slopes of shape {shapes[1]} for values of shape {shapes[0]}: each side of the slopes "
            f"must be the same or 1, and at most {MOST_AXES} axes are supported"
        )
    return tuple(shapes[0])


MOST_AXES = 3  # of a PReLU, without the batch


# With a slope for each channel, f(s * x) = s * f(x) holds also for an s of each channel.
@kind("prelu", inputs=2, shape=_of_first, scales_through=True, narrowest=2.0**-14)
def _prelu(op, inputs, shape):
    x, alpha = inputs[0], aligned(inputs[1], inputs[0].ndim)
    return np.where(x >= 0, x, x * alpha)


def aligned(values: np.ndarray, ndim: int) -> np.ndarray:
    """A batch (N, *shape) with more axes of size 1 after the batch, so that NumPy aligns it at the last axis."""
    return values.reshape(len(values), *(1,) * (ndim - values.ndim), *values.shape[1:])


@kind("abs", scales_through=True, narrowest=_NARROWEST)
def _abs(op, inputs, shape):
    return np.abs(inputs[0])


@kind("elu")
def _elu(op, inputs, shape):
    x = inputs[0]
    return np.where(x < 0, np.expm1(np.minimum(x, 0)), x)


# TensorFlow Lite Micro refuses an output whose steps are finer than 1/128 of its input's.
@kind("hard_swish", narrowest=1 / 64)
def _hard_swish(op, inputs, shape):
    x = inputs[0]
    return x * np.clip(x + np.float32(3), 0, 6) / np.float32(6)


@kind("gelu", options=("approximate",))
def _gelu(op, inputs, shape):
    x = inputs[0]
    if op.approximate:
        return np.float32(0.5) * x * (1 + np.tanh(_SQRT_2_OVER_PI * (x + np.float32(0.044715) * x * x * x)))
    return np.float32(0.5) * x * (1 + erf(x * np.float32(math.sqrt(0.5))))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function, which NumPy lacks: float32 array of x's shape, from a table with steps of 2^-12."""
    return np.interp(x, *_erf_table()).astype(np.float32)


@functools.cache
def _erf_table():
    x = np.linspace(-5, 5, 10 * 2**12 + 1)  # beyond them erf is 1 in float32
    return x, np.array([math.erf(value) for value in x])


@kind("exp")
def _exp(op, inputs, shape):
    return np.exp(inputs[0])


@kind("log")
def _log(op, inputs, shape):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(inputs[0])


@kind("sqrt")
def _sqrt(op, inputs, shape):
    with np.errstate(invalid="ignore"):
        return np.sqrt(inputs[0])


@kind("rsqrt")
def _rsqrt(op, inputs, shape):
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 / np.sqrt(inputs[0])


@kind("log_softmax", fixed_scale=(16 / 256, 127))
def _log_softmax(op, inputs, shape):
    x = inputs[0] - inputs[0].max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
