"""Snapshots that predict: immutable, and callable from any thread while training goes on."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, StateError


class Predictor(ABC):
    """A model as it was at one moment.

    Parameters
    ----------
    task : {"classification", "regression"}
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
            raise StateError("A regression has no class probabilities; use predict().")
        rows = self._rows(X)
        if len(rows) == 0:
            return np.empty((0, self.n_classes), dtype=np.float64)
        return self._probabilities(rows)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class index (int64) or the predicted number (float64, the target's own units) of each row."""
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

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        answer = np.asarray(self.estimator.predict_proba(rows))
        full = spread(answer, self.estimator.classes_, self.n_classes)
        if answer.dtype == np.float64:
            return full
        # sums of float32 are off by more than metrics accept
        return np.asarray(full / full.sum(axis=1, keepdims=True), dtype=np.float64)

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
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
