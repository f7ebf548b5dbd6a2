"""The firmware's options write the right lines into sdkconfig.defaults, and change the instructions of an inference."""

import pytest
from conftest import require

from edgekit import calibration, datasets, firmware, models, network, quantization


@pytest.fixture(scope="module")
def net():
    scenes = datasets.load("cars", "test")[:40]
    real = network.from_keras(models.load_pretrained("carclassifier"))
    return quantization.quantize(real, calibration.calibrate(real, models.preprocess(scenes.images)))


def test_what_options_change_is_told_in_sdkconfigs_own_words():
    fast = firmware.Options(cpu_mhz=240, optimize="performance", assertions="disabled")
    table = firmware.Options().diff(fast)
    assert table["option"] == ["cpu_mhz", "optimize", "assertions"]
    assert table["after"][0] == "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ_240=y"
    assert table["in menuconfig"][1] == "Compiler options > Optimization Level"
    assert "Nothing changes" in str(fast.diff(fast))
    assert str(firmware.changes(firmware.Options(), fast)) == str(table)  # the former name


def test_optimization_saves_instructions_on_the_emulated_core(net):
    require("xtensa-lx106-elf-gcc")
    require("qemu-system-xtensa")
    before = firmware.instructions(net, firmware.Options())
    after = firmware.instructions(net, firmware.Options(cpu_mhz=240, optimize="performance"))
    assert after.count < before.count
    assert before.milliseconds / after.milliseconds == pytest.approx(1.5 * before.count / after.count)
    with pytest.raises(TypeError, match="quantized network"):
        firmware.instructions(network.from_keras(models.xor_mlp()))


def test_without_the_emulator_the_remedy_is_named(net, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(firmware.FirmwareError, match="apt-get install gcc-xtensa-lx106"):
        firmware.instructions(net)
