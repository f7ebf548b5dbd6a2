"""The lessons' pictures show the given data in both themes, and refuse data that cannot be drawn."""

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
    from edgekit import calibration, network, quantization
    from edgekit.quantization import noise

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


@pytest.fixture(scope="module")
def small_car_network():
    """An int8 network of images, and images for it."""
    from grader.for_tests import car_network

    return car_network.small(1)


def texts(picture):
    """Everything that is written in a picture, axis by axis."""
    from matplotlib.text import Text

    return [text.get_text() for text in picture.findobj(Text) if text.get_text()]


def test_images_are_shown_with_their_captions_and_a_frame_that_says_right_or_wrong():
    scenes = datasets.load("cars", "test")[:5]
    picture = plots.images(scenes, right=[True, True, False, True, True], title="Five", columns=4)
    assert [text for text in texts(picture) if "car" in text] == [scenes.class_names[label] for label in scenes.labels]
    frames = [ax.patches[0].get_edgecolor() for ax in picture.axes if ax.patches]
    assert len(frames) == 5
    assert frames[2] != frames[0] == frames[1]
    with pytest.raises(ValueError, match="5 images need as many captions, got 2"):
        plots.images(scenes.images, ["one", "two"])
    with pytest.raises(ValueError, match="expected 1 to 64 uint8 images"):
        plots.images(scenes.images / 255)


def test_a_confusion_matrix_shows_counts_shares_and_accuracy():
    picture = plots.confusion({"here": [[9, 1], [0, 10]], "there": [[5, 5], [5, 5]]})
    written = texts(picture)
    assert {"9", "90.0%", "here\n95.0% right", "there\n50.0% right"} <= set(written)
    with pytest.raises(ValueError, match=r"is \(2, 2\), got \(3, 3\)"):
        plots.confusion(np.eye(3))


def test_the_area_under_the_roc_curve_is_in_the_legend():
    picture = plots.roc({"perfect": ([0, 0, 1], [0, 1, 1], 1), "guessing": ([1, 0], [1, 0])})
    assert [text.get_text() for text in picture.axes[0].get_legend().get_texts()] == [
        "perfect (area 1.000)",
        "guessing (area 0.500)",
    ]


def test_scores_and_agreement_count_every_image():
    labels = np.array([0, 0, 1, 1])
    outputs = np.array([0.1, 0.7, 0.8, np.nan])  # a broken network's outputs are drawn in the middle
    drawn = plots.scores({"float": outputs, "int8": labels.astype(float)}, labels).axes
    assert [sum(patch.get_data().values.sum() for patch in ax.patches) for ax in drawn] == [4, 4]
    picture = plots.agreement([0.1, 0.9, 0.6, 0.7], [0.2, 0.8, 0.4, 0.9], labels)
    assert "1 of 4 answers change" in picture.axes[0].get_title(loc="left")


def test_a_network_of_images_is_drawn_with_a_slab_for_each_tensor(small_car_network):
    from edgekit import network

    net, _ = small_car_network
    picture = plots.network(net)
    assert {"96×96", "12×12", "3", "4"} <= set(texts(picture))
    assert image(picture)[0].size
    costs = plots.costs(net)
    assert [bar.get_height() for bar in costs.axes[0].containers[0]] == [4 * 8 * 8 * 3 + 4, 577]
    with pytest.raises(ValueError, match="only networks of images"):
        plots.network(network.from_keras(models.xor_mlp()))


def test_measures_are_compared_each_on_its_own_scale():
    picture = plots.compare(
        {"kB": {"float": 800, "int8": 200}, "right": {"float": (0.98, "98%"), "int8": (0.97, "97%")}}
    )
    assert {"800", "200", "98%", "97%", "float", "int8"} <= set(texts(picture))
    assert [ax.get_xlim()[1] for ax in picture.axes] == [800, 0.98]


def test_rounded_weights_are_drawn_with_how_many_values_are_left():
    weights = np.array([[0.1, 0.2, -1.4, 1.6]])
    picture = plots.rounding(weights, {"naive": np.rint(weights)})
    assert {"float: 4 different values", "naive: 3 different values"} <= set(texts(picture))
    with pytest.raises(ValueError, match="'naive' has 3 weights, the real ones are 4"):
        plots.rounding(weights, {"naive": [1, 2, 3]})


def test_channels_show_how_many_steps_each_uses():
    rows = np.array([[1.27, -0.5], [0.01, 0.02]])
    picture = plots.channels(rows, {"shared": np.array([0.01]), "own": np.array([0.01, 0.02 / 127])})
    shared, own = ([bar.get_height() for bar in bars] for bars in picture.axes[1].containers)
    np.testing.assert_allclose(shared, [127, 2])
    np.testing.assert_allclose(own, [127, 127])
    with pytest.raises(ValueError, match=r"a row of weights for each channel, got an array of shape \(3,\)"):
        plots.channels(np.ones(3))


def test_pairs_draw_every_way_of_computing():
    picture = plots.pairs({"float": [1.0, 2.0, 3.0], "int8": [1.1, 2.0, 2.9]}, "One pixel")
    assert [len(bars) for bars in picture.axes[0].containers] == [3, 3]


def test_a_picture_says_in_words_what_it_shows():
    picture = plots.confusion(np.array([[240, 10], [3, 247]]), ("no car", "car"), "float network")
    _, metadata = picture._repr_mimebundle_()
    assert metadata["image/png"]["alt"].startswith(
        "float network 97.4% right: across: the network says, no car, car; upwards: the image shows, no car, car; "
        "written in it: 240, 96.0%, 10, 4.0%"
    )
    _, metadata = plots.images(np.zeros((2, 8, 8, 3), np.uint8), ["a bus", "a car"])._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == "a bus. a car."
