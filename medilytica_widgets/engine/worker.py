"""The training thread's side of a run: carries out commands and hosts the loop."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from ..errors import CheckpointError, MedilyticaError
from .checkpoints import TrainingState
from .clock import Clock
from .failures import explain
from .heads import history_heads
from .held import finite
from .job import Job
from .keeper import Keeper, Keeping
from .log import Level, TrainingLog
from .loop import Loop, Point, StopRequested
from .mailbox import Mailbox
from .predictors import Predictor
from .queue import queue
from .states import Command, Status, Unit
from .telemetry import Mark, Telemetry, history_columns
from .weight_sheet import SheetBook

SNAPSHOT_SECONDS = 0.05
"""The least time between two snapshots, and between two announcements of history rows."""

SHEET_EVERY = 50
"""Batches between two weight sheets, at the least."""

SMALL_HISTORY = 4096
"""Rows of the history that every kept epoch may carry; of a longer one only the checkpoints tell."""

_log = logging.getLogger(__name__)


class Worker:
    """What happens on the training thread; `medilytica_widgets.engine.Trainer` is what others hold of it.

    Only the training thread writes these attributes, with the exceptions that `Trainer` names; others read them
    whole, so each is replaced or appended to and never changed in part.

    Parameters
    ----------
    job : Job
    keeping : Keeping, optional
        Where and how often the training is written to disk; not at all when None.
    resume : TrainingState, optional
        A checkpoint of an earlier run of the same job; this one goes on from there.
    sheet_every : int
        The least number of batches between two weight sheets.
    """

    status_changed = Signal(str)
    telemetry_advanced = Signal(int)
    marked = Signal(Mark)

    def __init__(
        self,
        job: Job,
        keeping: Keeping | None = None,
        resume: TrainingState | None = None,
        sheet_every: int | None = SHEET_EVERY,
    ) -> None:
        self.job = job
        self.keeping = keeping
        self.telemetry = Telemetry(history_columns(job.task, history_heads(job.heads)))
        self.log = TrainingLog()
        self.sheets = SheetBook()
        self.sheet_every = sheet_every
        self.snapshot_interest = False
        self._keeper = Keeper(keeping, self._on_problem) if keeping is not None else None
        self._resume = resume
        # psygnal makes a signal at its first use, and two threads at once would make two
        self._signals = (self.status_changed, self.telemetry_advanced, self.marked)
        self._mailbox = Mailbox()
        self._clock = Clock()
        self._error: MedilyticaError | None = None
        self._loop: Loop | None = None
        self._path, self._device = "", ""
        self._values = dict(job.values)
        self._asked = dict(job.values)
        self._marks: list[Mark] = []
        self._notes: list[str] = []
        self._goals: deque[Unit] = deque()
        self._goal_from = 0
        self._predictor: Predictor | None = None
        self._wanted = False
        self._snapshot_at = self._announced_at = -math.inf
        self._announced = 0
        self._version = 0
        self._position: tuple[float, int] = (0.0, 0)
        self._best: tuple[float, int] | None = None
        if resume is not None:
            self._restore(resume)
            self._goal_from = self._position[1]

    def _handle(self, command: Command) -> None:
        if command.kind == "stop":
            raise StopRequested
        if command.kind == "set":
            self._change(command)
        elif command.kind == "pause":
            self._goals.clear()
            if self._mailbox.status == "running":
                self._to("paused")
        elif command.kind == "resume":
            self._goals.clear()
            if self._mailbox.status == "paused":
                self._to("running")
        elif self._mailbox.status == "paused":
            self._goals.append(command.unit)
            self._goal_from = self._position[1]
            self._to("running")
        elif self._goals:
            self._goals.append(command.unit)

    def _change(self, command: Command) -> None:
        before = self._values[command.name]
        if before == command.value or self._loop is None:
            return
        self._loop.set(command.name, command.value)
        self._values[command.name] = command.value
        epoch, step = self._position
        mark = Mark(epoch, step, command.name, before, command.value, command.author, time.time())
        self._marks.append(mark)
        self._emit(self.marked.emit, mark)

    def _to(self, status: Status) -> None:
        self._mailbox.move(status)
        self._emit(self.status_changed.emit, status)

    def _emit(self, emit: Callable[[Any], Any], value: Any) -> None:
        try:
            emit(value)
        except Exception:
            _log.exception("a slot of a training run raised")

    def _work(self) -> None:
        end: Status = "finished"
        self._clock.run()
        try:
            self._to("running")
            self._loop = self._make_loop()
            self._device = self._loop.device
            self._loop.run()
            self._path = self._loop.path
            self._keep()
            self._put_checkpoint(end)
        except StopRequested:
            end = "stopped"
            self._keep_what_is_sound(end)
        except BaseException as error:
            # whatever it is, someone waits for this run
            name = self.job.algorithm.name
            self._error = explain(error, name, self._position[0], self._device or "cpu", self._values)
            end = "failed"
            self._tell("error", self._error.message)
            # the tracebacks' variables would keep the loop, and with it the device's memory
            for told in (error, self._error):
                traceback.clear_frames(told.__traceback__)
        finally:
            self._loop = None
            self._resume = None
            self._clock.rest()
            self._announce(now=math.inf)
            try:
                queue.release(self)
            finally:
                self._to(end)
                if self._keeper is not None:
                    # who waits for the run finds everything on disk
                    self._keeper.close(timeout=5.0)

    def _make_loop(self) -> Loop:
        if self.job.algorithm.engine == "torch":
            from .torch_loop import TorchLoop

            return TorchLoop(self.job, self, self._resume)
        from .estimator_loop import EstimatorLoop

        return EstimatorLoop(self.job, self, self._resume)

    def checkpoint(self, point: Point) -> None:
        """For the loop: carry out what was posted, see `medilytica_widgets.engine.loop.Host`."""
        now = time.perf_counter()
        if self._loop is not None:
            self._path = self._loop.path
        self._snapshot(point, now)
        self._announce(now)
        if self._keeper is not None and self._position[1] > 0:
            self._write(point, now)
        if self._goals and self._reached(self._goals[0], point):
            self._goals.popleft()
            self._goal_from = self._position[1]
            if not self._goals:
                self._to("paused")
        if len(self._mailbox):
            for command in self._mailbox.take(wait=False):
                self._handle(command)
        if self._mailbox.status == "paused":
            self._clock.rest()
            self._snapshot("epoch", math.inf)
            self._announce(math.inf)
            # a pause may be the moment at which someone shuts the kernel down
            self._put_checkpoint("paused")
            queue.release(self)
            while self._mailbox.status == "paused":
                marks = len(self._marks)
                for command in self._mailbox.take(wait=True):
                    self._handle(command)
                if len(self._marks) > marks and self._mailbox.status == "paused":
                    self._put_checkpoint("paused")
            queue.occupy(self)
            self._clock.run()

    def _reached(self, goal: Unit, point: Point) -> bool:
        """Whether a goal is reached: an epoch's end, or a step more than there were when it was set."""
        return point == "epoch" if goal == "epoch" else self._position[1] > self._goal_from

    def stepping(self) -> Unit | None:
        """For the loop: what was asked for before the next pause."""
        return self._goals[0] if self._goals else None

    @property
    def waiting(self) -> NDArray[np.int64]:
        """For the loop: one number, not 0 while commands wait."""
        return self._mailbox.waiting

    @property
    def measured(self) -> Path | None:
        """For the loop: where what was measured on this machine is kept, beside the runs."""
        return None if self.keeping is None else self.keeping.folder.parent.parent / "speeds.json"

    def next_stop(self, epoch: int) -> int | None:
        """For the loop: the next epoch at whose end a checkpoint is wanted."""
        return None if self._keeper is None else self._keeper.next_checkpoint(epoch)

    def kept_between(self, first: int, last: int) -> list[int]:
        """For the loop: the epochs between two that are to be written to disk."""
        found: list[int] = []
        if self._keeper is not None:
            epoch = self._keeper.next_epoch(first)
            while epoch is not None and epoch < last:
                found.append(epoch)
                epoch = self._keeper.next_epoch(epoch)
        return found

    def keep(self, state: TrainingState) -> None:
        """For the loop: the state of one of them."""
        epoch = int(self._position[0])
        now = time.perf_counter()
        if self._keeper is not None and self._keeper.wants_epoch(epoch, now):
            self._add_run(state, "running")
            self._keeper.put_epoch(epoch, state, now)

    def advance(self, epoch: float, step: int) -> None:
        """For the loop: where it is."""
        self._position = (epoch, step)
        self._clock.reached(epoch)

    def row(self, values: Mapping[str, float]) -> None:
        """For the loop: write a history row."""
        loss = values["train_loss"] if math.isnan(values["val_loss"]) else values["val_loss"]
        if self._best is None or loss < self._best[0]:
            self._best = (loss, int(values["epoch"]))
        self.telemetry.append(values)

    def note(self, sentence: str) -> None:
        """For the loop: leave a remark."""
        self._notes.append(sentence)
        self._tell("info", sentence)

    def _tell(self, level: Level, message: str) -> None:
        epoch, step = self._position
        self.log.append(level, message, epoch=epoch, step=step)

    def _on_problem(self, message: str) -> None:
        """Take what the writer of checkpoints met; called on its thread."""
        self._tell("warning", message)

    def _snapshot(self, point: Point, now: float) -> None:
        asked = self._wanted or self.snapshot_interest or point == "epoch" or self._predictor is None
        if self._loop is None or not asked or now - self._snapshot_at < SNAPSHOT_SECONDS:
            return
        predictor = self._loop.snapshot(self._version + 1)
        if predictor is not None:
            self._publish(predictor)

    def _publish(self, predictor: Predictor) -> None:
        self._version, self._predictor, self._wanted = predictor.version, predictor, False
        self._snapshot_at = time.perf_counter()

    def _keep(self) -> None:
        final = self._loop.final(self._version + 1) if self._loop is not None else None
        if final is not None:
            self._publish(final)

    def _keep_what_is_sound(self, end: Status) -> None:
        """After a stop: the last weights, or the last snapshot where those cannot be had; and the checkpoint."""
        for keep in (self._keep, partial(self._put_checkpoint, end)):
            try:
                keep()
            except Exception as error:
                name, epoch = self.job.algorithm.name, self._position[0]
                self.note(explain(error, name, epoch, self._device or "cpu", self._values).message)

    # -- to disk and back

    def _write(self, point: Point, now: float) -> None:
        assert self._keeper is not None and self._loop is not None
        epoch = self._position[0]
        if point == "epoch" and self._keeper.wants_epoch(int(epoch), now):
            state = self._state("running", history=False)
            if state is not None and state.facts["kind"] == "network":
                self._keeper.put_epoch(int(epoch), state, now)
        if self._keeper.wants_checkpoint(epoch, now, point == "epoch"):
            self._put_checkpoint("running")

    def _put_checkpoint(self, status: Status) -> None:
        if self._keeper is None:
            return
        state = self._state(status)
        # weights that are no numbers are worth less than the checkpoint before them
        if state is not None and finite(state.tensors.get("weights", np.zeros(0))):
            self._keeper.put_checkpoint(state)

    def _state(self, status: Status, history: bool = True) -> TrainingState | None:
        state = self._loop.state() if self._loop is not None else None
        if state is None:
            return None
        self._add_run(state, status)
        if history:
            columns, _ = self.telemetry.read()
            state.tensors["history"] = np.stack(list(columns.values()))
            arrays, sheets = self.sheets.export()
            state.tensors |= {f"sheets.{name}": array for name, array in arrays.items()}
            state.facts["run"] |= {"sheets": sheets, "notes": list(self._notes), "log": self.log.to_json()}
        return state

    def _add_run(self, state: TrainingState, status: Status) -> None:
        """Say in a state how far the run is."""
        state.facts["run"] = {
            "status": status,
            "position": list(self._position),
            "clock": self._clock.seconds,
            "best": None if self._best is None else list(self._best),
            "rows": len(self.telemetry),
            "asked": dict(self._asked),
            "marks": [dataclasses.asdict(mark) for mark in self._marks],
        }
        if len(self.telemetry) <= SMALL_HISTORY:
            state.tensors["history"] = np.stack(list(self.telemetry.read()[0].values()))

    def _restore(self, saved: TrainingState) -> None:
        """Take over what an earlier run had written down, before the thread begins.

        Raises
        ------
        CheckpointError
            If the checkpoint does not fit the job.
        """
        try:
            run = saved.facts["run"]
            # an epoch that was kept late in a long run carries none
            for row in saved.tensors.get("history", np.zeros((0, 0))).T:
                self.telemetry.append(dict(zip(self.telemetry.columns, row.tolist(), strict=True)))
            self._values = {**self._values, **saved.facts["values"]}
            self._asked = {**self._asked, **run["asked"]}
            self._position = (float(run["position"][0]), int(run["position"][1]))
            self._best = None if run["best"] is None else (float(run["best"][0]), int(run["best"][1]))
            self._marks = [Mark(**mark) for mark in run.get("marks", [])]
            self._notes = list(run.get("notes", []))
            if "log" in run:
                self.log.receive(*TrainingLog.from_json(run["log"]).read(notices=False))
            if "sheets" in run:
                arrays = {k.removeprefix("sheets."): v for k, v in saved.tensors.items() if k.startswith("sheets.")}
                self.sheets = SheetBook.restore(arrays, run["sheets"])
            self._clock = Clock(float(run["clock"]))
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CheckpointError(f"The checkpoint is incomplete ({error!r}); take an earlier one.") from error

    def _announce(self, now: float) -> None:
        count = len(self.telemetry)
        if count > self._announced and now - self._announced_at >= SNAPSHOT_SECONDS:
            self._announced, self._announced_at = count, time.perf_counter()
            self._emit(self.telemetry_advanced.emit, count)
