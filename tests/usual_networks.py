"""The usual networks: 56 small Keras models of the kinds that people train for microcontrollers.

    python tests/usual_networks.py          # a line for each, then "read: N of 56"
    python tests/usual_networks.py unet     # those with this word in their name

Weights are random, with a seed, also the statistics of batch normalization. tests/network/test_usual_networks.py holds
each network's float32 to Keras and its int8 to TensorFlow Lite Micro.
"""

import sys

import keras
import numpy as np
from keras import layers

BUILDERS = {}


def usual(*shapes):
    """Return a decorator that enters a builder: from input tensors of these shapes to the outputs."""

    def enter(function):
        BUILDERS[function.__name__] = (function, shapes)
        return function

    return enter


def build(name, settled=True):
    """The Keras model of this name; the same weights each time.

    Args:
        name: a key of `BUILDERS`.
        settled: whether batch normalization gets the statistics of random inputs, as training would give them; without
            them the signal of a deep network dies out.
    """
    function, shapes = BUILDERS[name]
    keras.backend.clear_session(free_memory=False)
    keras.utils.set_random_seed(1)
    sources = [keras.Input(shape, name=f"input_{place}") for place, shape in enumerate(shapes)]
    outputs = function(*sources)
    model = (
        outputs
        if isinstance(outputs, keras.Model)
        else keras.Model(sources[0] if len(sources) == 1 else sources, outputs, name=name)
    )
    random = np.random.default_rng(1)
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
        if layer.scale:
            layer.gamma.assign(random.uniform(0.5, 1.5, layer.gamma.shape))
        layer.beta.assign(random.normal(0, 0.3, layer.beta.shape))
    for layer in model._flatten_layers():
        if getattr(layer, "use_bias", False) and hasattr(layer, "bias"):
            layer.bias.assign(random.normal(0, 0.2, layer.bias.shape))
    if norms and settled:
        model(inputs(name, 8), training=True)
    return model


def inputs(name, n, seed=2):
    """float32 arrays (n, *shape): one for a network with one input, otherwise a list."""
    _, shapes = BUILDERS[name]
    random = np.random.default_rng(seed)
    x = [random.normal(size=(n, *shape)).astype(np.float32) for shape in shapes]
    if name in PIXELS:
        x = [np.float32(np.clip(128 + 64 * values, 0, 255).round()) for values in x]
    return x[0] if len(x) == 1 else x


# Those whose first layer takes pixels from 0 to 255.
PIXELS = ("mobilenet_v3_small", "efficientnet_b0", "rescaling")


def conv(x, filters, size=3, activation="relu", **options):
    return layers.Conv2D(filters, size, padding="same", activation=activation, **options)(x)


def classes(x, n=4):
    return layers.Dense(n, activation="softmax")(x)


# Of keras.applications, as small as they come.


@usual((32, 32, 3))
def mobilenet_v1(x):
    return keras.applications.MobileNet(input_tensor=x, weights=None, alpha=0.25, classes=5)


@usual((32, 32, 3))
def mobilenet_v2(x):
    return keras.applications.MobileNetV2(input_tensor=x, weights=None, alpha=0.35, classes=5)


@usual((32, 32, 3))
def mobilenet_v3_small(x):
    return keras.applications.MobileNetV3Small(input_tensor=x, weights=None, alpha=0.5, classes=5)


@usual((32, 32, 3))
def efficientnet_b0(x):
    return keras.applications.EfficientNetB0(input_tensor=x, weights=None, classes=5)


# Words in sound, movements, vibrations.


@usual((49, 10, 1))
def ds_cnn_keywords(x):
    """MLPerf Tiny's keyword spotting, with fewer blocks."""
    x = layers.Conv2D(16, (10, 4), strides=(2, 2), padding="same")(x)
    x = layers.Dropout(0.2)(layers.ReLU()(layers.BatchNormalization()(x)))
    for _ in range(2):
        x = layers.ReLU()(layers.BatchNormalization()(layers.DepthwiseConv2D(3, padding="same")(x)))
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(16, 1)(x)))
    x = layers.AveragePooling2D((25, 5))(layers.Dropout(0.4)(x))
    return classes(layers.Flatten()(x), 12)


@usual((64, 3))
def conv1d_accelerometer(x):
    x = layers.Conv1D(8, 5, activation="relu")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.BatchNormalization()(layers.Conv1D(16, 3, padding="same")(x))
    x = layers.AveragePooling1D(2)(layers.ReLU()(x))
    return classes(layers.Dense(12, activation="relu")(layers.Flatten()(x)))


@usual((48, 3))
def conv1d_causal(x):
    x = layers.Conv1D(8, 3, padding="causal", activation="relu")(x)
    x = layers.Conv1D(8, 3, padding="causal", strides=2, activation="relu")(x)
    return classes(layers.GlobalAveragePooling1D()(x))


@usual((48, 3))
def conv1d_dilated_residual(x):
    """A temporal convolutional network."""
    x = layers.Conv1D(8, 1)(x)
    for dilation in (1, 2, 4):
        y = layers.Conv1D(8, 3, padding="causal", dilation_rate=dilation, activation="relu")(x)
        x = layers.Add()([x, layers.SpatialDropout1D(0.1)(y)])
    return classes(layers.GlobalAveragePooling1D()(x))


@usual((16, 3))
def lstm_window(x):
    return classes(layers.LSTM(8)(x))


@usual((16, 3))
def gru_window(x):
    return classes(layers.GRU(8)(x))


@usual((64, 3))
def separable_conv1d(x):
    x = layers.SeparableConv1D(8, 3, padding="same", activation="relu")(x)
    x = layers.SeparableConv1D(8, 5, strides=2, depth_multiplier=2)(x)
    return classes(layers.GlobalAveragePooling1D()(layers.ReLU()(x)))


@usual((32, 4))
def depthwise_conv1d(x):
    x = layers.DepthwiseConv1D(3, padding="same", depth_multiplier=2, activation="relu")(x)
    return classes(layers.GlobalAveragePooling1D()(layers.Conv1D(8, 1, activation="relu")(x)))


@usual((32, 4))
def global_max_pooling1d(x):
    return classes(layers.GlobalMaxPooling1D()(layers.Conv1D(8, 3, activation="relu")(x)))


@usual((30, 4))
def zero_padding1d(x):
    x = layers.Conv1D(8, 4, strides=2, activation="relu")(layers.ZeroPadding1D((1, 2))(x))
    return classes(layers.Flatten()(x))


@usual((12, 5))
def dense_on_a_sequence(x):
    x = layers.Dense(8, activation="relu")(x)
    x = layers.Dense(6)(x)
    return classes(layers.Flatten()(x))


# Anomalies, compression.


@usual((64,))
def autoencoder(x):
    """MLPerf Tiny's anomaly detection, narrower."""
    for width in (24, 24, 6, 24, 24):
        x = layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(width)(x)))
    return layers.Dense(64)(x)


@usual((16, 16, 1))
def autoencoder_of_images(x):
    x = layers.MaxPooling2D()(conv(x, 8))
    x = layers.MaxPooling2D()(conv(x, 4))
    x = layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(x)
    return conv(x, 1, activation="sigmoid")


# Images.


@usual((28, 28, 1))
def lenet_tanh(x):
    x = layers.AveragePooling2D(2)(layers.Conv2D(6, 5, padding="same", activation="tanh")(x))
    x = layers.AveragePooling2D(2)(layers.Conv2D(8, 5, activation="tanh")(x))
    x = layers.Dense(24, activation="tanh")(layers.Flatten()(x))
    return classes(x, 10)


@usual((8, 8, 1))
def softmax_over_10_classes(x):
    x = layers.Dense(32, activation="relu")(layers.Flatten()(x))
    return layers.Softmax()(layers.Dense(10)(x))


def _unet(x, up):
    first = conv(x, 4)
    second = conv(layers.MaxPooling2D()(first), 8)
    bottom = conv(layers.MaxPooling2D()(second), 12)
    second = conv(layers.Concatenate()([up(bottom, 8), second]), 8)
    first = conv(layers.Concatenate()([up(second, 4), first]), 4)
    return layers.Conv2D(1, 1, activation="sigmoid")(first)


@usual((16, 16, 3))
def unet_upsampling(x):
    return _unet(x, lambda y, filters: conv(layers.UpSampling2D(2)(y), filters))


@usual((16, 16, 3))
def unet_transposed(x):
    return _unet(x, lambda y, filters: layers.Conv2DTranspose(filters, 2, strides=2)(y))


@usual((32, 32, 3))
def resnet8(x):
    """MLPerf Tiny's image classification, narrower."""
    x = layers.ReLU()(layers.BatchNormalization()(conv(x, 8, activation=None)))
    for filters, stride in ((8, 1), (16, 2), (32, 2)):
        y = layers.ReLU()(layers.BatchNormalization()(conv(x, filters, strides=stride, activation=None)))
        y = layers.BatchNormalization()(conv(y, filters, activation=None))
        if stride > 1:
            x = conv(x, filters, 1, strides=stride, activation=None)
        x = layers.Activation("relu")(layers.add([x, y]))
    return classes(layers.Flatten()(layers.AveragePooling2D(8)(x)), 10)


@usual((32, 32, 3))
def fomo_head(x):
    """A mobile net cut after a few blocks, and a class for each cell of 8 x 8 pixels."""
    x = conv(x, 8, strides=2, activation="relu6")
    for filters in (12, 16):
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, strides=2, padding="same")(x)))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Conv2D(filters, 1)(x)))
    x = layers.Conv2D(8, 1, activation="relu")(x)
    return layers.Softmax()(layers.Conv2D(3, 1)(x))


@usual((16, 16, 3))
def squeezenet_fire(x):
    x = layers.MaxPooling2D(3, 2)(conv(x, 8, strides=2))
    for _ in range(2):
        squeezed = conv(x, 4, 1)
        x = layers.Concatenate()([conv(squeezed, 8, 1), conv(squeezed, 8)])
    x = layers.GlobalAveragePooling2D()(conv(layers.Dropout(0.5)(x), 4, 1))
    return layers.Activation("softmax")(x)


@usual((12, 12, 3))
def squeeze_and_excite(x):
    x = conv(x, 8)
    y = layers.Dense(2, activation="relu")(layers.GlobalAveragePooling2D()(x))
    y = layers.Dense(8, activation="sigmoid")(y)
    x = layers.Multiply()([x, layers.Reshape((1, 1, 8))(y)])
    return classes(layers.GlobalAveragePooling2D()(x))


@usual((12, 12, 3))
def global_max_pooling(x):
    return classes(layers.GlobalMaxPooling2D()(conv(x, 8)))


@usual((12, 12, 3))
def separable_conv2d(x):
    x = layers.SeparableConv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.ReLU()(layers.BatchNormalization()(layers.SeparableConv2D(8, 3, strides=2)(x)))
    return classes(layers.GlobalAveragePooling2D()(x))


@usual((12, 12, 3))
def depthwise_multiplier(x):
    x = layers.DepthwiseConv2D((3, 5), depth_multiplier=3, activation="relu")(x)
    return classes(layers.Flatten()(conv(x, 4, 1)))


@usual((12, 12, 4))
def grouped_convolution(x):
    x = conv(x, 8, groups=2)
    return classes(layers.GlobalAveragePooling2D()(conv(x, 8, groups=4)))


@usual((14, 14, 3))
def dilated_convolution(x):
    x = layers.Conv2D(6, 3, dilation_rate=2, activation="relu")(x)
    return classes(layers.GlobalAveragePooling2D()(conv(x, 6, dilation_rate=2)))


@usual((12, 12, 3))
def batch_norm_first(x):
    return classes(layers.Flatten()(conv(layers.BatchNormalization()(x), 4, strides=2)))


@usual((12, 12, 3))
def batch_norm_after_relu(x):
    x = layers.BatchNormalization()(conv(x, 6))
    x = layers.BatchNormalization()(conv(layers.MaxPooling2D()(x), 6))
    return classes(layers.GlobalAveragePooling2D()(x))


# Activations: each in a convolution and after a Dense.


def _activated(x, activation):
    x = activation(layers.Conv2D(6, 3)(x))
    x = activation(layers.Dense(12)(layers.Flatten()(x)))
    return layers.Dense(3)(x)


@usual((8, 8, 2))
def leaky_relu(x):
    return _activated(x, lambda y: layers.LeakyReLU(negative_slope=0.1)(y))


@usual((8, 8, 2))
def prelu(x):
    slopes = keras.initializers.RandomUniform(0, 0.5, seed=1)
    x = layers.PReLU(slopes, shared_axes=(1, 2))(layers.Conv2D(6, 3)(x))
    return layers.Dense(3)(layers.PReLU(slopes)(layers.Dense(12)(layers.Flatten()(x))))


@usual((8, 8, 2))
def elu(x):
    return _activated(x, lambda y: layers.ELU()(y))


@usual((8, 8, 2))
def swish(x):
    return _activated(x, layers.Activation("swish"))


@usual((8, 8, 2))
def gelu(x):
    return _activated(x, layers.Activation("gelu"))


@usual((8, 8, 2))
def hard_swish(x):
    return _activated(x, layers.Activation("hard_swish"))


@usual((8, 8, 2))
def hard_sigmoid(x):
    return _activated(x, layers.Activation("hard_sigmoid"))


@usual((8, 8, 2))
def relu_up_to_1(x):
    return _activated(x, layers.ReLU(max_value=1.0))


# Before the network, and layers that do nothing at inference.


@usual((12, 12, 3))
def rescaling(x):
    return classes(layers.Flatten()(conv(layers.Rescaling(1 / 127.5, offset=-1)(x), 4, strides=2)))


@usual((6,))
def normalization(x):
    x = layers.Normalization(mean=[0.1, 1, -2, 3, 0, 0.5], variance=[1, 4, 0.25, 9, 1, 2])(x)
    return classes(layers.Dense(8, activation="relu")(x))


@usual((12, 12, 3))
def augmented(x):
    x = layers.RandomRotation(0.1)(layers.RandomFlip("horizontal")(x))
    x = layers.RandomContrast(0.2)(layers.RandomZoom(0.2)(layers.RandomTranslation(0.1, 0.1)(x)))
    return classes(layers.Flatten()(conv(x, 4, strides=2)))


@usual((12, 12, 3))
def noise(x):
    x = conv(layers.GaussianNoise(0.1)(x), 4, strides=2)
    x = layers.GaussianDropout(0.1)(layers.SpatialDropout2D(0.1)(x))
    return classes(layers.AlphaDropout(0.1)(layers.ActivityRegularization(l2=0.01)(layers.Flatten()(x))))


@usual((20,))
def dropout(x):
    x = layers.Dropout(0.3)(layers.Dense(16, activation="relu", kernel_regularizer="l2")(x))
    return classes(layers.Dropout(0.3)(x))


# Moving values, arithmetic, several inputs and outputs.


@usual((12, 12, 3))
def cropping(x):
    return classes(layers.Flatten()(layers.Cropping2D(((1, 2), (3, 0)))(conv(x, 4))))


@usual((12, 5))
def permute(x):
    x = layers.Permute((2, 1))(x)
    return classes(layers.Flatten()(layers.Reshape((3, 4, 5))(x)))


def _two_branches(x, join):
    return classes(layers.Flatten()(join([conv(x, 4), conv(x, 4, 1, activation=None)])))


@usual((8, 8, 2))
def subtract(x):
    return _two_branches(x, layers.Subtract())


@usual((8, 8, 2))
def multiply(x):
    return _two_branches(x, layers.Multiply())


@usual((8, 8, 2))
def average(x):
    return _two_branches(x, layers.Average())


@usual((8, 8, 2))
def maximum(x):
    return _two_branches(x, layers.Maximum())


@usual((8, 8, 2))
def operators(x):
    """Written with operators in place of layers."""
    x = keras.ops.relu(layers.Conv2D(4, 3)(x * 2 + 1))
    return keras.ops.softmax(layers.Dense(3)(layers.Flatten()(x)) - 0.5)


@usual((12, 12, 3), (5,))
def two_inputs(image, numbers):
    x = layers.GlobalAveragePooling2D()(conv(image, 6))
    return classes(layers.Concatenate()([x, layers.Dense(4, activation="relu")(numbers)]))


@usual((12, 12, 3))
def two_outputs(x):
    x = layers.Flatten()(conv(x, 6, strides=2))
    return [classes(x), layers.Dense(4, name="box")(x)]


@usual((8, 6))
def layer_normalization(x):
    x = layers.LayerNormalization()(layers.Dense(8)(x))
    return classes(layers.Flatten()(x))


@usual((8, 6))
def attention(x):
    x = layers.LayerNormalization()(layers.Dense(8)(x))
    x = layers.Add()([x, layers.MultiHeadAttention(num_heads=2, key_dim=4)(x, x)])
    return classes(layers.GlobalAveragePooling1D()(x))


def main():
    from edgekit import network

    names = [name for name in BUILDERS if all(word in name for word in sys.argv[1:])]
    read = 0
    for name in names:
        try:
            network.from_keras(build(name))
        except ValueError as error:
            print(f"{name:28} {str(error)[:88]}")
        else:
            read += 1
            print(f"{name:28} read")
    print(f"read: {read} of {len(names)}")


if __name__ == "__main__":
    main()
