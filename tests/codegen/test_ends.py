"""Networks with several inputs and outputs, with constants, and with layers over rows are the same everywhere."""

import re

import keras
import numpy as np
import pytest
from reference import describe, differences
from test_codegen import compiled

from edgekit import calibration, codegen, errors, network, quantization, tflite
from edgekit.cost import emulator
from edgekit.network import Network, Op


def two_by_two():
    """An image and numbers in, a class and a box out, as a detector with a second sensor has them."""
    keras.utils.set_random_seed(0)
    layers = keras.layers
    image, numbers = keras.Input((6, 5, 2), name="image"), keras.Input((3,), name="numbers")
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu")(image))
    x = layers.Concatenate()([x, layers.Dense(5, activation="tanh")(numbers)])
    return keras.Model([image, numbers], [layers.Dense(3, "softmax", name="class")(x), layers.Dense(4, name="box")(x)])


def batch(net, n=16):
    random = np.random.default_rng(1)
    arrays = {name: random.uniform(-1, 1, (n, *net.shapes[name])).astype(np.float32) for name in net.inputs}
    return arrays if len(arrays) > 1 else arrays[net.input]


def rows():
    """A fully connected layer over each row of a sequence."""
    random = np.random.default_rng(0)
    weights, bias = random.normal(size=(6, 5)).astype(np.float32), random.normal(size=6).astype(np.float32)
    op = Op("fully_connected", "dense", ("x",), "y", weights=weights, bias=bias, keepdims=True)
    return Network("rows", "x", "y", {"x": (7, 5), "y": (7, 6)}, (op,))


def constants():
    """A constant that two ops read, on either side, one of them for every row."""
    random = np.random.default_rng(0)
    ops = (Op("sub", "sub", ("c", "x"), "y"), Op("mul", "mul", ("y", "d"), "z"), Op("add", "add", ("z", "c"), "s"))
    shapes = {"x": (7, 5), "c": (7, 5), "d": (1, 5), "y": (7, 5), "z": (7, 5), "s": (7, 5)}
    baked = {name: random.normal(size=shapes[name]).astype(np.float32) for name in "cd"}
    return Network("constants", "x", "s", shapes, ops, constants=baked)


NETWORKS = {"two by two": lambda: network.from_keras(two_by_two()), "rows": rows, "constants": constants}


def quantized(net):
    return quantization.quantize(net, calibration.calibrate(net, batch(net)))


def ordered(x):
    """Several inputs by their order, since names change when they are written to a file and read."""
    return tuple(x.values()) if isinstance(x, dict) else x


def listed(results):
    return results if isinstance(results, tuple) else (results,)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_int8_is_bit_exact_in_c_in_micro_on_the_emulated_cores_and_after_writing(make, tmp_path):
    net = quantized(make())
    q = net.quantize_input(batch(net))
    expected = listed(net.run(q))
    for ours, theirs in zip(listed(compiled(net, tmp_path)(q)), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not describe(net, differences(net, q))
    again = tflite.from_bytes(tflite.to_bytes(net))
    for ours, theirs in zip(listed(again.run(ordered(q))), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    few = {name: rows[:2] for name, rows in q.items()} if isinstance(q, dict) else q[:2]
    for core in ("lx106", "dc232b"):
        for position, row in enumerate(emulator.infer(net, few, core=core).outputs):
            np.testing.assert_array_equal(row, np.concatenate([values[position].ravel() for values in expected]))


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_float_numbers_are_the_networks_in_c_and_after_writing(make, tmp_path):
    net = make()
    x = batch(net)
    again = tflite.from_bytes(tflite.to_bytes(net)).run(ordered(x))
    for theirs, ours, written in zip(*map(listed, (net.run(x), compiled(net, tmp_path)(x), again)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        np.testing.assert_allclose(written, theirs, atol=1e-5)


def test_several_inputs_and_outputs_have_kerass_order_and_the_header_names_them(tmp_path):
    model = two_by_two()
    net = network.from_keras(model)
    x = batch(net)
    for ours, theirs in zip(net.run(x), model.predict(list(x.values()), verbose=0), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    for ours, theirs in zip(net.run(tuple(x.values())), net.run(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for engine in ("compiled", "tflm"):
        header = codegen.export(quantized(net), "net", tmp_path, engine)[0].read_text()
        for end, name in (("input_0", "image"), ("input_1", "numbers"), ("output_0", "class"), ("output_1", "box")):
            assert re.search(rf"net_{end}\(void\);.*: {name}", header)


def test_a_network_of_several_inputs_is_refused_where_one_is_meant():
    net = network.from_keras(two_by_two())
    with pytest.raises(errors.InvalidValue, match="has 2: image, numbers"):
        net.input  # noqa: B018
    with pytest.raises(ValueError, match="image"):
        net.run(np.zeros((1, 6, 5, 2), np.float32))
