"""Who is acting: the person whose wish is being carried out, as the server that passed it on has verified.

It travels with the thread of execution (`contextvars`), so that an edit deep in the façade knows its author without
every function in between being told.
"""

from __future__ import annotations

import contextlib
import getpass
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

__all__ = ["STAMP", "Person", "acting", "acting_person", "local_person", "person_of"]

STAMP = "medilytica_user"
"""The field of a kernel message's metadata in which the server writes who sent it."""
_LONGEST = 200

_acting: ContextVar[Person | None] = ContextVar("medilytica_acting", default=None)


@dataclass(frozen=True)
class Person:
    """Somebody who edits.

    Attributes
    ----------
    id : str
        The server's name of the user, or the operating system's where no server verified anybody.
    name : str
        What people read.
    """

    id: str
    name: str


@contextlib.contextmanager
def acting(person: Person | None) -> Iterator[None]:
    """Carry out what follows in the name of a person; None leaves it as it is."""
    token = _acting.set(person if person is not None else _acting.get())
    try:
        yield
    finally:
        _acting.reset(token)


def acting_person() -> Person | None:
    """Return in whose name the code runs; None where nobody asked for it by a widget."""
    return _acting.get()


def local_person() -> Person:
    """Return whom the operating system says this process belongs to."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        # a container's user may have a number only
        name = "kernel"
    return Person(name, name)


def person_of(metadata: Any) -> Person | None:
    """Return whom the server wrote into a message's metadata; None where it wrote nobody."""
    told = metadata.get(STAMP) if isinstance(metadata, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    username, name = told.get("username"), told.get("name")
    if not isinstance(username, str) or not username:
        return None
    readable = name if isinstance(name, str) and name.strip() else username
    return Person(username[:_LONGEST], readable[:_LONGEST])
