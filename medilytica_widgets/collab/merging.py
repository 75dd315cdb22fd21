"""Specifications as the document holds them: items of lists get an id and a place, so that edits of them merge."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from ..errors import WorkspaceError
from .encoding import ordered, same
from .positions import placed, spread
from .schema import SPEC_FIELDS
from .tree import ITEM_PARTS, MISSING, Change, Path, differences

_KINDS = {"preprocessing": "id", "layers": "kind", "heads": "task"}
"""What an item of a list is called by: another kind is another item."""
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_PLACE = "position"
_OWN_PLACE = re.compile(r"\$*position$")
Item = tuple[str, dict[str, Any]]
Ids = dict[str, list[str | None]]
"""Of every list of a specification the ids of its items."""


def new_id() -> str:
    """Return an id that nobody else draws."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(8))


def to_tree(spec: Mapping[str, Any], ids: Callable[[str, int], str] | None = None) -> dict[str, Any]:
    """Return a specification as an experiment's parts in the document; ``ids`` names items by part and index."""
    tree: dict[str, Any] = {"spec": {k: v for k, v in spec.items() if k not in ITEM_PARTS}}
    for part in ITEM_PARTS:
        items = _items_given(spec, part)
        names = [ids(part, index) if ids else new_id() for index in range(len(items))]
        tree[part] = {
            name: _stored(item, place) for name, item, place in zip(names, items, spread(len(items)), strict=True)
        }
    return tree


def from_tree(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the specification that an experiment's parts make; what is no item is left out."""
    fields = tree.get("spec")
    spec = dict(fields) if isinstance(fields, dict) else {}
    for part in ITEM_PARTS:
        spec[part] = [item for _, item in items_of(tree, part)]
    return ordered(spec, SPEC_FIELDS)


def items_of(tree: Mapping[str, Any], part: str) -> list[Item]:
    """Return the ids and plain forms of a list's items, in order."""
    stored = tree.get(part)
    items = [(k, v) for k, v in stored.items() if isinstance(v, dict)] if isinstance(stored, dict) else []
    return [(key, _plain(item)) for key, item in sorted(items, key=lambda pair: (_place(pair[1]), pair[0]))]


def changes_to(
    tree: Mapping[str, Any],
    spec: Mapping[str, Any],
    base: Mapping[str, Any] | None,
    path: Path,
    known: Mapping[str, Sequence[str | None]] | None = None,
) -> tuple[list[Change], Ids]:
    """Return what to write so that what differs between ``base`` and ``spec`` differs in the document too.

    ``base`` is what the document holds where it is None, and ``known`` the ids of its items where they are known.
    What others wrote since stays. The ids of the items of ``spec`` come too; None for one that others took out.
    """
    ids_of_spec: Ids = {}
    stored = tree.get("spec")
    start: Mapping[str, Any] = (stored if isinstance(stored, dict) else {}) if base is None else base
    was, now = ({k: v for k, v in each.items() if k not in ITEM_PARTS} for each in (start, spec))
    fields = list(differences(was, now, (*path, "spec")))
    # an experiment that somebody wrote without one of its parts gets it first
    found = [
        Change((*path, part), tree.get(part, MISSING), {})
        for part in ("spec", *ITEM_PARTS)
        if not isinstance(tree.get(part), dict)
    ]
    found += [change for change in (_onto(each, stored, len(path) + 1) for each in fields) if change is not None]
    for part in ITEM_PARTS:
        items, wanted = items_of(tree, part), _items_given(spec, part)
        before = [item for _, item in items] if base is None else _items_given(start, part)
        here = [key for key, _ in items]
        ids: Sequence[str | None]
        if base is None:
            ids = here
        elif known is not None and len(known.get(part, ())) == len(before):
            ids = [key if key in here else None for key in known[part]]
        else:
            ids = _ids_of(before, items, part)
        stored_items = tree.get(part)
        stored_items = stored_items if isinstance(stored_items, dict) else {}
        changes, ids_of_spec[part] = _item_changes(stored_items, items, before, ids, wanted, part, (*path, part))
        found += changes
    return found, ids_of_spec


def _onto(change: Change, stored: Any, depth: int) -> Change | None:
    """Return a change of the base as one of what the document holds now, or None where it holds that already."""
    now = stored if isinstance(stored, dict) else MISSING
    for key in change.path[depth:]:
        now = now.get(key, MISSING) if isinstance(now, dict) else MISSING
    same_now = now is change.after if MISSING in (now, change.after) else same(now, change.after)
    return None if same_now and not isinstance(now, dict) else Change(change.path, now, change.after)


def _item_changes(
    stored: Mapping[str, Any],
    items: Sequence[Item],
    before: Sequence[dict[str, Any]],
    ids: Sequence[str | None],
    wanted: Sequence[dict[str, Any]],
    part: str,
    path: Path,
) -> tuple[list[Change], list[str | None]]:
    if len(before) == len(wanted) and all(map(same, before, wanted)):
        return [], list(ids)
    pairs = matched(before, wanted, _KINDS[part])
    found: list[Change] = []
    order: list[str] = []
    named: list[str | None] = []
    fresh: dict[str, dict[str, Any]] = {}
    for index, item in enumerate(wanted):
        source = pairs[index]
        if source is None:
            key = new_id()
            fresh[key] = item
        elif (own := ids[source]) is None:
            # somebody else took it out meanwhile, and it stays out
            named.append(None)
            continue
        else:
            key = own
            was, now = ({_name(k): v for k, v in each.items()} for each in (before[source], item))
            changed = (_onto(each, stored[key], len(path) + 1) for each in differences(was, now, (*path, key)))
            found += [change for change in changed if change is not None]
        order.append(key)
        named.append(key)
    kept = set(pairs) - {None}
    gone = {key for index, key in enumerate(ids) if key is not None and index not in kept}
    present = [key for key, _ in items if key not in gone]
    moved = _moved([key for index, key in enumerate(ids) if key is not None and index in kept], order)
    places = placed(_merged(present, order, moved | set(fresh)), {k: _place(stored[k]) for k in present})
    found += [Change((*path, key), stored[key], MISSING) for key in sorted(gone)]
    for key, place in places.items():
        if key in fresh:
            found.append(Change((*path, key), MISSING, _stored(fresh[key], place)))
        else:
            found.append(Change((*path, key, _PLACE), stored[key].get(_PLACE, MISSING), place))
    return found, named


def words(changes: Sequence[Change], before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the places of changes of one experiment as a person reads them, ``layers[2].options.units``."""
    found: list[str] = []
    for change in changes:
        part, rest = change.path[2], list(change.path[3:])
        if part in ITEM_PARTS and rest:
            tree = before if change.after is MISSING and len(rest) == 1 else after
            order = [key for key, _ in items_of(tree, part)]
            index = order.index(rest[0]) if rest[0] in order else len(order)
            inner = [] if rest[1:] == [_PLACE] else [_shown_key(key) for key in rest[1:]]
            found.append(".".join([f"{part}[{index}]", *inner]))
        else:
            found.append(".".join(rest if part == "spec" else [part, *rest]))
    return list(dict.fromkeys(found))


def _shown_key(key: str) -> str:
    return key[1:] if key.startswith("$") and _OWN_PLACE.match(key) else key


def matched(before: Sequence[Any], after: Sequence[Any], kind: str) -> list[int | None]:
    """Return, for every new item, the index of the old one that it is: the same, moved, or changed."""
    pairs: list[int | None] = [None] * len(after)
    if len(before) == len(after):
        changed = [i for i, (was, now) in enumerate(zip(before, after, strict=True)) if not same(was, now)]
        # one item that was edited is what happens most
        if len(changed) == 1 and same(before[changed[0]].get(kind), after[changed[0]].get(kind)):
            return list(range(len(after)))
    keys = [[json.dumps(item, sort_keys=True, default=str) for item in items] for items in (before, after)]
    gaps = []
    for tag, a, b, c, d in _opcodes(*keys):
        if tag == "equal":
            pairs[c:d] = range(a, b)
        else:
            gaps.append((a, b, c, d))
    # what stands elsewhere as it was has moved
    elsewhere: dict[str, list[int]] = {}
    for a, b, _, _ in gaps:
        for index in range(a, b):
            elsewhere.setdefault(keys[0][index], []).append(index)
    for index, key in enumerate(keys[1]):
        if pairs[index] is None and elsewhere.get(key):
            pairs[index] = elsewhere[key].pop(0)
    taken = set(pairs)
    # what is left at one place is of one kind and has changed, or came and went
    for a, b, c, d in gaps:
        old = [index for index in range(a, b) if index not in taken]
        new = [index for index in range(c, d) if pairs[index] is None]
        for was, now in _alike([before[i] for i in old], [after[i] for i in new], kind):
            pairs[new[now]] = old[was]
    return pairs


def _alike(before: Sequence[Any], after: Sequence[Any], kind: str) -> list[tuple[int, int]]:
    """Return the pairs of one kind, in order, that have most in common together."""
    rows, columns = len(before), len(after)
    if not rows or not columns:
        return []
    leaves = [[_leaves(item) for item in items] for items in (before, after)]
    best = [[0] * (columns + 1) for _ in range(rows + 1)]
    worth = [[0] * columns for _ in range(rows)]
    for i in reversed(range(rows)):
        for j in reversed(range(columns)):
            if same(before[i].get(kind), after[j].get(kind)):
                worth[i][j] = 1 + len(leaves[0][i] & leaves[1][j])
            paired = worth[i][j] + best[i + 1][j + 1] if worth[i][j] else 0
            best[i][j] = max(paired, best[i + 1][j], best[i][j + 1])
    found = []
    i = j = 0
    while i < rows and j < columns:
        if worth[i][j] and best[i][j] == worth[i][j] + best[i + 1][j + 1]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found


def _leaves(value: Any, path: tuple[str, ...] = ()) -> frozenset[tuple[tuple[str, ...], str]]:
    if isinstance(value, dict):
        return frozenset().union(*(_leaves(inner, (*path, str(key))) for key, inner in value.items()))
    return frozenset({(path, repr(value))})


def _ids_of(before: Sequence[dict[str, Any]], items: Sequence[Item], part: str) -> list[str | None]:
    """Return the ids that the items of an earlier state have now; None for one that is gone."""
    pairs = matched(before, [plain for _, plain in items], _KINDS[part])
    ids: list[str | None] = [None] * len(before)
    for (key, _), source in zip(items, pairs, strict=True):
        if source is not None:
            ids[source] = key
    return ids


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    known = set(before)
    now = [key for key in after if key in known]
    stayed = {key for tag, a, b, _, _ in _opcodes(before, now) if tag == "equal" for key in before[a:b]}
    return known - stayed


def _merged(present: Sequence[str], order: Sequence[str], moving: set[str]) -> list[str]:
    """Return the present order with what moves or is new put behind what it follows in the order wanted."""
    found = [key for key in present if key not in moving]
    at = 0
    for index, key in enumerate(order):
        if key in moving:
            previous = order[index - 1] if index else None
            at = found.index(previous) + 1 if previous is not None else 0
            found.insert(at, key)
    return found


def _opcodes(before: Sequence[str], after: Sequence[str]) -> Sequence[tuple[str, int, int, int, int]]:
    return SequenceMatcher(None, before, after, autojunk=False).get_opcodes()


def _items_given(spec: Mapping[str, Any], part: str) -> list[dict[str, Any]]:
    items = spec.get(part, [])
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise WorkspaceError(f"{part!r} of a specification is a list of objects; this one is not.")
    return items


def _stored(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    return {_PLACE: place, **{_name(key): value for key, value in item.items()}}


def _plain(stored: Mapping[str, Any]) -> dict[str, Any]:
    fields = {key: value for key, value in stored.items() if key != _PLACE}
    return {_shown_key(key): value for key, value in fields.items()}


def _name(key: str) -> str:
    return f"${key}" if _OWN_PLACE.match(str(key)) else key


def _place(stored: Any) -> str:
    place = stored.get(_PLACE) if isinstance(stored, dict) else None
    return place if isinstance(place, str) else ""
