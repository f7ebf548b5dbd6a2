"""Which real values a network takes for the pixels 0 and 255, as far as the network shows it."""

import numpy as np
import pytest

from edgekit import calibration, models, quantization
from edgekit.network import Network, Op, pixels
from edgekit.quantization import Quantization, QuantizedNetwork


def net():
    op = Op("fully_connected", "only", ("x",), "y", np.ones((3, 2), np.float32), np.zeros(3, np.float32))
    return Network("net", "x", "y", {"x": (2,), "y": (3,)}, (op,))


def int8(low, high):
    scales = {"x": quantization.activation_quantization(low, high), "y": Quantization(np.float32(1), 0)}
    return QuantizedNetwork("net", "x", "y", {"x": (2,), "y": (3,)}, (), scales)


@pytest.mark.parametrize(
    ("covered", "expected"),
    [
        ((0, 1), (0, 1)),
        ((-1, 1), (-1, 1)),
        ((-1, 127 / 128), (-1, 127 / 128)),
        ((0, 255), (0, 255)),
        ((0, 253), (0, 255)),
        ((0.0, 0.5), None),
        ((-2.1, 2.6), None),
        ((-128, 127), None),
    ],
)
def test_an_int8_inputs_scale_shows_one_of_the_usual_ranges_or_none(covered, expected):
    shown = pixels.pixel_range(int8(*covered), "x")
    assert (shown and shown[:2]) == expected


def test_edgekits_own_network_in_int8_shows_its_own_range_and_pixels_become_what_preprocess_gives():
    every = np.arange(256, dtype=np.uint8)
    shown = pixels.pixel_range(int8(-1, 127 / 128), "x")
    np.testing.assert_array_equal(pixels.as_real(every, *shown[:2]), models.preprocess(every))
    assert pixels.as_real(every, 0, 255).tolist() == list(range(256))
    np.testing.assert_array_equal(pixels.as_real(every, 0, 1), every / np.float32(255))


def test_a_float_network_without_scaling_shows_nothing_and_the_message_lists_the_usual_scales():
    assert pixels.pixel_range(net(), "x") is None
    with pytest.raises(ValueError, match="uint8 pixels") as error:
        calibration.calibrate(net(), np.zeros((5, 2), np.uint8))
    for words in ("/ np.float32(255) (0 to 1)", "127.5) - 1 (-1 to 1)", "astype(np.float32) (0 to 255)", "preprocess"):
        assert words in str(error.value)


def test_the_message_about_pixels_names_the_range_that_the_network_shows():
    with pytest.raises(ValueError, match=r"images / np.float32\(255\) gives 0 to 1, because its int8 input covers"):
        int8(0, 1).predict(np.zeros((5, 2), np.uint8))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (lambda layers: [layers.Rescaling(1 / 255)], (0, 255)),
        (lambda layers: [layers.Rescaling(1 / 127.5, -1)], (0, 255)),
        (lambda layers: [layers.RandomFlip(), layers.Rescaling(1 / 255)], (0, 255)),
        (lambda layers: [layers.Normalization(mean=[120.0, 110.0, 100.0], variance=[3600.0] * 3)], (0, 255)),
        (lambda layers: [layers.Rescaling(2.0, -1)], None),
        (lambda layers: [layers.Normalization(mean=[0.4] * 3, variance=[0.05] * 3)], None),
        (lambda layers: [layers.Activation("tanh")], None),
        (lambda layers: [], None),
    ],
)
def test_scaling_at_the_beginning_of_a_keras_model_shows_pixels(first, expected):
    import keras

    model = keras.Sequential([keras.Input((6, 6, 3)), *first(keras.layers), keras.layers.Conv2D(2, 3)])
    shown = pixels.of_keras(model)
    assert (shown and shown[:2]) == expected
    source = keras.Input((6, 6, 3))
    nested = pixels.of_keras(keras.Model(source, model(source)))
    assert (nested and nested[:2]) == expected


def test_a_scaling_that_only_one_of_two_branches_reads_shows_nothing():
    import keras

    source = keras.Input((6, 6, 3))
    both = keras.layers.Concatenate()([keras.layers.Rescaling(1 / 255)(source), source])
    assert pixels.of_keras(keras.Model(source, both)) is None


def test_scaling_by_constants_at_the_beginning_of_a_network_shows_pixels():
    from edgekit.network import OPS

    if "mul" not in OPS:
        pytest.skip("there is no op that multiplies")
    shapes = {"x": (2,), "c": (2,), "s": (2,), "y": (3,)}
    for factor, expected in ((1 / 255, (0, 255)), (1.0, None)):
        ops = (Op("mul", "scale", ("x", "c"), "s"), *[Op(**{**vars(op), "inputs": ("s",)}) for op in net().ops])
        scaled = Network("net", "x", "y", shapes, ops, constants={"c": np.full(2, factor, np.float32)})
        shown = pixels.pixel_range(scaled, "x")
        assert (shown and shown[:2]) == expected
