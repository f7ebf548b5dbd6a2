"""The commands of the guide docs/howto/any-network.md work, in its order, on a small network."""

import re
import shlex

import numpy as np
from conftest import ROOT

from edgekit import tflite
from edgekit.__main__ import main
from edgekit.network import Network, Op

GUIDE = (ROOT / "docs/howto/any-network.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```bash\n(edgekit .*?)\n```$", GUIDE, re.MULTILINE)


def test_the_guides_commands_lead_from_a_file_to_a_project(tmp_path, monkeypatch, capsys):
    random = np.random.default_rng(0)

    def weights(*shape):
        return random.normal(size=shape).astype(np.float32)

    ops = (
        Op("conv2d", "first", ("x",), "a", weights(4, 3, 3, 1), weights(4), activation="relu"),
        Op("conv2d", "second", ("a",), "b", weights(4, 3, 3, 4), weights(4), activation="relu"),
        Op("mean", "middle", ("b",), "c"),
        Op("fully_connected", "last", ("c",), "y", weights(3, 4), weights(3)),
    )
    shapes = {"x": (8, 8, 1), "a": (6, 6, 4), "b": (4, 4, 4), "c": (4,), "y": (3,)}
    monkeypatch.chdir(tmp_path)
    tflite.save(Network("net", "x", "y", shapes, ops), "model.tflite")
    np.save("inputs.npy", random.uniform(0, 1, (50, 8, 8, 1)).astype(np.float32))
    np.save("pixels.npy", random.integers(0, 256, (50, 8, 8, 1)).astype(np.uint8))
    assert len(COMMANDS) >= 8
    for command in COMMANDS:
        assert main(shlex.split(command)[1:]) == 0, command + capsys.readouterr().err
    assert (tmp_path / "generated/network.cpp").is_file()
    assert (tmp_path / "project/platformio.ini").is_file()


def test_the_guide_names_every_new_command_and_each_kind_of_data():
    for command in ("summary", "report", "quantize", "compare", "export"):
        assert any(line.startswith(f"edgekit {command} ") for line in COMMANDS)
    for suffix in (".npy", ".npz", ".csv"):
        assert f"`inputs{suffix}`" in GUIDE


def test_help_explains_every_option(capsys):
    for command in ("summary", "report", "quantize", "compare", "export"):
        assert main([command, "--help"]) == 0
        assert len(capsys.readouterr().out) > 200
