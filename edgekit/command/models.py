"""Reads a network from a file of any format that edgekit knows, for all commands."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

from edgekit import network as networks
from edgekit import onnx, tflite
from edgekit.command.files import KINDS, kind_of
from edgekit.command.text import one_line, reason
from edgekit.errors import EdgekitError, InvalidValue, MissingFile
from edgekit.extras import MissingPackageError, explain_missing, extra
from edgekit.network import Network, pixels
from edgekit.quantization import QuantizedNetwork

SUPPORTED = "supported are TensorFlow Lite (.tflite), Keras (.keras, .h5), a SavedModel folder and ONNX (.onnx)"
WAY_OUT = "save it as .tflite with TensorFlow's converter"

_ADVICE = {
    "torch": "export it with torch.onnx.export, and read the .onnx file",
    "saved_model.pb": "give the folder",
    "npz": "weights alone are no network: save the whole model",
    "graph": WAY_OUT,
    "folder": "give the file in it, or a SavedModel folder, which holds saved_model.pb",
}


@dataclass(frozen=True)
class Read:
    """A network from a file.

    Attributes:
        network: a `Network` or a `QuantizedNetwork`.
        pixels: the real values of the pixels 0 and 255 and how they are known, if they are; see `network.pixels`.
    """

    network: Network | QuantizedNetwork
    pixels: tuple[float, float, str] | None = None


def read_model(path: str | Path, name: str | None = None) -> Network | QuantizedNetwork:
    """Read the network in a file, or the trained network of this name that comes with edgekit.

    The first bytes of the file tell its format, not its name. Nothing in the file is executed.

    Args:
        path: a .tflite, .keras, .h5 or .onnx file, a SavedModel folder, or ``carclassifier``.
        name: the network's new name; by default the one in the file.

    Returns:
        A `Network`, or a `QuantizedNetwork` for a .tflite file in int8.

    Raises:
        ValueError: it is no network, or one that is not supported; the message names the file and says what to do.
        FileNotFoundError: there is no such file.
    """
    return read(path, name).network


def read(path: str | Path, name: str | None = None) -> Read:
    """As `read_model`, with the range of its pixels."""
    path = Path(path)
    if not path.exists() and not path.suffix and len(path.parts) == 1:
        from edgekit import models

        found = networks.from_keras(models.load_pretrained(str(path)))
        return Read(replace(found, name=name or found.name), (*pixels.OWN, f"as {path} was trained"))
    if not path.exists():
        raise MissingFile(f"there is no file {path}{_near(path)}")
    result = _read(path, kind_of(path))
    return replace(result, network=replace(result.network, name=name)) if name else result


def _read(path: Path, kind: str) -> Read:
    if kind == "tflite":
        with _naming(path):
            return Read(tflite.from_bytes(path.read_bytes()))
    if kind == "hdf5":
        _check_hdf5(path)
    if kind == "saved_model":
        with _naming(path):
            return Read(tflite.from_saved_model(path))
    if kind in ("keras", "hdf5"):
        with _naming(path), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = networks.load_keras(path)
            return Read(networks.from_keras(model), pixels.of_keras(model))
    if kind == "onnx":
        if find_spec("onnx") is None:
            raise MissingPackageError(f"{path} is {KINDS[kind]}, and {explain_missing('onnx', 'onnx')}; or {WAY_OUT}")
        with _naming(path):
            return Read(onnx.load(path))
    raise InvalidValue(refusal(path, kind))


def refusal(path: Path, kind: str) -> str:
    """The sentence for a file that is no network."""
    if kind == "zip" and path.suffix.lower() == ".keras":
        return f"{path} is damaged: a .keras file is a zip archive with config.json and model.weights.h5; save it again"
    what, named = KINDS[kind], path.suffix.lower()
    if kind != "folder" and named in (".tflite", ".keras", ".h5", ".onnx"):
        what += f", though its name ends in {path.suffix}"
    advice = _ADVICE.get(kind, "")
    return f"{path} is {what}; " + (f"{advice}; " if advice else "") + SUPPORTED


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file's name before the errors of a reader, and make one line of them."""
    try:
        yield
    except MissingPackageError:
        raise
    except (EdgekitError, ValueError, OSError) as error:
        said = one_line(error.strerror if isinstance(error, OSError) and error.strerror else error)
        raise InvalidValue(said if str(path) in said else f"{path}: {said}") from None


def _near(path: Path) -> str:
    """A hint at a file with a similar name."""
    if not path.parent.is_dir():
        return f": there is no folder {path.parent} either"
    near = get_close_matches(path.name, [other.name for other in path.parent.iterdir()], 1, 0.75)
    return f"; did you mean {path.with_name(near[0])}?" if near else ""


def _check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file without a model in it."""
    with extra("lessons"):
        import h5py

    try:
        with h5py.File(path, "r") as file:
            if "model_config" in file.attrs:
                return
            names = {*file, *file.attrs}
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidValue(f"{path} is a damaged HDF5 file ({reason(error)}): save the model again") from None
    if names & {"layers", "_layer_checkpoint_dependencies", "layer_names", "vars", "top_level_model_weights"}:
        raise InvalidValue(
            f"{path} holds the weights of a Keras model, and not its layers: build the model, load them with "
            "model.load_weights, and save the whole model with model.save('model.keras')"
        )
    raise InvalidValue(f"{path} is {KINDS['hdf5']} without a Keras model; {SUPPORTED}")
