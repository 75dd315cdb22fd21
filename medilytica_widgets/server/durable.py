"""POST ``medilytica/api/stored``: whether the server has stored a state of a shared document, and safely.

Stored means two things at once, since the next server reads both: the room's store gives back a document that holds the
state (it is read back as a starting room reads it, not believed), and the file was written with it. Both end in an
fsync.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import re
import time
import weakref
from dataclasses import dataclass
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from ..errors import WireError
from ..wire.coverage import MAX_BYTES, State
from . import file_journal
from .people import Role

log = logging.getLogger(__name__)

LONGEST_SECONDS = 30.0
MOST_WAITING = 500
"""How many questions about one room may wait."""
FIRST_LOOK, SLOWEST_LOOK = 0.005, 0.25
CALM_SECONDS = 0.5
"""How often is looked for people who only want to be told; one who waits for it is not kept waiting."""
REPAIR_SECONDS = 2.0
"""How long the store may lag behind the room before the whole document is given to it once more."""
FULL = 2


@dataclass
class Unkept(Exception):
    """The document cannot be stored now, and the sentence says why."""

    sentence: str


class Keeper:
    """Knows what of one room is stored, and finds out when somebody asks."""

    def __init__(self, room: Any) -> None:
        self._room = weakref.ref(room)
        self._known = State()
        self._written = State()
        self._text: str | None = None
        self._waiting: list[tuple[State, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None
        self._synchronous = False
        self._hurry = asyncio.Event()
        self._looked = 0.0

    async def stored(self, wanted: State, seconds: float, *, urgent: bool = True) -> bool:
        """Wait until the state is stored, or the time is over; ``urgent`` says that a person or a program waits.

        Raises
        ------
        Unkept
            If it cannot be stored.
        """
        if self._known.covers(wanted):
            return True
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, answer))
        if urgent:
            self._hurry.set()
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        try:
            return await asyncio.wait_for(answer, seconds)
        except TimeoutError:
            return False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def _look(self) -> None:
        pause, lagging = FIRST_LOOK, time.monotonic()
        try:
            while self._open():
                if not self._hurry.is_set():
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(max(0.0, self._looked + CALM_SECONDS - time.monotonic())):
                            await self._hurry.wait()
                self._looked = time.monotonic()
                room = self._room()
                if room is None:
                    return
                try:
                    held = _state(room.ydoc)
                    if any(held.covers(wanted) for wanted, _ in self._open()):
                        if await self._find_out(room, repair=time.monotonic() - lagging > REPAIR_SECONDS):
                            pause, lagging = FIRST_LOOK, time.monotonic()
                    else:
                        lagging = time.monotonic()
                except Unkept as error:
                    self._fail(error)
                    return
                del room
                self._waiting = [
                    (wanted, answer) for wanted, answer in self._open() if not self._answer(wanted, answer)
                ]
                if self._waiting:
                    await asyncio.sleep(pause)
                    pause = min(SLOWEST_LOOK, pause * 1.5)
        except Exception as error:
            log.exception("medilytica: it could not be found out what is stored")
            self._fail(Unkept(f"The server could not find out what it has stored ({type(error).__name__})."))
        finally:
            self._hurry.clear()
            self._task = None

    def _open(self) -> list[tuple[State, asyncio.Future[bool]]]:
        return [(wanted, answer) for wanted, answer in self._waiting if not answer.done()]

    def _answer(self, wanted: State, answer: asyncio.Future[bool]) -> bool:
        if self._known.covers(wanted):
            answer.set_result(True)
            return True
        return False

    def _fail(self, error: Unkept) -> None:
        for _, answer in self._open():
            answer.set_exception(error)
        self._waiting.clear()

    async def _find_out(self, room: Any, *, repair: bool) -> bool:
        """Write the file and read the store back. Returns whether more is stored than was known."""
        await self._write(room)
        kept = await self._read_back(room, repair)
        found = self._written if kept is None else _common(self._written, kept)
        grown = not self._known.covers(found)
        self._known = found
        return grown

    async def _write(self, room: Any) -> None:
        if room._save_delay is None:
            # this server never writes files; its store is all there is
            self._written = _state(room.ydoc)
            return
        try:
            # both without a pause in between: the text is that of the state
            text, state = room._document.get(), _state(room.ydoc)
        except Exception as error:
            raise Unkept(f"The document cannot be written into its file: {error}") from None
        if text != self._text:
            await self._save(room, text)
            self._text = text
        self._written = state

    async def _save(self, room: Any, text: Any) -> None:
        from jupyter_server_ydoc.utils import OutOfBandChanges  # type: ignore[import-untyped]

        model = {"format": room.file_format, "type": room.file_type, "content": text}
        try:
            saved = await room._file.maybe_save_content(model)
        except OutOfBandChanges:
            # somebody edited the file itself: Jupyter's own rule is that the file counts
            await room._on_outofband_change()
            raise Unkept("The file was changed by another program meanwhile; its content was taken over.") from None
        except (web.HTTPError, RuntimeError, OSError) as error:
            why = getattr(error, "reason", None) or getattr(error, "log_message", None) or error
            raise Unkept(f"The server cannot write the file: {why}. It may be deleted, or the disk full.") from None
        if saved is None:
            raise Unkept("The server may not write the file: it is write-protected.")

    async def _read_back(self, room: Any, repair: bool) -> State | None:
        """Return the state that a new room would find in the store; None where there is no lasting store."""
        from pycrdt import Doc
        from pycrdt.store import FileYStore, TempFileYStore, YDocNotFound

        store = room.ystore
        # one in a temporary folder is gone with this process, and the file alone counts
        if store is None or isinstance(store, TempFileYStore):
            return None
        if not self._synchronous:
            await _synchronize(store)
            self._synchronous = True
        if repair:
            log.warning("medilytica: the store of %s lags behind; it is given the whole document", room.room_id)
            await store.encode_state_as_update(room.ydoc)
        doc: Doc[Any] = Doc()
        try:
            await store.apply_updates(doc)
        except YDocNotFound:
            return State()
        if isinstance(store, FileYStore):
            await asyncio.to_thread(_sync_file, store.path)
        return _state(doc)


async def _synchronize(store: Any) -> None:
    """Let an SQLite store wait for the disk at each commit, which is its usual setting and may be changed."""
    connection = getattr(store, "_db", None)
    if connection is None:
        return
    async with store.lock:
        cursor = await connection.cursor()
        row = await (await cursor.execute("PRAGMA synchronous")).fetchone()
        if row is not None and int(row[0]) < FULL:
            await cursor.execute("PRAGMA synchronous = FULL")
        await cursor.close()


def _sync_file(path: str) -> None:
    import os

    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _state(doc: Any) -> State:
    vector = doc.get_state()
    return State.read(vector, doc.get_update(vector))


def _common(one: State, other: State) -> State:
    """Return a state that both cover; one of them is mostly ahead of the other."""
    if one.covers(other):
        return other
    if other.covers(one):
        return one
    clocks = {writer: min(clock, other.clocks.get(writer, 0)) for writer, clock in one.clocks.items()}
    # the deletions of both are not cut with each other: what both have is what the smaller ones have
    deleted = {writer: ranges for writer, ranges in one.deleted.items() if other.deleted.get(writer) == ranges}
    return State(clocks, deleted)


KEEPERS: weakref.WeakKeyDictionary[Any, Keeper] = weakref.WeakKeyDictionary()


def keeper_of(room: Any) -> Keeper:
    """Return the keeper of a room."""
    return KEEPERS.setdefault(room, Keeper(room))


def find_room(settings: dict[str, Any], room_id: str) -> Any:
    """Return the open room of that id whose document is that of a file, or None."""
    from jupyter_server_ydoc.rooms import DocumentRoom  # type: ignore[import-untyped]

    manager = settings["serverapp"].extension_manager
    for app in manager.extension_apps.get("jupyter_server_ydoc", ()):
        room = app.ywebsocket_server.rooms.get(room_id)
        if isinstance(room, DocumentRoom) and room.ready:
            return room
    return None


class StoredHandler(APIHandler):
    """Answers when a state of a document is stored.

    The body: ``room`` (``text:medilytica:<file id>``) or ``path`` (of a workspace's file), ``state_vector`` and
    ``deletions`` in base64, ``timeout`` in seconds, and ``urgent``, false for one who may be told some time later. The
    answer: ``stored``, and a ``reason`` where it cannot be.
    """

    auth_resource = "contents"
    _track_activity = False

    @web.authenticated
    @authorized("read")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """Wait for a state to be stored."""
        room_id, wanted, seconds, urgent = self._asked()
        refusal = self._refusal(room_id)
        if refusal:
            self.set_status(403)
            self.finish({"message": refusal, "stored": False})
            return
        room = find_room(self.settings, room_id)
        if room is None:
            self.finish({"stored": False})
            return
        keeper = keeper_of(room)
        if keeper.waiting >= MOST_WAITING:
            self.set_header("Retry-After", "1")
            raise web.HTTPError(429, reason="Too many wait for this document.")
        try:
            stored = await keeper.stored(wanted, seconds, urgent=urgent)
        except Unkept as error:
            self.finish({"stored": False, "reason": error.sentence})
            return
        self.finish({"stored": stored})

    def _asked(self) -> tuple[str, State, float, bool]:
        if len(self.request.body) > 3 * MAX_BYTES:
            raise web.HTTPError(413, reason="The state of the document is too large.")
        try:
            body = json.loads(self.request.body)
            if not isinstance(body, dict):
                raise ValueError("it is no object")
            vector = base64.b64decode(body["state_vector"], validate=True)
            deletions = base64.b64decode(body.get("deletions") or "", validate=True)
            seconds = float(body.get("timeout", LONGEST_SECONDS))
            room_id = body["room"] if "room" in body else self._room_of(body["path"])
            if not isinstance(room_id, str) or len(room_id) > 500 or room_id.count(":") < 2:
                raise ValueError("it names no room of a file")
            # NaN passes neither comparison
            wait = seconds if 0 <= seconds <= LONGEST_SECONDS else LONGEST_SECONDS
            return room_id, State.read(vector, deletions), wait, body.get("urgent") is not False
        except (ValueError, KeyError, TypeError, binascii.Error, RecursionError, WireError) as error:
            raise web.HTTPError(
                400, reason="The question cannot be read.", log_message=f"The question cannot be read: {error!r:.200}"
            ) from None

    def _room_of(self, path: Any) -> str:
        if not isinstance(path, str):
            raise ValueError("the path is no text")
        file_id = self.settings["file_id_manager"].get_id(path)
        kind = "chat" if path.endswith(file_journal.KINDS["chat"]) else "medilytica"
        return f"text:{kind}:{file_id}"

    def _refusal(self, room_id: str) -> str:
        """Return why this person has nothing to store here, or an empty string. The same as the room itself says."""
        sharing = self.settings.get("medilytica_sharing")
        if sharing is None:
            return ""
        guard = self.settings.get("medilytica_guard")
        role = guard.role(self.current_user) if guard is not None else sharing.role_of(self.current_user)
        if role is None:
            return "You have no role on this server."
        if role == Role.VIEWER and not (room_id.split(":")[1] == "chat" and sharing.viewers_chat):
            return "You are a viewer here: what you change is not stored."
        return ""


def handlers(base_url: str) -> list[tuple[str, type[Any]]]:
    """Return the routes, and let the rooms keep the journal of what they wrote."""
    try:
        file_journal.install()
    except (ImportError, AttributeError):
        log.exception("medilytica: files are not looked after when a server dies in the middle of a change")
    return [(re.escape(base_url.rstrip("/")) + "/medilytica/api/stored", StoredHandler)]
