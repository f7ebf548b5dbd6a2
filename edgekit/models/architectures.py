"""The architectures of the lessons' networks. Only the functions import Keras, because importing it takes seconds."""

from typing import TYPE_CHECKING

from edgekit.errors import InvalidValue
from edgekit.extras import extra

if TYPE_CHECKING:
    import keras


def xor_mlp() -> "keras.Model":
    """A network for exclusive or: 2 inputs, 8 hidden units with tanh, 1 sigmoid output; 33 parameters.

    Two hidden units are enough to represent the function, but not to learn it: from many starting points, training ends
    with outputs of 0.5 for two of the four rows. With ReLU this happens even with eight units (31 of 200 starting
    points), because a unit that is off for every input has no gradient. Eight units with tanh learned the function from
    all of 2,000 starting points.

    Returns:
        A compiled `keras.Model`: (N, 2) -> (N, 1). ``edgekit.training.fit(model, load("xor"), epochs=100)`` trains it.
    """
    with extra("lessons"):
        import keras

    model = keras.Sequential(
        [
            keras.Input((2,), name="input"),
            keras.layers.Dense(8, activation="tanh", name="hidden"),
            keras.layers.Dense(1, activation="sigmoid", name="output"),
        ],
        name="xor_mlp",
    )
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy", metrics=["accuracy"])
    return model


# Each row: output channels at alpha = 1 and stride of one depthwise-separable block (Howard et al. 2017, table 1).
_BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)


def mobilenet_v1(input_shape: tuple[int, int, int] = (96, 96, 3), alpha: float = 0.25) -> "keras.Model":
    """MobileNetV1 with one sigmoid output (Howard et al. 2017, https://arxiv.org/abs/1704.04861), not trained.

    Up to the last layer, layers, names and weight shapes are those of `keras.applications.MobileNet`, so that its
    ImageNet weights can be loaded. There is one difference: before a convolution with stride 2, Keras has a separate
    padding layer. Here the convolution has SAME padding. If the sides are multiples of 32, the zeros are the same (none
    before, one after).

    Args:
        input_shape: (height, width, channels), height and width multiples of 32.
        alpha: factor on the number of channels, for example 0.25, 0.5, 0.75 or 1.

    Returns:
        A `keras.Model`: preprocessed images (N, H, W, C) -> (N, 1), the probability of class 1.
        96x96x3 with alpha 0.25: 213,329 trainable parameters, 7.49 M multiply-accumulates.

    Raises:
        ValueError: the shape or alpha cannot work.
    """
    if len(input_shape) != 3 or any(side % 32 or side <= 0 for side in input_shape[:2]):
        raise InvalidValue(
            f"input_shape must be (height, width, channels) with sides that are multiples of 32, got {input_shape}"
        )
    if not 0 < alpha <= 2 or int(32 * alpha) < 1:
        raise InvalidValue(f"alpha must leave at least one channel and be at most 2, got {alpha}")
    with extra("lessons"):
        from keras import Input, Model, layers

    def normalized(x, name):
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
        return layers.ReLU(6.0, name=f"{name}_relu")(x)

    inputs = Input(input_shape, name="image")
    x = layers.Conv2D(int(32 * alpha), 3, strides=2, padding="same", use_bias=False, name="conv1")(inputs)
    x = normalized(x, "conv1")
    for i, (channels, stride) in enumerate(_BLOCKS, start=1):
        depthwise, pointwise = f"conv_dw_{i}", f"conv_pw_{i}"
        x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=depthwise)(x)
        x = normalized(x, depthwise)
        x = layers.Conv2D(int(channels * alpha), 1, use_bias=False, name=pointwise)(x)
        x = normalized(x, pointwise)
    x = layers.GlobalAveragePooling2D(name="global_average_pooling2d")(x)
    outputs = layers.Dense(1, activation="sigmoid", name="predictions")(x)
    return Model(inputs, outputs, name=f"mobilenet_v1_{alpha:g}_{input_shape[0]}")
