"""The arena that is written for TensorFlow Lite Micro is enough for it, and not much more."""

import contextlib
from dataclasses import replace

import keras
import numpy as np
import one_of_each
import published
import pytest
import stateful_networks
import test_ends
from reference import accepted
from test_codegen import NETWORKS, quantized

from edgekit import calibration, network, quantization, tflite
from edgekit.codegen import tflm
from edgekit.network import OPS, Network, Op


def dense(i, o, scheme="per_channel"):
    """A network of one fully connected op."""
    random = np.random.default_rng(0)
    weights, bias = (random.normal(size=shape).astype(np.float32) for shape in ((o, i), (o,)))
    op = Op("fully_connected", "dense", ("x",), "y", weights=weights, bias=bias)
    return Network("dense", "x", "y", {"x": (i,), "y": (o,)}, (op,))


def small_map_of_many_channels():
    """Micro needs more memory to prepare the ops than for their tensors."""
    random = np.random.default_rng(0)
    shapes = {"x": (1, 1, 4), "y": (1, 1, 1024)}
    weights = random.normal(size=(1024, 1, 1, 4)).astype(np.float32)
    op = Op("conv2d", "conv", ("x",), "y", weights=weights, bias=np.zeros(1024, np.float32))
    return Network("wide", "x", "y", shapes, (op,))


def with_scales_by_channel(net):
    """The int8 network as TensorFlow's newer converters write it: each row of a fully connected op has a scale."""
    ops = []
    for op in net.ops:
        scales = np.full(len(op.bias), op.weight_scales[0], np.float32)
        ops.append(replace(op, weight_scales=scales))
    return replace(net, ops=tuple(ops))


def networks():
    """(name, network in float32 or int8) of every kind and of many sizes that Micro runs."""
    for kind in OPS:
        net, x = one_of_each.network(kind)
        runs = tflite.OPERATORS[kind].in_micro
        if "float32" in runs and kind != "rescale":
            yield f"{kind} float32", net
        if "int8" in runs:
            yield f"{kind} int8", quantization.quantize(net, calibration.calibrate(net, x))
    for i, o in ((8, 4), (784, 10), (640, 128), (4, 512)):
        yield f"dense {i} to {o} float32", dense(i, o)
        yield f"dense {i} to {o} int8", quantized(dense(i, o))
        yield f"dense {i} to {o} int8, scales by channel", with_scales_by_channel(quantized(dense(i, o)))
    yield "many channels", quantized(small_map_of_many_channels())
    yield "with states", stateful_networks.streaming()
    yield "with states, int8", quantized(stateful_networks.streaming())
    for name, make in (NETWORKS | test_ends.NETWORKS).items():
        yield f"{name} float32", make()
        yield f"{name} int8", (test_ends.quantized if name in test_ends.NETWORKS else quantized)(make())


def check(found, tmp_path):
    sizes = {name: tflm.arena_size(net) for name, net in found.items()}
    data = {name: tflite.to_bytes(net) for name, net in found.items()}
    enough = accepted([(data[name], size) for name, size in sizes.items()], tmp_path)
    assert [name for name, fits in zip(found, enough, strict=True) if not fits] == []
    much_less = accepted([(data[name], int((size - 1024) / 1.25)) for name, size in sizes.items()], tmp_path)
    assert [name for name, fits in zip(found, much_less, strict=True) if fits] == []


def test_the_arena_is_enough_and_at_most_a_quarter_and_a_kilobyte_too_large(tmp_path):
    pytest.importorskip("tflite_micro")
    found = dict(networks())
    assert len(found) > 100
    check(found, tmp_path)


@published.needs_networks
def test_the_arena_of_published_networks_is_enough_and_at_most_a_quarter_too_large(tmp_path):
    pytest.importorskip("tflite_micro")
    found = {}
    for name in published.names(".tflite"):
        with contextlib.suppress(ValueError):
            found[name] = tflite.from_bytes(published.read(name))
    check(found, tmp_path)


def test_a_keras_network_of_many_small_layers(tmp_path):
    """Memory for planning is more than that for the tensors."""
    pytest.importorskip("tflite_micro")
    x = source = keras.Input((6,))
    for _ in range(12):
        x = keras.layers.Dense(6, activation="relu")(x)
    net = network.from_keras(keras.Model(source, x))
    check({"float32": net, "int8": quantized(net)}, tmp_path)
