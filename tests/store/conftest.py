"""Real servers for the run store, started on loopback and stopped at the end, and a home of each test's own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from medilytica_widgets.store import RunStore

PASSWORD = "not ev3rybody's"


def until(condition: Callable[[], Any], timeout: float = 30.0) -> Any:
    """Wait until something holds, and return it."""
    end = time.monotonic() + timeout
    while not (found := condition()):
        assert time.monotonic() < end, "what was waited for did not happen"
        time.sleep(0.01)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of this test's own, and an environment that names no server."""
    folder = tmp_path / "home"
    monkeypatch.setenv("MEDILYTICA_HOME", str(folder))
    for name in ("MEDILYTICA_DATABASE_URL", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def stores() -> Iterator[Callable[..., RunStore]]:
    """Opens stores and closes them at the end."""
    opened: list[RunStore] = []

    def open_store(*args: Any, **kwargs: Any) -> RunStore:
        opened.append(RunStore(*args, **kwargs))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, stores: Callable[..., RunStore]) -> RunStore:
    """An empty store, in each kind of database."""
    if request.param == "sqlite":
        return stores()
    return stores(request.getfixturevalue("postgres").new_database())


class Postgres:
    """A PostgreSQL server of the tests' own."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.port = free_port()
        # the server refuses to be root's; someone else's own folder is then needed, too
        self.user = next((name for name in ("postgres", "nobody") if _exists(name)), None) if os.getuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        if self.user is not None:
            shutil.chown(folder, self.user)
        password = folder / "password"
        password.write_text(PASSWORD)
        if self.user is not None:
            shutil.chown(password, self.user)
        self._run(
            "initdb",
            *("--pgdata", str(folder / "data"), "--username", "medilytica", "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        self.start()

    @property
    def url(self) -> str:
        return f"postgresql://medilytica:{quote(PASSWORD)}@127.0.0.1:{self.port}/postgres"

    def new_database(self) -> str:
        """Return the URL of an empty database: a schema of its own, which takes no copy of 300 files."""
        import psycopg

        self._databases += 1
        name = f"runs{self._databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url}?options=-csearch_path%3D{name}"

    def start(self) -> None:
        import psycopg

        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    self.programs / "postgres",
                    *("-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port)),
                    *("-c", "unix_socket_directories=", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self.user,
            )

        def answers() -> bool:
            assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                return False
            return True

        until(answers)

    def stop(self) -> None:
        """End the server as a power cut would; the next start recovers."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(30)
            self.process = None

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.programs / program, *arguments], cwd=self.folder, user=self.user, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs; Debian keeps them off the PATH, by version."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    programs = _programs()
    if programs is None:
        pytest.fail(
            "These tests start a PostgreSQL server, and no 'initdb' is on the PATH nor under /usr/lib/postgresql. On "
            "Debian or Ubuntu: sudo apt-get install postgresql. Elsewhere, install it and put its programs there.",
            pytrace=False,
        )
    # pytest's own folders are open to one user only, and as root the server runs as another
    folder = Path(tempfile.mkdtemp(prefix="medilytica-postgres-"))
    server = Postgres(programs, folder)
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


class MlflowServer:
    """An MLflow tracking server of the tests' own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        quiet = {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "GIT_PYTHON_REFRESH": "quiet",
        }
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)),
                    *("--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"),
                    *("--artifacts-destination", str(self.folder / "artifacts")),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")} | quiet,
                start_new_session=True,
            )

        def answers() -> bool:
            assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
            try:
                with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as reply:
                    return bool(reply.status == 200)
            except OSError:
                return False

        until(answers, 90)

    def stop(self) -> None:
        """End the server and its workers, which are a process group."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
            self.process = None


class Line:
    """A line to a server that can be cut and mended; who calls meanwhile is refused, as by a server that is away."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self._target = target
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self.mend()

    def mend(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def cut(self) -> None:
        for end in [self._listener, *self._ends]:
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._listener, self._ends = None, []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65_536):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.stop()
