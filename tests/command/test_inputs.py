"""Inputs of a network, read from arrays, tables, images and data sets; and the meaning of pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from edgekit import calibration, datasets, models, quantization
from edgekit.command.inputs import random_inputs, read_inputs
from edgekit.errors import EdgekitError
from edgekit.network import Network, Op


def network(shape, name="net"):
    size = int(np.prod(shape))
    weights = np.ones((2, size), np.float32)
    ops = (
        Op("reshape", "flat", ("x",), "row"),
        Op("fully_connected", "last", ("row",), "y", weights, np.zeros(2, np.float32)),
    )
    return Network(name, "x", "y", {"x": tuple(shape), "row": (size,), "y": (2,)}, ops)


def two_inputs():
    weights, bias = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    ops = (
        Op("fully_connected", "first", ("a",), "p", weights, bias),
        Op("fully_connected", "second", ("b",), "q", weights[:, :1], bias),
        Op("add", "sum", ("p", "q"), "y"),
    )
    return Network("two", ("a", "b"), "y", {"a": (3,), "b": (1,), "p": (2,), "q": (2,), "y": (2,)}, ops)


IMAGES = network((4, 6, 3))
REALS = np.random.default_rng(0).normal(size=(7, 4, 6, 3))
PIXELS = np.random.default_rng(0).integers(0, 256, (7, 4, 6, 3)).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_real_values_of_any_precision_are_used_unchanged(tmp_path, kind, suffix):
    path, array = tmp_path / f"inputs.{suffix}", REALS.astype(kind)
    if suffix == "npy":
        np.save(path, array)
    else:
        np.savez_compressed(path, anything=array)
    read = read_inputs(str(path), IMAGES)
    assert read.arrays.dtype == np.float32
    np.testing.assert_array_equal(read.arrays, array.astype(np.float32))
    assert "7 inputs" in read.sentences[-1]
    assert "4 x 6 x 3, real values from" in read.sentences[-1]


def test_an_array_is_known_by_its_bytes_and_not_by_its_name(tmp_path):
    with (tmp_path / "inputs.dat").open("wb") as file:
        np.save(file, REALS)
    assert len(read_inputs(str(tmp_path / "inputs.dat"), IMAGES).arrays) == 7


def test_several_inputs_are_arrays_by_name(tmp_path):
    a, b = REALS[:5, 0, 0], REALS[:5, 0, 0, :1]
    np.savez(tmp_path / "inputs.npz", b=b, a=a, labels=np.zeros(5))
    read = read_inputs(str(tmp_path / "inputs.npz"), two_inputs())
    assert list(read.arrays) == ["a", "b"]
    np.testing.assert_array_equal(read.arrays["b"], b.astype(np.float32))
    ranges = calibration.calibrate(two_inputs(), read.arrays)
    assert ranges["a"] == pytest.approx((a.min(), a.max()))
    np.savez(tmp_path / "few.npz", a=a)
    with pytest.raises(ValueError, match="no array named 'b'"):
        read_inputs(str(tmp_path / "few.npz"), two_inputs())
    np.savez(tmp_path / "uneven.npz", a=a, b=b[:2])
    with pytest.raises(ValueError, match="different numbers of inputs"):
        read_inputs(str(tmp_path / "uneven.npz"), two_inputs())
    np.save(tmp_path / "one.npy", a)
    with pytest.raises(ValueError, match=r"has the inputs a, b: give a \.npz file"):
        read_inputs(str(tmp_path / "one.npy"), two_inputs())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3\n4,5,-6.5\n", [[1, 2, 3], [4, 5, -6.5]]),
        ("x,y,z\n1,2,3\n", [[1, 2, 3]]),
        ('\ufeff"x","y","z"\r\n1, 2, 3\r\n\r\n', [[1, 2, 3]]),
        ("1;2;3,5\n", [[1, 2, 3.5]]),
        ("1\t2\t3e2\n", [[1, 2, 300]]),
        ("  1 2   3\n", [[1, 2, 3]]),
    ],
)
def test_a_table_has_one_input_in_each_row(tmp_path, text, expected):
    (tmp_path / "inputs.csv").write_text(text, encoding="utf-8", newline="")
    np.testing.assert_array_equal(read_inputs(str(tmp_path / "inputs.csv"), network((3,))).arrays, expected)


def test_a_tables_rows_take_the_inputs_shape_and_several_inputs_follow_each_other(tmp_path):
    (tmp_path / "inputs.csv").write_text("0.5,1,2,3\n4,5,6,7\n")
    read = read_inputs(str(tmp_path / "inputs.csv"), network((2, 2)))
    assert read.arrays.tolist() == [[[0.5, 1], [2, 3]], [[4, 5], [6, 7]]]
    read = read_inputs(str(tmp_path / "inputs.csv"), two_inputs())
    assert {name: array.tolist() for name, array in read.arrays.items()} == {
        "a": [[0.5, 1, 2], [4, 5, 6]],
        "b": [[3], [7]],
    }


def test_a_number_that_is_not_finite_is_refused(tmp_path):
    (tmp_path / "inputs.csv").write_text("1,2,3\n1,nan,3\n")
    with pytest.raises(ValueError, match=r"input 1 \(counted from 0\) holds NaN"):
        read_inputs(str(tmp_path / "inputs.csv"), network((3,)))


def save_images(folder):
    """Images of three formats in folders of any depth, and what does not count; returns the pixels by name."""
    for row, name in enumerate(("b.PNG", "cats/a.bmp", "cats/deeper/c.jpg")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[row]).save(folder / name, quality=100, subsampling=0)
    (folder / "labels.txt").write_text("0 1 1\n")
    (folder / ".DS_Store").write_bytes(b"\0\0")


def test_any_folder_of_images_is_read_in_the_order_of_names(tmp_path):
    save_images(tmp_path)
    read = read_inputs(str(tmp_path), IMAGES, (0, 255))
    np.testing.assert_array_equal(read.arrays[:2], PIXELS[:2])
    assert len(read.arrays) == 3
    assert "1 other files" in read.sentences[0]
    assert len(read.sentences) == 2
    single = read_inputs(str(tmp_path / "b.PNG"), IMAGES, (0, 255))
    np.testing.assert_array_equal(single.arrays, PIXELS[:1])


def test_images_of_another_size_are_cropped_and_resized_and_a_sentence_says_so(tmp_path):
    Image.fromarray(PIXELS[0]).save(tmp_path / "a.png")
    Image.new("RGB", (24, 8), (255, 0, 0)).save(tmp_path / "b.png")
    read = read_inputs(str(tmp_path), IMAGES, (0, 255))
    assert "1 of 2 images are 24 x 8 pixels" in read.sentences[0]
    assert "resized to 6 x 4" in read.sentences[0]
    np.testing.assert_array_equal(read.arrays[1, 0, 0], [255, 0, 0])


@pytest.mark.parametrize("shape", [(4, 6, 1), (4, 6)])
def test_grey_images_fit_a_grey_network_also_where_they_are_stored_as_rgb(tmp_path, shape):
    grey = PIXELS[0, ..., 0]
    Image.fromarray(grey).save(tmp_path / "a.png")
    Image.fromarray(np.repeat(grey[..., None], 3, axis=2)).save(tmp_path / "b.png")
    read = read_inputs(str(tmp_path), network(shape), (0, 255))
    np.testing.assert_array_equal(read.arrays, np.stack([grey.reshape(shape)] * 2))


# The meaning of pixels


def quantized(low, high):
    ranges = calibration.calibrate(IMAGES, np.linspace(low, high, 144, dtype=np.float32).reshape(2, 4, 6, 3))
    return quantization.quantize(IMAGES, ranges)


KNOWN = (0.0, 255.0, "because its beginning scales")


@pytest.mark.parametrize(
    ("net", "stated", "known", "expected"),
    [
        (IMAGES, (0, 1), None, (0, 1)),
        (IMAGES, (-2, 3), None, (-2, 3)),
        (IMAGES, None, KNOWN, (0, 255)),
        (IMAGES, (0, 1), KNOWN, (0, 1)),
        (quantized(-1, 127 / 128), None, None, (-1, 127 / 128)),
        (quantized(0, 1), None, None, (0, 1)),
        (IMAGES, None, None, None),
        (quantized(-2.2, 2.4), None, None, None),
    ],
)
def test_pixels_are_taken_only_where_their_real_values_are_known(tmp_path, net, stated, known, expected):
    np.save(tmp_path / "pixels.npy", PIXELS)
    np.save(tmp_path / "floats.npy", PIXELS.astype(np.float64))
    for name in ("pixels.npy", "floats.npy"):
        if expected is None:
            with pytest.raises(ValueError, match="say --input-range LOW HIGH as in training"):
                read_inputs(str(tmp_path / name), net, stated, known)
            continue
        read = read_inputs(str(tmp_path / name), net, stated, known)
        low, high = expected
        np.testing.assert_allclose(read.arrays, PIXELS / 255 * (high - low) + low, atol=1e-5)
        assert f"stand for the real values {low:.4g} to {high:.4g}" in read.sentences[-1]
        assert ("but the network shows 0 to 255" in read.sentences[-1]) == bool(stated and known)


def test_values_that_are_scaled_already_are_refused_where_the_network_takes_pixels(tmp_path):
    np.save(tmp_path / "scaled.npy", PIXELS / np.float32(255))
    with pytest.raises(ValueError, match="from 0 to 1, but 'net' takes 0 to 255"):
        read_inputs(str(tmp_path / "scaled.npy"), IMAGES, None, KNOWN)
    assert read_inputs(str(tmp_path / "scaled.npy"), IMAGES).arrays.max() == 1


def test_whole_numbers_of_a_sensor_are_no_pixels(tmp_path):
    (tmp_path / "inputs.csv").write_text("1,20,255\n0,3,9\n")
    assert read_inputs(str(tmp_path / "inputs.csv"), network((3,))).arrays.max() == 255


def test_the_car_networks_pixels_are_those_of_preprocess():
    cars = datasets.load("cars", "calibration").images
    own = network((96, 96, 3))
    read = read_inputs("cars", own, None, (-1.0, 127 / 128, "as carclassifier was trained"))
    np.testing.assert_array_equal(read.arrays, models.preprocess(cars))
    with pytest.raises(ValueError, match="cars holds uint8 pixels and the network does not show"):
        read_inputs("cars", own)


def test_random_inputs_cover_what_int8_covers_and_say_that_they_are_random():
    read = random_inputs(quantized(-2, 6))
    assert read.arrays.shape == (32, 4, 6, 3)
    assert -2.1 < read.arrays.min() < -1.9
    assert 5.9 < read.arrays.max() < 6.1
    assert "random inputs" in read.sentences[0]
    assert "--data" in read.sentences[0]
    assert random_inputs(IMAGES).arrays.max() <= 1
    assert random_inputs(IMAGES, quantized(0, 9)).arrays.max() > 8
    assert random_inputs(IMAGES, known=KNOWN).arrays.max() > 200
    assert list(random_inputs(two_inputs()).arrays) == ["a", "b"]


def test_real_values_with_fractions_are_no_pixels(tmp_path):
    np.save(tmp_path / "reals.npy", PIXELS * np.float32(0.9))
    read = read_inputs(str(tmp_path / "reals.npy"), IMAGES)
    np.testing.assert_array_equal(read.arrays, PIXELS * np.float32(0.9))
    with pytest.raises(ValueError, match="--input-range is for pixels"):
        read_inputs(str(tmp_path / "reals.npy"), IMAGES, (0, 1))


def files():
    """A small file of each format that is read, by its name."""

    def written(write):
        file = io.BytesIO()
        write(file)
        return file.getvalue()

    image = Image.fromarray(PIXELS[0])
    return {
        "reals.npy": written(lambda file: np.save(file, REALS)),
        "pixels.npz": written(lambda file: np.savez_compressed(file, x=PIXELS)),
        "image.png": written(lambda file: image.save(file, "PNG")),
        "image.jpg": written(lambda file: image.save(file, "JPEG")),
        "image.bmp": written(lambda file: image.save(file, "BMP")),
        "table.csv": "\n".join(",".join(map(str, row.ravel())) for row in REALS).encode(),
    }


@pytest.mark.parametrize("name", files())
@pytest.mark.filterwarnings("error")
def test_mutated_files_are_read_or_refused_with_a_sentence(tmp_path, name):
    original, random = files()[name], np.random.default_rng(0)
    path, refused = tmp_path / name, []
    for _ in range(60):
        data = bytearray(original)
        for place in random.integers(0, min(len(data), 200), random.integers(1, 6)):
            data[place] = random.choice([0, 255, random.integers(256)])
        path.write_bytes(data[: random.integers(len(data))] if random.random() < 0.3 else data)
        try:
            assert np.isfinite(read_inputs(str(path), IMAGES, (0, 1)).arrays).all()
        except EdgekitError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert [text for text in refused if str(path) not in text or "\n" in text] == []
