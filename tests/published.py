"""Networks that other people published for microcontrollers: where the tests and benchmarks find their files.

The files are not in the repository. EDGEKIT_NETWORKS names their folder; by default it is shared/networks beside the
checkout. A test that reads them has the mark `needs_networks`, and is skipped where the folder is absent.
"""

import os
from pathlib import Path

import pytest
from conftest import ROOT

FOLDER = Path(os.environ.get("EDGEKIT_NETWORKS") or ROOT.parent / "shared" / "networks")
needs_networks = pytest.mark.skipif(not FOLDER.is_dir(), reason="published networks are not here (EDGEKIT_NETWORKS)")


def published(name: str) -> Path:
    """The path of one of the files, for example "mlperf_kws_int8.tflite"; the test is skipped where it is not."""
    if not (FOLDER / name).exists():
        pytest.skip(f"{name} is not in {FOLDER}: give its folder with EDGEKIT_NETWORKS")
    return FOLDER / name


def read(name: str) -> bytes:
    """The bytes of one of the files."""
    return published(name).read_bytes()


def names(suffix: str = "") -> list[str]:
    """The names of the files with this suffix, in order; none where the folder is absent."""
    return sorted(file.name for file in FOLDER.glob(f"*{suffix}") if file.suffix != ".md") if FOLDER.is_dir() else []
