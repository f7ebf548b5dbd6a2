"""Trains the car network that edgekit ships: ``python -m recipes.cars.train --photos FOLDER``.

It starts from MobileNetV1 0.25's ImageNet weights and sees the rendered scenes and four fifths of the photographs under
the augmentation of a small camera. Two last epochs round weights and activations as int8 does. The average of the
weights over the last steps is shipped. The same seed, data and versions give the same weights. An interrupted training
resumes from its checkpoint.
"""

import argparse
import dataclasses
import json
import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.datasets.images import resize
from edgekit.models import mobilenet_v1
from edgekit.models.weights import save
from recipes.cars.imagenet import load_imagenet
from recipes.cars.photographs import find_folder, load_photographs

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

IMAGENET = "mobilenet_0.25_128_imagenet.h5"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights beside the data.

    Attributes:
        epochs: passes over the mixture.
        rounded_epochs: further ones with weights and activations rounded as int8 will round them.
        rounded_learning_rate: at their start; it falls to 0 along a line.
        mixture: how often an epoch sees each image of a source, on average.
        label_smoothing: 0 and 1 become this / 2 and 1 - this / 2 (Szegedy et al. 2016).
        averaging: decay a step of the averaged weights that are shipped.
    """

    seed: int = 0
    epochs: int = 30
    rounded_epochs: int = 2
    rounded_learning_rate: float = 1e-4
    batch_size: int = 64
    learning_rate: float = 1.5e-3
    warmup_epochs: float = 1.0
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    averaging: float = 0.998
    mixture: tuple = (("photos_64", 2.0), ("photos_32", 1.0), ("scenes", 0.5))


def gather(folder: Path, recipe: Recipe, scenes: bool = True) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The training images of every source at 96x96: dict name -> (uint8 images, labels)."""
    from edgekit import datasets

    sources = {}
    for name, photos in load_photographs(folder, held_out=False).items():
        sources[name] = (resize(photos.images), photos.labels)
    if scenes:
        cars = datasets.load("cars", "train")
        sources["scenes"] = (cars.images, cars.labels)
    return sources


def epoch_rows(counts: dict[str, int], recipe: Recipe, epoch: int) -> np.ndarray:
    """Which rows (indices into all sources laid end to end) an epoch sees, in order."""
    rng = np.random.default_rng([recipe.seed, epoch])
    mixture, first, rows = dict(recipe.mixture), 0, []
    for name, count in counts.items():
        wanted, whole = round(mixture.get(name, 1.0) * count), np.arange(first, first + count)
        rows += [rng.permutation(whole)[: wanted - start] for start in range(0, wanted, count)]
        first += count
    return rng.permutation(np.concatenate(rows))


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Linear warm-up, a half cosine down to 1 % (Loshchilov and Hutter 2017), then the line of the rounded epochs.

    `epoch` counts from 0, with fractions.
    """
    progress = epoch / recipe.epochs
    if progress >= 1:
        return recipe.rounded_learning_rate * (1 - (epoch - recipe.epochs) / recipe.rounded_epochs)
    warmup = recipe.warmup_epochs / recipe.epochs
    if progress < warmup:
        return recipe.learning_rate * (progress + 1e-3) / warmup
    cosine = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
    return recipe.learning_rate * (0.01 + 0.99 * cosine)


def rounded_outputs(model: "keras.Model", x: "tf.Tensor") -> "tf.Tensor":
    """The model's outputs with weights and activations rounded to 8 bits, and gradients that pass through the rounding.

    Quantization-aware training (Jacob et al. 2018). Batch normalization uses its collected statistics. Folding it
    scales each output channel as a whole, so rounding a channel before folding is the same as after it.
    """
    import keras
    import tensorflow as tf

    for layer in model.layers[1:]:
        if isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.Conv2D)):
            depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel = tf.convert_to_tensor(layer.kernel)
            channels = (0, 1) if depthwise else (0, 1, 2)
            scale = tf.reduce_max(tf.abs(kernel), axis=channels, keepdims=True) / 127
            kernel += tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)
            convolve = tf.nn.depthwise_conv2d if depthwise else tf.nn.conv2d
            x = convolve(x, kernel, [1, *layer.strides, 1], layer.padding.upper())
        elif isinstance(layer, keras.layers.ReLU):
            x = tf.quantization.fake_quant_with_min_max_args(x, 0.0, 6.0)
        else:
            x = layer(x, training=False) if isinstance(layer, keras.layers.BatchNormalization) else layer(x)
    return x


class Trainer:
    """The model with its optimizer and averaged weights, and one step of learning."""

    def __init__(self, recipe: Recipe, imagenet: Path) -> None:
        import keras
        import tensorflow as tf

        keras.utils.set_random_seed(recipe.seed)
        self.recipe, self.step = recipe, 0
        self.model = mobilenet_v1()
        load_imagenet(self.model, imagenet)
        self.optimizer = keras.optimizers.AdamW(recipe.learning_rate, weight_decay=recipe.weight_decay)
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(self.model.trainable_variables)
        self.averaged = [tf.Variable(weight) for weight in self.model.weights]
        self._learn = {rounded: tf.function(partial(self._step, rounded=rounded)) for rounded in (False, True)}

    def _step(self, images, labels, seed, decay, rounded):
        import keras
        import tensorflow as tf

        from recipes.cars.augmentation import augment

        labels = tf.cast(labels, tf.float32)[:, None]
        smooth = labels * (1 - self.recipe.label_smoothing) + self.recipe.label_smoothing / 2
        with tf.GradientTape() as tape:
            images = augment(images, seed)
            outputs = rounded_outputs(self.model, images) if rounded else self.model(images, training=True)
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(smooth, outputs))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for average, weight in zip(self.averaged, self.model.weights, strict=True):
            average.assign(decay * average + (1 - decay) * weight)
        right = tf.reduce_mean(tf.cast(tf.equal(outputs > 0.5, labels > 0.5), tf.float32))
        return loss, right

    def learn(self, images: np.ndarray, labels: np.ndarray, epoch: float) -> tuple[float, float]:
        """One batch, at `epoch` with its fraction. Returns loss and accuracy."""
        self.optimizer.learning_rate = learning_rate(self.recipe, epoch)
        # Early on the average must not remember the start.
        decay = np.float32(min(self.recipe.averaging, (1 + self.step) / (10 + self.step)))
        seed = np.array([self.recipe.seed, self.step], np.int32)
        loss, right = self._learn[epoch >= self.recipe.epochs](images, labels, seed, decay)
        self.step += 1
        return float(loss), float(right)

    def _variables(self):
        return [*self.model.weights, *self.averaged, *self.optimizer.variables]

    def save(self, path: Path, epoch: int, history: dict[str, list[float]]) -> None:
        """Write the checkpoint whole or not at all."""
        arrays = {f"v{i}": np.asarray(variable) for i, variable in enumerate(self._variables())}
        state = json.dumps({"epoch": epoch, "step": self.step, "history": history, "recipe": _described(self.recipe)})
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, state=np.array(state), **arrays)
        os.replace(partial, path)

    def resume(self, path: Path) -> tuple[int, dict[str, list[float]]]:
        """Take over a checkpoint. Returns (epochs done, history)."""
        with np.load(path, allow_pickle=False) as arrays:
            state = json.loads(str(arrays["state"]))
            if state["recipe"] != _described(self.recipe):
                raise SystemExit(f"{path} was made with other settings: {state['recipe']}. Move it away, or use those.")
            for i, variable in enumerate(self._variables()):
                variable.assign(arrays[f"v{i}"])
        self.step = state["step"]
        return state["epoch"], state["history"]

    def averaged_model(self) -> "keras.Model":
        """The network that is shipped: the averaged weights in a model of their own."""
        model = mobilenet_v1()
        model.set_weights([np.asarray(weight) for weight in self.averaged])
        return model


def _described(recipe):
    return json.loads(json.dumps(dataclasses.asdict(recipe)))


def train(
    sources: dict[str, tuple[np.ndarray, np.ndarray]], recipe: Recipe, imagenet: Path, checkpoint: Path
) -> "tuple[keras.Model, dict[str, list[float]]]":
    """Train from the ImageNet weights, or from the checkpoint where there is one.

    Args:
        sources: what `gather` returns.
        recipe: a `Recipe`.
        imagenet: the file of ImageNet weights.
        checkpoint: written after every epoch.

    Returns:
        The averaged `keras.Model`, and the history: a dict of lists with one number an epoch.
    """
    from tqdm.auto import tqdm

    images = np.concatenate([images for images, _ in sources.values()])
    labels = np.concatenate([labels for _, labels in sources.values()])
    counts = {name: len(labels) for name, (_, labels) in sources.items()}
    trainer = Trainer(recipe, imagenet)
    done, history = 0, {"loss": [], "accuracy": []}
    epochs = recipe.epochs + recipe.rounded_epochs
    if checkpoint.exists():
        done, history = trainer.resume(checkpoint)
        print(f"going on after epoch {done} of {epochs} from {checkpoint}")
    steps = len(epoch_rows(counts, recipe, 0)) // recipe.batch_size
    with tqdm(total=epochs * steps, initial=done * steps, unit="batch", mininterval=2) as bar:
        for epoch in range(done, epochs):
            bar.set_description(f"epoch {epoch + 1} of {epochs}")
            rows = epoch_rows(counts, recipe, epoch)
            losses = []
            for step in range(steps):
                batch = rows[step * recipe.batch_size : (step + 1) * recipe.batch_size]
                losses.append(trainer.learn(images[batch], labels[batch], epoch + step / steps))
                bar.update()
            loss, accuracy = np.mean(losses, axis=0)
            history["loss"].append(float(loss))
            history["accuracy"].append(float(accuracy))
            bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.3f}")
            trainer.save(checkpoint, epoch + 1, history)
    return trainer.averaged_model(), history


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: words of the command line, or None for the process's own."""
    parser = argparse.ArgumentParser(prog="python -m recipes.cars.train", description=__doc__.split("\n")[0])
    parser.add_argument("--photos", help="folder with photos_*.npz and the ImageNet weights")
    parser.add_argument("--output", type=Path, default=Path("carclassifier.npz"), help="where the weights go")
    parser.add_argument("--checkpoint", type=Path, default=Path("carclassifier.checkpoint.npz"))
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args(arguments)
    folder = find_folder(options.photos)
    if folder is None:
        parser.error(f"no photos_*.npz in {options.photos or 'EDGEKIT_PHOTOS'}: name their folder with --photos")
    recipe = Recipe(epochs=options.epochs, seed=options.seed)
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    model, _ = train(gather(folder, recipe), recipe, folder / IMAGENET, options.checkpoint)
    save(model, options.output)
    print(f"wrote {options.output}; measure it: python -m recipes.cars.evaluate {options.output} --photos {folder}")


if __name__ == "__main__":
    main()
