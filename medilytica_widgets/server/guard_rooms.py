"""The hook in rooms of shared documents: a viewer hears everything and changes nothing.

Stands before jupyter_server_ydoc's handler, which passes on every message of everybody whom it lets in.
"""

from __future__ import annotations

import json
import logging
import re
from collections import OrderedDict
from typing import Any, cast

from jupyter_server.auth import User

from ..collab.update_check import check_update
from ..errors import WorkspaceError
from . import guard_awareness as awareness
from . import metrics
from .guard import CLOSED_NO_ROLE, WRITERS, Guard
from .guard_frames import EMPTY_UPDATE, Frame, FrameError, awareness_message, parse, write_bytes, write_number
from .people import Role

log = logging.getLogger(__name__)

GLOBAL_ROOM = "JupyterLab:globalAwareness"
ROOM_HANDLER = "jupyter_server_ydoc.handlers"
LARGEST_OF_WRITERS = 64 * 1024 * 1024
LARGEST_OF_VIEWERS = 1024 * 1024
PRESENCE_COST = 0.2
"""What a message of presence counts in the limit of messages."""

_DOCUMENT = re.compile(r"(text|json|base64):([A-Za-z0-9_.\-]{1,64}):([0-9A-Fa-f\-]{32,36})")
_FORK = re.compile(r"[0-9a-f]{32}")


def is_room(handler: Any) -> bool:
    """Return whether a handler, or a handler's class, is that of rooms."""
    kind = handler if isinstance(handler, type) else type(handler)
    return any(base.__module__ == ROOM_HANDLER and base.__name__ == "YDocWebSocketHandler" for base in kind.__mro__)


def room_of(handler: Any) -> str:
    """Return the room that a request asks for, as jupyter_server_ydoc reads it."""
    return str(handler.request.path).split("/")[-1]


def room_refusal(handler: Any) -> str:
    """Return why there is no such room, or an empty string; only rooms of files and of known forks are opened."""
    room = room_of(handler)
    if handler.request.path != f"{handler.base_url}api/collaboration/room/{room}":
        return "There is no room of such a name."
    if room == GLOBAL_ROOM:
        return ""
    if _FORK.fullmatch(room) and handler._websocket_server.room_exists(room):
        return ""
    found = _DOCUMENT.fullmatch(room)
    if found is None or found[2] not in _types() or not document_path(handler, found[3]):
        return "There is no room of such a name."
    return ""


def document_path(handler: Any, file_id: str) -> str:
    """Return the path of a room's file, or an empty string."""
    try:
        path = handler.settings["file_id_manager"].get_path(file_id)
    except Exception:
        log.exception("medilytica: the path of a room's file could not be found")
        return ""
    if not isinstance(path, str) or ".." in path.split("/"):
        return ""
    return path


def _types() -> Any:
    from jupyter_ydoc import ydocs

    return ydocs


class RoomGuard:
    """Stands before the rooms' handler in the bases of a class that `guard_http.Dispatch` makes."""

    _guard: Guard
    _speaker: awareness.Speaker | None = None

    @property
    def max_message_size(self) -> int:
        """Bytes of a message beyond which the socket is closed with code 1009."""
        return LARGEST_OF_WRITERS if self._guard.role(self._user) in WRITERS else LARGEST_OF_VIEWERS

    @property
    def _user(self) -> User | None:
        found = getattr(self, "_jupyter_current_user", None)
        return found if isinstance(found, User) else None

    @property
    def _place(self) -> str:
        """What the audit log calls this room: its file's path, or its name."""
        handler = cast(Any, self)
        found = _DOCUMENT.fullmatch(handler._room_id)
        return (document_path(handler, found[3]) if found else "") or handler._room_id

    async def on_message(self, message: Any) -> None:
        """Pass a frame on to the room, changed where it must be, or drop it."""
        handler, guard, user = cast(Any, self), self._guard, self._user
        role = guard.role(user)
        if role is None or user is None:
            guard.close(handler, CLOSED_NO_ROLE, guard.why(user))
            return
        if not guard.enabled:
            await handler_message(self, message)
            return
        # a page passes on what it hears of the others' presence, so that of many people is much
        if guard.too_fast(handler, user, PRESENCE_COST if message[:1] == b"\x01" else 1.0):
            return
        try:
            frame = parse(message)
            if frame.kind == "awareness":
                message = self._awareness(user, frame)
        except FrameError as error:
            guard.tally.refused(user, "room.malformed", self._place, error.message)
            return
        if message is None:
            return
        if frame.kind not in ("step1", "awareness"):
            empty = frame.kind in ("step2", "update") and frame.payload == EMPTY_UPDATE
            if not self._writes(role):
                # everybody answers the server's first step, most of them with nothing
                if not empty:
                    guard.tally.refused(user, f"room.{frame.kind}", self._place, "A viewer changes no document.")
                if frame.kind == "save":
                    await handler.send(_save_answer(frame.number))
                return
            if role not in WRITERS and not empty and frame.kind in ("step2", "update"):
                try:
                    # an editor could end the server anyway; who may only chat must not, by a value that nests too deep
                    check_update(frame.payload)
                except WorkspaceError as error:
                    guard.tally.refused(user, "room.malformed", self._place, error.message)
                    return
            if not empty and frame.kind != "other":
                action = "document.save" if frame.kind == "save" else "document.update"
                guard.tally.accepted(user, action, self._place)
        metrics.MESSAGES.labels(kind="room").inc()
        await handler_message(self, message)

    def on_close(self) -> None:
        """Count this person no longer."""
        metrics.connections.closed(id(self))
        super().on_close()  # type: ignore[misc]

    def _writes(self, role: Role) -> bool:
        return role in WRITERS or (self._guard.sharing.viewers_chat and self._is_chat())

    def _is_chat(self) -> bool:
        found = _DOCUMENT.fullmatch(cast(Any, self)._room_id)
        # both: a chat's room on a notebook would be a way to write the notebook
        return found is not None and found[2] == "chat" and document_path(self, found[3]).endswith(".chat")

    def _awareness(self, user: User, frame: Frame) -> bytes | None:
        room = cast(Any, self).room
        entries = awareness.parse(frame.payload)
        if self._speaker is None:
            names = frozenset(name for name in (user.name, user.display_name) if name)
            holders = self._guard.holders.setdefault(room, OrderedDict())
            self._speaker = awareness.Speaker(self._guard.identity(user), holders, names)
        known = room.awareness
        verdict = awareness.examine(entries, self._speaker, known.states, known.meta, known.client_id)
        for reason in verdict.refused:
            self._guard.tally.refused(user, "room.awareness", self._place, reason)
        return awareness_message(awareness.dump(verdict.entries)) if verdict.entries else None


async def handler_message(handler: RoomGuard, message: Any) -> None:
    """Hand a frame to jupyter_server_ydoc; what fails there ends neither the socket nor the server."""
    try:
        await super(RoomGuard, handler).on_message(message)  # type: ignore[misc]
    except Exception:
        log.exception("medilytica: a room could not take a message")


def _save_answer(number: int) -> bytes:
    told = json.dumps({"type": "save", "responseTo": number, "status": "failed"}).encode("ascii")
    return write_number(2) + write_bytes(told)
