"""A report tells the cost of a network on the board, and why a network does not fit."""

import numpy as np
import pytest

from edgekit import calibration, codegen, cost, models, network, quantization
from edgekit.cost import emulator
from grader.for_tests import xor_network


@pytest.fixture(scope="module")
def net():
    return network.from_keras(models.mobilenet_v1((96, 96, 3), 0.25))


@pytest.fixture(scope="module")
def quantized(net):
    x = np.random.default_rng(0).uniform(-1, 1, (4, 96, 96, 3)).astype(np.float32)
    return quantization.quantize(net, calibration.calibrate(net, x))


def test_the_int8_network_fits_and_the_float_network_does_not(net, quantized):
    small, large = cost.estimate(quantized, measure=False), cost.estimate(net, measure=False)
    assert all(small.fits.values())
    assert not small.reasons
    assert not large.fits["beside Wi-Fi"]
    assert "the arena takes" in large.table()
    assert "int8 takes a quarter" in large.table()
    assert small.macs == large.macs == net.macs


def test_the_room_for_an_arena_has_one_size_and_names_its_parts(net, quantized):
    large = cost.estimate(net, measure=False)
    assert large.room == cost.arena_room(96 * 96 * 3) == 139_608
    assert not large.fits["static memory"]
    assert "(180,736 for static data, less 13,480 for ESP-IDF and the application, 27,648 for a picture)" in str(large)
    assert cost.estimate(xor_network.fresh(), measure=False).room == cost.arena_room() == 167_256
    assert cost.too_large(139_608, 27_648) is None
    assert cost.too_large(139_609, 27_648).startswith(
        "takes 139,609 bytes, 1 more than the 139,608 that an ESP-EYE has"
    )


def test_the_report_adds_up(quantized):
    result = cost.estimate(quantized, board_ms=93.21, measure=False)
    assert result.instructions == sum(row.instructions for row in result.rows)
    expected = result.instructions * cost.CYCLES_PER_INSTRUCTION / 240_000
    assert result.milliseconds[240] == pytest.approx(expected)
    assert result.milliseconds[80] == pytest.approx(3 * expected)
    assert "measured on the board: 93.2 ms" in str(result)
    assert "1.19 cycles per instruction" in str(result)


@pytest.mark.skipif(not emulator.available(), reason="the emulated core's tools are not installed")
def test_what_is_estimated_is_near_what_is_counted(quantized):
    counted, estimated = cost.estimate(quantized), cost.estimate(quantized, measure=False)
    assert counted.measured
    assert not estimated.measured
    assert estimated.instructions == pytest.approx(counted.instructions, rel=0.2)
    assert estimated.flash == pytest.approx(counted.flash, rel=0.1)
    assert estimated.arena == counted.arena


def test_the_pictures_are_drawn(quantized, tmp_path):
    for name, picture in {
        "report": cost.estimate(quantized, measure=False).plot(),
        "arena": codegen.picture(quantized),
    }.items():
        picture.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
