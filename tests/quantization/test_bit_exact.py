"""edgekit's integers equal TensorFlow Lite Micro's, in every output and every tensor of all networks in these tests."""

import keras
import numpy as np
import pytest
from hypothesis import given
from random_networks import MANY, quantized_networks
from reference import describe, differences, litert, micro

from edgekit import calibration, datasets, models, network, quantization, tflite
from edgekit.network import Network, Op
from edgekit.quantization import Quantization, QuantizedNetwork


@MANY
@given(quantized_networks())
def test_random_networks_are_bit_exact_with_micro(drawn):
    net, q = drawn
    assert not describe(net, differences(net, q))


def test_a_fully_connected_op_is_bit_exact_at_rounding_ties():
    """Its scales are multiplied in float64. In float32, as some of Micro's sources have it, ties go the other way."""
    random = np.random.default_rng(1)
    tensors = {"x": Quantization(np.float32(0.0234567), 3), "y": Quantization(np.float32(0.7654321), 0)}
    scales = random.uniform(0.005, 0.01, 10000).astype(np.float32)
    exact = scales * np.float64(tensors["x"].scale)
    error = np.abs(scales * tensors["x"].scale / exact - 1)
    for index in np.argsort(error)[-20:]:
        ties = (np.arange(-127, 127) + 0.5) * tensors["y"].scale / exact[index]
        bias = np.concatenate([np.floor(ties), np.ceil(ties)]).astype(np.int32)
        weights = np.zeros((len(bias), 1), np.int8)
        dense = Op("fully_connected", "f", ("x",), "y", weights, bias, scales[index : index + 1])
        net = QuantizedNetwork("dense", "x", "y", {"x": (1,), "y": (len(bias),)}, (dense,), tensors)
        q = np.zeros((1, 1), np.int8)
        np.testing.assert_array_equal(net.run(q), micro(tflite.to_bytes(net), q))


def test_a_difference_is_bit_exact_where_float32_would_round_its_scales_to_others():
    """Its scales are divided in float64, as those of a sum; some of Micro's sources have float32."""
    first, second = (values.ravel().astype(np.int8) for values in np.mgrid[-128:128, -128:128])
    shapes = dict.fromkeys("abd", (len(first),))
    for scales in ((0.086, 0.067, 0.056), (0.083, 0.068, 0.092), (0.075, 0.066, 0.058)):
        tensors = {name: Quantization(np.float32(s), z) for name, s, z in zip("abd", scales, (3, -7, 5), strict=True)}
        net = QuantizedNetwork("d", "a", "d", shapes, (Op("sub", "s", "ab", "d"),), tensors, constants={"b": second})
        np.testing.assert_array_equal(net.run(first[None]), micro(tflite.to_bytes(net), first[None]))


@pytest.fixture(scope="module")
def cars():
    """The car network in int8 and the 500 test images."""
    net = network.from_keras(models.load_pretrained("carclassifier"))
    ranges = calibration.calibrate(net, models.preprocess(datasets.load("cars", "calibration").images))
    quantized = quantization.quantize(net, ranges)
    return quantized, quantized.quantize_input(models.preprocess(datasets.load("cars", "test").images))


def test_the_car_network_is_bit_exact_with_micro_on_500_images(cars):
    quantized, q = cars
    assert len(q) == 500
    np.testing.assert_array_equal(quantized.run(q), micro(tflite.to_bytes(quantized), q))


def test_every_tensor_of_the_car_network_is_bit_exact_with_litert_reference_kernels(cars):
    """LiteRT's fully connected op rounds once, in float64, where Micro rounds twice: at most 1 from there on."""
    quantized, q = cars
    found = differences(quantized, q, litert)
    after = False
    for op in quantized.ops:
        after = after or op.kind == "fully_connected"
        assert found[op.output][1] <= int(after), describe(quantized, found)


def test_an_add_of_values_that_are_always_0_is_bit_exact_with_micro():
    """They have no range, and the scale 1: beside it the sum's scale must not be so fine that Micro stops."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 4)).astype(np.float32)
    ops = (
        Op("fully_connected", "dead", ("x",), "d", weights, np.full(4, -100, np.float32), activation="relu"),
        Op("add", "sum", ("d", "d"), "s"),
        Op("sigmoid", "y", ("s",), "y"),
    )
    net = Network("dead", "x", "y", dict.fromkeys("xdsy", (4,)), ops)
    x = random.normal(size=(32, 4)).astype(np.float32)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = quantized.quantize_input(x)
    np.testing.assert_array_equal(quantized.run(q), micro(tflite.to_bytes(quantized), q))


@pytest.mark.parametrize("seed", range(4))
def test_layers_of_keras_with_nothing_to_fuse_into_are_bit_exact_with_micro(seed):
    """A batch normalization or ReLU after an input, a concatenation or a reshape becomes an op of its own."""
    keras.utils.set_random_seed(seed)
    random, layers = np.random.default_rng(seed), keras.layers
    source = keras.Input((7, 6, 3))
    x = layers.BatchNormalization()(source)
    y = layers.DepthwiseConv2D((3, 2), strides=(2, 2), padding="same", depth_multiplier=2, activation="tanh")(x)
    z = layers.Conv2D(6, 2, strides=2, padding="same", activation="relu")(x)
    x = layers.ReLU(6)(layers.BatchNormalization()(layers.Concatenate()([y, z])))
    x = layers.ReLU()(layers.Reshape((12, 12))(x))
    x = layers.BatchNormalization()(layers.Flatten()(x))
    model = keras.Model(source, layers.Dense(5, activation="sigmoid")(layers.ReLU()(x)))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([random.uniform(0.2, 2, w.shape) for w in layer.get_weights()])
    net = network.from_keras(model)
    images = random.normal(size=(20, 7, 6, 3)).astype(np.float32)
    np.testing.assert_allclose(net.run(images), model.predict(images, verbose=0), atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, images))
    assert not describe(quantized, differences(quantized, quantized.quantize_input(images)))


def test_a_sum_far_smaller_than_what_is_added_is_bit_exact_with_micro():
    """Micro stops where the sum's scale is finer than it can compute; the range is widened to what it can."""
    net = Network("sum", "x", "y", {"x": (4,), "y": (4,)}, (Op("add", "a", ("x", "x"), "y"),))
    quantized = quantization.quantize(net, calibration.Ranges({"x": (-100, 100), "y": (0, 1e-9)}, {}, "minmax"))
    q = np.arange(-128, 128).astype(np.int8).reshape(-1, 4)
    np.testing.assert_array_equal(quantized.run(q), micro(tflite.to_bytes(quantized), q))


def test_a_sigmoid_concatenated_with_wider_values_keeps_both():
    """Its scale is fixed, so its output is rescaled: sharing either scale would ruin one of the two."""
    ops = (Op("sigmoid", "s", ("x",), "s"), Op("concatenate", "c", ("s", "x"), "c", axis=0))
    net = Network("both", "x", "c", {"x": (4,), "s": (4,), "c": (8,)}, ops)
    x = np.random.default_rng(0).normal(0, 20, (50, 4)).astype(np.float32)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert [op.kind for op in quantized.ops] == ["sigmoid", "rescale", "concatenate"]
    np.testing.assert_allclose(quantized.predict(x), net.run(x), atol=0.6 * quantized.quantization["c"].scale)
    assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))
