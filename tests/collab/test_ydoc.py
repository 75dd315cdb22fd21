"""The workspace as a document of Jupyter's rooms: text in, text out, and little written for a little change."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any

import pytest

# jupyter_ydoc reads the entry points while it is imported
import jupyter_ydoc  # isort: skip
from pycrdt import Doc, Map

from medilytica_widgets.collab.document import Author, WorkspaceDocument
from medilytica_widgets.collab.schema import dumps, loads
from medilytica_widgets.collab.ydoc import YWorkspace
from medilytica_widgets.errors import WorkspaceError

from .test_document import ALICE, BOB, layer, spec_of


def text_of_three() -> str:
    document = WorkspaceDocument()
    document.rename(name="Team", author=ALICE)
    for name in ("one", "two", "three"):
        document.add_experiment(spec_of(layer(8), layer(4), layer(2)), name=name, author=ALICE, id=name)
    document.set_notes("# Notes\nof us\n", author=ALICE)
    return dumps(document.to_plain())


def filled(text: str) -> YWorkspace:
    shared = YWorkspace()
    shared.set(text)
    return shared


def test_jupyter_knows_the_document_type() -> None:
    found = entry_points(group="jupyter_ydoc", name="medilytica")
    assert [entry.load() for entry in found] == [YWorkspace]
    assert jupyter_ydoc.ydocs["medilytica"] is YWorkspace


def test_the_module_can_be_the_first_that_is_imported() -> None:
    code = "import medilytica_widgets.collab.ydoc, jupyter_ydoc; print(jupyter_ydoc.ydocs['medilytica'].__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert done.stdout.split() == ["YWorkspace"], done.stderr


def test_text_goes_in_and_comes_out() -> None:
    text = text_of_three()
    shared = filled(text)
    assert shared.get() == shared.source == text
    assert shared.version == "1.0.0"
    assert [entry.name for entry in shared.document.experiments()] == ["one", "two", "three"]
    assert (shared.dirty, shared.path, shared.hash) == (None, None, None)
    shared.dirty, shared.path = True, "team.medilytica"
    assert (shared.dirty, shared.path, shared.get()) == (True, "team.medilytica", text)


def test_an_empty_file_stays_empty_until_somebody_writes() -> None:
    shared = filled("")
    assert shared.get() == ""
    shared.document.add_experiment(spec_of(), name="x", author=ALICE)
    assert loads(shared.get())["experiments"][0]["name"] == "x"


def test_an_edited_file_writes_little_and_leaves_what_others_do() -> None:
    text = text_of_three()
    room = filled(text)
    client = WorkspaceDocument()
    client.doc.apply_update(room.ydoc.get_update())
    before = room.ydoc.get_state()
    plain = json.loads(text)
    plain["experiments"][1]["spec"]["layers"][1]["options"]["units"] = 99
    room.set(json.dumps(plain))
    assert len(room.ydoc.get_update(before)) < 400
    # meanwhile somebody who is connected changes the same layer
    spec = client.spec("two")
    spec["layers"][1]["options"]["activation"] = "tanh"
    spec["layers"].insert(1, layer(5, options={"units": 5, "activation": "elu"}))
    client.set_spec("two", spec, author=BOB)
    client.doc.apply_update(room.ydoc.get_update())
    room.ydoc.apply_update(client.doc.get_update())
    found = loads(room.get())["experiments"][1]["spec"]["layers"]
    assert [each["options"]["units"] for each in found] == [8, 5, 99, 2]
    assert found[2]["options"]["activation"] == "tanh"
    assert client.to_plain() == room.document.to_plain()
    assert {step.author for step in client.history()} == {Author.file(), BOB}


def test_whatever_a_file_changes_comes_in_as_one_step_that_can_be_undone() -> None:
    text = text_of_three()
    shared = filled(text)
    plain = json.loads(text)
    plain["name"] = "Other"
    plain["experiments"] = [plain["experiments"][2], plain["experiments"][0], {**plain["experiments"][0], "id": "new"}]
    plain["experiments"][0]["runs"] = {"r": {"loss": 1.0}}
    plain["notes"] = ["# Notes", "of all of us", ""]
    plain["chat"] = {"path": "team.chat", "announce": True, "rooms": {"a": "a.chat"}}
    shared.set(json.dumps(plain))
    assert loads(shared.get()) == loads(json.dumps(plain))
    assert [(step.author, step.label) for step in shared.document.history()] == [(Author.file(), "the file was edited")]
    assert shared.document.undo(Author.file())
    assert shared.get() == text


def test_the_same_text_changes_nothing() -> None:
    text = text_of_three()
    shared = filled(text)
    events: list[str] = []
    shared.observe(lambda target, event: events.append(target))
    shared.set(text)
    shared.set(json.dumps(json.loads(text)))
    assert events == []
    assert shared.get() == text


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{", "no JSON"),
        (json.dumps({"version": 99, "new": []}), "of version 99"),
        ("<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n", "conflict marks"),
        ("[]", "is an object"),
        ('{"version": 1, "x\ud800": 1}', "no field"),
    ],
)
@pytest.mark.parametrize("earlier", [True, False])
def test_a_file_that_cannot_be_read_is_kept_and_the_document_says_why(bad: str, said: str, earlier: bool) -> None:
    text = text_of_three()
    shared = filled(text) if earlier else YWorkspace()
    shared.set(bad)
    assert shared.get() == bad
    assert said in shared.document.error
    client = WorkspaceDocument()
    client.doc.apply_update(shared.ydoc.get_update())
    assert said in client.error
    for write in (
        lambda: client.rename(name="x", author=ALICE),
        lambda: client.add_experiment(spec_of(), name="x", author=ALICE),
        lambda: client.set_notes("x", author=ALICE),
        lambda: client.undo(ALICE),
    ):
        with pytest.raises(WorkspaceError, match=said):
            write()
    assert len(client.experiments()) == (3 if earlier else 0)
    shared.set(text)
    assert (shared.get(), shared.document.error) == (text, "")
    client.doc.apply_update(shared.ydoc.get_update())
    client.rename(name="x", author=ALICE)
    assert client.name == "x"


@pytest.mark.parametrize("text", [text_of_three(), "{ no json"])
def test_a_room_that_is_filled_again_is_a_copy_of_the_room_before(text: str) -> None:
    # a server fills a new room in a document of this number
    first, second = YWorkspace(Doc(client_id=0)), YWorkspace(Doc(client_id=0))
    for room in (first, second):
        room.set(text)
    client = WorkspaceDocument()
    client.doc.apply_update(first.ydoc.get_update())
    before = client.doc.get_state()
    assert second.ydoc.get_state() == before
    client.doc.apply_update(second.ydoc.get_update())
    assert client.doc.get_state() == before
    other = YWorkspace(Doc(client_id=0))
    other.set("{ another")
    client.doc.apply_update(other.ydoc.get_update())
    assert client.doc.get_state() != before


def test_a_file_that_was_emptied_is_not_taken_for_a_new_one() -> None:
    shared = filled(text_of_three())
    shared.set("")
    assert shared.get() == ""
    assert "is empty now" in shared.document.error
    assert len(shared.document.experiments()) == 3


def test_what_somebody_wrote_past_the_schema_never_reaches_the_file() -> None:
    shared = filled(text_of_three())
    shared.ydoc.get("meta", type=Map)["name"] = 5.0
    shared.ydoc.get("experiments", type=Map)["four"] = "boo"
    shared.ydoc.get("experiments", type=Map)["five"] = Map({"spec": Map({"layers": 3.0}), "layers": Map({"a": 4.0})})
    text = shared.get()
    assert [each["id"] for each in loads(text)["experiments"]] == ["five", "one", "two", "three"]
    assert filled(text).get() == text


def test_a_document_that_a_newer_release_wrote_is_not_saved_as_an_older_one() -> None:
    shared = filled(text_of_three())
    shared.ydoc.get("meta", type=Map)["version"] = 2.0
    with pytest.raises(WorkspaceError, match="version 2; this package writes version 1"):
        shared.get()


def test_everything_that_changes_is_told() -> None:
    shared = filled(text_of_three())
    told: list[str] = []
    shared.observe(lambda target, event: told.append(target))
    shared.document.rename(name="x", author=ALICE)
    shared.document.set_notes("y", author=ALICE)
    shared.document.set_chat(path="z")
    shared.document.remove_experiment("one", author=ALICE)
    shared.dirty = False
    assert set(told) == {"meta", "history", "notes", "chat", "experiments", "state"}
    count = len(told)
    shared.unobserve()
    shared.document.rename(name="q", author=ALICE)
    assert len(told) == count


def test_it_works_on_a_document_of_pycrdts_own_as_the_server_has() -> None:
    plain: Doc[Any] = Doc()
    shared = YWorkspace(plain)
    text = text_of_three()
    shared.set(text)
    assert shared.ydoc is plain
    heard: list[Any] = []
    shared.document.observe(lambda change: heard.append((change, shared.document.name)))

    async def rename() -> None:
        shared.document.rename(name="x", author=ALICE)
        await asyncio.sleep(0)

    asyncio.run(rename())
    assert [(change.parts, change.local, name) for change, name in heard] == [({"meta", "history"}, True, "x")]
