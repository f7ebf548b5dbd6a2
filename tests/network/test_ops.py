"""Every kind of op has code in all places (CONTRIBUTING.md, "Add an op"); a failing test names the missing place."""

import numpy as np
import pytest
from random_networks import IMAGE_OPS, VECTOR_OPS

from edgekit.codegen import float_ops, int8_ops
from edgekit.codegen.compiled import KERNELS
from edgekit.network import OPS, Network, Op, keras, ops
from edgekit.quantization import fast_integer, integer
from edgekit.tflite import OPERATORS

# Only quantize makes it: no layer, no .tflite of a float network, no drawn network asks for it.
ONLY_IN_INT8 = {"rescale"}
PLACES = {
    "edgekit/network/ops.py (facts, shape, float32)": ops.RUN,
    "edgekit/network/keras.py (a layer that becomes it)": keras.KINDS | ONLY_IN_INT8,
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
    missing = set(OPS) - set(IMAGE_OPS) - set(VECTOR_OPS) - ONLY_IN_INT8
    assert not missing, f"tests/random_networks.py draws no {', '.join(missing)}"


def test_the_fast_int8_bodies_are_of_the_ops_with_weights():
    assert set(fast_integer.ACCUMULATE) == {kind for kind, facts in OPS.items() if facts.weighted}


def test_every_kernel_file_is_named_by_an_op():
    named = "".join(path.read_text() for path in KERNELS.parent.glob("*_ops.py"))
    kernels = [path for path in KERNELS.glob("*/*.h") if "include" not in path.stem]
    included = "".join(path.read_text() for path in kernels)
    for path in kernels:
        by_kind = path.stem in OPS  # an emitter may write its kernel as f"int8/{op.kind}.h"
        assert by_kind or f"{path.stem}" in named or f'"{path.name}"' in included, f"nothing uses {path.name}"


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
