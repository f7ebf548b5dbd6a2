"""The lessons' pictures: they show what they are given, in both themes, and refuse what cannot be drawn."""

import io

import numpy as np
import pytest

from edgekit import datasets, models, plots


def image(picture):
    from PIL import Image

    bundle, metadata = picture._repr_mimebundle_()
    return np.asarray(Image.open(io.BytesIO(bundle["image/png"]))), metadata["image/png"]


def contrast(color, background):
    """WCAG's contrast ratio of two colours."""
    from matplotlib.colors import to_rgb

    def luminance(c):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in to_rgb(c)]
        return np.dot([0.2126, 0.7152, 0.0722], linear)

    dark, light = sorted((luminance(color), luminance(background)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#111111"])
@pytest.mark.parametrize("color", [plots.INK, *plots.PALETTE])
def test_every_colour_stands_out_in_the_light_and_the_dark_theme(color, background):
    assert contrast(color, background) >= 3


def test_a_picture_is_transparent_and_sharp():
    pixels, shown = image(plots.points(datasets.load("xor")))
    assert pixels[0, 0, 3] == 0
    assert abs(pixels.shape[1] - 2 * shown["width"]) <= 1
    assert abs(pixels.shape[0] - 2 * shown["height"]) <= 1


def test_pictures_leave_the_readers_own_matplotlib_style_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.points(datasets.load("xor"))
    assert dict(matplotlib.rcParams) == before


def test_the_loss_curve_draws_every_epoch_and_the_validation_beside_it():
    picture = plots.loss({"loss": [0.7, 0.5, 0.1], "val_loss": [0.8, 0.6, 0.4], "accuracy": [0.5, 0.75, 1.0]})
    loss, accuracy = picture.axes
    curves = [line.get_ydata().tolist() for line in loss.lines if len(line.get_ydata()) == 3]
    assert curves == [[0.7, 0.5, 0.1], [0.8, 0.6, 0.4]]
    assert accuracy.get_title(loc="left") == "Accuracy"
    assert len(plots.loss({"loss": [0.7]}).axes) == 1


def test_a_history_without_a_loss_is_refused():
    with pytest.raises(ValueError, match="holds no loss, only accuracy: has the training run"):
        plots.loss({"accuracy": [1.0]})


def test_the_decision_boundary_lies_where_the_classifier_is_undecided():
    picture = plots.decision_boundary(lambda inputs: inputs[:, 0], datasets.load("xor"))
    ax = picture.axes[0]
    paths = [path for collection in ax.collections for path in collection.get_paths() if len(path.vertices) > 100]
    (boundary,) = paths
    np.testing.assert_allclose(boundary.vertices[:, 0], 0.5, atol=1e-6)
    assert image(picture)[0].size


def test_a_classifier_that_never_changes_its_mind_has_no_boundary():
    assert image(plots.decision_boundary(lambda inputs: np.zeros(len(inputs))))[0].size


def test_a_classifier_with_several_outputs_is_refused():
    with pytest.raises(ValueError, match="one output for each input, got 2"):
        plots.decision_boundary(lambda inputs: inputs)


def test_output_against_noise_names_each_curve_and_refuses_one_of_another_length():
    noise = np.linspace(0, 1, 5)
    picture = plots.output_against_noise(noise, {"0 xor 1": noise, "1 xor 1": 1 - noise})
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["0 xor 1", "1 xor 1"]
    with pytest.raises(ValueError, match=r"'1 xor 1' has the shape \(4,\) for 5 amounts"):
        plots.output_against_noise(noise, {"1 xor 1": noise[:4]})


def test_several_draws_of_noise_become_dots_around_their_mean():
    noise = np.linspace(0, 1, 5)
    draws = np.stack([noise, noise / 2], axis=1)
    lines = plots.output_against_noise(noise, {"0 xor 1": draws}).axes[0].lines
    (mean,) = [line.get_ydata() for line in lines if line.get_label() == "0 xor 1"]
    np.testing.assert_allclose(mean, 0.75 * noise)
    dots = [line.get_ydata() for line in lines if line.get_linestyle() == "None"]
    np.testing.assert_allclose(dots, draws.T)


def test_quantization_steps_say_how_far_a_number_moves():
    picture = plots.quantization_steps([0.0, 0.26, 1.0], scale=0.1, zero_point=0)
    assert "the farthest by 0.04 (half a step is 0.05)" in picture.axes[0].get_title(loc="left")


def test_a_dense_network_is_drawn_with_one_line_for_each_weight():
    import keras

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)])
    picture = plots.layers(model)
    assert sum(len(line.get_xdata()) == 2 for line in picture.axes[0].lines) == 2 * 3 + 3
    with pytest.raises(ValueError, match="only networks of dense layers"):
        plots.layers(keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 2)]))


def test_histograms_and_noise_are_drawn_from_what_calibration_and_noise_give():
    from edgekit import calibration, network, noise, quantization

    net = network.from_keras(models.xor_mlp())
    x = np.random.default_rng(0).uniform(0, 1, (50, 2)).astype(np.float32)
    ranges = calibration.calibrate(net, x, histograms=True)
    quantized = quantization.quantize(net, ranges)
    tensor = net.ops[0].output
    drawn = plots.histogram(ranges, tensor, quantized.quantization[tensor])
    assert tensor in drawn.axes[0].get_title(loc="left")
    coarse = quantization.quantize(net, ranges, bits=2)
    both = {name: noise.per_layer(net, each, x) for name, each in (("8 bits", quantized), ("2 bits", coarse))}
    assert [line.get_label() for line in plots.noise(both).axes[0].lines][:2] == ["8 bits", "2 bits"]
    with pytest.raises(ValueError, match="histograms=True"):
        plots.histogram(calibration.calibrate(net, x), tensor)
