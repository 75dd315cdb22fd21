"""What every part of a workspace document stands on: turns to read and write, and the steps of its history."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pycrdt import Array, Doc, Map, Text

from ..errors import WorkspaceError, hint
from . import history
from .author import Author
from .encoding import encode, encode_key
from .history import HistoryEntry
from .merging import Ids
from .notes import read_notes, write_notes
from .schema import VERSION
from .shared_doc import SharedDoc
from .tree import MISSING, Change, find, read_at, read_map, write_at
from .watching import DocumentChange, Watcher

_TOO_DEEP = "The document nests too deep to be read. Restore an earlier version of its file."
_REMEMBERED = 64
"""Of how many states of experiments the items are remembered."""


class DocumentBase:
    """A document, who listens to it, and its turns.

    Parameters
    ----------
    doc : pycrdt.Doc, optional
        A document to work on; otherwise an empty one that several threads can use.
    """

    def __init__(self, doc: Doc[Any] | None = None) -> None:
        self.doc: Doc[Any] = SharedDoc() if doc is None else doc
        with self.doc.transaction():
            for name in ("meta", "experiments", "chat"):
                self.doc.get(name, type=Map)
            self.doc.get("notes", type=Text)
            self.doc.get("history", type=Array)
        self._watcher = Watcher(self.doc)
        self._states: OrderedDict[tuple[str, int], Ids] = OrderedDict()

    @property
    def version(self) -> int:
        """The version of its schema; the present one where nothing was loaded yet."""
        version = self._at(("meta", "version"))
        return version if isinstance(version, int) and not isinstance(version, bool) else VERSION

    @property
    def error(self) -> str:
        """Why it cannot be changed: the file cannot be read, or a newer release wrote it; otherwise empty."""
        said = self._meta("error")
        if said or self.version <= VERSION:
            return said
        return (
            f"The workspace is of version {self.version}; this package writes version {VERSION}. "
            "Update medilytica-widgets to the release that wrote it."
        )

    def observe(self, callback: Callable[[DocumentChange], None]) -> Callable[[], None]:
        """Call back after every change, in the thread that made it or merged it; return what ends it.

        The callback may read and write the document. What it raises is logged.
        """
        return self._watcher.add(callback)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written into it, but for what Jupyter keeps there."""
        with self.doc.transaction():
            maps = [self.doc.get(name, type=Map) for name in ("meta", "experiments", "chat")]
            return not any(map(len, maps)) and not read_notes(self.doc) and not len(self.doc.get("history", type=Array))

    def close(self) -> None:
        """Stop telling of changes."""
        self._watcher.close()

    def _remember(self, id: str, spec: dict[str, Any], ids: Ids) -> None:
        """Keep which items a state of an experiment was made of, for those who come back with it as their base."""
        with self.doc.transaction():
            key = (id, _fingerprint(spec))
            self._states[key] = ids
            self._states.move_to_end(key)
            while len(self._states) > _REMEMBERED:
                self._states.popitem(last=False)

    def _remembered(self, id: str, spec: dict[str, Any]) -> Ids | None:
        return self._states.get((id, _fingerprint(spec)))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Write in one transaction, or refuse to."""
        with self._reading():
            if said := self.error:
                raise WorkspaceError(said)
            yield

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self.doc.transaction():
            if self._watcher.too_deep:
                raise WorkspaceError(_TOO_DEEP)
            try:
                yield
            except RecursionError:
                raise WorkspaceError(_TOO_DEEP) from None

    def _commit(
        self,
        changes: Sequence[Change],
        author: Author,
        *,
        experiment: str = "",
        label: str = "",
        undoes: str = "",
        redoes: str = "",
        remembered: bool = True,
    ) -> list[Change]:
        for change in changes:
            # whatever cannot be held is refused before anything is written
            for key in change.path:
                encode_key(key)
            if change.after is not MISSING:
                encode(change.after)
        if changes:
            self._watcher.writing = author
        done: list[Change] = []
        for change in changes:
            if change.path[0] == "notes":
                made = write_notes(self.doc, change)
            else:
                made = change if write_at(self.doc, change.path, change.after) else None
            done += [made] if made else []
        if done and remembered:
            history.record(self.doc, done, author, experiment=experiment, label=label, undoes=undoes, redoes=redoes)
        return done

    def _invert(self, steps: Sequence[HistoryEntry], author: Author, redo: bool = False) -> bool:
        for step in reversed(steps):
            changes = [change.inverse for change in reversed(history.standing(self.doc, step.changes))]
            marks = ("", step.id) if redo else (step.id, "")
            if changes and self._commit(
                changes, author, experiment=step.experiment, label=step.label, undoes=marks[0], redoes=marks[1]
            ):
                return True
        return False

    def _tree(self) -> dict[str, Any]:
        with self._reading():
            roots = {name: self._read(name) for name in ("meta", "experiments", "chat")}
            return {**roots, "notes": read_notes(self.doc)}

    def _tree_at(self, entry_id: str) -> dict[str, Any]:
        with self._reading():
            steps = history.entries(self.doc)
            ids = [step.id for step in steps]
            if entry_id not in ids:
                raise WorkspaceError(f"The history has no step {entry_id!r}. {hint(entry_id, ids[-5:])}")
            return history.tree_before(self._tree(), steps[ids.index(entry_id) + 1 :])

    def _experiment(self, id: str) -> dict[str, Any]:
        with self._reading():
            found = find(self.doc, ("experiments", id))
            if found is None:
                ids = list(self._read("experiments"))
                raise WorkspaceError(f"The workspace has no experiment {id!r}. {hint(id, ids) if ids else ''}".rstrip())
            return read_map(found)

    def _read(self, root: str) -> dict[str, Any]:
        with self._reading():
            return read_map(self.doc.get(root, type=Map))

    def _at(self, path: tuple[str, ...]) -> Any:
        with self.doc.transaction():
            return read_at(self.doc, path)

    def _meta(self, key: str) -> str:
        found = self._at(("meta", key))
        return found if isinstance(found, str) else ""


def _fingerprint(spec: dict[str, Any]) -> int:
    try:
        return hash(json.dumps(spec, sort_keys=True, default=repr))
    except TypeError:
        # keys of several kinds: it is refused elsewhere
        return 0
