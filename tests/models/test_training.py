"""Training learns the exclusive or from every start, returns its curves, and names mistakes."""

import numpy as np
import pytest

from edgekit import datasets, models, training


@pytest.mark.parametrize("seed", range(20))
def test_xor_is_learned_from_every_start(seed):
    import keras

    keras.utils.set_random_seed(seed)
    model = models.xor_mlp()
    data = datasets.load("xor")
    history = training.fit(model, data, progress=False)
    outputs = model.predict(data.inputs, verbose=0)[:, 0]
    assert np.abs(outputs - data.labels).max() < 0.25
    assert history["accuracy"][-1] == 1
    assert len(history["loss"]) == 100


def test_the_same_seed_gives_the_same_curve():
    import keras

    def curve():
        keras.utils.set_random_seed(1)
        return training.fit(models.xor_mlp(), datasets.load("xor", "noisy"), epochs=3, seed=7, progress=False)

    assert curve() == curve()


@pytest.mark.parametrize("batch_size", [1, 3, 4])
def test_the_curve_has_the_mean_over_all_rows_of_an_epoch(batch_size):
    model, xor = models.xor_mlp(), datasets.load("xor")
    history = training.fit(model, xor, epochs=1, batch_size=batch_size, learning_rate=1e-9, progress=False)
    loss, accuracy = model.evaluate(xor.inputs, xor.labels, verbose=0)
    np.testing.assert_allclose([history["loss"][0], history["accuracy"][0]], [loss, accuracy], rtol=1e-5)


def test_validation_is_measured_and_images_are_preprocessed():
    import keras

    images = np.zeros((8, 4, 4, 3), np.uint8)
    images[4:] = 255
    data = datasets.Dataset(images, np.repeat([0, 1], 4), ("dark", "light"))
    model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, "sigmoid", use_bias=False),
        ]
    )
    history = training.fit(model, data, epochs=60, learning_rate=0.1, validation=data[2:6], progress=False)
    # Without a bias only inputs around zero, as preprocess makes them, can be told apart.
    assert history["val_accuracy"][-1] == 1
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_mistakes_are_named():
    data = datasets.load("xor")
    with pytest.raises(ValueError, match="takes inputs of shape"):
        training.fit(models.mobilenet_v1(), data)
    with pytest.raises(ValueError, match="no rows"):
        training.fit(models.xor_mlp(), data[:0])
    with pytest.raises(ValueError, match="at least 1"):
        training.fit(models.xor_mlp(), data, epochs=0)
    broken = datasets.Dataset(np.full((4, 2), np.nan, np.float32), data.labels, data.class_names)
    with pytest.raises(ValueError, match="no longer a number"):
        training.fit(models.xor_mlp(), broken, progress=False)


def test_stopping_by_hand_keeps_what_was_learned():
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 5:
                raise KeyboardInterrupt

    history = training.fit(models.xor_mlp(), datasets.load("xor"), callbacks=[Stop()], progress=False)
    assert len(history["loss"]) == 5


def test_a_second_training_begins_anew_unless_it_is_told_to_go_on():
    model, xor = models.xor_mlp(), datasets.load("xor")
    first = training.fit(model, xor, epochs=4, seed=1, progress=False)["loss"]
    assert training.fit(model, xor, epochs=4, seed=1, progress=False)["loss"] == first
    further = training.fit(model, xor, epochs=4, seed=1, go_on=True, progress=False)["loss"]
    assert further[0] < first[-1]
    weights = model.get_weights()
    assert training.fit(model, xor, epochs=4, seed=1, progress=False)["loss"] == first
    model.set_weights(weights)  # as a user may: they are the start then
    assert training.fit(model, xor, epochs=1, seed=1, progress=False)["loss"][0] < first[-1]
