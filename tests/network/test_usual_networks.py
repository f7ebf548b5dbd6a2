"""The usual Keras networks are read as Keras computes them, and their int8 equals TensorFlow Lite Micro's."""

import numpy as np
import pytest
from reference import describe, differences, litert, micro
from usual_networks import BUILDERS, build, inputs

from edgekit import calibration, network, quantization, tflite

# Those that are not read yet, and how the refusal begins.
NOT_YET = {
    "gru_window": "layer 'gru' is a GRU",
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
        np.testing.assert_allclose(our, np.asarray(their), atol=1e-3 * np.abs(their).max())
    quantized = quantization.quantize(net, calibration.calibrate(net, inputs(name, 8, seed=3)))
    lacking = [op.output for op in net.ops if "int8" not in tflite.OPERATORS[op.kind].in_micro]
    found = differences(quantized, quantized.quantize_input(x), litert if lacking else micro)
    if lacking:  # GELU: only LiteRT has it, which rounds fully connected layers in another way
        found = dict.fromkeys(found, (0, 0)) | {name: found[name] for name in lacking}
    assert not describe(quantized, found)


@pytest.mark.parametrize("name", NOT_YET)
def test_a_usual_network_that_is_not_read_yet_is_refused_by_name(name):
    """A network that is read now belongs out of the table."""
    with pytest.raises(ValueError, match=f"^{NOT_YET[name]}"):
        network.from_keras(build(name, settled=False))
