"""A shared document in a room of a Jupyter server: kept in step from a thread of its own, for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import httpx

from ..wire.coverage import State
from .discovery import Server
from .presence import RENEW_SECONDS, Person, Presence
from .replica import Replica
from .room_link import Again, HTTPXWSException, Link, first_vector, flat, open_socket
from .room_rest import Rest, Session, new_client
from .room_status import Refused, RoomError, RoomStatus, unreachable

if TYPE_CHECKING:
    from pycrdt import Doc

log = logging.getLogger(__name__)

__all__ = ["RoomClient", "RoomError", "RoomStatus"]

FIRST_WAIT, LONGEST_WAIT = 0.2, 15.0
CLOSE_SECONDS, GOODBYE_SECONDS = 10.0, 1.5
CALM_SECONDS, SAVE_SECONDS = 0.3, 0.02
"""How long the question for what is stored waits for edits that follow, and when somebody waits for its answer."""
RETRY_SECONDS, REFUSED_SECONDS, LOST_SECONDS = 1.0, 5.0, 5.0


class RoomClient:
    """Keeps a document in step with a room of a Jupyter server until it is closed.

    Edits may come from any thread; they are sent within milliseconds and never wait for the network. A connection that
    breaks is opened again for ever, and what happened on either side meanwhile is merged.

    Parameters
    ----------
    doc : pycrdt.Doc
        The document, one that several threads may use: a `SharedDoc`.
    server : Server
        As `find_server` returns it.
    path : str
        The file's path on the server. A missing file is made at the first connection.
    kind, format : str
        The type and format of the room.
    on_status : callable, optional
        Called with each new `RoomStatus`, one after another, on a thread of the room. It must not wait for the room.
    user : dict, optional
        The person shown to others; whom the server knows by this token if left out.
    initial : str, optional
        What a missing file begins with; None for a file that must exist.

    Attributes
    ----------
    presence : Presence
        Who else is here.
    user, role : dict, str or None
        Who this process is for the server, and its role where the server has roles.
    """

    def __init__(
        self,
        doc: Doc[Any],
        server: Server,
        path: str,
        *,
        kind: str = "medilytica",
        format: str = "text",
        on_status: Callable[[RoomStatus], None] | None = None,
        user: dict[str, Any] | None = None,
        initial: str | None = "",
    ) -> None:
        self._server = server
        self._kind, self._format, self._initial = kind, format, initial
        self._on_status = on_status
        self._status = self._said = RoomStatus(path=path.strip("/"))
        self._changed = threading.Condition()
        self.replica = Replica(doc, self._edited, self.trouble)
        self._closing = False
        self._flushing = 0
        self._file_id: str | None = None
        self._link: Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._worker_name = f"medilytica-room-worker-{id(self)}"
        self._given_user = user is not None
        self.user: dict[str, Any] = dict(user or {})
        self.role: str | None = None
        self.presence = Presence(doc.client_id, self._say)
        if user is not None:
            self.presence.set_local("user", user)

    # -- what people use ---------------------------------------------------------

    @property
    def status(self) -> RoomStatus:
        """How the room is doing now."""
        with self._changed:
            return replace(self._status, unsaved=self.replica.unsaved)

    def start(self) -> Self:
        """Begin; returns at once."""
        with self._changed:
            if self._thread is not None or self._closing:
                return self
            self._worker = ThreadPoolExecutor(1, thread_name_prefix=self._worker_name)
            self._thread = threading.Thread(target=self._run, name=f"medilytica-room {self._status.path}", daemon=True)
        self.replica.start()
        self._thread.start()
        return self

    def close(self) -> None:
        """Send what is waiting, say goodbye and end the threads. Edits that were not stored stay in the document."""
        with self._changed:
            first, self._closing = not self._closing, True
            self._changed.notify_all()
            thread, worker = self._thread, self._worker
        self._call_soon(lambda: self._stop.set())
        me = threading.current_thread()
        if thread is not None and thread.ident is not None and me is not thread and not self._on_worker():
            thread.join(CLOSE_SECONDS)
        if not first:
            return
        self.replica.stop()
        if worker is not None:
            worker.shutdown(wait=not self._on_worker() and me is not thread)

    __enter__ = start

    def __exit__(self, *exc: object) -> None:
        self.close()

    def wait_synced(self, timeout: float = 30.0) -> bool:
        """Wait until what the server had was merged. Returns whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._status.synced or self._closing, timeout) and self._status.synced

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait until the server has stored every change made so far.

        Returns
        -------
        bool
            True when it is stored durably; False when the server has it but cannot tell what it has stored.

        Raises
        ------
        RoomError
            If that did not happen in time or cannot happen. The changes stay in the document, and are sent as soon as
            the server takes them.
        """
        with self._changed:
            if self._closing:
                raise RoomError("The room is closed; what is changed now reaches nobody. Open the workspace again.")
            goal = self.replica.made
            self._flushing += 1
            self._call_soon(lambda: self._hurry.set())
            self._changed.wait_for(
                lambda: self.replica.acknowledged >= goal or self._closing or not self._status.writable, timeout
            )
            self._flushing -= 1
            missing, error = goal - self.replica.acknowledged, self._status.error
            if missing <= 0:
                return self._status.durable is not False
        raise RoomError(f"{missing} changes are not stored yet. {error or 'The server did not confirm them in time.'}")

    def set_local(self, field: str, value: Any) -> None:
        """Set a field of what others see of this process: ``medilytica`` holds where it is."""
        self.presence.set_local(field, value)

    def people(self) -> list[Person]:
        """Return who is in the room; oneself first."""
        return self.presence.people()

    def on_people(self, callback: Callable[[list[Person]], None]) -> Callable[[], None]:
        """Call back whenever people or places change, on a thread of the room. Returns what ends it."""
        return self.presence.on_people(callback)

    # -- the worker --------------------------------------------------------------

    async def work(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Run on the worker thread: whoever holds the document holds up neither this loop nor its answers."""
        assert self._worker is not None
        return await asyncio.get_running_loop().run_in_executor(self._worker, call, *arguments)

    def _on_worker(self) -> bool:
        return threading.current_thread().name.startswith(self._worker_name)

    # -- the connection, on the loop ---------------------------------------------

    def merged(self) -> None:
        """Report that what the server had is merged."""
        self._attempt = 0
        self._set(synced=True, error="")
        self._dirty.set()

    def trouble(self, sentence: str) -> None:
        """Report what a person should know; the connection goes on."""
        self._set(error=sentence)

    def _say(self, awareness: bytes) -> None:
        self._call_soon(lambda: self._say_it(awareness))

    def _say_it(self, awareness: bytes) -> None:
        if self._link is not None:
            # the newest state says all
            self._link.to_say[:] = [awareness]
            self._link.wake.set()

    def _edited(self) -> None:
        """Hear of an edit, on whatever thread made it."""
        self._call_soon(self._woken)

    def _call_soon(self, call: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            # the loop may end this very moment
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(call)

    def _woken(self) -> None:
        if self._link is not None:
            self._link.wake.set()
        self._dirty.set()
        self._tell()

    def _set(self, **changes: Any) -> None:
        with self._changed:
            self._status = replace(self._status, **changes)
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        now = self.status
        with self._changed:
            if now == self._said:
                return
            self._said = now
            worker = self._worker
        if self._on_status is not None and worker is not None:
            with contextlib.suppress(RuntimeError):
                worker.submit(self._call_back, now)

    def _call_back(self, status: RoomStatus) -> None:
        assert self._on_status is not None
        try:
            self._on_status(status)
        except Exception:
            log.exception("A callback for the room's status failed.")

    def _run(self) -> None:
        asyncio.run(self._main())

    async def _main(self) -> None:
        self._stop, self._dirty, self._hurry = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._attempt = 0
        with self._changed:
            self._loop = asyncio.get_running_loop()
            if self._closing:
                self._stop.set()
        while not self._stop.is_set():
            sentence = await self._until_end()
            if self._stop.is_set():
                break
            self._set(error=sentence)
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2**self._attempt) * random.uniform(0.5, 1.0)
            self._attempt = min(self._attempt + 1, 10)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._stop.wait()
            self._server = await asyncio.to_thread(self._server.again)
        with self._changed:
            self._loop = None

    async def _until_end(self) -> str:
        """Connect and talk until it ends or the room is closed; return the sentence that says why."""
        talk = asyncio.ensure_future(self._connect())
        stop = asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait((talk, stop), return_when=asyncio.FIRST_COMPLETED)
            if not talk.done():
                await self._goodbye()
                talk.cancel()
            await talk
        except asyncio.CancelledError:
            pass
        except BaseException as group:
            return self._sentence(flat(group))
        finally:
            stop.cancel()
            self._link = None
            self.replica.hold()
            self._set(connected=False, synced=False)
            self.presence.forget_others()
        return ""

    def _sentence(self, error: BaseException) -> str:
        if isinstance(error, Refused):
            if error.role:
                self._set(writable=False)
            return error.sentence
        if isinstance(error, Again):
            return "The connection is opened anew: this machine slept, or the server lost what was sent."
        if isinstance(error, httpx.HTTPError | HTTPXWSException | OSError | TimeoutError):
            return unreachable(self._server.url, error)
        log.error("The room of %s met an unexpected error.", self._status.path, exc_info=error)
        return f"The room met an unexpected error ({type(error).__name__}: {error}); it is opened again."

    async def _goodbye(self) -> None:
        """Send what is waiting and take this page off the list of people."""
        link = self._link
        if link is None:
            return
        link.to_say[:] = [self.presence.encode(leaving=True)]
        link.wake.set()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(GOODBYE_SECONDS):
                # the writer may be in the middle of its pause
                while link.to_say or self.replica.waiting:
                    await asyncio.sleep(0.002)
                await link.echo()

    async def _connect(self) -> None:
        async with new_client(self._server) as http:
            rest = Rest(http, self._server)
            user, self.role = await rest.me()
            if not self._given_user:
                self.user = user
                self.presence.set_local("user", user)
            path = self.status.path
            session = await rest.open_session(path, self._file_id, self._kind, self._format, self._initial)
            room = f"{self._format}:{self._kind}:{session.file_id}"
            async with open_socket(http, rest, room, session) as socket:
                self._file_id = session.file_id
                link = Link(self, socket)
                self.replica.gather()
                self._link = link
                self._set(connected=True, path=session.path)
                self._say_it(self.presence.encode())
                await link.run(lambda: self._save(rest, http, room, session, link), self._tend)

    async def _tend(self) -> None:
        """Renew the presence, forget who is gone, and follow a renamed file."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            self.presence.renew()
            self.presence.drop_stale()
            path = await self.work(self.replica.path)
            if path:
                self._set(path=path)

    async def _save(self, rest: Rest, http: httpx.AsyncClient, room: str, session: Session, link: Link) -> None:
        """Ask what is stored, as long as something is not known to be."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if not self._status.synced or not self.replica.unsaved:
                continue
            if not self._flushing:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(CALM_SECONDS):
                        await self._hurry.wait()
            self._hurry.clear()
            made, vector, deletions = await self.work(self.replica.snapshot)
            pause, asked = SAVE_SECONDS, time.monotonic()
            try:
                stored = await rest.stored(room, vector, deletions, urgent=self._flushing > 0)
                durable = stored is not None
                if stored is None:
                    await link.echo()
                    stored = State.read(await first_vector(http, rest, room, session)).covers(State.read(vector))
            except Refused as refused:
                self._set(writable=self._status.writable and not refused.role, error=refused.sentence)
                pause = REFUSED_SECONDS if refused.role else RETRY_SECONDS
            except httpx.HTTPError:
                pause = RETRY_SECONDS
            else:
                if stored:
                    with self._changed:
                        self.replica.acknowledge(made)
                    self._set(durable=durable, writable=True, error="")
                elif time.monotonic() - asked > LOST_SECONDS:
                    # it was sent long ago, and the server does not have it: a new connection sends it again
                    raise Again
                else:
                    pause = RETRY_SECONDS
            await asyncio.sleep(pause)
            if self.replica.unsaved:
                self._dirty.set()
