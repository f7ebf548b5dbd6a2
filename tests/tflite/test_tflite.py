"""LiteRT and TensorFlow Lite Micro run the .tflite files that edgekit writes, and give the same results."""

import keras
import numpy as np

from edgekit import calibration, models, network, quantization, tflite


def small_network():
    """A network with every shape of op the writer has options for, and weights that are not symmetric."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    source = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(source)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.Add()([x, y])
    y = layers.Conv2D(4, 1)(layers.MaxPooling2D(2)(x))
    x = layers.Concatenate()([layers.AveragePooling2D(2)(x), y])
    x = layers.Conv2D(6, 3)(layers.ZeroPadding2D(((2, 1), (1, 2)))(x))
    x = layers.Flatten()(x)
    model = keras.Model(source, layers.Dense(5, activation="softmax")(x), name="small")
    return network.from_keras(model)


def images(shape, n=16):
    return np.random.default_rng(5).uniform(-1, 1, (n, *shape)).astype(np.float32)


def litert(data, x):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    outputs = []
    for row in x:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], row[None])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    return np.concatenate(outputs)


def test_a_float_network_gives_the_same_numbers_in_litert():
    net = small_network()
    x = images((12, 12, 3))
    np.testing.assert_allclose(litert(tflite.to_bytes(net), x), net.run(x), atol=1e-5)


def test_an_int8_network_stays_near_the_float_one_in_litert():
    net = small_network()
    x = images((12, 12, 3))
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    q = litert(tflite.to_bytes(quantized), quantized.quantize_input(x))
    assert q.dtype == np.int8
    np.testing.assert_allclose(quantized.dequantize_output(q), net.run(x), atol=0.05)


def test_the_file_carries_the_models_name_and_identifier():
    from ai_edge_litert import schema_py_generated as schema

    data = tflite.to_bytes(network.from_keras(models.xor_mlp()))
    assert data[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    assert model.subgraphs[0].name == model.description
    assert model.metadata[0].name == b"model_name"
    assert bytes(model.buffers[model.metadata[0].buffer].data) == model.description
