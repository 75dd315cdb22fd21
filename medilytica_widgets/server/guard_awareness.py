"""Presence that cannot be forged: a connection speaks for itself, under the name that the server knows it by.

A page sends what it knows of the others along with its own state, so a state of somebody else is dropped in silence
where it is no news, and refused where it would be.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .guard_frames import FrameError, read_bytes, read_number, write_bytes, write_number

LARGEST_UPDATE = 512 * 1024
LARGEST_STATE = 64 * 1024
MOST_ENTRIES = 1000
MOST_CLIENTS = 64
"""For how many clients one connection may speak; a page has one for each room."""
MOST_HELD = 10_000

_NAMES = ("name", "display_name")
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|var\(--jp-collaborator-color\d{1,2}\)|(rgb|hsl)\([0-9 ,.%]{1,40}\)")


@dataclass(frozen=True)
class Entry:
    """What an update says of one client; a state of None says that it is gone."""

    client: int
    clock: int
    state: dict[str, Any] | None


@dataclass
class Speaker:
    """One connection of a room.

    Attributes
    ----------
    identity : mapping
        Who it is.
    holders : dict
        The room's, for all its connections: whose each client is, also after its connection went.
    names : frozenset
        Further names of this person, which are no forgery.
    clients : set
        The clients that this one introduced.
    """

    identity: Mapping[str, Any]
    holders: OrderedDict[int, str]
    names: frozenset[str] = frozenset()
    clients: set[int] = field(default_factory=set)

    def introduce(self, client: int) -> None:
        """Speak for a client from now on."""
        self.clients.add(client)
        self.holders[client] = self.identity["username"]
        while len(self.holders) > MOST_HELD:
            self.holders.popitem(last=False)


@dataclass
class Verdict:
    """What of an update goes on to the room, and why the rest does not."""

    entries: list[Entry]
    refused: list[str]


def parse(payload: bytes) -> list[Entry]:
    """Read an awareness update.

    Raises
    ------
    FrameError
        If it is malformed or too large.
    """
    if len(payload) > LARGEST_UPDATE:
        raise FrameError(f"An update of presence has at most {LARGEST_UPDATE} bytes.")
    count, at = read_number(payload, 0)
    if count > MOST_ENTRIES:
        raise FrameError(f"An update of presence tells of at most {MOST_ENTRIES} clients.")
    entries = []
    for _ in range(count):
        client, at = read_number(payload, at)
        clock, at = read_number(payload, at)
        text, at = read_bytes(payload, at)
        try:
            state = json.loads(text.decode("utf-8"), parse_constant=_no_json) if text else None
        except (ValueError, RecursionError) as error:
            raise FrameError("A state of presence is no JSON.") from error
        if state is not None and not isinstance(state, dict):
            raise FrameError("A state of presence must be an object.")
        entries.append(Entry(client, clock, state))
    if at != len(payload):
        raise FrameError("An update of presence goes on after its end.")
    return entries


def dump(entries: list[Entry]) -> bytes:
    """Write an awareness update."""
    parts = [write_number(len(entries))]
    for entry in entries:
        # ASCII alone: some readers count characters where others count bytes
        text = json.dumps(entry.state, separators=(",", ":")).encode("ascii")
        parts += [write_number(entry.client), write_number(entry.clock), write_bytes(text)]
    return b"".join(parts)


def examine(
    entries: list[Entry],
    speaker: Speaker,
    states: Mapping[int, Any],
    meta: Mapping[int, Mapping[str, Any]],
    server: int,
) -> Verdict:
    """Decide what a connection may say of presence, and put its identity into it.

    Parameters
    ----------
    entries : list of Entry
        The update.
    speaker : Speaker
        The connection; clients that it introduces are added to it.
    states, meta : mapping
        What the room knows of each client: its state, and ``clock``.
    server : int
        The room's own client.
    """
    mine = speaker.identity["username"]
    passed: list[Entry] = []
    refused: list[str] = []
    for entry in entries:
        client = entry.client
        known_clock = int(meta.get(client, {}).get("clock", -1))
        if client not in speaker.clients:
            holder, held = speaker.holders.get(client), states.get(client)
            foreign = client == server or holder not in (None, mine)
            # a page that comes back speaks for the client that it was, perhaps before its old connection is gone
            returned = not foreign and (holder == mine or _name_in(held) == mine)
            if foreign or (held is not None and not returned) or (entry.clock <= known_clock and not returned):
                if entry.state is not None and entry.clock > known_clock and entry.state != held:
                    refused.append("It spoke for a client of somebody else.")
                continue
            if entry.state is None and not returned:
                continue
            if len(speaker.clients) >= MOST_CLIENTS:
                refused.append(f"It spoke for more than {MOST_CLIENTS} clients.")
                continue
            speaker.introduce(client)
        if entry.state is None:
            passed.append(entry)
            continue
        if len(json.dumps(entry.state)) > LARGEST_STATE:
            refused.append(f"A state of presence has at most {LARGEST_STATE} bytes.")
            continue
        given = entry.state.get("user")
        if forged(given, speaker):
            refused.append("It gave another's name as its own.")
        if "user" in entry.state:
            entry = Entry(client, entry.clock, {**entry.state, "user": stamped(given, speaker.identity)})
        passed.append(entry)
    return Verdict(passed, refused)


def forged(given: Any, speaker: Speaker) -> bool:
    """Return whether a state's ``user`` names somebody else."""
    if given is None:
        return False
    if not isinstance(given, dict):
        return True
    if given.get("username") not in (None, "", speaker.identity["username"]):
        return True
    own = {None, "", speaker.identity["name"], speaker.identity["username"], *speaker.names}
    return any(not isinstance(given.get(name), str | None) or given.get(name) not in own for name in _NAMES)


def stamped(given: Any, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``user`` of a state as the server knows it; only a colour may be the page's own."""
    color = identity.get("color")
    chosen = given.get("color") if isinstance(given, dict) else None
    if not color and isinstance(chosen, str) and _COLOR.fullmatch(chosen):
        color = chosen
    return {**identity, "color": color}


def _no_json(word: str) -> Any:
    # Python reads NaN, and the other people's browsers fail at it
    raise ValueError(word)


def _name_in(state: Any) -> Any:
    user = state.get("user") if isinstance(state, dict) else None
    return user.get("username") if isinstance(user, dict) else None
