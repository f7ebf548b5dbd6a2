"""Every wrong input of the command line is refused with one sentence, which names it and says what to do."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgekit import calibration, quantization, tflite
from edgekit.__main__ import main
from edgekit.network import Network, Op

SIDE = 8


def image_network(name="net", channels=3):
    """A float32 network of images (8, 8, channels), whose input shows no range."""
    random = np.random.default_rng(0)
    weights = random.normal(size=(4, 3, 3, channels)).astype(np.float32)
    last = random.normal(size=(3, 4)).astype(np.float32)
    ops = (
        Op("conv2d", "first", ("x",), "a", weights, np.zeros(4, np.float32), padding="same", activation="relu"),
        Op("mean", "middle", ("a",), "b"),
        Op("fully_connected", "last", ("b",), "y", last, np.zeros(3, np.float32)),
    )
    shapes = {"x": (SIDE, SIDE, channels), "a": (SIDE, SIDE, 4), "b": (4,), "y": (3,)}
    return Network(name, "x", "y", shapes, ops)


def vector_network(size=2):
    weights = np.ones((3, size), np.float32)
    op = Op("fully_connected", "only", ("x",), "y", weights, np.zeros(3, np.float32))
    return Network("vector", "x", "y", {"x": (size,), "y": (3,)}, (op,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that the cases name."""
    import keras
    from PIL import Image

    folder = tmp_path_factory.mktemp("wrong")
    net = image_network()
    reals = np.random.default_rng(0).normal(size=(20, SIDE, SIDE, 3)).astype(np.float32)
    tflite.save(net, folder / "net.tflite")
    tflite.save(net, folder / "my-net 2.tflite")
    tflite.save(net, folder / "while.tflite")
    tflite.save(net, folder / "math.tflite")
    tflite.save(image_network(channels=1), folder / "grey.tflite")
    tflite.save(vector_network(), folder / "vector.tflite")
    tflite.save(vector_network(4), folder / "four.tflite")
    tflite.save(quantization.quantize(net, calibration.calibrate(net, reals)), folder / "int8.tflite")
    (folder / "cut.tflite").write_bytes((folder / "net.tflite").read_bytes()[:200])
    (folder / "empty.tflite").touch()
    (folder / "text.tflite").write_text("not a network\n")
    (folder / "lfs.tflite").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 300\n")
    (folder / "page.tflite").write_text("<!DOCTYPE html><html></html>\n")
    (folder / "notes.txt").write_text("a few words\n")
    (folder / "random.bin").write_bytes(bytes(range(255, 0, -1)))
    (folder / "graph.pb").write_bytes(b"\n\x1b\n\x05input\x12\x0bPlaceholder*\x05\x00\x01\x02\x03\x04")
    (folder / "net.onnx").write_bytes(b"\x08\x08\x12\x07pytorch\x1a\x052.4.0:\x05\x12\x03abc")
    (folder / "net.mlmodel.gz").write_bytes(b"\x1f\x8b\x08\x00" + bytes(30))
    (folder / "net.safetensors").write_bytes((10).to_bytes(8, "little") + b'{"a": 1}  ')
    with zipfile.ZipFile(folder / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", b"\x80\x02}.")
        archive.writestr("net/version", "3")
    (folder / "old.pth").write_bytes(pickle.dumps({"a": 1}, 2))
    (folder / "models").mkdir()
    (folder / "dir.keras").mkdir()
    (folder / "saved").mkdir()
    (folder / "saved/saved_model.pb").write_bytes(b"\x08\x01\x12\x05abcde")

    # Keras
    layers = keras.layers
    good = keras.Sequential([keras.Input((2,)), layers.Dense(3, name="dense")], name="good")
    good.save(folder / "good.keras")
    good.save_weights(folder / "good.weights.h5")
    whole = (folder / "good.keras").read_bytes()
    (folder / "cut.keras").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(folder / "good.keras") as archive, zipfile.ZipFile(folder / "bare.keras", "w") as other:
        other.writestr("config.json", archive.read("config.json"))
        other.writestr("metadata.json", archive.read("metadata.json"))
        other.writestr("model.weights.h5", b"nothing")
    (folder / "cut.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(20))
    keras.Sequential([keras.Input((2,)), layers.Lambda(lambda x: x * 2)]).save(folder / "lambda.keras")

    class Doubled(layers.Layer):
        def call(self, x):
            return x * 2

    keras.Sequential([keras.Input((2,)), Doubled()]).save(folder / "custom.keras")

    class Own(keras.Model):
        def __init__(self, **options):
            super().__init__(**options)
            self.dense = layers.Dense(3)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own(np.zeros((1, 2), np.float32))
    own.save(folder / "subclass.keras")
    keras.Sequential([keras.Input((4, 4)), layers.GRU(2)]).save(folder / "layer.keras")

    # Inputs
    pixels = np.arange(20 * SIDE * SIDE * 3).reshape(20, SIDE, SIDE, 3) % 256
    arrays = {
        "reals": reals,
        "pixels": pixels.astype(np.uint8),
        "float_pixels": pixels.astype(np.float32),
        "int32": pixels.astype(np.int32),
        "int8": pixels.astype(np.int8),
        "bool": pixels > 9,
        "complex": reals * 1j,
        "nan": np.where(np.arange(20)[:, None, None, None] == 7, np.nan, reals),
        "huge": reals.astype(np.float64) * 1e300,
        "one": reals[0],
        "first": reals.transpose(0, 3, 1, 2),
        "flat": reals.reshape(20, -1),
        "large": np.zeros((2, 9, 9, 3), np.float32),
        "none": reals[:0],
        "grey": reals[..., 0],
        "scalar": np.float32(1),
        "vectors": reals[:, 0, 0, :2],
    }
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    np.save(folder / "objects.npy", np.array([{1: 2}, None], object), allow_pickle=True)
    whole = (folder / "reals.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole[: len(whole) // 2])
    header = whole[:128].replace(b"(20, 8, 8, 3)", b"(2000000000000, 8, 8, 3)"[:13])
    (folder / "vast.npy").write_bytes(header.replace(b"(200000000000", b"(20, 8, 2**40") + whole[128:])
    np.savez(folder / "many.npz", images=reals, labels=np.zeros(20))
    (folder / "cut.npz").write_bytes((folder / "many.npz").read_bytes()[:300])
    (folder / "columns.csv").write_text("a,b\n1,2\n3,4,5\n")
    (folder / "index.csv").write_text("0,1,2,3\n.1,.2,.3,.4\n")
    (folder / "long.csv").write_text("1," + 200_000 * "1" + "\n")
    (folder / "word.csv").write_text("a,b\n1,2\n3,four\n")
    (folder / "words.csv").write_text("a,b\nc,d\n")
    (folder / "latin.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    for name in ("no_images", "colours", "greys", "broken", "clear", "deep"):
        (folder / name).mkdir()
    (folder / "no_images/readme.txt").write_text("nothing to see")
    Image.fromarray(pixels[0].astype(np.uint8)).save(folder / "colours/a.png")
    Image.fromarray(pixels[0, ..., 0].astype(np.uint8)).save(folder / "greys/a.png")
    Image.new("RGBA", (8, 8), (1, 2, 3, 4)).save(folder / "clear/a.png")
    Image.fromarray(pixels[0, ..., 0].astype(np.uint16)).save(folder / "deep/a.png")
    (folder / "broken/a.png").write_bytes((folder / "colours/a.png").read_bytes()[:45])
    return folder


CALIBRATE = ("quantize", "net.tflite", "--to", "out.tflite", "--calibration")
RANGE = ("--input-range", "0", "1")
TFLITE = "as .tflite with TensorFlow's converter"
WAY_OUT = f"save it {TFLITE}"

# The command; words that its one line must contain, the name of the file among them.
CASES = [
    # A network that is none
    (("summary", "missing.tflite"), ["there is no file missing.tflite"]),
    (("summary", "nett.tflite"), ["nett.tflite", "did you mean net.tflite?"]),
    (("summary", "nowhere/net.tflite"), ["nowhere/net.tflite", "no folder nowhere"]),
    (("summary", "catclassifier"), ["catclassifier", "there are carclassifier"]),
    (("summary", "models"), ["models is a folder", "give the file in it", "supported are TensorFlow Lite"]),
    (("summary", "dir.keras"), ["dir.keras is a folder"]),
    (("summary", "saved"), ["saved", "SavedModel"]),
    (("summary", "saved/saved_model.pb"), ["saved/saved_model.pb", "give the folder"]),
    (("summary", "graph.pb"), ["graph.pb", "frozen TensorFlow graph", WAY_OUT]),
    (("summary", "net.pt"), ["net.pt is a PyTorch file", "torch.onnx.export"]),
    (("summary", "old.pth"), ["old.pth", "pickle, which edgekit never opens"]),
    (("summary", "net.safetensors"), ["net.safetensors", "no layers"]),
    (("summary", "net.mlmodel.gz"), ["net.mlmodel.gz", "unpacked first"]),
    (("summary", "notes.txt"), ["notes.txt is a text file", "supported are"]),
    (("summary", "random.bin"), ["random.bin", "unknown format"]),
    (("summary", "reals.npy"), ["reals.npy is a NumPy array"]),
    (("summary", "many.npz"), ["many.npz", "weights alone are no network"]),
    (("summary", "colours/a.png"), ["colours/a.png is an image"]),
    (("summary", "/dev/null"), ["/dev/null is no file"]),
    # A .tflite file
    (("summary", "empty.tflite"), ["empty.tflite is an empty file"]),
    (("summary", "text.tflite"), ["text.tflite is a text file, though its name ends in .tflite"]),
    (("summary", "lfs.tflite"), ["lfs.tflite", "git lfs pull"]),
    (("summary", "page.tflite"), ["page.tflite is a web page"]),
    (("summary", "cut.tflite"), ["cut.tflite", "damaged"]),
    # A Keras model
    (("summary", "good.weights.h5"), ["good.weights.h5", "not its layers", "model.save('model.keras')"]),
    (("summary", "cut.keras"), ["cut.keras is damaged", "save it again"]),
    (("summary", "bare.keras"), ["bare.keras", "damaged"]),
    (("summary", "cut.h5"), ["cut.h5", "damaged"]),
    (("summary", "lambda.keras"), ["lambda.keras", "Lambda", "execute", TFLITE]),
    (("summary", "custom.keras"), ["custom.keras", "Doubled", TFLITE]),
    (("summary", "subclass.keras"), ["subclass.keras", "Own", TFLITE]),
    (("report", "missing.keras"), ["there is no file missing.keras"]),
    (("compare", "net.tflite", "vector.tflite"), ["takes inputs of shape 8x8x3", "2"]),
    (("compare", "net.tflite", "int8.tflite", *RANGE), ["--data"]),
    # Calibration data
    ((*CALIBRATE, "missing.npy"), ["there is no file or folder missing.npy"]),
    ((*CALIBRATE, "dogs"), ["there is no file or folder dogs", "xor, cars, photos"]),
    ((*CALIBRATE, "pixels.npy"), ["pixels.npy", "uint8 pixels", "--input-range LOW HIGH", "0 1 or -1 1 or 0 255"]),
    ((*CALIBRATE, "float_pixels.npy"), ["float_pixels.npy", "whole numbers", "--input-range LOW HIGH"]),
    ((*CALIBRATE, "cars"), ["cars", "(200, 96, 96, 3)", "(N, 8, 8, 3)"]),
    ((*CALIBRATE, "reals.npy", *RANGE), ["reals.npy", "real values", "--input-range is for pixels"]),
    ((*CALIBRATE, "pixels.npy", "--input-range", "1", "0"), ["--input-range", "lower one first"]),
    ((*CALIBRATE, "int32.npy"), ["int32.npy", "int32", "save them as float32"]),
    ((*CALIBRATE, "int8.npy"), ["int8.npy", "int8", "save them as float32"]),
    ((*CALIBRATE, "bool.npy"), ["bool.npy", "true and false"]),
    ((*CALIBRATE, "complex.npy"), ["complex.npy", "complex numbers"]),
    ((*CALIBRATE, "nan.npy"), ["nan.npy", "input 7", "NaN"]),
    ((*CALIBRATE, "huge.npy"), ["huge.npy", "infinity"]),
    ((*CALIBRATE, "one.npy"), ["one.npy", "array[None]"]),
    ((*CALIBRATE, "first.npy"), ["first.npy", "channels come first", "transpose(0, 2, 3, 1)"]),
    ((*CALIBRATE, "flat.npy"), ["flat.npy", "reshape(-1, 8, 8, 3)"]),
    ((*CALIBRATE, "large.npy"), ["large.npy", "(2, 9, 9, 3)", "(N, 8, 8, 3)", "scale the images"]),
    ((*CALIBRATE, "scalar.npy"), ["scalar.npy", "(N, 8, 8, 3)"]),
    ((*CALIBRATE, "none.npy"), ["none.npy", "no inputs"]),
    (("quantize", "grey.tflite", "--to", "o.tflite", "--calibration", "grey.npy"), ["grey.npy", "array[..., None]"]),
    ((*CALIBRATE, "objects.npy"), ["objects.npy", "never opens"]),
    ((*CALIBRATE, "cut.npy"), ["cut.npy is damaged"]),
    ((*CALIBRATE, "vast.npy"), ["vast.npy is damaged"]),
    ((*CALIBRATE, "cut.npz"), ["cut.npz", "damaged"]),
    ((*CALIBRATE, "many.npz"), ["many.npz holds 2 arrays", "images (20, 8, 8, 3)", "'x'"]),
    ((*CALIBRATE, "net.pt"), ["net.pt is a PyTorch file", "supported are .npy"]),
    ((*CALIBRATE, "no_images"), ["no_images holds no image", "readme.txt"]),
    ((*CALIBRATE, "models"), ["models holds no image", "nothing else"]),
    ((*CALIBRATE, "greys"), ["greys/a.png is a grey image", "RGB"]),
    ((*CALIBRATE, "clear"), ["clear/a.png has transparent pixels"]),
    ((*CALIBRATE, "deep"), ["deep/a.png", "8 bits"]),
    ((*CALIBRATE, "broken", *RANGE), ["broken/a.png is a damaged image"]),
    ((*CALIBRATE, "colours"), ["colours", "--input-range LOW HIGH"]),
    (("quantize", "grey.tflite", "--to", "o.tflite", "--calibration", "colours"), ["colours/a.png has colours"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "colours"), ["colours", "shape (2,)"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "columns.csv"), ["columns.csv, line 3", "3"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "word.csv"), ["word.csv, line 3", "'four'"]),
    (("quantize", "four.tflite", "--to", "o.tflite", "--calibration", "index.csv"), ["index.csv, line 1", "remove"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "long.csv"), ["long.csv, line 1", "limit"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "words.csv"), ["words.csv, line 2", "'c'"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "latin.csv"), ["latin.csv", "UTF-8"]),
    (("quantize", "vector.tflite", "--to", "o.tflite", "--calibration", "notes.txt"), ["notes.txt", "line of numbers"]),
    (("compare", "net.tflite", "int8.tflite", "--data", "nan.npy"), ["nan.npy", "NaN"]),
    # Where to write
    (("quantize", "net.tflite", "--to", "models", "--calibration", "reals.npy"), ["--to models is a folder"]),
    (("quantize", "net.tflite", "--to", "out.c", "--calibration", "reals.npy"), ["out.c", ".tflite"]),
    (("quantize", "net.tflite", "--to", "net.tflite", "--calibration", "reals.npy"), ["net.tflite", "would replace"]),
    (("quantize", "net.tflite", "--to", "notes.txt/o.tflite", "--calibration", "reals.npy"), ["notes.txt is a file"]),
    (("export", "net.tflite", "--to", "notes.txt"), ["notes.txt is a file", "--to"]),
    (("export", "net.tflite", "--to", "/proc/out"), ["/proc/out cannot be written to"]),
    (("report", "net.tflite", "--plot", "plot.txt"), ["plot.txt", ".png"]),
    # Names in C
    (("export", "my-net 2.tflite"), ["my-net 2", "--name my_net_2"]),
    (("export", "while.tflite"), ["'while'", "--name while_model"]),
    (("export", "math.tflite"), ["math.h", "--name math_model"]),
    (("export", "net.tflite", "--name", "3x"), ["3x"]),
    # Options
    (("quantize", "int8.tflite", "--to", "o.tflite", "--calibration", "reals.npy"), ["int8.tflite is int8 already"]),
    (("export", "net.tflite", "--observer", "mse"), ["--observer", "--calibration DATA"]),
    ((*CALIBRATE, "reals.npy", "--percentile", "99"), ["--observer percentile"]),
    ((*CALIBRATE, "reals.npy", "--observer", "percentile", "--percentile", "0.5"), ["above 50"]),
    ((*CALIBRATE, "reals.npy", "--weights-bits", "9"), ["--weights-bits", "2 to 8"]),
    # The command line itself: exit status 2
    ((*CALIBRATE, "reals.npy", "--observr", "mse"), ["--observr", "did you mean --observer?"]),
    (("export", "net.tflite", "--calibratoin", "x"), ["--calibratoin", "did you mean --calibration?"]),
    ((*CALIBRATE, "reals.npy", "--observer", "percentil"), ["'percentil'", "did you mean percentile?"]),
    (("exprot", "net.tflite"), ["'exprot'", "did you mean export?"]),
    (("quantize", "net.tflite", "--to", "o.tflite"), ["--calibration"]),
    (("summary",), ["model"]),
    (("summary", "net.tflite", "int8.tflite"), ["too many", "int8.tflite"]),
    ((*CALIBRATE, "pixels.npy", "--input-range", "0"), ["--input-range"]),
    ((), ["COMMAND"]),
]  # fmt: skip
USAGE = 9  # the last of them end with exit status 2


@pytest.mark.parametrize(
    ("arguments", "words"), CASES, ids=[" ".join(arguments)[:70] or "nothing" for arguments, _ in CASES]
)
def test_a_wrong_input_is_refused_in_one_line(folder, arguments, words, monkeypatch, capfd):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    status = main(list(arguments))
    out, error = capfd.readouterr()
    assert error.endswith("\n")
    assert error.count("\n") == 1, error
    assert [word for word in words if word not in error] == [], error
    assert "defect" not in error
    assert status == (2 if (arguments, words) in CASES[-USAGE:] else 1)
    assert len(error) < 1000
    assert out == ""
    assert sorted(folder.rglob("*")) == before


def test_an_onnx_model_without_the_extra_is_refused(folder, monkeypatch, capfd):
    monkeypatch.setattr("edgekit.command.models.find_spec", lambda name: None)
    assert main(["summary", str(folder / "net.onnx")]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "is an ONNX model" in error
    assert 'pip install "edgekit[onnx]"' in error
    assert WAY_OUT in error


def test_a_layer_that_is_not_supported_is_named_with_its_file(folder, capfd):
    pytest.importorskip("keras")
    from edgekit import network

    if "GRU" in network.keras.LAYERS:
        pytest.skip("GRU is supported")
    assert main(["summary", str(folder / "layer.keras")]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "layer.keras: " in error
    assert "GRU" in error


def test_a_file_is_read_whatever_its_name_says(folder, tmp_path, capfd):
    for source, name in (("net.tflite", "UPPER.TFLITE"), ("good.keras", "GOOD.KERAS"), ("good.keras", "good.h5")):
        (tmp_path / name).write_bytes((folder / source).read_bytes())
        assert main(["summary", str(tmp_path / name)]) == 0
    assert capfd.readouterr().err == ""


def test_a_folder_that_may_not_be_written_to_is_refused(folder, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(Path, "touch", lambda self: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert main(["export", str(folder / "net.tflite"), "--to", str(tmp_path)]) == 1
    error = capfd.readouterr().err
    assert f"{tmp_path} cannot be written to (Permission denied): choose another folder" in error


def test_a_file_that_may_not_be_read_is_refused(folder, monkeypatch, capfd):
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert main(["summary", str(folder / "net.tflite")]) == 1
    assert "cannot be read: this user has no permission" in capfd.readouterr().err


def test_hostile_names_in_a_file_cannot_write_to_the_terminal(tmp_path, capfd):
    net = image_network("evil\x1b[2J\nname")
    op = net.ops[0]
    tflite.save(Network(net.name, net.input, net.output, net.shapes, net.ops), tmp_path / "evil.tflite")
    assert op.name
    assert main(["summary", str(tmp_path / "evil.tflite")]) == 0
    assert "\x1b" not in capfd.readouterr().out


def test_a_defect_is_one_line_that_asks_for_a_report(folder, monkeypatch, capfd):
    monkeypatch.setattr(tflite, "from_bytes", lambda data: {}["x"])
    assert main(["summary", str(folder / "net.tflite")]) == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    assert "edgekit failed: KeyError" in error
    assert "EDGEKIT_TRACEBACK=1" in error
    monkeypatch.setenv("EDGEKIT_TRACEBACK", "1")
    with pytest.raises(KeyError):
        main(["summary", str(folder / "net.tflite")])
