"""JupyterLab in headless Chromium, for tests that look at a notebook as a student does."""

import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from edgekit.start.server import environment

_SETTINGS = {
    # All cells stay in the page, so that what is scrolled out of sight is looked at too.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


class Lab:
    """A running JupyterLab with one folder, and a browser that looks at it; a context manager.

    Args:
        folder: the server's root.
        scratch: an empty folder for settings, the browser's profile and the server's log.
        theme: "JupyterLab Light" or "JupyterLab Dark".
        size: (width, height) of the window in pixels; that of a laptop by default.
    """

    def __init__(self, folder, scratch, theme="JupyterLab Light", size=(1366, 768)):
        self.folder, self.scratch, self.theme, self.size = Path(folder), Path(scratch), theme, size

    def __enter__(self):
        settings = self.scratch / "settings" / "@jupyterlab"
        for name, values in {**_SETTINGS, "apputils-extension/themes": {"theme": self.theme}}.items():
            path = settings / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        token = secrets.token_hex(16)
        self.address = f"http://127.0.0.1:{port}"
        self.token = token
        self.log = open(self.scratch / "server.log", "w+")
        self.server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"),
                *(f"--ServerApp.root_dir={self.folder}", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
                f"--IdentityProvider.token={token}",
            ],
            env=environment() | {"JUPYTERLAB_SETTINGS_DIR": str(self.scratch / "settings")},
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )
        self.browser = None
        try:
            self._wait(self._answers, 120, "JupyterLab does not answer")
            self.browser = self._browser()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.browser:
            self.browser.quit()
        self.server.terminate()
        self.server.wait(30)
        self.log.close()

    def open(self, notebook):
        """Show a notebook and wait until its kernel is ready."""
        self.browser.get(f"{self.address}/lab/tree/{notebook}?token={self.token}&reset")
        ready = "return window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        self._wait(lambda: self.browser.execute_script(ready), 180, f"{notebook} has no kernel")

    def run_all(self, seconds):
        """Run all cells; returns when the last has run, or raises AssertionError after so many seconds."""
        self.browser.execute_script("window.ran = false; window.jupyterapp.commands.execute('notebook:run-all-cells')")
        busy = """return [...window.jupyterapp.shell.currentWidget.content.widgets].some(cell =>
            cell.model.type === 'code' && cell.model.executionState !== 'idle') ||
            window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status !== 'idle'"""
        time.sleep(2)
        self._wait(lambda: not self.browser.execute_script(busy), seconds, "the notebook is still running")

    def _answers(self):
        if self.server.poll() is not None:
            raise AssertionError(f"JupyterLab stopped: {self.last_words()}")
        try:
            with urllib.request.urlopen(f"{self.address}/api?token={self.token}", timeout=5):
                return True
        except OSError:
            return False

    def _wait(self, done, seconds, otherwise):
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, f"{otherwise} after {seconds} s: {self.last_words()}"
            time.sleep(0.3)

    def last_words(self):
        """The end of the server's log."""
        return (self.scratch / "server.log").read_text(errors="replace")[-2000:]

    def _browser(self):
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (
            *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
            *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
            *(f"user-data-dir={self.scratch / 'profile'}", f"window-size={self.size[0]},{self.size[1]}"),
        ):
            options.add_argument(f"--{flag}")
        return webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
