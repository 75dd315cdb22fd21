"""Held-out evaluation: metrics, their intervals, the confusion matrix, and a sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..engine.predictors import EstimatorPredictor, Predictor
from ..errors import InputError
from ..metrics import compute
from . import intervals
from .heads import with_further
from .unsupervised import measured


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model does on rows that it was not trained on.

    Attributes
    ----------
    task : {"classification", "regression", "clustering", "anomaly", "transform"}
    metrics : dict of str to float
        scikit-learn's names, see `medilytica_widgets.metrics`.
    intervals : dict of str to float
        Half the width of a metric's 95 % interval (see `medilytica_widgets.evaluate.intervals` for the methods); a
        metric without an honest one, such as a perfect F1 score, is absent.
    confusion : ndarray of int64, shape (classes, classes)
        Rows by true class (first axis) and predicted class; shape (0, 0) for other tasks.
    per_class : list of dict
        ``{"class", "precision", "recall", "f1", "support"}`` in the order of the classes; what is undefined is 0.
    n : int
        Rows.
    sentence : str
        The result in plain words.
    classes : list of str
        Of the target; for clusterings and anomaly scores those that it was compared with.
    remark : str
        What to know about how it was measured; empty as a rule.
    heads : dict of str to Evaluation
        Of the further heads of a network, by name; their metrics stand in ``metrics`` as ``<head>_<metric>`` too.
    """

    task: str
    metrics: dict[str, float]
    intervals: dict[str, float]
    confusion: NDArray[np.int64]
    per_class: list[dict[str, Any]]
    n: int
    sentence: str
    classes: list[str] = field(default_factory=list)
    remark: str = ""
    heads: dict[str, Evaluation] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "task": self.task,
            "metrics": dict(self.metrics),
            "intervals": dict(self.intervals),
            "confusion": self.confusion.tolist(),
            "per_class": [dict(row) for row in self.per_class],
            "n": self.n,
            "sentence": self.sentence,
            "classes": list(self.classes),
            "remark": self.remark,
            "heads": {name: head.to_json() for name, head in self.heads.items()},
        }


def evaluate(
    predictor: Predictor,
    X: ArrayLike,
    y: ArrayLike,
    task: str,
    classes: Sequence[str] = (),
    further: Mapping[str, ArrayLike] | None = None,
) -> Evaluation:
    """Measure a model on rows with known answers.

    Parameters
    ----------
    predictor : Predictor
    X : array-like of float32, shape (n, features)
        Prepared rows.
    y : array-like, shape (n,)
        Class indices, or numbers in the target's own units; anything for a table without a target.
    task : {"classification", "regression", "clustering", "anomaly", "transform"}
    classes : sequence of str
        Names in the order of the class indices; empty for regression and without a target.
    further : mapping of str to array-like, optional
        The answers for further heads of a network; see `medilytica_widgets.evaluate.heads.answers_of`.

    Raises
    ------
    InputError
        Without any row, or when X and y differ in length.
    """
    rows, truth = np.asarray(X), np.asarray(y)
    if len(truth) == 0:
        raise InputError("There are no rows to evaluate on; give the split a larger test part or another table.")
    if len(rows) != len(truth):
        raise InputError(f"There are {len(rows)} rows but {len(truth)} answers; give one answer for each row.")
    if isinstance(predictor, EstimatorPredictor) and task in ("clustering", "anomaly", "transform"):
        (metrics, sentence, remark), n = measured(predictor, rows, truth, classes)
        nothing = np.zeros((0, 0), dtype=np.int64)
        return Evaluation(task, metrics, {}, nothing, [], n, sentence, list(classes), remark)
    if task == "regression":
        found = _regression(truth.astype(np.float64), np.asarray(predictor.predict(rows), dtype=np.float64))
    else:
        found = _classification(truth.astype(np.int64), predictor.predict_proba(rows), list(classes))
    return with_further(found, predictor, rows, further, evaluate) if further else found


def _classification(truth: NDArray[np.int64], scores: NDArray[np.float64], classes: list[str]) -> Evaluation:
    guess = scores.argmax(axis=1).astype(np.int64)
    k = len(classes)
    confusion = np.bincount(truth * k + guess, minlength=k * k).reshape(k, k).astype(np.int64)
    per_class = []
    for c, name in enumerate(classes):
        right, support, said = int(confusion[c, c]), int(confusion[c].sum()), int(confusion[:, c].sum())
        per_class.append(
            {
                "class": name,
                "precision": right / said if said else 0.0,
                "recall": right / support if support else 0.0,
                "f1": 2 * right / (support + said) if support + said else 0.0,
                "support": support,
            }
        )
    return Evaluation(
        "classification",
        compute("classification", truth, guess, scores, k),
        intervals.classification(truth, guess, scores, k),
        confusion,
        per_class,
        len(truth),
        _class_sentence(confusion, per_class),
        classes,
    )


def _class_sentence(confusion: NDArray[np.int64], per_class: list[dict[str, Any]]) -> str:
    n, hits = int(confusion.sum()), int(np.trace(confusion))
    low, high = intervals.wilson(hits, n)
    text = (
        f"Right for {_in_hundred(hits / n)} of 100 rows it has never seen "
        f"({100 * low:.0f} to {100 * high:.0f} with 95 % confidence, from {n:,} rows)"
    )
    missed = [(1 - row["recall"], row["class"]) for row in per_class if row["support"]]
    worst, name = max(missed, key=lambda pair: pair[0])
    if hits == n:
        text += "; it missed none."
    elif len(missed) == 1:
        text += f"; all of them are {name!r}, so it says nothing of the other classes."
    else:
        text += f"; {name!r} is missed most often ({100 * worst:.0f} %)."
    common = max(per_class, key=lambda row: row["support"])
    if len(missed) > 1 and low <= common["support"] / n:
        share = _in_hundred(common["support"] / n)
        text += f" Always answering {common['class']!r} would be right for {share} of 100: it may have learned little."
    return text


def _in_hundred(share: float) -> str:
    """Return a share as a whole number of 100, without calling almost all "100" or very few "0"."""
    if 0.995 <= share < 1:
        return "more than 99"
    if 0 < share < 0.005:
        return "fewer than 1"
    return f"{100 * share:.0f}"


def _regression(truth: NDArray[np.float64], guess: NDArray[np.float64]) -> Evaluation:
    metrics = compute("regression", truth, guess)
    halves = intervals.regression(truth, guess)
    error, n = metrics["mean_absolute_error"], len(truth)
    half = halves.get("mean_absolute_error")
    text = f"Off by {error:.3g} on average on {n:,} rows it has never seen"
    if half is not None:
        text += f" ({max(0.0, error - half):.3g} to {error + half:.3g} with 95 % confidence)"
    explained = metrics.get("r2")
    if explained is None:
        text += "."
    elif explained > 0:
        text += f"; it explains {100 * explained:.0f} % of the differences between the rows."
    else:
        text += "; it is no better than always answering the average."
    return Evaluation("regression", metrics, halves, np.zeros((0, 0), dtype=np.int64), [], n, text)
