"""The kernel of a lesson's JupyterLab knows edgekit from the start, so that a restart leaves no reader without help."""

import json
import os
import subprocess
import sys

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from edgekit.start.server import environment

ARGV = "import json, jupyter_client.kernelspec as k; print(json.dumps(k.get_kernel_spec('python3').argv))"


def test_the_servers_kernel_explains_errors_before_any_cell_has_run(tmp_path, monkeypatch):
    found = subprocess.run([sys.executable, "-c", ARGV], env=environment(), check=True, capture_output=True, text=True)
    assert json.loads(found.stdout)[-1] == "--IPKernelApp.extra_extensions=edgekit.notebook"
    folders = [os.path.join(environment()["JUPYTER_PATH"].split(os.pathsep)[0], "kernels")]
    manager = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=folders))
    manager.start_kernel(cwd=tmp_path)
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        assert error(client, "inputs")[0].startswith(
            "There is no `inputs`. If a cell above makes it, run that cell first"
        )
        assert (
            "Run > Run All Above Selected Cell"
            in error(client, "# Check of a: 2 of 5 points, task 1 of 2\nassert a")[0]
        )
        assert error(client, "%%firmware src/main.cpp\nint x;")[0].startswith("there is no firmware project yet")
        assert error(client, "%load_ext edgekit\n1/0")[-1].endswith("division by zero")  # and says nothing of its own
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def error(client, code):
    """The lines with which a cell fails, of which nothing else is said."""
    request = client.execute(code)
    lines, said = [], ""
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "error":
            lines = "\n".join(message["content"]["traceback"]).splitlines()
        elif message["msg_type"] == "stream":
            said += message["content"]["text"]
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            assert not said
            return lines
