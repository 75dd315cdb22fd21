"""What Prometheus reads from the server's own ``/metrics``: people, rooms, messages, refusals.

The numbers live in prometheus_client's default registry, as jupyter_server's do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from prometheus_client import Counter, Gauge

PEOPLE = Gauge("medilytica_people_connected", "People with at least one open connection", ["role"])
ROOMS = Gauge("medilytica_rooms", "Rooms of shared documents that are open")
MESSAGES = Counter("medilytica_messages", "Messages that passed the guard, by where they went", ["kind"])
REFUSALS = Counter("medilytica_refusals", "What was refused, by action", ["action"])
CHANGES = Counter("medilytica_changes", "Changes written to the audit log, by action", ["action"])
JOINED = Counter("medilytica_invitations_used", "People who came by an invitation", ["role"])
LIMITED = Counter("medilytica_rate_limited", "Requests that came too fast, by what they asked", ["what"])

TRAININGS = Gauge("medilytica_trainings_running", "Runs that processes of this account train, paused ones too")

ROLES = ("owner", "editor", "viewer", "none")
MOST_ACTIONS = 64


class Connections:
    """Counts people, not connections: somebody with three tabs is one person."""

    def __init__(self) -> None:
        self._open: dict[Any, tuple[str, str]] = {}
        self._mutex = threading.Lock()
        for role in ROLES:
            PEOPLE.labels(role=role).set_function(partial(self.count, role))

    def opened(self, connection: Any, user: str, role: str | None) -> None:
        """Count a connection, or give one that is counted already its new role."""
        with self._mutex:
            self._open[connection] = (user, role or "none")

    def closed(self, connection: Any) -> None:
        """Count a connection no longer."""
        with self._mutex:
            self._open.pop(connection, None)

    def count(self, role: str | None = None) -> int:
        """Return how many people are connected, of one role or all."""
        with self._mutex:
            return len({user for user, held in self._open.values() if role in (None, held)})


connections = Connections()

_actions: set[str] = set()


def count_entry(entry: dict[str, Any]) -> None:
    """Count an entry of the audit log; see `AuditLog.observe`."""
    action = str(entry["action"])
    # a label is kept for ever, so that no stream of odd actions may fill the memory
    if action not in _actions and len(_actions) >= MOST_ACTIONS:
        action = "other"
    _actions.add(action)
    (REFUSALS if entry["outcome"] == "refused" else CHANGES).labels(action=action).inc()


def ask(gauge: Gauge, count: Callable[[], int]) -> None:
    """Let a gauge ask this function whenever it is read."""

    def safely() -> float:
        try:
            return float(count())
        except Exception:
            # a gauge that cannot be read must not take the server's other numbers with it
            return float("nan")

    gauge.set_function(safely)
