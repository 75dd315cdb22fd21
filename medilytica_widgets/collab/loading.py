"""Between the document's tree and a workspace as plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from pycrdt import Doc, Map, Text

from . import merging
from .encoding import encode, encode_key, escape_lone
from .notes import note_changes
from .positions import placed, spread
from .schema import PARTS, VERSION, check, dumps
from .tree import EXTRA_PARTS, MISSING, Change, differences, shared_form

_META = ("id", "name", "description", "created")
_LAYOUT = b"1"
"""Changes when `first_update` writes the same file in another way."""


def text_at(tree: Mapping[str, Any], key: str) -> str:
    """Return a field that is text; empty where it is none."""
    found = tree.get(key)
    return found if isinstance(found, str) else ""


def places_of(experiments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the ids of the experiments and their places, in order."""
    trees = {key: tree for key, tree in experiments.items() if isinstance(tree, dict)}
    return sorted(((key, text_at(tree, "position")) for key, tree in trees.items()), key=lambda pair: pair[::-1])


def entries_of(experiments: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield id, name, description and date of the experiments, in order."""
    for key, _ in places_of(experiments):
        tree = experiments[key]
        yield key, text_at(tree, "name"), text_at(tree, "description"), text_at(tree, "created")


def plain_chat(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the chat's fields; what is none of them is left out."""
    rooms = tree.get("rooms")
    known = {k: v for k, v in rooms.items() if isinstance(v, str)} if isinstance(rooms, dict) else {}
    return {"path": text_at(tree, "path"), "announce": tree.get("announce") is True, "rooms": known}


def to_plain(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a whole document's tree as plain data."""
    experiments = []
    for key, name, description, created in entries_of(tree["experiments"]):
        own = tree["experiments"][key]
        entry = {"id": key, "name": name, "description": description, "created": created}
        extras = {part: own[part] if isinstance(own.get(part), dict) else {} for part in PARTS}
        experiments.append({**entry, "spec": merging.from_tree(own), **extras})
    meta = {name: text_at(tree["meta"], name) for name in _META}
    chat = plain_chat(tree["chat"])
    return {"version": VERSION, **meta, "experiments": experiments, "notes": tree["notes"], "chat": chat}


def changes_between(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[Change]:
    """Return what makes one document's tree another."""
    old, new = ({name: tree[name] for name in ("meta", "experiments", "chat")} for tree in (now, wanted))
    return [*differences(old, new), *note_changes(now["notes"], wanted["notes"])]


def changes_to_plain(tree: Mapping[str, Any], plain: Mapping[str, Any]) -> list[Change]:
    """Return what makes a document's tree a workspace of plain data; items that stay keep their ids."""
    whole = check(dict(plain))
    found: list[Change] = []
    meta = tree["meta"]
    # a file without an id or a date is one that somebody wrote by hand
    wanted = {k: whole[k] for k in _META if whole[k] or k in ("name", "description")}
    for key, value in {"version": VERSION, **wanted}.items():
        if meta.get(key, "") != value:
            found.append(Change(("meta", key), meta.get(key, MISSING), value))
    for key in ("error", "text"):
        if key in meta:
            found.append(Change(("meta", key), meta[key], MISSING))
    known = {key: own for key, own in tree["experiments"].items() if isinstance(own, dict)}
    order = [each["id"] for each in whole["experiments"]]
    places = placed(order, {key: text_at(own, "position") for key, own in known.items()})
    for key in sorted(tree["experiments"].keys() - set(order)):
        found.append(Change(("experiments", key), tree["experiments"][key], MISSING))
    for each in whole["experiments"]:
        found += _experiment_changes(known.get(each["id"]), each, places.get(each["id"]))
    chat = whole["chat"]
    if not isinstance(tree["chat"].get("rooms"), dict) and chat["rooms"]:
        found.append(Change(("chat", "rooms"), tree["chat"].get("rooms", MISSING), {}))
    before, after = ({"chat": {**plain_chat(one)}} for one in (tree["chat"], chat))
    return [*found, *differences(before, after), *note_changes(tree["notes"], whole["notes"])]


def first_update(plain: Mapping[str, Any]) -> bytes:
    """Return the update that fills an empty document.

    It is the same for the same content, the writer's number included, so that two documents filled on their own are
    copies of one: merging them doubles nothing, and later edits of either find their place in the other.
    """
    whole = check(dict(plain))
    number = hashlib.sha256(_LAYOUT + dumps(whole).encode()).digest()[:6]
    doc: Doc[Any] = Doc(client_id=int.from_bytes(number, "big"))
    with doc.transaction():
        meta = doc.get("meta", type=Map)
        meta["version"] = VERSION
        for key in _META:
            if whole[key]:
                meta[key] = shared_form(("meta", key), whole[key])
        experiments = doc.get("experiments", type=Map)
        for each, place in zip(whole["experiments"], spread(len(whole["experiments"])), strict=True):
            tree = _tree_of(each, place, lambda part, index: f"{part[0]}{index}")
            path = ("experiments", each["id"])
            experiments[encode_key(each["id"])] = shared_form(path, tree)
        chat = doc.get("chat", type=Map)
        for key, value in sorted(whole["chat"].items()):
            chat[key] = shared_form(("chat", key), value)
        if whole["notes"]:
            doc.get("notes", type=Text).insert(0, whole["notes"])
    return doc.get_update()


def error_update(message: str, text: str) -> bytes:
    """Return the update that puts a text that cannot be read into an empty document, the same everywhere too."""
    number = hashlib.sha256(_LAYOUT + b"unreadable" + escape_lone(message + text).encode()).digest()[:6]
    doc: Doc[Any] = Doc(client_id=int.from_bytes(number, "big"))
    with doc.transaction():
        meta = doc.get("meta", type=Map)
        meta["error"], meta["text"] = encode(message), encode(text)
    return doc.get_update()


def _experiment_changes(own: dict[str, Any] | None, wanted: dict[str, Any], place: str | None) -> Iterator[Change]:
    path = ("experiments", wanted["id"])
    if own is None:
        yield Change(path, MISSING, _tree_of(wanted, place or ""))
        return
    for key in ("name", "description", "created"):
        if text_at(own, key) != wanted[key] and (wanted[key] or key != "created"):
            yield Change((*path, key), own.get(key, MISSING), wanted[key])
    if place is not None:
        yield Change((*path, "position"), own.get("position", MISSING), place)
    yield from merging.changes_to(own, wanted["spec"], None, path)[0]
    for part in EXTRA_PARTS:
        stored = own.get(part)
        if isinstance(stored, dict):
            yield from differences(stored, wanted[part], (*path, part))
        else:
            yield Change((*path, part), own.get(part, MISSING), wanted[part])


def _tree_of(experiment: Mapping[str, Any], place: str, ids: Any = None) -> dict[str, Any]:
    texts = {key: experiment[key] for key in ("name", "description", "created")}
    extras = {part: experiment[part] for part in EXTRA_PARTS}
    return {**texts, "position": place, **merging.to_tree(experiment["spec"], ids), **extras}
