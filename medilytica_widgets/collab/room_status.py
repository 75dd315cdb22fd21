"""How a room is doing, and what to tell a person when it is not."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass

from ..errors import StateError


class RoomError(StateError):
    """The room of a shared document cannot be used now; the message says why and what to do."""


class Refused(Exception):
    """The server answered, and not with what was asked for; the sentence says what to do."""

    def __init__(self, sentence: str, status: int = 0, *, role: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.role = role


@dataclass(frozen=True)
class RoomStatus:
    """How a room is doing.

    Attributes
    ----------
    connected : bool
        Whether the server is reached now.
    synced : bool
        Whether what the server had was merged since.
    unsaved : int
        How many local changes are not yet known to be stored.
    error : str
        What is wrong and what to do, or an empty string.
    writable : bool
        False once the server refused changes: nothing that is changed here reaches anybody.
    durable : bool or None
        Whether this server says what it has stored; None before it was asked. A server without this package's
        extension does not: its ``unsaved`` counts what the server has not yet received.
    path : str
        The file's path on the server now; it follows a renaming.
    """

    connected: bool = False
    synced: bool = False
    unsaved: int = 0
    error: str = ""
    writable: bool = True
    durable: bool | None = None
    path: str = ""


def refusal(status: int, path: str, *, known: bool = True) -> Refused:
    """Return the sentence for an HTTP status that is no success.

    ``known`` says whether the server accepts the token at all.
    """
    if status in (401, 403) and not known:
        return Refused(
            "The server does not accept this token. Restart the kernel, or give Workspace the server's present token.",
            status,
        )
    if status in (401, 403):
        return Refused(
            f"Your role on this server does not allow this for {path!r}. Ask an owner for the role of an editor.",
            status,
            role=True,
        )
    if status == 404:
        return Refused(f"The server has no file {path!r}. It was deleted, moved or never made: restore it.", status)
    if status == 413:
        return Refused(f"The server refuses a message of this size for {path!r}. Make smaller changes.", status)
    if status == 429:
        return Refused("The server asks to slow down; the room tries again by itself.", status)
    return Refused(f"The server answered with the status {status}; the room tries again by itself.", status)


def closing(code: int, reason: str, path: str) -> Refused:
    """Return the sentence for the code with which the server closed the room's connection."""
    if code == 4404:
        return refusal(404, path)
    if code == 4400:
        return Refused(f"The server cannot read {path!r}: it is no text file of this kind, or it is damaged.", code)
    if code == 1008:
        return refusal(403, path)
    try:
        told = json.loads(reason)
    except ValueError:
        told = None
    if isinstance(told, dict) and told.get("reason") == "initialization_error":
        why = str(told.get("errorReason", ""))[:300]
        return Refused(f"The server cannot open {path!r}: {why or 'its document is damaged'}.", code)
    if isinstance(told, dict) and told.get("reason") in ("version_mismatch", "unknown_session"):
        return Refused("The server was exchanged for another version; the room opens anew by itself.", code)
    return Refused(f"The server closed the room (code {code}); it is opened again by itself.", code)


def unreachable(url: str, error: BaseException) -> str:
    """Return the sentence for a server that cannot be reached."""
    if isinstance(error, TimeoutError | socket.timeout) or "Timeout" in type(error).__name__:
        return f"The server {url} does not answer. Changes are kept and sent when it does."
    return f"The server {url} is not reached. Changes are kept and sent when it is back."
