"""Trains a Keras model on a `Dataset` in one call, shows a progress bar, and returns curves to plot."""

import math
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from edgekit.datasets import Dataset
from edgekit.errors import InvalidValue
from edgekit.extras import extra
from edgekit.models import preprocess

if TYPE_CHECKING:
    import keras


def fit(
    model: "keras.Model",
    dataset: Dataset,
    *,
    epochs: int = 100,
    batch_size: int = 32,
    validation: Dataset | None = None,
    learning_rate: float | None = None,
    seed: int | None = None,
    callbacks: "Iterable[keras.callbacks.Callback]" = (),
    go_on: bool = False,
    progress: bool = True,
) -> dict[str, list[float]]:
    """Train a Keras model on a data set.

    Images are preprocessed (`edgekit.models.preprocess`); other inputs are used unchanged. A model that is not compiled
    yet is compiled with Adam (Kingma and Ba 2015) and binary cross-entropy. A model that was trained before begins
    anew, with the weights that it had before its first training, so that two trainings can be compared.

    Args:
        model: a `keras.Model` with one output.
        dataset: a `Dataset`.
        epochs: passes over the data set.
        batch_size: rows in each step; at most the whole data set.
        validation: a `Dataset` for measuring after each epoch; the model does not learn from it.
        learning_rate: the optimizer's learning rate; by default that of the compiled model, or 0.001.
        seed: makes the order of rows (not the starting weights: call `keras.utils.set_random_seed` before building the
            model) the same each time.
        callbacks: further `keras.callbacks.Callback` objects.
        go_on: go on with the weights and the optimizer as an earlier call left them.
        progress: show the bar.

    Returns:
        A dict of lists with one number for each epoch: ``loss``, ``accuracy``, and with validation ``val_loss`` and
        ``val_accuracy``. `edgekit.plots` draws it. If training is interrupted from the keyboard (the notebook's stop
        button), the epochs so far are returned, and the model keeps its trained weights.

    Raises:
        ValueError: no rows, no epochs, inputs of another shape than the model's, or a loss that is no longer a number.

    Example:
        >>> history = fit(models.xor_mlp(), datasets.load("xor"))
        >>> history["accuracy"][-1]
        1.0
    """
    if epochs < 1 or batch_size < 1:
        raise InvalidValue(f"epochs and batch_size must be at least 1, got {epochs} and {batch_size}")
    inputs, labels = _arrays(model, dataset, "dataset")
    if validation is not None:
        measured_on = _arrays(model, validation, "validation")
    from tqdm.auto import tqdm

    with extra("lessons"):
        import keras

    if not model.compiled:
        model.compile(keras.optimizers.Adam(learning_rate or 1e-3), "binary_crossentropy", metrics=["accuracy"])
    _begin(model, go_on)
    if learning_rate is not None:
        model.optimizer.learning_rate = learning_rate
    if seed is not None:
        keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed)
    called = keras.callbacks.CallbackList(list(callbacks), model=model)
    history: dict[str, list[float]] = {}
    steps = math.ceil(len(inputs) / batch_size)
    # With many steps in an epoch the bar counts batches, because a bar that counts epochs would seem to stand still.
    by_batch = steps >= 10
    bar = tqdm(total=epochs * (steps if by_batch else 1), unit="batch" if by_batch else "epoch", disable=not progress)
    model.stop_training = False
    try:
        called.on_train_begin()
        for epoch in range(epochs):
            bar.set_description(f"epoch {epoch + 1} of {epochs}")
            called.on_epoch_begin(epoch)
            rows, logs = order.permutation(len(inputs)), {}
            for step in range(steps):
                batch = rows[step * batch_size : (step + 1) * batch_size]
                # Not model.fit: on a data set of four rows, an epoch takes 31 ms with it, of which 1 ms is training.
                measured = model.train_on_batch(inputs[batch], labels[batch], return_dict=True)  # of this batch alone
                for name, value in measured.items():
                    logs[name] = logs.get(name, 0.0) + value * len(batch) / len(inputs)
                if by_batch:
                    bar.update()
            if validation is not None:
                measured = model.evaluate(*measured_on, verbose=0, return_dict=True)
                logs |= {f"val_{name}": value for name, value in measured.items()}
            for name, value in logs.items():
                history.setdefault(name, []).append(float(value))
            if not math.isfinite(logs["loss"]):
                raise InvalidValue(
                    f"the loss is no longer a number after {epoch + 1} epochs: "
                    "try a smaller learning rate, and check that the inputs hold no NaN"
                )
            bar.set_postfix({name: f"{value:.3f}" for name, value in logs.items()}, refresh=False)
            if not by_batch:
                bar.update()
            called.on_epoch_end(epoch, logs)
            if model.stop_training:
                break
        called.on_train_end()
    except KeyboardInterrupt:
        bar.set_postfix_str("stopped by hand")
    finally:
        bar.close()
        _trained[model].last = model.get_weights()
    return history


class _Trained:
    """What `fit` remembers of a model: how it was before its first training, and its weights after the last."""

    def __init__(self, model: "keras.Model") -> None:
        self.optimizer = model.optimizer
        self.states = [variable.numpy() for variable in model.optimizer.variables]
        self.first = self.last = model.get_weights()

    def left(self, model: "keras.Model") -> bool:
        """Whether nothing but `fit` has changed the weights since."""
        return all(map(np.array_equal, model.get_weights(), self.last))

    def restore(self, model: "keras.Model") -> None:
        model.set_weights(self.first)
        if model.optimizer is self.optimizer:  # not compiled anew in between
            for variable, state in zip(self.optimizer.variables, self.states, strict=True):
                variable.assign(state)


_trained: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _begin(model: "keras.Model", go_on: bool) -> None:
    """Give a model that `fit` trained before its first weights again, unless something else has changed them since."""
    model.optimizer.build(model.trainable_variables)
    before = _trained.get(model)
    if before is None or not before.left(model):
        _trained[model] = _Trained(model)
    elif not go_on:
        before.restore(model)


def _arrays(model: "keras.Model", dataset: Dataset, what: str) -> tuple[np.ndarray, np.ndarray]:
    if not len(dataset):
        raise InvalidValue(f"the {what} has no rows")
    expected, got = tuple(model.input_shape[1:]), dataset.inputs.shape[1:]
    if expected != got:
        raise InvalidValue(f"the model takes inputs of shape {expected}, the {what} holds {got}")
    inputs = preprocess(dataset.inputs) if dataset.inputs.dtype == "uint8" else dataset.inputs
    return inputs, dataset.labels.astype("float32")[:, None]
