"""95 % intervals of metrics from one set of rows.

Accuracy has Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001, Interval estimation for a
binomial proportion). Balanced accuracy sums the variances of the recalls, each with Agresti and Coull's
adjustment (1998), so that a class with few rows is never certain. All others are normal approximations
by the delta method: each row's influence on the metric gives its variance (van der Vaart 1998, Asymptotic
Statistics, chapter 20); for ROC AUC this is the estimator of DeLong, DeLong and Clarke-Pearson (1988).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


def wilson(hits: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``hits`` in ``n`` rows."""
    share, spread = hits / n, Z * Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = Z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def classification(truth: Ints, guess: Ints, scores: Floats | None, n_classes: int) -> dict[str, float]:
    """Return half the width of each metric's 95 % interval; a metric without an honest one is absent.

    Parameters
    ----------
    truth, guess : ndarray of int64, shape (n,)
    scores : ndarray of float64, shape (n, n_classes), optional
    n_classes : int
    """
    hits = truth == guess
    low, high = wilson(float(hits.sum()), len(truth))
    halves = {"accuracy": (high - low) / 2, "balanced_accuracy": _balanced(truth, hits)}
    halves["f1_macro"] = _half(_f1_influence(truth, guess))
    if scores is not None:
        given = scores[np.arange(len(truth)), truth]
        losses = -np.log(np.maximum(given, np.finfo(np.float64).eps))
        halves["log_loss"] = _half(losses - losses.mean())
        if n_classes > 1 and len(np.unique(truth)) == n_classes:
            classes = range(1, 2) if n_classes == 2 else range(n_classes)
            influence = sum(_auc_influence(truth == c, scores[:, c]) for c in classes) / len(classes)
            halves["roc_auc"] = _half(np.asarray(influence))
    return {name: half for name, half in halves.items() if half > 0}


def regression(truth: Floats, guess: Floats) -> dict[str, float]:
    """Return half the width of each metric's 95 % interval; a metric without an honest one is absent."""
    if len(truth) < 2:
        return {}
    error = guess - truth
    square, deviation = error**2, (truth - truth.mean()) ** 2
    halves = {"mean_absolute_error": _half(np.abs(error) - np.abs(error).mean())}
    root = math.sqrt(float(square.mean()))
    if root > 0:
        halves["root_mean_squared_error"] = _half((square - square.mean()) / (2 * root))
    spread = float(deviation.mean())
    if spread > 0:
        ratio = float(square.mean()) / spread
        halves["r2"] = _half((square - ratio * deviation) / spread)
    return {name: half for name, half in halves.items() if half > 0}


def _half(influence: Floats) -> float:
    return float(Z * math.sqrt(float((influence**2).mean()) / len(influence)))


def _balanced(truth: Ints, hits: NDArray[np.bool_]) -> float:
    variances = []
    for c in np.unique(truth):
        mine = hits[truth == c]
        n = len(mine) + Z * Z
        share = (float(mine.sum()) + Z * Z / 2) / n
        variances.append(share * (1 - share) / n)
    return float(Z * math.sqrt(sum(variances)) / len(variances))


def _f1_influence(truth: Ints, guess: Ints) -> Floats:
    seen = np.union1d(truth, guess)
    total = np.zeros(len(truth))
    for c in seen:
        mine, said = (truth == c).astype(np.float64), (guess == c).astype(np.float64)
        both = mine * said
        size = float(mine.mean() + said.mean())
        score = 2 * float(both.mean()) / size
        total += (2 * both - score * (mine + said)) / size
    return total / len(seen)


def _auc_influence(mine: NDArray[np.bool_], scores: Floats) -> Floats:
    """Return each row's influence on the area: how often it is on the right side of the other rows."""
    others, own = np.sort(scores[~mine]), np.sort(scores[mine])
    placed = np.empty(len(scores))
    placed[mine] = _below(others, scores[mine]) / len(others)
    placed[~mine] = 1 - _below(own, scores[~mine]) / len(own)
    area = float(placed[mine].mean())
    weight = np.where(mine, len(scores) / len(own), len(scores) / len(others))
    return (placed - area) * weight


def _below(ordered: Floats, values: Floats) -> Floats:
    """Return how many of the ordered are smaller than each value, equal ones counting half."""
    left = np.searchsorted(ordered, values, side="left")
    return np.asarray((left + np.searchsorted(ordered, values, side="right")) / 2, dtype=np.float64)
