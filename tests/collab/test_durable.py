"""What is called stored outlives a server that is killed; what was not yet arrives after."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from medilytica_widgets.collab.author import Author
from medilytica_widgets.collab.document import WorkspaceDocument
from medilytica_widgets.collab.room import RoomClient
from medilytica_widgets.collab.schema import loads
from medilytica_widgets.server.file_journal import _left_behind, digest
from tests.collab.network import wait_for
from tests.collab.test_room import Join, plain, values
from tests.servers import Server

FILE = "team.medilytica"
ALICE = Author("alice", "Alice A.")


def document_of(room: Any) -> WorkspaceDocument:
    return WorkspaceDocument(room.doc)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_what_flush_confirmed_outlives_a_killed_server(own_server: Callable[..., Server], join: Join) -> None:
    # the room's own writing of the file, a second after each edit, is not what this shows
    server = own_server(config={"YDocExtension": {"document_save_delay": 60}})
    alice, bob, names = join(server, FILE), join(server, FILE, "bob"), []
    for number in range(3):
        document_of(alice).add_experiment({"epochs": number}, name=f"stored {number}", author=ALICE)
        names.append(f"stored {number}")
        assert alice.flush() is True
        server.kill9()
        # it is there before anybody who is still alive could bring it back
        assert [entry["name"] for entry in experiments(server)] == names
        assert [entry.name for entry in stored(server).experiments()] == names
        wait_for(lambda: not alice.status.connected and not bob.status.connected)
        # what is edited meanwhile arrives after
        values(bob)[f"meanwhile {number}"] = number
        values(alice)["often"] = number
        del values(alice)["often"]
        assert (alice.status.unsaved, bob.status.unsaved) == (2, 1)
        server.start()
        assert alice.flush(60) and bob.flush(60)
        wait_for(lambda: plain(alice) == plain(bob))
        assert plain(alice) == {f"meanwhile {n}": n for n in range(number + 1)}


def experiments(server: Server) -> list[dict[str, Any]]:
    found: Any = loads((server.root / FILE).read_text())["experiments"]
    return list(found.values()) if isinstance(found, dict) else list(found)


def stored(server: Server) -> WorkspaceDocument:
    """Read the store as a person with a database browser would."""
    doc: Doc[Any] = Doc()
    with contextlib.closing(sqlite3.connect(server.root / ".jupyter_ystore.db", timeout=30)) as store:
        for (update,) in store.execute("SELECT yupdate FROM yupdates ORDER BY timestamp"):
            doc.apply_update(update)
    return WorkspaceDocument(doc)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_file_that_a_dying_server_left_behind_does_not_undo_the_document(
    own_server: Callable[..., Server], join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the file is written a minute later than the store, and the server dies in between
    server = own_server(config={"YDocExtension": {"document_save_delay": 60}})
    file = server.root / FILE
    alice = join(server, FILE)
    document_of(alice).rename(name="first", author=ALICE)
    assert alice.flush()
    alice.close()

    # a plain page does not ask what is stored, which would write the file
    monkeypatch.setattr(RoomClient, "_save", never)
    bob = join(server, FILE, "bob")
    assert bob.wait_synced()
    document_of(bob).rename(name="second", author=ALICE)
    wait_for(lambda: stored(server).name == "second")
    server.kill9()
    bob.close()
    assert loads(file.read_text())["name"] == "first"
    server.start()
    carol = join(server, FILE, "carol")
    assert carol.wait_synced() and document_of(carol).name == "second"
    assert loads(file.read_text())["name"] == "second"

    # it dies while it writes: the file is cut off
    server.kill9()
    carol.close()
    (journal,) = (server.folder / "data" / "medilytica" / "written").glob("*.json")
    journal.write_text(json.dumps({**json.loads(journal.read_text()), "writing": "0" * 64}))
    file.write_text(file.read_text()[:40])
    server.start()
    dora = join(server, FILE, "alice")
    assert dora.wait_synced() and document_of(dora).name == "second"
    assert loads(file.read_text())["name"] == "second"

    # what a person wrote into the file while no server ran is no mishap
    server.stop()
    dora.close()
    file.write_text(file.read_text().replace("second", "by hand"))
    server.start()
    late = join(server, FILE, "bob")
    assert late.wait_synced() and document_of(late).name == "by hand"


@pytest.mark.parametrize(
    ("known", "found", "left"),
    [
        ({"written": digest("{}")}, "{}", True),
        ({"written": digest("{}"), "writing": digest("[]")}, "[]", True),
        ({"written": digest("{}")}, "[1]", False),
        ({"written": digest("{}")}, "", False),
        ({"written": digest("{}"), "writing": digest("[]")}, "", True),
        ({"written": digest("{}"), "writing": digest("[]")}, '{"name": "cut o', True),
        ({"written": digest("{}"), "writing": digest("[]")}, '{"name": "by hand"}', False),
    ],
)
def test_what_the_journal_takes_for_left_behind(known: dict[str, str], found: str, left: bool) -> None:
    assert _left_behind(found, known) is left


async def never(*_: Any) -> None:
    await asyncio.Event().wait()


def test_a_server_without_the_extension_only_says_that_it_has_it(own_server: Callable[..., Server], join: Join) -> None:
    server = own_server(durable=False)
    alice = join(server, FILE)
    values(alice)["rate"] = 1
    assert alice.flush() is False
    assert (alice.status.unsaved, alice.status.durable) == (0, False)


# -- the endpoint ------------------------------------------------------------------


def ask(server: Server, body: Any, **options: Any) -> tuple[int, Any]:
    return server.request("POST", "medilytica/api/stored", body, **options)


def state_of(doc: Doc[Any]) -> dict[str, str]:
    vector = doc.get_state()
    encode = lambda data: base64.b64encode(data).decode()  # noqa: E731
    return {"state_vector": encode(vector), "deletions": encode(doc.get_update(vector))}


def room_name(room: RoomClient) -> str:
    return f"text:medilytica:{room._file_id}"


def test_only_what_is_stored_is_called_stored(server: Server, join: Join, new_path: str) -> None:
    alice = join(server, new_path)
    values(alice)["rate"] = 1
    assert alice.flush()
    doc: Any = alice.doc  # type: ignore[attr-defined]
    room = {"room": room_name(alice), "timeout": 0.2}
    assert ask(server, {**room, **state_of(doc)}) == (200, {"stored": True})
    assert ask(server, {"path": new_path, "timeout": 1, **state_of(doc)}) == (200, {"stored": True})
    further: Doc[Any] = Doc()
    further.apply_update(doc.get_update())
    further.get("tests", type=Map)["rate"] = 2
    assert ask(server, {**room, **state_of(further)}) == (200, {"stored": False})


def test_a_deletion_alone_counts_as_a_change(server: Server, join: Join, new_path: str) -> None:
    alice = join(server, new_path)
    text: Text = alice.doc.get("words", type=Text)  # type: ignore[attr-defined]
    text += "some words"
    assert alice.flush()
    shorter: Doc[Any] = Doc()
    shorter.apply_update(alice.doc.get_update())  # type: ignore[attr-defined]
    del shorter.get("words", type=Text)[2:4]
    body = {"room": room_name(alice), "timeout": 0.2, **state_of(shorter)}
    assert ask(server, body) == (200, {"stored": False})
    del text[2:4]
    assert alice.status.unsaved == 1
    assert alice.flush()
    assert ask(server, body) == (200, {"stored": True})


def test_the_endpoint_lets_in_who_the_room_lets_in(server: Server, join: Join, new_path: str) -> None:
    alice = join(server, new_path)
    assert alice.wait_synced()
    body = {"room": room_name(alice), **state_of(alice.doc)}  # type: ignore[attr-defined]
    assert ask(server, body, token="token-of-nobody")[0] == 403
    assert ask(server, body, token="")[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        {},
        {"room": 5, "state_vector": "AA=="},
        {"room": "no-room", "state_vector": "AA=="},
        {"room": "text:medilytica:x", "state_vector": "not base64!"},
        {"room": "text:medilytica:x", "state_vector": "gICAgICAgICAgICAgICAgIAB"},
        {"room": "text:medilytica:x", "state_vector": "AA==", "deletions": "BQ=="},
        {"room": "text:medilytica:x", "state_vector": "AA==", "timeout": "soon"},
        {"path": ["a"], "state_vector": "AA=="},
    ],
)
def test_malformed_questions_are_refused(server: Server, body: Any) -> None:
    assert ask(server, body)[0] == 400


@pytest.mark.parametrize(
    "room", ["text:medilytica:../../etc", "text:medilytica:unknown", "JupyterLab:global:awareness"]
)
def test_a_room_that_is_not_open_stores_nothing(server: Server, room: str) -> None:
    assert ask(server, {"room": room, "state_vector": "AA==", "timeout": float("nan")}) == (200, {"stored": False})
