"""What fitted estimators without a target say of rows, and of those that they were not fitted on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import measures
from ..errors import StateError
from .telemetry import METRIC

if TYPE_CHECKING:
    from .job import Job

Rows = NDArray[np.float32]


def complete(estimator: Any, job: Job) -> None:
    """Leave with a fitted estimator what it needs to speak of new rows, and what its scores are compared with.

    ``training_rows_`` where it has no rule for new rows, and ``unusual_class_``, of two classes the one with fewer
    training rows.
    """
    data = job.prepared
    if job.task == "clustering" and not hasattr(estimator, "predict") and not hasattr(estimator, "components_"):
        estimator.training_rows_ = np.asarray(data.X_train)
    if job.task == "transform" and not hasattr(estimator, "transform"):
        estimator.training_rows_ = np.asarray(data.X_train)
    if job.task == "anomaly" and len(data.classes) == 2:
        estimator.unusual_class_ = int(np.bincount(data.y_train, minlength=2).argmin())


def clusters(estimator: Any, rows: Rows) -> NDArray[np.int64]:
    """Return each row's cluster, from 0; -1 for a row in none.

    What has no rule for new rows places them with the nearest row that it was fitted on; for DBSCAN that is the
    nearest core row, within its neighbourhood.
    """
    if hasattr(estimator, "predict"):
        return np.asarray(estimator.predict(rows), dtype=np.int64)
    from sklearn.neighbors import NearestNeighbors

    core = hasattr(estimator, "core_sample_indices_")
    known = estimator.components_ if core else estimator.training_rows_
    if len(known) == 0:
        return np.full(len(rows), -1, dtype=np.int64)
    labels = estimator.labels_[estimator.core_sample_indices_] if core else estimator.labels_
    distance, nearest = NearestNeighbors(n_neighbors=1, metric=estimator.metric).fit(known).kneighbors(rows)
    found = np.asarray(labels[nearest[:, 0]], dtype=np.int64)
    return np.where(distance[:, 0] <= estimator.eps, found, -1) if core else found


def memberships(estimator: Any, rows: Rows) -> NDArray[np.float64] | None:
    """Return each row's probability for each cluster; None where a method has none."""
    if not hasattr(estimator, "predict_proba"):
        return None
    return np.asarray(estimator.predict_proba(rows), dtype=np.float64)


def flagged(estimator: Any, rows: Rows) -> NDArray[np.bool_]:
    """Return which rows are called unusual."""
    return np.asarray(estimator.predict(rows) == -1)


def unusual(estimator: Any, rows: Rows) -> NDArray[np.float64]:
    """Return how unusual each row is; larger is more."""
    return np.asarray(-estimator.score_samples(rows), dtype=np.float64)


def transformed(estimator: Any, rows: Rows, name: str = "This method") -> NDArray[Any]:
    """Return rows in the new columns.

    Raises
    ------
    StateError
        For a method that has no rule for new rows.
    """
    if not hasattr(estimator, "transform"):
        raise StateError(
            f"{name} places the rows that it was fitted on and has no rule for others. Take PCA or kernel PCA to "
            "transform new rows."
        )
    return np.asarray(estimator.transform(rows))


class Scores:
    """Loss and metric of an estimator without a target, on the training and the validation rows.

    The loss is what the method itself makes small, where it has that: the mean squared distance to the nearest
    centre, the negative log-likelihood of a row, the mean squared error of the way back (from a code too). The metric
    is the silhouette (of at most 5 000 rows), the part of the rows that is called unusual, or the part of the variance
    that the way back keeps. What a method does not have is NaN.
    """

    def __init__(self, job: Job) -> None:
        self._task = job.task
        self._splits = {"train": job.prepared.X_train, "val": job.prepared.X_validation}

    def measure(self, estimator: Any) -> dict[str, float]:
        """Return ``train_loss``, ``val_loss`` and the metric's two columns."""
        row: dict[str, float] = {}
        metric = METRIC[self._task]
        for split, X in self._splits.items():
            loss, value = self._of(estimator, X, split == "train") if len(X) else (math.nan, math.nan)
            row[f"{split}_loss"], row[f"{split}_{metric}"] = loss, value
        return row

    def _of(self, estimator: Any, X: Rows, fitted_on: bool) -> tuple[float, float]:
        if self._task == "clustering":
            labels = estimator.labels_ if fitted_on and hasattr(estimator, "labels_") else clusters(estimator, X)
            return _cluster_loss(estimator, X), measures.silhouette(X, np.asarray(labels, dtype=np.int64))
        if self._task == "anomaly":
            # of its own rows the local outlier factor knows better: asked for them, each is its own neighbour
            own = getattr(estimator, "negative_outlier_factor_", None) if fitted_on else None
            marked = flagged(estimator, X) if own is None else own < estimator.offset_
            # where the score is how badly a row was brought back, its mean is what was made small
            loss = float(np.mean(unusual(estimator, X))) if hasattr(estimator, "inverse_transform") else math.nan
            return loss, float(np.mean(marked))
        if not hasattr(estimator, "transform"):
            return float(getattr(estimator, "kl_divergence_", math.nan)) if fitted_on else math.nan, math.nan
        back = measures.restored(estimator, estimator.transform(X))
        if back is None:
            return math.nan, math.nan
        part, error = measures.reconstruction(X, back)
        return error, part


def _cluster_loss(estimator: Any, X: Rows) -> float:
    if hasattr(estimator, "cluster_centers_"):
        nearest = np.min(estimator.transform(X), axis=1)
        return float(np.mean(nearest.astype(np.float64) ** 2))
    return -float(estimator.score(X)) if hasattr(estimator, "weights_") else math.nan


def unfinished(estimator: Any) -> str:
    """Say that a fit used up its iterations; an empty string where it did not, or has none."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    most, done = getattr(last, "max_iter", None), getattr(last, "n_iter_", None)
    if not isinstance(most, int) or most < 1 or done is None or hasattr(last, "kl_divergence_"):
        return ""
    if getattr(last, "converged_", int(np.max(done)) < most):
        return ""
    return f"The fit ended after {most} iterations, before it converged. Raise max_iter for a more exact result."
