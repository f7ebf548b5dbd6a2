"""Files from TensorFlow's own converter, for the tests of the reader and the benchmark."""

import keras
import numpy as np


def convert(model, kind, images=None):
    """The bytes of `tf.lite.TFLiteConverter`.

    Args:
        model: a Keras model.
        kind: "float32", "int8", "int8 with float32 ends", "dynamic range" or "float16".
        images: float array (N, *input shape), the representative data set of the int8 kinds.
    """
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind.startswith("int8"):
        converter.representative_dataset = lambda: ([image[None]] for image in images)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        if kind == "int8":
            converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def settle(model, images):
    """Give batch normalization the statistics of these images, as training would, so that no signal dies out."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)
    return model


def branched():
    """A model with every layer whose conversion the reader knows."""
    layers = keras.layers
    source = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(source)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    y = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=1)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    x = layers.Add()([x, y])
    x = layers.Concatenate()([x, layers.Activation("sigmoid")(x), y])
    factors = layers.Dense(24, activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = keras.ops.subtract(1.5, layers.Multiply()([x, factors]) * np.linspace(-1, 2, 24, dtype=np.float32))
    x = keras.ops.maximum(layers.Minimum()([x, keras.ops.square(x)]), -0.5)
    x = layers.Conv2D(4, 3, activation="tanh")(layers.ZeroPadding2D(((2, 1), (1, 2)))(x))
    x = layers.ReLU()(layers.AveragePooling2D(2)(x))
    x = layers.MaxPooling2D(2, strides=1, padding="same")(x)
    x = layers.Concatenate()([layers.Flatten()(x), layers.GlobalAveragePooling2D()(x)])
    x = layers.Dense(12, activation="relu")(layers.Dropout(0.2)(x))
    x = layers.Flatten()(layers.Reshape((2, 2, 3))(x))
    return keras.Model(source, layers.Dense(5, activation="softmax")(x), name="branched")


def moving():
    """A model of batch 1 with the movements that TensorFlow Lite Micro has."""
    layers, ops = keras.layers, keras.ops
    source = keras.Input(batch_shape=(1, 6, 5, 4))
    x = layers.Conv2D(6, 1)(source)
    x = layers.ZeroPadding2D(((1, 0), (0, 2)))(layers.UpSampling2D(2, interpolation="bilinear")(x))
    x = ops.pad(layers.Cropping2D(((1, 2), (0, 1)))(x), ((0, 0), (2, 1), (0, 0), (0, 1)), mode="reflect")
    x = ops.pad(x[:, ::2, ::-3, 1:], ((0, 0), (0, 1), (0, 0), (0, 0)), constant_values=0.5)
    x = ops.image.resize(x, (7, 5), interpolation="nearest")
    x = ops.flip(layers.Permute((3, 1, 2))(x), axis=2)
    first, second = ops.split(x, [2], axis=1)
    y = ops.concatenate([second, ops.take(x, [3, 0, 0, 2], axis=1), first[:, :, :, ::-1]], axis=1)
    x = ops.stack(ops.unstack(y, axis=2)[::-1], axis=1)
    x = ops.squeeze(ops.expand_dims(ops.reshape(x, (1, -1, 10)), axis=2), axis=2)
    x = layers.Attention()([x, layers.Dense(10)(x)])
    return keras.Model(source, layers.Dense(5, activation="softmax")(layers.Flatten()(x)), name="moving")


def growing():
    """A model of an open batch with movements that the converter writes as TILE, with shapes computed from shapes."""
    layers = keras.layers
    source = keras.Input((6, 4))
    x = layers.UpSampling1D(2)(layers.Dense(5, activation="relu")(source))
    x = layers.UpSampling2D((1, 2))(layers.Reshape((6, 2, 5))(x))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(source, layers.Dense(3)(layers.Flatten()(layers.RepeatVector(3)(x))), name="growing")


def random_images(shape, n):
    """float32 images of N(0, 1)."""
    return np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)
