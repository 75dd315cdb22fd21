"""The states of a run, the moves between them, and the commands that ask for a move."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import StateError

Status = Literal["queued", "running", "paused", "finished", "stopped", "failed"]
Unit = Literal["batch", "epoch"]

LEGAL: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "stopped"}),
    "running": frozenset({"paused", "finished", "stopped", "failed"}),
    "paused": frozenset({"running", "stopped", "failed"}),
    "finished": frozenset(),
    "stopped": frozenset(),
    "failed": frozenset(),
}
"""From each status, the ones that may follow."""

ENDED: frozenset[Status] = frozenset({"finished", "stopped", "failed"})
"""The statuses that nothing follows."""


def check_move(before: Status, after: Status) -> None:
    """Raise `StateError` if a run cannot go from one status to the other."""
    if after not in LEGAL[before]:
        raise StateError(f"A run that is {before} cannot become {after}.")


@dataclass(frozen=True)
class Command:
    """What a mailbox holds; see `medilytica_widgets.engine.Trainer` for what each does."""

    kind: Literal["pause", "resume", "stop", "step", "set"]
    unit: Unit = "epoch"
    name: str = ""
    value: Any = None
    author: str | None = None
