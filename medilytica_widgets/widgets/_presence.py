"""Who is where in the widgets of this kernel, told to every page by one hidden model.

Presence is kept by the page that sends it and by nobody's disk: a page that says nothing for a while has gone.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from psygnal import Signal

from ..acting import Person

FADES_SECONDS = 45.0
"""A page is forgotten after so long without a word; pages speak every 15 seconds."""
MOST = 100
_LONGEST_PLACE = 200
_LONGEST_NAME = 80
_COLOR = re.compile(r"#[0-9a-fA-F]{3,8}|var\(--jp-collaborator-color[1-7]\)")


@dataclass(frozen=True)
class Presence:
    """One page of a person.

    Attributes
    ----------
    page : str
        The page's own id.
    person : Person
        Verified by the server where ``verified``, else as the page claims.
    color : str
        A colour in CSS; empty where none was given.
    subject, place : str
        What the widget shows (see `subject_of`) and a place within it; empty for nothing in particular.
    seen : float
        When it was heard of last, on the monotonic clock.
    """

    page: str
    person: Person
    verified: bool
    color: str
    subject: str
    place: str
    seen: float

    def told(self) -> dict[str, Any]:
        """Return what other pages draw."""
        return {
            "page": self.page,
            "id": self.person.id,
            "name": self.person.name,
            "color": self.color,
            "subject": self.subject,
            "place": self.place,
        }


class PresenceHub:
    """The pages of one kernel; safe for threads.

    Attributes
    ----------
    changed : Signal
        Emits when what is to be shown differs.
    """

    changed = Signal()

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pages: dict[str, Presence] = {}

    def at(self, page: str, person: Person | None, subject: str, body: dict[str, Any]) -> None:
        """Take in what a page says of itself."""
        with self._lock:
            before = self._shown()
            if body["gone"]:
                self._pages.pop(page, None)
            else:
                color = body["color"] if _COLOR.fullmatch(body["color"]) else ""
                claimed = " ".join(body["name"].split())[:_LONGEST_NAME] or "Somebody"
                who = person or Person(f"page-{page}", claimed)
                place = body["place"][:_LONGEST_PLACE]
                self._pages[page] = Presence(
                    page, who, person is not None, color, subject if place else "", place, self._clock()
                )
            self._forget()
            after = self._shown()
        if before != after:
            self.changed.emit()

    def people(self) -> list[dict[str, Any]]:
        """Return every page that was heard of lately, in the plain form that crosses the wire."""
        with self._lock:
            self._forget()
            return self._shown()

    def is_here(self, person: Person) -> bool:
        """Whether a verified person has a page open."""
        with self._lock:
            self._forget()
            return any(one.verified and one.person.id == person.id for one in self._pages.values())

    def sweep(self) -> None:
        """Forget pages that went away without a word, and tell if any did."""
        with self._lock:
            n = len(self._pages)
            self._forget()
            gone = len(self._pages) < n
        if gone:
            self.changed.emit()

    def _shown(self) -> list[dict[str, Any]]:
        return [one.told() for one in self._pages.values()]

    def _forget(self) -> None:
        old = self._clock() - FADES_SECONDS
        for page in [page for page, one in self._pages.items() if one.seen < old]:
            del self._pages[page]
        while len(self._pages) > MOST:
            del self._pages[min(self._pages, key=lambda page: self._pages[page].seen)]


HUB = PresenceHub()

_subjects: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
_naming = threading.Lock()


def subject_of(shown: Any) -> str:
    """Return a short name for what a widget shows, the same in all widgets that show it."""
    with _naming:
        return _subjects.setdefault(shown, uuid.uuid4().hex[:12])


class Sweeper:
    """Tells of pages that went away without a word, while there are any to tell of."""

    def __init__(self, hub: PresenceHub) -> None:
        self._hub = hub
        self._timer: threading.Timer | None = None
        self._lock = threading.Lock()
        hub.changed.connect(self.soon)

    def soon(self) -> None:
        """Look again a little after the next page could have faded."""
        with self._lock:
            if self._timer is not None or not self._hub.people():
                return
            self._timer = threading.Timer(FADES_SECONDS + 1, self._look)
            self._timer.daemon = True
            self._timer.name = "medilytica-presence"
            with contextlib.suppress(RuntimeError):  # the interpreter is ending
                self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
        self._hub.sweep()
        self.soon()
