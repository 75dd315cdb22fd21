"""A trainer that trains nothing: it shows what another process tells of its run."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelFileError, TrainingError
from .channel import error_from_json
from .clock import Clock
from .log import LogEntry
from .predictors import Predictor
from .queue import queue
from .states import ENDED, LEGAL, Status
from .storage import restore_predictor
from .telemetry import Mark
from .trainer import Trainer
from .weight_sheet import WeightSheet


class MirrorClock(Clock):
    """Shows another process's clock; between two readings it goes on by itself."""

    def __init__(self, before: float = 0.0) -> None:
        super().__init__(before)
        self._pace: float | None = None

    def follow(self, seconds: float, running: bool, pace: float | None) -> None:
        """Take a reading over."""
        self._since = None
        self._before = seconds
        self._since = time.perf_counter() if running else None
        self._pace = pace

    def pace(self, epoch: float) -> float | None:
        """Return the pace that was told last."""
        return self._pace


class StoredModel(NamedTuple):
    """A snapshot as it travelled."""

    version: int
    kind: str
    facts: dict[str, Any]
    content: bytes
    problem: str


class Mirror(Trainer):
    """What `Trainer` shows of a run, fed by the messages of `medilytica_widgets.engine.reporting`.

    A message may repeat what was told before; only what is new is taken over.

    Parameters
    ----------
    *given, **more
        As `Trainer`, without ``keeping``: what is kept is kept by the process that trains.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._mirrored = MirrorClock(self._clock.seconds)
        self._clock = self._mirrored
        self._stored: StoredModel | None = None
        self._reviving = threading.Lock()
        self._in_queue = True

    def predictor(self) -> Predictor:
        """Return the model as of the last snapshot that came, at once; a fresher one is asked for.

        Raises
        ------
        StateError
            If nothing is learned yet.
        ModelFileError
            If the model cannot leave the process that trains it.
        """
        self._wanted = True
        self._ask()
        stored = self._stored
        if stored is not None:
            # here and not on the thread that receives: loading torch for the first time takes a second
            with self._reviving:
                if self._predictor is None or self._predictor.version < stored.version:
                    self._predictor = self._revive(stored)
        return super().predictor()

    def _ask(self) -> None:
        """Pass the wish for a snapshot on."""

    def _revive(self, stored: StoredModel) -> Predictor:
        if stored.problem:
            raise ModelFileError(stored.problem)
        predictor = restore_predictor(stored.kind, stored.content, stored.facts, self.job.layers, self.job.head)
        predictor.version = stored.version
        return predictor

    def _apply(self, head: Mapping[str, Any], buffers: Mapping[str, memoryview], *, briefly: bool = False) -> None:
        """Take a message over.

        Parameters
        ----------
        head, buffers
            What `medilytica_widgets.engine.channel.unpack` returned.
        briefly : bool
            Of all statuses that are told only the last is announced, as for someone who comes late.
        """
        try:
            told = self._take_over(head, buffers)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise TrainingError(f"What the training process sent or left makes no sense ({error!r}).") from error
        self._announce(np.inf)
        for mark in told:
            self._emit(self.marked.emit, mark)
        statuses = head.get("statuses", [])
        for status in statuses[-1:] if briefly else statuses:
            self._become(status)

    def _take_over(self, head: Mapping[str, Any], buffers: Mapping[str, memoryview]) -> list[Mark]:
        """Take over everything that is only added to, and return the new marks."""
        if "error" in head:
            self._error = error_from_json(head["error"])
        if "predictor" in head:
            told = head["predictor"]
            self._stored = StoredModel(
                told["version"], told.get("kind", ""), told.get("facts", {}), bytes(buffers["predictor"]),
                told.get("problem", ""),
            )  # fmt: skip
        if "rows" in head:
            self._take_rows(head["rows"], buffers["rows"])
        for sheet in head.get("sheets", ()):
            found, latest = WeightSheet.from_json(sheet), self.sheets.latest
            if latest is None or found.step > latest.step:
                self.sheets.add(found)
        marks = _new(head.get("marks"), len(self._marks))
        new = [Mark(**mark) for mark in marks]
        self._marks.extend(new)
        for mark in new:
            self._asked[mark.name] = mark.after
        self._notes.extend(_new(head.get("notes"), len(self._notes)))
        if "log" in head:
            self.log.receive((LogEntry.from_json(entry) for entry in head["log"]["items"]), head["log"]["total"])
        if "state" in head:
            state = head["state"]
            self._position = (float(state["epoch"]), int(state["step"]))
            self._path, self._device = str(state["path"]), str(state["device"])
            self._best = None if state["best"] is None else (float(state["best"][0]), int(state["best"][1]))
            self._values = dict(state["values"])
            self._mirrored.follow(state["seconds"], not state["resting"] and self.status not in ENDED, state["pace"])
        return new

    def _take_rows(self, told: Mapping[str, Any], buffer: memoryview) -> None:
        columns = told["columns"]
        rows = np.frombuffer(buffer, dtype=np.float64).reshape(len(columns), told["count"])
        known = [i for i, name in enumerate(columns) if name in self.telemetry.columns]
        for row in rows.T[max(0, len(self.telemetry) - told["from"]) :].tolist():
            self.telemetry.append({columns[i]: row[i] for i in known})

    def _become(self, status: Status) -> None:
        """Move to a status, over "running" where the way leads there; nothing once the run has ended."""
        if status == self.status or self.status in ENDED:
            return
        if status not in LEGAL[self.status]:
            self._become("running")
        if status != "running":
            self._mirrored.rest()
        if self._in_queue and status == "running":
            queue.occupy(self)
        elif self._in_queue:
            queue.release(self)
        self._to(status)


def _new(told: Mapping[str, Any] | None, known: int) -> list[Any]:
    """Return those of the told items that are not among the known ones."""
    return [] if told is None else list(told["items"])[max(0, known - told["from"]) :]
