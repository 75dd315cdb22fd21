"""The workspace as plain data and as a file: what it holds, its version, and how older versions are read.

Standard library only: the server reads it in a process without anything heavy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import WorkspaceError, hint
from .encoding import decode, encode, escape_lone, ordered, text_of

VERSION = 1
"""The version that this package writes."""
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By the version that it takes; it gives the next. A step stays as it is once released."""

SPEC_FIELDS = (
    "version",
    "name",
    "description",
    "data",
    "preprocessing",
    "algorithm",
    "hyperparameters",
    "layers",
    "heads",
    "split",
    "seed",
)
"""The order in which a specification's fields are written; any other follows by name."""
PARTS = ("presets", "kinds", "edits", "runs")
MAX_CHARACTERS = 64_000_000
"""How long a file may be."""
_TEXTS = ("id", "name", "description", "created")
_EXPERIMENT = (*_TEXTS, "spec", *PARTS)
_FIELDS = ("version", *_TEXTS, "experiments", "notes", "chat")
_CHAT = ("path", "announce", "rooms")


def check(plain: Any) -> dict[str, Any]:
    """Return a whole workspace in the present version, with every field; the given data are not changed.

    Parameters
    ----------
    plain : dict
        ``{"version", "id", "name", "description", "created", "experiments": [{"id", "name", "description", "created",
        "spec", "presets", "kinds", "edits", "runs"}], "notes", "chat": {"path", "announce", "rooms"}}``. Everything
        but the version and an experiment's id and spec can be left out. Notes are text, or a list of lines.

    Raises
    ------
    WorkspaceError
        For a newer version, an unknown field, and a value of the wrong type, each by its name.
    """
    given = _migrated(_object(plain, "A workspace"))
    _known(given, _FIELDS, "A workspace")
    found: dict[str, Any] = {"version": VERSION, **_texts(given, "the workspace")}
    experiments = given.get("experiments", [])
    if not isinstance(experiments, list):
        raise WorkspaceError("'experiments' of a workspace is a list; this one is not.")
    found["experiments"] = [_experiment(each, index) for index, each in enumerate(experiments)]
    ids = [each["id"] for each in found["experiments"]]
    for key in ids:
        if ids.count(key) > 1:
            raise WorkspaceError(f"Two experiments of the workspace have the id {key!r}. Give one of them another.")
    notes = given.get("notes", "")
    if isinstance(notes, list) and all(isinstance(line, str) for line in notes):
        notes = "\n".join(notes)
    if not isinstance(notes, str):
        raise WorkspaceError("'notes' of a workspace is text, or a list of its lines.")
    found["notes"] = text_of(notes)
    found["chat"] = _chat(given.get("chat", {}))
    return found


def dumps(plain: Mapping[str, Any]) -> str:
    """Return a workspace as a file's text: one field a line, in an order that never changes, fit for git."""
    whole = check(dict(plain))
    written: dict[str, Any] = {name: whole[name] for name in ("version", *_TEXTS)}
    written["experiments"] = [_written(each) for each in whole["experiments"]]
    written["notes"] = whole["notes"].split("\n") if whole["notes"] else []
    written["chat"] = {**whole["chat"], "rooms": ordered(whole["chat"]["rooms"])}
    text = json.dumps(encode(written, integral=False), indent=2, ensure_ascii=False, allow_nan=False)
    return escape_lone(text) + "\n"


def loads(text: str) -> dict[str, Any]:
    """Return the workspace that a file's text states, of this version or an older one.

    Raises
    ------
    WorkspaceError
        For what is no JSON, no workspace, or of a newer version.
    """
    if len(text) > MAX_CHARACTERS:
        raise WorkspaceError(
            f"The workspace's file holds {len(text):,} characters; {MAX_CHARACTERS:,} are read. Is it another file?"
        )
    try:
        plain = json.loads(text)
    except RecursionError:
        raise WorkspaceError("The workspace's file nests too deep to be read. Is it another file?") from None
    except ValueError as error:
        marked = any(line.startswith(("<<<<<<< ", ">>>>>>> ")) for line in text.splitlines())
        advice = "Git left its conflict marks there: choose between them." if marked else "Correct it, or restore it."
        raise WorkspaceError(f"The workspace's file is no JSON: {error}. {advice}") from None
    return check(decode(plain, integers=False))


def _migrated(plain: dict[str, Any]) -> dict[str, Any]:
    version = plain.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise WorkspaceError(
            f"The workspace's version is {version!r}; it is a whole number from 1 to {VERSION}. Is it another file?"
        )
    if version > VERSION:
        raise WorkspaceError(
            f"The workspace is of version {version}; this package reads versions 1 to {VERSION}. "
            "Update medilytica-widgets to the release that wrote it."
        )
    while version < VERSION:
        plain = MIGRATIONS[version](dict(plain))
        version += 1
    return plain


def _experiment(given: Any, index: int) -> dict[str, Any]:
    who = f"Experiment {index} of the workspace"
    plain = _object(given, who)
    _known(plain, _EXPERIMENT, who)
    found: dict[str, Any] = _texts(plain, who)
    if not found["id"]:
        raise WorkspaceError(f"{who} has no id. Give it one that no other has.")
    found["spec"] = _object(plain.get("spec"), f"'spec' of experiment {found['id']!r}")
    for part in PARTS:
        found[part] = _object(plain.get(part, {}), f"{part!r} of experiment {found['id']!r}")
    for part in ("preprocessing", "layers", "heads"):
        items = found["spec"].get(part, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise WorkspaceError(f"{part!r} of experiment {found['id']!r} is a list of objects; this one is not.")
    # whatever cannot be held in the document is refused here, and not when half of it is written
    encode({name: found[name] for name in ("spec", *PARTS)})
    return found


def _written(experiment: dict[str, Any]) -> dict[str, Any]:
    found = {name: experiment[name] for name in _TEXTS}
    found["spec"] = ordered(experiment["spec"], SPEC_FIELDS)
    return {**found, **{part: ordered(experiment[part]) for part in PARTS if experiment[part]}}


def _chat(given: Any) -> dict[str, Any]:
    plain = _object(given, "'chat' of a workspace")
    _known(plain, _CHAT, "'chat' of a workspace")
    path, announce = plain.get("path", ""), plain.get("announce", False)
    rooms = _object(plain.get("rooms", {}), "'chat.rooms' of a workspace")
    if not isinstance(path, str) or not isinstance(announce, bool):
        raise WorkspaceError("'chat.path' of a workspace is text, and 'chat.announce' is true or false.")
    if not all(isinstance(value, str) for value in rooms.values()):
        raise WorkspaceError("'chat.rooms' of a workspace holds a path for each name.")
    return {"path": path, "announce": announce, "rooms": rooms}


def _texts(plain: Mapping[str, Any], owner: str) -> dict[str, Any]:
    for name in _TEXTS:
        if not isinstance(plain.get(name, ""), str):
            raise WorkspaceError(f"{name!r} of {owner} is text; {plain[name]!r} is not.")
    return {name: plain.get(name, "") for name in _TEXTS}


def _object(given: Any, what: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise WorkspaceError(f"{what} is an object; a {type(given).__name__} came.")
    return dict(given)


def _known(plain: Mapping[str, Any], fields: tuple[str, ...], what: str) -> None:
    for name in plain:
        if name not in fields:
            raise WorkspaceError(f"{what} has no field {name!r}. {hint(str(name), fields)}")
