"""The grader's kernels survive faults of the machine."""

import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")

from grader.sandbox import bubblewrap
from grader.sandbox.kernels import Kernel

LIMITS = bubblewrap.Limits(cell_seconds=10, notebook_seconds=60)


def test_outputs_that_are_heard_late_are_not_lost():
    """On a busy machine the outputs' channel may connect after the kernel has answered on the other one."""
    kernel = Kernel(LIMITS)
    try:
        outputs = Path(f"{kernel._manager.ip}-{kernel._manager.iopub_port}")
        while not outputs.exists():
            time.sleep(0.01)
        hidden = outputs.rename(outputs.with_name("hidden"))
        threading.Timer(4, hidden.rename, [outputs]).start()
        result = kernel.run("print('heard')")
        assert result.status == "ok", result.outputs
        assert [output.text for output in result.outputs] == ["heard\n"]
    finally:
        kernel.close()
