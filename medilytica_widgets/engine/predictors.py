"""Snapshots that predict: immutable, and callable from any thread while training goes on."""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, MedilyticaError, ModelFileError, StateError
from . import unsupervised


class Predictor(ABC):
    """A model as it was at one moment.

    Parameters
    ----------
    task : {"classification", "regression", "clustering", "anomaly", "transform"}
    n_features : int
    n_classes : int
        1 for regression.
    epoch : float
        The epoch (or stage) it was taken at.
    version : int
        Grows with every snapshot of a run.
    """

    def __init__(self, task: str, n_features: int, n_classes: int, epoch: float = 0.0, version: int = 0) -> None:
        self.task = task
        self.n_features = n_features
        self.n_classes = n_classes
        self.epoch = epoch
        self.version = version

    @property
    def further(self) -> dict[str, Predictor]:
        """What predicts for each further head of a network, by the head's name; empty for other models."""
        return {}

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of a further head's classes; who holds a model knows those of the first."""
        return ()

    @property
    def column(self) -> str:
        """The column that a further head learned; empty for the first."""
        return ""

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return class probabilities.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Prepared rows.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Rows sum to 1.

        Raises
        ------
        StateError
            For a regression.
        InputError
            For another number of features.
        """
        if self.task != "classification":
            raise StateError(f"A {_WHAT[self.task]} has no class probabilities; use predict().")
        rows = self._rows(X)
        if len(rows) == 0:
            return np.empty((0, self.n_classes), dtype=np.float64)
        return self._probabilities(rows)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return what the task asks for, a row each.

        Returns
        -------
        ndarray
            The class index (int64); the predicted number (float64, the target's own units); the cluster (int64, -1
            for none); whether it is unusual (bool); or its new columns (rows, columns).

        Raises
        ------
        InputError
            For another number of features.
        StateError
            For a transformation that has no rule for new rows.
        """
        if self.task == "classification":
            return np.asarray(self.predict_proba(X).argmax(axis=1), dtype=np.int64)
        rows = self._rows(X)
        return self._values(rows) if len(rows) else np.empty(0, dtype=np.float64)

    def _rows(self, X: ArrayLike) -> NDArray[np.float32]:
        rows = np.ascontiguousarray(X, dtype=np.float32)
        if rows.ndim != 2 or rows.shape[1] != self.n_features:
            raise InputError(
                f"The rows have shape {rows.shape}; the model takes {self.n_features} features a row. "
                "Prepare the table with the run's own preprocessor."
            )
        return rows

    @abstractmethod
    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]: ...

    @abstractmethod
    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]: ...


_WHAT = {
    "regression": "regression",
    "clustering": "clustering",
    "anomaly": "detector of anomalies",
    "transform": "transformation",
}


class EstimatorPredictor(Predictor):
    """A fitted scikit-learn estimator.

    Parameters
    ----------
    estimator : object
        Not fitted further after it was given here.
    task, n_features, n_classes, epoch, version
        As `Predictor`.
    """

    def __init__(
        self, estimator: Any, task: str, n_features: int, n_classes: int, epoch: float = 1.0, version: int = 0
    ) -> None:
        super().__init__(task, n_features, n_classes, epoch, version)
        self.estimator = estimator
        self.stored = False
        """Whether it was read from a file, which may be damaged where only some rows look."""

    @contextlib.contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except MedilyticaError:
            raise
        except Exception as error:
            if not self.stored:
                raise
            raise ModelFileError(f"The stored estimator is damaged: {error}. Save the model again.") from error

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return what the task asks for, a row each; see `Predictor.predict`."""
        if self.task not in ("clustering", "anomaly", "transform"):
            return super().predict(X)
        rows = self._rows(X)
        if self.task == "transform":
            if len(rows) == 0 and hasattr(self.estimator, "transform"):
                # one row tells how many columns there are
                return self.predict(np.zeros((1, self.n_features)))[:0]
            with self._asked():
                return unsupervised.transformed(self.estimator, rows, type(self.estimator).__name__)
        if len(rows) == 0:
            return np.empty(0, dtype=np.int64 if self.task == "clustering" else np.bool_)
        answer = unsupervised.clusters if self.task == "clustering" else unsupervised.flagged
        with self._asked():
            return answer(self.estimator, rows)

    def scores(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return how unusual each row is, larger for more; of a detector of anomalies.

        Raises
        ------
        StateError
            For another task.
        """
        if self.task != "anomaly":
            raise StateError(f"A {_WHAT.get(self.task, self.task)} has no scores of anomaly; use predict().")
        rows = self._rows(X)
        with self._asked():
            return unsupervised.unusual(self.estimator, rows) if len(rows) else np.empty(0, dtype=np.float64)

    def memberships(self, X: ArrayLike) -> NDArray[np.float64] | None:
        """Return each row's probability for each cluster, of a mixture; None for any other method."""
        rows = self._rows(X)
        if self.task != "clustering" or not hasattr(self.estimator, "predict_proba"):
            return None
        if len(rows) == 0:
            return np.empty((0, len(self.estimator.weights_)), dtype=np.float64)
        with self._asked():
            return unsupervised.memberships(self.estimator, rows)

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        with self._asked():
            answer = np.asarray(self.estimator.predict_proba(rows))
            full = spread(answer, self.estimator.classes_, self.n_classes)
        if answer.dtype == np.float64 and type(self.estimator).__name__ != "VotingClassifier":
            return full
        # sums of float32 are off by more than metrics accept, and so is the mean of members that answer in float32
        return np.asarray(full / full.sum(axis=1, keepdims=True), dtype=np.float64)

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        with self._asked():
            return np.asarray(self.estimator.predict(rows), dtype=np.float64).reshape(-1)


def spread(probabilities: ArrayLike, present: ArrayLike, n_classes: int) -> NDArray[np.float64]:
    """Return columns for all classes: an estimator knows only the ones it was fitted on."""
    known = np.asarray(probabilities, dtype=np.float64)
    if known.shape[1] == n_classes:
        return known
    full = np.zeros((len(known), n_classes), dtype=np.float64)
    full[:, np.asarray(present, dtype=np.int64)] = known
    return full


def freeze(estimator: Any) -> Any:
    """Return a copy that predicts the same after the original was grown by a warm start.

    Growing adds trees to containers or replaces arrays and never changes a fitted tree, so the
    containers are copied and their contents shared.
    """
    frozen = copy.copy(estimator)
    for name, value in vars(frozen).items():
        if isinstance(value, (list, dict, np.ndarray)):
            setattr(frozen, name, copy.copy(value))
    return frozen
