"""The document as a tree of shared maps: reading it as plain data, what differs, and writing what differs.

A path names a place from the roots, for example ``("experiments", id, "spec", "hyperparameters", "epochs")``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pycrdt import Doc, Map

from .encoding import decode, encode, encode_key, from_json, same

Path = tuple[str, ...]

ITEM_PARTS = ("preprocessing", "layers", "heads")
"""Parts of an experiment that are lists of items, each with an id and a place."""
EXTRA_PARTS = ("presets", "kinds", "edits", "runs")
"""Parts of an experiment that are objects of plain values by a key."""
ROOTS = ("meta", "experiments", "chat")
MAX_CHARACTERS = 64_000_000
"""How much one experiment, or all the rest, may hold as JSON."""


class _Missing:
    """Stands for nothing where None is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True)
class Change:
    """One place that got another value.

    Attributes
    ----------
    path : tuple of str
        Where it is.
    before, after : object
        Plain data, or `MISSING` where there was or is nothing.
    """

    path: Path
    before: Any
    after: Any

    @property
    def inverse(self) -> Change:
        """The change that takes it back."""
        return Change(self.path, self.after, self.before)


def is_shared(path: Path) -> bool:
    """Tell whether an object at a place is a shared map, whose fields merge one by one."""
    if len(path) == 1:
        return True
    if path[0] == "experiments":
        return len(path) < 4 or path[2] not in EXTRA_PARTS
    return path == ("chat", "rooms")


def read_map(shared: Map[Any]) -> dict[str, Any]:
    """Return a shared map as plain data.

    Raises
    ------
    WorkspaceError
        For one that is too large or too deep.
    """
    plain = from_json(str(shared), MAX_CHARACTERS)
    return plain if isinstance(plain, dict) else {}


def read_at(doc: Doc[Any], path: Path) -> Any:
    """Return the plain value at a place, or `MISSING`."""
    parent = find(doc, path[:-1])
    key = encode_key(path[-1])
    if parent is None or key not in parent:
        return MISSING
    inner = parent[key]
    if isinstance(inner, Map):
        return read_map(inner)
    return decode(inner)


def find(doc: Doc[Any], path: Path) -> Map[Any] | None:
    """Return the shared map at a place, or None where there is none."""
    found: Map[Any] = doc.get(path[0], type=Map)
    for key in path[1:]:
        name = encode_key(key)
        inner = found[name] if name in found else None
        if not isinstance(inner, Map):
            return None
        found = inner
    return found


def write_at(doc: Doc[Any], path: Path, value: Any) -> bool:
    """Put a value at a place, or take it away; nothing happens where its surroundings are gone."""
    parent = find(doc, path[:-1])
    if parent is None:
        return False
    key = encode_key(path[-1])
    if value is not MISSING:
        parent[key] = shared_form(path, value)
    elif key in parent:
        del parent[key]
    return True


def shared_form(path: Path, value: Any) -> Any:
    """Return what is put into the document for a plain value at a place: objects that merge become shared maps."""
    if isinstance(value, dict) and is_shared(path):
        return Map({encode_key(key): shared_form((*path, key), value[key]) for key in sorted(value, key=str)})
    return encode(value)


def differences(before: Any, after: Any, path: Path = ()) -> Iterator[Change]:
    """Yield what differs between two plain trees, as small as the document can merge it."""
    if not (isinstance(before, dict) and isinstance(after, dict) and (not path or is_shared(path))):
        if not same(before, after):
            yield Change(path, before, after)
        return
    governed = _governed(path, before, after)
    for key in sorted(before.keys() | after.keys(), key=str):
        was, now = before.get(key, MISSING), after.get(key, MISSING)
        if was is MISSING or now is MISSING or key in governed:
            yield Change((*path, key), was, now)
        else:
            yield from differences(was, now, (*path, key))


def _governed(path: Path, before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    """Return the fields that are replaced as a whole, because what decides over their meaning changed.

    Another algorithm has other hyperparameters: what somebody else sets at the same time was meant for the old one.
    """
    if len(path) != 3 or path[0] != "experiments" or path[2] != "spec":
        return set()
    found = set()
    if not same(before.get("algorithm"), after.get("algorithm")):
        found.add("hyperparameters")
    ways = [split.get("method") if isinstance(split := tree.get("split"), dict) else None for tree in (before, after)]
    if not same(*ways):
        found.add("split")
    return found


def apply_changes(doc: Doc[Any], changes: Sequence[Change]) -> list[Change]:
    """Write changes; return those that could be made."""
    return [change for change in changes if write_at(doc, change.path, change.after)]
