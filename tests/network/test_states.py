"""A network with states runs a sequence: all at once, piece by piece in a session, and again after a reset."""

import numpy as np
import pytest
from stateful_networks import NETWORKS, delays, quantized, sequence, streaming

from edgekit import calibration, quantization
from edgekit.network import Network, Op, Session
from edgekit.quantization import comparing


def by_hand(net, x):
    """`streaming` as one convolution over the whole sequence, after zeros."""
    conv, head = (next(op for op in net.ops if op.name == name) for name in ("conv", "head"))

    def over_time(op, frames):
        frames = np.concatenate([np.zeros((2, frames.shape[1])), frames])
        windows = np.stack([frames[i : len(frames) - 2 + i] for i in range(3)], axis=1)
        return np.einsum("nkc,okc->no", windows, op.weights[:, :, 0]) + op.bias

    hidden = np.maximum(over_time(conv, x.reshape(len(x), -1)), 0)
    return 1 / (1 + np.exp(-over_time(head, hidden)))


def test_a_batch_is_a_sequence_that_begins_with_zeros():
    net = streaming()
    x = sequence(net)
    np.testing.assert_allclose(net.run(x)[:, 0, 0], by_hand(net, x), atol=1e-5)
    np.testing.assert_array_equal(net.run(x), net.run(x))
    assert not np.allclose(net.run(x)[5], net.run(x[5:6])[0])


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_a_session_goes_on_where_it_stopped_until_it_is_reset(kind):
    net = streaming() if kind == "float32" else quantized(streaming())
    x = sequence(net)
    session = Session(net)
    parts = [session.predict(part) for part in (x[:1], x[1:9], x[9:9], x[9:])]
    np.testing.assert_array_equal(np.concatenate(parts), net.predict(x))
    assert {name: values.shape for name, values in session.states.items()} == {"first": (2, 1, 4), "second": (2, 1, 6)}
    session.reset()
    np.testing.assert_array_equal(session.predict(x[:3]), net.predict(x[:3]))
    np.testing.assert_array_equal(x, sequence(net))  # a session changes no array of the caller


def test_states_keep_inputs_other_states_and_outputs():
    net, x = delays(), sequence(delays())
    y, old = net.run(x)
    np.testing.assert_array_equal(old[1:].reshape(-1, 4), y[:-1])
    np.testing.assert_array_equal(old[0], np.zeros((2, 2)))
    dense, before = net.ops[2], np.concatenate([np.zeros((2, 4)), x])[: len(x)]
    z = np.concatenate([x + before, old.reshape(-1, 4)], axis=1) @ dense.weights.T
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-z)), atol=1e-5)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_int8_is_near_float_over_a_sequence_at_every_tensor(make):
    """A state has the scale of what it keeps; one that keeps a sigmoid does not force its scale on other values."""
    net = make()
    result = quantized(net)
    for state, kept in net.states.items():
        assert result.quantization[state] == result.quantization[kept]
    assert min(pair.decibels for pair in comparing.compare(net, result, sequence(net)).pairs) > 25


def test_adjusted_networks_keep_their_states():
    net = streaming()
    x = sequence(net)
    equal = quantization.equalize(net, x)
    np.testing.assert_allclose(equal.run(x), net.run(x), atol=1e-5)
    result = quantization.correct_bias(equal, quantized(equal), x)
    assert result.states == net.states
    assert np.abs(result.predict(x) - net.run(x)).max() < 0.05


def test_a_tensor_that_a_state_keeps_is_not_equalized():
    random = np.random.default_rng(0)
    weights = random.normal(size=(2, 6, 1, 1, 6)).astype(np.float32) * 10.0 ** random.uniform(-2, 0, (2, 6, 1, 1, 1))
    bias = np.zeros(6, np.float32)
    ops = (
        Op("conv2d", "one", ("x",), "h", padding="valid", weights=weights[0].astype(np.float32), bias=bias),
        Op("conv2d", "two", ("h",), "z", padding="valid", weights=weights[1].astype(np.float32), bias=bias),
        Op("add", "y", ("z", "before"), "y"),
    )
    shapes = dict.fromkeys(("x", "h", "z", "before", "y"), (1, 1, 6))
    net = Network("kept", "x", "y", shapes, ops, states={"before": "h"})
    x = sequence(net)
    np.testing.assert_allclose(quantization.equalize(net, x).run(x), net.run(x), atol=1e-5)


def test_a_fixed_scale_that_comes_through_states_is_known_before():
    """`all` joins a state with other values before other states pass the scale of a sigmoid on to it."""
    ops = (
        Op("concatenate", "all", ("state", "x"), "all", axis=0),
        Op("sigmoid", "y", ("x",), "y"),
        Op("reshape", "next", ("other",), "next"),
    )
    shapes = {"x": (2,), "state": (2,), "all": (4,), "y": (2,), "other": (2,), "next": (2,)}
    net = Network("late", "x", ("all", "y"), shapes, ops, states={"state": "next", "other": "y"})
    x = np.random.default_rng(0).uniform(-9, 9, (50, 2)).astype(np.float32)
    result = quantization.quantize(net, calibration.calibrate(net, x))
    np.testing.assert_allclose(result.predict(x)[0], net.run(x)[0], atol=0.06)


def test_states_that_cannot_be_are_refused():
    net = streaming()
    for states, sentence in (
        ({"x": "h"}, "the state 'x' of 'streaming' is an input, a constant or"),
        ({"first": "nothing"}, "nothing in 'streaming' computes 'nothing'"),
        ({"first": "second_kept"}, r"'first' of shape \(2, 1, 4\) cannot keep 'second_kept' of shape \(2, 1, 6\)"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Network(net.name, net.inputs, net.outputs, net.shapes, net.ops, states=states)
    with pytest.raises(ValueError, match="'streaming' keeps the states first, second; got first"):
        net.run(sequence(net), {"first": np.zeros((2, 1, 4), np.float32)})


def test_a_state_of_another_scale_than_what_it_keeps_is_refused():
    net = quantized(streaming())
    scales = net.quantization | {"first": net.quantization["y"]}
    known = {"states": net.states, "constants": net.constants}
    with pytest.raises(ValueError, match="'first' keeps 'first_kept': both must have one scale"):
        quantization.QuantizedNetwork(net.name, net.inputs, net.outputs, net.shapes, net.ops, scales, **known)
