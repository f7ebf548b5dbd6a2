"""Networks that other people published for microcontrollers: where the tests and benchmarks find their files.

The files are not in the repository. EDGEKIT_NETWORKS names their folder; by default it is shared/networks beside the
checkout. A test that reads them has the mark `needs_networks`, and is skipped where the folder is absent.
"""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("EDGEKIT_NETWORKS") or Path(__file__).resolve().parents[2] / "shared" / "networks")
needs_networks = pytest.mark.skipif(not FOLDER.is_dir(), reason="published networks are not here (EDGEKIT_NETWORKS)")


def path(name: str) -> Path:
    """The path of one of the files, for example "mlperf_kws_int8.tflite"."""
    return FOLDER / name


def read(name: str) -> bytes:
    """The bytes of one of the files."""
    return path(name).read_bytes()


def names(suffix: str = "") -> list[str]:
    """The names of the files with this suffix, in order; none where the folder is absent."""
    return sorted(file.name for file in FOLDER.glob(f"*{suffix}") if file.suffix != ".md") if FOLDER.is_dir() else []
