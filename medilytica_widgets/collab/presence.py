"""Who is here and where they look: the room's awareness, read with care.

What others send about themselves may be forged, so it is shown and never used as an identity. Everything is checked
for type and size, and what was not renewed for half a minute is dropped.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from pycrdt import Decoder, Encoder

from ..errors import WorkspaceError

log = logging.getLogger(__name__)

STALE_SECONDS = 30.0
"""How long a page that says nothing counts as here; Jupyter's own clients renew every 15 seconds."""
RENEW_SECONDS = 10.0
MOST_PAGES = 500
"""How many pages are kept; a room with more shows the first ones."""
MAX_STATE = 16 * 1024
"""The most characters that one page may say about itself."""
MAX_MESSAGE = 1024 * 1024
MAX_TEXT = 200
USER_FIELDS = ("username", "name", "display_name", "initials", "avatar_url", "color")
PLACE_TEXTS = ("experiment", "widget", "field", "layer", "chart")
PLACE_NUMBERS = ("row", "epoch", "at")
MAX_AVATAR = 2000


@dataclass(frozen=True)
class Place:
    """Where one page of a person is; a field is None where nothing was said.

    ``at`` is the time on that person's clock, in seconds since 1970, at which they came there.
    """

    experiment: str | None = None
    widget: str | None = None
    field: str | None = None
    layer: str | None = None
    row: int | None = None
    chart: str | None = None
    epoch: int | None = None
    at: float | None = None


@dataclass(frozen=True)
class Person:
    """One person as the room sees them, with all their pages.

    ``id`` is the name that the pages claim; it is no proof of anything. ``me`` marks this process's own user.
    """

    id: str
    name: str
    initials: str
    color: str
    avatar_url: str | None
    me: bool
    places: tuple[Place, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def _text(value: Any, limit: int = MAX_TEXT) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= limit and value.isprintable() else None


def read_user(value: Any) -> dict[str, str]:
    """Return what can be shown of the field ``user``; what is of a wrong type or too long is left out."""
    if not isinstance(value, dict):
        return {}
    found = {name: _text(value.get(name), MAX_AVATAR if name == "avatar_url" else MAX_TEXT) for name in USER_FIELDS}
    avatar = found["avatar_url"]
    if avatar is not None and not avatar.startswith(("http://", "https://", "/", "data:image/")):
        found["avatar_url"] = None
    return {name: text for name, text in found.items() if text is not None}


def read_place(value: Any) -> Place:
    """Return what can be shown of the field ``medilytica``; what is of a wrong type or too large is left out."""
    if not isinstance(value, dict):
        return Place()
    found: dict[str, Any] = {name: _text(value.get(name)) for name in PLACE_TEXTS}
    for name in PLACE_NUMBERS:
        number = value.get(name)
        # a page's numbers are floats; NaN fails the comparison
        if isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < 2**53:
            found[name] = float(number) if name == "at" else int(number)
    return Place(**found)


@dataclass
class _Page:
    clock: int
    state: dict[str, Any] | None
    seen: float
    user: dict[str, str] = field(default_factory=dict)
    place: Place = field(default_factory=Place)


class Presence:
    """The awareness of one room, for one page: this process. Any thread may use it.

    Parameters
    ----------
    client : int
        The document's client id, as Jupyter's own clients use it.
    send : callable
        Called with the bytes to send whenever the own state changed.
    """

    def __init__(self, client: int, send: Callable[[bytes], None]) -> None:
        self.client = client
        self._send = send
        self._lock = threading.Lock()
        self._pages: dict[int, _Page] = {client: _Page(0, {}, time.monotonic())}
        self._callbacks: list[Callable[[list[Person]], None]] = []
        self._told: list[Person] = []

    # -- the own state -----------------------------------------------------------

    @property
    def local(self) -> dict[str, Any]:
        """The own state, a copy."""
        with self._lock:
            return dict(self._pages[self.client].state or {})

    def set_local(self, name: str, value: Any) -> None:
        """Set one field of the own state (None takes it away) and tell the others.

        Raises
        ------
        WorkspaceError
            If it cannot be sent as JSON, or the state grows too large.
        """
        with self._lock:
            page = self._pages[self.client]
            state = {key: old for key, old in (page.state or {}).items() if key != name}
            if value is not None:
                state[name] = value
            try:
                text = json.dumps(state, allow_nan=False)
            except (TypeError, ValueError) as error:
                raise WorkspaceError(f"The field {name!r} of the presence cannot be sent as JSON: {error}.") from None
            if len(text) > MAX_STATE:
                raise WorkspaceError(f"The presence has {len(text)} characters; at most {MAX_STATE} are sent.")
            page.state = json.loads(text)
            page.user, page.place = read_user(state.get("user")), read_place(state.get("medilytica"))
        self.renew()

    def renew(self) -> None:
        """Tell the others that this page is still here."""
        with self._lock:
            page = self._pages[self.client]
            page.clock += 1
            page.seen = time.monotonic()
        self._send(self.encode())
        self._notify()

    def encode(self, *, leaving: bool = False) -> bytes:
        """Return the own state as an awareness update; with ``leaving`` one that says goodbye."""
        with self._lock:
            page = self._pages[self.client]
            if leaving:
                page.clock += 1
            encoder = Encoder()
            for number in (1, self.client, page.clock):
                encoder.write_var_uint(number)
            encoder.write_var_string("null" if leaving else json.dumps(page.state, separators=(",", ":")))
            return encoder.to_bytes()

    # -- the others --------------------------------------------------------------

    def receive(self, update: bytes) -> None:
        """Take in what another page said; what is malformed is dropped."""
        if len(update) > MAX_MESSAGE:
            return
        echo = False
        try:
            decoder = Decoder(update)
            for _ in range(min(decoder.read_var_uint(), MOST_PAGES)):
                client, clock = decoder.read_var_uint(), decoder.read_var_uint()
                text = decoder.read_var_string()
                echo |= self._take(client, clock, text)
        except Exception:
            # whatever the bytes were, they were no awareness
            log.debug("A malformed awareness message was dropped.", exc_info=True)
        if echo:
            self.renew()
        else:
            self._notify()

    def _take(self, client: int, clock: int, text: str) -> bool:
        """Keep one page's state. Returns whether someone speaks for this page, which must then say it is here."""
        if len(text) > MAX_STATE:
            return False
        state = json.loads(text) if text else None
        if state is not None and not isinstance(state, dict):
            return False
        with self._lock:
            old = self._pages.get(client)
            if client == self.client:
                assert old is not None
                if clock <= old.clock:
                    return False
                # clocks are kept below what JavaScript counts exactly
                old.clock = min(clock, 2**52)
                return True
            if old is None and (state is None or len(self._pages) >= MOST_PAGES):
                return False
            if old is not None and (clock < old.clock or (clock == old.clock and state is not None)):
                return False
            page = _Page(clock, state, time.monotonic())
            if state is not None:
                page.user, page.place = read_user(state.get("user")), read_place(state.get("medilytica"))
            self._pages[client] = page
        return False

    def drop_stale(self) -> None:
        """Forget the pages that were not renewed."""
        with self._lock:
            old = time.monotonic() - STALE_SECONDS
            for client in [c for c, page in self._pages.items() if page.seen < old and c != self.client]:
                del self._pages[client]
        self._notify()

    def forget_others(self) -> None:
        """Forget everybody else: the connection is gone, and nobody knows."""
        with self._lock:
            self._pages = {self.client: self._pages[self.client]}
        self._notify()

    # -- people ------------------------------------------------------------------

    def people(self) -> list[Person]:
        """Return who is here, one entry for each person however many pages they have; oneself first."""
        with self._lock:
            pages = [(client, page) for client, page in self._pages.items() if page.state is not None]
        groups: dict[str, list[tuple[int, _Page]]] = {}
        for client, page in pages:
            name = page.user.get("username") or page.user.get("name")
            # the room itself has a state without a user; it is nobody
            if name is not None:
                groups.setdefault(name, []).append((client, page))
        found = [_person(name, group, self.client) for name, group in groups.items()]
        return sorted(found, key=lambda person: (not person.me, person.name.lower(), person.id))

    def on_people(self, callback: Callable[[list[Person]], None]) -> Callable[[], None]:
        """Call back with the people whenever they or their places change. Returns what ends it."""
        with self._lock:
            self._callbacks.append(callback)

        def stop() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return stop

    def _notify(self) -> None:
        with self._lock:
            callbacks = list(self._callbacks)
        if not callbacks:
            return
        people = self.people()
        with self._lock:
            if people == self._told:
                return
            self._told = people
        for callback in callbacks:
            try:
                callback(people)
            except Exception:
                log.exception("A callback for presence failed.")


def _person(name: str, group: list[tuple[int, _Page]], me: int) -> Person:
    # what the newest page says holds
    pages = sorted(group, key=lambda item: item[1].seen)
    user: dict[str, str] = {}
    for _, page in pages:
        user |= page.user
    shown = user.get("display_name") or user.get("name") or name
    initials = user.get("initials") or "".join(word[0] for word in shown.split()[:2]).upper()
    places = tuple(page.place for _, page in reversed(pages) if page.place != Place())
    return Person(
        name, shown, initials, user.get("color", ""), user.get("avatar_url"), any(c == me for c, _ in group), places
    )
