"""Each room of edgekit imports only earlier rooms, also inside functions."""

from conftest import ROOT
from import_order import violations

# docs/architecture.md, "The house", says why in this order.
ROOMS = [
    "errors",
    "table",
    "former_names",
    "extras",
    "datasets",
    "models",
    "training",
    "network",
    "onnx",
    "calibration",
    "quantization",
    "plots",
    "tflite",
    "codegen",
    "cost",
    "firmware",
    "board",
    "benchmark",
    "capture",
    "notebook",
    "doctor",
    "start",
    "command",
    "__main__",
]


def test_imports_go_one_way_only():
    assert violations(ROOT / "edgekit", ROOMS) == []
