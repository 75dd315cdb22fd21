"""The trainer inside of a training process: it can say what is new since a client last heard of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ..errors import MedilyticaError
from .channel import Buffer, error_to_json, pack
from .predictors import Predictor
from .states import ENDED, Status
from .storage import store_predictor
from .trainer import Trainer

SHARE = 0.02
"""The part of the time that snapshots nobody asked for may take; they are there for the case that the process dies."""

UNASKED_SECONDS = 1.0
"""The least time between two of them."""


@dataclass
class Seen:
    """What a client knows, as cursors, and what it wishes."""

    statuses: int = 0
    rows: int = 0
    marks: int = 0
    notes: int = 0
    log: int = 0
    sheets: int = 0
    version: int = 0
    commands: int = 0
    state: dict[str, Any] = field(default_factory=dict)
    wanted: bool = False
    interest: bool = False
    next_unasked: float = 0.0


@dataclass(frozen=True)
class News:
    """A message for a client, if there is something to say, and whether it is the last one."""

    message: bytes | None
    last: bool


class ReportingTrainer(Trainer):
    """A `Trainer` that keeps the sequence of its statuses and packs what is new for each client.

    Parameters
    ----------
    *given, **more
        As `Trainer`.
    stir : callable
        Called on the training thread after each change of the status; must be quick.
    """

    def __init__(self, *given: Any, stir: Callable[[], None], **more: Any) -> None:
        super().__init__(*given, **more)
        self.statuses: list[Status] = []
        self._stir = stir
        self._packing = threading.Lock()
        self._packed: tuple[Predictor, dict[str, Any], bytes, float] | None = None

    def _to(self, status: Status) -> None:
        super()._to(status)
        self.statuses.append(status)
        self._stir()

    def wish(self) -> None:
        """Let a fresher snapshot be made."""
        self._wanted = True

    def news(self, seen: Seen, *, everything: bool = False) -> News:
        """Return what is new and move the client's cursors on.

        With ``everything`` the last snapshot is among it, whether the client wishes for it or not.
        """
        head: dict[str, Any] = {}
        buffers: dict[str, Buffer] = {}
        # first of all: what is read after it is at least as new, so that an end is told with all that led to it
        statuses = self.statuses[seen.statuses :]
        now = self.statuses[-1] if self.statuses else "queued"
        seen.statuses += len(statuses)
        self._add_rows(seen, head, buffers)
        marks, notes = self.marks[seen.marks :], self.notes[seen.notes :]
        if marks:
            head["marks"] = {"from": seen.marks, "items": [asdict(mark) for mark in marks]}
            seen.marks += len(marks)
        if notes:
            head["notes"] = {"from": seen.notes, "items": notes}
            seen.notes += len(notes)
        entries, total = self.log.read(seen.log, notices=False)
        if total > seen.log:
            head["log"] = {"items": [entry.to_json() for entry in entries], "total": total}
            seen.log = total
        sheets, seen.sheets = self.sheets.read(seen.sheets)
        if sheets:
            head["sheets"] = [sheet.to_json() for sheet in sheets]
        if everything or self._is_due(seen, now):
            self._add_predictor(seen, head, buffers)
        state = self._state_of_affairs()
        if state != seen.state:
            seen.state = state
            head["state"] = {**state, "seconds": self._clock.seconds}
        if statuses:
            head["statuses"] = statuses
        if now == "failed" and statuses and self._error is not None:
            head["error"] = error_to_json(self._error)
        return News(pack(head, buffers) if head else None, now in ENDED)

    def _add_rows(self, seen: Seen, head: dict[str, Any], buffers: dict[str, Buffer]) -> None:
        if len(self.telemetry) == seen.rows:
            return
        rows, end = self.telemetry.read(seen.rows)
        head["rows"] = {"from": seen.rows, "count": end - seen.rows, "columns": list(rows)}
        buffers["rows"] = np.stack(list(rows.values())).tobytes()
        seen.rows = end

    def _state_of_affairs(self) -> dict[str, Any]:
        (epoch, step), best, pace = self._position, self._best, self._clock.pace(self._position[0])
        return {
            "epoch": epoch,
            "step": step,
            "path": self._path,
            "device": self._device,
            "best": None if best is None else list(best),
            # the last digits change with every reading of the clock
            "pace": None if pace is None else float(f"{pace:.3g}"),
            "resting": self.status not in ("running", "queued"),
            "values": dict(self._values),
        }

    def _is_due(self, seen: Seen, now: Status) -> bool:
        if self._version == seen.version:
            return False
        if seen.version == 0 or seen.wanted or seen.interest or now == "paused" or now in ENDED:
            return True
        return time.perf_counter() >= seen.next_unasked

    def _add_predictor(self, seen: Seen, head: dict[str, Any], buffers: dict[str, Buffer]) -> None:
        # two clients may ask at once, and one answer does for both
        with self._packing:
            predictor = self._predictor
            if predictor is None:
                return
            if self._packed is None or self._packed[0] is not predictor:
                self._packed = (predictor, *_stored(predictor))
            _, told, content, seconds = self._packed
        head["predictor"] = told
        buffers["predictor"] = content
        seen.version, seen.wanted = predictor.version, False
        seen.next_unasked = time.perf_counter() + max(UNASKED_SECONDS, seconds / SHARE)


def _stored(predictor: Predictor) -> tuple[dict[str, Any], bytes, float]:
    """Return what is told of a predictor, its bytes, and how long they took to make."""
    started = time.perf_counter()
    told: dict[str, Any] = {"version": predictor.version}
    content = b""
    try:
        kind, content, facts = store_predictor(predictor)
        told |= {"kind": kind, "facts": facts}
    except Exception as error:  # skops raises what it likes for an estimator of someone else
        reason = error.message if isinstance(error, MedilyticaError) else f"{type(error).__name__}: {error}"
        told["problem"] = f"The model cannot leave its training process: {reason}"
    return told, content, time.perf_counter() - started


class FailedStart:
    """In the place of a trainer that could not be made: the one thing it says is why.

    Parameters
    ----------
    error : MedilyticaError
    """

    def __init__(self, error: MedilyticaError) -> None:
        self.error = error

    def news(self, seen: Seen, *, everything: bool = False) -> News:
        """Return the failure, once."""
        if seen.statuses:
            return News(None, True)
        seen.statuses = 2
        return News(pack({"statuses": ["running", "failed"], "error": error_to_json(self.error)}), True)
