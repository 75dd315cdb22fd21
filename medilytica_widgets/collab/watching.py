"""Telling of changes: what a transaction touched, said once and after it has ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from pycrdt import Array, Doc, Map, Text

from .author import Author
from .encoding import decode, decode_key
from .history import parsed
from .shared_doc import SharedDoc

MAX_PATH = 64
"""How deep shared maps may stand inside each other."""
_log = logging.getLogger(__name__)
_ROOTS: dict[str, type[Map[Any] | Array[Any] | Text]] = {
    "meta": Map,
    "experiments": Map,
    "notes": Text,
    "chat": Map,
    "history": Array,
}


@dataclass(frozen=True)
class DocumentChange:
    """What one transaction touched.

    Attributes
    ----------
    experiments : frozenset of str
        The ids of the experiments that changed, came or went.
    parts : frozenset of str
        What of them or of the workspace: ``spec``, ``layers``, ``heads``, ``preprocessing``, ``presets``, ``kinds``,
        ``edits``, ``runs``, ``name``, ``description``, ``position``, ``experiments`` (one came or went), ``meta``,
        ``notes``, ``chat``, ``history``.
    local : bool
        Whether this object wrote it.
    author : Author or None
        Who did, where that is known and was one person.
    """

    experiments: frozenset[str]
    parts: frozenset[str]
    local: bool
    author: Author | None


class Watcher:
    """Collects the events of a document's transactions for those who listen."""

    def __init__(self, doc: Doc[Any]) -> None:
        self._doc = doc
        self._callbacks: dict[object, Callable[[DocumentChange], None]] = {}
        self._experiments: set[str] = set()
        self._parts: set[str] = set()
        self._authors: set[Author] = set()
        self._waiting = False
        self.writing: Author | None = None
        self.too_deep = False
        # pycrdt's own wrapper would turn every changed value into Python objects; only the places are needed here
        self._handles = [
            doc.get(name, type=kind).integrated.observe_deep(self._collector(name)) for name, kind in _ROOTS.items()
        ]

    def add(self, callback: Callable[[DocumentChange], None]) -> Callable[[], None]:
        """Call back after every transaction; return what ends it."""
        key = object()
        self._callbacks[key] = callback
        return lambda: void(self._callbacks.pop(key, None))

    def close(self) -> None:
        """Stop listening."""
        self._callbacks.clear()
        for handle in self._handles:
            handle.drop()
        self._handles = []

    def _collector(self, root: str) -> Callable[[list[Any]], None]:
        def collect(events: list[Any]) -> None:
            # an error in here would be raised where the update is merged
            try:
                for event in events:
                    self._collect(root, event)
            except Exception:
                _log.exception("A change of a workspace could not be read.")
            self._schedule()

        return collect

    def _collect(self, root: str, event: Any) -> None:
        path = [] if root in ("notes", "history") else [decode_key(str(key)) for key in event.path]
        if len(path) > MAX_PATH:
            self.too_deep = True
        if root == "history" and self.writing is None and self._callbacks:
            self._authors |= _authors(event.delta)
        if root != "experiments":
            self._parts.add(root)
        elif len(path) > 1:
            self._experiments.add(path[0])
            self._parts.add(path[1])
        else:
            keys = {decode_key(key) for key in event.keys}
            self._experiments |= {path[0]} if path else keys
            self._parts |= keys if path else {"experiments"}

    def _schedule(self) -> None:
        if self._waiting:
            return
        self._waiting = True
        if isinstance(self._doc, SharedDoc):
            self._doc.at_end(self._close_off)
            return
        try:
            asyncio.get_running_loop().call_soon(self._close_off)
        except RuntimeError:
            # a document of pycrdt's own outside a loop: there is no moment after the transaction to wait for
            self._deliver(self._taken())

    def _close_off(self) -> None:
        """Put together what a transaction touched, before another one begins, and tell it when others can work."""
        change = self._taken()
        if not self._callbacks:
            return
        if isinstance(self._doc, SharedDoc):
            self._doc.later(partial(self._deliver, change))
        else:
            self._deliver(change)

    def _taken(self) -> DocumentChange:
        author = self.writing
        if author is None and len(self._authors) == 1:
            (author,) = self._authors
        change = DocumentChange(frozenset(self._experiments), frozenset(self._parts), self.writing is not None, author)
        self._waiting = False
        self._experiments, self._parts, self._authors, self.writing = set(), set(), set(), None
        return change

    def _deliver(self, change: DocumentChange) -> None:
        for callback in list(self._callbacks.values()):
            try:
                callback(change)
            except Exception:
                _log.exception("What waits for changes of a workspace failed.")


def _authors(delta: Any) -> set[Author]:
    """Return whose steps were put into the history."""
    found = set()
    for piece in delta if isinstance(delta, list) else []:
        for stored in piece.get("insert", ()) if isinstance(piece, dict) else ():
            entry = parsed(decode(stored))
            if entry is not None:
                found.add(entry.author)
    return found


def void(_: object) -> None:
    """Return nothing for anything."""
