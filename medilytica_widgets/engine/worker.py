"""The training thread's side of a run: carries out commands and hosts the loop."""

from __future__ import annotations

import logging
import math
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from psygnal import Signal

from ..errors import MedilyticaError
from .clock import Clock
from .failures import explain
from .job import Job
from .loop import Loop, Point, StopRequested
from .mailbox import Mailbox
from .predictors import Predictor
from .states import Command, Status, Unit
from .telemetry import Mark, Telemetry, history_columns

SNAPSHOT_SECONDS = 0.05
"""The least time between two snapshots, and between two announcements of history rows."""

_log = logging.getLogger(__name__)


class Worker:
    """What happens on the training thread; `medilytica_widgets.engine.Trainer` is what others hold of it.

    Only the training thread writes these attributes, with the exceptions that `Trainer` names; others read them
    whole, so each is replaced or appended to and never changed in part.

    Parameters
    ----------
    job : Job
    """

    status_changed = Signal(str)
    telemetry_advanced = Signal(int)
    marked = Signal(Mark)

    def __init__(self, job: Job) -> None:
        self.job = job
        self.telemetry = Telemetry(history_columns(job.task))
        self.snapshot_interest = False
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
        self._predictor: Predictor | None = None
        self._wanted = False
        self._snapshot_at = self._announced_at = -math.inf
        self._announced = 0
        self._version = 0
        self._position: tuple[float, int] = (0.0, 0)
        self._best: tuple[float, int] | None = None

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
            self._path, self._device = self._loop.path, self._loop.device
            self._loop.run()
            self._keep()
        except StopRequested:
            end = "stopped"
            self._keep_what_is_sound()
        except BaseException as error:
            # whatever it is, someone waits for this run
            name = self.job.algorithm.name
            self._error = explain(error, name, self._position[0], self._device or "cpu", self._values)
            end = "failed"
            # the tracebacks' variables would keep the loop, and with it the device's memory
            for told in (error, self._error):
                traceback.clear_frames(told.__traceback__)
        finally:
            self._loop = None
            self._clock.rest()
            self._announce(now=math.inf)
            self._to(end)

    def _make_loop(self) -> Loop:
        if self.job.algorithm.engine == "torch":
            from .torch_loop import TorchLoop

            return TorchLoop(self.job, self)
        from .estimator_loop import EstimatorLoop

        return EstimatorLoop(self.job, self)

    def checkpoint(self, point: Point) -> None:
        """For the loop: carry out what was posted, see `medilytica_widgets.engine.loop.Host`."""
        now = time.perf_counter()
        self._snapshot(point, now)
        self._announce(now)
        # nothing is trained yet at the very first checkpoint, so no goal can be reached
        if self._goals and self._position[1] > 0 and (point == "epoch" or point == self._goals[0]):
            self._goals.popleft()
            if not self._goals:
                self._to("paused")
        if len(self._mailbox):
            for command in self._mailbox.take(wait=False):
                self._handle(command)
        if self._mailbox.status == "paused":
            self._clock.rest()
            self._snapshot("epoch", math.inf)
            self._announce(math.inf)
            while self._mailbox.status == "paused":
                for command in self._mailbox.take(wait=True):
                    self._handle(command)
            self._clock.run()

    def one_batch(self) -> bool:
        """For the loop: whether a single batch was asked for."""
        return bool(self._goals) and self._goals[0] == "batch"

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
        assert self._loop is not None
        final = self._loop.final(self._version + 1)
        if final is not None:
            self._publish(final)

    def _keep_what_is_sound(self) -> None:
        """After a stop: the last weights, or the last snapshot where those are no numbers any more."""
        try:
            if self._loop is not None:
                self._keep()
        except MedilyticaError as error:
            self._notes.append(error.message)

    def _announce(self, now: float) -> None:
        count = len(self.telemetry)
        if count > self._announced and now - self._announced_at >= SNAPSHOT_SECONDS:
            self._announced, self._announced_at = count, time.perf_counter()
            self._emit(self.telemetry_advanced.emit, count)
