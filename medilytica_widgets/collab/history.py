"""Who changed what and when, kept in the document itself, so that everyone has the same history."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pycrdt import Array, Doc

from ..errors import WorkspaceError
from .author import Author
from .encoding import decode, encode, from_json, same
from .merging import new_id
from .notes import joined_pieces, place_of, read_notes, splice
from .tree import MAX_CHARACTERS, MISSING, Change, Path, is_shared, read_at

HISTORY_LIMIT = 500
"""How many entries are kept; older ones are dropped."""
TOGETHER = 2.0
"""Seconds within which edits of the same fields by the same person are one entry."""


@dataclass(frozen=True)
class HistoryEntry:
    """One step of a workspace's history.

    Attributes
    ----------
    id : str
        What `WorkspaceDocument.state_at` and `WorkspaceDocument.restore` take.
    time : float
        Seconds since 1970 at which it was made.
    author : Author
        Who made it.
    experiment : str
        The experiment's id; empty where it is of the whole workspace.
    label : str
        What the author called it.
    changes : tuple of Change
        Every place that got another value.
    undoes, redoes : str
        The id of the entry that it takes back or makes again; empty where it does not.
    """

    id: str
    time: float
    author: Author
    experiment: str
    label: str
    changes: tuple[Change, ...]
    undoes: str = ""
    redoes: str = ""


def entries(doc: Doc[Any]) -> list[HistoryEntry]:
    """Return the history, the oldest entry first; what is no entry is left out."""
    plain = from_json(str(doc.get("history", type=Array)), MAX_CHARACTERS)
    found: dict[str, HistoryEntry] = {}
    for stored in plain if isinstance(plain, list) else []:
        entry = parsed(stored)
        if entry is not None:
            # two programs of one person may have made the same entry longer at the same time
            found[entry.id] = entry
    return list(found.values())


def last_entry(doc: Doc[Any]) -> HistoryEntry | None:
    """Return the newest entry."""
    history = doc.get("history", type=Array)
    try:
        return parsed(decode(history[-1])) if len(history) else None
    except WorkspaceError:
        # somebody wrote what nests too deep; the next step is written all the same
        return None


def record(
    doc: Doc[Any],
    changes: Sequence[Change],
    author: Author,
    *,
    experiment: str = "",
    label: str = "",
    undoes: str = "",
    redoes: str = "",
) -> None:
    """Write a step into the history; it joins the newest one where that is of the same fields, person and moment."""
    history = doc.get("history", type=Array)
    entry = HistoryEntry(new_id(), time.time(), author, experiment, label, tuple(changes), undoes, redoes)
    last = last_entry(doc)
    joined = _joined(last, entry) if last is not None and _belong_together(last, entry) else None
    if last is not None and joined is not None:
        left = tuple(each for each in joined if not (each.before is each.after or same(each.before, each.after)))
        del history[len(history) - 1]
        if not left:
            return
        entry = HistoryEntry(last.id, entry.time, author, experiment, label, left)
    history.append(_stored(entry))
    if len(history) > HISTORY_LIMIT:
        del history[: len(history) - HISTORY_LIMIT]


def tree_before(tree: dict[str, Any], steps: Sequence[HistoryEntry]) -> dict[str, Any]:
    """Return the whole document's plain tree as it was before the given last steps."""
    tree = copy.deepcopy(tree)
    for step in reversed(steps):
        for change in reversed(step.changes):
            _put(tree, change.inverse)
    return tree


def undoable(steps: Sequence[HistoryEntry], author: str) -> list[HistoryEntry]:
    """Return a person's steps that can be taken back, the last one last."""
    return _stacks(steps, author)[0]


def redoable(steps: Sequence[HistoryEntry], author: str) -> list[HistoryEntry]:
    """Return the steps with which a person took something back that can be made again, the last one last."""
    return _stacks(steps, author)[1]


def standing(doc: Doc[Any], changes: Sequence[Change]) -> list[Change]:
    """Return the changes that still stand, each with what is there now: nobody has written over them since.

    An item that was added stands as long as it is there, and one that was removed as long as it is not.
    """
    found: list[Change] = []
    lost: set[Path] = set()
    for change in sorted((each for each in changes if each.path[0] != "notes"), key=lambda each: each.path):
        now = read_at(doc, change.path)
        whole = isinstance(change.after, dict) and isinstance(now, dict) and is_shared(change.path)
        if not (whole or now is change.after or same(now, change.after)):
            lost.add(change.path)
        elif change.path[-1] != "hyperparameters" or (*change.path[:-1], "algorithm") not in lost:
            found.append(Change(change.path, change.before, now))
    notes = read_notes(doc)
    pieces: list[Change] = []
    for change in reversed([each for each in changes if each.path[0] == "notes"]):
        # one after the other, as they will be taken back: each moves what stands behind it
        if place_of(notes, change.inverse) is not None:
            notes = splice(notes, change.inverse)
            pieces.insert(0, change)
    return found + pieces


def _stacks(steps: Sequence[HistoryEntry], author: str) -> tuple[list[HistoryEntry], list[HistoryEntry]]:
    done: list[HistoryEntry] = []
    undone: list[HistoryEntry] = []
    for step in steps:
        if step.author.id != author:
            continue
        if step.undoes:
            done = [each for each in done if each.id != step.undoes]
            undone.append(step)
        elif step.redoes:
            undone = [each for each in undone if each.id != step.redoes]
            done.append(step)
        else:
            done.append(step)
            undone = []
    return done, undone


def _belong_together(last: HistoryEntry, new: HistoryEntry) -> bool:
    if last.undoes or last.redoes or new.undoes or new.redoes:
        return False
    if (last.author.id, last.experiment, last.label) != (new.author.id, new.experiment, new.label):
        return False
    return 0 <= new.time - last.time <= TOGETHER


def _joined(last: HistoryEntry, new: HistoryEntry) -> list[Change] | None:
    """Return the changes of both steps as those of one, or None where they are of different fields."""
    if len(last.changes) != len(new.changes):
        return None
    if len(new.changes) == 1 and (last.changes[0].path[0], new.changes[0].path[0]) == ("notes", "notes"):
        piece = joined_pieces(last.changes[0], new.changes[0])
        return None if piece is None else [piece]
    pairs = list(zip(last.changes, new.changes, strict=True))
    if any(old.path != now.path or now.path[0] == "notes" for old, now in pairs):
        return None
    return [Change(now.path, old.before, now.after) for old, now in pairs]


def _put(tree: dict[str, Any], change: Change) -> None:
    if change.path[0] == "notes":
        tree["notes"] = splice(tree["notes"], change)
        return
    inner: Any = tree
    for key in change.path[:-1]:
        inner = inner.get(key) if isinstance(inner, dict) else None
    if not isinstance(inner, dict):
        return
    if change.after is MISSING:
        inner.pop(change.path[-1], None)
    else:
        inner[change.path[-1]] = copy.deepcopy(change.after)


def _stored(entry: HistoryEntry) -> dict[str, Any]:
    changes = []
    for change in entry.changes:
        values = {"before": change.before, "after": change.after}
        changes.append({"path": list(change.path), **{k: v for k, v in values.items() if v is not MISSING}})
    plain: dict[str, Any] = {
        "id": entry.id,
        "time": round(entry.time, 3),
        "author": {"id": entry.author.id, "name": entry.author.name},
        "changes": changes,
    }
    others = {name: getattr(entry, name) for name in ("experiment", "label", "undoes", "redoes")}
    stored: dict[str, Any] = encode({**plain, **{name: value for name, value in others.items() if value}}, _depth=-6)
    return stored


def parsed(stored: Any) -> HistoryEntry | None:
    """Return an entry, or None for what is none: anybody can write into the document."""
    if not isinstance(stored, dict):
        return None
    who, when, changes = (stored.get(name) for name in ("author", "time", "changes"))
    if not isinstance(who, dict) or not isinstance(when, (int, float)) or not isinstance(changes, list):
        return None
    texts = [stored.get("id"), who.get("id"), who.get("name")]
    others = [stored.get(name, "") for name in ("experiment", "label", "undoes", "redoes")]
    if not all(isinstance(text, str) for text in (*texts, *others)):
        return None
    found = []
    for change in changes:
        path = change.get("path") if isinstance(change, dict) else None
        if not isinstance(path, list) or len(path) < 2 or not all(isinstance(key, str) for key in path):
            return None
        if path[0] == "notes" and not (path[1].isdecimal() and path[1].isascii() and len(path[1]) < 12):
            return None
        if path[0] == "notes" and not all(isinstance(change.get(k), str) for k in ("before", "after")):
            return None
        found.append(Change(tuple(path), change.get("before", MISSING), change.get("after", MISSING)))
    author = Author(str(texts[1]), str(texts[2]))
    experiment, label, undoes, redoes = map(str, others)
    return HistoryEntry(str(texts[0]), float(when), author, experiment, label, tuple(found), undoes, redoes)
