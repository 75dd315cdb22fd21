"""The workspace document: experiments, notes, chat and history that several people change at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pycrdt import Array

from ..errors import WorkspaceError, hint
from . import history, loading, merging
from .author import Author
from .document_base import DocumentBase
from .encoding import text_of
from .history import HistoryEntry
from .notes import note_changes, read_notes
from .positions import between
from .tree import EXTRA_PARTS, ITEM_PARTS, MISSING, Change, find, write_at
from .watching import DocumentChange

__all__ = ["Author", "DocumentChange", "ExperimentEntry", "HistoryEntry", "WorkspaceDocument"]
ExtraPart = Literal["presets", "kinds", "edits", "runs"]


@dataclass(frozen=True)
class ExperimentEntry:
    """An experiment of a workspace, without its specification."""

    id: str
    name: str
    description: str
    created: str = ""


class WorkspaceDocument(DocumentBase):
    """A workspace as a CRDT: whatever copies of it were changed, they merge to the same without a conflict.

    It can be used by several threads. Every writing method takes the author, and is one step of the history.

    Parameters
    ----------
    doc : pycrdt.Doc, optional
        A document to work on; otherwise an empty one that several threads can use.
    """

    # -- the workspace ------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The workspace's own id; empty before anything was loaded."""
        return self._meta("id")

    @property
    def name(self) -> str:
        """What the workspace is called."""
        return self._meta("name")

    @property
    def description(self) -> str:
        """What it is about."""
        return self._meta("description")

    def rename(self, *, name: str | None = None, description: str | None = None, author: Author) -> None:
        """Give the workspace another name or description."""
        given = {"name": name, "description": description}
        with self._turn():
            changes = [
                Change(("meta", key), self._at(("meta", key)), text)
                for key, text in given.items()
                if text is not None and text != self._meta(key)
            ]
            self._commit(changes, author, label="rename the workspace")

    @property
    def notes(self) -> str:
        """The shared note, Markdown."""
        with self.doc.transaction():
            return read_notes(self.doc)

    def set_notes(self, text: str, *, author: Author | None = None) -> None:
        """Change the note to a text: only what differs is written."""
        with self._turn():
            changes = note_changes(self.notes, text_of(text))
            self._commit(changes, author or Author.machine(), label="edit the notes")

    def insert_notes(self, index: int, text: str, *, author: Author | None = None) -> None:
        """Put text into the note before a character."""
        with self._turn():
            at = min(max(index, 0), len(self.notes))
            change = Change(("notes", str(at)), "", text_of(text))
            self._commit([change] if text else [], author or Author.machine(), label="edit the notes")

    def delete_notes(self, index: int, length: int, *, author: Author | None = None) -> None:
        """Take characters out of the note."""
        with self._turn():
            gone = self.notes[max(index, 0) : max(index, 0) + max(length, 0)]
            change = Change(("notes", str(max(index, 0))), gone, "")
            self._commit([change] if gone else [], author or Author.machine(), label="edit the notes")

    @property
    def chat(self) -> dict[str, Any]:
        """The chat's ``path``, whether runs ``announce`` their result there, and the ``rooms`` by name."""
        return loading.plain_chat(self._read("chat"))

    def set_chat(
        self, *, path: str | None = None, announce: bool | None = None, rooms: Mapping[str, str | None] | None = None
    ) -> None:
        """Change where the chat is; a room of None is forgotten. It is no step of the history."""
        with self._turn():
            changes = [
                Change(("chat", key), MISSING, value)
                for key, value in (("path", path), ("announce", announce))
                if value is not None
            ]
            if rooms and find(self.doc, ("chat", "rooms")) is None:
                changes.append(Change(("chat", "rooms"), MISSING, {}))
            for name, place in (rooms or {}).items():
                changes.append(Change(("chat", "rooms", name), MISSING, MISSING if place is None else place))
            self._watcher.writing = Author.machine() if changes else self._watcher.writing
            for change in changes:
                write_at(self.doc, change.path, change.after)

    # -- experiments --------------------------------------------------------------------------------------------

    def experiments(self) -> list[ExperimentEntry]:
        """Return the experiments in their order."""
        return [ExperimentEntry(*entry) for entry in loading.entries_of(self._read("experiments"))]

    def add_experiment(
        self, spec: dict[str, Any], *, name: str, description: str = "", author: Author, id: str | None = None
    ) -> str:
        """Put an experiment behind all others.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        WorkspaceError
            When there is one of that id, and for a specification that is no plain data.
        """
        with self._turn():
            key = id or merging.new_id()
            experiments = self._read("experiments")
            if key in experiments:
                raise WorkspaceError(f"The workspace has an experiment {key!r} already. Take another id, or none.")
            last = max((place for _, place in loading.places_of(experiments)), default="")
            tree = {
                "name": name,
                "description": description,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "position": between(last, ""),
                **merging.to_tree(spec),
                **{part: {} for part in EXTRA_PARTS},
            }
            label = f"add the experiment {name!r}"
            self._commit([Change(("experiments", key), MISSING, tree)], author, experiment=key, label=label)
            return key

    def remove_experiment(self, id: str, *, author: Author) -> None:
        """Take an experiment out of the workspace; the history can bring it back."""
        with self._turn():
            tree = self._experiment(id)
            label = f"remove the experiment {loading.text_at(tree, 'name')!r}"
            self._commit([Change(("experiments", id), tree, MISSING)], author, experiment=id, label=label)

    def rename_experiment(
        self, id: str, *, name: str | None = None, description: str | None = None, author: Author
    ) -> None:
        """Give an experiment another name or description."""
        with self._turn():
            tree = self._experiment(id)
            changes = [
                Change(("experiments", id, key), tree.get(key, MISSING), text)
                for key, text in (("name", name), ("description", description))
                if text is not None and text != tree.get(key)
            ]
            self._commit(changes, author, experiment=id, label="rename the experiment")

    def spec(self, id: str) -> dict[str, Any]:
        """Return an experiment's specification, exactly as it was written.

        Raises
        ------
        WorkspaceError
            When there is no such experiment, or the document cannot be read.
        """
        with self._reading():
            tree = self._experiment(id)
            spec = merging.from_tree(tree)
            self._remember(id, spec, {part: [key for key, _ in merging.items_of(tree, part)] for part in ITEM_PARTS})
            return spec

    def set_spec(
        self, id: str, spec: dict[str, Any], *, author: Author, label: str = "", base: dict[str, Any] | None = None
    ) -> list[str]:
        """Change an experiment's specification: what differs is written, and nothing else.

        Parameters
        ----------
        id : str
            The experiment.
        spec : dict
            What it shall be.
        author : Author
            Who changes it.
        label : str, optional
            What the history calls it.
        base : dict, optional
            The state that ``spec`` was made from; what others changed since stays. The present one by default. Of a
            state that `spec` returned or `set_spec` was given lately, every layer is known again whatever became of it.

        Returns
        -------
        list of str
            What was written, ``layers[2].options.units``.

        Raises
        ------
        WorkspaceError
            When there is no such experiment, the document cannot be written, or ``spec`` is no plain data.
        """
        with self._turn():
            tree = self._experiment(id)
            known = None if base is None else self._remembered(id, base)
            changes, ids = merging.changes_to(tree, spec, base, ("experiments", id), known)
            done = self._commit(changes, author, experiment=id, label=label)
            self._remember(id, spec, ids)
            rows = any(change.path[2] in ITEM_PARTS and len(change.path) < 6 for change in done)
            return merging.words(done, tree, self._experiment(id) if rows else tree)

    def extra(self, id: str, part: ExtraPart) -> dict[str, Any]:
        """Return an experiment's presets, column kinds, cell edits or runs, by their keys."""
        found = self._experiment(id).get(_known_part(part))
        return found if isinstance(found, dict) else {}

    def set_extra(
        self, id: str, part: ExtraPart, key: str, value: Any | None, *, author: Author, label: str = ""
    ) -> None:
        """Write one of them; None takes it away.

        A run is no step of the history: it happened, and no earlier state takes it away.
        """
        with self._turn():
            before = self.extra(id, part).get(key, MISSING)
            path = ("experiments", id, part, key)
            changes = []
            if find(self.doc, path[:3]) is None:
                changes.append(Change(path[:3], MISSING, {}))
            after = MISSING if value is None else value
            if before is not after:
                changes.append(Change(path, before, after))
                self._commit(changes, author, experiment=id, label=label or f"{part}: {key}", remembered=part != "runs")

    # -- telling, undo and history --------------------------------------------------------------------------------

    def undo(self, author: Author) -> bool:
        """Take back a person's last step, as far as nobody has written over it; return whether there was one."""
        with self._turn():
            return self._invert(history.undoable(history.entries(self.doc), author.id), author)

    def redo(self, author: Author) -> bool:
        """Make the step again that a person took back last; return whether there was one."""
        with self._turn():
            return self._invert(history.redoable(history.entries(self.doc), author.id), author, redo=True)

    @property
    def has_history(self) -> bool:
        """Whether anybody ever did anything here."""
        with self.doc.transaction():
            return len(self.doc.get("history", type=Array)) > 0

    def can_undo(self, author: Author) -> bool:
        """Tell whether `undo` would do something."""
        with self._reading():
            steps = history.undoable(self.history(), author.id)
            return not self.error and any(history.standing(self.doc, step.changes) for step in reversed(steps))

    def can_redo(self, author: Author) -> bool:
        """Tell whether `redo` would do something."""
        with self._reading():
            steps = history.redoable(self.history(), author.id)
            return not self.error and any(history.standing(self.doc, step.changes) for step in reversed(steps))

    def history(self) -> list[HistoryEntry]:
        """Return who changed what and when, the oldest step first."""
        with self._reading():
            return history.entries(self.doc)

    def state_at(self, entry_id: str) -> dict[str, Any]:
        """Return the whole workspace as it was right after a step, in the form of `to_plain`."""
        with self._reading():
            return loading.to_plain(self._tree_at(entry_id))

    def restore(self, entry_id: str, *, author: Author) -> None:
        """Bring the whole workspace back to how it was right after a step. This is a step too, and can be undone."""
        with self._turn():
            wanted = self._tree_at(entry_id)
            changes = loading.changes_between(self._tree(), wanted)
            self._commit(changes, author, label="restore an earlier state")

    # -- plain data -----------------------------------------------------------------------------------------------

    def to_plain(self) -> dict[str, Any]:
        """Return the whole workspace, as `medilytica_widgets.collab.schema.check` describes it."""
        with self._reading():
            return loading.to_plain(self._tree())

    def load_plain(self, plain: dict[str, Any], *, author: Author | None = None) -> None:
        """Change the workspace to plain data: what differs is written, as a step of the history.

        Into an empty document it comes the same way everywhere: two copies that were loaded from one file are
        copies of one document, and merge.

        Raises
        ------
        WorkspaceError
            For what is no workspace, or is of a newer version; nothing is changed then.
        """
        with self._turn():
            if self.is_empty:
                self.doc.apply_update(loading.first_update(plain))
                return
            changes = loading.changes_to_plain(self._tree(), plain)
            self._commit(changes, author or Author.file(), label="the file was edited")


def _known_part(part: str) -> str:
    if part not in EXTRA_PARTS:
        raise WorkspaceError(f"An experiment of a workspace has no part {part!r}. {hint(part, EXTRA_PARTS)}")
    return part
