"""A run as it was at the end of an earlier epoch."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .engine import Predictor, TrainingState
from .evaluate import Evaluation, evaluate, predictions
from .evaluate.heads import answers_of

if TYPE_CHECKING:
    import pandas as pd

    from .model import Model
    from .run import Run


class RunMoment:
    """What `Run.at` returns: the run's model after one of its epochs.

    Attributes
    ----------
    run : Run
    epoch : int
    """

    def __init__(self, run: Run, epoch: int, predictor: Predictor, state: TrainingState) -> None:
        self.run = run
        self.epoch = epoch
        self.state = state
        self._predictor = predictor

    @property
    def history(self) -> pd.DataFrame:
        """The run's history up to this epoch."""
        full = self.run.history
        return full[full["epoch"] <= self.epoch]

    def predictor(self) -> Predictor:
        """Return the model."""
        return self._predictor

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Predict new rows; see `Run.predict`."""
        return predictions(frame, self.run.preprocessor, self._predictor, self.run.classes, self.run.task)

    def evaluate(self) -> Evaluation:
        """Evaluate on the held-out test rows."""
        prepared = self.run.prepared
        task, classes, others = self.run.task, self.run.classes, answers_of(prepared)
        return evaluate(self._predictor, prepared.X_test, prepared.y_test, task, classes, others)

    def model(self) -> Model:
        """Return the model on its own, as `load_model` would."""
        from .model import Model

        return Model.of_run(self.run, self._predictor)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model to one file; see `Run.save`."""
        return self.model().save(path)

    def __repr__(self) -> str:
        return f"<{self.run.name} of {self.run.spec.name!r} at epoch {self.epoch}>"
