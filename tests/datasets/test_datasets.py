"""All data sets have the same form, are named by split, and describe their contents correctly."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgekit import datasets


def test_xor_is_the_truth_table():
    data = datasets.load("xor", "train")
    assert data.inputs.dtype == np.float32
    assert data.inputs.shape == (4, 2)
    assert data.labels.shape == (4,)
    assert all(int(a) ^ int(b) == label for (a, b), label in zip(data.inputs, data.labels, strict=True))
    noisy = datasets.load("xor", "noisy")
    rounded = noisy.inputs.round().astype(int)
    assert (rounded[:, 0] ^ rounded[:, 1] == noisy.labels).mean() > 0.98
    with pytest.raises(AttributeError, match=r"use \.inputs"):
        _ = data.images


def test_unknown_names_list_the_known():
    with pytest.raises(ValueError, match="there are xor, cars, photos"):
        datasets.load("xro")
    with pytest.raises(ValueError, match="it has train, noisy"):
        datasets.load("xor", "test")


def test_a_dataset_checks_that_its_parts_fit():
    with pytest.raises(ValueError, match="need labels of shape"):
        datasets.Dataset(np.zeros((3, 2)), [0, 1], ("a", "b"))
    with pytest.raises(ValueError, match="labels must be 0 to 1"):
        datasets.Dataset(np.zeros((2, 2)), [0, 2], ("a", "b"))
    with pytest.raises(ValueError, match="N, H, W, C"):
        datasets.Dataset(np.zeros((2, 2), np.uint8), [0, 1], ("a", "b"))
    with pytest.raises(ValueError, match="uint8 images"):
        datasets.Dataset(np.zeros((2, 8, 8, 3), int), [0, 1], ("a", "b"))
    with pytest.raises(ValueError, match="labels must be whole numbers"):
        datasets.Dataset(np.zeros((2, 2)), ["0", "1"], ("a", "b"))


def test_rows_of_whole_numbers_become_real_numbers_and_labels_may_be_written_with_a_point():
    data = datasets.Dataset([[0, 1], [1, 1]], [1.0, 0.0], ("0", "1"))
    assert data.inputs.dtype == np.float32
    assert data.labels.tolist() == [1, 0]
    assert data.labels.dtype.kind == "i"


def test_rows_are_chosen_as_from_an_array():
    data = datasets.load("xor")
    assert data[1:3].labels.tolist() == [1, 1]
    assert data[data.labels == 0].inputs.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(TypeError, match=r"use dataset\[2:3\]"):
        data[2]


def test_the_car_scenes_load_without_tensorflow():
    code = (
        "import sys; from edgekit import datasets; datasets.load('cars', 'test'); sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture
def photographs(tmp_path):
    """A folder as a student would fill it: 3 cars, 2 without, of several sizes and kinds."""
    for name, count, color in (("car", 3, (200, 30, 30)), ("no_car", 2, (30, 200, 30))):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.new("RGB", (300 + 40 * i, 200), color).save(tmp_path / name / f"{i}.{('jpg', 'png', 'bmp')[i]}")
    (tmp_path / "car" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_own_photographs_are_read_cropped_and_scaled(photographs):
    Image.new("RGBA", (50, 90), (200, 30, 30, 128)).save(photographs / "car" / "with alpha.png")
    data = datasets.from_folder(photographs)
    assert data.images.shape == (6, 96, 96, 3)
    assert data.labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert np.abs(data.images[2].astype(int) - (200, 30, 30)).max() < 4


def test_a_photograph_is_turned_as_its_camera_says(photographs):
    image = Image.fromarray(np.repeat([[[0], [255]]], 3, axis=2).astype(np.uint8)).resize((80, 80), 0)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(photographs / "no_car" / "a.png", exif=exif)
    turned = [image for image in datasets.from_folder(photographs).images if image[48, 5].min() > 250]
    assert len(turned) == 1


def test_broken_photographs_are_named_skipped_and_counted(photographs):
    (photographs / "car" / "broken.jpg").write_bytes(b"\xff\xd8 not a jpeg")
    whole = (photographs / "car" / "1.png").read_bytes()
    (photographs / "car" / "cut.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(UserWarning, match=r"2 of 7 images could not be read: car/broken\.jpg, car/cut\.png"):
        assert len(datasets.from_folder(photographs)) == 5


def test_a_wrong_folder_is_explained(photographs, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        datasets.from_folder(tmp_path / "nowhere")
    (photographs / "no_car").rename(photographs / "nocar")
    with pytest.raises(FileNotFoundError, match="needs two subfolders, car and no_car; no_car is missing"):
        datasets.from_folder(photographs)
    (photographs / "no_car").mkdir()
    with pytest.raises(ValueError, match="holds no image that can be read"):
        datasets.from_folder(photographs)


def test_photos_are_balanced_and_their_splits_apart(monkeypatch):
    from keras.datasets import cifar10

    rng = np.random.default_rng(0)

    def made(count):
        # The real download is 170 MB; the class of each of these images can be read from its colour.
        classes = rng.permutation(np.repeat(np.arange(10), count))[:, None]
        images = np.broadcast_to(classes[:, :, None, None], (len(classes), 32, 32, 3)) * 20
        return images.astype(np.uint8), classes

    monkeypatch.setattr(cifar10, "load_data", lambda: (made(300), made(20)))
    splits = {split: datasets.load("photos", split) for split in ("train", "calibration", "test")}
    assert [len(data) for data in splits.values()] == [400, 200, 40]
    for data in splits.values():
        assert data.images.shape[1:] == (96, 96, 3)
        assert data.labels.mean() == 0.5
        assert np.array_equal(data.labels == 1, data.images[:, 0, 0, 0] == 20)


def test_without_network_the_photos_say_what_to_do(monkeypatch):
    from keras.datasets import cifar10

    def fails():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(cifar10, "load_data", fails)
    with pytest.raises(ConnectionError, match=r"connect to the internet .* or use load\('cars'\)"):
        datasets.load("photos")
