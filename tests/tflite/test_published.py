"""What the reader makes of each published network: read and equal to the runtimes, or refused with its reason."""

import numpy as np
import published
import pytest
from reference import litert, micro

from edgekit import tflite
from edgekit.quantization import QuantizedNetwork

# For each file: the number of ops of the network that is read, or a part of the sentence with which it is refused.
# A file whose op arrives moves up.
INT8 = {
    "mlperf_ad01_int8.tflite": 10,
    "mlperf_kws_int8.tflite": 13,
    "mlperf_resnet8_int8.tflite": 16,
    "mlperf_toycar_fullint_floatio.tflite": 10,
    "mlperf_vww96_int8.tflite": 31,
    "mww_v2_vad.tflite": 18,
    "qat_small_i8.tflite": 4,
    "tflm_hello_int8.tflite": 3,
    "tflm_lstm_int8.tflite": 4,
    "tflm_micro_speech.tflite": 4,
    "tflm_simple_add.tflite": 1,
}
FLOAT = {"mlperf_kws_fp32.tflite": 13}
REFUSED = {
    "coral_mobilenet_v1_0.25_128_quant.tflite": "this file computes in uint8, an older form",
}
pytestmark = published.needs_networks


def test_every_published_file_has_its_line():
    assert {*INT8, *FLOAT, *REFUSED} == set(published.names(".tflite"))


@pytest.mark.parametrize("name", INT8)
def test_published_int8_networks_are_bit_exact_with_micro(name):
    data = published.read(name)
    network = tflite.from_bytes(data)
    assert isinstance(network, QuantizedNetwork)
    assert len(network.ops) == INT8[name]
    random = np.random.default_rng(4)
    q = [random.integers(-128, 128, (3, *network.shapes[source])).astype(np.int8) for source in network.inputs]
    if len(q) > 1:  # the two inputs of an addition, one value each
        ours, theirs = network.run(tuple(q)), micro_with_several(data, q)
    elif "floatio" in name:
        real = network.quantization[network.input].dequantize(q[0])
        ours, theirs = network.predict(real), micro(data, real)
    else:
        ours, theirs = network.run(q[0]), micro(data, q[0])
        if theirs.dtype == np.uint8:
            theirs = theirs.astype(int) - 128
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))
    again = tflite.from_bytes(tflite.to_bytes(network))
    np.testing.assert_array_equal(
        again.run(tuple(q) if len(q) > 1 else q[0]), network.run(dict(zip(network.inputs, q, strict=True)))
    )


def micro_with_several(data, inputs):
    from tflite_micro import runtime

    interpreter, results = runtime.Interpreter.from_bytes(data, arena_size=1 << 20), []
    for rows in zip(*inputs, strict=True):
        for position, row in enumerate(rows):
            interpreter.set_input(row.reshape(interpreter.get_input_details(position)["shape"]), position)
        interpreter.invoke()
        results.append(interpreter.get_output(0)[0].copy())
    return np.stack(results)


@pytest.mark.parametrize("name", FLOAT)
def test_published_dynamic_range_networks_are_near_litert(name):
    """LiteRT quantizes the activations of such a file, so its probabilities are only near those in float32."""
    data = published.read(name)
    network = tflite.from_bytes(data)
    assert not isinstance(network, QuantizedNetwork)
    assert len(network.ops) == FLOAT[name]
    x = np.random.default_rng(5).normal(size=(4, *network.shapes[network.input])).astype(np.float32)
    np.testing.assert_allclose(network.run(x), litert(data, x), atol=0.05)


@pytest.mark.parametrize("name", REFUSED)
def test_published_networks_that_are_refused_say_why(name):
    with pytest.raises(ValueError, match=r"^[^\n]+$") as refused:
        tflite.from_bytes(published.read(name))
    assert REFUSED[name] in str(refused.value)
