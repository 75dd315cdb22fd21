"""In whose name code runs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from medilytica_widgets.acting import STAMP, Person, acting, acting_person, local_person, person_of

ANN, BOB = Person("ann", "Ann A."), Person("bob", "Bob")


def test_it_lasts_as_long_as_the_block_and_is_taken_over_within() -> None:
    assert acting_person() is None
    with acting(ANN):
        with acting(BOB):
            assert acting_person() == BOB
        with acting(None):
            assert acting_person() == ANN
    assert acting_person() is None


def test_another_thread_acts_for_nobody() -> None:
    found: list[Person | None] = []
    with acting(ANN):
        thread = threading.Thread(target=lambda: found.append(acting_person()))
        thread.start()
        thread.join()
    assert found == [None]


@pytest.mark.parametrize(
    ("metadata", "person"),
    [
        ({STAMP: {"username": "ann", "name": "Ann A.", "role": "editor"}}, ANN),
        ({STAMP: {"username": "ann", "name": " "}}, Person("ann", "ann")),
        ({STAMP: {"username": "ann", "name": 3}}, Person("ann", "ann")),
        ({STAMP: {"username": "a" * 999, "name": "b" * 999}}, Person("a" * 200, "b" * 200)),
        ({STAMP: {"username": "", "name": "Ann"}}, None),
        ({STAMP: {"username": ["ann"]}}, None),
        ({STAMP: "ann"}, None),
        ({}, None),
        (None, None),
    ],
)
def test_what_the_server_wrote_is_read_and_nothing_else(metadata: Any, person: Person | None) -> None:
    assert person_of(metadata) == person


def test_a_process_belongs_to_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "dora")
    assert local_person() == Person("dora", "dora")
