"""Who sends which file to a widget: one page at a time a file, and another goes on where that one fell silent."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..data.uploads import Part, UploadBusyError, Uploaded, UploadStore
from ..errors import StateError

#: A page that sent nothing for so long may be followed by another one.
SILENCE_SECONDS = 8.0
#: After so long its file is let go, so that another kernel may go on with it.
RELEASE_SECONDS = 60.0
CHUNK_BYTES = 1 << 20
"""The largest piece: Jupyter's server (tornado) takes messages of 10 MB at most."""
WINDOW = 4
"""Chunks that a page may send ahead of their answers: what the kernel holds in memory of an upload at most."""
_KEPT = 256


@dataclass
class _Sending:
    part: Part
    token: str
    heard: float


class Arrivals:
    """The files on their way to one widget.

    Parameters
    ----------
    store : callable
        Returns the store; called with the first file.
    arrived : callable
        Called with each file that is stored.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        store: Callable[[], UploadStore],
        arrived: Callable[[Uploaded], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find_store, self._arrived, self._clock = store, arrived, clock
        self._store: UploadStore | None = None
        self._sending: dict[str, _Sending] = {}
        # what each page was told, and the files that came of it, so that a lost answer can be asked for again
        self._tokens: dict[str, str] = {}
        self._stored: dict[str, Uploaded] = {}
        self._picture: list[dict[str, Any]] = []
        self._lock = threading.RLock()

    def open(self, name: str, size: int, modified: int, known: str, sample: bytes) -> dict[str, Any]:
        """Return how a page goes on with a file.

        ``state`` is "go" (send from ``received`` on), "busy" (another page sends it: ask again) or "done".
        """
        with self._lock:
            if self._store is None:
                self._store = self._find_store()
                self._store.expire()
            store = self._store
            mine = self._tokens.get(known)
            sending = self._sending.get(mine) if mine else None
            if sending is not None and sending.token == known:
                sending.heard = self._clock()
                return self._go(sending)
            if mine in self._stored:
                return {"state": "done", "upload": known, "received": size, "chunk": CHUNK_BYTES, "window": WINDOW}
            try:
                part = store.begin(name, size, modified, sample)
            except UploadBusyError:
                return self._follow(name, size, modified, sample, store)
            self._stored.pop(part.key, None)
            return self._go(self._give(part))

    def _follow(self, name: str, size: int, modified: int, sample: bytes, store: UploadStore) -> dict[str, Any]:
        key = store.key_of(name, size, modified, sample)
        sending = self._sending.get(key)
        if sending is not None and self._clock() - sending.heard > SILENCE_SECONDS:
            return self._go(self._give(sending.part))
        received = sending.part.received if sending is not None else 0
        return {
            "state": "busy",
            "upload": self._token_for(key),
            "received": received,
            "chunk": CHUNK_BYTES,
            "window": WINDOW,
        }

    def _give(self, part: Part) -> _Sending:
        self._sending[part.key] = _Sending(part, self._token_for(part.key), self._clock())
        return self._sending[part.key]

    def _token_for(self, key: str) -> str:
        token = uuid.uuid4().hex
        self._tokens[token] = key
        while len(self._tokens) > _KEPT:
            del self._tokens[next(iter(self._tokens))]
        return token

    def _go(self, sending: _Sending) -> dict[str, Any]:
        return {
            "state": "go",
            "upload": sending.token,
            "received": sending.part.received,
            "chunk": CHUNK_BYTES,
            "window": WINDOW,
        }

    def chunk(self, token: str, offset: int, content: bytes | memoryview) -> dict[str, Any]:
        """Take bytes and return how many are here.

        ``state`` is "go", "done", or "lost": then `open` tells how to go on.
        """
        with self._lock:
            key = self._tokens.get(token, "")
            sending = self._sending.get(key)
            if sending is None or sending.token != token:
                return {"state": "done" if key in self._stored else "lost", "received": 0}
            sending.heard = self._clock()
            try:
                received = sending.part.write(offset, content)
                if received < sending.part.size:
                    return {"state": "go", "received": received}
                stored = sending.part.finish()
            except StateError:
                del self._sending[key]
                return {"state": "lost", "received": 0}
            except Exception:
                del self._sending[key]
                sending.part.discard()
                raise
            del self._sending[key]
            self._stored[key] = stored
            while len(self._stored) > _KEPT:
                del self._stored[next(iter(self._stored))]
        self._arrived(stored)
        return {"state": "done", "received": stored.size}

    def cancel(self, token: str) -> None:
        """Remove what came of an upload; nothing where it is no more, or another page sends it by now."""
        with self._lock:
            key = self._tokens.get(token, "")
            sending = self._sending.get(key)
            if sending is not None and sending.token == token:
                sending.part.discard()
                del self._sending[key]

    def told(self) -> list[dict[str, Any]]:
        """Return the files on their way, for everyone to see; lets go of those nobody sends any more.

        It never waits: the last picture comes while a slow disk is busy with a file.
        """
        if self._lock.acquire(blocking=False):
            try:
                self._let_go()
                self._picture = [self._line(sending) for sending in self._sending.values()]
            finally:
                self._lock.release()
        return list(self._picture)

    def _let_go(self) -> None:
        for key, sending in list(self._sending.items()):
            if self._clock() - sending.heard > RELEASE_SECONDS:
                sending.part.release()
                del self._sending[key]

    def _line(self, sending: _Sending) -> dict[str, Any]:
        return {
            "upload": sending.token,
            "name": sending.part.label,
            "size": sending.part.size,
            "received": sending.part.received,
            "silent": self._clock() - sending.heard > SILENCE_SECONDS,
        }

    def release(self) -> None:
        """Let go of everything; what has come stays on the disk for a day."""
        with self._lock:
            for sending in self._sending.values():
                sending.part.release()
            self._sending.clear()
