"""The shared note: what differs between two texts, and putting it into the shared text.

A piece of text that was replaced is a `Change` at ``("notes", index)``; indices count characters.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from pycrdt import Doc, Text

from .tree import Change


def read_notes(doc: Doc[Any]) -> str:
    """Return the note."""
    return str(doc.get("notes", type=Text))


def note_changes(before: str, after: str) -> list[Change]:
    """Return what differs, from the end to the beginning, so that no change moves another's place."""
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    was, now = before[start : len(before) - end], after[start : len(after) - end]
    return list(_pieces(was, now, start))[::-1]


def splice(text: str, change: Change) -> str:
    """Return text with a change made; unchanged where what it replaces is not there any more."""
    at = place_of(text, change)
    return text if at is None else text[:at] + change.after + text[at + len(change.before) :]


def place_of(text: str, change: Change) -> int | None:
    """Return where what a change replaces stands now: at its place, or elsewhere when it stands there only once."""
    at = int(change.path[1])
    if at <= len(text) and text.startswith(change.before, at):
        return at
    return text.index(change.before) if change.before and text.count(change.before) == 1 else None


def write_notes(doc: Doc[Any], change: Change) -> Change | None:
    """Make a change in the shared text; return it with the place where it was made, None where it cannot be."""
    shared = doc.get("notes", type=Text)
    text = str(shared)
    at = place_of(text, change)
    if at is None or change.before == change.after:
        return None
    # the shared text counts bytes
    first = len(text[:at].encode())
    if change.before:
        del shared[first : first + len(change.before.encode())]
    if change.after:
        shared.insert(first, change.after)
    return Change(("notes", str(at)), change.before, change.after)


def joined_pieces(first: Change, then: Change) -> Change | None:
    """Return two changes of the text as one, where the second is inside or at the end of what the first put there."""
    start, at = int(first.path[1]), int(then.path[1])
    inside = at - start
    if inside < 0 or not first.after.startswith(then.before, inside) or inside > len(first.after):
        return None
    after = first.after[:inside] + then.after + first.after[inside + len(then.before) :]
    return Change(first.path, first.before, after)


def _pieces(before: str, after: str, start: int) -> Iterator[Change]:
    if not before and not after:
        return
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    at = start
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        was = "".join(old[a:b])
        if tag != "equal":
            yield Change(("notes", str(at)), was, "".join(new[c:d]))
        at += len(was)
