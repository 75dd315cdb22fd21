"""Which two columns tell most, to draw a decision boundary over."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..data import Dataset, Split, target_of
from ..errors import InputError

SAMPLE_CELLS = 10_000_000
SAMPLE_ROWS = 5_000
ALIKE = 0.8
"""Above this rank correlation a second column shows nearly what the first one shows."""


def boundary_columns(data: Dataset, split: Split | None = None) -> list[str]:
    """Return the numeric features, those that tell most about the target first.

    A column's score is the share of the target's (or of its own) variance in ranks that class and column
    explain in each other: the correlation ratio of the ranks for classes (as in the Kruskal-Wallis test), the
    squared Spearman correlation for numbers. A column named as an appendix of another, as ``koi_prad_err1`` is of
    ``koi_prad``, comes after all that stand for themselves. The second name is the best one that is not nearly a
    repetition of the first. Columns of a few different values, on which rows pile up, come after the continuous ones.

    Parameters
    ----------
    data : Dataset
        Without a target the columns keep their order.
    split : Split, optional
        Looks at the training rows only; at all rows when None.
    """
    columns = [c for c in data.features if c.kind == "numeric"]
    names = [c.name for c in columns]
    if data.target is None or data.task is None or len(names) < 2:
        return names
    y, known = target_of(data, data.task)
    rows = np.flatnonzero(known) if split is None else split.train
    most = max(200, min(SAMPLE_ROWS, SAMPLE_CELLS // len(names)))
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
    if len(rows) < 3:
        return names
    ranks = np.stack([_ranks(data.frame[name].to_numpy()[rows]) for name in names], axis=1)
    answer = y[rows]
    scores = _ratio(ranks, answer.astype(np.int64)) if data.task == "classification" else _rho(ranks, _ranks(answer))
    appendix = np.array(_appendices(names))
    coded = np.array([c.discrete for c in columns])
    order = [int(i) for i in np.lexsort((-scores, coded, appendix))]
    first = order[0]
    likeness = _rho(ranks, ranks[:, first])
    second = next((i for i in order[1:] if likeness[i] < ALIKE**2), order[1])
    order.remove(second)
    order.insert(1, second)
    return [names[i] for i in order]


def default_axes(data: Dataset, split: Split | None = None) -> tuple[str, str]:
    """Return the two numeric features to draw at first.

    Raises
    ------
    InputError
        With fewer than two numeric features.
    """
    names = boundary_columns(data, split)
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "none"
        raise InputError(f"A decision boundary needs two numeric features; {data.name!r} has {found}.")
    return names[0], names[1]


def _appendices(names: list[str]) -> list[bool]:
    known = set(names)
    return [any(name[:cut] in known for cut in range(1, len(name)) if name[cut] in "_ .:-") for name in names]


def _ranks(values: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return centred ranks, scaled to length 1; missing values stand in the middle and a constant is all 0."""
    numbers = values.astype(np.float64)
    present = np.isfinite(numbers)
    ranks = np.zeros(len(numbers))
    if present.any():
        found = rankdata(numbers[present])
        ranks[present] = found - found.mean()
    length = float(np.sqrt((ranks**2).sum()))
    return ranks / length if length > 0 else ranks


def _ratio(ranks: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the part of each column's variance that lies between the classes."""
    sums = np.zeros((int(classes.max()) + 1, ranks.shape[1]))
    np.add.at(sums, classes, ranks)
    counts = np.bincount(classes, minlength=len(sums))[:, None]
    return np.asarray((sums**2 / np.maximum(counts, 1)).sum(axis=0), dtype=np.float64)


def _rho(ranks: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((other @ ranks) ** 2, dtype=np.float64)
