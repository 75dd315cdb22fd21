"""Roles and people as the sharing book knows them, and what a name may look like."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ..errors import InputError

GUEST = "guest-"
"""What the user names of invited people begin with; the server makes them, nobody chooses them."""

GUEST_ID = re.compile(GUEST + "[0-9a-f]{16}")

LONGEST_ID = 200
LONGEST_NAME = 60
MOST_PEOPLE = 1000


class Role(StrEnum):
    """What a person may do: everything, everything but sharing, or look."""

    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class RoleError(InputError):
    """A role, name or other word given for a person is wrong; nothing was changed."""


@dataclass(frozen=True)
class Person:
    """One line of the sharing book.

    Attributes
    ----------
    id : str
        The user name that jupyter_server verifies.
    name : str
        What people call the person.
    role : Role
    kind : str
        ``guest`` for somebody who came by an invitation, ``person`` for somebody whom the server knows otherwise.
    added : str
        When, in ISO 8601.
    by : str
        The user name of who gave the role.
    """

    id: str
    name: str
    role: Role
    kind: str = "person"
    added: str = ""
    by: str = ""
    initials: str = ""
    color: str = ""


def now() -> str:
    """Return the time as it is written in the book."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def role_named(role: Role | str) -> Role:
    """Return the role of that name, or raise `RoleError` naming those there are."""
    try:
        return Role(role)
    except ValueError:
        raise RoleError(f"There is no role {str(role)[:40]!r}. Known: {', '.join(Role)}.") from None


def user_id(name: object) -> str:
    """Return a user name that may stand in the book, or raise `RoleError`."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID or not name.isprintable() or name != name.strip():
        raise RoleError(f"A user name is a word of 1 to {LONGEST_ID} printable characters.")
    return name


def person_name(name: object) -> str:
    """Return a person's name with its blanks put right, or raise `RoleError`.

    Characters that turn the direction of writing or cannot be seen are refused: they serve to look like another.
    """
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise RoleError(f"A name has 1 to {LONGEST_NAME} characters that can be seen.")
    return text


def with_article(role: Role | None) -> str:
    """Return a role as it stands in a sentence."""
    return "nobody here" if role is None else f"an {role}" if role is Role.EDITOR else f"a {role}"


def entry_of(name: str, role: Role, kind: str, by: str) -> dict[str, str]:
    """Return a new line of the book."""
    return {"name": name, "role": role.value, "kind": kind, "added": now(), "by": by}


def owners_of(book: dict[str, Any]) -> list[str]:
    """Return the user names of a book's owners."""
    return [name for name, entry in book["people"].items() if entry["role"] == Role.OWNER]


def person_of(name: str, entry: dict[str, Any]) -> Person:
    """Return a line of the book as a `Person`."""
    texts = {field: str(entry.get(field, "")) for field in ("name", "kind", "added", "by", "initials", "color")}
    return Person(id=name, role=Role(entry["role"]), **texts)
