"""The hook between a person's WebSocket and a kernel: names the sender, and lets a viewer only look.

Derives from the connection class that the server is configured with, so that an administrator's own keeps working.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import OrderedDict
from typing import Any

from jupyter_server.auth import User
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

from ..acting import STAMP
from . import metrics
from .guard import CLOSED_NO_ROLE, WRITERS, Guard
from .guard_messages import V1, Message, MessageError, dump, parse
from .guard_viewer import Verdict, answer_to, describe, judge

log = logging.getLogger(__name__)

MOST_RESTORES = 1000

SETTING = "kernel_websocket_connection_class"


class KernelGuard(ZMQChannelsWebsocketConnection):
    """Stands before a connection class in the bases of a class that `install` makes."""

    _guard: Guard

    async def prepare(self) -> None:
        """Keep a person's connection apart from that of others who give the same session."""
        self._restores: OrderedDict[str, None] = OrderedDict()
        user = self._user
        if self._guard.enabled and user is not None:
            # It is the connection's address at the kernel: who took another's would get that one's answers.
            told = f"{user.username}\0{self.session.session}".encode()
            self.session.session = hashlib.blake2b(told, digest_size=16).hexdigest()
        await super().prepare()  # type: ignore[no-untyped-call]

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        """Pass a message on to the kernel with its sender's name, or refuse it."""
        guard, user = self._guard, self._user
        if guard.free(user):
            super().handle_incoming_message(incoming_msg if user is None else self._stamped(incoming_msg, user))
            return
        role = guard.role(user)
        if role is None or user is None:
            guard.close(self.websocket_handler, CLOSED_NO_ROLE, guard.why(user))
            return
        if guard.too_fast(self.websocket_handler, user):
            return
        try:
            message = parse(incoming_msg, self.subprotocol)
            if role in WRITERS:
                self._note(message, user)
            elif not self._let_through(message, user):
                return
            self._name_sender(message, user)
            frame = dump(message, self.subprotocol)
        except MessageError as error:
            guard.tally.refused(user, "kernel.malformed", str(self.kernel_id), error.message)
            return
        except Exception:
            log.exception("medilytica: a message to a kernel could not be guarded, and was dropped")
            return
        metrics.MESSAGES.labels(kind="kernel").inc()
        super().handle_incoming_message(frame)  # type: ignore[arg-type]

    def _on_zmq_reply(self, stream: Any, msg_list: Any) -> None:
        if self._guard.enabled:
            try:
                self._note_subshell(stream, msg_list)
                msg_list = self._restored(stream, msg_list)
            except Exception:
                log.exception("medilytica: a kernel's message could not be looked at")
        super()._on_zmq_reply(stream, msg_list)  # type: ignore[no-untyped-call]

    # -- who ---------------------------------------------------------------------

    @property
    def _user(self) -> User | None:
        found = getattr(self.websocket_handler, "_jupyter_current_user", None)
        return found if isinstance(found, User) else None

    def _name_sender(self, message: Message, user: User) -> None:
        message.metadata[STAMP] = self._guard.stamp(user)
        message.header["username"] = user.username

    def _stamped(self, frame: Any, user: User) -> Any:
        """Return a frame with its sender's name; as it came where it is no message, which the server then refuses."""
        try:
            message = parse(frame, self.subprotocol)
            self._name_sender(message, user)
            return dump(message, self.subprotocol)
        except MessageError:
            return frame
        except Exception:
            log.exception("medilytica: a message to a kernel could not be given its sender's name")
            return frame

    # -- what --------------------------------------------------------------------

    def _note(self, message: Message, user: User) -> None:
        """Write down what somebody who may write does."""
        action = describe(message)
        if action:
            self._guard.tally.accepted(user, action, str(self.kernel_id))
        if message.type == "comm_msg":
            data = message.opened().get("data")
            content = data.get("content") if isinstance(data, dict) else None
            client = content.get("client") if isinstance(content, dict) else None
            if isinstance(client, str) and 0 < len(client) <= 200:
                self._guard.speaks_for(str(self.kernel_id), client, user)

    def _let_through(self, message: Message, user: User) -> bool:
        guard, kernel = self._guard, str(self.kernel_id)
        verdict = judge(message, guard.subshells(kernel, user))
        if verdict.outcome == "pass" and verdict.request is not None:
            if not guard.speaks_for(kernel, verdict.request["client"], user):
                verdict = Verdict("refuse", verdict.action, "This view is somebody else's.", verdict.request)
        if verdict.outcome == "pass":
            if message.type == "delete_subshell_request":
                # given up whether the kernel still has it or not
                guard.subshells(kernel, user).discard(message.opened()["subshell_id"])
            return True
        guard.tally.refused(user, verdict.action, kernel, verdict.reason)
        if verdict.outcome == "restore":
            self._restores[message.id] = None
            while len(self._restores) > MOST_RESTORES:
                self._restores.popitem(last=False)
            return True
        self._answer_refusal(message, verdict)
        return False

    def _answer_refusal(self, message: Message, verdict: Verdict) -> None:
        """Say what a kernel would say that refuses, so that nobody waits for it."""
        self._tell("iopub", "status", {"execution_state": "busy"}, message)
        if message.type == "comm_open":
            content = message.opened()
            if isinstance(content.get("comm_id"), str):
                self._tell("iopub", "comm_close", {"comm_id": content["comm_id"], "data": {}}, message)
        elif message.type == "comm_msg":
            answer = answer_to(verdict.request, verdict.reason) if verdict.request is not None else None
            if answer is not None:
                data = {"method": "custom", "content": answer}
                self._tell("iopub", "comm_msg", {"comm_id": message.opened()["comm_id"], "data": data}, message)
        elif message.channel in ("shell", "control") and message.type.endswith("_request"):
            content = {"status": "error", "ename": "PermissionError", "evalue": verdict.reason, "traceback": []}
            self._tell(message.channel, message.type.removesuffix("_request") + "_reply", content, message)
        self._tell("iopub", "status", {"execution_state": "idle"}, message)

    def _tell(self, channel: str, kind: str, content: dict[str, Any], asked: Message) -> None:
        """Send a message to this socket alone, as an answer to one of its own."""
        told = self.session.msg(kind, content=content)
        told["parent_header"] = asked.header
        if self.subprotocol == V1:
            frame = serialize_msg_to_ws_v1(told, channel, self.session.pack)  # type: ignore[no-untyped-call]
            self.write_message(frame, binary=True)
        else:
            told.update(channel=channel, buffers=[])
            self.write_message(json.dumps(told, default=str))

    def _note_subshell(self, stream: Any, told: Any) -> None:
        """Remember a subshell that this person was given: he may take it back."""
        if getattr(stream, "channel", None) != "control" or self._user is None:
            return
        v1 = self.subprotocol == V1
        header, content = (
            (self.session.unpack(told[0]), self.session.unpack(told[3])) if v1 else (told["header"], told["content"])
        )
        held = self._guard.subshells(str(self.kernel_id), self._user)
        if header["msg_type"] == "create_subshell_reply" and isinstance(content.get("subshell_id"), str):
            held.add(content["subshell_id"])

    def _restored(self, stream: Any, told: Any) -> Any:
        """Return a kernel's message; the state that was asked for in place of an update becomes the update's echo."""
        if getattr(stream, "channel", None) != "iopub" or not self._restores:
            return told
        v1 = self.subprotocol == V1
        parent = self.session.unpack(told[1]) if v1 else told.get("parent_header") or {}
        asked = str(parent.get("msg_id"))
        if asked not in self._restores:
            return told
        header = self.session.unpack(told[0]) if v1 else told["header"]
        if header["msg_type"] not in ("comm_msg", "status"):
            return told
        content = self.session.unpack(told[3]) if v1 else told["content"]
        if header["msg_type"] == "status":
            if content.get("execution_state") == "idle":
                del self._restores[asked]
            return told
        data = content.get("data")
        if not isinstance(data, dict) or data.get("method") != "update":
            return told
        content = {**content, "data": {**data, "method": "echo_update"}}
        if v1:
            return [*told[:3], self.session.pack(content), *told[4:]]
        return {**told, "content": content}


def unsuitable(found: Any) -> str:
    """Return why a configured connection class cannot be guarded, or an empty string."""
    if not isinstance(found, type) or not issubclass(found, ZMQChannelsWebsocketConnection):
        name = getattr(found, "__name__", repr(found))
        return (
            f"The server's kernel_websocket_connection_class is {name}, which does not derive from "
            "ZMQChannelsWebsocketConnection, so messages to kernels cannot be guarded. Take it out of the server's "
            "configuration to share with roles."
        )
    return ""


def install(serverapp: ServerApp, guard: Guard) -> None:
    """Let the server's connections to kernels derive from the class it is configured with, and ask the guard."""
    configured = serverapp.web_app.settings[SETTING]
    attributes = {"_guard": guard, "__module__": configured.__module__, "__qualname__": configured.__qualname__}
    # the name decides which part of the configuration it reads
    serverapp.web_app.settings[SETTING] = type(configured.__name__, (KernelGuard, configured), attributes)
