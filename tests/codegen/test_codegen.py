"""The generated C gives the results of edgekit's reference, in int8 to the last bit, and any compiler accepts it."""

import ctypes
import itertools
import subprocess

import keras
import numpy as np
import pytest
from conftest import require
from hypothesis import HealthCheck, given, settings
from random_networks import float_networks, quantized_networks
from reference import describe, differences

from edgekit import calibration, codegen, datasets, models, network, quantization
from edgekit.codegen import compiled as engine
from edgekit.codegen import header, tflm
from edgekit.network import Network, Op, output_shape

STRICT = ["-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror"]
_count = itertools.count()


def compiled(model, folder, flags=("-O2",), name="net"):
    """A function that runs a network's generated C on a batch, on this computer."""
    _, source = codegen.export(model, name, folder)
    return loaded(model, source, folder, flags, name)


def poisoned(model, folder):
    """As `compiled`, but after each op the memory that the plan calls free is filled with rubbish."""
    result = engine.compile_network(model, "net", probe="poison")
    _, source = codegen.export(model, "net", folder)  # for the header; the source is replaced
    regions = []
    for position in range(len(model.ops)):
        needed = np.zeros(result.arena.size, bool)
        for buffer in result.arena.buffers:
            if buffer.first <= position < buffer.last:
                start = result.arena.offsets[buffer.name]
                needed[start : start + buffer.size] = True
        edges = np.flatnonzero(np.diff(np.concatenate([[0], ~needed, [0]])))
        regions += [(position, start, end) for start, end in zip(edges[::2], edges[1::2], strict=True)]
    rows = ",".join(f"{{{position}, {start}, {end}}}" for position, start, end in regions) or "{-1, 0, 0}"
    source.write_text(
        "static void poison(int op);\n"
        + result.source
        + f"static const int regions[][3] = {{{rows}}};\n"
        + "static void poison(int op) { (void)&poison;\n"
        + "for (unsigned i = 0; i < sizeof regions / sizeof *regions; i++)\n"
        + "if (regions[i][0] == op) for (int k = regions[i][1]; k < regions[i][2]; k++) arena.bytes[k] = 77; }\n"
    )
    return loaded(model, source, folder, ("-O1",), "net")


def loaded(model, source, folder, flags, name):
    library = folder / f"library{next(_count)}.so"  # a path that was loaded once is not loaded again
    command = [require("gcc"), "-x", "c", "-std=c99", *STRICT, *flags, "-shared", "-fPIC", source, "-o", library, "-lm"]
    subprocess.run(command, check=True)
    library = ctypes.CDLL(str(library))
    value = ctypes.c_int8 if isinstance(model, quantization.QuantizedNetwork) else ctypes.c_float
    ends = header.ends(model)
    for end in ends:
        getattr(library, f"{name}_{end.name}").restype = ctypes.POINTER(value)

    def array(end):
        size = int(np.prod(model.shapes[end.tensor]))
        return np.ctypeslib.as_array(getattr(library, f"{name}_{end.name}")(), (size,))

    def run(x):
        """As `model.run`."""
        assert getattr(library, f"{name}_init")() == 0
        results = [[] for _ in model.outputs]
        for row in zip(*(x.values() if isinstance(x, dict) else [x]), strict=True):
            for end, values in zip((end for end in ends if end.is_input), row, strict=True):
                array(end)[:] = values.ravel()
            assert getattr(library, f"{name}_invoke")() == 0
            for end, kept in zip((end for end in ends if not end.is_input), results, strict=True):
                kept.append(array(end).reshape(model.shapes[end.tensor]).copy())
        return tuple(map(np.array, results)) if len(results) > 1 else np.array(results[0])

    return run


def every_op():
    """A network with every op there is."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    source = keras.Input((13, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6")(source)
    y = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    x = layers.Add()([x, y])
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2)(x)
    y = layers.Conv2D(5, 1, activation="tanh")(layers.MaxPooling2D(2, padding="same")(x))
    y = layers.Conv2D(4, 1)(layers.Activation("sigmoid")(y))
    x = layers.Concatenate()([layers.AveragePooling2D(2, padding="same")(x), y])
    x = layers.Conv2D(6, 3)(layers.ZeroPadding2D(((2, 1), (1, 2)))(x))
    y = layers.GlobalAveragePooling2D()(x)
    z = layers.Multiply()([x, layers.Activation("sigmoid")(y)]) * 2 - np.ones((3, 1, 1))
    y = layers.Minimum()([layers.Maximum()([z, y]), keras.ops.square(z - x), keras.ops.subtract(np.eye(2, 6), z)])
    z = layers.LSTM(4)(layers.LSTM(9, return_sequences=True)(keras.ops.max(y, axis=1)))
    x = layers.Concatenate()([layers.Flatten()(moved(x)), layers.Flatten()(y), z])
    return network.from_keras(keras.Model(source, layers.Dense(5, activation="softmax")(x), name="every op"))


def moved(x):
    """An image after every op that moves its values."""
    layers, ops = keras.layers, keras.ops
    x = layers.UpSampling2D(2)(layers.UpSampling2D((1, 2), interpolation="bilinear")(x))
    x = ops.pad(x[:, ::-2, 1:], ((0, 0), (1, 0), (0, 1), (0, 0)), constant_values=0.5)
    x = ops.pad(layers.Permute((3, 1, 2))(x), ((0, 0), (1, 2), (0, 1), (0, 0)), mode="reflect")
    x = ops.take(ops.image.resize(x, (5, 4), interpolation="nearest"), [2, 0, 3], axis=1)
    x = ops.repeat(x, 2, axis=2)
    return layers.Attention()([x, x])


def every_window():
    """Convolutions with dilation, in groups, transposed and over a sequence; reductions."""
    keras.utils.set_random_seed(4)
    layers = keras.layers
    source = keras.Input((9, 7, 4))
    x = layers.Conv2D(6, 3, dilation_rate=(2, 1), padding="same", activation="relu")(source)
    x = layers.Conv2D(6, 2, groups=3, strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(3, 3, strides=(2, 3), padding="same", activation="relu")(x)
    y = layers.DepthwiseConv2D(3, strides=3, padding="same", depth_multiplier=2)(x)
    y = layers.DepthwiseConv2D((2, 1), dilation_rate=(3, 1))(y)
    z = layers.Conv1D(4, 3, padding="causal", dilation_rate=2)(layers.Reshape((24, 15))(x))
    z = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(z)
    z = layers.Conv1DTranspose(2, 4, strides=3)(layers.MaxPooling1D(5, padding="same")(z))
    ends = [layers.GlobalMaxPooling2D()(y), layers.GlobalAveragePooling1D()(z), keras.ops.sum(x, axis=(1, 3))]
    return network.from_keras(
        keras.Model(source, layers.Concatenate()([*ends, keras.ops.min(z, axis=2)]), name="every window")
    )


def xor():
    return network.from_keras(models.xor_mlp())


def add_of_three():
    """Two ops of one layer, and a layer that is used twice: none of their constants may have one name."""
    x = keras.Input((4,))
    layer = keras.layers.Dense(4, name="twice")
    return network.from_keras(keras.Model(x, keras.layers.Add(name="plus")([x, layer(x), layer(layer(x))])))


def same_names():
    """Two inner models each with a layer of the same name, one of them used twice."""
    first = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "relu", name="d")], name="first")
    second = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "tanh", name="d")], name="second")
    x = keras.Input((4,))
    return network.from_keras(keras.Model(x, keras.layers.Add(name="d")([first(x), second(first(x))])))


NETWORKS = {
    "xor": xor,
    "every op": every_op,
    "every window": every_window,
    "add of three": add_of_three,
    "same names": same_names,
}


def quantized(net, seed=0):
    x = np.random.default_rng(seed).uniform(-1, 1, (16, *net.shapes[net.input])).astype(np.float32)
    return quantization.quantize(net, calibration.calibrate(net, x))


def int8_inputs(net, n=50):
    return np.random.default_rng(1).integers(-128, 128, (n, *net.shapes[net.input])).astype(np.int8)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_int8_c_is_bit_exact(make, tmp_path):
    net = quantized(make())
    x = int8_inputs(net)
    np.testing.assert_array_equal(compiled(net, tmp_path)(x), net.run(x))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_float_c_gives_the_networks_numbers(make, tmp_path):
    net = make()
    x = np.random.default_rng(1).uniform(-1, 1, (20, *net.shapes[net.input])).astype(np.float32)
    np.testing.assert_allclose(compiled(net, tmp_path)(x), net.run(x), atol=1e-5)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(case=quantized_networks())
def test_random_int8_networks_are_bit_exact_in_c_and_read_nothing_that_the_plan_calls_free(case, tmp_path_factory):
    net, x = case
    np.testing.assert_array_equal(poisoned(net, tmp_path_factory.mktemp("net"))(x), net.run(x))


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(net=float_networks())
def test_random_float_networks_give_their_numbers_in_c_and_read_nothing_that_the_plan_calls_free(net, tmp_path_factory):
    x = np.random.default_rng(1).uniform(-1, 1, (3, *net.shapes[net.input])).astype(np.float32)
    expected = net.run(x)
    results = poisoned(net, tmp_path_factory.mktemp("net"))(x)
    np.testing.assert_allclose(results, expected, atol=1e-4 * max(1, float(np.abs(expected).max())))


FOUR_AXES = (
    Op("transpose", "t", ("x",), "y", perm=(3, 1, 2, 0)),
    Op("gather", "g", ("x",), "y", indices=(3, 0, 2), axis=1),
    Op("broadcast_to", "b", ("x",), "y", size=(3, 4, 3, 2)),
    Op("mirror_pad", "m", ("x",), "y", paddings=((1, 1), (2, 1), (0, 1), (1, 0)), mode="reflect"),
    Op("pad_constant", "p", ("x",), "y", paddings=((1, 1), (2, 1), (0, 1), (1, 0)), fill=0.5),
    Op("batch_matmul", "b", ("x", "x"), "y", transposed=(False, True)),
)


@pytest.mark.parametrize("op", FOUR_AXES, ids=lambda op: op.kind)
def test_movements_of_four_axes_are_bit_exact_in_c_and_with_micro(op, tmp_path):
    shape = (3, 4, 3, 2)
    x = np.random.default_rng(0).normal(size=(5, *shape)).astype(np.float32)
    net = Network("four", ("x",), ("y",), {"x": shape, "y": output_shape(op, [shape] * len(op.inputs))}, (op,))
    np.testing.assert_allclose(compiled(net, tmp_path)(x), net.run(x), atol=1e-6)
    net = quantization.quantize(net, calibration.calibrate(net, x))
    q = net.quantize_input(x)
    np.testing.assert_array_equal(compiled(net, tmp_path)(q), net.run(q))
    assert not describe(net, differences(net, q))


@pytest.fixture(scope="module")
def car():
    """The car network in int8, and its test images."""
    float_network = network.from_keras(models.load_pretrained("carclassifier"))
    calibrated = models.preprocess(datasets.load("cars", "calibration").images)
    net = quantization.quantize(float_network, calibration.calibrate(float_network, calibrated))
    return net, net.quantize_input(models.preprocess(datasets.load("cars", "test").images))


def test_the_car_network_is_bit_exact_in_c_on_500_images(car, tmp_path):
    net, x = car
    assert len(x) == 500
    np.testing.assert_array_equal(compiled(net, tmp_path)(x), net.run(x))
    np.testing.assert_array_equal(poisoned(net, tmp_path)(x[:20]), net.run(x[:20]))


def test_the_car_network_keeps_within_its_budgets_on_the_emulated_cores(car):
    from edgekit.cost import emulator

    require(emulator.COMPILER)
    require(emulator.EMULATOR)
    net, x = car
    for core, budget in {"lx106": 40e6, "dc232b": 21e6}.items():
        result = emulator.infer(net, x[:5], core)
        np.testing.assert_array_equal(np.array(result.outputs), net.run(x[:5]))
        assert result.instructions <= budget
        assert result.arena <= 40_000
        assert result.flash <= 250_000


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(case=quantized_networks(max_ops=6))
def test_random_int8_networks_are_bit_exact_on_the_emulated_cores(case):
    from edgekit.cost import emulator

    require(emulator.COMPILER)
    require(emulator.EMULATOR)
    net, x = case
    for core in emulator.CORES:
        outputs = np.array(emulator.infer(net, x, core).outputs)
        np.testing.assert_array_equal(outputs.reshape(net.run(x).shape), net.run(x))


def apart(random):
    """A network of the ops that the random networks leave out, on values above 0."""
    shapes, ops = {"x": (2, 3, 4)}, []
    chain = ["sigmoid", "sqrt", "gelu", "sigmoid", "log", "exp", "rsqrt", "relu_n1_to_1", "gelu", "relu_0_to_1"]
    for index, kind in enumerate(chain):
        source, result = list(shapes)[-1], f"t{index}"
        ops.append(Op(kind, f"{kind}_{index}", (source,), result, approximate=index == 2))
        shapes[result] = shapes["x"]
    x = random.normal(0, 3, (20, 2, 3, 4)).astype(np.float32)
    return network.Network("apart", "x", result, shapes, tuple(ops)), x


def test_the_ops_that_the_random_networks_leave_out_are_bit_exact_in_c_and_on_the_emulated_cores(tmp_path):
    from edgekit.cost import emulator

    net, x = apart(np.random.default_rng(0))
    np.testing.assert_allclose(compiled(net, tmp_path)(x), net.run(x), rtol=1e-4, atol=1e-5)
    int8 = quantization.quantize(net, calibration.calibrate(net, x))
    q = int8.quantize_input(x)
    np.testing.assert_array_equal(compiled(int8, tmp_path)(q), int8.run(q))
    require(emulator.COMPILER)
    require(emulator.EMULATOR)
    for core in emulator.CORES:
        outputs = np.array(emulator.infer(int8, q[:3], core).outputs)
        np.testing.assert_array_equal(outputs.ravel(), int8.run(q[:3]).ravel())


def test_every_window_is_bit_exact_on_the_emulated_cores():
    from edgekit.cost import emulator

    require(emulator.COMPILER)
    require(emulator.EMULATOR)
    net = quantized(every_window())
    x = int8_inputs(net, 2)
    for core in emulator.CORES:
        outputs = np.array(emulator.infer(net, x, core).outputs)
        np.testing.assert_array_equal(outputs.reshape(net.run(x).shape), net.run(x))


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("language", [("c", "c99"), ("c++", "c++11"), ("c++", "c++20")], ids=lambda pair: pair[1])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_compilers_accept_the_c_without_a_warning(compiler, language, kind, tmp_path):
    net = every_op()
    _, source = codegen.export(net if kind == "float32" else quantized(net), "net", tmp_path)
    flags = ["-x", language[0], f"-std={language[1]}", *STRICT, "-O2", "-c", source, "-o", tmp_path / "net.o"]
    subprocess.run([require(compiler), *flags], check=True)


def test_the_c_wants_nothing_but_memcpy_and_allocates_nothing(tmp_path):
    _, source = codegen.export(quantized(every_op()), "net", tmp_path)
    subprocess.run(
        [require("gcc"), "-x", "c", "-O1", "-ffreestanding", "-c", source, "-o", tmp_path / "net.o"], check=True
    )
    symbols = subprocess.run([require("nm"), "-u", tmp_path / "net.o"], check=True, capture_output=True, text=True)
    assert {line.split()[-1] for line in symbols.stdout.splitlines()} <= {"memcpy", "memset", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("make", [every_op, every_window])
@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_sanitizers_are_silent(kind, make, tmp_path):
    net = make()
    if kind == "int8":
        net = quantized(net)
    codegen.export(net, "net", tmp_path)
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void) { if (net_init()) return 1;\n'
        "for (int i = 0; i < net_input_size; i++) net_input()[i] = (net_value)(i * 37 % 200 - 100);\n"
        "return net_invoke() + 0 * (int)net_output()[0]; }\n"
    )
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
    program = tmp_path / "program"
    sources = ["-x", "c", "-std=c99", tmp_path / "main.c", tmp_path / "net.cpp"]
    subprocess.run([require("gcc"), *sanitize, *sources, "-o", program, "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_tflm_engine_carries_the_file_and_just_the_ops_it_needs(tmp_path):
    from edgekit import tflite

    net = quantized(xor())
    header, source = codegen.export(net, "net", tmp_path, engine="tflm")
    text = source.read_text()
    inside = text[text.index("model_data[") :].partition("{")[2].partition("}")[0]
    assert bytes(map(int, inside.split(","))) == tflite.to_bytes(net)
    assert text.count("resolver.Add") == 3
    assert f"net_arena_size = {tflm.arena_size(net)}" in header.read_text()


def test_names_that_c_does_not_allow_are_refused(tmp_path):
    for name in ("2cars", "a-b", "while", "", "naïve"):
        with pytest.raises(ValueError, match="must be letters"):
            codegen.export(xor(), name, tmp_path)
    with pytest.raises(ValueError, match="engine is one of compiled, tflm"):
        codegen.export(xor(), "net", tmp_path, engine="onnx")


def test_tensors_may_be_called_anything(tmp_path):
    keras.utils.set_random_seed(1)
    source = keras.Input((4,), name="int")
    x = keras.layers.Dense(3, name="while")(source)
    x = keras.layers.Dense(3, name="memcpy")(x)
    net = quantized(network.from_keras(keras.Model(source, keras.layers.Dense(2, name="requantize")(x))))
    x = int8_inputs(net)
    np.testing.assert_array_equal(compiled(net, tmp_path)(x), net.run(x))
