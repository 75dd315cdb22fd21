"""The chat of a workspace from Python, in a real room of jupyterlab-chat."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pycrdt import Map

from medilytica_widgets.collab.chat import ChatMessage, WorkspaceChat
from medilytica_widgets.collab.discovery import Server as Address
from medilytica_widgets.collab.links import ViewReference
from medilytica_widgets.errors import WorkspaceError
from tests.collab.network import wait_for
from tests.servers import Server

Enter = Callable[..., WorkspaceChat]


@pytest.fixture
def enter(server: Server, new_path: str) -> Iterator[Enter]:
    """Open the chat of a workspace as one person."""
    chats: list[WorkspaceChat] = []

    def open_(person: str) -> WorkspaceChat:
        chat = WorkspaceChat(Address(server.url, f"token-of-{person}", str(server.root)), new_path)
        chats.append(chat.start())
        assert chat.room.wait_synced()
        return chat

    yield open_
    for chat in chats:
        chat.close()


def bodies(chat: WorkspaceChat) -> list[str]:
    return [message.body for message in chat.messages()]


def test_people_and_runs_write_to_each_other(server: Server, enter: Enter, new_path: str) -> None:
    alice, bob = enter("alice"), enter("bob")
    assert alice.path == new_path.replace(".medilytica", ".chat")
    heard: list[ChatMessage] = []
    stop = bob.on_message(heard.append)
    alice.send("**Run 3** reached 0.93")
    alice.send("Look at this, please", as_bot=False)
    wait_for(lambda: len(heard) == 2)
    assert [(m.body, m.sender, m.bot) for m in heard] == [
        ("**Run 3** reached 0.93", "medilytica", True),
        ("Look at this, please", "alice", False),
    ]
    assert heard[1].sender_name == "Alice A."
    stop()
    bob.send("Yes", as_bot=False)
    wait_for(lambda: len(bodies(alice)) == 3)
    assert len(heard) == 2
    assert alice.flush() and bob.flush()
    # the server gives a message its time once it has written the file, and nobody moves the message a second time
    wait_for(lambda: alice._chat.dirty is False)
    bob.send("Later", as_bot=False)
    raw = alice._chat.ymessages
    wait_for(lambda: any(m["body"] == "Later" and m.get("raw_time") is False for m in raw.to_py() or []))
    wait_for(lambda: bodies(bob) == bodies(alice))
    assert sorted(bodies(bob)) == sorted({*bodies(bob), "Later", "Yes"}) and len(bodies(bob)) == 4
    late = enter("carol")
    assert bodies(late) == bodies(alice)


def test_mentions_and_attachments_come_with_a_message(server: Server, enter: Enter) -> None:
    alice, bob = enter("alice"), enter("bob")
    wait_for(lambda: {person.id for person in alice.room.people()} == {"alice", "bob"})
    alice.send("please look", as_bot=False, mentions=["bob"], attachments=["data/table.csv"])
    wait_for(lambda: bob.messages())
    (message,) = bob.messages()
    assert message.body == "@Bob-B. please look" or message.body.startswith("@Bob")
    assert message.attachments == ("data/table.csv",)
    with pytest.raises(WorkspaceError, match="Nobody of the name 'zoe'.*alice, bob"):
        alice.send("hello", mentions=["zoe"])
    for path in ("/etc/passwd", "../up", ""):
        with pytest.raises(WorkspaceError, match="path on the server"):
            alice.send("hello", attachments=[path])
    assert len(alice.messages()) == 1


@pytest.mark.parametrize("text", ["", "  \n", "x" * 100_001])
def test_a_message_needs_a_text_of_some_length(server: Server, text: str) -> None:
    with pytest.raises(WorkspaceError, match="1 to 100000"):
        WorkspaceChat(Address(server.url, "token-of-alice"), "a.chat").send(text)


def test_a_shared_view_is_a_link_that_leads_back_to_it(enter: Enter, new_path: str) -> None:
    alice, bob = enter("alice"), enter("bob")
    view = ViewReference(new_path, experiment="e1", run="3", chart="curves", epoch=11)
    alice.share(view)
    wait_for(lambda: bob.messages())
    (message,) = bob.messages()
    assert message.sender == "alice" and message.body.startswith("[epoch 12 of the chart curves](#medilytica=")
    assert ViewReference.decode(message.body) == view


def test_what_others_wrote_into_the_document_is_read_with_care(enter: Enter) -> None:
    alice, bob = enter("alice"), enter("bob")
    odd: list[Any] = [
        Map({"id": 5, "body": {"a": 1}, "sender": None, "time": "late", "mentions": "bob", "attachments": {"x": 1}}),
        Map({}),
        Map({"id": "last", "body": "fine", "sender": "bob", "time": 3}),
    ]
    bob._chat.ymessages.extend(odd)
    wait_for(lambda: len(alice.messages()) == 3)
    assert alice.messages()[2] == ChatMessage("last", "fine", "bob", "bob", 3.0)
