"""Metric functions and their names, which are scikit-learn's; the engine and evaluation share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

Task = Literal["classification", "regression", "clustering", "anomaly", "transform"]


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    id : str
        The name in results, for example ``balanced_accuracy``.
    label : str
        The words for a table or an axis.
    task : {"classification", "regression", "clustering", "anomaly", "transform"}
        The first one that has it; see `names`.
    greater_is_better : bool
    help : str
        One sentence: what the number says.
    """

    id: str
    label: str
    task: Task
    greater_is_better: bool
    help: str


METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        Metric("accuracy", "accuracy", "classification", True, "The part of all rows that is predicted right."),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            "classification",
            True,
            "The part predicted right within each class, averaged over the classes, so that a rare class counts as "
            "much as a common one.",
        ),
        Metric(
            "f1_macro",
            "F1 (macro)",
            "classification",
            True,
            "The harmonic mean of precision and recall of each class, averaged over the classes.",
        ),
        Metric(
            "log_loss",
            "log loss",
            "classification",
            False,
            "How surprised the model is by the right answers: 0 is perfect, and being sure and wrong costs most.",
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            "classification",
            True,
            "The chance that a row of a class gets a higher score for it than a row of another class; 0.5 is guessing.",
        ),
        Metric(
            "r2",
            "R²",
            "regression",
            True,
            "The part of the target's variance that is explained; 0 is as good as always answering the average.",
        ),
        Metric(
            "mean_absolute_error",
            "mean absolute error",
            "regression",
            False,
            "How far off a prediction is on average, in the target's own units.",
        ),
        Metric(
            "root_mean_squared_error",
            "root mean squared error",
            "regression",
            False,
            "As the mean absolute error, but large errors weigh more; in the target's own units.",
        ),
        Metric(
            "silhouette",
            "silhouette",
            "clustering",
            True,
            "How much closer rows are to their own cluster than to the next one: 1 is far apart, 0 is overlapping.",
        ),
        Metric(
            "davies_bouldin",
            "Davies-Bouldin",
            "clustering",
            False,
            "How wide clusters are against the distance to the most similar other one, on average; 0 is best.",
        ),
        Metric(
            "calinski_harabasz",
            "Calinski-Harabasz",
            "clustering",
            True,
            "How far clusters are spread against how wide each is; it compares clusterings of one table only.",
        ),
        Metric("part_clustered", "part in a cluster", "clustering", True, "The part of the rows that is in a cluster."),
        Metric(
            "adjusted_rand",
            "adjusted Rand index",
            "clustering",
            True,
            "How well clusters agree with the target's classes on pairs of rows: 1 is the same, 0 is chance.",
        ),
        Metric(
            "normalized_mutual_information",
            "normalised mutual information",
            "clustering",
            True,
            "How much of the target's classes the clusters tell: 1 is all, 0 is nothing.",
        ),
        Metric("part_flagged", "part called unusual", "anomaly", False, "The part of the rows that is called unusual."),
        Metric(
            "average_precision",
            "average precision",
            "anomaly",
            True,
            "The part of the rows with high scores that is of the rarer class, averaged over all places to draw the "
            "line; by chance it is the part of that class.",
        ),
        Metric(
            "explained_variance",
            "explained variance",
            "transform",
            True,
            "The part of the table's variance that is still there on the way back to the old columns.",
        ),
        Metric(
            "reconstruction_error",
            "reconstruction error",
            "transform",
            False,
            "The mean squared difference between the prepared rows and the way back to them.",
        ),
        Metric(
            "trustworthiness",
            "trustworthiness",
            "transform",
            True,
            "Whether rows that are close in the new columns were close before: 1 is all of them.",
        ),
        Metric("new_columns", "new columns", "transform", False, "How many columns a row has afterwards."),
    )
}
"""Every metric by id, in the order of a table."""


def names(task: str) -> list[str]:
    """Return the ids of a task's metrics, in order."""
    own = [m.id for m in METRICS.values() if m.task == task]
    return ["part_flagged", "roc_auc", "average_precision"] if task == "anomaly" else own


def compute(
    task: str,
    y_true: ArrayLike,
    y_pred: ArrayLike,
    probabilities: ArrayLike | None = None,
    n_classes: int | None = None,
) -> dict[str, float]:
    """Compute every metric of the task that is defined for these rows.

    Parameters
    ----------
    task : {"classification", "regression"}
    y_true, y_pred : array-like of shape (n,)
        Class indices from 0 (classification) or numbers (regression).
    probabilities : array-like of shape (n, n_classes), optional
        Predicted probabilities, rows summing to 1; without them ``log_loss`` and ``roc_auc`` are left out.
    n_classes : int, optional
        Number of classes; the largest index seen plus one when None.

    Returns
    -------
    dict of str to float
        Ids of `METRICS`. ``roc_auc`` (one against the rest, unweighted mean, when there are more than two classes)
        is absent when a class has no row in ``y_true``; ``r2`` is absent below two different true values.

    Raises
    ------
    InputError
        Without any row, or for an unknown task.

    Notes
    -----
    The functions and definitions are those of `sklearn.metrics`.
    """
    truth: NDArray[Any] = np.asarray(y_true)
    guess: NDArray[Any] = np.asarray(y_pred)
    if len(truth) == 0:
        raise InputError("There are no rows to measure on; give a table with at least one row.")
    if len(truth) != len(guess):
        raise InputError(f"There are {len(truth)} true values but {len(guess)} predictions; give the same rows.")
    if task == "regression":
        return _regression(truth.astype(np.float64), guess.astype(np.float64))
    if task != "classification":
        raise InputError(f"The task is {task!r}; it is 'classification' or 'regression'.")
    scores = None if probabilities is None else np.asarray(probabilities, dtype=np.float64)
    count = n_classes if n_classes is not None else int(max(truth.max(), guess.max())) + 1
    return _classification(truth.astype(np.int64), guess.astype(np.int64), scores, count)


def _classification(
    truth: NDArray[np.int64], guess: NDArray[np.int64], scores: NDArray[np.float64] | None, n_classes: int
) -> dict[str, float]:
    from sklearn import metrics as sk

    present = np.unique(truth)
    hits = truth == guess
    values = {
        "accuracy": float(hits.mean()),
        # balanced_accuracy_score's definition; written out because it warns when a class is only predicted
        "balanced_accuracy": float(np.mean([hits[truth == c].mean() for c in present])),
        "f1_macro": float(sk.f1_score(truth, guess, average="macro", zero_division=0)),
    }
    if scores is None:
        return values
    values["log_loss"] = float(sk.log_loss(truth, scores, labels=np.arange(n_classes)))
    if n_classes > 1 and len(present) == n_classes:
        values["roc_auc"] = float(np.mean([sk.roc_auc_score(truth == c, scores[:, c]) for c in _scored(n_classes)]))
    return values


def _scored(n_classes: int) -> range:
    """Return the classes whose curves are averaged: the second of two, else all."""
    return range(1, 2) if n_classes == 2 else range(n_classes)


def _regression(truth: NDArray[np.float64], guess: NDArray[np.float64]) -> dict[str, float]:
    error = guess - truth
    values: dict[str, float] = {}
    spread = float(((truth - truth.mean()) ** 2).sum())
    if spread > 0:
        values["r2"] = 1.0 - float((error**2).sum()) / spread
    values["mean_absolute_error"] = float(np.abs(error).mean())
    values["root_mean_squared_error"] = float(np.sqrt((error**2).mean()))
    return values


_SCORES = {
    "accuracy": ("accuracy_score", "accuracy_score(y_test, predicted)"),
    "balanced_accuracy": ("balanced_accuracy_score", "balanced_accuracy_score(y_test, predicted)"),
    "f1_macro": ("f1_score", 'f1_score(y_test, predicted, average="macro", zero_division=0)'),
    "log_loss": ("log_loss", "log_loss(y_test, probabilities, labels=range(len(classes)))"),
    "roc_auc": ("roc_auc_score", ""),
    "r2": ("r2_score", "r2_score(y_test, predicted)"),
    "mean_absolute_error": ("mean_absolute_error", "mean_absolute_error(y_test, predicted)"),
    "root_mean_squared_error": ("root_mean_squared_error", "root_mean_squared_error(y_test, predicted)"),
}


def score_lines(task: str, n_classes: int) -> list[str]:
    """Return lines of a standalone script that print every metric of the task, ``name repr(value)`` a line.

    They expect ``y_test``, ``predicted`` and, for classification, ``probabilities`` and ``classes``; for what the
    other tasks need see `medilytica_widgets.measures.lines`. ``n_classes`` is 0 where the target is no class.
    """
    if task not in ("classification", "regression"):
        from . import measures

        return measures.lines(task, n_classes)
    wanted = names(task)
    imported = ", ".join(sorted(_SCORES[name][0] for name in wanted))
    lines = [f"from sklearn.metrics import {imported}", "", "scores = {"]
    for name in wanted:
        if name == "roc_auc":
            several = 'probabilities, multi_class="ovr", labels=range(len(classes))'
            ranking = "probabilities[:, 1]" if n_classes == 2 else several
            call = f"roc_auc_score(y_test, {ranking})"
        else:
            call = _SCORES[name][1]
        lines.append(f'    "{name}": {call},')
    lines += ["}", "for name, value in scores.items():", "    print(name, repr(float(value)))"]
    return lines
