"""The usual Keras networks are read as Keras computes them, and their int8 equals TensorFlow Lite Micro's."""

import numpy as np
import pytest
from reference import describe, differences
from usual_networks import BUILDERS, build, inputs

from edgekit import calibration, network, quantization

# Those that are not read yet, and how the refusal begins.
NOT_YET = {
    "mobilenet_v3_small": "layer 'rescaling' is a Rescaling",
    "efficientnet_b0": "layer 'rescaling' is a Rescaling",
    "conv1d_accelerometer": "layer 'conv1d' is a Conv1D",
    "conv1d_causal": "layer 'conv1d' is a Conv1D",
    "conv1d_dilated_residual": "layer 'conv1d' is a Conv1D",
    "lstm_window": "layer 'lstm' is a LSTM",
    "gru_window": "layer 'gru' is a GRU",
    "separable_conv1d": "layer 'separable_conv1d' is a SeparableConv1D",
    "depthwise_conv1d": "layer 'depthwise_conv1d' is a DepthwiseConv1D",
    "global_max_pooling1d": "layer 'conv1d' is a Conv1D",
    "zero_padding1d": "layer 'zero_padding1d' is a ZeroPadding1D",
    "autoencoder_of_images": "layer 'conv2d_transpose' is a Conv2DTranspose",
    "unet_upsampling": "layer 'up_sampling2d' is a UpSampling2D",
    "unet_transposed": "layer 'conv2d_transpose' is a Conv2DTranspose",
    "squeeze_and_excite": "layer 'multiply' is a Multiply",
    "global_max_pooling": "layer 'global_max_pooling2d' is a GlobalMaxPooling2D",
    "separable_conv2d": "layer 'separable_conv2d' is a SeparableConv2D",
    "grouped_convolution": "layer 'conv2d' has groups=2",
    "dilated_convolution": "layer 'conv2d' has dilation_rate",
    "leaky_relu": "layer 'leaky_re_lu' is a LeakyReLU",
    "prelu": "layer 'p_re_lu' is a PReLU",
    "elu": "layer 'elu' is a ELU",
    "swish": "layer 'activation' has the activation silu",
    "gelu": "layer 'activation' has the activation gelu",
    "hard_swish": "layer 'activation' has the activation hard_silu",
    "hard_sigmoid": "layer 'activation' has the activation hard_sigmoid",
    "relu_up_to_1": "layer 're_lu' has max_value=1.0",
    "rescaling": "layer 'rescaling' is a Rescaling",
    "normalization": "layer 'normalization' is a Normalization",
    "cropping": "layer 'cropping2d' is a Cropping2D",
    "permute": "layer 'permute' is a Permute",
    "subtract": "layer 'subtract' is a Subtract",
    "multiply": "layer 'multiply' is a Multiply",
    "average": "layer 'average' is a Average",
    "maximum": "layer 'maximum' is a Maximum",
    "operators": "operation 'multiply' is a Multiply",
    "layer_normalization": "layer 'layer_normalization' is a LayerNormalization",
    "attention": "layer 'layer_normalization' is a LayerNormalization",
}


def test_there_are_56_of_them():
    assert len(BUILDERS) == 56
    assert set(NOT_YET) <= set(BUILDERS)


def _listed(results):
    return results if isinstance(results, list | tuple) else [results]


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in NOT_YET])
def test_a_usual_network_is_read_and_bit_exact_with_micro(name):
    model, x = build(name), inputs(name, 3)
    net = network.from_keras(model)
    theirs, ours = model(x, training=False), net.run(x)
    for their, our in zip(_listed(theirs), _listed(ours), strict=True):
        np.testing.assert_allclose(our, np.asarray(their), atol=1e-4 * np.abs(their).max())
    quantized = quantization.quantize(net, calibration.calibrate(net, inputs(name, 8, seed=3)))
    assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))


@pytest.mark.parametrize("name", NOT_YET)
def test_a_usual_network_that_is_not_read_yet_is_refused_by_name(name):
    """A network that is read now belongs out of the table."""
    with pytest.raises(ValueError, match=f"^{NOT_YET[name]}"):
        network.from_keras(build(name, settled=False))
