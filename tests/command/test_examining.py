"""`edgekit summary`, `report`, `quantize`, `compare` and `export` on networks that are fine."""

import re
import shutil

import numpy as np
import pytest
from stateful_networks import sequence, streaming

from edgekit import calibration, quantization, tflite
from edgekit.__main__ import main
from edgekit.command.models import read_model
from edgekit.network import Network, Op

RANDOM = np.random.default_rng(3)
IMAGES = RANDOM.normal(size=(24, 8, 8, 3)).astype(np.float32)


def network():
    def weights(*shape):
        return RANDOM.normal(size=shape).astype(np.float32)

    ops = (
        Op("conv2d", "first", ("x",), "a", weights(4, 3, 3, 3), weights(4), padding="same", activation="relu"),
        Op("conv2d", "second", ("a",), "b", weights(4, 3, 3, 4), weights(4), padding="same", activation="relu"),
        Op("mean", "middle", ("b",), "c"),
        Op("fully_connected", "last", ("c",), "y", weights(3, 4), weights(3)),
    )
    shapes = {"x": (8, 8, 3), "a": (8, 8, 4), "b": (8, 8, 4), "c": (4,), "y": (3,)}
    return Network("net", "x", "y", shapes, ops)


NET = tflite.from_bytes(tflite.to_bytes(network()))
RANGES = calibration.calibrate(NET, IMAGES)
INT8 = quantization.quantize(NET, RANGES)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tflite.save(NET, "net.tflite")
    tflite.save(INT8, "int8.tflite")
    np.save("inputs.npy", IMAGES)
    np.save("pixels.npy", RANDOM.integers(0, 256, IMAGES.shape).astype(np.uint8))
    return tmp_path


def run(capsys, *arguments):
    status = main(list(arguments))
    return status, capsys.readouterr().out


def test_a_network_with_states_is_shown_quantized_over_a_sequence_compared_and_exported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tflite.save(streaming(), "net.tflite")
    np.save("inputs.npy", sequence(streaming()))
    status, out = run(capsys, "summary", "net.tflite")
    assert status == 0
    assert "state  first: 2x1x4" in out
    assert "2 states keep 20 values from one inference to the next" in out
    assert run(capsys, "quantize", "net.tflite", "--calibration", "inputs.npy", "--to", "int8.tflite")[0] == 0
    assert run(capsys, "compare", "net.tflite", "int8.tflite", "--data", "inputs.npy")[0] == 0
    assert run(capsys, "report", "int8.tflite", "--estimate")[0] == 0
    assert run(capsys, "export", "int8.tflite", "--to", "c")[0] == 0
    assert "int8_reset(void);" in (tmp_path / "c" / "int8.h").read_text()


def test_summary_shows_ops_shapes_macs_and_the_ends_of_the_file(here, capsys):
    status, out = run(capsys, "summary", "net.tflite")
    assert status == 0
    assert "net: float32, 4 ops" in out
    assert "input  x: 8x8x3" in out
    assert "in the file: input x, 1x8x8x3 float32" in out
    assert "in the file: output y, 1x3 float32" in out
    assert "conv2d+relu" in out
    assert f"{8 * 8 * 4 * 27:,}" in out
    assert f"{NET.parameters:,} parameters in {4 * NET.parameters:,} bytes" in out
    assert "scale" not in out


def test_summary_shows_scales_and_zero_points_of_int8(here, capsys):
    out = run(capsys, "summary", "int8.tflite")[1]
    for name in ("a", "y"):
        q = INT8.quantization[name]
        assert f"{float(q.scale):.6g}" in out
        assert str(q.zero_point) in out
    assert "zero point" in out


def test_report_shows_flash_arena_and_instructions_by_layer(here, capsys):
    status, out = run(capsys, "report", "int8.tflite", "--estimate")
    assert status == 0
    assert "flash" in out
    assert "arena" in out
    assert "estimated" in out
    assert "\nb  " in out
    assert "240 MHz" in out
    out = run(capsys, "report", "net.tflite", "--estimate")[1]
    assert "--calibration DATA shows the same for int8" in out
    out = run(capsys, "report", "net.tflite", "--estimate", "--calibration", "inputs.npy")[1]
    assert "net in int8" in out


def test_report_counts_on_the_emulated_core_where_its_tools_are(here, capsys):
    from edgekit.cost import emulator

    if not emulator.available():
        pytest.skip("the emulator is not installed")
    out = run(capsys, "report", "int8.tflite")[1]
    assert "counted on the emulated core dc232b" in out
    zeros = np.zeros((1, 8, 8, 3), np.int8)
    shown = [int(count.replace(",", "")) for count in re.findall(r"([\d,]+) instructions", out)]
    counted = [emulator.infer(INT8, zeros, core).instructions for core in ("dc232b", "lx106")]
    assert shown == pytest.approx(counted, abs=3)  # lx106 counts ticks of 1.28 instructions


def test_quantize_writes_what_the_library_computes_and_says_how_near_it_is(here, capsys):
    status, out = run(capsys, "quantize", "net.tflite", "--calibration", "inputs.npy", "--to", "new/out.tflite")
    assert status == 0
    assert (here / "new/out.tflite").read_bytes() == tflite.to_bytes(INT8)
    assert "24 inputs from inputs.npy, 8 x 8 x 3, real values from" in out
    assert "SQNR" in out
    assert "the same class for" in out
    assert "most noise: " in out


@pytest.mark.parametrize(
    ("options", "make"),
    [
        (["--observer", "mse"], lambda: quantization.quantize(NET, calibration.calibrate(NET, IMAGES, "mse"))),
        (
            ["--observer", "percentile", "--percentile", "98"],
            lambda: quantization.quantize(NET, calibration.calibrate(NET, IMAGES, "percentile", 98)),
        ),
        (
            ["--scheme", "per_tensor"],
            lambda: quantization.quantize(NET, RANGES, "per_tensor"),
        ),
        (["--weights-bits", "4"], lambda: quantization.quantize(NET, RANGES, bits=4)),
        (["--correct-bias"], lambda: quantization.correct_bias(NET, INT8, IMAGES)),
        (["--equalize"], lambda: equalized()),
    ],
)
@pytest.mark.parametrize("command", ["quantize", "export"])
def test_each_option_does_what_the_library_does(here, capsys, options, make, command):
    target = {"quantize": "out/net.tflite", "export": "out"}[command]
    assert main([command, "net.tflite", "--calibration", "inputs.npy", "--to", target, *options]) == 0
    expected = make()
    written = tflite.load("out/net.tflite")
    np.testing.assert_array_equal(written.predict(IMAGES), expected.predict(IMAGES))
    assert (here / "out/net.tflite").read_bytes() == tflite.to_bytes(expected)
    assert tflite.to_bytes(expected) != tflite.to_bytes(INT8)


def equalized():
    net = quantization.equalize(NET, IMAGES)
    return quantization.quantize(net, calibration.calibrate(net, IMAGES))


def test_pixels_need_their_range_and_the_range_that_was_assumed_is_said(here, capsys):
    arguments = ["quantize", "net.tflite", "--to", "out.tflite", "--calibration", "pixels.npy"]
    assert main(arguments) == 1
    assert "--input-range LOW HIGH" in capsys.readouterr().err
    status, out = run(capsys, *arguments, "--input-range", "-1", "1")
    assert status == 0
    assert "0 to 255 stand for the real values -1 to 1, as --input-range says" in out
    assert float(tflite.load("out.tflite").quantization["x"].scale) == pytest.approx(2 / 255, rel=0.01)
    # The int8 network shows the range now, so that other commands need not ask again.
    status, out = run(capsys, "compare", "net.tflite", "out.tflite", "--data", "pixels.npy")
    assert status == 0
    assert "because its int8 input covers" in out


def test_a_keras_model_that_begins_with_rescaling_takes_pixels(here, capsys):
    import keras

    layers = keras.layers
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(3)])
    model.save("model.keras")
    if main(["summary", "model.keras"]):
        pytest.skip("Rescaling is not supported yet")
    status, out = run(capsys, "quantize", "model.keras", "--to", "out.tflite", "--calibration", "pixels.npy")
    assert status == 0
    assert "0 to 255 stand for the real values 0 to 255, because its beginning, rescaling" in out
    np.save("scaled.npy", np.load("pixels.npy") / np.float32(255))
    assert main(["quantize", "model.keras", "--to", "out.tflite", "--calibration", "scaled.npy"]) == 1
    assert "takes 0 to 255" in capsys.readouterr().err


def test_compare_names_the_first_tensor_at_which_two_files_part(here, capsys):
    status, out = run(capsys, "compare", "net.tflite", "int8.tflite", "--data", "inputs.npy")
    assert status == 0
    assert "They agree at every tensor." in out
    assert "random" not in out
    status, out = run(capsys, "compare", "net.tflite", "net.tflite")
    assert status == 0
    assert "32 random inputs" in out
    weights = NET.ops[1].weights.copy()
    weights[0] = 9
    ops = (NET.ops[0], Op(**{**vars(NET.ops[1]), "weights": weights}), *NET.ops[2:])
    tflite.save(Network("net", "x", "y", NET.shapes, ops), "other.tflite")
    status, out = run(capsys, "compare", "net.tflite", "other.tflite", "--data", "inputs.npy")
    assert status == 1
    assert "24 inputs from inputs.npy" in out
    assert "They part first at b (conv2d)" in out
    assert "tensors are matched by name" in out


def test_compare_counts_int8_values_that_differ(here, capsys):
    bias = INT8.ops[0].bias.copy()
    bias[1] += 1000
    ops = (Op(**{**vars(INT8.ops[0]), "bias": bias}), *INT8.ops[1:])
    changed = quantization.QuantizedNetwork("net", "x", "y", INT8.shapes, ops, INT8.quantization)
    tflite.save(changed, "other.tflite")
    status, out = run(capsys, "compare", "int8.tflite", "other.tflite", "--match", "position")
    assert status == 1
    assert "int8 values differ" in out
    assert "They part first at a" in out


def test_pictures_are_drawn(here, capsys):
    pytest.importorskip("matplotlib")
    assert main(["compare", "net.tflite", "int8.tflite", "--data", "inputs.npy", "--plot", "compare.png"]) == 0
    assert main(["report", "int8.tflite", "--estimate", "--plot", "pictures/report.svg"]) == 0
    assert (here / "compare.png").read_bytes().startswith(b"\x89PNG")
    assert (here / "pictures/report.svg").stat().st_size > 1000


def test_a_network_gets_the_name_that_is_asked_for(here):
    assert read_model("net.tflite").name == "net"
    assert read_model("net.tflite", "other").name == "other"
    assert read_model("int8.tflite", "other").quantization == INT8.quantization


def test_export_never_writes_over_the_file_that_it_reads(here, capsys):
    before = (here / "net.tflite").read_bytes()
    assert main(["export", "net.tflite", "--calibration", "inputs.npy"]) == 0
    assert (here / "net.tflite").read_bytes() == before
    assert "int8_t" in (here / "net.h").read_text()
    shutil.copy("net.tflite", "UPPER.TFLITE")
    assert main(["export", "UPPER.TFLITE", "--to", "c"]) == 0
    assert sorted(path.name for path in (here / "c").iterdir()) == ["UPPER.cpp", "UPPER.h"]
