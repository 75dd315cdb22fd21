"""What the hooks of one server share: who may do what now, which sockets are open, and why sharing cannot be kept.

Roles are asked for anew at every request and every message, so a change counts at once; sockets that a person may
hold no longer are closed by `Guard.enforce`.
"""

from __future__ import annotations

import logging
import weakref
from collections import OrderedDict
from typing import Any

from jupyter_server.auth import User
from tornado.ioloop import IOLoop, PeriodicCallback

from . import metrics
from .audit import AuditLog
from .guard_tally import Tally
from .kernel_user import KernelUser
from .limits import RateLimit
from .parts import waiting
from .people import Role
from .roles import Sharing

LOOK_SECONDS = 2.0
"""How often the book is looked at for changes that another process made."""

CLOSED_NO_ROLE = 4403
CLOSED_CHANGED = 4408
CLOSED_TOO_FAST = 4429
"""Codes with which a socket is closed: its person has no role any more; it must be opened again under the new rules;
its messages came too fast."""

MESSAGES_A_SECOND = 100
MESSAGES_AT_ONCE = 2000
"""How many messages a person may send over all sockets, in the long run and at once."""

WRITERS = (Role.OWNER, Role.EDITOR)
MOST_CLIENTS = 20_000

log = logging.getLogger(__name__)


class Guard:
    """Asked by every hook of one server.

    Parameters
    ----------
    sharing : Sharing
        The roles.
    audit : AuditLog
        Where refusals and changes are written.

    Attributes
    ----------
    problems : list of str
        Why roles cannot be kept on this server; while there is one, everybody is refused where sharing is on.
    holders : mapping
        For each room, whose each client of presence is.
    """

    def __init__(self, sharing: Sharing, audit: AuditLog) -> None:
        self.sharing = sharing
        self.audit = audit
        self.tally = Tally(audit)
        self.problems: list[str] = []
        self.holders: weakref.WeakKeyDictionary[Any, OrderedDict[int, str]] = weakref.WeakKeyDictionary()
        self._sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self._clients: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._subshells: dict[tuple[str, str], set[str]] = {}
        self._messages = RateLimit(MESSAGES_A_SECOND, MESSAGES_AT_ONCE)
        self._loop: IOLoop | None = None
        self._looking: PeriodicCallback | None = None
        sharing.observe(self._changed)

    # -- who ---------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        """Whether roles count now."""
        return self.sharing.enabled

    def free(self, user: Any) -> bool:
        """Return whether roles do not count for this user: sharing is off, and it is nobody who came by invitation."""
        return not self.enabled and not (isinstance(user, User) and self.sharing.is_guest(user))

    def role(self, user: Any) -> Role | None:
        """Return the role of an authenticated user; None for nobody, and for everybody where roles cannot be kept."""
        if self.problems and self.enabled:
            return None
        return self.sharing.role_of(user) if isinstance(user, User) else None

    def why(self, user: Any) -> str:
        """Return the sentence for a person who has no role."""
        if self.problems and self.enabled:
            return f"Sharing is on, and this server cannot keep roles: {self.problems[0]}"
        return self.sharing.why(user if isinstance(user, User) else None) or "You have no role here."

    def name(self, user: User) -> str:
        """Return what people call somebody: a guest's name comes from the book, as his cookie's he may change."""
        known = self.sharing.person(user.username)
        if known is not None and known.name != user.username:
            return known.name
        return user.display_name or user.name or user.username

    def identity(self, user: User) -> dict[str, Any]:
        """Return what presence shows of a person."""
        name = self.name(user)
        return {
            "username": user.username,
            "name": name,
            "display_name": name,
            "initials": user.initials,
            "avatar_url": user.avatar_url,
            "color": user.color,
        }

    def stamp(self, user: User) -> dict[str, Any]:
        """Return what the server vouches for in a kernel message: who sent it."""
        role = self.role(user)
        return {"username": user.username, "name": self.name(user), "role": None if role is None else role.value}

    def speaks_for(self, kernel: str, client: str, user: User) -> bool:
        """Return whether a view of a kernel's widgets is this person's; the first who uses its id has it."""
        holder = self._clients.setdefault((kernel, client), user.username)
        while len(self._clients) > MOST_CLIENTS:
            self._clients.popitem(last=False)
        return holder == user.username

    def subshells(self, kernel: str, user: User) -> set[str]:
        """Return the subshells that somebody asked a kernel for."""
        return self._subshells.setdefault((kernel, user.username), set())

    def too_fast(self, handler: Any, user: User, cost: float = 1.0) -> bool:
        """Count a message over a socket; close the socket, and say for how long, where they come too fast."""
        # the kernels of a server are one user, and what runs in them is an editor's
        wait = 0.0 if isinstance(user, KernelUser) else self._messages.take(user.username, cost)
        if wait:
            seconds = waiting(wait)
            metrics.LIMITED.labels(what="messages").inc()
            self.tally.refused(user, "socket.messages", handler.request.path, "Messages came too fast.")
            self.close(handler, CLOSED_TOO_FAST, f"That was too fast. Wait {seconds} seconds.")
        return bool(wait)

    # -- sockets -----------------------------------------------------------------

    def watch(self, handler: Any) -> None:
        """Remember a socket that is being opened, to close it when its person's role no longer allows it."""
        self._sockets.add(handler)
        weakref.finalize(handler, metrics.connections.closed, id(handler))

    def start(self) -> None:
        """Begin to look for changes of the book; on the server's loop."""
        self._loop = IOLoop.current()
        self._looking = PeriodicCallback(self._look, LOOK_SECONDS * 1000)
        self._looking.start()

    def enforce(self) -> None:
        """Close every socket that would not be opened again as it is."""
        from .guard_http import is_guarded, may_open

        for handler in list(self._sockets):
            user = getattr(handler, "_jupyter_current_user", None)
            connection = getattr(handler, "ws_connection", None)
            if connection is None:
                metrics.connections.closed(id(handler))
                continue
            role = self.role(user)
            if role is None and not self.free(user):
                self.close(handler, CLOSED_NO_ROLE, self.why(user))
            elif self.enabled and role and not (is_guarded(handler) and may_open(handler, role)):
                self.close(handler, CLOSED_CHANGED, "What you may do here has changed.")
            elif isinstance(user, User) and role is not None:
                metrics.connections.opened(id(handler), user.username, role.value)

    def close(self, handler: Any, code: int, reason: str) -> None:
        """Close a socket; a reason has at most 123 bytes."""
        metrics.connections.closed(id(handler))
        try:
            handler.close(code, reason.encode("utf-8")[:120].decode("utf-8", "ignore"))
        except Exception:
            log.exception("medilytica: a socket could not be closed")

    def _changed(self) -> None:
        # the book may be changed in any thread
        if self._loop is not None:
            self._loop.add_callback(self.enforce)

    def _look(self) -> None:
        try:
            self.sharing.refresh()
            if self.enabled or self._sockets:
                self.enforce()
        except Exception:
            log.exception("medilytica: the roles could not be looked at")
