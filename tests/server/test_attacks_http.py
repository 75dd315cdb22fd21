"""What a viewer, a stranger and somebody unknown get from every endpoint; and roles that change while people work."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
import websocket

from tests.server.attackers import V1, KernelSocket, RoomSocket, Shared, wait_for

TEXT = {"type": "file", "format": "text", "content": "by the owner"}
NEW = {"type": "file", "format": "text", "content": "by the attacker"}
UPLOAD = {"type": "file", "format": "base64", "content": base64.b64encode(b"\x00" * 1000).decode(), "chunk": 1}

CHANGES = [
    ("PUT", "api/contents/kept.txt", NEW),
    ("PUT", "api/contents/new.txt", NEW),
    ("PUT", "api/contents/upload.bin", UPLOAD),
    ("PUT", "api/contents/new%2Etxt", NEW),
    ("PUT", "api/contents//new.txt", NEW),
    ("POST", "api/contents", {"type": "notebook"}),
    ("POST", "api/contents", {"copy_from": "kept.txt"}),
    ("PATCH", "api/contents/kept.txt", {"path": "gone.txt"}),
    ("DELETE", "api/contents/kept.txt", None),
    ("POST", "api/contents/kept.txt/checkpoints", None),
    ("POST", "api/contents/kept.txt/checkpoints/checkpoint", None),
    ("DELETE", "api/contents/kept.txt/checkpoints/checkpoint", None),
    ("POST", "api/contents/kept.ipynb/trust", None),
    ("POST", "api/kernels", {"name": "python3"}),
    ("POST", "api/kernels/{kernel}/interrupt", None),
    ("POST", "api/kernels/{kernel}/restart", None),
    ("DELETE", "api/kernels/{kernel}", None),
    ("POST", "api/sessions", {"path": "x.ipynb", "type": "notebook", "name": "x", "kernel": {"name": "python3"}}),
    ("PATCH", "api/sessions/{session}", {"path": "other.ipynb"}),
    ("DELETE", "api/sessions/{session}", None),
    ("POST", "api/terminals", {}),
    ("DELETE", "api/terminals/1", None),
    ("PUT", "api/config/notebook", {"x": 1}),
    ("PATCH", "api/config/notebook", {"x": 1}),
    ("PATCH", "api/me", {"color": "red"}),
    ("POST", "api/shutdown", None),
    ("POST", "api/events", {"schema_id": "x", "version": "1", "data": {}}),
    ("POST", "nbconvert/html", {}),
    ("GET", "nbconvert/html/kept.ipynb", None),
    ("GET", "api/resolvePath?path=/etc/passwd", None),
    ("GET", "api/collaboration/timeline/kept.txt?format=text&type=file", None),
    ("PUT", "api/collaboration/undo_redo/x?action=undo&steps=1&forkRoom=x", None),
    ("PUT", "api/collaboration/fork/x", {}),
    ("DELETE", "api/collaboration/fork/x", None),
    ("GET", "metrics", None),
    # JupyterLab's own, which ask no authorizer
    ("PUT", "lab/api/settings/@jupyterlab/apputils-extension:themes", {"raw": "{}"}),
    ("DELETE", "lab/api/workspaces/default", None),
    ("POST", "lab/api/extensions", {"cmd": "install", "extension_name": "x"}),
    ("POST", "lab/api/plugins", {"cmd": "disable", "plugin_name": "x"}),
    ("POST", "lab/api/build", None),
    ("GET", "lab/api/extensions", None),
]
LOOKING = [
    "api",
    "api/status",
    "api/me",
    "api/contents",
    "api/contents/kept.txt",
    "api/contents/kept.txt/checkpoints",
    "files/kept.txt",
    "api/kernels",
    "api/kernels/{kernel}",
    "api/sessions",
    "api/kernelspecs",
    "api/config/notebook",
    "api/terminals",
    "lab",
    "lab/api/settings/",
    "lab/api/workspaces/",
    "lab/api/translations/",
    "medilytica/api/me",
    "medilytica/api/people",
]


@pytest.fixture(scope="module")
def ids(shared: Shared) -> Iterator[dict[str, str]]:
    """What the paths name: a session with its kernel."""
    assert shared.ask("olga", "PUT", "api/contents/kept.txt", TEXT)[0] in (200, 201)
    asked = {"path": "kept.ipynb", "type": "notebook", "name": "kept", "kernel": {"name": "python3"}}
    told = shared.ask("olga", "POST", "api/sessions", asked)[1]
    yield {"session": told["id"], "kernel": told["kernel"]["id"]}
    shared.ask("olga", "DELETE", f"api/sessions/{told['id']}")


def sent_to_log_in(who: str, method: str, told: Any) -> bool:
    """Return whether somebody unknown who asked for a page got the one that asks for the token."""
    return who == "" and method == "GET" and "/login" in str(told) and "by the owner" not in str(told)


@pytest.mark.parametrize("who", ["vera", "sam", ""])
def test_nothing_is_changed(shared: Shared, ids: dict[str, str], who: str) -> None:
    before = sorted(path.name for path in shared.root.iterdir())
    for method, path, body in CHANGES:
        status, told = shared.ask(who, method, path.format(**ids), body)
        # a path that no endpoint has is no way in either
        assert status in (403, 404) or sent_to_log_in(who, method, told), (method, path, status, told)
        if status == 403 and who:
            assert shared.entries(user=who, action=f"http.{method.lower()}", outcome="refused"), (method, path)
    assert shared.ask("olga", "GET", "api/contents/kept.txt")[1]["content"] == "by the owner"
    assert sorted(path.name for path in shared.root.iterdir()) == before
    assert shared.ask("olga", "GET", f"api/kernels/{ids['kernel']}")[0] == 200
    assert shared.ask("olga", "GET", f"api/sessions/{ids['session']}")[1]["path"] == "kept.ipynb"
    assert shared.ask("olga", "GET", "api/terminals")[1] == []


def test_a_viewer_looks_at_what_a_stranger_does_not_see(shared: Shared, ids: dict[str, str]) -> None:
    for path in LOOKING:
        assert shared.ask("vera", "GET", path.format(**ids))[0] == 200, path
        # the server's version is told to anybody, as a hub asks for it, and people without a role who they are
        if path not in ("api", "medilytica/api/me"):
            for who in ("sam", ""):
                status, told = shared.ask(who, "GET", path.format(**ids))
                assert status == 403 or sent_to_log_in(who, "GET", told), (who, path)
    # his panels stay where they are without being saved
    assert shared.ask("vera", "PUT", "lab/api/workspaces/default", {"data": {}, "metadata": {"id": "vera"}})[0] == 204
    assert "vera" not in str(shared.ask("olga", "GET", "lab/api/workspaces/")[1]["workspaces"])
    asked = 'api/me?permissions={"contents":["read","write"],"kernels":["execute"]}'
    told = shared.ask("vera", "GET", asked)[1]["permissions"]
    assert (told["contents"], told["kernels"]) == (["read"], [])
    assert shared.ask("sam", "GET", "medilytica/api/me")[1]["role"] is None
    # what everybody needs to come in
    assert shared.ask("", "GET", "login")[0] == 200
    for who in ("sam", ""):
        assert shared.ask(who, "GET", "static/favicon.ico")[0] == 200


def test_sockets_of_others_are_closed_to_them(shared: Shared) -> None:
    name = shared.ask("eddi", "POST", "api/terminals", {})[1]["name"]
    for who in ("vera", "sam", ""):
        assert shared.refuses_socket(who, f"terminals/websocket/{name}") == 403
    assert shared.refuses_socket("sam", "api/events/subscribe") == 403
    assert shared.refuses_socket("vera", "api/events/subscribe") == 101
    assert shared.refuses_socket("eddi", f"terminals/websocket/{name}") == 101
    assert shared.entries(user="vera", action="socket.open", object=f"/terminals/websocket/{name}", outcome="refused")
    assert shared.entries(user="eddi", action="terminal.open", outcome="accepted")
    assert shared.entries(user="eddi", action="http.post", object="/api/terminals", outcome="accepted")
    shared.ask("eddi", "DELETE", f"api/terminals/{name}")


def test_an_editor_does_not_give_himself_another_name(shared: Shared) -> None:
    assert shared.ask("eddi", "PATCH", "api/me", {"name": "Olga O.", "display_name": "Olga O."})[0] == 403
    assert shared.entries(user="eddi", action="http.patch", object="/api/me", outcome="refused")


def closed_with(socket: websocket.WebSocket) -> int:
    """Return the code that a socket is closed with."""
    while True:
        opcode, data = socket.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


def test_roles_change_while_people_work(shared: Shared, ids: dict[str, str]) -> None:
    def give(role: str) -> None:
        assert shared.ask("olga", "PUT", "medilytica/api/people", {"id": "sam", "role": role})[0] == 200

    give("editor")
    terminal = shared.ask("sam", "POST", "api/terminals", {})[1]["name"]
    room, kernel = shared.room("sam", "kept.txt"), KernelSocket(shared, "sam", ids["kernel"], V1)
    screen = shared.open("sam", f"terminals/websocket/{terminal}")
    assert kernel.run("print('editor')") == "editor\n"
    give("viewer")
    # at once and over the same sockets; a socket that a viewer may not have is closed
    asked = kernel.say("shell", "execute_request", {"code": "left = 1", "silent": True})
    replies = [
        one["content"] for one in kernel.answers(asked, "execute_reply") if one["header"]["msg_type"] == "execute_reply"
    ]
    assert [reply["status"] for reply in replies] == ["error"]
    assert closed_with(screen) == 4408
    assert shared.ask("sam", "PUT", "api/contents/new.txt", NEW)[0] == 403
    assert shared.ask("olga", "DELETE", "medilytica/api/people?id=sam")[0] == 200
    assert closed_with(room.socket) == 4403
    assert closed_with(kernel.socket) == 4403
    assert shared.ask("sam", "GET", "api/contents")[0] == 403
    shared.ask("olga", "DELETE", f"api/terminals/{terminal}")


def test_turning_sharing_on_closes_what_was_opened_before(shared: Shared) -> None:
    assert shared.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": False})[0] == 200
    try:
        events = shared.open("sam", "api/events/subscribe")
        room = RoomSocket(shared, "sam", "JupyterLab:globalAwareness")
        assert shared.ask("sam", "PUT", "api/contents/open.txt", TEXT)[0] == 201
    finally:
        assert shared.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": True})[0] == 200
    assert closed_with(events) == 4403
    assert closed_with(room.socket) == 4403
    wait_for(lambda: shared.ask("sam", "GET", "api/contents")[0] == 403, "the refusal")
