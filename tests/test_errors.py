"""All errors that edgekit raises have one common base class, and keep the base classes that programs already catch."""

import ast
import builtins
import importlib

import numpy as np
import pytest
from conftest import ROOT

import edgekit
from edgekit import codegen, firmware, network, quantization, tflite

# These belong to Python's own protocols: attribute access, argparse, a path that a caller asked to be made.
PYTHONS_OWN = {"AttributeError", "ArgumentTypeError", "SystemExit", "KeyboardInterrupt", "StopIteration"}


def raised():
    """(place, name) for each ``raise Name(...)`` in edgekit."""
    for path in sorted((ROOT / "edgekit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                called = node.exc.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                yield f"{path.relative_to(ROOT)}:{node.lineno}", name


def test_no_bare_built_in_error_is_raised():
    bare = [f"{place} {name}" for place, name in raised() if hasattr(builtins, name) and name not in PYTHONS_OWN]
    assert bare == [], "raise a class of edgekit.errors, or one of the module's own, in its place"


def error_classes():
    for path in sorted((ROOT / "edgekit").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any("Error" in ast.unparse(base) for base in node.bases):
                yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), node.name


@pytest.mark.parametrize(("module", "name"), list(error_classes()))
def test_every_error_class_has_the_common_base(module, name):
    assert issubclass(getattr(importlib.import_module(module), name), edgekit.EdgekitError)


@pytest.mark.parametrize(
    ("wrong", "today"),
    [
        (lambda: tflite.from_bytes(b"no flatbuffer"), ValueError),
        (lambda: codegen.export(None, "3 words", "x"), ValueError),
        (lambda: firmware.Options(cpu_mhz=3), ValueError),
        (lambda: firmware.open_project("/nowhere"), firmware.FirmwareError),
        (lambda: network.check_input(network.Network("n", "x", "y", {"x": (2,)}, ()), np.zeros(3)), ValueError),
        (lambda: quantization.quantize(None, None, "other"), ValueError),
        (lambda: edgekit.table.Table(("a",), [])["b"], KeyError),
        (lambda: edgekit.datasets.from_folder("/nowhere"), FileNotFoundError),
        (lambda: edgekit.models.preprocess(np.zeros((1, 2, 2, 3))), TypeError),
    ],
)
def test_an_error_is_caught_by_either_name(wrong, today):
    with pytest.raises(edgekit.EdgekitError) as by_edgekit:
        wrong()
    with pytest.raises(today) as by_python:
        wrong()
    assert str(by_edgekit.value) == str(by_python.value)
