"""One connection of a room to its server, from its opening to its end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

import httpx
from httpx_ws import (
    AsyncWebSocketSession,
    HTTPXWSException,
    WebSocketDisconnect,
    WebSocketUpgradeError,
    aconnect_ws,
)
from pycrdt import (
    Decoder,
    YMessageType,
    YSyncMessageType,
    create_awareness_message,
    create_update_message,
    merge_updates,
    read_message,
    write_var_uint,
)

from .presence import Presence
from .replica import Replica
from .room_rest import Rest, Session
from .room_status import closing

log = logging.getLogger(__name__)

PING_SECONDS = 5.0
"""How often the server is asked whether it is still there, and how long it may take to answer."""
SEND_SECONDS = 30.0
SLEPT_SECONDS = 5.0
"""The wall clock's lead over the running time that means the machine was asleep: its sockets are not to be trusted."""
GATHER_SECONDS = 0.004
"""Edits that follow one another faster than this travel together."""
RAW = 2
"""The type of jupyter-collaboration's own messages."""


def sync_message(kind: YSyncMessageType, body: bytes) -> bytes:
    """Return a message of the sync protocol."""
    return bytes([YMessageType.SYNC, kind]) + write_var_uint(len(body)) + body


class Again(Exception):
    """The connection is not to be trusted, although it stands: open it anew."""


class Owner(Protocol):
    """What a connection needs of the room it belongs to."""

    replica: Replica
    presence: Presence

    async def work(self, call: Callable[..., Any], *arguments: Any) -> Any: ...
    def merged(self) -> None: ...
    def trouble(self, sentence: str) -> None: ...


@contextlib.asynccontextmanager
async def open_socket(
    http: httpx.AsyncClient, rest: Rest, room: str, session: Session
) -> AsyncIterator[AsyncWebSocketSession]:
    """Open the room's WebSocket; a refusal comes as a sentence."""
    url = rest.server.websocket("api", "collaboration", "room", room, sessionId=session.session_id)
    socket: AsyncWebSocketSession
    try:
        async with aconnect_ws(
            url,
            http,
            max_message_size_bytes=1 << 20,
            keepalive_ping_interval_seconds=PING_SECONDS,
            keepalive_ping_timeout_seconds=PING_SECONDS,
        ) as socket:
            yield socket
    except* WebSocketUpgradeError as group:
        status = flat(group).response.status_code  # type: ignore[attr-defined]
        raise await rest.refused(status, session.path) from None
    except* WebSocketDisconnect as group:
        end = flat(group)
        raise closing(end.code, end.reason, session.path) from None  # type: ignore[attr-defined]


def flat(error: BaseException) -> BaseException:
    """Return the first error inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class Link:
    """The talk over one WebSocket."""

    def __init__(self, owner: Owner, socket: AsyncWebSocketSession) -> None:
        self._owner = owner
        self._socket = socket
        self._told = asyncio.Event()
        self._merged = asyncio.Event()
        self.wake = asyncio.Event()
        self.to_say: list[bytes] = []
        self._echoes: list[asyncio.Future[None]] = []
        self._arrived = asyncio.Event()
        self._incoming: list[tuple[bool, bytes]] = []

    async def run(self, *others: Callable[[], Awaitable[None]]) -> None:
        """Talk until the connection ends; ``others`` run beside it, and its end is theirs."""
        await self._send(sync_message(YSyncMessageType.SYNC_STEP1, await self._owner.work(self._owner.replica.vector)))
        tasks = [asyncio.ensure_future(call()) for call in (self._read, self._merge, self._write, self._watch, *others)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for echo in self._echoes:
                echo.cancel()

    async def _send(self, message: bytes) -> None:
        async with asyncio.timeout(SEND_SECONDS):
            await self._socket.send_bytes(message)

    async def _read(self) -> None:
        while True:
            message = await self._socket.receive_bytes()
            if not message:
                continue
            if message[0] == YMessageType.SYNC:
                await self._sync(message)
            elif message[0] == YMessageType.AWARENESS:
                self._owner.presence.receive(read_message(message[1:]))
            elif message[0] == RAW:
                self._raw(message)

    async def _sync(self, message: bytes) -> None:
        body = read_message(message[2:])
        if message[1] == YSyncMessageType.SYNC_STEP1:
            missing = await self._owner.work(self._owner.replica.missing, bytes(body))
            await self._send(sync_message(YSyncMessageType.SYNC_STEP2, missing))
            # from here on what is sent follows what the server has
            self._told.set()
        else:
            self._incoming.append((message[1] == YSyncMessageType.SYNC_STEP2, bytes(body)))
            self._arrived.set()

    async def _merge(self) -> None:
        """Merge what arrived: in a busy room many updates come while one is merged, and go in together."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            incoming, self._incoming = self._incoming, []
            updates = [body for _, body in incoming if body != b"\x00\x00"]
            if updates:
                await self._owner.work(self._owner.replica.merge, *updates)
            for answer, _ in incoming:
                if answer:
                    self._answered()

    def _answered(self) -> None:
        self._merged.set()
        self._owner.merged()
        if self._echoes:
            echo = self._echoes.pop(0)
            if not echo.done():
                echo.set_result(None)

    def _raw(self, message: bytes) -> None:
        with contextlib.suppress(ValueError, IndexError):
            told = json.loads(Decoder(message[1:]).read_var_string())
            if isinstance(told, dict) and told.get("type") == "conflict":
                self._owner.trouble(
                    "The server made the document anew from its file, and these changes do not fit it. Open the "
                    "workspace again; copy what you need from this one first."
                )

    async def _write(self) -> None:
        await self._told.wait()
        while True:
            await self.wake.wait()
            self.wake.clear()
            updates = self._owner.replica.take()
            if updates:
                whole = updates[0] if len(updates) == 1 else await self._owner.work(merge_updates, *updates)
                await self._send(create_update_message(whole))
            while self.to_say:
                await self._send(create_awareness_message(self.to_say.pop(0)))
            await asyncio.sleep(GATHER_SECONDS)

    async def _watch(self) -> None:
        """Notice that the machine slept: the wall clock went on, and the running time did not."""
        lead = time.time() - time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now = time.time() - time.monotonic()
            if now - lead > SLEPT_SECONDS:
                raise Again
            lead = now

    async def echo(self) -> None:
        """Wait until the server answered a question asked now: it has read everything that was sent before."""
        await self._merged.wait()
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._echoes.append(answered)
        await self._send(sync_message(YSyncMessageType.SYNC_STEP1, await self._owner.work(self._owner.replica.vector)))
        await answered


async def first_vector(http: httpx.AsyncClient, rest: Rest, room: str, session: Session) -> bytes:
    """Return the server's state vector, which it tells each new connection first."""
    async with open_socket(http, rest, room, session) as socket:
        while True:
            message = await socket.receive_bytes()
            if message[:2] == bytes([YMessageType.SYNC, YSyncMessageType.SYNC_STEP1]):
                return bytes(read_message(message[2:]))


__all__ = ["Again", "HTTPXWSException", "Link", "first_vector", "flat", "open_socket"]
