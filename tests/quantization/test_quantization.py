"""Quantization follows its formulas, refuses wrong input with a clear message, and shows where its errors come from."""

import subprocess
import sys

import keras
import numpy as np
import pytest

from edgekit import calibration, network, quantization, tflite
from edgekit.network import Network, Op
from edgekit.quantization import Quantization, noise


def convolution(name, source, output, weights, bias, **options):
    return Op("conv2d", name, (source,), output, np.float32(weights), np.float32(bias), **options)


def two_layers(scales, activation="relu"):
    """Two 1 x 1 convolutions, the channels between them of these sizes: what per-tensor scales cannot serve."""
    random = np.random.default_rng(4)
    channels = len(scales)
    first = random.normal(size=(channels, 1, 1, 4)) * np.reshape(scales, (-1, 1, 1, 1))
    second = random.normal(size=(6, 1, 1, channels)) / np.asarray(scales)
    ops = (
        convolution("first", "x", "h", first, random.normal(size=channels) * scales, activation=activation),
        convolution("second", "h", "y", second, random.normal(size=6)),
    )
    shapes = {"x": (5, 5, 4), "h": (5, 5, channels), "y": (5, 5, 6)}
    return Network("two", "x", "y", shapes, ops), random.normal(size=(40, 5, 5, 4)).astype(np.float32)


def test_a_range_becomes_a_scale_and_a_zero_point():
    q = quantization.activation_quantization(-1.0, 1.55)
    assert q == Quantization(np.float32(2.55 / 255), -28)
    assert quantization.activation_quantization(2, 3) == quantization.activation_quantization(0, 3)  # holds 0
    assert quantization.activation_quantization(0, 0).dequantize(np.int8(0)) == 0


def test_import_loads_nothing_heavy():
    code = "import sys, edgekit; print([m for m in ('tensorflow', 'keras', 'numpy', 'matplotlib') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
    code = (
        "import sys, edgekit; edgekit.tflite, edgekit.quantization, edgekit.quantization.integer; "
        "print('tensorflow' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == "False"


# Bad input


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_refused_by_name(value):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="broken")])
    model.layers[0].set_weights([np.full((2, 3), value), np.zeros(3)])
    with pytest.raises(ValueError, match=r"weights of 'broken' hold values that are not numbers"):
        network.from_keras(model)


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (np.zeros((0, 5, 5, 4), np.float32), "calibration needs images, got an empty array"),
        (np.zeros((3, 5, 5, 3), np.float32), r"takes a batch of shape \(N, 5, 5, 4\), got \(3, 5, 5, 3\)"),
        (np.zeros((5, 5, 4), np.float32), r"add a batch dimension with x\[None\]"),
        (np.zeros((3, 5, 5, 4), np.uint8), "takes real values, got uint8 pixels: scale them as for training"),
        (np.zeros((3, 5, 5, 4), np.int64), "takes floating point values, got int64"),
        (np.full((3, 5, 5, 4), np.nan, np.float32), "calibration images hold NaN or infinity"),
        (np.full((3, 5, 5, 4), 3e38, np.float32), "overflows float32 on these images"),
    ],
)
def test_calibration_images_that_cannot_be_used_are_refused_with_the_remedy(images, sentence):
    net, _ = two_layers([10.0] * 5)
    with pytest.raises(ValueError, match=sentence):
        calibration.calibrate(net, images)


def test_unknown_options_name_the_known_ones():
    net, x = two_layers([1.0] * 5)
    ranges = calibration.calibrate(net, x)
    with pytest.raises(ValueError, match="observer is one of minmax, percentile, mse, got 'max'"):
        calibration.calibrate(net, x, "max")
    with pytest.raises(ValueError, match="scheme is one of per_channel, per_tensor, naive, got 'channel'"):
        quantization.quantize(net, ranges, "channel")
    with pytest.raises(ValueError, match="scheme is one of"):  # by its name in version 0.1
        quantization.quantize(net, ranges, weights="channel")
    with pytest.raises(ValueError, match="bits is a whole number from 2 to 8, got 9"):
        quantization.quantize(net, ranges, bits=9)
    other, _ = two_layers([1.0] * 5)
    renamed = Network("o", "x", "z", {"x": (5, 5, 4), "z": (5, 5, 5)}, other.ops[:1])
    with pytest.raises(ValueError, match="of another network: the tensors z were not calibrated"):
        quantization.quantize(renamed, ranges)


def test_all_zero_filters_and_constant_channels_are_exact():
    net, x = two_layers([1.0, 0.5, 2.0, 1.0, 1.0])
    net.ops[0].weights[1] = 0  # leaves the bias: a constant channel
    net.ops[0].bias[1] = 0.75
    net.ops[0].weights[2] = net.ops[0].bias[2] = 0
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    hidden = next(quantized_walk(quantized, x))["h"]
    step = quantized.quantization["h"].scale
    assert np.abs(quantized.quantization["h"].dequantize(hidden[..., 1]) - 0.75).max() <= step / 2
    assert not quantized.quantization["h"].dequantize(hidden[..., 2]).any()


def quantized_walk(quantized, x):
    from edgekit.quantization import integer

    return integer.walk(quantized, quantized.quantize_input(x))


# The steps that Keras models go through


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV2"])
def test_the_mobilenets_of_keras_applications_go_through(name):
    keras.utils.set_random_seed(0)
    model = getattr(keras.applications, name)((64, 64, 3), alpha=0.35 if name == "MobileNetV2" else 0.25, weights=None)
    net = network.from_keras(model)
    x = np.random.default_rng(0).uniform(-1, 1, (3, 64, 64, 3)).astype(np.float32)
    np.testing.assert_allclose(net.run(x), model.predict(x, verbose=0), atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert quantized.predict(x).shape == (3, 1000)


def test_nested_models_shared_layers_and_a_sequential_built_by_its_first_call_go_through():
    layers = keras.layers
    inner = keras.Sequential([layers.Dense(4, activation="relu"), layers.Dense(4)], name="inner")
    shared = layers.Dense(4)
    source = keras.Input((4,))
    joined = layers.Add()([inner(shared(source)), inner(source), shared(source)])
    model = keras.Model(source, layers.Dense(2)(joined))
    late = keras.Sequential([layers.Dense(3, activation="tanh"), layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    late(x)
    for each in (model, late):
        np.testing.assert_allclose(network.from_keras(each).run(x), each.predict(x, verbose=0), atol=1e-5)


def test_an_unknown_layer_is_refused_by_name_with_the_list():
    source = keras.Input((8, 8, 2))
    model = keras.Model(source, keras.layers.UnitNormalization(name="bigger")(source))
    with pytest.raises(
        ValueError, match=r"'bigger' is a UnitNormalization, which is not supported; supported are .*Conv2D, "
    ):
        network.from_keras(model)


# Where the errors come from


def test_noise_falls_by_about_six_decibels_for_each_bit():
    net, x = two_layers([1.0] * 8)
    ranges = calibration.calibrate(net, x)
    rows = [noise.per_layer(net, quantization.quantize(net, ranges, bits=bits), x) for bits in (8, 7, 6, 5)]
    first, last = (np.mean(rows[i]["weights dB"]) for i in (0, -1))
    assert abs((first - last) / 3 - 6) < 1
    assert "output dB" in str(rows[0])
    assert "<table>" in rows[0]._repr_html_()


def test_equalization_keeps_the_function_and_saves_per_tensor_weights():
    net, x = two_layers(10.0 ** np.linspace(-2, 2, 8))
    equal = quantization.equalize(net, x)
    np.testing.assert_allclose(equal.run(x), net.run(x), rtol=1e-4, atol=1e-4)

    def decibels(each):
        quantized = quantization.quantize(each, calibration.calibrate(each, x), "per_tensor")
        return noise.per_layer(each, quantized, x)["output dB"][-1]

    assert decibels(equal) > decibels(net) + 10


def test_equalization_leaves_channels_that_reach_a_relu6s_ceiling():
    net, x = two_layers(np.array([0.05, 0.1, 0.2, 20.0, 40.0]), "relu6")
    equal = quantization.equalize(net, x)
    np.testing.assert_allclose(equal.run(x), net.run(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(equal.ops[0].weights[3:], net.ops[0].weights[3:])
    assert not np.allclose(equal.ops[0].weights[:3], net.ops[0].weights[:3])


def test_bias_correction_takes_back_the_shift_of_coarse_weights():
    net, x = two_layers([1.0] * 8)
    x = np.abs(x)  # values that are not 0 on average are what makes rounded weights shift the mean
    quantized = quantization.quantize(net, calibration.calibrate(net, x), bits=3)
    corrected = quantization.correct_bias(net, quantized, x)

    def shift(each):
        return np.abs((each.predict(x) - net.run(x)).mean(axis=(0, 1, 2))).mean()

    assert shift(corrected) < 0.5 * shift(quantized)


def test_an_explanation_ends_at_the_output_and_finds_where_a_desktop_differs():
    net, x = two_layers([1.0] * 8)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = quantized.quantize_input(x)
    for row in q[:3]:
        told = quantization.explain(quantized, "second", row, (2, 3, 1))
        assert told.output == quantized.run(row[None])[0, 2, 3, 1]
    differing = [quantization.explain(quantized, "second", row) for row in q]
    differing = [told for told in differing if told.output != told.desktop]
    assert differing
    assert all(abs(told.output - told.desktop) == 1 for told in differing)
    assert "rounding twice" in differing[0]._repr_html_()
    with pytest.raises(ValueError, match="no op with weights is called 'third'; there are first, second"):
        quantization.explain(quantized, "third", q[0])
    with pytest.raises(ValueError, match=r"position \(9, 9, 9\) is not in the output of 'second'"):
        quantization.explain(quantized, "second", q[0], (9, 9, 9))
    with pytest.raises(ValueError, match="takes one int8 input"):
        quantization.explain(quantized, "second", x[0])


def test_naive_rounding_loses_what_scales_keep():
    net, x = two_layers([0.1] * 8)
    ranges = calibration.calibrate(net, x)
    good, naive = (quantization.quantize(net, ranges, scheme) for scheme in ("per_channel", "naive"))
    assert not naive.ops[0].weights.any()
    assert noise.per_layer(net, good, x)["output dB"][-1] > 30
    assert noise.per_layer(net, naive, x)["output dB"][-1] < 3


def test_a_tensor_too_fine_for_a_softmax_is_given_the_finest_scale_it_can_read():
    net = Network("fine", "x", "y", {"x": (3,), "y": (3,)}, (Op("softmax", "s", ("x",), "y"),))
    x = np.float32([[1e-9, 0, 2e-9]])
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert quantized.quantization["x"].scale >= quantization.FINEST
    np.testing.assert_allclose(quantized.predict(x), net.run(x), atol=0.01)
    assert tflite.from_bytes(tflite.to_bytes(quantized)).run(quantized.quantize_input(x)).shape == (1, 3)
