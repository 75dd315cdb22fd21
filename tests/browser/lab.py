"""A real JupyterLab and a notebook open in it, as a person sees them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbformat.sign import NotebookNotary
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Locator, Page, WebSocket

START_SECONDS = 60
READY_MS = 60_000

# What JupyterLab and the browser say on their own, whatever is shown in the notebook. Everything else counts as ours.
FOREIGN = re.compile(
    "|".join(
        (
            # The browser names each failed request; a kernel that is shut down under an open page makes some.
            r"^Failed to load resource",
            r"WebSocket connection to .* failed",
            r"WebSocket is closed before the connection is established",
            # JupyterLab asks for the language servers and the kernel's state while either is still starting.
            r"The language server for .* is not available",
            r"Canceled future for .* message before replies were done",
            # Each page's widget manager opens and closes a comm to ask for all widgets; other pages see only its end.
            r"^Comm not found for comm id",
        )
    )
)


class Lab:
    """One JupyterLab on the loopback address, with folders of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "work"
        self.log = folder / "terminal.txt"
        self.token = uuid.uuid4().hex
        self._data = folder / "data"
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        for path in (self.root, self._data, settings):
            path.mkdir(parents=True)
        # The question about news would cover the notebook, and the answer would need the network.
        quiet = {"fetchNews": "false", "checkForUpdates": False}
        (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        folders = {
            "HOME": "home",
            "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "MEDILYTICA_HOME": "medilytica",
        }
        self.environment = {**kept, **{name: str(folder / part) for name, part in folders.items()}}
        command = [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        self.url = self._wait_for_url(folder / "runtime" / f"jpserver-{self._process.pid}.json")

    def _wait_for_url(self, info: Path) -> str:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            # The server writes the file shortly before it listens.
            with contextlib.suppress(OSError, ValueError):
                url = str(json.loads(info.read_text())["url"])
                urllib.request.urlopen(f"{url}api/status?token={self.token}", timeout=START_SECONDS).close()
                return url
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"JupyterLab did not start. It said:\n{self.log.read_text()[-4000:]}")

    def api(self, method: str, path: str) -> Any:
        """Ask the server's REST API; the answer is decoded JSON, or None where it is empty."""
        request = urllib.request.Request(f"{self.url}api/{path}", method=method)
        request.add_header("Authorization", f"token {self.token}")
        with urllib.request.urlopen(request, timeout=30) as response:
            body = response.read()
        return json.loads(body) if body else None

    def shut_down_kernels(self) -> None:
        for session in self.api("GET", "sessions"):
            self.api("DELETE", f"sessions/{session['id']}")

    def write_notebook(self, cells: list[str]) -> str:
        """Write a notebook of code cells; it is signed, as one that a person wrote here is. Returns its name."""
        name = f"notebook-{uuid.uuid4().hex[:8]}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, self.root / name)
        self.sign(name)
        return name

    def copy_notebook(self, source: Path) -> str:
        """Put a copy of a notebook into the server's folder, signed, and return its name there."""
        name = f"{source.stem}-{uuid.uuid4().hex[:8]}.ipynb"
        (self.root / name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        self.sign(name)
        return name

    def sign(self, name: str) -> None:
        NotebookNotary(data_dir=str(self._data)).sign(nbformat.read(self.root / name, as_version=4))

    def stop(self) -> None:
        """End the server and, through it, its kernels. Does nothing when it has ended already."""
        if self._process.poll() is not None:
            return
        # The first SIGTERM ends jupyter_server without the question that SIGINT would ask.
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)


@dataclass
class Traffic:
    """Bytes that crossed the page's kernel WebSockets since the last reset."""

    sent: int = 0
    received: int = 0

    @property
    def total(self) -> int:
        return self.sent + self.received

    def reset(self) -> None:
        self.sent = self.received = 0

    def watch(self, socket: WebSocket) -> None:
        if "/api/kernels/" in socket.url:
            socket.on("framesent", lambda payload: self._add("sent", payload))
            socket.on("framereceived", lambda payload: self._add("received", payload))

    def _add(self, direction: str, payload: str | bytes) -> None:
        size = len(payload.encode() if isinstance(payload, str) else payload)
        setattr(self, direction, getattr(self, direction) + size)


@dataclass
class NotebookPage:
    """A notebook open in JupyterLab in one browser tab.

    ``errors`` collects what the page's console reported as an error and every uncaught exception,
    less what ``FOREIGN`` names.
    """

    lab: Lab
    context: BrowserContext
    name: str
    traffic: Traffic = field(default_factory=Traffic)
    errors: list[str] = field(default_factory=list)
    tabs: list[NotebookPage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", self._on_page_error)
        self.page.on("websocket", self.traffic.watch)
        # A workspace of its own: what another page left open is not opened here.
        workspace = uuid.uuid4().hex[:8]
        self.page.goto(f"{self.lab.url}lab/workspaces/{workspace}/tree/{self.name}?token={self.lab.token}")
        self.wait_until_idle()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not FOREIGN.search(message.text):
            self.errors.append(f"{message.text}\n    at {message.location.get('url', '')}")

    def _on_page_error(self, error: Error) -> None:
        text = f"{error.message}\n{error.stack}"
        if not FOREIGN.search(text):
            self.errors.append(text)

    # -- the notebook ----------------------------------------------------------

    def wait_until_idle(self, timeout_ms: int = READY_MS) -> None:
        """Wait until the notebook is on screen and its kernel has nothing to do."""
        self.page.wait_for_function(
            """() => {
                const panel = window.jupyterapp?.shell?.currentWidget;
                return Boolean(panel?.context?.isReady) && panel.content.widgets.length > 0
                    && panel.sessionContext.isReady
                    && panel.sessionContext.session?.kernel?.status === "idle";
            }""",
            timeout=timeout_ms,
        )

    def command(self, name: str, **arguments: Any) -> Any:
        """Run a JupyterLab command and wait for its end."""
        return self.page.evaluate(
            "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }", [name, arguments]
        )

    def select(self, index: int) -> None:
        """Make a cell the active one, in command mode, and scroll to it."""
        self.page.evaluate(
            """async (index) => {
                const panel = window.jupyterapp.shell.currentWidget;
                panel.content.mode = "command";
                panel.content.activeCellIndex = index;
                await panel.content.scrollToCell(panel.content.widgets[index]);
                panel.content.activate();
            }""",
            index,
        )

    def run(self, index: int) -> None:
        """Run one cell and wait until the kernel has answered."""
        self.select(index)
        self.command("notebook:run-cell")

    def run_all(self) -> None:
        """Run the cells in order; each is waited for."""
        for index in range(self.cell_count):
            self.run(index)

    @property
    def cell_count(self) -> int:
        return int(self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets.length"))

    def cell(self, index: int) -> Locator:
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{index}"]')

    def output(self, index: int) -> Locator:
        """Return the output area of a cell: what it drew and printed."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    # -- the page --------------------------------------------------------------

    def set_theme(self, theme: str) -> None:
        """Switch JupyterLab to "light" or "dark" and wait until the page has it."""
        self.command("apputils:change-theme", theme=f"JupyterLab {theme.capitalize()}")
        light = "true" if theme == "light" else "false"
        self.page.locator(f'body[data-jp-theme-light="{light}"]').wait_for(state="attached")

    def reload(self) -> None:
        self.page.reload()
        self.wait_until_idle()

    def save(self) -> None:
        self.command("docmanager:save")

    def screenshot(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)
        return path

    def second_tab(self) -> NotebookPage:
        """Open the same notebook in another tab of the same browser."""
        self.tabs.append(NotebookPage(self.lab, self.context, self.name))
        return self.tabs[-1]

    def all_errors(self) -> list[str]:
        """Return the errors of this tab and of those opened from it."""
        return [*self.errors, *(error for tab in self.tabs for error in tab.all_errors())]


def new_context(browser: Browser, width: int = 1400, height: int = 1000) -> BrowserContext:
    """Return a browser profile of its own: no cookies, no storage."""
    return browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=1)
