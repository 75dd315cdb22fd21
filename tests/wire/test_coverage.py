"""Whether one state of a document holds all of another, against what pycrdt itself merges."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Text

from medilytica_widgets.errors import WireError
from medilytica_widgets.wire.coverage import State


def state(doc: Doc[Any]) -> State:
    vector = doc.get_state()
    return State.read(vector, doc.get_update(vector))


# (who edits, where, what or nothing for a deletion, whether the other hears of it)
steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 30), st.sampled_from(["", "a", "bcd"]), st.booleans()), max_size=25
)


@given(steps)
def test_a_state_covers_another_exactly_when_nothing_is_missing(history: list[tuple[bool, int, str, bool]]) -> None:
    docs: list[Doc[Any]] = [Doc(client_id=1), Doc(client_id=2)]
    texts = [doc.get("text", type=Text) for doc in docs]
    for first, at, what, heard in history:
        here, there = (0, 1) if first else (1, 0)
        length = len(texts[here])
        if what:
            texts[here].insert(min(at, length), what)
        elif length:
            start = at % length
            del texts[here][start : min(start + 2, length)]
        if heard:
            docs[there].apply_update(docs[here].get_update(docs[there].get_state()))
    for one, other in (docs, docs[::-1]):
        merged: Doc[Any] = Doc()
        merged.apply_update(one.get_update())
        before = merged.get_update()
        merged.apply_update(other.get_update())
        assert state(one).covers(state(other)) == (merged.get_update() == before)
        assert state(merged).covers(state(one)) and state(merged).covers(state(other))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_bytes_of_no_meaning_are_refused_or_read(vector: bytes, deletions: bytes) -> None:
    try:
        found = State.read(vector, deletions)
    except WireError:
        return
    assert found.covers(State())


@pytest.mark.parametrize("vector", [b"", b"\x01", b"\x00\x01", b"\x80", b"\xff" * 20, b"\x01" * (5 << 20)])
def test_damaged_state_vectors_are_refused(vector: bytes) -> None:
    with pytest.raises(WireError):
        State.read(vector)
