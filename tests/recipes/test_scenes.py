"""The rendered streets: the same seed gives the same pictures, objects hide and shade others, labels are right."""

import numpy as np
import pytest

from edgekit import datasets
from recipes import scenes
from recipes.scenes import car_bodies, mesh, renderer, things
from recipes.scenes.__main__ import main

SUN = renderer.Light(np.array([0.0, 0, 1]), np.ones(3), np.ones(3) * 0.5, np.ones(3) * 0.5, 0.0, 0.0)


def _ground(points, noise):
    return np.full((len(points), 3), 0.2), np.zeros(len(points))


def _view(scene, position=(0.0, -6.0, 1.5), target=(0, 0, 0.7), side=64):
    camera = renderer.look(np.array(position), target, 0.0, 1.0)
    return renderer.render(scene, _ground, camera, SUN, np.zeros(3), side, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("split", "index"), [("train", 0), ("train", 2999), ("calibration", 7), ("test", 1), ("test", 499)]
)
def test_the_generator_still_makes_the_shipped_pictures(split, index):
    shipped = datasets.load("cars", split).images[index].astype(int)
    made = scenes.render(split, index).astype(int)
    # JPEG changes this much; another picture of the same kind differs by 40 and more.
    assert np.abs(made - shipped).mean() < 4


def test_the_same_seed_gives_the_same_bits():
    assert np.array_equal(scenes.picture(5, 3, True), scenes.picture(5, 3, True))
    assert not np.array_equal(scenes.picture(5, 3, True), scenes.picture(6, 3, True))


@pytest.mark.parametrize("split", scenes.SIZES)
def test_splits_are_complete_balanced_and_labelled_as_generated(split):
    data = datasets.load("cars", split)
    assert data.images.shape == (scenes.SIZES[split], 96, 96, 3)
    assert data.images.dtype == np.uint8
    assert data.labels.mean() == 0.5
    assert np.array_equal(data.labels, scenes.labels(split))
    assert data.class_names == ("no car", "car")


def test_no_picture_is_in_two_splits():
    seen = [image.tobytes() for split in scenes.SIZES for image in datasets.load("cars", split).images]
    assert len(set(seen)) == len(seen)


def test_the_shipped_pictures_stay_small():
    from edgekit.datasets.cars import _FOLDER

    assert sum(path.stat().st_size for path in _FOLDER.iterdir()) < 15e6


def test_the_nearer_thing_hides_the_farther_whatever_their_order():
    near = mesh.box((1, 1, 1), (0, -2, 0), (1, 0, 0))
    far = mesh.box((3, 1, 2), (0, 2, 0), (0, 0, 1))
    alone = (_view(near)[1] >= 0).sum()
    for scene in (mesh.join([near, far]), mesh.join([far, near])):
        image, _ = _view(scene)
        assert (image[..., 0] > 4 * image[..., 2]).sum() == alone > 200


def test_what_passes_behind_the_camera_is_drawn_where_it_is_seen():
    wall = mesh.quad((1, -50, 0), (1, 50, 0), (1, 50, 3), (1, -50, 3), (0, 1, 0))
    _, triangle = _view(wall)
    seen = triangle >= 0
    assert seen[32, 63]
    assert not seen[:, :32].any()


def test_the_sun_throws_shadows_and_curved_paint_is_shaded():
    image, triangle = _view(mesh.box((1.5, 1.5, 0.1), (0, 0, 1.5), (1, 1, 1)), position=(0.0, -6, 3), target=(0, 0, 0))
    ground = np.where((triangle < 0)[..., None], image, np.nan)[35:, :, 0]
    assert np.nanmin(ground) < 0.5 * np.nanmax(ground)
    ball = mesh.ellipsoid((0, 0, 1), (1, 1, 1), (0.5, 0.5, 0.5), mesh.PAINT, 24, 16)
    image, triangle = _view(ball)
    assert len(np.unique(image[triangle >= 0].round(3))) > 50


@pytest.mark.parametrize("kind", car_bodies.BODIES)
def test_every_car_is_whole_symmetric_and_of_its_size(kind):
    built, body = car_bodies.car(kind, np.random.default_rng(1))
    low, high = built.positions.min((0, 1)), built.positions.max((0, 1))
    assert high[0] - low[0] == pytest.approx(body.length, abs=0.1)
    assert high[2] == pytest.approx(body.height, abs=0.2)
    assert low[2] == pytest.approx(0, abs=0.08)  # the wheel arches end below the ground
    assert low[1] == pytest.approx(-high[1], abs=0.01)
    assert np.isfinite(built.positions).all()
    _, triangle = _view(built)
    assert (triangle >= 0).mean() > 0.05


@pytest.mark.parametrize("make", [make for make, _ in things.SUBJECTS], ids=lambda make: make.__name__)
def test_everything_else_stands_on_the_ground(make):
    for seed in range(8):
        built = make(np.random.default_rng(seed))
        built = built[0] if isinstance(built, tuple) else built
        assert -0.5 < built.positions[..., 2].min() < 0.5
        assert np.isfinite(built.normals).all()


def test_the_contact_sheet_is_drawn(tmp_path):
    from PIL import Image

    sheet = tmp_path / "sheet.png"
    main(["--sheet", str(sheet), "--count", "12", "--jobs", "1"])
    assert Image.open(sheet).size == (2000, 400)


def test_a_written_data_set_is_read_back(tmp_path):
    from edgekit.datasets.cars import read, write

    data = datasets.load("cars", "calibration")
    write(tmp_path, "calibration", data.images, data.labels)
    again = read(tmp_path, "calibration")
    assert np.array_equal(again.labels, data.labels)
    assert np.abs(again.images.astype(int) - data.images).mean() < 2


def test_nothing_to_do_is_said(capsys):
    with pytest.raises(SystemExit):
        main([])
    assert "--sheet FILE or --output FOLDER" in capsys.readouterr().err
