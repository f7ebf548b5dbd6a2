"""For test cells of the car lessons: the trained network, and a small one made anew, whose answers nobody can know."""

import functools
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import edgekit.models
from edgekit import calibration, codegen, quantization
from edgekit.network import Network, Op, Shape
from grader.for_tests import answers
from grader.sandbox import places

_WEIGHTS = Path(edgekit.models.__file__).parent / "carclassifier.npz"
_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)  # of the depthwise convolutions
_EPSILON = 1e-3  # of Keras's batch normalization


def small(seed: int) -> tuple[quantization.QuantizedNetwork, np.ndarray]:
    """An int8 network from 96 x 96 images to one sigmoid output, and the images it was calibrated with.

    Its answers differ from image to image, and depend on every colour and on where in the image it is.

    Returns:
        The network, and the images: uint8, shape (8, 96, 96, 3).
    """
    rng = np.random.default_rng(seed)
    shapes = {"image": (96, 96, 3), "first": (12, 12, 4), "flat": (576,), "sum": (1,), "score": (1,)}
    ops = (
        Op(
            *("conv2d", "first", ("image",), "first"),
            weights=rng.normal(0, 0.05, (4, 8, 8, 3)).astype(np.float32),
            bias=rng.normal(1, 0.5, 4).astype(np.float32),
            stride=(8, 8),
            activation="relu6",
        ),
        Op("reshape", "flat", ("first",), "flat"),
        Op(
            *("fully_connected", "sum", ("flat",), "sum"),
            weights=rng.normal(0, 0.1, (1, 576)).astype(np.float32),
            bias=np.zeros(1, np.float32),
        ),
        Op("sigmoid", "score", ("sum",), "score"),
    )
    # Coarse blocks: noise of single pixels would average out, and all images would get the same answer.
    blocks = rng.integers(0, 256, (8, 6, 6, 3)).astype(np.uint8)
    images = blocks.repeat(16, axis=1).repeat(16, axis=2)
    real = (images.astype(np.float32) - 128) / 128
    sums = Network("carclassifier", ("image",), ("sum",), shapes, ops[:3]).run(real)
    # As many answers on one side of one half as on the other.
    last = replace(ops[2], weights=ops[2].weights / sums.std() * 2, bias=-np.median(sums, axis=0) / sums.std() * 2)
    net = Network("carclassifier", ("image",), ("score",), shapes, (*ops[:2], last, ops[3]))
    return quantization.quantize(net, calibration.calibrate(net, real)), images


@dataclass(frozen=True)
class Another:
    """A network that the students have never seen.

    Attributes:
        files: Its C++ files.
        pictures: Some images, uint8 (8, 96, 96, 3).
        scores: Its score for each, float32 (8,).
    """

    files: list[Path]
    pictures: np.ndarray
    scores: np.ndarray


@functools.cache
def another() -> Another:
    """A `small` network, exported. It is the same for all students whom this process grades, so is compiled once."""
    net, pictures = small(secrets.randbits(32))
    files = codegen.export(net, "carclassifier", places.new())
    return Another(files, pictures, net.predict((pictures.astype(np.float32) - 128) / 128)[:, 0])


@functools.cache
def trained() -> Network:
    """The lessons' ``net``, made of the shipped weights without Keras, since importing TensorFlow takes seconds."""
    with np.load(_WEIGHTS, allow_pickle=False) as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    side = 48
    shapes: dict[str, Shape] = {"image": (96, 96, 3)}
    ops = [_convolution(weights, "conv1", "image", 2)]
    for number, stride in enumerate(_STRIDES, 1):
        side = -(-side // stride)
        ops.append(_convolution(weights, f"conv_dw_{number}", ops[-1].output, stride))
        ops.append(_convolution(weights, f"conv_pw_{number}", ops[-1].output, 1))
        for op in ops[-2:]:
            shapes[op.output] = (side, side, len(op.bias))
    shapes |= {ops[0].output: (48, 48, 8), "global_average_pooling2d": (256,)}
    shapes |= {"predictions": (1,), "predictions_sigmoid": (1,)}
    ops += [
        Op("mean", "global_average_pooling2d", (ops[-1].output,), "global_average_pooling2d"),
        Op(
            *("fully_connected", "predictions", ("global_average_pooling2d",), "predictions"),
            weights=_without_dead(weights["predictions/kernel"].T),
            bias=weights["predictions/bias"],
        ),
        Op("sigmoid", "predictions_sigmoid", ("predictions",), "predictions_sigmoid"),
    ]
    return Network("mobilenet_v1_0.25_96", ("image",), ("predictions_sigmoid",), shapes, tuple(ops))


def _convolution(weights: dict[str, np.ndarray], name: str, source: str, stride: int) -> Op:
    """A layer of the shipped network, with its batch normalization folded and its ReLU6 fused."""
    gamma, beta, mean, variance = (
        weights[f"{name}_bn/{part}"].astype(float) for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    factor = gamma / np.sqrt(variance + _EPSILON)
    kernel = weights[f"{name}/kernel"].astype(float)
    is_depthwise = name.startswith("conv_dw")
    kernel = np.moveaxis(kernel, 3, 0) * (factor if is_depthwise else factor[:, None, None, None])
    return Op(
        *("depthwise_conv2d" if is_depthwise else "conv2d", name, (source,), f"{name}_relu"),
        weights=_without_dead(kernel.astype(np.float32)),
        bias=(beta - mean * factor).astype(np.float32),
        stride=(stride, stride),
        padding="valid" if name.startswith("conv_pw") else "same",
        activation="relu6",
    )


def _without_dead(kernel: np.ndarray) -> np.ndarray:
    """As in the lessons: channels that died in training have weights around 1e-12, which are made 0."""
    return np.where(np.abs(kernel) < 1e-9, 0, kernel).astype(np.float32)


def assembled(int8_weights: dict, activations: dict, by_rows: bool) -> quantization.QuantizedNetwork:
    """The int8 network that a student's numbers make of `trained`; refuses weights that are not its weights.

    Args:
        int8_weights: For each layer with weights the pair of int8 weights and scales.
        activations: For each tensor the pair of scale and zero point.
        by_rows: Whether the weights have a row for each output channel, instead of the layer's own shape.

    Raises:
        answers.WrongAnswer: A layer's scales or int8 weights are not those of one scale a channel.
    """
    net, weights = trained(), {}
    for op in net.ops:
        if op.weights is None:
            continue
        q, scales = int8_weights[op.name]
        rows = quantization.by_channel(op.weights, op.kind)
        largest = np.abs(rows).max(axis=1)
        wanted = np.where(largest == 0, 1, largest / 127)
        answers.close(scales, wanted, f"the scales of {op.name}")
        what = f"the int8 weights of {op.name}"
        if by_rows:
            found = answers.numbers(q, rows.shape, what)
        else:
            found = quantization.by_channel(answers.numbers(q, op.weights.shape, what), op.kind)
        sure = answers.is_far_from_a_half(rows / wanted[:, None])
        answers.equal(found[sure], np.rint(rows / wanted[:, None])[sure], what)
        weights[op.name] = np.asarray(q), np.asarray(scales)
    return quantization.assemble(net, {name: tuple(activations[name]) for name in net.shapes}, weights)
