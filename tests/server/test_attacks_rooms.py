"""What a viewer, a stranger and a forger get from the rooms of shared documents."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Doc, Map, create_awareness_message, create_update_message

from medilytica_widgets.server import guard_awareness
from medilytica_widgets.server.guard_awareness import Entry
from tests.server.attackers import RoomSocket, Shared, wait_for

NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
FILES = {
    "notes.txt": ("file", "text", "here"),
    "book.ipynb": ("notebook", "json", NOTEBOOK),
    "talk.chat": ("chat", "text", "{}"),
    "team.medilytica": ("file", "text", "{}"),
}
SAVE = b"\x02\x04save\x07"


@pytest.fixture(scope="module", params=FILES)
def place(request: pytest.FixtureRequest, shared: Shared) -> tuple[str, str, str]:
    name = request.param
    kind, format, content = FILES[name]
    model = {"type": "notebook" if kind == "notebook" else "file", "format": format, "content": content}
    assert shared.ask("olga", "PUT", f"api/contents/{name}", model)[0] in (200, 201)
    return name, kind, format


@pytest.fixture(scope="module")
def room(place: tuple[str, str, str], shared: Shared) -> Iterator[RoomSocket]:
    """An editor in the room."""
    made = shared.room("eddi", *place)
    yield made
    made.close()


def write(word: str) -> Any:
    def change(doc: Doc[Any]) -> None:
        doc.get("attack", type=Map)[word] = word

    return change


def step2(update: bytes) -> bytes:
    return b"\x00\x01" + create_update_message(update)[2:]


def words(doc: Doc[Any]) -> set[str]:
    return set(doc.get("attack", type=Map).keys())


def test_a_viewer_hears_a_room_and_changes_nothing(place: Any, room: RoomSocket, shared: Shared) -> None:
    name = place[0]
    viewer = shared.room("vera", *place)
    room.push(write("by eddi"))
    room.sync()
    wait_for(lambda: viewer.hear() and "by eddi" in words(viewer.doc), "an editor's change")
    update = viewer.push(write("by vera"))
    viewer.send(step2(update))
    viewer.send(SAVE)
    answer = viewer.hear_until(lambda frame: frame[:1] == b"\x02")
    assert json.loads(answer[answer.index(b"{") :]) == {"type": "save", "responseTo": 7, "status": "failed"}
    # the same by longer ways of saying it
    for frame in (create_update_message(update), step2(update), SAVE):
        viewer.send(bytes([frame[0] | 128, 0]) + frame[1:])
        viewer.send(bytes([frame[0], frame[1] | 128, 0]) + frame[2:])
        viewer.send(frame + b"\x00")
    viewer.sync()
    late = shared.room("eddi", *place)
    assert words(late.doc) == {"by eddi"}
    for action in ("room.update", "room.step2", "room.save", "room.malformed"):
        assert shared.entries(user="vera", action=action, outcome="refused", object=name), action
    assert shared.entries(user="eddi", action="document.update", outcome="accepted", object=name)
    late.close()
    viewer.close()


def test_a_viewer_writes_in_chats_alone_and_only_if_an_owner_lets_him(
    place: Any, room: RoomSocket, shared: Shared
) -> None:
    name, _, format = place
    chats = name.endswith(".chat")
    viewer = shared.room("vera", *place)
    viewer.push(write("not yet"))
    viewer.sync()
    shared.ask("olga", "PUT", "medilytica/api/sharing", {"viewers_chat": True})
    viewer.close()
    viewer = shared.room("vera", *place)
    viewer.push(write("allowed"))
    viewer.sync()
    room.sync()
    assert ("allowed" in words(room.doc)) == chats
    assert "not yet" not in words(room.doc)
    # a chat's room on what is no chat
    if not chats and format == "text":
        other = shared.room("vera", name, "chat")
        other.push(write("by the side door"))
        other.sync()
        fresh = shared.room("eddi", name, "chat")
        assert words(fresh.doc) == set()
        fresh.close()
        other.close()
    shared.ask("olga", "PUT", "medilytica/api/sharing", {"viewers_chat": False})
    viewer.push(write("no more"))
    viewer.sync()
    room.sync()
    assert "no more" not in words(room.doc)
    viewer.close()


def test_forks_are_no_way_around(shared: Shared) -> None:
    shared.ask("olga", "PUT", "api/contents/forked.txt", {"type": "file", "format": "text", "content": ""})
    owner = shared.room("olga", "forked.txt")
    root = f"text:file:{shared.session('olga', 'forked.txt')[1]['fileId']}"
    made = shared.ask("olga", "PUT", f"api/collaboration/fork/{root}", {"synchronize": True})
    assert made[0] == 201
    fork = made[1]["fork_roomid"]
    viewer, editor = RoomSocket(shared, "vera", fork), RoomSocket(shared, "eddi", fork)
    viewer.push(write("by vera"))
    viewer.sync()
    editor.push(write("by eddi"))
    editor.sync()
    assert words(editor.doc) == {"by eddi"}
    assert shared.ask("vera", "PUT", f"api/collaboration/fork/{root}", {"synchronize": True})[0] == 403
    assert shared.ask("vera", "DELETE", f"api/collaboration/fork/{fork}?merge=true")[0] == 403
    asked = f"api/collaboration/undo_redo/{root}?action=undo&steps=1&forkRoom={fork}"
    assert shared.ask("vera", "PUT", asked)[0] == 403
    owner.sync()
    assert words(owner.doc) == set()
    assert shared.entries(user="vera", action="room.update", object=fork)
    for socket in (owner, viewer, editor):
        socket.close()


def test_strangers_open_no_room_and_make_none(place: Any, shared: Shared) -> None:
    name, kind, format = place
    told = shared.session("olga", name, kind, format)[1]
    room = f"{format}:{kind}:{told['fileId']}"
    for who in ("sam", ""):
        assert shared.refuses_socket(who, f"api/collaboration/room/{room}?sessionId={told['sessionId']}") == 403
        assert shared.session(who, name, kind, format)[0] == 403
        assert shared.refuses_socket(who, "api/collaboration/room/JupyterLab:globalAwareness") == 403
    assert shared.entries(user="sam", action="socket.open", outcome="refused", object=f"/api/collaboration/room/{room}")


@pytest.mark.parametrize("who", ["olga", "vera"])
def test_rooms_have_plain_names(shared: Shared, who: str) -> None:
    shared.ask("olga", "PUT", "api/contents/plain.txt", {"type": "file", "format": "text", "content": ""})
    file = shared.session("olga", "plain.txt")[1]["fileId"]
    for room in (
        "made-up",
        "",
        "text:file:../../etc/passwd",
        "text:file:%2e%2e%2fplain.txt",
        "text:file:plain.txt",
        f"text:nonsense:{file}",
        f"binary:file:{file}",
        f"text:file:{file}%00",
        f"text%3Afile%3A{file}",
        f"x/text:file:{file}",
        f"/text:file:{file}",
        f"../room/text:file:{file}",
        "text:file:" + "0" * 36,
        "0" * 32,
        "a" * 5000,
    ):
        assert shared.refuses_socket(who, f"api/collaboration/room/{room}") in (403, 404), room
    for path in ("../work/plain.txt", "%2e%2e/etc/passwd", "a/../../plain.txt", "plain.txt%00", "..%5cplain.txt"):
        assert shared.session(who, path)[0] in (400, 403, 404), path
    assert shared.entries(user=who, action="socket.open", object="/api/collaboration/room/made-up")
    told = shared.ask(who, "GET", "api/status")
    assert told[0] == 200


def say(socket: RoomSocket, *entries: Entry) -> None:
    socket.send(create_awareness_message(guard_awareness.dump(list(entries))))


def states(frame: bytes) -> list[Entry]:
    return guard_awareness.parse(guard_awareness.read_bytes(frame, 1)[0]) if frame[:1] == b"\x01" else []


def told_of(socket: RoomSocket, client: int) -> Any:
    """Return the next state of a client that reaches a socket."""
    frame = socket.hear_until(lambda frame: any(entry.client == client for entry in states(frame)))
    return next(entry.state for entry in states(frame) if entry.client == client)


@pytest.mark.parametrize("room", ["JupyterLab:globalAwareness", "text:file:"])
def test_presence_cannot_be_forged(shared: Shared, room: str) -> None:
    shared.ask("olga", "PUT", "api/contents/seen.txt", {"type": "file", "format": "text", "content": ""})
    told = shared.session("olga", "seen.txt")[1]
    room, session = (f"{room}{told['fileId']}", told["sessionId"]) if room.endswith(":") else (room, "")
    owner, viewer = RoomSocket(shared, "olga", room, session), RoomSocket(shared, "vera", room, session)
    own = {"username": "vera", "name": "vera", "color": "#aabbcc", "initials": "V"}
    say(viewer, Entry(501, 1, {"user": own, "field": "epochs"}))
    seen = told_of(owner, 501)
    assert (seen["user"]["username"], seen["user"]["color"], seen["field"]) == ("vera", "#aabbcc", "epochs")
    say(owner, Entry(502, 1, {"user": {"username": "olga", "name": "Olga O."}, "field": "mine"}))
    assert told_of(viewer, 502)["field"] == "mine"
    # another's name, by each of its fields, and a colour that is none
    for clock, user in enumerate(
        ({"username": "olga"}, {"name": "Olga O."}, {**own, "display_name": "Olga O.", "color": "url(//x)"}, "olga"), 2
    ):
        say(viewer, Entry(501, clock, {"user": user}))
        seen = told_of(owner, 501)["user"]
        assert (seen["username"], seen["name"], seen["display_name"]) == ("vera", "Vera V.", "Vera V.")
        assert seen["color"] in (None, "")
    # another's client: a state, its end, and the server's own
    say(viewer, Entry(502, 9, {"user": {"username": "olga"}, "field": "forged"}), Entry(501, 10, {"n": 10}))
    assert told_of(owner, 501) == {"n": 10}
    say(viewer, Entry(502, 99, None), Entry(501, 11, {"n": 11}))
    assert told_of(owner, 501) == {"n": 11}
    assert not [entry for frame in owner.heard for entry in states(frame) if entry.client == 502 and entry.clock > 1]
    # too much of it
    say(viewer, Entry(501, 12, {"n": "x" * 70_000}), Entry(501, 13, {"n": 13}))
    assert told_of(owner, 501) == {"n": 13}
    # a page that comes back goes on under its client
    viewer.close()
    viewer = RoomSocket(shared, "vera", room, session)
    say(viewer, Entry(501, 14, {"user": own}))
    assert told_of(owner, 501)["user"]["username"] == "vera"
    say(viewer, Entry(501, 15, None))
    assert told_of(owner, 501) is None
    refusals = shared.entries(user="vera", action="room.awareness", outcome="refused")
    assert any("another's name" in entry["reason"] for entry in refusals)
    viewer.close()
    owner.close()
