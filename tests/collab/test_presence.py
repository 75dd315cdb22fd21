"""Presence: who is here and where they look, told truthfully about oneself and read with care about others."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Awareness, Doc, Encoder

from medilytica_widgets.collab import presence as module
from medilytica_widgets.collab.presence import Person, Place, Presence, read_place, read_user
from medilytica_widgets.errors import WorkspaceError
from tests.collab.network import wait_for
from tests.servers import Server


def update(client: int, clock: int, state: Any) -> bytes:
    encoder = Encoder()
    for number in (1, client, clock):
        encoder.write_var_uint(number)
    encoder.write_var_string(state if isinstance(state, str) else json.dumps(state))
    return encoder.to_bytes()


@pytest.fixture
def sent() -> list[bytes]:
    return []


@pytest.fixture
def me(sent: list[bytes]) -> Presence:
    presence = Presence(1, sent.append)
    presence.set_local("user", {"username": "alice", "name": "Alice A."})
    return presence


def test_people_see_each_other_and_where_they_are(server: Server, join: Callable[..., Any], new_path: str) -> None:
    alice, bob = join(server, new_path), join(server, new_path, "bob")
    wait_for(lambda: [person.id for person in alice.people()] == ["alice", "bob"])
    seen: list[list[Person]] = []
    alice.on_people(seen.append)
    bob.set_local(
        "medilytica", {"experiment": "e1", "widget": "builder", "field": "learning_rate", "row": 3, "at": 12.5}
    )
    place = Place(experiment="e1", widget="builder", field="learning_rate", row=3, at=12.5)
    wait_for(lambda: [person.places for person in alice.people()] == [(), (place,)])
    wait_for(lambda: seen and seen[-1] == alice.people())
    (mine, theirs) = alice.people()
    assert (mine.me, mine.name, mine.color) == (True, "Alice A.", "#2b6cb0")
    assert (theirs.me, theirs.name, theirs.initials) == (False, "Bob B.", "BB")
    bob.close()
    wait_for(lambda: [person.id for person in alice.people()] == ["alice"])


def test_several_pages_of_one_person_are_one_person(me: Presence) -> None:
    bob = {"username": "bob", "name": "Bob"}
    me.receive(update(2, 1, {"user": bob, "medilytica": {"widget": "grid"}}))
    me.receive(update(3, 1, {"user": {**bob, "color": "red"}, "medilytica": {"widget": "curves"}}))
    me.receive(update(4, 1, {"user": {"username": "alice", "name": "Alice A."}, "medilytica": {"epoch": 4.0}}))
    me.receive(update(5, 1, {}))
    alice, other = me.people()
    assert (alice.id, alice.me, alice.places) == ("alice", True, (Place(epoch=4),))
    assert (other.id, other.color, other.places) == ("bob", "red", (Place(widget="curves"), Place(widget="grid")))


def test_a_page_that_says_nothing_for_half_a_minute_is_gone(me: Presence, monkeypatch: pytest.MonkeyPatch) -> None:
    me.receive(update(2, 1, {"user": {"username": "bob"}}))
    now = module.time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 29)
    me.drop_stale()
    assert len(me.people()) == 2
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 31)
    me.drop_stale()
    assert [person.id for person in me.people()] == ["alice"]


def test_an_older_word_does_not_undo_a_newer_one(me: Presence) -> None:
    me.receive(update(2, 5, {"user": {"username": "bob"}}))
    me.receive(update(2, 4, {"user": {"username": "mallory"}}))
    me.receive(update(2, 5, {"user": {"username": "mallory"}}))
    assert [person.id for person in me.people()] == ["alice", "bob"]
    me.receive(update(2, 6, "null"))
    assert [person.id for person in me.people()] == ["alice"]


def test_nobody_speaks_for_this_page(me: Presence, sent: list[bytes]) -> None:
    before = len(sent)
    me.receive(update(1, 99, {"user": {"username": "mallory"}}))
    assert [person.id for person in me.people()] == ["alice"]
    # it says again that it is here, later than the other's word
    others = Awareness(Doc())
    others.apply_awareness_update(update(1, 99, {"user": {"username": "mallory"}}), "network")
    assert len(sent) == before + 1
    others.apply_awareness_update(sent[-1], "network")
    assert others.states[1]["user"]["username"] == "alice"


@pytest.mark.parametrize(
    ("user", "read"),
    [
        ("alice", {}),
        ({"username": 5, "name": ["a"], "color": None}, {}),
        ({"username": "x" * 201, "name": "a\nb"}, {}),
        ({"username": "a", "avatar_url": "javascript:alert(1)"}, {"username": "a"}),
        ({"username": "a", "avatar_url": "https://host/a.png"}, {"username": "a", "avatar_url": "https://host/a.png"}),
        ({"username": "a", "admin": True}, {"username": "a"}),
    ],
)
def test_only_what_can_be_shown_of_a_user_is_read(user: Any, read: dict[str, str]) -> None:
    assert read_user(user) == read


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (None, Place()),
        ({"row": -1, "epoch": True, "at": float("nan"), "field": 5}, Place()),
        ({"row": 1e300, "widget": "w" * 201, "unknown": 1}, Place()),
        ({"row": 7.0, "layer": "dense-1"}, Place(row=7, layer="dense-1")),
    ],
)
def test_only_what_can_be_shown_of_a_place_is_read(value: Any, place: Place) -> None:
    assert read_place(value) == place


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(2, 9), st.integers(0, 9), st.text(max_size=50)).map(lambda a: update(*a))
)
def test_whatever_is_sent_breaks_nothing(data: bytes) -> None:
    presence = Presence(1, lambda _: None)
    presence.set_local("user", {"username": "alice"})
    presence.receive(data)
    assert presence.people()[0].id == "alice"


def test_sizes_are_limited(me: Presence) -> None:
    me.receive(update(2, 1, {"user": {"username": "bob"}, "filler": "x" * 20_000}))
    assert len(me.people()) == 1
    for client in range(10, 800):
        me.receive(update(client, 1, {"user": {"username": f"p{client}"}}))
    assert len(me.people()) == module.MOST_PAGES
    with pytest.raises(WorkspaceError, match="at most"):
        me.set_local("medilytica", {"field": "x" * 20_000})
    with pytest.raises(WorkspaceError, match="JSON"):
        me.set_local("medilytica", {"at": float("inf")})
    assert me.local == {"user": {"username": "alice", "name": "Alice A."}}


def test_jupyters_own_clients_understand_what_is_sent(me: Presence, sent: list[bytes]) -> None:
    me.set_local("medilytica", {"widget": "grün"})
    theirs = Awareness(Doc())
    theirs.apply_awareness_update(sent[-1], "network")
    assert theirs.states[1] == {"user": {"username": "alice", "name": "Alice A."}, "medilytica": {"widget": "grün"}}
    theirs.apply_awareness_update(me.encode(leaving=True), "network")
    assert 1 not in theirs.states or theirs.states[1] is None
