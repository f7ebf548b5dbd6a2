"""Two networks are compared tensor by tensor, and the first one at which they part is named."""

from dataclasses import replace

import numpy as np
import pytest

from edgekit import calibration, quantization
from edgekit.network import Network, Op
from edgekit.quantization import comparing


def network(names=("a", "b", "y"), seed=0):
    random = np.random.default_rng(seed)
    first, second, third = names
    weights = [random.normal(size=shape).astype(np.float32) for shape in ((8, 4), (8, 8), (3, 8))]
    ops = (
        Op("fully_connected", f"{first}_layer", ("x",), first, weights[0], np.zeros(8, np.float32), activation="relu"),
        Op("fully_connected", f"{second}_layer", (first,), second, weights[1], np.zeros(8, np.float32)),
        Op("fully_connected", f"{third}_layer", (second,), third, weights[2], np.zeros(3, np.float32)),
    )
    return Network("net", "x", third, {"x": (4,), first: (8,), second: (8,), third: (3,)}, ops)


@pytest.fixture
def inputs():
    return np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)


def int8(net, inputs, **options):
    return quantization.quantize(net, calibration.calibrate(net, inputs), **options)


def change(net, position, **fields):
    ops = list(net.ops)
    ops[position] = replace(ops[position], **fields)
    return replace(net, ops=tuple(ops))


def test_a_network_agrees_with_itself(inputs):
    net = network()
    for each in (net, int8(net, inputs)):
        result = comparing.compare(each, each, inputs)
        assert result.parting is None
        assert result.matching == "name"
        assert [pair.decibels for pair in result.pairs] == [np.inf] * 4
        assert result.unmatched == ((), ())


def test_int8_agrees_with_its_float_network_at_the_decibels_that_noise_measures(inputs):
    net = network()
    quantized = int8(net, inputs)
    result = comparing.compare(net, quantized, inputs)
    assert result.parting is None
    table = quantization.noise.per_layer(net, quantized, inputs)
    assert [pair.decibels for pair in result.pairs[1:]] == pytest.approx(table["output dB"])
    assert comparing.compare(net, quantized, inputs, decibels=100).parting.first == "x"


@pytest.mark.parametrize("position", [0, 1, 2])
def test_the_first_tensor_that_differs_is_named(inputs, position):
    net = network()
    wrong = change(net, position, weights=net.ops[position].weights * np.float32(1.5))
    assert comparing.compare(net, wrong, inputs).parting.first == ("a", "b", "y")[position]
    quantized = int8(net, inputs)
    bias = quantized.ops[position].bias.copy()
    bias[0] += 40
    result = comparing.compare(quantized, change(quantized, position, bias=bias), inputs)
    assert result.parting.first == ("a", "b", "y")[position]
    assert result.parting.differing > 0
    assert [pair.parted for pair in result.pairs] == [False] * (position + 1) + [True] * (3 - position)


def test_networks_that_meet_again_have_parted(inputs):
    quantized = int8(network(), inputs)
    deaf = change(quantized, 2, weights=np.zeros_like(quantized.ops[2].weights))
    result = comparing.compare(deaf, change(deaf, 1, bias=deaf.ops[1].bias + 500), inputs)
    assert [pair.decibels == np.inf for pair in result.pairs] == [True, True, False, True]
    assert [pair.parted for pair in result.pairs] == [False, False, True, True]
    assert result.parting.first == "b"


def test_a_difference_of_float32_rounding_is_none(inputs):
    net = network()
    near = change(net, 0, weights=net.ops[0].weights * np.float32(1 + 1e-6))
    assert comparing.compare(net, near, inputs).parting is None
    far = change(net, 0, weights=net.ops[0].weights * np.float32(1 + 1e-3))
    assert comparing.compare(net, far, inputs).parting.first == "a"


def test_tensors_with_other_names_are_matched_by_layer_or_by_position(inputs):
    net, other = network(), network(("p", "q", "r"))
    result = comparing.compare(net, other, inputs)
    assert result.matching == "position"
    assert [(pair.first, pair.second) for pair in result.pairs] == [("x", "x"), ("a", "p"), ("b", "q"), ("y", "r")]
    assert result.parting is None
    layers = tuple(replace(op, name=ours.name) for op, ours in zip(other.ops, net.ops, strict=True))
    assert comparing.compare(net, replace(other, ops=layers), inputs).matching == "layer"


def test_an_op_too_many_has_no_counterpart_and_does_not_shift_the_others(inputs):
    net, other = network(), network(("p", "q", "r"))
    more = Op("reshape", "flat", ("p",), "p_flat")
    ops = (other.ops[0], more, replace(other.ops[1], inputs=("p_flat",)), other.ops[2])
    longer = replace(other, ops=ops, shapes={**other.shapes, "p_flat": (8,)})
    result = comparing.compare(net, longer, inputs)
    assert [(pair.first, pair.second) for pair in result.pairs] == [("x", "x"), ("a", "p"), ("b", "q"), ("y", "r")]
    assert result.unmatched == ((), ("p_flat",))
    assert result.parting is None


def test_networks_that_cannot_be_compared_are_refused(inputs):
    net = network()
    op = Op("fully_connected", "only", ("x",), "y", np.ones((2, 5), np.float32), np.zeros(2, np.float32))
    wider = Network("wider", "x", "y", {"x": (5,), "y": (2,)}, (op,))
    with pytest.raises(ValueError, match="'net' takes inputs of shape 4, 'wider' 5"):
        comparing.compare(net, wider, inputs)
    with pytest.raises(ValueError, match="matching is one of name, layer, position, got 'size'"):
        comparing.compare(net, net, inputs, "size")
    other = network(("p", "q", "r"))
    shorter = replace(other, ops=other.ops[:2], outputs="q")
    with pytest.raises(ValueError, match="same name and shape"):
        comparing.compare(net, shorter, inputs, "name")


def test_agreement_counts_decisions():
    scores = np.array([[0.1, 0.9], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])
    assert comparing.agreement(scores, scores[:, ::-1]) == ("the same class", 0.0)
    assert comparing.agreement(scores[:, :1], scores[[0, 1, 3, 2], :1]) == ("the same side of 0.5", 0.5)
    assert comparing.agreement(scores[:, :1] * 9, scores[:, :1] * 9) is None
    assert comparing.agreement(scores[:, :, None], scores[:, :, None]) is None
