"""Checks that a lesson starts: runs the real server, the notebook's kernel and its first cells, and stops them.

``edgekit start NAME --check`` and ``start-notebook.sh NAME --check`` run this in a separate process, in the lesson's
environment. It helps to prepare a room of laptops.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import websocket

from edgekit.errors import EdgekitError

SERVER_PATIENCE = 120  # seconds; a cold disk, a virus scanner
CELL_PATIENCE = 300


class CheckError(EdgekitError):
    """The lesson cannot be used here; the message says why, in one sentence."""


class Server:
    """A running JupyterLab server, used over its REST interface.

    Args:
        folder: the server's root.
        port: a free port.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.address, self.token = f"127.0.0.1:{port}", secrets.token_hex(16)
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed in stop)
        options = {"root_dir": folder, "port": port, "port_retries": 0, "ip": "127.0.0.1", "base_url": "/"}
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *(f"--ServerApp.{name}={value}" for name, value in options.items()),
                f"--IdentityProvider.token={self.token}",
            ],
            stdin=subprocess.DEVNULL,
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> Any:
        """Wait until the server answers; CheckError if it does not."""
        deadline = time.monotonic() + SERVER_PATIENCE
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise CheckError(f"JupyterLab stopped at once: {self.last_words()}")
            try:
                return self.call("/api/status")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.1)
        raise CheckError(f"JupyterLab did not answer within {SERVER_PATIENCE} s: {self.last_words()}")

    def call(self, path: str, body: Any = None, method: str | None = None) -> Any:
        """Ask the server.

        Args:
            path: of the REST interface, for example ``/api/status``.
            body: sent as JSON; with one, the method is POST.
            method: another method, for example ``DELETE``.

        Returns:
            The answer, from JSON.

        Raises:
            urllib.error.URLError: no answer, or one that is an error.
        """
        request = urllib.request.Request(
            f"http://{self.address}{path}",
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"token {self.token}", "Content-Type": "application/json"},
            method=method,
        )
        # A proxy of the machine's must not be asked for an address of this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            return json.loads(response.read() or "null")

    def last_words(self) -> str:
        """The last lines that the server printed, as one."""
        self.log.seek(0)
        lines = [line.strip() for line in self.log.read().splitlines() if line.strip()]
        return " / ".join(lines[-3:]) or "it printed nothing"

    def stop(self) -> None:
        """End the server, by force after 20 s."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()


class Kernel:
    """The notebook's kernel, used through the server as by the browser.

    Args:
        server: a running server.
        notebook: a file in the server's root.
    """

    def __init__(self, server: Server, notebook: Path) -> None:
        kernel = json.loads(notebook.read_text(encoding="utf-8")).get("metadata", {}).get("kernelspec", {})
        session = server.call(
            "/api/sessions",
            {"path": notebook.name, "name": notebook.name, "type": "notebook"}
            | {"kernel": {"name": kernel.get("name", "python3")}},
        )
        self.session, self.identity = uuid.uuid4().hex, session["kernel"]["id"]
        self.socket = websocket.create_connection(
            f"ws://{server.address}/api/kernels/{self.identity}/channels?session_id={self.session}",
            header=[f"Authorization: token {server.token}"],
            timeout=CELL_PATIENCE,
            http_no_proxy=["*"],
        )

    def run(self, code: str) -> str:
        """Run code.

        Args:
            code: Python, as in a cell.

        Returns:
            The text that it printed.

        Raises:
            CheckError: it raises or does not end.
        """
        identity = uuid.uuid4().hex
        header = {"msg_id": identity, "session": self.session, "username": "", "msg_type": "execute_request"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True}
        self.socket.send(
            json.dumps(
                {"header": header | {"version": "5.4", "date": ""}, "parent_header": {}, "metadata": {}}
                | {"content": content, "channel": "shell", "buffers": []}
            )
        )
        printed: list[str] = []
        deadline = time.monotonic() + CELL_PATIENCE
        reply, idle = None, False
        # The reply and the printed text come on two channels: the cell has ended only when both have ended.
        while time.monotonic() < deadline and not (reply and idle):
            try:
                received = self.socket.recv()
            except websocket.WebSocketTimeoutException:
                break
            except (websocket.WebSocketException, OSError) as error:
                raise CheckError(f"the kernel's connection broke: {error}") from error
            if isinstance(received, bytes):
                continue  # a message with binary buffers: a widget's state
            message = json.loads(received)
            if message["msg_type"] == "status" and message["content"]["execution_state"] in ("dead", "restarting"):
                raise CheckError("the kernel died")
            if message["parent_header"].get("msg_id") != identity:
                continue
            if message["msg_type"] == "stream":
                printed.append(message["content"]["text"])
            if message["msg_type"] == "status":
                idle = idle or message["content"]["execution_state"] == "idle"
            if message["msg_type"] == "execute_reply":
                reply = message["content"]
        if not (reply and idle):
            raise CheckError(f"no answer within {CELL_PATIENCE} s")
        if reply["status"] != "ok":
            raise CheckError(f"{reply.get('ename', reply['status'])}: {reply.get('evalue', '')}".strip(": "))
        return "".join(printed)


def first_cells(notebook: Path) -> list[str]:
    """The source of the code cells before the first cell that the student has to fill in."""
    cells = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        graded = cell.get("metadata", {}).get("nbgrader", {})
        if graded.get("solution") or graded.get("grade"):
            break
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip():
            cells.append("".join(cell["source"]))
    return cells


def check(notebook: Path, port: int) -> None:
    """Start the server and the kernel, run the notebook's first cells, and print each step.

    Args:
        notebook: the student's own copy.
        port: a free port.

    Raises:
        CheckError: one of these steps does not work.
    """
    server = Server(notebook.parent, port)
    try:
        server.wait()
        print(f"JupyterLab answers on port {port}.", flush=True)
        try:
            kernel = Kernel(server, notebook)
            prefix = kernel.run("import sys; print(sys.prefix)").strip()
        except urllib.error.HTTPError as error:
            raise CheckError(
                f"the server refused to start a kernel (HTTP {error.code}): {server.last_words()}"
            ) from error
        if Path(prefix).resolve() != Path(sys.prefix).resolve():
            raise CheckError(f"the kernel runs in {prefix}, not in {sys.prefix}: remove the kernel that shadows it")
        cells = first_cells(notebook)
        for number, source in enumerate(cells, start=1):
            try:
                kernel.run(source)
            except CheckError as error:
                first_line = source.strip().splitlines()[0]
                raise CheckError(f"cell {number} of the notebook ({first_line!r}) failed: {error}") from error
        print(f"The kernel answers, and the notebook's first {len(cells)} code cells ran.", flush=True)
        server.call(f"/api/kernels/{kernel.identity}", method="DELETE")
    finally:
        server.stop()


def main() -> int:
    """Check the notebook and the port that the command line names.

    Returns:
        0 if the lesson is ready, or 1.
    """
    notebook, port = Path(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    try:
        check(notebook, port)
    except CheckError as error:
        print(f"{notebook.stem} is not ready: {error}", file=sys.stderr)
        return 1
    print(f"{notebook.stem} is ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
