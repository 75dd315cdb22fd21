"""Sockets of people who send what no page would send, and a server with owner, editor, viewer and stranger."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import websocket
from jupyter_server.services.kernels.connection.base import (
    deserialize_binary_message,
    deserialize_msg_from_ws_v1,
    serialize_binary_message,
    serialize_msg_to_ws_v1,
)
from pycrdt import Doc, create_sync_message, create_update_message, handle_sync_message

from tests.servers import Server

V1 = "v1.kernel.websocket.jupyter.org"
SECONDS = 60
PEOPLE = {
    f"{name}-token": {"username": name, "name": shown, "display_name": shown, "initials": shown[0]}
    for name, shown in {"olga": "Olga O.", "eddi": "Eddi E.", "vera": "Vera V.", "sam": "Sam S."}.items()
}


def start(folder: Path, **options: Any) -> Shared:
    """Start a server on which Olga is owner, Eddi editor, Vera viewer, and Sam nobody."""
    server = Shared(
        folder, people=PEOPLE, extensions={"medilytica_widgets.server": True, "jupyterlab": True}, **options
    )
    try:
        assert server.ask("olga", "PUT", "medilytica/api/sharing", {"enabled": True})[0] == 200
        for name, role in (("eddi", "editor"), ("vera", "viewer")):
            assert server.ask("olga", "PUT", "medilytica/api/people", {"id": name, "role": role})[0] == 200
    except BaseException:
        server.stop()
        raise
    return server


class Shared(Server):
    """A server with people."""

    def api(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        status, answer = self.request(method, path, body, token=token)
        # one that shares tells its own token nothing, and has started all the same
        if status >= 400 and not (path == "api/status" and status == 403):
            raise OSError(f"{method} {path} was answered with {status}: {answer}")
        return answer

    def ask(self, who: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return self.request(method, path, body, token=f"{who}-token" if who else "")

    def entries(self, **wanted: Any) -> list[dict[str, Any]]:
        """Return the lines of the audit log that hold these values, newest first."""
        told = self.ask("olga", "GET", "medilytica/api/audit?limit=500")[1]["entries"]
        return [entry for entry in told if all(entry[name] == value for name, value in wanted.items())]

    def open(self, who: str, path: str, subprotocols: tuple[str, ...] = ()) -> websocket.WebSocket:
        """Open a WebSocket as somebody; raises where the server refuses."""
        header = [f"Authorization: token {who}-token"] if who else []
        url = self.url.replace("http", "ws", 1) + path
        return websocket.create_connection(url, header=header, subprotocols=list(subprotocols), timeout=SECONDS)

    def refuses_socket(self, who: str, path: str) -> int:
        """Return the status that a WebSocket is refused with; 101 if it is not."""
        try:
            self.open(who, path).close()
        except websocket.WebSocketBadStatusException as error:
            return int(error.status_code)
        return 101

    def session(self, who: str, path: str, kind: str = "file", format: str = "text") -> tuple[int, Any]:
        return self.ask(who, "PUT", f"api/collaboration/session/{path}", {"format": format, "type": kind})

    def room(self, who: str, path: str, kind: str = "file", format: str = "text") -> RoomSocket:
        """Open the room of a file."""
        told = self.session(who, path, kind, format)[1]
        return RoomSocket(self, who, f"{format}:{kind}:{told['fileId']}", told["sessionId"])


def wait_for(condition: Callable[[], Any], what: str) -> Any:
    """Return what a condition returns as soon as it is true."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"Never came: {what}")


class RoomSocket:
    """A person in a room, with a document of his own that follows it."""

    def __init__(self, server: Shared, who: str, room: str, session: str = "") -> None:
        self.doc: Doc[Any] = Doc()
        self.heard: list[bytes] = []
        self.socket = server.open(who, f"api/collaboration/room/{room}?sessionId={session}")
        self.sync()

    def send(self, frame: bytes) -> None:
        self.socket.send_binary(frame)

    def push(self, change: Callable[[Doc[Any]], None]) -> bytes:
        """Change a copy of the document and send the update; return it."""
        before = self.doc.get_state()
        change(self.doc)
        update = self.doc.get_update(before)
        self.send(create_update_message(update))
        return update

    def sync(self) -> None:
        """Take everything the room holds; all that was sent before has been judged then."""
        self.send(create_sync_message(self.doc))
        while True:
            frame = self.hear()
            if frame[:2] == b"\x00\x01":
                return

    def hear(self) -> bytes:
        frame = self.socket.recv()
        assert isinstance(frame, bytes), f"closed or text: {frame!r}"
        if frame[:1] == b"\x00":
            handle_sync_message(frame[1:], self.doc)
        self.heard.append(frame)
        return frame

    def hear_until(self, condition: Callable[[bytes], Any]) -> bytes:
        while True:
            frame = self.hear()
            if condition(frame):
                return frame

    def close(self) -> None:
        self.socket.close()


class KernelSocket:
    """A person at a kernel, over one of the two protocols."""

    def __init__(self, server: Shared, who: str, kernel: str, protocol: str = "", session: str = "") -> None:
        self.protocol = protocol
        self.session = session or uuid.uuid4().hex
        self.who = who
        path = f"api/kernels/{kernel}/channels?session_id={self.session}"
        self.socket = server.open(who, path, (protocol,) if protocol else ())
        assert (self.socket.getsubprotocol() or "") == protocol
        self.heard: list[dict[str, Any]] = []
        # the server takes the kernel's outputs for this socket a moment after it is open
        self.settle()

    def message(self, kind: str, content: Any, **header: Any) -> dict[str, Any]:
        named = {"msg_id": uuid.uuid4().hex, "msg_type": kind, "session": self.session, "username": self.who}
        told = {**named, "date": "2026-11-21T12:00:00Z", "version": "5.3", **header}
        return {"header": told, "parent_header": {}, "metadata": {}, "content": content}

    def say(
        self,
        channel: str,
        kind: str,
        content: Any,
        buffers: list[bytes] | None = None,
        metadata: Any = None,
        **header: Any,
    ) -> str:
        """Send a message and return its id."""
        told = self.message(kind, content, **header)
        told["metadata"] = metadata or {}
        if self.protocol:
            parts = [json.dumps(told[name]).encode() for name in ("header", "parent_header", "metadata", "content")]
            self.socket.send_binary(serialize_msg_to_ws_v1([*parts, *(buffers or [])], channel))
        elif buffers:
            self.socket.send_binary(serialize_binary_message({**told, "channel": channel, "buffers": buffers}))
        else:
            self.socket.send(json.dumps({**told, "channel": channel, "buffers": []}))
        return str(told["header"]["msg_id"])

    def hear(self) -> dict[str, Any]:
        frame = self.socket.recv()
        assert frame, "closed"
        if self.protocol:
            channel, parts = deserialize_msg_from_ws_v1(frame)
            names = ("header", "parent_header", "metadata", "content")
            told = {name: json.loads(part) for name, part in zip(names, parts, strict=False)}
            told.update(channel=channel, buffers=parts[4:])
        else:
            told = deserialize_binary_message(frame) if isinstance(frame, bytes) else json.loads(frame)
        self.heard.append(told)
        return told

    def answers(self, asked: str, reply: str = "") -> list[dict[str, Any]]:
        """Return everything that answers a message, up to the word that it is done and a reply of that kind.

        The two come over channels of their own, in any order.
        """
        found: list[dict[str, Any]] = []
        idle = False
        while not idle or (reply and all(told["header"]["msg_type"] != reply for told in found)):
            told = self.hear()
            if told["parent_header"].get("msg_id") == asked:
                found.append(told)
                status = told["header"]["msg_type"] == "status"
                idle = idle or (status and told["content"]["execution_state"] == "idle")
        return found

    def settle(self) -> None:
        """Wait until the kernel has come to the end of what was sent so far."""
        asked = self.say("shell", "kernel_info_request", {})
        while True:
            told = self.hear()
            if told["header"]["msg_type"] == "kernel_info_reply" and told["parent_header"].get("msg_id") == asked:
                return

    def run(self, code: str) -> str:
        """Run code and return what it printed."""
        asked = self.say("shell", "execute_request", {"code": code, "silent": False, "allow_stdin": False})
        answers, reply = [], None
        idle = False
        while not idle or reply is None:
            told = self.hear()
            if told["parent_header"].get("msg_id") == asked:
                answers.append(told)
                idle = idle or told["content"].get("execution_state") == "idle"
                reply = told if told["header"]["msg_type"] == "execute_reply" else reply
        assert reply["content"]["status"] == "ok", reply["content"]
        return "".join(one["content"]["text"] for one in answers if one["header"]["msg_type"] == "stream")

    def close(self) -> None:
        self.socket.close()
