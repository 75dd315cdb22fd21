"""A real Jupyter server for the session, rooms on it, and a network between that can be cut."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from medilytica_widgets.collab.discovery import Server as Address
from medilytica_widgets.collab.room import RoomClient
from medilytica_widgets.collab.shared_doc import SharedDoc
from tests.collab.network import Proxy
from tests.servers import Server

PEOPLE = {
    "token-of-alice": {"username": "alice", "name": "Alice A.", "display_name": "Alice A.", "color": "#2b6cb0"},
    "token-of-bob": {"username": "bob", "name": "Bob B."},
    "token-of-carol": {"username": "carol", "name": "Carol C."},
}
EXTENSION = """
from medilytica_widgets.server import durable

def _jupyter_server_extension_points():
    return [{"module": "tests_durable"}]

def _load_jupyter_server_extension(serverapp):
    serverapp.web_app.add_handlers(".*$", durable.handlers(serverapp.web_app.settings["base_url"]))
"""

_numbers = itertools.count()


def new_server(folder: Path, **options: Any) -> Server:
    """Start a server that knows Alice, Bob and Carol and says what it has stored."""
    modules = folder / "modules"
    modules.mkdir(parents=True)
    (modules / "tests_durable.py").write_text(EXTENSION)
    options.setdefault("people", PEOPLE)
    # whether or not the installation switches it on for everybody
    options.setdefault("extensions", {}).setdefault("medilytica_widgets.server", False)
    if options.pop("durable", True):
        options.setdefault("extensions", {}).setdefault("tests_durable", True)
    if not any(entry.name == "medilytica" for entry in metadata.entry_points(group="jupyter_ydoc")):
        # an installation from before this document type: the server must know it all the same
        told = modules / "tests_workspace-0.dist-info"
        told.mkdir()
        (told / "METADATA").write_text("Metadata-Version: 2.1\nName: tests-workspace\nVersion: 0\n")
        (told / "entry_points.txt").write_text(
            "[jupyter_ydoc]\nmedilytica = medilytica_widgets.collab.ydoc:YWorkspace\n"
        )
    root = str(Path(__file__).parents[2])
    options.setdefault("environment", {}).setdefault("PYTHONPATH", f"{modules}:{root}")
    return Server(folder, **options)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that do it no harm."""
    server = new_server(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Server]]:
    """Start a server that a test may kill."""
    servers: list[Server] = []

    def start(**options: Any) -> Server:
        servers.append(new_server(tmp_path_factory.mktemp("own"), **options))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def new_path() -> str:
    """Return the path of a workspace that nobody else uses."""
    return f"team-{next(_numbers)}.medilytica"


@pytest.fixture
def join() -> Iterator[Callable[..., RoomClient]]:
    """Open rooms, ``join(server, path, person="alice", via=proxy)``; they are closed in the end."""
    rooms: list[RoomClient] = []

    def open_(
        server: Server, path: str, person: str = "alice", *, via: Proxy | None = None, **options: Any
    ) -> RoomClient:
        address = Address(server.url if via is None else via.url, f"token-of-{person}", str(server.root))
        doc = options.pop("doc", None) or SharedDoc()
        room = RoomClient(doc, address, path, **options)
        room.doc = doc  # type: ignore[attr-defined]
        rooms.append(room)
        return room.start()

    yield open_
    for room in rooms:
        room.close()


@pytest.fixture
def proxy() -> Iterator[Callable[[Server], Proxy]]:
    """Put a network that can be cut in front of a server."""
    proxies: list[Proxy] = []

    def put(server: Server) -> Proxy:
        proxies.append(Proxy(server.port))
        return proxies[-1]

    yield put
    for each in proxies:
        each.close()
