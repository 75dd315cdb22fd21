"""The audit log's lines about what happens many times a second: the first at once, the rest counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.ioloop import IOLoop

if TYPE_CHECKING:
    from jupyter_server.auth import User

    from .audit import AuditLog

WINDOW = 5.0
"""Seconds in which what repeats is only counted."""

MOST_KINDS = 200
"""Different lines a person may cause in a window; what goes beyond is counted together."""

_Key = tuple[str, str, str, str]


class Tally:
    """Writes to the audit log from the server's loop.

    Parameters
    ----------
    audit : AuditLog
        Where the lines go.
    window : float
        Seconds.
    """

    def __init__(self, audit: AuditLog, window: float = WINDOW) -> None:
        self.audit = audit
        self.window = window
        self._counts: dict[_Key, int] = {}
        self._kinds: dict[str, int] = {}

    def accepted(self, user: User | None, action: str, object: str) -> None:
        """Count a change that was let through."""
        self._count("accepted", user, action, object, "")

    def refused(self, user: User | None, action: str, object: str, reason: str) -> None:
        """Count something that was not."""
        self._count("refused", user, action, object, reason)

    def _count(self, outcome: str, user: User | None, action: str, object: str, reason: str) -> None:
        name = "" if user is None else user.username
        key = (outcome, name, action[:200], object[:500])
        if key not in self._counts and self._kinds.get(name, 0) >= MOST_KINDS:
            key = (outcome, name, "many", "")
        if key in self._counts:
            self._counts[key] += 1
            return
        self._counts[key] = 0
        self._kinds[name] = self._kinds.get(name, 0) + 1
        self._write(key, user, reason, 1)
        IOLoop.current().call_later(self.window, self._settle, key, user, reason)

    def _settle(self, key: _Key, user: User | None, reason: str) -> None:
        again = self._counts.pop(key)
        self._kinds[key[1]] -= 1
        if not self._kinds[key[1]]:
            del self._kinds[key[1]]
        if again:
            self._write(key, user, reason, again)

    def _write(self, key: _Key, user: User | None, reason: str, times: int) -> None:
        outcome, _, action, object = key
        if outcome == "refused":
            told = reason if times == 1 else f"{reason} ({times} times)"
            self.audit.refused(user, action, object, told)
        else:
            after: Any = None if times == 1 else {"times": times}
            self.audit.accepted(user, action, object, after=after)
