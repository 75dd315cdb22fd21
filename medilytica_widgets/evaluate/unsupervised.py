"""The evaluation of clusterings, anomaly scores and transformations on rows that they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import measures
from ..engine.predictors import EstimatorPredictor

Found = tuple[dict[str, float], str, str]
"""Metrics, the sentence, and the remark."""


def measured(
    predictor: EstimatorPredictor, rows: NDArray[Any], truth: NDArray[Any], classes: Sequence[str]
) -> tuple[Found, int]:
    """Return what is measured on rows, and of how many rows it was.

    Parameters
    ----------
    predictor : EstimatorPredictor
        Of the task "clustering", "anomaly" or "transform".
    rows : ndarray
        Prepared.
    truth : ndarray
        Their class indices; read only where there are classes.
    classes : sequence of str
        Names of the target's classes; empty where it is none, or is a number.
    """
    known = np.asarray(truth, dtype=np.int64) if len(classes) else None
    if predictor.task == "clustering":
        return _clustering(predictor, rows, known)
    return (
        _anomaly(predictor, rows, known, list(classes)) if predictor.task == "anomaly" else _transform(predictor, rows)
    )


def _clustering(
    predictor: EstimatorPredictor, rows: NDArray[Any], truth: NDArray[np.int64] | None
) -> tuple[Found, int]:
    labels = predictor.predict(rows)
    metrics = measures.clustering(rows, labels, truth)
    counts = np.unique(labels[labels >= 0], return_counts=True)[1]
    n, aside = len(labels), int((labels < 0).sum())
    text = f"{n:,} rows it has never seen fall into {_count(len(counts), 'cluster')}"
    if len(counts):
        text += f", the largest with {100 * counts.max() / n:.0f} % of them"
    text += f"; {aside:,} are in none." if aside else "."
    if "silhouette" in metrics:
        text += f" {_apart(metrics['silhouette'])} (silhouette {metrics['silhouette']:.2f})."
    elif len(counts) < 2:
        text += " With fewer than two clusters there is nothing to tell apart."
    if truth is not None:
        text += f" With the target's classes they agree {_agreement(metrics['adjusted_rand'])}."
    remark = ""
    if hasattr(predictor.estimator, "core_sample_indices_"):
        remark = "This method has no rule for new rows: each joined the cluster of the nearest core row within reach."
    elif not hasattr(predictor.estimator, "predict"):
        remark = "This method has no rule for new rows: each joined the cluster of the nearest training row."
    return (metrics, text, remark), n


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' if number != 1 else ''}"


def _apart(silhouette: float) -> str:
    if silhouette >= 0.5:
        return "The clusters lie well apart"
    return "The clusters touch each other" if silhouette >= 0.25 else "The clusters overlap, or there are none to find"


def _agreement(rand: float) -> str:
    word = "almost entirely" if rand >= 0.9 else "in large part" if rand >= 0.5 else "in part" if rand >= 0.1 else ""
    return f"{word or 'no more than by chance'} (adjusted Rand index {rand:.2f})"


def _anomaly(
    predictor: EstimatorPredictor, rows: NDArray[Any], truth: NDArray[np.int64] | None, classes: list[str]
) -> tuple[Found, int]:
    rare = getattr(predictor.estimator, "unusual_class_", None)
    known = truth == rare if truth is not None and rare is not None else None
    metrics = measures.anomaly(predictor.predict(rows), predictor.scores(rows), known)
    share, n = metrics["part_flagged"], len(rows)
    text = f"{100 * share:.0f} % of {n:,} rows it has never seen are called unusual."
    remark = ""
    if "roc_auc" in metrics:
        assert rare is not None
        name = classes[rare]
        text += (
            f" A row of the class {name!r} gets a higher score than one of the other class in "
            f"{100 * metrics['roc_auc']:.0f} of 100 pairs."
        )
        remark = (
            f"A larger score means more unusual. {name!r}, the class with fewer training rows, counts as unusual for "
            "ROC AUC and average precision; the method itself never saw the classes."
        )
    return (metrics, text, remark), n


def _transform(predictor: EstimatorPredictor, rows: NDArray[Any]) -> tuple[Found, int]:
    model, remark = predictor.estimator, ""
    if hasattr(model, "transform"):
        found = predictor.predict(rows)
        which = "it has never seen"
    else:
        rows, found = np.asarray(model.training_rows_), np.asarray(model.embedding_)
        which = "it was fitted on"
        remark = (
            "This method places the rows that it was fitted on and has no rule for others, so it is measured on those. "
            "Take PCA or kernel PCA to transform new rows."
        )
    metrics = measures.transform(model, rows, found)
    text = f"{len(rows):,} rows {which} become {_count(found.shape[1], 'column')} each."
    if metrics.get("explained_variance", 0.0) > 0:
        text += f" {100 * metrics['explained_variance']:.0f} % of their variance is still there on the way back."
    if "trustworthiness" in metrics:
        text += f" Neighbours are neighbours still: trustworthiness {metrics['trustworthiness']:.2f} of 1."
    return (metrics, text, remark), len(rows)
