"""Activations: each int8 of each function equals the runtime's, and Keras's functions are read rightly or refused."""

import functools

import keras
import numpy as np
import one_of_each
import pytest
import tensorflow
from ai_edge_litert import schema_py_generated as schema
from converted import convert, random_images
from random_networks import APART
from reference import describe, differences, litert, micro

from edgekit import calibration, codegen, network, quantization, tflite
from edgekit.network import Network, Op
from edgekit.network.keras import FUNCTIONS
from edgekit.quantization import Quantization, QuantizedNetwork, tables

EVERY = np.arange(-128, 128).astype(np.int8)[None]
OPTIONS = {
    "leaky_relu": [{"alpha": 0.25}, {"alpha": -0.7}, {"alpha": 1.5}],
    "gelu": [{"approximate": True}, {"approximate": False}],
    "softmax": [{"beta": 0.3}, {"beta": 4.0}],
}
NOT_IN_MICRO = [kind for kind, operator in tflite.OPERATORS.items() if "int8" not in operator.in_micro]


def of_one_op(kind, source, result, shape=(256,), **options):
    op = Op(kind, kind, ("x",), "y", **options)
    return QuantizedNetwork("one", "x", "y", {"x": shape, "y": shape}, (op,), {"x": source, "y": result})


def quantizations(kind, random, n):
    """Pairs for the input and output of an op: of any ratio, and of simple ratios, whose products lie between steps."""
    fixed = quantization.FIXED.get(kind)
    for index in range(n):
        scale = 10.0 ** random.uniform(-2.5, 0)
        ratio = 10.0 ** random.uniform(-1, 1) if index % 2 else np.divide(*random.integers(20, 300, 2))
        if kind == "hard_swish":  # around its kink at 3
            scale = 3 / random.integers(10, 200) if index % 2 else scale
        zero_points = random.integers(-128, 128, 2).tolist()
        if kind in ("sqrt", "rsqrt"):
            zero_points[0], ratio = -128, scale ** ((0.5 if kind == "sqrt" else -0.5) - 1) / 100
        source = Quantization(np.float32(scale), zero_points[0])
        result = Quantization(np.float32(scale * ratio), zero_points[1])
        yield source, source if kind == "relu6" else fixed or result


@pytest.mark.parametrize("kind", sorted({*tables.TABLE} - {"sigmoid", "tanh"}))
def test_every_value_of_a_table_is_bit_exact(kind):
    random = np.random.default_rng(len(kind))
    for index, pair in enumerate(quantizations(kind, random, 40)):
        choices = OPTIONS.get(kind, [{}])
        net = of_one_op(kind, *pair, **choices[index % len(choices)])
        reference = litert if kind in NOT_IN_MICRO else micro
        np.testing.assert_array_equal(net.run(EVERY), reference(tflite.to_bytes(net), EVERY), str((pair, net.ops)))


@pytest.mark.parametrize("kind", ["softmax", "log_softmax"])
def test_rows_of_values_are_bit_exact_with_micro(kind):
    random = np.random.default_rng(3)
    for index, shape in enumerate([(256,), (7, 2), (1, 5, 11), (300,)] * 3):
        choices = OPTIONS.get(kind, [{}])
        for source, result in quantizations(kind, random, 4):
            net = of_one_op(kind, source, result, shape, **choices[index % len(choices)])
            q = random.integers(-128, 128, (3, *shape)).astype(np.int8)
            q[0] = 5  # equal values
            np.testing.assert_array_equal(net.run(q), micro(tflite.to_bytes(net), q), str((source, net.ops)))


@pytest.mark.parametrize("slopes", [(4, 5, 3), (1, 1, 3), (4, 1, 1), (1, 5, 3), (3,), ()])
def test_a_prelu_is_bit_exact_with_micro_whichever_axes_share_their_slopes(slopes):
    random = np.random.default_rng(len(slopes))
    shape = (4, 5, 3)
    op = Op("prelu", "p", ("x", "a"), "y")
    values = random.normal(size=slopes).astype(np.float32)
    net = Network("p", "x", "y", {"x": shape, "a": slopes, "y": shape}, (op,), constants={"a": values})
    x = random.normal(0, 3, (30, *shape)).astype(np.float32)
    np.testing.assert_array_equal(net.run(x), np.where(x >= 0, x, x * values))
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))
    again = tflite.from_bytes(tflite.to_bytes(quantized))
    np.testing.assert_array_equal(
        again.run(EVERY.repeat(60, 0)[:, :60].reshape(60, *shape)),
        quantized.run(EVERY.repeat(60, 0)[:, :60].reshape(60, *shape)),
    )


def test_slopes_that_do_not_fit_are_refused():
    op = Op("prelu", "p", ("x", "a"), "y")
    with pytest.raises(ValueError, match=r"'p' has slopes of shape \(2,\) for values of shape \(4, 3\)"):
        network.output_shape(op, [(4, 3), (2,)])


def test_a_relu6_with_a_scale_of_its_own_is_bit_exact_with_litert():
    """Micro clamps in the input's steps and calls them the output's, so a QUANTIZE before it does the rescaling."""
    random = np.random.default_rng(0)
    for _ in range(20):
        scales, zero_points = 10.0 ** random.uniform(-2, -0.5, 2), random.integers(-128, 100, 2).tolist()
        source, result = (Quantization(np.float32(s), z) for s, z in zip(scales, zero_points, strict=True))
        data = tflite.to_bytes(of_one_op("relu6", source, result))
        net = tflite.from_bytes(data)
        assert [op.kind for op in net.ops] == ["rescale", "relu6"]
        np.testing.assert_array_equal(net.run(EVERY), litert(data, EVERY))
        np.testing.assert_array_equal(net.run(EVERY), micro(tflite.to_bytes(net), EVERY))


# Keras


def model_of(*layers, shape=(12,)):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(shape), *layers])


def same(model, tolerance=2e-5):
    """The network of a model, which computes the same."""
    x = random_images(model.input_shape[1:], 20) * 2
    net = network.from_keras(model)
    expected = np.asarray(model(x))
    np.testing.assert_allclose(net.run(x), expected, atol=tolerance * max(1, np.abs(expected).max()))
    return net


CALL_TENSORFLOW = ("hard_silu", "hard_swish")  # and therefore take no symbolic tensor


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_every_function_of_keras_is_computed_as_keras_does(name):
    if hasattr(keras.activations, name):
        same(model_of(keras.layers.Dense(9, activation=name)))
        if name not in CALL_TENSORFLOW:
            x = keras.Input((12,))
            same(keras.Model(x, getattr(keras.activations, name)(keras.layers.Dense(9)(x))))
    else:
        x = keras.Input((12,))
        same(keras.Model(x, getattr(keras.ops, name)(keras.layers.Dense(9)(x))))


LAYERS = keras.layers
UNIFORM = keras.initializers.RandomUniform(-1, 1)


@pytest.mark.parametrize(
    ("layers", "kinds"),
    [
        ([LAYERS.ReLU(6)], ["conv2d relu6"]),
        ([LAYERS.ReLU(), LAYERS.ReLU(6)], ["conv2d relu6"]),
        ([LAYERS.Activation("hard_tanh")], ["conv2d relu_n1_to_1"]),
        ([LAYERS.ReLU(negative_slope=0.1)], ["conv2d", "leaky_relu"]),
        ([LAYERS.LeakyReLU(0.3)], ["conv2d", "leaky_relu"]),
        ([LAYERS.ELU()], ["conv2d", "elu"]),
        ([LAYERS.ELU(0.5)], ["conv2d", "elu", "leaky_relu"]),
        ([LAYERS.PReLU(UNIFORM, shared_axes=(1, 2))], ["conv2d", "prelu"]),
        ([LAYERS.PReLU(UNIFORM)], ["conv2d", "prelu"]),
        ([LAYERS.Activation(LAYERS.LeakyReLU(0.3))], ["conv2d", "leaky_relu"]),
        ([LAYERS.ReLU(1)], ["conv2d relu6", "reshape", "depthwise_conv2d", "reshape"]),
        ([LAYERS.ReLU(1), LAYERS.Conv2D(2, 1)], ["conv2d relu6", "conv2d"]),
        ([LAYERS.ReLU(1, 0.2)], ["conv2d", "leaky_relu", "minimum"]),
        ([LAYERS.Activation("hard_sigmoid"), LAYERS.Conv2D(2, 1)], ["conv2d relu6", "conv2d"]),
        ([LAYERS.Activation("swish")], ["conv2d", "sigmoid", "mul"]),
        ([LAYERS.Softmax()], ["conv2d", "softmax"]),
    ],
)
def test_a_layer_that_is_an_activation_is_fused_if_a_file_can(layers, kinds):
    layers = [layer.__class__.from_config(layer.get_config()) for layer in layers]
    net = same(model_of(LAYERS.Conv2D(3, 2), *layers, shape=(5, 4, 2)))
    assert [f"{op.kind} {op.activation}".removesuffix(" none") for op in net.ops] == kinds


def test_an_activation_with_nothing_to_fuse_into_is_an_op_of_its_own():
    for layer, kinds in [
        (LAYERS.ReLU(), ["relu"]),
        (LAYERS.ReLU(6), ["relu6"]),
        (LAYERS.Activation("hard_tanh"), ["reshape", "max_pool2d", "reshape"]),
    ]:
        net = same(model_of(layer))
        assert [op.kind for op in net.ops] == kinds
        x = random_images((12,), 20) * 4
        quantized = quantization.quantize(net, calibration.calibrate(net, x))
        assert not describe(quantized, differences(quantized, quantized.quantize_input(x)))


def test_a_function_with_other_arguments_is_read_with_them():
    for function, kind, option in [
        (functools.partial(keras.activations.gelu, approximate=True), "gelu", {"approximate": True}),
        (keras.ops.gelu, "gelu", {"approximate": True}),
        (keras.activations.gelu, "gelu", {"approximate": False}),
        (functools.partial(keras.activations.leaky_relu, negative_slope=0.1), "leaky_relu", {"alpha": 0.1}),
        (tensorflow.nn.leaky_relu, "leaky_relu", {"alpha": 0.2}),
    ]:
        op = same(model_of(LAYERS.Dense(3, activation=function))).ops[-1]
        assert op.kind == kind
        assert all(getattr(op, name) == value for name, value in option.items())


def relu(x):
    """Not Keras's, though it is called so."""
    return keras.ops.relu(x) * 2


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda: LAYERS.Dense(3, activation="softplus"), "has the activation softplus, which is not supported"),
        (lambda: LAYERS.Activation("mish"), "has the activation mish, which is not supported"),
        (lambda: LAYERS.Dense(3, activation=lambda x: x * 2), "has the activation <lambda>, a function of"),
        (lambda: LAYERS.Dense(3, activation=relu), "has the activation relu, a function of"),
        (lambda: LAYERS.ReLU(threshold=1), "'at' is a ReLU with threshold=1.0"),
    ],
)
def test_an_activation_that_cannot_be_computed_exactly_is_refused(layer, message):
    layer = layer()
    layer.name = "at"
    with pytest.raises(ValueError, match=message):
        network.from_keras(model_of(layer))


# Files and engines


@pytest.mark.parametrize("kind", [*NOT_IN_MICRO, "elu"])
def test_what_micro_lacks_in_int8_is_refused_by_its_engine(kind, tmp_path):
    net, x = one_of_each.network(kind)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    if kind in NOT_IN_MICRO:
        with pytest.raises(ValueError, match=r"Micro has no [A-Z_0-9]+ in int8, which 'the_op' needs.*compiled"):
            codegen.export(quantized, "net", tmp_path, "tflm")
    else:
        codegen.export(quantized, "net", tmp_path, "tflm")
    if "float32" in tflite.OPERATORS[kind].in_micro:
        codegen.export(net, "net", tmp_path, "tflm")


def test_every_kind_that_the_random_networks_leave_out_has_a_table():
    assert set(APART) <= set(tables.TABLE)
    assert set(NOT_IN_MICRO) <= set(APART)


def changed(data, change):
    """The file after a change of its first operator."""
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    change(model, model.subgraphs[0].operators[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.mark.parametrize("code", ["TANH", "SIGN_BIT"])
def test_a_fused_activation_that_no_kernel_computes_is_refused(code):
    net, _ = one_of_each.network("add")

    def change(model, operator):
        operator.builtinOptions.fusedActivationFunction = getattr(schema.ActivationFunctionType, code)

    with pytest.raises(ValueError, match=f"has the fused activation {code}, which is not supported"):
        tflite.from_bytes(changed(tflite.to_bytes(net), change))


@pytest.mark.parametrize("beta", [0.0, -1.0, float("nan"), float("inf")])
def test_a_softmax_with_an_impossible_beta_is_refused(beta):
    net = of_one_op("softmax", Quantization(np.float32(0.1), 0), Quantization(np.float32(1 / 256), -128))

    def change(model, operator):
        operator.builtinOptions.beta = beta

    with pytest.raises(ValueError, match="beta"):
        tflite.from_bytes(changed(tflite.to_bytes(net), change))


@pytest.mark.parametrize("kind", ["sqrt", "rsqrt"])
def test_a_root_of_values_that_may_be_negative_is_refused(kind):
    net = of_one_op(kind, Quantization(np.float32(0.1), 0), Quantization(np.float32(0.1), 0))
    with pytest.raises(ValueError, match=rf"'{kind}' is a {kind} of values that may be negative"):
        net.run(EVERY)
    with pytest.raises(ValueError, match="an input that may be negative"):
        tflite.from_bytes(tflite.to_bytes(net))


def test_a_hard_swish_whose_steps_micro_refuses_is_refused():
    net = of_one_op("hard_swish", Quantization(np.float32(1), 0), Quantization(np.float32(1 / 130), 0))
    with pytest.raises(ValueError, match="too fine beside the input scale"):
        tflite.from_bytes(tflite.to_bytes(net))


def test_a_converted_model_of_many_activations_is_bit_exact_with_micro():
    layers = [
        *(LAYERS.Conv2D(6, 3), LAYERS.LeakyReLU(0.1), LAYERS.Conv2D(5, 2), LAYERS.PReLU(UNIFORM, shared_axes=(1, 2))),
        *(LAYERS.Conv2D(4, 1, activation="hard_silu"), LAYERS.Conv2D(4, 1, activation="hard_tanh")),
        *(
            LAYERS.Conv2D(4, 1, activation="silu"),
            LAYERS.Flatten(),
            LAYERS.Dense(7),
            LAYERS.ReLU(negative_slope=0.2),
            LAYERS.Dense(5, activation="log_softmax"),
        ),
    ]
    model, images = model_of(*layers, shape=(7, 7, 2)), random_images((7, 7, 2), 40)
    data = convert(model, "int8", images)
    net = tflite.from_bytes(data)
    q = net.quantize_input(images)
    np.testing.assert_array_equal(net.run(q), micro(data, q))
    np.testing.assert_array_equal(net.run(q), micro(tflite.to_bytes(net), q))
