"""Loading the extension: what it costs, that it changes nothing while sharing is off, and that it fails closed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from medilytica_widgets.server import extension
from tests.server.attackers import PEOPLE, V1, KernelSocket, RoomSocket, Shared

EXTENSION = {"medilytica_widgets.server": True}
HEAVY = {"torch", "pandas", "sklearn", "scipy", "shap", "plotly", "duckdb", "numba", "ipywidgets", "anywidget"}

# A server in this process that is set up and never started: the hooks can be looked at.
SET_UP = """
import json, sys, tempfile
from jupyter_server.serverapp import ServerApp
app = ServerApp()
app.initialize(["--ServerApp.root_dir=" + sys.argv[1], "--allow-root", "--ServerApp.port=0",
    "--ServerApp.jpserver_extensions={'medilytica_widgets.server': True, 'jupyter_server_ydoc': True}"],
    find_extensions=False, new_httpserver=False)
import jupyter_server_ydoc.handlers
"""


def python(code: str, folder: Path, **environment: str) -> Any:
    """Run code in a process with Jupyter folders of its own and return the JSON of its last line."""
    folders = {name: str(folder) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "HOME")}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **folders, **environment},
        cwd=Path(__file__).parents[2],
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_loading_it_loads_nothing_heavy_and_replaces_no_class(tmp_path: Path) -> None:
    code = SET_UP + (
        "settings = app.web_app.settings\n"
        "guard = settings['medilytica_guard']\n"
        "print(json.dumps({'loaded': sorted(sys.modules), 'problems': guard.problems, 'enabled': guard.enabled,\n"
        "    'room': jupyter_server_ydoc.handlers.YDocWebSocketHandler.on_message.__module__,\n"
        "    'authorizer': type(app.authorizer).__name__, 'provider': type(app.identity_provider).__name__,\n"
        "    'trait': app.kernel_websocket_connection_class.__module__}))"
    )
    told = python(code, tmp_path)
    tops = {name.split(".")[0] for name in told["loaded"]}
    assert not tops & HEAVY
    rooms = {name.split(".")[1] for name in told["loaded"] if name.startswith("medilytica_widgets.")}
    assert rooms <= {"server", "wire", "errors", "acting", "collab", "_version"}, rooms
    assert told["problems"] == []
    assert told["enabled"] is False
    assert told["room"] == "jupyter_server_ydoc.handlers"
    assert told["authorizer"] == "AllowAllAuthorizer"
    assert told["provider"] == "PasswordIdentityProvider"
    assert told["trait"] == "jupyter_server.services.kernels.connection.channels"


def test_the_installed_versions_are_those_it_was_tested_with() -> None:
    assert extension.problems() == []


def test_another_version_or_a_missing_member_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "9.1.0" if name == "jupyter_server_ydoc" else installed(name))
    (problem,) = extension.problems()
    assert "jupyter_server_ydoc 9.1.0" in problem
    monkeypatch.undo()
    needed = (*extension.NEEDED, ("tornado.web", "Application", ("no_such",)), ("tornado.web", "NoSuch", ("x",)))
    monkeypatch.setattr(extension, "NEEDED", needed)
    missing, gone = extension.problems()
    assert "no no_such any more" in missing
    assert "tornado.web.NoSuch is not there" in gone


def test_with_sharing_off_a_server_is_as_it_was(tmp_path: Path) -> None:
    """An administrator's own classes keep working, and everybody whom the server lets in may do everything."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "own_classes.py").write_text(
        "from jupyter_server.auth import Authorizer\n"
        "from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection\n"
        "class Own(Authorizer):\n"
        "    def is_authorized(self, handler, user, action, resource):\n"
        "        return user.username != 'vera' or action == 'read'\n"
        "class Connection(ZMQChannelsWebsocketConnection):\n"
        "    def handle_incoming_message(self, incoming_msg):\n"
        "        self.log.warning('the own connection passed %s', self.limit_rate)\n"
        "        super().handle_incoming_message(incoming_msg)\n"
        "from tornado.websocket import WebSocketHandler\n"
        "class Strange(WebSocketHandler):\n"
        "    def on_message(self, message):\n"
        "        self.write_message(message)\n"
        "def _jupyter_server_extension_points():\n"
        "    return [{'module': 'own_classes'}]\n"
        "def _load_jupyter_server_extension(app):\n"
        "    app.web_app.add_handlers('.*$', [('/strange', Strange)])\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'config')!r})\nimport own_classes\n"
        "c.ServerApp.authorizer_class = own_classes.Own\n"
        "c.ServerApp.kernel_websocket_connection_class = own_classes.Connection\n"
        "c.Connection.limit_rate = False\n"
    )
    server = Shared(tmp_path, people=PEOPLE, extensions={**EXTENSION, "own_classes": True}, code=code)
    try:
        assert server.ask("sam", "GET", "medilytica/api/health")[1]["status"] == "ok"
        text = {"type": "file", "format": "text", "content": "x"}
        assert server.ask("sam", "PUT", "api/contents/a.txt", text)[0] == 201
        # the administrator's refusal stays one
        assert server.ask("vera", "PUT", "api/contents/a.txt", text)[0] == 403
        kernel = server.ask("sam", "POST", "api/kernels", {"name": "python3"})[1]["id"]
        sam = KernelSocket(server, "sam", kernel, V1)
        forged = {"medilytica_user": {"username": "olga", "role": "owner"}}
        asked = sam.say(
            "shell",
            "execute_request",
            {"code": "print(get_ipython().parent_header['metadata']['medilytica_user'])", "silent": False},
            metadata=forged,
        )
        said = [one["content"]["text"] for one in sam.answers(asked) if one["header"]["msg_type"] == "stream"]
        assert said == ["{'username': 'sam', 'name': 'Sam S.', 'role': 'owner'}\n"]
        assert "the own connection passed False" in server.said()
        # presence and rooms as jupyter_server_ydoc has them, also one that the guard would not open
        room = RoomSocket(server, "sam", "any-room")
        room.send(b'\x01\x0c\x01\x05\x01\x08{"a":12}')
        room.hear_until(lambda frame: frame == b'\x01\x0c\x01\x05\x01\x08{"a":12}')
        room.close()
        # somebody else's socket that knows no users stays open when the guard looks
        strange = server.open("", "strange")
        strange.send("x")
        assert strange.recv() == "x"
        assert server.ask("olga", "PUT", "medilytica/api/sharing", {"viewers_chat": True})[0] == 200
        strange.send("y")
        assert strange.recv() == "y"
        # and it can be turned on with them
        assert server.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": True})[0] == 200
        assert server.ask("sam", "GET", "api/contents")[0] == 403
        # nobody can say who speaks over that one
        assert server.refuses_socket("olga", "strange") == 403
        olga = KernelSocket(server, "olga", kernel, V1)
        assert olga.run("print(1)") == "1\n"
        assert server.ask("olga", "PUT", "medilytica/api/people", {"id": "vera", "role": "editor"})[0] == 200
        assert server.ask("vera", "PUT", "api/contents/a.txt", text)[0] == 403
        sam.close()
        olga.close()
    finally:
        server.stop()


def test_sharing_is_refused_and_everybody_locked_out_where_roles_cannot_be_kept(tmp_path: Path) -> None:
    """A connection class that cannot be guarded; then the same with sharing on by the book."""
    server = Shared(tmp_path, people=PEOPLE, extensions=EXTENSION)
    try:
        assert server.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": True})[0] == 200
    finally:
        server.stop()
    config = tmp_path / "config" / "jupyter_server_config.py"
    own = (
        "from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection\n"
        "class Foreign(BaseKernelWebsocketConnection):\n    pass\n"
        "c.ServerApp.kernel_websocket_connection_class = Foreign\n"
        "c.ServerApp.allow_unauthenticated_access = True\n"
    )
    config.write_text(config.read_text() + own)
    server.start()
    try:
        for who in ("olga", "sam", ""):
            assert server.ask(who, "GET", "api/contents")[0] == 403
            assert server.refuses_socket(who, "api/collaboration/room/JupyterLab:globalAwareness") == 403
        status, told = server.ask("olga", "GET", "medilytica/api/health")
        assert status == 503
        assert "Foreign" in told["reason"]
        assert "everybody is refused" in server.said()
        # the owner may turn it off, and then not on again
        assert server.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": False})[0] == 200
        assert server.ask("olga", "GET", "api/contents")[0] == 200
        status, told = server.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": True})
        assert status == 503
        assert "kernel_websocket_connection_class" in told["message"]
    finally:
        server.stop()


@pytest.mark.parametrize("shared", [False, True])
def test_a_guard_that_fails_leaves_a_plain_server_alone_and_locks_a_shared_one(tmp_path: Path, shared: bool) -> None:
    code = (
        "import medilytica_widgets.server.guard_http as broken\n"
        "def fail(*_): raise RuntimeError('broken')\n"
        "broken.install = fail\n" + SET_UP + "from tornado.httputil import HTTPServerRequest\n"
        "request = HTTPServerRequest('GET', '/api/contents', host='localhost', connection=type('C', (), {})())\n"
        "print(json.dumps(app.web_app.find_handler(request).handler_class.__name__))"
    )
    environment = {"MEDILYTICA_SHARING": "on"} if shared else {}
    assert python(code, tmp_path, **environment) == ("Locked" if shared else "ContentsHandler")
