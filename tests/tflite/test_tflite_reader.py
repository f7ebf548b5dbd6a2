"""edgekit reads .tflite files of TensorFlow's converter, and gives the results of TensorFlow Lite Micro."""

import keras
import numpy as np
import pytest
from converted import branched, convert, growing, moving, random_images, settle
from hypothesis import given
from random_networks import MANY, quantized_networks
from reference import litert, micro

from edgekit import calibration, network, quantization, tflite
from edgekit.network import Op, folding
from edgekit.quantization import Quantization, QuantizedNetwork


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return settle(branched(), random_images((12, 12, 3), 64))


def test_the_converters_int8_file_is_bit_exact_with_micro(model):
    data = convert(model, "int8", random_images((12, 12, 3), 30))
    net = tflite.from_bytes(data)
    assert {op.kind for op in net.ops} >= {"rescale", "concatenate", "add", "mean", "softmax", "tanh", "pad"}
    assert {op.kind for op in net.ops} >= {"mul", "sub", "maximum", "minimum"}
    assert net.constants
    q = net.quantize_input(random_images((12, 12, 3), 40))
    np.testing.assert_array_equal(net.run(q), micro(data, q))


def test_the_converters_int8_mobilenet_v2_is_bit_exact_with_micro():
    keras.utils.set_random_seed(2)
    images = random_images((96, 96, 3), 12)
    model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)
    data = convert(settle(model, images), "int8", images)
    net = tflite.from_bytes(data)
    q = net.quantize_input(images)
    assert len(np.unique(net.run(q))) > 10
    np.testing.assert_array_equal(net.run(q), micro(data, q))


def test_an_int8_file_that_takes_and_gives_floats_is_read_without_its_ends(model):
    data = convert(model, "int8 with float32 ends", random_images((12, 12, 3), 30))
    net = tflite.from_bytes(data)
    x = random_images((12, 12, 3), 40)
    np.testing.assert_array_equal(net.predict(x), micro(data, x))


def test_the_converters_float_file_agrees_with_keras_and_can_be_quantized(model):
    net = tflite.from_bytes(convert(model, "float32"))
    assert isinstance(net, network.Network)
    x = random_images((12, 12, 3), 40)
    np.testing.assert_allclose(net.run(x), model.predict(x, verbose=0), atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = quantized.quantize_input(x)
    np.testing.assert_array_equal(quantized.run(q), micro(tflite.to_bytes(quantized), q))
    np.testing.assert_allclose(litert(tflite.to_bytes(net), x), net.run(x), atol=1e-5)


@MANY
@given(quantized_networks())
def test_random_networks_are_bit_exact_after_writing_and_reading(drawn):
    net, q = drawn
    again = tflite.from_bytes(tflite.to_bytes(net))
    np.testing.assert_array_equal(again.run(q), net.run(q))
    assert again.name == net.name
    assert again.quantization == {name: net.quantization[name] for name in again.shapes}
    needed, read = [], set(net.outputs)  # ops that no output needs are gone, as may be a pad before a convolution
    for op in reversed(folding.fold_padding(net.ops, net.shapes, net.outputs)):
        if op.output in read:
            needed.insert(0, op.kind)
            read |= set(op.inputs)
    assert [op.kind for op in again.ops] == needed


@pytest.mark.parametrize(("kind", "near"), [("float16", 1e-3), ("dynamic range", 0.02)])
def test_the_converters_partly_quantized_files_are_read_as_float32(kind, near):
    source = keras.Input((128,))
    keras_model = keras.Model(source, keras.layers.Dense(128)(source))
    net = tflite.from_bytes(convert(keras_model, kind))
    assert isinstance(net, network.Network)
    assert [op.kind for op in net.ops] == ["fully_connected"]
    weights = keras_model.layers[-1].kernel.numpy().T
    assert 0 < np.abs(net.ops[0].weights - weights).max() < near * np.abs(weights).max()


def test_the_converters_int8_movements_are_bit_exact_with_micro():
    keras.utils.set_random_seed(3)
    model = moving()
    images = random_images((6, 5, 4), 20)
    data = convert(model, "int8", images)
    net = tflite.from_bytes(data)
    kinds = {"strided_slice", "pad", "pad_constant", "mirror_pad", "resize_nearest", "resize_bilinear", "transpose"}
    assert {op.kind for op in net.ops} >= kinds | {"gather", "concatenate", "batch_matmul"}
    q = net.quantize_input(images)
    np.testing.assert_array_equal(net.run(q), micro(data, q))
    np.testing.assert_array_equal(net.run(q), micro(tflite.to_bytes(net), q))


def test_tensors_whose_shapes_the_file_computes_are_read():
    """The converter writes sizes that it does not know as 1, so the file's own shapes are wrong there."""
    keras.utils.set_random_seed(4)
    model = growing()
    x = random_images((6, 4), 20)
    net = tflite.from_bytes(convert(model, "float32"))  # TensorFlow Lite Micro has no TILE, and refuses such shapes
    assert "broadcast_to" in [op.kind for op in net.ops]
    np.testing.assert_allclose(net.run(x), model(x), atol=1e-5)


def test_movements_of_the_batch_and_tensors_without_one_are_read():
    """TensorFlow's functions, as people export them: a file of batch 1 whose tensors begin with any dimension."""
    import tensorflow as tf

    kernel = np.random.default_rng(0).normal(size=(1, 1, 12, 8)).astype(np.float32)

    def function(x):
        x = tf.nn.depth_to_space(tf.nn.conv2d(tf.nn.space_to_depth(x, 2), kernel, 1, "SAME"), 2)
        x = tf.transpose(tf.reshape(tf.slice(x, [0, 1, 0, 0], [1, 4, -1, 1]), [4, 4]))
        x = tf.pad(tf.concat([x, x[1:3]], axis=0), [[1, 0], [0, 1]])
        first, second = tf.unstack(tf.reshape(x[:6], [2, 3, 5]), axis=0)
        x = tf.transpose(tf.stack([first, second, first + second], axis=0), [1, 2, 0])
        x = tf.reverse(tf.nn.softmax(tf.linalg.matmul(x, x, transpose_b=True)), [0])
        first, second = tf.split(tf.concat([x, tf.broadcast_to(x[:1], [2, 5, 5])], axis=0), [2, 3], axis=0)
        x = tf.gather(tf.concat([second, first], 0), [4, 0, 2], axis=0)
        return tf.reshape(tf.tile(x, [2, 1, 1])[::2], [1, -1])

    concrete = tf.function(function, input_signature=[tf.TensorSpec((1, 6, 4, 3))]).get_concrete_function()
    net = tflite.from_bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    x = random_images((6, 4, 3), 5)
    np.testing.assert_allclose(net.run(x), np.concatenate([function(image[None]) for image in x]), atol=1e-5)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = quantized.quantize_input(x)
    np.testing.assert_array_equal(quantized.run(q), micro(tflite.to_bytes(quantized), q))


def test_a_tensor_without_a_batch_is_refused_where_an_op_needs_one():
    """A file whose RESHAPE gives [2, 8, 6, 3], of which a convolution would take two images."""
    source = keras.Input(batch_shape=(1, 16, 6, 3))
    x = keras.ops.reshape(source, (2, 8, 6, 3))
    with pytest.raises(ValueError, match=r"without a batch, of shape \[2, 8, 6, 3\]"):
        tflite.from_bytes(convert(keras.Model(source, keras.layers.Conv2D(4, 3, padding="same")(x)), "float32"))


def test_an_op_that_is_not_supported_is_named():
    source = keras.Input((4, 4, 2))
    odd = keras.Model(source, keras.ops.cumsum(source, axis=1))
    with pytest.raises(ValueError, match="CUMSUM, which is not supported; supported are ABS, ADD, "):
        tflite.from_bytes(convert(odd, "float32"))


@pytest.mark.parametrize(("kind", "finest"), {"add": 2**-19, "sub": 2**-19, "mul": 2**-16, "relu6": 6 / 2**31}.items())
def test_an_output_scale_that_micro_cannot_compute_is_refused(kind, finest):
    """The inputs have the scales 1 and 0.5. With a scale just above the finest, Micro agrees."""
    op = Op("mul" if kind == "relu6" else kind, "op", ("x", "c"), "y", activation=kind if kind == "relu6" else "none")
    scales = {"x": 1.0, "c": 0.5} if kind != "relu6" else {"x": 1e-9, "c": 1e-9}
    constants, shapes = {"c": np.int8([-128, -7, 3, 127])}, dict.fromkeys("xcy", (4,))

    def file(scale):
        tensors = {name: Quantization(np.float32(s), 3) for name, s in (scales | {"y": scale}).items()}
        return QuantizedNetwork("n", "x", "y", shapes, (op,), tensors, constants=constants)

    with pytest.raises(ValueError, match="finer than TensorFlow Lite Micro can compute"):
        tflite.from_bytes(tflite.to_bytes(file(finest)))
    net, q = file(finest * 1.0001), np.arange(-128, 128).astype(np.int8).reshape(-1, 4)
    again = tflite.from_bytes(tflite.to_bytes(net))
    np.testing.assert_array_equal(again.run(q), micro(tflite.to_bytes(net), q))


def test_bytes_that_are_no_tflite_file_are_refused_whatever_they_are():
    with pytest.raises(ValueError, match=r"no \.tflite file"):
        tflite.from_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ValueError, match=r"no \.tflite file"):
        tflite.from_bytes(b"")
