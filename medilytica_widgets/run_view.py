"""What a run tells of itself; none of it changes the run."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .engine import Job, Mark, SheetBook, Telemetry, Trainer, TrainingLog
from .errors import MedilyticaError, StateError
from .evaluate import predictions
from .store import LIVE

if TYPE_CHECKING:
    import pandas as pd

    from .data import Prepared, Preprocessor
    from .engine import Predictor
    from .experiment import Experiment
    from .spec import ExperimentSpec


class RunView:
    """The half of a `medilytica_widgets.Run` that is read."""

    trainer: Trainer
    number: int
    task: str
    preprocessor: Preprocessor
    _job: Job
    _spec: ExperimentSpec
    _experiment: Experiment | None

    @property
    def name(self) -> str:
        """For display: "run 3"."""
        return f"run {self.number}"

    @property
    def spec(self) -> ExperimentSpec:
        """What it was started with: a copy, so that a change in it changes nothing here."""
        return self._spec.model_copy(deep=True)

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in the order of the probabilities; empty where there are none."""
        return list(self._job.prepared.classes)

    @property
    def status(self) -> str:
        """One of "queued", "running", "paused", "finished", "stopped", "failed"."""
        return self.trainer.status

    @property
    def is_active(self) -> bool:
        """Whether the run has not ended yet."""
        return self.status in LIVE

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
        return copy.deepcopy(dict(self.trainer.values))

    @property
    def samples_per_epoch(self) -> int:
        """Rows that one epoch trains on."""
        return self.trainer.samples_per_epoch

    @property
    def path(self) -> str:
        """Which training loop ran."""
        return self.trainer.path

    @property
    def log(self) -> TrainingLog:
        """What happened in words: a cursor reads what is new, ``frame()`` gives all of it."""
        return self.trainer.log

    @property
    def sheets(self) -> SheetBook:
        """Statistics of the weights in the course of the training; ``latest.frame()`` is the last sheet."""
        return self.trainer.sheets

    @property
    def prepared(self) -> Prepared:
        """The rows that it trains on, validates and is evaluated with."""
        return self._job.prepared

    @property
    def experiment(self) -> Experiment:
        """The experiment that it belongs to.

        Raises
        ------
        StateError
            For a run that was made without one.
        """
        if self._experiment is None:
            raise StateError("This run belongs to no experiment.")
        return self._experiment

    def progress(self) -> dict[str, Any]:
        """Return where the run stands: epoch, epochs, rates and remaining time in seconds."""
        return self.trainer.progress()

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
