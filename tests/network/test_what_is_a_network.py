"""A Keras model in the place of a network is refused in a sentence that names the way to one."""

import numpy as np
import pytest

from edgekit import calibration, codegen, models, network, quantization, tflite


@pytest.fixture(scope="module")
def model():
    return models.xor_mlp()


@pytest.mark.parametrize(
    "use",
    [
        tflite.to_bytes,
        lambda model: codegen.export(model, "xormodel", "generated"),
        lambda model: calibration.calibrate(model, np.zeros((1, 2), np.float32)),
        lambda model: quantization.quantize(model, None),
        lambda model: quantization.assemble(model, {}, {}),
        lambda model: network.map_weights(model, lambda op: op.weights),
    ],
)
def test_a_keras_model_is_no_network_yet(model, use, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TypeError, match=r"got an object of type \w+: edgekit\.network\.from_keras\(model\) makes"):
        use(model)
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match=r"got an object of type NoneType$"):
        use(None)


def test_an_int8_network_cannot_be_quantized_again(model):
    net = network.from_keras(model)
    int8 = quantization.quantize(net, calibration.calibrate(net, np.eye(2, dtype=np.float32)))
    with pytest.raises(TypeError, match=r"expected an edgekit\.network\.Network, .* got a QuantizedNetwork"):
        calibration.calibrate(int8, np.eye(2, dtype=np.float32))
