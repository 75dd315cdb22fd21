"""A server that is killed twenty times over: what was called stored is there, and what was edited meanwhile arrives.

Run by hand: ``python -m pytest tests/soak/test_rooms.py``.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from pycrdt import Map

from medilytica_widgets.collab.author import Author
from medilytica_widgets.collab.discovery import Server as Address
from medilytica_widgets.collab.document import WorkspaceDocument
from medilytica_widgets.collab.room import RoomClient
from medilytica_widgets.collab.schema import loads
from medilytica_widgets.collab.shared_doc import SharedDoc
from tests.collab.conftest import new_server
from tests.collab.network import wait_for

ROUNDS = 20
FILE = "team.medilytica"


@pytest.mark.timeout(1800)
def test_twenty_kills_lose_nothing_that_was_called_stored(tmp_path: Path) -> None:
    chance = random.Random(0)
    server = new_server(tmp_path, config={"YDocExtension": {"document_save_delay": 60}})
    docs = [SharedDoc() for _ in range(3)]
    people = ("alice", "bob", "carol")
    rooms = [
        RoomClient(doc, Address(server.url, f"token-of-{name}", str(server.root)), FILE).start()
        for doc, name in zip(docs, people, strict=True)
    ]
    maps: list[Map[Any]] = [doc.get("tests", type=Map) for doc in docs]
    made: dict[str, int] = {}
    try:
        for number in range(ROUNDS):
            for _ in range(chance.randrange(1, 30)):
                which = chance.randrange(3)
                key = f"{people[which]}-{chance.randrange(40)}"
                maps[which][key] = made[key] = number
            name = f"round {number}"
            WorkspaceDocument(docs[0]).rename(name=name, author=Author("alice", "Alice A."))
            assert rooms[0].flush(60) is True
            server.kill9()
            assert loads((server.root / FILE).read_text())["name"] == name
            for which in range(3):
                key = f"{people[which]}-dead-{number}"
                maps[which][key] = made[key] = number
            server.start()
            for room in rooms:
                assert room.flush(60) is True
            wait_for(lambda: maps[0].to_py() == maps[1].to_py() == maps[2].to_py(), 60)
            assert maps[0].to_py() == made
            assert WorkspaceDocument(docs[2]).name == name
    finally:
        for room in rooms:
            room.close()
        server.stop()
