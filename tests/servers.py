"""A real Jupyter server on the loopback address, with its own folders, that a test may kill and start again."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import psutil

START_SECONDS = 90
STOP_SECONDS = 4
KILL_SECONDS = 30

# Who may enter, and as whom: one token for each person, as FINDINGS describes it.
PEOPLE = '''
import json, secrets
from pathlib import Path
from jupyter_server.auth.identity import PasswordIdentityProvider, User

class People(PasswordIdentityProvider):
    """Every token is a person; the server's own token stays what it is."""

    async def get_user_token(self, handler):
        given = self.get_token(handler) or ""
        for token, person in json.loads(Path({people!r}).read_text()).items():
            if secrets.compare_digest(given, token):
                return User(**person)
        return await super().get_user_token(handler)

c.ServerApp.identity_provider_class = People
'''
# What these tests never look at costs seconds at each start.
UNWANTED = ("jupyter_lsp", "notebook_shim", "jupyterlab")


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One Jupyter server with jupyter-collaboration.

    Parameters
    ----------
    folder : Path
        A new folder for everything of this server: ``work`` (its root), ``config``, ``data``, ``runtime``, the log.
    config : dict, optional
        Configuration by class, as in ``jupyter_server_config.json``: ``{"ServerApp": {"…": …}}``.
    people : dict, optional
        A token for each person: ``{"alice-token": {"username": "alice", "name": "Alice A."}}``. Without it the
        server has only its own token (``server.token``), which is an anonymous person.
    extensions : dict, optional
        Server extensions to switch on or off: ``{"medilytica_widgets.server": True, "jupyterlab": True}``.
    environment : dict, optional
        Further variables of the environment; None takes one away.
    code : str
        Python at the end of ``jupyter_server_config.py``, where ``c`` is the configuration.
    start : bool
        Start at once.

    Attributes
    ----------
    url, base_url, token, root, port, log
        The address that ends in a slash, its path, the server's own token, its root folder, its port (which stays
        over a restart), and the file of what it said.
    """

    def __init__(
        self,
        folder: Path,
        *,
        config: dict[str, Any] | None = None,
        people: dict[str, dict[str, str]] | None = None,
        extensions: dict[str, bool] | None = None,
        environment: dict[str, str | None] | None = None,
        code: str = "",
        base_url: str = "/",
        start: bool = True,
    ) -> None:
        self.folder = folder
        self.root = folder / "work"
        self.log = folder / "terminal.txt"
        self.token = uuid.uuid4().hex
        self.port = free_port()
        self.base_url = base_url
        self.url = f"http://127.0.0.1:{self.port}{base_url}"
        self._process: subprocess.Popen[bytes] | None = None
        for name in ("work", "config", "data", "runtime", "home"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.people = people or {}
        self._people = folder / "people.json"
        self.set_people(self.people)
        code = PEOPLE.format(people=str(self._people)) + code if people is not None else code
        (folder / "config" / "jupyter_server_config.py").write_text(f"c = get_config()  # noqa\n{code}")
        settings: dict[str, Any] = {name: dict(values) for name, values in (config or {}).items()}
        switched = {**dict.fromkeys(UNWANTED, False), **(extensions or {})}
        settings.setdefault("ServerApp", {})["jpserver_extensions"] = switched
        (folder / "config" / "jupyter_server_config.json").write_text(json.dumps(settings))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY_"))}
        folders = {
            "HOME": "home",
            "IPYTHONDIR": "ipython",
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
        }
        self.environment = {**kept, **{name: str(folder / part) for name, part in folders.items()}}
        for name, value in (environment or {}).items():
            if value is None:
                self.environment.pop(name, None)
            else:
                self.environment[name] = value
        if start:
            self.start()

    def set_people(self, people: dict[str, dict[str, str]]) -> None:
        """Say anew who may enter; it holds for the next request."""
        self.people = people
        fresh = self._people.with_suffix(".new")
        fresh.write_text(json.dumps(people))
        fresh.replace(self._people)

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The server was not started.")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server on its port and wait until it answers."""
        if self.running:
            return
        command = [
            sys.executable,
            "-m",
            "jupyter_server",
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={self.base_url}",
            f"--IdentityProvider.token={self.token}",
            f"--ServerApp.root_dir={self.root}",
        ]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.root, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.running:
            # Not anybody else who listens there: our token opens it.
            with contextlib.suppress(OSError):
                self.api("GET", "api/status")
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"The Jupyter server did not start. It said:\n{self.said()[-6000:]}")

    def said(self) -> str:
        """Return what the server wrote to its terminal, over all its lives."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Ask for a path below the base URL; return the status and the decoded JSON (text where it is none)."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers or {})
        if token != "":
            request.add_header("Authorization", f"token {token or self.token}")
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                status, answer = int(response.status), response.read()
        except urllib.error.HTTPError as error:
            status, answer = int(error.code), error.read()
        try:
            return status, json.loads(answer) if answer else None
        except ValueError:
            return status, answer.decode(errors="replace")

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """Ask for a path below the base URL and return the answer; raise OSError where it is refused."""
        status, answer = self.request(method, path, body, token=token)
        if status >= 400:
            raise OSError(f"{method} {path} was answered with {status}: {answer}")
        return answer

    def memory(self) -> int:
        """Return the server's resident memory in bytes."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def kill9(self) -> None:
        """Take the server away as a power cut does: it writes and says nothing more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(KILL_SECONDS)

    def suspend(self) -> None:
        """Stop the server's clock: its sockets stay open and answer nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop in good order and start again, on the same port and with the same folders."""
        self.stop()
        self.start()

    def stop(self) -> None:
        """End the server and, through it, its kernels. Does nothing when it has ended already."""
        if self._process is None or self._process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGCONT)
        # The first SIGTERM ends jupyter_server without the question that SIGINT would ask.
        self._process.send_signal(signal.SIGTERM)
        try:
            # one with open rooms does not always end by itself
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(KILL_SECONDS)
