"""Rooms on a real server: edits travel, presence is seen, and what breaks is mended."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from pycrdt import Doc, Map

from medilytica_widgets.collab import room as room_module
from medilytica_widgets.collab import room_link, room_rest
from medilytica_widgets.collab.replica import Replica
from medilytica_widgets.collab.room import RoomClient, RoomError, RoomStatus
from medilytica_widgets.collab.shared_doc import SharedDoc
from tests.collab.network import Proxy, wait_for
from tests.servers import Server

Join = Callable[..., RoomClient]


def values(room: Any, name: str = "tests") -> Map[Any]:
    found: Map[Any] = room.doc.get(name, type=Map)
    return found


def plain(room: Any) -> dict[str, Any]:
    return values(room).to_py() or {}


def test_an_edit_reaches_everybody(server: Server, join: Join, new_path: str) -> None:
    alice, bob = join(server, new_path), join(server, new_path, "bob")
    assert alice.wait_synced() and bob.wait_synced()
    values(alice)["rate"] = 0.5
    wait_for(lambda: plain(bob) == {"rate": 0.5})
    values(bob)["rate"] = 0.25
    del values(bob)["rate"]
    values(bob)["depth"] = 3
    wait_for(lambda: plain(alice) == {"depth": 3})
    assert (server.root / new_path).exists()


def test_what_the_document_held_before_arrives_too(server: Server, join: Join, new_path: str) -> None:
    doc = SharedDoc()
    doc.get("tests", type=Map)["before"] = 1
    alice = join(server, new_path, doc=doc)
    bob = join(server, new_path, "bob")
    wait_for(lambda: plain(bob) == {"before": 1})
    assert alice.flush() and alice.status.unsaved == 0


def test_edits_from_many_threads_arrive_complete(server: Server, join: Join, new_path: str) -> None:
    alice, bob = join(server, new_path), join(server, new_path, "bob")
    assert alice.wait_synced() and bob.wait_synced()

    def edit(room: RoomClient, name: str) -> None:
        for number in range(100):
            values(room)[f"{name}-{number}"] = number

    threads = [
        threading.Thread(target=edit, args=(room, f"{room.user['username']}{n}"))
        for room in (alice, bob)
        for n in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: len(plain(alice)) == len(plain(bob)) == 600)
    assert alice.flush() and bob.flush()


def test_a_burst_of_edits_travels_in_few_messages(server: Server, join: Join, new_path: str) -> None:
    alice, bob = join(server, new_path), join(server, new_path, "bob")
    assert alice.wait_synced() and bob.wait_synced()
    messages = []
    with bob.doc._turn:  # type: ignore[attr-defined]
        bob.doc.observe(lambda event: messages.append(len(event.update)))  # type: ignore[attr-defined]
    for number in range(1000):
        values(alice)["rate"] = number
    wait_for(lambda: plain(bob) == {"rate": 999})
    assert len(messages) < 500


def test_a_cut_network_is_mended_and_both_sides_merge(
    server: Server, join: Join, new_path: str, proxy: Callable[[Server], Proxy]
) -> None:
    network = proxy(server)
    alice, bob = join(server, new_path, via=network), join(server, new_path, "bob")
    assert alice.wait_synced() and bob.wait_synced()
    network.cut()
    wait_for(lambda: not alice.status.connected)
    values(alice)["alice"] = 1
    values(bob)["bob"] = 2
    wait_for(lambda: "is not reached" in alice.status.error)
    assert alice.status.unsaved == 1
    with pytest.raises(RoomError, match=r"1 changes are not stored yet.*kept and sent"):
        alice.flush(0.1)
    network.mend()
    wait_for(lambda: plain(alice) == plain(bob) == {"alice": 1, "bob": 2})
    assert alice.flush() and alice.status == RoomStatus(True, True, 0, "", True, True, new_path)


def test_a_silent_connection_is_given_up(
    server: Server, join: Join, new_path: str, proxy: Callable[[Server], Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_link, "PING_SECONDS", 0.5)
    network = proxy(server)
    alice = join(server, new_path, via=network)
    assert alice.wait_synced()
    network.freeze()
    wait_for(lambda: not alice.status.connected, 60, "the dead socket to be noticed")
    values(alice)["kept"] = True
    network.thaw()
    assert alice.flush(60)


@pytest.mark.parametrize("seed", [1, 2])
def test_three_clients_converge_over_a_network_that_breaks(
    server: Server, join: Join, new_path: str, proxy: Callable[[Server], Proxy], seed: int
) -> None:
    chance = random.Random(seed)
    people = ("alice", "bob", "carol")
    networks = [proxy(server) for _ in people]
    rooms = [join(server, new_path, name, via=network) for name, network in zip(people, networks, strict=True)]
    made: dict[str, int] = {}
    for step in range(60):
        which = chance.randrange(3)
        room, network = rooms[which], networks[which]
        match chance.randrange(8):
            case 0:
                network.cut()
            case 1:
                network.mend()
            case 2:
                network.delay = chance.choice((0.0, 0.01, 0.05))
            case 3:
                values(room)["shared"] = step
            case _:
                values(room)[f"{people[which]}-{step}"] = step
                made[f"{people[which]}-{step}"] = step
    for network in networks:
        network.mend()
        network.delay = 0.0
    for room in rooms:
        assert room.flush(60)
    wait_for(lambda: plain(rooms[0]) == plain(rooms[1]) == plain(rooms[2]))
    assert made.items() <= plain(rooms[0]).items()


def test_a_renamed_file_keeps_its_room(
    server: Server, join: Join, new_path: str, proxy: Callable[[Server], Proxy]
) -> None:
    network = proxy(server)
    alice = join(server, new_path, via=network)
    values(alice)["before"] = 1
    assert alice.flush()
    renamed = f"renamed-{new_path}"
    server.api("PATCH", f"api/contents/{new_path}", {"path": renamed})
    network.cut()
    wait_for(lambda: not alice.status.connected)
    network.mend()
    bob = join(server, renamed, "bob")
    values(alice)["after"] = 2
    wait_for(lambda: plain(bob) == {"before": 1, "after": 2})
    wait_for(lambda: alice.status.path == renamed)
    assert not (server.root / new_path).exists()


def test_two_who_come_first_make_one_file(server: Server, join: Join, new_path: str) -> None:
    rooms = [join(server, new_path, name) for name in ("alice", "bob", "carol")]
    for number, room in enumerate(rooms):
        values(room)[f"from {number}"] = number
    wait_for(lambda: all(len(plain(room)) == 3 for room in rooms))
    assert [each.name for each in server.root.glob("untitled*")] == []


def test_errors_say_what_to_do(server: Server, join: Join, new_path: str) -> None:
    missing = join(server, f"no-such-folder/{new_path}")
    stranger = join(server, new_path, "nobody")
    absent = join(server, new_path, initial=None)
    wait_for(lambda: "Make the folder first" in missing.status.error)
    wait_for(lambda: "does not accept this token" in stranger.status.error)
    wait_for(lambda: "was deleted, moved or never made" in absent.status.error)
    assert not absent.wait_synced(0.01)


def test_a_new_token_is_taken_up(server: Server, join: Join, new_path: str) -> None:
    alice = join(server, new_path, "alice")
    assert alice.wait_synced()
    people = dict(server.people)
    stranger = join(server, new_path, "dora")
    wait_for(lambda: "token" in stranger.status.error)
    try:
        server.set_people({**people, "token-of-dora": {"username": "dora", "name": "Dora D."}})
        wait_for(lambda: stranger.status.synced)
    finally:
        server.set_people(people)


def test_statuses_are_told_one_after_another(server: Server, join: Join, new_path: str) -> None:
    told: list[RoomStatus] = []
    alice = join(server, new_path, on_status=told.append)
    values(alice)["rate"] = 1
    assert alice.flush()
    wait_for(lambda: told and told[-1] == alice.status)
    assert [status.synced for status in told].index(True) > [status.connected for status in told].index(True)
    assert any(status.unsaved for status in told) and told[-1].unsaved == 0


def test_a_callback_that_answers_a_remote_change_is_heard(server: Server, join: Join, new_path: str) -> None:
    alice, bob = join(server, new_path), join(server, new_path, "bob")
    assert alice.wait_synced() and bob.wait_synced()
    doc: SharedDoc = bob.doc  # type: ignore[attr-defined]

    def answer() -> None:
        if "question" in values(bob) and "answer" not in values(bob):
            values(bob)["answer"] = 42

    with doc._turn:
        doc.observe(lambda event: doc.later(answer))
    values(alice)["question"] = True
    wait_for(lambda: plain(alice) == {"question": True, "answer": 42})


def test_closing_ends_everything_and_may_be_repeated(server: Server, new_path: str, join: Join) -> None:
    before = threading.active_count()
    rooms = [join(server, new_path, name) for name in ("alice", "bob")]
    assert all(room.wait_synced() for room in rooms)
    values(rooms[0])["last"] = "word"
    for room in rooms:
        room.close()
        room.close()
    assert threading.active_count() == before
    late = join(server, new_path, "carol")
    wait_for(lambda: plain(late) == {"last": "word"})
    values(rooms[0])["after"] = "the end"
    with pytest.raises(RoomError, match="The room is closed"):
        rooms[0].flush(0.1)


def test_closing_while_the_server_is_away_does_not_wait(
    join: Join, new_path: str, own_server: Callable[..., Server]
) -> None:
    nowhere = own_server(start=False)
    room = join(nowhere, new_path)
    wait_for(lambda: room.status.error)
    room.close()
    assert not any(thread.name.startswith("medilytica-room") and thread.is_alive() for thread in threading.enumerate())


def test_after_the_machine_slept_the_room_is_opened_anew(
    server: Server, join: Join, new_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[RoomStatus] = []
    alice = join(server, new_path, on_status=told.append)
    assert alice.wait_synced()
    clock = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=time.monotonic)
    monkeypatch.setattr(room_link, "time", clock)
    wait_for(lambda: any("slept" in status.error for status in told))
    wait_for(lambda: alice.status.synced and not alice.status.error)


def test_a_viewer_is_told_that_nothing_is_saved(
    join: Join, own_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_rest, "STORED_SECONDS", 0.5)
    monkeypatch.setattr(room_module, "LOST_SECONDS", 0.3)
    monkeypatch.setattr(room_module, "REFUSED_SECONDS", 0.2)
    server = own_server(durable=False, extensions={"medilytica_widgets.server": True})
    alice = join(server, "team.medilytica")
    values(alice)["rate"] = 1
    assert alice.flush()
    for path, body in (("sharing", {"enabled": True}), ("people", {"id": "bob", "role": "viewer"})):
        server.api("PUT", f"medilytica/api/{path}", body, token="token-of-alice")
    bob = join(server, "team.medilytica", "bob")
    assert bob.wait_synced() and bob.role == "viewer"
    values(bob)["rate"] = 2
    wait_for(lambda: not bob.status.writable)
    assert bob.status.unsaved == 1 and "role" in bob.status.error
    with pytest.raises(RoomError, match="not stored yet.*role"):
        bob.flush(1)
    # what others do still comes in, and nothing of his came to them
    values(alice)["depth"] = 3
    wait_for(lambda: plain(bob).get("depth") == 3)
    assert plain(alice) == {"rate": 1, "depth": 3}
    # a person who becomes an editor loses nothing
    server.api("PUT", "medilytica/api/people", {"id": "bob", "role": "editor"}, token="token-of-alice")
    wait_for(lambda: bob.status.writable and not bob.status.unsaved, 90)
    wait_for(lambda: plain(alice) == plain(bob) == {"rate": 2, "depth": 3})


def test_a_damaged_update_does_not_keep_the_good_ones_out() -> None:
    troubles: list[str] = []
    doc = SharedDoc()
    replica = Replica(doc, lambda: None, troubles.append)
    other: Doc[Any] = Doc()
    updates = []
    other.observe(lambda event: updates.append(event.update))
    for number in range(3):
        other.get("tests", type=Map)[f"{number}"] = number
    replica.merge(updates[0], b"\xff\xff\xff", updates[1], updates[2])
    assert doc.get("tests", type=Map).to_py() == {"0": 0, "1": 1, "2": 2}
    assert len(troubles) == 1
