"""Layers and operations that move values, from Keras and in .tflite files, give Keras's numbers and Micro's bits."""

import re

import keras
import numpy as np
import pytest
from keras import layers, ops
from reference import describe, differences, micro

from edgekit import calibration, network, quantization, tflite
from edgekit.network import Op, moves, run_op
from edgekit.quantization import Quantization, QuantizedNetwork, formulas

FOUR = np.arange(24, dtype=np.float32).reshape(1, 4, 6) / 7

# name: (function of a Keras tensor, shape of the input)
MOVEMENTS = {
    "Cropping1D": (layers.Cropping1D((1, 2)), (6, 3)),
    "Cropping2D": (layers.Cropping2D(((1, 0), (2, 1))), (5, 6, 3)),
    "Cropping3D": (layers.Cropping3D(((1, 0), (2, 1), (0, 1))), (3, 5, 4, 2)),
    "ZeroPadding1D": (layers.ZeroPadding1D((1, 2)), (6, 3)),
    "ZeroPadding2D": (layers.ZeroPadding2D(((1, 0), (2, 1))), (5, 6, 3)),
    "ZeroPadding3D": (layers.ZeroPadding3D(((1, 0), (2, 1), (0, 1))), (3, 5, 4, 2)),
    "UpSampling1D": (layers.UpSampling1D(3), (6, 3)),
    "Resizing": (layers.Resizing(7, 4), (5, 6, 3)),
    "Resizing nearest": (layers.Resizing(7, 4, interpolation="nearest"), (5, 6, 3)),
    "CenterCrop": (layers.CenterCrop(2, 3), (5, 6, 3)),
    "TimeDistributed": (layers.TimeDistributed(layers.Dense(4, activation="relu")), (5, 6)),
    "clip": (lambda x: ops.clip(x, -0.5, 1.25), (5, 6)),
    "cast": (lambda x: ops.tanh(ops.cast(x, "float32")), (5, 6)),
    "UpSampling2D": (layers.UpSampling2D((2, 3)), (5, 6, 3)),
    "UpSampling2D by 3 of 49": (layers.UpSampling2D((1, 3)), (1, 49, 1)),
    "UpSampling2D bilinear": (layers.UpSampling2D((2, 3), interpolation="bilinear"), (5, 6, 3)),
    "UpSampling3D": (layers.UpSampling3D((2, 1, 3)), (2, 3, 2, 2)),
    "Permute": (layers.Permute((2, 3, 1)), (5, 6, 3)),
    "Permute of 4": (layers.Permute((4, 2, 3, 1)), (2, 3, 4, 5)),
    "RepeatVector": (layers.RepeatVector(3), (5,)),
    "x[:, 1:3]": (lambda x: x[:, 1:3], (5, 6, 3)),
    "x[:, ::-2, 1]": (lambda x: x[:, ::-2, 1], (5, 6, 3)),
    "x[..., None, -1]": (lambda x: x[..., None, -1], (5, 6, 3)),
    "x[:, ::2, 1:, ::-1, 1:]": (lambda x: x[:, ::2, 1:, ::-1, 1:], (3, 4, 3, 4)),
    "reshape": (lambda x: ops.reshape(x, (-1, 3, 10)), (5, 6)),
    "transpose": (lambda x: ops.transpose(x, (0, 3, 1, 2)), (5, 6, 3)),
    "transpose of 5": (lambda x: ops.transpose(x, (0, 5, 3, 1, 4, 2)), (2, 3, 2, 2, 3)),
    "swapaxes": (lambda x: ops.swapaxes(x, 1, -1), (5, 6, 3)),
    "moveaxis": (lambda x: ops.moveaxis(x, 1, -1), (5, 6, 3)),
    "concatenate": (lambda x: ops.concatenate([x, ops.tanh(x), x], axis=1), (5, 3)),
    "concatenate a constant": (lambda x: ops.concatenate([x, FOUR], axis=1), (3, 6)),
    "concatenate 12": (lambda x: ops.concatenate([x] * 12, axis=-1), (5, 3)),
    "stack": (lambda x: ops.stack([x, ops.tanh(x)], axis=2), (5, 3)),
    "split": (lambda x: ops.concatenate(ops.split(x, 3, axis=2)[::-1], axis=2), (5, 6)),
    "split at": (lambda x: ops.concatenate(ops.split(x, [1, 4], axis=1)[::-1], axis=1), (5, 6)),
    "unstack": (lambda x: ops.stack(ops.unstack(x, 3, axis=1)[::-1], axis=1), (3, 6)),
    "flip": (lambda x: ops.flip(x, axis=(1, 3)), (5, 6, 3)),
    "pad": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1))), (5, 6)),
    "pad with a value": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), constant_values=-1.5), (5, 6)),
    "pad reflect": (lambda x: ops.pad(x, ((0, 0), (1, 2), (0, 1)), mode="reflect"), (5, 6)),
    "pad symmetric": (lambda x: ops.pad(x, ((0, 0), (5, 2), (0, 1)), mode="symmetric"), (5, 6)),
    "repeat": (lambda x: ops.repeat(x, 3, axis=2), (5, 6, 3)),
    "repeat each": (lambda x: ops.repeat(x, [1, 0, 2], axis=1), (3, 4)),
    "tile": (lambda x: ops.tile(x, (1, 2, 3)), (5, 6)),
    "take": (lambda x: ops.take(x, [[2, 0], [-1, 1]], axis=1), (4, 6)),
    "roll": (lambda x: ops.roll(x, 2, axis=1), (5, 6)),
    "squeeze": (lambda x: ops.squeeze(x, axis=2), (5, 1, 6)),
    "expand_dims": (lambda x: ops.expand_dims(x, axis=-1), (5, 6)),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (1, 4, 6)), (1, 6)),
    "resize nearest": (lambda x: ops.image.resize(x, (7, 4), interpolation="nearest"), (5, 6, 3)),
    "resize bilinear": (lambda x: ops.image.resize(x, (7, 4)), (5, 6, 3)),
    "matmul": (lambda x: ops.matmul(x, ops.swapaxes(x, -1, -2)), (2, 5, 3)),
    "matmul with a constant": (lambda x: ops.matmul(x, FOUR), (5, 4)),
    "Dot": (lambda x: layers.Dot(axes=(1, 1))([x, ops.tanh(x)]), (5, 3)),
    "Dot of vectors": (lambda x: layers.Dot(axes=1)([x, ops.tanh(x)]), (6,)),
    "Attention": (lambda x: layers.Attention()([x, ops.tanh(x)]), (5, 3)),
    "MultiHeadAttention": (lambda x: layers.MultiHeadAttention(2, 3, value_dim=4)(x, ops.tanh(x)), (5, 6)),
    "EinsumDense": (
        layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 3), bias_axes="de", activation="relu"),
        (4, 5),
    ),
}


@pytest.mark.parametrize("name", MOVEMENTS)
def test_a_movement_gives_keras_numbers_and_is_bit_exact_with_micro(name):
    function, shape = MOVEMENTS[name]
    keras.utils.set_random_seed(0)
    source = keras.Input(shape)
    model = keras.Model(source, function(source))
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    net = network.from_keras(model)
    # One at a time, because a constant has a batch of 1.
    expected = np.concatenate([model(each[None]).numpy() for each in x])
    np.testing.assert_allclose(net.run(x), expected, atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = quantized.quantize_input(x)
    assert not describe(quantized, differences(quantized, q))
    again = tflite.from_bytes(tflite.to_bytes(quantized))
    np.testing.assert_array_equal(again.run(q), quantized.run(q))


REFUSED = {
    "an index into the batch": (lambda x: x[0], (5, 6)),
    "one value for each input of the batch": (lambda x: x[:, 2], (5,)),
    "which moves the batch": (lambda x: ops.transpose(x), (5, 6)),
    "changes the batch": (lambda x: ops.reshape(x, (-1, 6)), (5, 6)),
    "axis=0": (lambda x: ops.concatenate([x, x], axis=0), (5, 6)),
    "around the batch": (lambda x: ops.pad(x, 1), (5, 6)),
    "interpolation='bicubic'": (lambda x: ops.image.resize(x, (7, 4), interpolation="bicubic"), (5, 6, 3)),
    "antialias=True": (lambda x: ops.image.resize(x, (3, 4), antialias=True), (5, 6, 3)),
    "data_format='channels_first'": (layers.UpSampling2D(2, data_format="channels_first"), (5, 6, 3)),
    "use_causal_mask=True": (lambda x: layers.MultiHeadAttention(2, 3)(x, x, use_causal_mask=True), (5, 6)),
    "use_scale=True": (lambda x: layers.Attention(use_scale=True)([x, x]), (5, 6)),
    "the equation 'abc,cb->ab'": (layers.EinsumDense("abc,cb->ab", output_shape=(5,)), (5, 6)),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_movement_that_is_not_supported_is_refused_by_name(reason):
    function, shape = REFUSED[reason]
    source = keras.Input(shape)
    model = keras.Model(source, function(source))
    with pytest.raises(ValueError, match=re.escape(reason)):
        network.from_keras(model)


def run(steps, x):
    """The result of steps on one input without a batch, in float32."""
    for kind, options, shape in steps:
        if kind == "reshape":
            x = x.reshape(shape)
        else:
            assert x.ndim <= moves.MOST_AXES.get(kind, 4), f"{kind} of {x.ndim} axes"
            x = run_op(Op(kind, "op", ("x",), "y", **options), [x[None]], shape)[0]
            assert x.shape == tuple(shape)
    return x


@pytest.mark.parametrize("seed", range(25))
def test_movements_of_any_rank_are_steps_that_micro_takes(seed):
    random = np.random.default_rng(seed)
    shape = tuple(map(int, random.integers(1, 5, random.integers(1, 7))))
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    axes = random.permutation(len(shape))
    np.testing.assert_array_equal(run(moves.transposed(shape, axes), x), x.transpose(axes))
    parts = [slice(None, None, random.choice([1, 1, 2, -1])) for _ in shape]
    ranges = [range(n)[part] for n, part in zip(shape, parts, strict=True)]
    bounds = [r[0] for r in ranges], [len(r) for r in ranges], [r.step if len(r) > 1 else 1 for r in ranges]
    np.testing.assert_array_equal(run(moves.sliced(shape, *bounds), x), x[tuple(parts)])
    pairs = [(0, 0) if random.random() < 0.5 else tuple(random.integers(0, 2, 2)) for _ in shape]
    np.testing.assert_array_equal(run(moves.padded(shape, pairs), x), np.pad(x, pairs))
    np.testing.assert_array_equal(run(moves.padded(shape, pairs, 3), x), np.pad(x, pairs, constant_values=3))
    np.testing.assert_array_equal(run(moves.mirrored(shape, pairs, "symmetric"), x), np.pad(x, pairs, mode="symmetric"))
    times = random.integers(1, 3, len(shape))
    np.testing.assert_array_equal(run(moves.tiled(shape, times), x), np.tile(x, times))
    axis = int(random.integers(len(shape)))
    np.testing.assert_array_equal(run(moves.repeated(shape, 3, axis), x), np.repeat(x, 3, axis))
    indices = random.integers(0, shape[axis], 5)
    np.testing.assert_array_equal(run(moves.gathered(shape, indices, axis), x), np.take(x, indices, axis))


def test_a_matrix_product_is_bit_exact_at_rounding_ties():
    """Its scales are multiplied in float64. In float32, as some of Micro's sources have it, ties go the other way."""
    random = np.random.default_rng(2)
    apart = 0
    for _ in range(30):
        a, b = random.uniform(0.005, 0.05, 2).astype(np.float32)
        steps = np.arange(-128, 128)
        # An output scale with which products lie at halves, almost.
        result = np.float32(2 * float(a * b) * int(random.integers(3, 40)))
        tensors = {"a": Quantization(a, 0), "b": Quantization(b, 0), "y": Quantization(result, 0)}
        op = Op("batch_matmul", "m", ("x", "w"), "y", transposed=(False, True))
        tensors = {"x": tensors["a"], "w": tensors["b"], "y": tensors["y"]}
        weights = random.integers(-128, 128, (512, 1)).astype(np.int8)
        net = QuantizedNetwork(
            "m", ("x",), ("y",), {"x": (1, 1), "w": (512, 1), "y": (1, 512)}, (op,), tensors, constants={"w": weights}
        )
        q = steps.astype(np.int8).reshape(-1, 1, 1)[::5]
        found = net.run(q)
        np.testing.assert_array_equal(found, micro(tflite.to_bytes(net), q))
        multiplier, shift = formulas.multiplier_and_shift(float(a * b) / float(result))
        total = q.astype(np.int64) @ weights.astype(np.int64).T
        apart += np.count_nonzero(np.clip(formulas.requantize(total, multiplier, shift), -128, 127) != found)
    assert apart > 0, "no case in which float32 would differ"


def test_a_bilinear_resize_that_micro_reads_beyond_its_input_is_refused():
    op = Op("resize_bilinear", "r", ("x",), "y", size=(88, 1))
    net = network.Network("far", "x", "y", {"x": (1, 1, 1), "y": (88, 1, 1)}, (op,))
    x = np.ones((1, 1, 1, 1), np.float32)
    np.testing.assert_array_equal(net.run(x), np.ones((1, 88, 1, 1)))
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    with pytest.raises(ValueError, match="bilinear resize from 1 to 88 pixels in int8 reaches beyond the last one"):
        quantized.run(quantized.quantize_input(x))


def test_the_nearest_pixel_is_rounded_as_micro_rounds_it():
    """In float32: 49 * (1 / 49) is below 1 there, and 0.49999997 + 0.5 is not 1."""
    for n, size in ((1, 49), (3, 147), (7, 41), (41, 7), (5, 5)):
        for corners in ((False, False), (True, False), (False, True)):
            op = Op(
                "resize_nearest",
                "r",
                ("x",),
                "y",
                size=(size, 1),
                align_corners=corners[0],
                half_pixel_centers=corners[1],
            )
            net = network.Network("near", "x", "y", {"x": (n, 1, 1), "y": (size, 1, 1)}, (op,))
            x = np.arange(n, dtype=np.float32).reshape(1, n, 1, 1)
            np.testing.assert_array_equal(net.run(x), micro(tflite.to_bytes(net), x))
