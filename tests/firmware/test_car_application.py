"""The car application runs the network on images from the computer or the camera, on the simulated board."""

import re
import shutil

import numpy as np
import pytest
from board_projects import FILES
from conftest import require

from edgekit import board as boards
from edgekit import calibration, codegen, datasets, firmware, models, network, quantization
from edgekit.firmware import put_before_camera
from edgekit.models import preprocess

SOLUTION = (FILES / "car_main.cpp").read_text()


@pytest.fixture(scope="module")
def images():
    return datasets.load("cars", "test").images[:12]


@pytest.fixture(scope="module")
def net(images):
    float_network = network.from_keras(models.load_pretrained("carclassifier"))
    return quantization.quantize(float_network, calibration.calibrate(float_network, preprocess(images)))


@pytest.fixture(scope="module")
def project(net, tmp_path_factory):
    require("g++")
    folder = tmp_path_factory.mktemp("car")
    project = firmware.create("carclassifier", folder / "project", codegen.export(net, "car", folder / "c"))
    assert not [problem for problem in project.check("src/main.cpp") if problem.kind == "error"]  # as released
    return project


def test_images_from_the_computer_get_the_scores_that_python_computes(project, net, images):
    project.write("src/main.cpp", SOLUTION.replace("CameraImageProvider images", "SerialImageProvider images"))
    project.build("sim", on_line=None)
    with boards.simulate(project) as board:
        assert (board.info.input_dtype, board.info.input_shape) == (np.uint8, (96, 96, 3))
        results = [board.classify(image) for image in images]
        with pytest.raises(ValueError, match="0 to 255"):
            board.classify(images[0] - 300.0)
    expected = net.predict(preprocess(images)).ravel()
    np.testing.assert_array_equal([result.scores[0] for result in results], expected)
    assert [result.label for result in results] == ["car" if score > 0.5 else "no car" for score in expected]


def test_the_simulated_camera_shows_colour_bars_or_the_pictures_in_its_folder(project, net, images):
    project.write("src/main.cpp", SOLUTION)
    project.upload("sim", on_line=None)
    bars = np.zeros((96, 96, 3), np.uint8)
    for bar in range(8):
        bars[:, 12 * bar : 12 * bar + 12] = [255 * bool(~bar & 2), 255 * bool(~bar & 4), 255 * bool(~bar & 1)]
    with boards.simulate(project) as board:
        assert seen(board, 1) == [f"{net.predict(preprocess(bars[None])).item():.4f}"]
        with pytest.raises(boards.BoardError, match="from the camera"):
            board.classify(images[0])

    folder = project.directory / "camera"
    folder.mkdir()
    for i, image in enumerate(images[:2]):
        (folder / f"{i}.ppm").write_bytes(b"P6 96 96 255\n" + image.tobytes())
    with boards.simulate(project) as board:
        expected = [f"{score:.4f}" for score in net.predict(preprocess(images[:2])).ravel()]
        assert seen(board, 2) == expected

    (folder / "0.ppm").write_bytes(b"P6 10 10 255\n")
    text = []
    with boards.simulate(project, wait=False) as board, pytest.raises(boards.BoardError, match="abort"):
        seen(board, 1, text)
    assert "0.ppm is not a PPM picture of 96 x 96 pixels" in "".join(text)


def test_the_light_shows_the_verdict(project, net, images):
    expected = (net.predict(preprocess(images)) > 0.5).ravel()
    both = images[[np.flatnonzero(expected)[0], np.flatnonzero(~expected)[0]]]
    project.write("src/main.cpp", SOLUTION)
    project.build("sim", on_line=None)
    shutil.rmtree(project.directory / "camera", ignore_errors=True)
    put_before_camera(project, both)
    text = []
    with boards.simulate(project) as board:
        seen(board, 6, text)
    lights = dict.fromkeys(("car", "no car"), None)
    light, lines = "off", "".join(text).splitlines()
    for line in lines:
        if found := re.match(r"\(the light is (\w+)\)", line):
            light = found[1]
        elif found := re.match(r"(.*): .* in \d+ us", line):
            assert lights[found[1]] in (None, light)
            lights[found[1]] = light
    assert lights == {"car": "on", "no car": "off"}


def test_the_board_works_with_assertions_compiled_out(project, images, monkeypatch):
    project.write("src/main.cpp", SOLUTION.replace("CameraImageProvider images", "SerialImageProvider images"))
    project.build("sim", on_line=None)
    with boards.simulate(project) as board:
        expected = board.classify(images[0]).scores
    monkeypatch.setenv("PLATFORMIO_BUILD_FLAGS", "-DNDEBUG")
    project.build("sim", on_line=None)
    with boards.simulate(project) as board:
        assert board.classify(images[0]).scores == expected


def test_nothing_on_the_board_is_done_inside_an_assertion(project):
    """With assertions disabled assert() leaves its call out, and ESP_ERROR_CHECK() its stop."""
    sources = [path for path in (project.directory / "src").rglob("*") if path.suffix in (".h", ".cpp")]
    assert any(path.match("esp/*.cpp") for path in sources)
    for path in sources:
        code = re.sub(r"//.*", "", path.read_text())
        assert not re.search(r"(?<!static_)\bassert\s*\(|\bESP_ERROR_CHECK", code), path


def seen(board, count, text=None):
    """The first scores that the board prints; what it prints is added to `text`."""
    text = [] if text is None else text
    while "".join(text).count(" us\n") < count:
        board.monitor(text.append, seconds=0.2)
    lines = [line for line in "".join(text).splitlines() if " in " in line]
    return [line.split(": ")[1].split(" in ")[0] for line in lines[:count]]


def test_only_the_car_application_asks_for_the_camera_component(project, tmp_path):
    assert "esp32-camera" in (project.directory / "src/idf_component.yml").read_text()
    other = firmware.create("xormodel", tmp_path / "p", [FILES / "xormodel.h", FILES / "xormodel.cpp"])
    assert not (other.directory / "src/idf_component.yml").exists()
    assert not (other.directory / "src/board/esp/CameraImageProvider.cpp").exists()
    assert "esp_driver_gpio" in (project.directory / "src/CMakeLists.txt").read_text()
    assert "esp_driver_gpio" not in (other.directory / "src/CMakeLists.txt").read_text()
