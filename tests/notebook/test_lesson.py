"""For a wrong program, the lessons' messages name the step to look at."""

import numpy as np
import pytest
from board_projects import FILES
from conftest import require

from edgekit import board, codegen, firmware
from edgekit.notebook.lesson import ProgramError, put_before_camera, try_program, watch
from grader.for_tests import car_network

SOLUTION = (FILES / "car_main.cpp").read_text()
SERIAL = ("CameraImageProvider images", "SerialImageProvider images")
INPUT = "(pixels[i] - 128) / 128.0f"


@pytest.fixture(scope="module")
def network():
    return car_network.small(5)


@pytest.fixture(scope="module")
def project(network, tmp_path_factory):
    require("g++")
    folder = tmp_path_factory.mktemp("lesson")
    files = codegen.export(network[0], "carclassifier", folder / "c")
    return firmware.create("carclassifier", folder / "project", files)


def write(project, *changes):
    text = SOLUTION
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    project.write("src/main.cpp", text)


def test_a_right_program_gives_the_networks_scores_from_camera_and_computer(project, network):
    quantized, images = network
    expected = quantized.predict((images.astype(np.float32) - 128) / 128).ravel()
    write(project)
    np.testing.assert_allclose(try_program(project, quantized, images), expected, atol=1e-4)
    write(project, SERIAL)
    np.testing.assert_allclose(try_program(project, quantized, images, camera=False), expected)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("float score = model.output(0);", "float score = 0.0f;")], r"its score is 0 for every image: .* \(4\)"),
        ([(INPUT, "(pixels[i] - 128) / 128")], r"write 128.0f \(2\)"),
        ([(INPUT, "pixels[i] / 255.0f")], r"subtract 128 first \(2\)"),
        ([(INPUT, "pixels[i]")], r"not divided by 128 \(2\)"),
        (
            [("        model.invoke();\n", "")],
            r"for every image: are the pixels put into the model \(2\), and is it run",
        ),
        ([(f"model.set_input(i, {INPUT});", "")], r"are all Model::input_size values put in \(2\)"),
        ([("i < Model::input_size", "i < 96 * 96")], "are all Model::input_size values put in"),
        (
            [("        model.invoke();\n", ""), ("        for (int i", "        model.invoke();\n        for (int i")],
            "each score belongs to the image before",
        ),
        (
            [("float score = model.output(0);", "float score = model.output(0) > 0.5f;")],
            r"only 0 or 1: .* without rounding",
        ),
        ([("float score = model.output(0);", "float score = 1 - model.output(0);")], "1 minus the model's output"),
        ([('score > 0.5f ? "car"', 'score > 2 ? "car"')], 'it says "no car" for a score of 0.*gets "car" for it'),
        ([("serial.write_result", "if (score > 2) serial.write_result")], "0 verdicts in 10 seconds, not 8"),
    ],
)
def test_a_wrong_program_is_told_where_to_look(project, network, changes, message):
    write(project, *changes)
    with pytest.raises(ProgramError, match=message):
        try_program(project, *network)


def test_a_program_that_still_looks_through_the_camera_is_told_so(project, network):
    write(project)
    with pytest.raises(ProgramError, match=r"images from the camera.*SerialImageProvider that you changed"):
        try_program(project, *network, camera=False)


def test_the_camera_sees_only_the_last_images_and_those_added_by_hand(project, network):
    _, images = network
    folder = put_before_camera(project, images)
    (folder / "mine.ppm").write_bytes(b"P6 96 96 255\n" + images[0].tobytes())
    put_before_camera(project, images[:2])
    assert sorted(path.name for path in folder.iterdir()) == ["mine.ppm", "scene-000.ppm", "scene-001.ppm"]
    (folder / "mine.ppm").unlink()
    with pytest.raises(ValueError, match="expected 1 to 999 uint8 images"):
        put_before_camera(project, images / 255)
    write(project)
    project.build("sim", on_line=None)
    with board.simulate(project) as running:
        verdicts = watch(running, 4)
        assert verdicts[0][:2] == verdicts[2][:2]
        assert verdicts[0][0] == ("car" if verdicts[0][1] > 0.5 else "no car")
        with pytest.raises(board.BoardError, match=r"verdicts in 0\.5 seconds, not 999"):
            watch(running, 999, seconds=0.5)
