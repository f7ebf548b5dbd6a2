"""Every kind of op has code in all places (CONTRIBUTING.md, "Add an op"); a failing test names the missing place."""

import gc
import re
import weakref

import numpy as np
import one_of_each
import pytest
from random_networks import APART, IMAGE_OPS, VECTOR_OPS

from edgekit import calibration, codegen, quantization, tflite
from edgekit.codegen import float_ops, int8_ops
from edgekit.codegen.compiled import KERNELS
from edgekit.network import OPS, Network, Op, keras, ops
from edgekit.quantization import fast_integer, integer
from edgekit.tflite import OPERATORS

# Only quantize makes it: no layer, no .tflite of a float network, no drawn network asks for it.
ONLY_IN_INT8 = {"rescale"}
# Keras's become other ops, which TensorFlow Lite Micro has.
ONLY_IN_FILES = {"relu_n1_to_1", "relu_0_to_1"}
PLACES = {
    "edgekit/network/ops.py (facts, shape, float32)": ops.RUN,
    "edgekit/network/keras.py (a layer that becomes it)": keras.KINDS | ONLY_IN_INT8 | ONLY_IN_FILES,
    "edgekit/quantization/integer.py (int8)": integer.STEP,
    "edgekit/tflite/ops.py (its operator, both ways)": OPERATORS,
    "edgekit/codegen/float_ops.py and kernels/float (C in float32)": float_ops.EMIT,
    "edgekit/codegen/int8_ops.py and kernels/int8 (C in int8)": int8_ops.EMIT,
}


@pytest.mark.parametrize("place", PLACES)
def test_every_op_is_in_every_place(place):
    missing = [kind for kind in OPS if kind not in PLACES[place]]
    assert not missing, f"{place} lacks {', '.join(missing)}"
    unknown = [kind for kind in PLACES[place] if kind not in OPS]
    assert not unknown, f"{place} has {', '.join(unknown)}, which network/ops.py does not know"


def test_an_op_that_lacks_a_place_is_named(monkeypatch):
    monkeypatch.setitem(OPS, "cube", OPS["tanh"])
    for place in PLACES:
        with pytest.raises(AssertionError, match="cube"):
            test_every_op_is_in_every_place(place)


def test_every_op_is_drawn_in_the_random_networks_that_are_held_against_micro():
    missing = set(OPS) - set(IMAGE_OPS) - set(VECTOR_OPS) - ONLY_IN_INT8 - set(APART)
    assert not missing, f"tests/random_networks.py draws no {', '.join(missing)}"


def test_the_fast_int8_bodies_are_of_the_ops_with_weights():
    assert set(fast_integer.ACCUMULATE) == {kind for kind, facts in OPS.items() if facts.weighted}


@pytest.mark.parametrize("kind", OPS)
def test_int8_stays_near_float(kind):
    """A wrong fact about a kind, such as a scale that is not shared, shows here, though Micro agrees with it."""
    net, x = one_of_each.network(kind)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    real = net.run(x)
    assert np.abs(quantized.predict(x) - real).max() < 0.06 * np.ptp(real)


@pytest.mark.parametrize("kind", [kind for kind in OPS if kind not in ONLY_IN_INT8])
def test_every_op_is_read_back_from_the_file_it_is_written_to(kind):
    net, x = one_of_each.network(kind)
    again = tflite.from_bytes(tflite.to_bytes(net))
    assert [op.kind for op in again.ops] == [op.kind for op in net.ops]
    np.testing.assert_array_equal(again.run(x), net.run(x))


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("kind", OPS)
def test_no_op_keeps_the_memory_of_a_network_that_is_not_used_any_more(kind, fast, monkeypatch):
    if not fast:
        monkeypatch.setattr(integer, "fast_step", lambda network, op: None)
    net, x = one_of_each.network(kind)
    quantized = quantization.quantize(net, calibration.calibrate(net, x))
    quantized.predict(x[:2])
    left = weakref.ref(quantized)
    del quantized
    gc.collect()
    assert left() is None


def test_every_kernel_is_in_the_c_of_some_op_and_every_c_has_its_kernel():
    written = ""
    others = [("gelu", {"approximate": False}), ("conv2d", {"dilation": (1, 2)})]
    for kind, changes in [*((kind, {}) for kind in OPS), *others]:
        net, x = one_of_each.network(kind, **changes)
        for model in (net, quantization.quantize(net, calibration.calibrate(net, x))):
            written += codegen.compile_network(model, "net").source
    for path in sorted(KERNELS.rglob("*.h")):
        defined = re.findall(r"^static (?:inline )?\w+ \**(\w+)\(", path.read_text(), re.MULTILINE)
        assert all(f"{name}(" in written for name in defined), f"no op's C holds {path.relative_to(KERNELS)}"


def test_the_resolver_is_asked_for_each_op_by_micros_name():
    names = {operator.code: operator.micro for operator in OPERATORS.values()}
    assert names["CONV_2D"] == "AddConv2D"
    assert names["DEPTHWISE_CONV_2D"] == "AddDepthwiseConv2D"
    assert names["FULLY_CONNECTED"] == "AddFullyConnected"
    assert names["LOGISTIC"] == "AddLogistic"
    assert (names["PADV2"], names["BATCH_MATMUL"]) == ("AddPadV2", "AddBatchMatMul")


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no function for an op of the kind 'cube'; it has conv2d, "):
        ops.run_op(Op("cube", "c", ("x",), "y"), [np.zeros((1, 2), np.float32)], (2,))


def test_a_kind_cannot_be_entered_twice():
    with pytest.raises(ValueError, match="two functions for 'tanh'"):
        ops.RUN.register("tanh")(lambda op, inputs, shape: inputs[0])


def test_predict_is_run_for_a_float_network():
    net = Network("n", "x", "y", {"x": (2,), "y": (2,)}, (Op("tanh", "t", ("x",), "y"),))
    x = np.float32([[0.5, -2]])
    np.testing.assert_array_equal(net.predict(x), net.run(x))
