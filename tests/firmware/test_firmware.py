"""A firmware project is made from templates, is built by PlatformIO without a network, and never loses a file."""

import os
import re
import subprocess

import pytest
from board_projects import MODEL_FILES, SOLUTION, make
from conftest import require

from edgekit import firmware
from edgekit.firmware import platformio


def test_the_released_program_builds_and_boots_before_the_student_has_written_a_line(tmp_path):
    require("g++")
    lines = []
    make(tmp_path / "a folder with spaces", main=None).upload("sim", on_line=lines.append)
    assert "xormodel: ready" in lines


def test_plain_pio_in_a_terminal_builds_the_project_without_a_network(tmp_path):
    require("g++")
    require("unshare")
    project = make(tmp_path / "project")
    pio = platformio.command("run", "-e", "sim")
    offline = ["unshare", "--net", "--map-root-user"]
    if subprocess.run([*offline, "true"], capture_output=True).returncode:
        offline = []
    subprocess.run([*offline, *pio], cwd=project.directory, check=True, capture_output=True)
    assert os.access(project.program("sim"), os.X_OK)


def test_preparing_leaves_what_is_in_platformios_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path))
    theirs = tmp_path / "packages" / "tool-scons"
    theirs.mkdir(parents=True)
    (theirs / ".piopm").write_text('{"type": "tool", "name": "tool-scons", "version": "4.40502.0", "spec": null}')
    platformio.prepare()
    platformio.prepare()
    assert sorted(path.name for path in theirs.iterdir()) == [".piopm"]
    assert len(list((tmp_path / "packages").iterdir())) == 2


def test_making_the_project_again_keeps_the_students_program(tmp_path):
    project = make(tmp_path / "project", main="// mine\n")
    make(tmp_path / "project", main=None)
    assert (project.directory / "src/main.cpp").read_text() == "// mine\n"


def test_a_generated_file_that_was_edited_is_kept_aside(tmp_path):
    project = make(tmp_path / "project")
    (project.directory / "platformio.ini").write_text("; mine\n")
    make(tmp_path / "project", main=None)
    assert [path.read_text() for path in project.previous("platformio.ini")] == ["; mine\n"]


def test_the_previous_version_of_a_program_is_kept(tmp_path):
    project = make(tmp_path / "project", main="// one\n")
    project.write("src/main.cpp", "// two\n")
    project.write("src/main.cpp", "// two\n")
    project.write("src/main.cpp", "// three\n")
    assert [path.read_text() for path in project.previous("src/main.cpp")][-2:] == ["// one\n", "// two\n"]


@pytest.mark.parametrize("name", ["../x.cpp", "/etc/x.cpp", ".", "src", "", ".edgekit.json", "src/../../x"])
def test_a_file_outside_the_project_is_refused(tmp_path, name):
    with pytest.raises(firmware.FirmwareError, match="not a file inside"):
        make(tmp_path / "project").write(name, "")


def test_a_folder_with_other_things_is_not_made_into_a_project(tmp_path):
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(firmware.FirmwareError, match="not empty"):
        make(tmp_path)


def test_an_error_of_the_compiler_is_shown_at_its_line(tmp_path):
    require("g++")
    project = make(tmp_path / "project", main=SOLUTION.replace("model.invoke()", "model.invok()"))
    with pytest.raises(firmware.BuildError) as caught:
        project.build("sim", on_line=None)
    line = 1 + SOLUTION[: SOLUTION.index("model.invoke()")].count("\n")
    assert [(problem.file, problem.line) for problem in caught.value.problems] == [("src/main.cpp", line)]
    assert f"src/main.cpp, line {line}: error:" in str(caught.value)
    assert [(problem.file, problem.line) for problem in project.check("src/main.cpp")] == [("src/main.cpp", line)]


@pytest.mark.parametrize(
    ("main", "says"),
    [
        ('extern "C" void app_main() { int *nothing = nullptr; *static_cast<volatile int *>(nothing) = 1; }', "memory"),
        ('extern "C" void app_main() { for (volatile int i = 0;; i = i + 1) {} }', "does not wait for input"),
        ("void app_mane() {}", "app_main"),
    ],
)
def test_an_application_that_does_not_boot_is_explained(tmp_path, main, says):
    require("g++")
    with pytest.raises(firmware.BuildError, match=says):
        make(tmp_path / "project", main=main).upload("sim", on_line=None)


def test_without_a_network_a_build_for_the_board_says_so_within_seconds(tmp_path, monkeypatch):
    monkeypatch.setenv("PLATFORMIO_CORE_DIR", str(tmp_path / "core"))
    project = make(tmp_path / "project")
    monkeypatch.setattr(platformio, "is_online", lambda: False)
    with pytest.raises(firmware.BuildError, match="the simulated board needs no network"):
        project.build("esp_eye")


def test_every_bootloader_fits_before_the_partition_table(tmp_path):
    """The sizes are those of ESP-IDF 5.5.3's own bootloader for QIO, the largest of each level of optimization."""
    largest = {"performance": 30_096, "debug": 31_168, "none": 46_816}
    project = make(tmp_path / "project")
    table = re.search(
        r"^CONFIG_PARTITION_TABLE_OFFSET=(\w+)$", (project.directory / "sdkconfig.defaults").read_text(), re.M
    )
    offset = int(table[1], 16)
    assert all(0x1000 + size + 1024 <= offset for size in largest.values())
    rows = [
        line.split(",") for line in (project.directory / "partitions.csv").read_text().splitlines() if line[0] != "#"
    ]
    places = {row[0].strip(): int(row[3], 16) for row in rows}
    assert min(places.values()) == offset + 0x1000  # the table takes a sector
    assert places["factory"] % 0x10000 == 0  # as the chip's memory mapping needs it
    assert places["factory"] + 3 * 2**20 <= 4 * 2**20


def test_an_arena_that_the_board_has_no_room_for_is_named_before_anything_is_downloaded(tmp_path):
    project = make(tmp_path / "project")
    header = project.directory / "src" / "xormodel.h"
    header.write_text(header.read_text().replace("xormodel_arena_size = 8", "xormodel_arena_size = 167257"))
    with pytest.raises(
        firmware.BuildError, match=r"arena of xormodel takes 167,257 bytes, 1 more than the 167,256 .*int8"
    ):
        project.build("esp_eye")


@pytest.mark.parametrize(
    ("output", "says"),
    [
        (
            "ld: firmware.elf section `.dram0.bss' will not fit in region `dram0_0_seg'\n"
            "ld: region `dram0_0_seg' overflowed by 12345 bytes",
            "does not fit into the board's memory, by 12,345 bytes: most of it is the network's arena",
        ),
        (
            "A fatal error occurred: Detected overlap at address: 0x8000 for file: partitions.bin",
            "bootloader is too large",
        ),
        (
            "Error: Bootloader binary size 0x7590 bytes is too large for partition table offset 0x8000.",
            "is too large for its",
        ),
    ],
)
def test_espressifs_messages_about_memory_and_flash_are_explained(tmp_path, monkeypatch, output, says):
    project = make(tmp_path / "project")
    monkeypatch.setattr(platformio, "run", lambda *arguments, **options: (1, output))
    monkeypatch.setattr(platformio, "has_espressif", lambda: True)
    with pytest.raises(firmware.BuildError, match=says) as raised:
        project.build("esp_eye")
    assert "dram0" not in str(raised.value)


def test_a_header_is_checked_without_complaints_about_being_one(tmp_path):
    require("g++")
    project = make(tmp_path / "project")
    assert project.check("src/Model.h") == []
    project.write("src/mine.h", "#pragma once\nint f() { return nothing; }\n")
    assert [(problem.file, problem.line) for problem in project.check("src/mine.h")] == [("src/mine.h", 2)]


def test_a_space_in_the_path_is_explained_before_esp_idf_fails_on_it(tmp_path):
    with pytest.raises(firmware.BuildError, match="space"):
        make(tmp_path / "my project").build("esp_eye")


def test_options_are_remembered_and_a_change_moves_espressifs_full_configuration_aside(tmp_path):
    options = firmware.Options(cpu_mhz=240, optimize="performance", assertions="disabled", baud=921600)
    project = make(tmp_path / "project", options=options)
    assert "CONFIG_ESP_DEFAULT_CPU_FREQ_MHZ_240=y" in (project.directory / "sdkconfig.defaults").read_text()
    (project.directory / "sdkconfig.esp_eye").write_text("mine")
    assert make(tmp_path / "project").options == options
    assert (project.directory / "sdkconfig.esp_eye").read_text() == "mine"
    make(tmp_path / "project", options=firmware.Options())
    assert not (project.directory / "sdkconfig.esp_eye").exists()
    assert [path.read_text() for path in project.previous("sdkconfig.esp_eye")] == ["mine"]


def test_another_network_takes_the_place_of_the_first(tmp_path):
    project = make(tmp_path / "project")
    many = [MODEL_FILES[0].with_name("many.h"), MODEL_FILES[0].with_name("many.cpp")]
    firmware.create("xormodel", tmp_path / "project", many)
    assert not (project.directory / "src" / "xormodel.cpp").exists()
    assert firmware.open_project(project.directory).model == "many"


def test_the_tflm_engine_asks_for_its_component_and_the_compiled_one_does_not(tmp_path):
    header, source = (tmp_path / path.name for path in MODEL_FILES)
    header.write_text(MODEL_FILES[0].read_text())
    source.write_text('#include "tensorflow/lite/micro/micro_interpreter.h"\n')
    manifest = firmware.create("xormodel", tmp_path / "project", [header, source]).directory / "src/idf_component.yml"
    assert "esp-tflite-micro" in manifest.read_text()
    make(tmp_path / "project")
    assert not manifest.exists()


def test_options_that_do_not_exist_are_refused_with_those_that_do():
    with pytest.raises(ValueError, match="80, 160, 240"):
        firmware.Options(cpu_mhz=100)


def test_files_that_no_export_wrote_are_refused(tmp_path):
    with pytest.raises(firmware.FirmwareError, match=r"codegen\.export"):
        firmware.create("xormodel", tmp_path / "project", MODEL_FILES[1:])


def test_the_tflm_engine_says_that_it_needs_a_board(tmp_path):
    header, source = (tmp_path / path.name for path in MODEL_FILES)
    header.write_text(MODEL_FILES[0].read_text())
    source.write_text('#include "tensorflow/lite/micro/micro_interpreter.h"\n' + MODEL_FILES[1].read_text())
    project = firmware.create("xormodel", tmp_path / "project", [header, source])
    with pytest.raises(firmware.BuildError, match="ESP-EYE only"):
        project.build("sim")
