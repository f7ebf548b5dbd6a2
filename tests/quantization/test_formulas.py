"""The formulas are short enough to read in one sitting, and give the numbers that were computed by hand here."""

import ast
import math
from fractions import Fraction

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.quantization import formulas

FILE = ROOT / "edgekit" / "quantization" / "formulas.py"
FEW = settings(max_examples=200, deadline=None, derandomize=True)


def test_the_formulas_fit_on_150_lines_and_need_nothing_else():
    text = FILE.read_text()
    assert len(text.splitlines()) <= 150
    imported = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {getattr(node, "module", None) or node.names[0].name for node in imported} == {"numpy", "numpy.typing"}


def test_no_other_file_computes_a_multiplier():
    for path in (ROOT / "edgekit").rglob("*.py"):
        if path != FILE:
            assert "frexp" not in path.read_text() or path.name == "fixed_point.py", path


@FEW
@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_a_range_is_covered_and_holds_zero(low, high):
    low, high = sorted((low, high))
    scale, zero_point = formulas.scale_and_zero_point(low, high)
    assert -128 <= zero_point <= 127
    assert formulas.dequantize(np.int8(zero_point), scale, zero_point) == 0
    if max(high, 0) - min(low, 0) > 1e-30:
        covered = [float(formulas.dequantize(np.int8(q), scale, zero_point)) for q in (-128, 127)]
        assert covered[0] == pytest.approx(min(low, 0), abs=float(scale) * 0.51)
        assert covered[1] == pytest.approx(max(high, 0), abs=float(scale) * 0.51)


@pytest.mark.parametrize(("axis", "shape"), [(0, (5, 3, 3, 2)), (-1, (1, 3, 3, 6)), (None, (4, 7)), (0, (4, 7))])
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_weights_are_nearest_steps_with_the_largest_at_the_last_one(axis, shape, bits):
    weights = np.random.default_rng(bits).normal(size=shape).astype(np.float32)
    q, scales = formulas.quantize_weights(weights, axis, bits)
    steps = 2 ** (bits - 1) - 1
    rows = [weights] if axis is None else np.moveaxis(weights, axis, 0)
    of_q = [q] if axis is None else np.moveaxis(q, axis, 0)
    assert q.dtype == np.int8
    assert scales.shape == (len(rows),)
    for row, integers, scale in zip(rows, of_q, scales, strict=True):
        assert scale == pytest.approx(np.abs(row).max() / steps, rel=1e-6)
        assert np.abs(integers).max() == steps
        assert np.abs(row - scale * integers.astype(float)).max() <= scale * 0.5000001
    np.testing.assert_allclose(formulas.dequantize_weights(q, scales, axis), weights, atol=float(scales.max()) * 0.501)


def test_a_channel_of_zeros_gets_the_scale_1():
    q, scales = formulas.quantize_weights(np.array([[0.0, 0.0], [1.0, -2.0]]), 0)
    assert scales[0] == 1
    assert not q[0].any()


@FEW
@given(st.floats(1e-8, 1e4))
def test_a_multiplier_is_31_bits_of_the_real_one(d):
    m, shift = formulas.multiplier_and_shift(d)
    assert 2**30 <= m < 2**31
    assert abs(Fraction(m) * Fraction(2) ** (shift - 31) / Fraction(d) - 1) <= Fraction(1, 2**31)


def nearest_up(x):
    return math.floor(x + Fraction(1, 2))


def nearest_away(x):
    return nearest_up(x) if x >= 0 else -nearest_up(-x)


@FEW
@given(st.integers(-(2**24), 2**24), st.integers(2**30, 2**31 - 1), st.integers(-20, 0))
def test_requantize_rounds_twice(accumulator, m, shift):
    first = nearest_up(Fraction(accumulator * m, 2**31))
    assert int(formulas.requantize(accumulator, m, shift)) == nearest_away(Fraction(first, 2**-shift))


def test_the_multipliers_of_ops_without_weights():
    first, second, total = formulas.add_multipliers(0.5, 0.25, 0.125)
    as_real = [m * 2.0 ** (shift - 31) for m, shift in (first, second, total)]
    assert as_real == [0.5, 0.25, 1 / (2**20 * 0.125)]
    m, shift = formulas.rescale_multiplier(0.3, 0.1)
    assert m * 2.0 ** (shift - 31) == pytest.approx(3)
    m, shift = formulas.mean_multiplier(0.3, 0.1, 49)
    assert m * 2.0 ** (shift - 31) == pytest.approx(3 / 49)


def test_a_fused_activation_is_a_clamp_in_the_outputs_steps():
    assert formulas.clamp_bounds(0.0, 6.0, np.float32(6 / 255), -128) == (-128, 127)
    assert formulas.clamp_bounds(0.0, 6.0, np.float32(0.1), -20) == (-20, 40)
    assert formulas.clamp_bounds(-np.inf, np.inf, np.float32(0.1), 3) == (-128, 127)
