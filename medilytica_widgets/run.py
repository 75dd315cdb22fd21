"""A run: one training of one specification, as a person holds it."""

from __future__ import annotations

import threading
import uuid
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from .data import Dataset, Preprocessor
from .engine import Job, Mark, Telemetry, Trainer
from .errors import MedilyticaError, StateError
from .evaluate import Evaluation, evaluate, predictions
from .spec import ExperimentSpec

if TYPE_CHECKING:
    import pandas as pd

    from .engine import Predictor

ACTIVE = ("queued", "running", "paused")
ENDED = ("finished", "stopped", "failed")


class Run:
    """The façade over a `Trainer`: what `Experiment.train` returns.

    Attributes
    ----------
    id : str
        Unique.
    number : int
        1, 2, … within its experiment.
    spec : ExperimentSpec
        What it was started with.
    status_changed, telemetry_advanced, marked : Signal
        From the training thread; slots must be quick.
    evaluated : Signal
        Emitted when the held-out evaluation is there.
    """

    status_changed = Signal(str)
    telemetry_advanced = Signal(int)
    marked = Signal(object)
    evaluated = Signal()

    def __init__(self, job: Job, spec: ExperimentSpec, data: Dataset, number: int) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.number = number
        self.spec = spec
        self.data = data
        self.algorithm = job.algorithm.id
        self.classes = list(job.prepared.classes)
        self.task = job.prepared.task
        self.preprocessor: Preprocessor = job.prepared.preprocessor
        self._job = job
        self._evaluating = threading.Lock()
        self._evaluation: tuple[int, Evaluation] | None = None
        self._evaluator: threading.Thread | None = None
        self.trainer = Trainer(job)
        self.trainer.status_changed.connect(self.status_changed.emit)
        self.trainer.telemetry_advanced.connect(self.telemetry_advanced.emit)
        self.trainer.marked.connect(self.marked.emit)

    # --- commands -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; `Experiment.train` does it."""
        self.trainer.start()

    def pause(self) -> None:
        """Halt at the next chunk; no-op unless running."""
        self.trainer.pause()

    def resume(self) -> None:
        """Go on; no-op unless paused."""
        self.trainer.resume()

    def stop(self) -> None:
        """End the run and keep what it learned; no-op once it has ended."""
        self.trainer.stop()

    def step(self, unit: str = "epoch") -> None:
        """Train one more "epoch" or "batch", then pause; no-op unless paused or running."""
        self.trainer.step(unit)  # type: ignore[arg-type]

    def set(self, name: str, value: Any, author: str | None = None) -> None:
        """Change a hyperparameter that can change while training; it acts at the next step.

        Raises
        ------
        ParameterError
            For a value that is not allowed, or a hyperparameter that counts only from the next run.
        """
        self.trainer.set(name, value, author)

    def wait(self, timeout: float | None = None) -> Run:
        """Wait for the end and return the run. Ctrl-C stops the run cleanly.

        Raises
        ------
        WaitTimeout
            When it is still training after ``timeout`` seconds.
        TrainingError
            When it failed; history and last weights are kept.
        """
        try:
            self.trainer.wait(timeout)
        except KeyboardInterrupt:
            self.stop()
            self.trainer.wait(timeout)
        return self

    def close(self) -> None:
        """Stop and free the run's thread and memory; history and evaluation stay. Safe to call twice."""
        self.trainer.close()

    # --- what it is doing ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """For display: "run 3"."""
        return f"run {self.number}"

    @property
    def status(self) -> str:
        """One of "queued", "running", "paused", "finished", "stopped", "failed"."""
        return self.trainer.status

    @property
    def is_active(self) -> bool:
        """Whether the run has not ended yet."""
        return self.status in ACTIVE

    @property
    def error(self) -> MedilyticaError | None:
        """Why the run failed; None when it did not."""
        return self.trainer.error

    @property
    def history(self) -> pd.DataFrame:
        """One row per epoch; see `Telemetry.frame`."""
        return self.trainer.telemetry.frame()

    @property
    def telemetry(self) -> Telemetry:
        """The growing columns behind `history`."""
        return self.trainer.telemetry

    @property
    def marks(self) -> list[Mark]:
        """The changes that people made in mid-run."""
        return list(self.trainer.marks)

    @property
    def values(self) -> dict[str, Any]:
        """The hyperparameters as they are now: those it was started with and the mid-run changes."""
        return dict(self.trainer.values)

    @property
    def samples_per_epoch(self) -> int:
        """Rows that one epoch trains on."""
        return self.trainer.samples_per_epoch

    @property
    def path(self) -> str:
        """Which training loop ran."""
        return self.trainer.path

    def progress(self) -> dict[str, Any]:
        """Return where the run stands: epoch, epochs, rates and remaining time in seconds."""
        return self.trainer.progress()

    # --- what it learned ------------------------------------------------------------------------------

    def predictor(self) -> Predictor:
        """Return a consistent snapshot of the model as it is now.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        return self.trainer.predictor()

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict new rows.

        Parameters
        ----------
        frame : DataFrame
            The feature columns, by name, in any order; further columns are ignored.

        Returns
        -------
        DataFrame
            With the input's index: ``prediction``, and for classification ``probability_<class>`` and
            ``confidence``.

        Raises
        ------
        ColumnNotFoundError
            Names the columns that are missing.
        """
        return predictions(frame, self.preprocessor, self.predictor(), self.classes, self.task)

    def evaluate(self) -> Evaluation:
        """Evaluate on the held-out test rows; kept until the model learns more.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        with self._evaluating:
            predictor = self.predictor()
            if self._evaluation is None or self._evaluation[0] != predictor.version:
                prepared = self._job.prepared
                found = evaluate(predictor, prepared.X_test, prepared.y_test, self.task, self.classes)
                self._evaluation = (predictor.version, found)
            return self._evaluation[1]

    def evaluation_if_ready(self) -> Evaluation | None:
        """Return the evaluation when it was made already; never computes."""
        found = self._evaluation
        return found[1] if found is not None else None

    def evaluate_soon(self) -> None:
        """Evaluate on a thread of its own and emit `evaluated`; nothing where nothing was learned.

        For those who wait for `evaluated`, as widgets do: a script that only trains needs no such thread,
        and its interpreter would have to end while the thread works.
        """

        def work() -> None:
            try:
                self.evaluate()
            except StateError:
                return
            self.evaluated.emit()

        if self._evaluator is None or not self._evaluator.is_alive():
            self._evaluator = threading.Thread(target=work, name=f"medilytica-evaluate-{self.id}")
            self._evaluator.start()

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model, its preprocessing and its specification to one file, atomically.

        Returns
        -------
        Path
            Of the file, for `load_model`.

        Raises
        ------
        StateError
            Before anything is learned.
        """
        from .model import Model

        return Model.of_run(self).save(path)

    def to_code(self) -> str:
        """Return a standalone script for this run: its specification and its mid-run changes at the same steps."""
        from .source_code import script

        return script(self.spec, self.data, self._job.prepared, values=self._job.values, marks=self.marks)

    def __repr__(self) -> str:
        return f"<Run {self.number} of {self.spec.name!r}: {self.algorithm}, {self.status}>"
