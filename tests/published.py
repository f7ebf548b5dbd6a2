"""Networks that other people have published: they do not enter the repository, so tests need their folder."""

import os
from pathlib import Path

import pytest
from conftest import ROOT

FOLDER = Path(os.environ.get("EDGEKIT_NETWORKS") or ROOT.parent / "shared" / "networks")


def published(name):
    """The path of a published network; the test is skipped where it is not."""
    if not (FOLDER / name).exists():
        pytest.skip(f"{name} is not in {FOLDER}: give its folder with EDGEKIT_NETWORKS")
    return FOLDER / name
