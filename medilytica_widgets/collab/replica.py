"""A document's side of a room: what was changed here, what goes out, what comes in, and what is known to be stored."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pycrdt import Map, merge_updates

from ..errors import WorkspaceError
from ..wire.coverage import State
from .update_check import check_update

if TYPE_CHECKING:
    from pycrdt import Doc, Subscription, TransactionEvent

log = logging.getLogger(__name__)

EMPTY = b"\x00"
"""The state vector of a document that holds nothing."""


class Replica:
    """One copy of a shared document.

    Parameters
    ----------
    doc : pycrdt.Doc
        The document; any thread may edit it.
    edited : callable
        Called after an edit made here, on the thread that made it and inside its transaction: it must not wait.
    trouble : callable
        Called with a sentence where something that came in could not be merged.

    Attributes
    ----------
    made, acknowledged : int
        How many edits were made here, and how many of them are known to be stored.
    """

    def __init__(self, doc: Doc[Any], edited: Callable[[], None], trouble: Callable[[str], None]) -> None:
        self._doc = doc
        self._edited = edited
        self._trouble = trouble
        self._lock = threading.Lock()
        self._outbox: list[bytes] = []
        self._gathers = False
        self._remote: Any = None
        self._subscription: Subscription | None = None
        self.made = self.acknowledged = 0

    @property
    def unsaved(self) -> int:
        """How many edits are not known to be stored."""
        return self.made - self.acknowledged

    @property
    def waiting(self) -> bool:
        """Whether edits wait for being sent."""
        return bool(self._outbox)

    def start(self) -> None:
        """Begin to count edits; what the document holds already is to be stored too."""
        with self._alone():
            self._subscription = self._doc.observe(self._on_change)
            self.made += self._doc.get_state() != EMPTY

    def stop(self) -> None:
        """Leave the document alone."""
        with self._alone():
            if self._subscription is not None:
                self._doc.unobserve(self._subscription)
                self._subscription = None

    def _alone(self) -> contextlib.AbstractContextManager[Any]:
        """Keep other threads out, with no transaction open: pycrdt can neither observe nor stop inside of one."""
        turn: contextlib.AbstractContextManager[Any] | None = getattr(self._doc, "_turn", None)
        return contextlib.nullcontext() if turn is None else turn

    def gather(self) -> None:
        """Keep what is edited from now on for being sent."""
        with self._lock:
            self._gathers = True
            self._outbox.clear()

    def hold(self) -> None:
        """Keep nothing more: the next connection asks the document itself what the server lacks."""
        with self._lock:
            self._gathers = False
            self._outbox.clear()

    def _on_change(self, event: TransactionEvent) -> None:
        # asked of the transaction and not of the thread: what waits for remote changes may edit on the same one
        if self._remote is not None and self._doc._txn is self._remote:
            return
        update = event.update
        with self._lock:
            self.made += 1
            first = not self._gathers or not self._outbox
            if self._gathers:
                self._outbox.append(update)
        # those that follow travel with the first
        if first:
            self._edited()

    def take(self) -> list[bytes]:
        """Return the edits that wait for being sent, and forget them."""
        with self._lock:
            updates, self._outbox = self._outbox, []
        return updates

    def merge(self, *updates: bytes) -> None:
        """Merge what the server sent; what cannot be merged is reported, and the rest goes on."""
        sound = []
        for update in updates:
            try:
                # before they are joined, which reads them just as deeply
                check_update(update)
                sound.append(update)
            except WorkspaceError as error:
                self._trouble(error.message)
        if len(sound) > 1:
            try:
                self._apply(merge_updates(*sound))
                return
            except Exception:
                # one of them is damaged; it is found when each is taken by itself
                log.debug("Several updates could not be merged as one.", exc_info=True)
        for update in sound:
            try:
                self._apply(update)
            except Exception as error:
                log.warning("An update of a shared document could not be merged.", exc_info=True)
                self._trouble(f"A change of somebody else could not be merged ({error}). Open the workspace again.")

    def _apply(self, update: bytes) -> None:
        transaction = self._doc.transaction()
        try:
            with transaction:
                self._remote = transaction
                self._doc.apply_update(update)
        except ExceptionGroup:
            # it is merged; the group comes from what observes the document
            log.exception("What follows changes of a shared document failed.")
        finally:
            self._remote = None

    def vector(self) -> bytes:
        """Return the document's state vector."""
        return self._doc.get_state()

    def missing(self, vector: bytes) -> bytes:
        """Return what a server with this state vector lacks; that is then to be stored anew."""
        with self._doc.transaction():
            lacks = not State.read(vector).covers(State.read(self._doc.get_state()))
            if lacks and not self.unsaved:
                self.made += 1
            return self._doc.get_update(vector)

    def snapshot(self) -> tuple[int, bytes, bytes]:
        """Return how many edits there were, and the state vector and deletions that hold them all."""
        with self._doc.transaction():
            vector = self._doc.get_state()
            return self.made, vector, self._doc.get_update(vector)

    def acknowledge(self, made: int) -> None:
        """Note that so many edits are stored."""
        self.acknowledged = max(self.acknowledged, made)

    def path(self) -> str:
        """Return the file's path as the server wrote it into the document, or an empty string."""
        with self._doc.transaction():
            path = self._doc.get("state", type=Map).get("path")
        return path if isinstance(path, str) else ""
