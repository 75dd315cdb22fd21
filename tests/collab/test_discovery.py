"""Which server serves a file: asked in scripts, on a hub, and in a real kernel."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient

from medilytica_widgets.collab.discovery import Server, find_server, locate
from medilytica_widgets.errors import WorkspaceError
from tests.collab.network import wait_for
from tests.servers import Server as RealServer

HUB = ("JUPYTERHUB_API_TOKEN", "JUPYTERHUB_SERVICE_PREFIX", "JUPYTERHUB_SERVICE_URL", "JUPYTERHUB_ROOT_DIR")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Show a machine on which no server runs; returns where servers write about themselves."""
    for name in (*HUB, "JPY_PARENT_PID", "JPY_SESSION_NAME", "MEDILYTICA_KERNEL_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    return runtime


@pytest.fixture
def runs(alone: Path, tmp_path: Path) -> Any:
    """Let a server be known to run: ``runs(1, root)``."""

    def write(number: int, root: Path, pid: int | None = None) -> None:
        root.mkdir(parents=True, exist_ok=True)
        info = {
            "url": f"http://localhost:{number}/base/",
            "token": f"secret-{number}",
            "root_dir": str(root),
            "pid": pid or os.getpid(),
        }
        (alone / f"jpserver-{number}.json").write_text(json.dumps(info))

    return write


def test_without_a_server_there_is_none(tmp_path: Path) -> None:
    assert find_server(tmp_path / "team.medilytica") is None


def test_a_running_server_is_found_when_its_root_holds_the_file(tmp_path: Path, runs: Any) -> None:
    runs(1, tmp_path / "a")
    runs(2, tmp_path / "a" / "inner")
    runs(3, tmp_path / "b")
    found = find_server(tmp_path / "a" / "inner" / "team.medilytica")
    assert found is not None
    assert (found.url, found.token, found.found) == ("http://localhost:2/base/", "secret-2", "running")
    assert found.path_of(tmp_path / "a" / "inner" / "x" / "team.medilytica") == "x/team.medilytica"
    assert find_server(tmp_path / "c" / "team.medilytica") is None
    assert find_server(tmp_path / "ab" / "team.medilytica") is None
    assert found.path_of(tmp_path / "a" / "inner" / ".." / "other") is None


def test_a_linked_folder_is_inside_the_root(tmp_path: Path, runs: Any) -> None:
    runs(1, tmp_path / "root")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "to-root").symlink_to(tmp_path / "root")
    for path in (tmp_path / "root" / "linked" / "t.medilytica", tmp_path / "to-root" / "linked" / "t.medilytica"):
        found = find_server(path)
        assert found is not None or "to-root" in str(path)
    found = find_server(tmp_path / "to-root" / "t.medilytica")
    assert found is not None and found.path_of(tmp_path / "to-root" / "t.medilytica") == "t.medilytica"


def test_the_server_that_started_the_kernel_comes_first(
    tmp_path: Path, runs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs(1, tmp_path, os.getppid())
    runs(2, tmp_path / "inner")
    monkeypatch.setenv("JPY_PARENT_PID", str(os.getppid()))
    file = tmp_path / "inner" / "team.medilytica"
    found = find_server(file)
    assert found is not None and (found.found, found.token) == ("kernel", "secret-1")
    monkeypatch.setenv("MEDILYTICA_KERNEL_TOKEN", "scoped")
    found = find_server(file)
    assert found is not None and found.token == "scoped"
    # another server's kernels' credential is not shown to this one
    monkeypatch.setenv("JPY_PARENT_PID", "1")
    found = find_server(file)
    assert found is not None and (found.found, found.token) == ("running", "secret-2")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://0.0.0.0:9999/user/alice/", "http://127.0.0.1:9999/user/alice/"),
        ("http://[::]:9999/user/alice/", "http://127.0.0.1:9999/user/alice/"),
        ("http://:9999/user/alice/", "http://127.0.0.1:9999/user/alice/"),
        ("https://host.example:9999/user/alice/", "https://host.example:9999/user/alice/"),
    ],
)
def test_on_a_hub_the_persons_own_server_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, url: str
) -> None:
    values = ("hub-token", "/user/alice/", address, str(tmp_path))
    for name, value in zip(HUB, values, strict=True):
        monkeypatch.setenv(name, value)
    found = find_server(tmp_path / "team.medilytica")
    assert found is not None
    assert (found.url, found.token, found.found) == (url, "hub-token", "hub")
    assert "hub-token" not in repr(found)
    assert find_server("/nowhere/team.medilytica") is None


def test_a_server_named_outright_is_taken(tmp_path: Path) -> None:
    found = find_server(tmp_path / "t.medilytica", url="https://host/base", token="t")
    assert found == Server("https://host/base/", "t", None, "explicit", str(tmp_path / "t.medilytica"))
    assert found.websocket("api", "x y", a="b") == "wss://host/base/api/x%20y?a=b"
    with pytest.raises(WorkspaceError, match="begins with http"):
        Server("ftp://host/")


def test_a_name_beside_the_notebook_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "team.medilytica").write_text("")
    monkeypatch.chdir(tmp_path)
    assert locate("team.medilytica") == tmp_path / "team.medilytica"
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "notes" / "a.ipynb"))
    assert locate("team.medilytica") == tmp_path / "notes" / "team.medilytica"
    assert locate("other.medilytica") == tmp_path / "other.medilytica"


def is_ready(client: BlockingKernelClient) -> bool:
    try:
        client.wait_for_ready(timeout=30)
    except RuntimeError:
        # on a loaded machine a slow heartbeat is taken for a dead kernel
        return False
    return True


@pytest.mark.timeout(300)
def test_a_real_kernel_finds_its_server_and_shares_a_document(server: RealServer, new_path: str) -> None:
    kernel = server.api("POST", "api/kernels", {"name": "python3", "path": ""})
    client = BlockingKernelClient(connection_file=str(server.folder / "runtime" / f"kernel-{kernel['id']}.json"))
    client.load_connection_file()
    client.start_channels()
    try:
        wait_for(lambda: is_ready(client), 90)
        code = f"""
from pycrdt import Map
from medilytica_widgets.collab.discovery import find_server, locate
from medilytica_widgets.collab.room import RoomClient
from medilytica_widgets.collab.shared_doc import SharedDoc
server = find_server({new_path!r})
doc = SharedDoc()
with RoomClient(doc, server, server.path_of(locate({new_path!r}))) as room:
    doc.get("tests", type=Map)["from"] = "kernel"
    told = room.flush(60)
print(server.found, server.url, told, room.user["username"] != "")
"""
        said: list[str] = []
        reply = client.execute_interactive(
            code, timeout=90, output_hook=lambda message: said.append(message["content"].get("text", ""))
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        assert "".join(said) == f"kernel {server.url} True True\n"
        assert (server.root / new_path).exists()
    finally:
        client.stop_channels()
        server.api("DELETE", f"api/kernels/{kernel['id']}")
