"""What everyone holds of a run: commands go into a mailbox, one thread carries them out and trains."""

from __future__ import annotations

import atexit
import contextlib
import math
import sys
import threading
import time
import weakref
from itertools import count
from typing import Any

from ..errors import MedilyticaError, ParameterError, StateError, TrainingError, WaitTimeout
from .checkpoints import TrainingState
from .job import Job
from .keeper import Keeping
from .predictors import Predictor
from .queue import queue
from .states import ENDED, Command, Status, Unit
from .telemetry import Mark
from .worker import SHEET_EVERY, Worker

_started: weakref.WeakSet[Trainer] = weakref.WeakSet()


@atexit.register
def _end_all() -> None:
    """End what still trains: a thread that the interpreter's end cuts off inside torch aborts the process."""
    # else the place of the first one that ends would be taken by one that waits
    queue.close()
    trainers = list(_started)
    for trainer in trainers:
        # nobody is to begin something new on hearing of the end
        trainer.status_changed.disconnect()
        trainer.stop()
    for trainer in trainers:
        trainer.close(timeout=5.0)


class Trainer(Worker):
    """One training in the background.

    Every command may come from any thread, returns at once, and does nothing where it does not apply
    (pausing a finished run, say). Training threads are daemons named ``medilytica-run-…``.

    Parameters
    ----------
    job : Job
    keeping, resume, sheet_every
        See `Worker`.
    priority : int
        Where runs wait for a place in the queue, higher ones go first.

    Attributes
    ----------
    job : Job
    telemetry : Telemetry
        One row per epoch, or per stage of an estimator; it stays after the end.
    log : TrainingLog
        What happened, in words.
    sheets : SheetBook
        Statistics of the weights as they change; empty for estimators.
    snapshot_interest : bool
        While True, snapshots are made at most 20 times a second, not only when an epoch ends or one was asked for.
    status_changed : psygnal.Signal of str
    telemetry_advanced : psygnal.Signal of int
        The number of rows; at most 20 times a second, and once more at a pause and at the end.
    marked : psygnal.Signal of Mark

    Notes
    -----
    Signals are emitted on the training thread (`stop` before the start: on the caller's), so slots must be quick
    and must not wait for the run. A slot that raises is logged and does not end the run.
    """

    _numbers = count(1)

    def __init__(
        self,
        job: Job,
        keeping: Keeping | None = None,
        resume: TrainingState | None = None,
        sheet_every: int | None = SHEET_EVERY,
        priority: int = 0,
    ) -> None:
        super().__init__(job, keeping, resume, sheet_every)
        self.priority = priority

    @classmethod
    def ended(cls, job: Job, state: TrainingState, status: str, error: str | None = None) -> Trainer:
        """Return the trainer of a run that has ended, as its last checkpoint shows it.

        Parameters
        ----------
        job : Job
        state : TrainingState
        status : str
            How it ended; one that did not ("interrupted") counts as stopped.
        error : str, optional
            Why it failed.

        Raises
        ------
        CheckpointError
            If the checkpoint is not one of the job.
        """
        trainer = cls(job, resume=state)
        trainer._resume = None
        trainer._path, trainer._device = str(state.facts.get("path", "")), str(state.facts.get("device", "cpu"))
        if state.facts.get("kind") == "network":
            from .network_state import predictor_of

            trainer._predictor = predictor_of(job, state)
        else:
            from .estimator_loop import predictor_of as estimator_of

            trainer._predictor = estimator_of(job, state)
        if error is not None:
            trainer._error = TrainingError(error)
        trainer._mailbox.finish(status if status in ENDED else "stopped")
        return trainer

    def flush(self, timeout: float) -> bool:
        """Wait until what was handed to the disk is there; return whether it is."""
        return self._keeper is None or self._keeper.flush(timeout)

    # -- commands, from any thread

    def start(self) -> None:
        """Begin to train as soon as the queue has a place; while paused, the same as `resume`."""
        if not self._submit(None):
            self._mailbox.post(Command("resume"))

    def pause(self) -> None:
        """Stop at the next batch (or stage) and keep everything."""
        self._mailbox.post(Command("pause"))

    def resume(self) -> None:
        """Go on after a pause."""
        self._mailbox.post(Command("resume"))

    def step(self, unit: Unit = "epoch") -> None:
        """Train one batch or to the end of one epoch, then pause; nothing while the run trains freely.

        Raises
        ------
        StateError
            For another unit.
        """
        if unit not in ("batch", "epoch"):
            raise StateError(f"A run cannot step by {unit!r}; it is 'batch' or 'epoch'.")
        if not self._submit(unit):
            self._mailbox.post(Command("step", unit=unit))

    def stop(self) -> None:
        """End the run at the next batch (or stage), or take it out of the queue; what is learned stays."""
        if self._mailbox.cancel():
            queue.discard(self)
            self._emit(self.status_changed.emit, "stopped")
        else:
            self._mailbox.post(Command("stop"))

    def set(self, name: str, value: Any, author: str | None = None) -> None:
        """Change a hyperparameter from the next step on; the run gets a mark.

        With a learning-rate schedule the new learning rate is the schedule's new base.

        Raises
        ------
        UnknownParameterError
            If the algorithm has no such parameter.
        ParameterError
            If the value is not allowed, or the parameter cannot change while a run trains.
        """
        parameter = self.job.algorithm.parameters[name]
        checked = parameter.validate(value)
        if not parameter.live:
            raise ParameterError(
                f"{name} cannot change while a run trains; the new value takes effect in the next run.", name
            )

        def ask() -> None:
            self.job.check({**self._asked, name: checked})
            self._asked[name] = checked

        self._mailbox.post(Command("set", name=name, value=checked, author=author), ask)

    def close(self, timeout: float | None = 10.0) -> None:
        """Stop, wait for the thread, drop the subscriptions; history, marks and the last model stay.

        Parameters
        ----------
        timeout : float or None
            The most seconds to wait; a fit without stages cannot be interrupted and ends by itself later.
        """
        self.stop()
        thread = self._mailbox.thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        for signal in self._signals:
            signal.disconnect()

    # -- what can be asked, from any thread

    @property
    def status(self) -> Status:
        """One of "queued", "running", "paused", "finished", "stopped", "failed"."""
        return self._mailbox.status

    @property
    def error(self) -> MedilyticaError | None:
        """Why the run failed; None if it did not."""
        return self._error

    @property
    def marks(self) -> list[Mark]:
        """The changes made while it trained, in order."""
        return list(self._marks)

    @property
    def notes(self) -> list[str]:
        """Remarks of the loop, for example why it stopped early."""
        return list(self._notes)

    @property
    def values(self) -> dict[str, Any]:
        """All hyperparameters as they are in effect."""
        return dict(self._values)

    @property
    def samples_per_epoch(self) -> int:
        """Training rows."""
        return self.job.samples_per_epoch

    @property
    def path(self) -> str:
        """What carries out the steps; empty before the start.

        Of a network "compiled", "written", "general" or "graph"; of an estimator "staged" or "single".
        """
        return self._path

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss (training loss without validation rows) so far.

        Its weights are brought back at the end only if ``patience`` is set.
        """
        best = self._best
        return None if best is None else best[1]

    def wait(self, timeout: float | None = None) -> None:
        """Return when the run has ended; Ctrl-C stops the run.

        Raises
        ------
        MedilyticaError
            The run's `error`, if it failed.
        WaitTimeout
            If it has not ended after ``timeout`` seconds.
        StateError
            If it was never started, or from a slot on the training thread.
        """
        if not self._mailbox.submitted and self.status == "queued":
            raise StateError("The run was not started, so there is nothing to wait for; call start() first.")
        if self._mailbox.thread is threading.current_thread():
            raise StateError("A slot on the training thread cannot wait for its own run.")
        end = None if timeout is None else time.monotonic() + timeout
        try:
            # in slices, because a wait without a timeout cannot be interrupted on Windows
            while not self._mailbox.ended.is_set():
                left = 0.2 if end is None else min(0.2, end - time.monotonic())
                if left <= 0:
                    raise WaitTimeout(
                        f"The run is still {self.status} after {timeout:g} s, at epoch {self._position[0]:.4g}. "
                        "Wait longer, or end it with stop()."
                    )
                self._mailbox.ended.wait(left)
        except KeyboardInterrupt:
            self.stop()
            self._mailbox.ended.wait(10.0)
            raise
        thread = self._mailbox.thread
        if thread is not None:
            # it has only its last slots to call
            thread.join(None if end is None else max(1.0, end - time.monotonic()))
        if self._error is not None:
            raise self._error

    def predictor(self) -> Predictor:
        """Return the model as of the last snapshot, at once; while it trains, a fresher one is made for the next call.

        Raises
        ------
        StateError
            If nothing is learned yet.
        """
        self._wanted = True
        predictor = self._predictor
        if predictor is None:
            raise StateError(f"The run is {self.status} and has learned nothing yet; train at least one batch first.")
        return predictor

    def progress(self) -> dict[str, Any]:
        """Return where the run is, JSON-able.

        Returns
        -------
        dict
            ``status``, ``epoch`` (float), ``epochs``, ``step``, ``seconds`` (pauses left out), ``remaining_seconds``
            (None while unknown; without early stopping in mind), ``samples_per_second`` (of the last epoch or stage;
            before the first has ended, of the batches so far; None while unknown), ``device``, ``best_epoch``.
        """
        (epoch, step), status = self._position, self.status
        # an estimator may converge before its most iterations
        epochs = int(epoch) if status == "finished" and self._path == "staged" else self._epochs()
        pace = self._clock.pace(epoch)
        remaining = None if pace is None else max(0.0, epochs - epoch) / pace
        last, _ = self.telemetry.read(len(self.telemetry) - 1)
        speed: float | None = None if pace is None else pace * self.samples_per_epoch
        if len(last["epoch"]) and math.isfinite(last["samples_per_second"][-1]):
            speed = float(last["samples_per_second"][-1])
        return {
            "status": status,
            "epoch": epoch,
            "epochs": epochs,
            "step": step,
            "seconds": self._clock.seconds,
            "remaining_seconds": 0.0 if status in ENDED else remaining,
            "samples_per_second": speed,
            "device": self._device,
            "best_epoch": self.best_epoch,
        }

    def _epochs(self) -> int:
        if self.job.algorithm.engine == "torch":
            return int(self.job.values["epochs"])
        return max(self.job.algorithm.stage_sizes(self.job.values), default=1)

    def launch(self) -> None:
        """For the queue: start the thread."""

        def make() -> threading.Thread:
            _started.add(self)
            name = f"medilytica-run-{next(Trainer._numbers)}"
            return threading.Thread(target=self._work, name=name, daemon=True)

        try:
            begun = self._mailbox.launch(make)
        except RuntimeError as error:
            begun = False
            # unless someone has stopped it meanwhile
            with contextlib.suppress(StateError):
                self._fail(error)
        if not begun:
            # or it was cancelled while the queue was about to start it
            queue.decline(self)

    def _fail(self, error: RuntimeError) -> None:
        """End as failed without a thread."""
        self._to("running")
        self._error = TrainingError(
            f"{self.job.algorithm.name} could not be started: the system gives no thread for it ({error}). End other "
            "runs or kernels, then train again."
        )
        self._error.__cause__ = error
        self._tell("error", self._error.message)
        self._to("failed")

    def _submit(self, goal: Unit | None) -> bool:
        """Ask to train on or only to a goal; False if that was asked before or the run has ended."""
        if not self._mailbox.submit():
            return False
        if goal is not None:
            self._goals.append(goal)
        if "torch" in sys.modules:
            # what the calling thread did with torch before is over; its threads would slow the training's down
            from .openmp import rest

            rest()
        queue.submit(self, self.priority)
        return True
