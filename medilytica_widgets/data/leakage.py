"""Columns that alone know the answer too well to be honest features.

A column is suspected when one of these is true on a seeded sample of the rows:

- a small decision tree on it alone, tried on rows it has not seen, reaches a balanced accuracy (scikit-learn's
  adjusted form, 0 is guessing) of 0.97, or for regression explains 99 % of the variance; binned majorities and means
  choose the columns for which a tree is worth its time;
- one of its few values, or its being there at all, leaves less than 3 % of the uncertainty about a class that was there
  before (a flag that is only ever set for one class);
- it takes away half of a guess's error, and at least 1.35 times as much as the best column under no suspicion.

The rules follow the "target leakage" practice of looking at single-column models; see Kaufman et al.,
"Leakage in data mining", ACM TKDD 6(4), 2012.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from .cleaning import FEW_VALUES, labels

if TYPE_CHECKING:
    from .dataset import Dataset

SAMPLE_ROWS = 5_000
#: Columns times rows looked at: a wide table is sampled more sparsely.
BUDGET = 5_000_000
LEAST_ROWS = 30
_BINS = 32
_NEARLY_PERFECT = 0.97
_NEARLY_ALL_VARIANCE = 0.99
_WORTH_A_TREE = 0.85
_UNCERTAINTY_LEFT = 0.03
_DOMINANT = 0.5
_MARGIN = 1.35
_LEAST_SHARE = 0.05
_LEAST_COUNT = 40
_MANY_ROWS = 500

Codes = NDArray[np.int64]


def suspects(data: Dataset) -> list[tuple[str, str]]:
    """Return suspected columns and what speaks against them, in the order of the table."""
    from .target import target_of

    y, present = target_of(data)
    rows = np.flatnonzero(present)
    others = [c for c in data.columns if c.role != "target" and c.kind not in ("empty", "constant")]
    limit = min(SAMPLE_ROWS, max(200, BUDGET // max(1, len(others))))
    if len(rows) > limit:
        rows = np.sort(np.random.default_rng(0).choice(rows, limit, replace=False))
    if len(rows) < LEAST_ROWS:
        return []
    found: dict[str, str] = {}
    skills: dict[str, float] = {}
    for column in others:
        cells = data.cells[column.name]
        values = cells.values[rows]
        if column.role == "set_aside":
            # an identifier is perfect by construction; only where it is present can say something
            message = _presence(data, column.name, values, y[rows]) if data.task == "classification" else ""
        elif data.task == "classification":
            codes = _codes(values, column.distinct)
            skill = _skill(codes, y[rows], len(data.classes))
            message = _by_value(data, column.name, codes, values, column.distinct, y[rows]) or _presence(
                data, column.name, values, y[rows]
            )
            if skill >= _WORTH_A_TREE and (sure := _tree(_numbers(values), y[rows], True)) >= _NEARLY_PERFECT:
                message = (
                    f"{column.name!r} alone tells {data.target!r} almost perfectly "
                    f"(takes away {sure:.1%} of a guess's error)."
                )
            skills[column.name] = skill
        else:
            explained = _explained(_codes(values, column.distinct), y[rows])
            if explained >= _WORTH_A_TREE:
                explained = _tree(_numbers(values), y[rows], False)
            message = (
                f"{column.name!r} alone explains {explained:.1%} of the variance of {data.target!r}."
                if explained >= _NEARLY_ALL_VARIANCE
                else ""
            )
        if message:
            found[column.name] = message
    if len(rows) >= _MANY_ROWS:
        for name in _dominant(skills, set(found)):
            found[name] = (
                f"{name!r} alone tells far more about {data.target!r} than any other column "
                f"(takes away {skills[name]:.0%} of a guess's error)."
            )
    return [(c.name, found[c.name]) for c in others if c.name in found]


def _dominant(skills: dict[str, float], found: set[str]) -> list[str]:
    rest = {name: skill for name, skill in skills.items() if name not in found}
    if len(rest) < 5:
        return []
    name = max(rest, key=lambda n: rest[n])
    best = rest.pop(name)
    return [name] if best >= _DOMINANT and best >= _MARGIN * max(rest.values()) else []


def _codes(values: NDArray[Any], distinct: int) -> Codes:
    """Return bin numbers from 0; missing cells have a bin of their own."""
    if values.dtype == object:
        codes, unique = pd.factorize(values, use_na_sentinel=True)
        counts = np.bincount(codes[codes >= 0], minlength=max(1, len(unique)))
        kept = np.argsort(counts, kind="stable")[::-1][: _BINS - 1]
        place = np.full(len(counts), _BINS - 1, dtype=np.int64)
        place[kept[counts[kept] >= 5]] = np.arange(int((counts[kept] >= 5).sum()))
        return np.where(codes >= 0, place[codes], _BINS).astype(np.int64)
    absent = pd.isna(values)
    numbers = values.astype(np.int64).astype(np.float64) if values.dtype.kind == "M" else values.astype(np.float64)
    present = numbers[~absent]
    bins = int(min(_BINS, max(2, len(present) // 20)))
    if distinct <= bins:
        inner = np.unique(present)
        inner = inner[1:]
    else:
        inner = np.unique(np.quantile(present, np.linspace(0, 1, bins + 1)[1:-1])) if len(present) else present
    codes = np.searchsorted(inner, numbers, side="right").astype(np.int64)
    codes[absent] = len(inner) + 1
    return codes


def _skill(codes: Codes, y: Codes, classes: int) -> float:
    """Balanced accuracy of the rule "each bin's (weighted) majority", from 0 for guessing to 1."""
    table = np.zeros((int(codes.max()) + 1, classes))
    np.add.at(table, (codes, y), 1.0)
    sizes = table.sum(axis=0)
    here = sizes > 0
    shares = table[:, here] / sizes[here]
    count = int(here.sum())
    if count < 2:
        return 0.0
    return float((shares.max(axis=1).sum() / count - 1 / count) / (1 - 1 / count))


def _explained(codes: Codes, y: NDArray[np.float64]) -> float:
    counts = np.bincount(codes)
    means = np.bincount(codes, weights=y) / np.maximum(counts, 1)
    spread = float(((y - y.mean()) ** 2).sum())
    return 1 - float(((y - means[codes]) ** 2).sum()) / spread if spread > 0 and np.isfinite(spread) else 0.0


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return one number a value; missing is below all others."""
    if values.dtype == object:
        return pd.factorize(values, use_na_sentinel=True)[0].astype(np.float64)
    numbers = values.astype(np.int64).astype(np.float64) if values.dtype.kind == "M" else values.astype(np.float64)
    absent = pd.isna(values)
    if absent.any():
        numbers[absent] = numbers[~absent].min() - 1
    return numbers


def _tree(x: NDArray[np.float64], y: NDArray[Any], classify: bool) -> float:
    """Grow a small tree on half of the rows; return its score on the others, 0 for guessing and 1 for perfect."""
    # a drawn half: where the classes take turns every second row is of one class
    order = np.random.default_rng(0).permutation(len(x))
    X, y = x[order, None], y[order]
    if classify:
        grown = DecisionTreeClassifier(max_leaf_nodes=64, class_weight="balanced", random_state=0)
        predicted = grown.fit(X[::2], y[::2]).predict(X[1::2])
        with warnings.catch_warnings():
            # a class that is in one half of the rows only
            warnings.simplefilter("ignore", UserWarning)
            return float(balanced_accuracy_score(y[1::2], predicted, adjusted=True))
    model = DecisionTreeRegressor(max_leaf_nodes=256, random_state=0)
    return float(r2_score(y[1::2], model.fit(X[::2], y[::2]).predict(X[1::2])))


def _certain(chosen: NDArray[np.bool_], y: Codes) -> tuple[int, float] | None:
    """Return the class that the chosen rows nearly all have, and its share, if that is a surprise."""
    count = int(chosen.sum())
    if count < max(_LEAST_COUNT, _LEAST_SHARE * len(y)):
        return None
    counts = np.bincount(y[chosen])
    winner = int(counts.argmax())
    share = float(counts[winner] / count)
    before = float((y == winner).mean())
    return (winner, share) if before < 1 and (1 - share) <= _UNCERTAINTY_LEFT * (1 - before) else None


def _by_value(data: Dataset, name: str, codes: Codes, values: NDArray[Any], distinct: int, y: Codes) -> str:
    if distinct > FEW_VALUES:
        return ""
    storage = data.cells[name].storage
    for code in np.unique(codes[~pd.isna(values)]):
        chosen = codes == code
        sure = _certain(chosen, y)
        if sure is not None:
            value = labels(values[chosen][:1], storage)[0]
            return (
                f"{sure[1]:.1%} of the rows with {name!r} = {value!r} have {data.target!r} = {data.classes[sure[0]]!r}."
            )
    return ""


def _presence(data: Dataset, name: str, values: NDArray[Any], y: Codes) -> str:
    absent = pd.isna(values)
    for chosen, word in ((~absent, "present"), (absent, "missing")):
        if chosen.all():
            continue
        sure = _certain(chosen, y)
        if sure is not None:
            return (
                f"{sure[1]:.1%} of the rows where {name!r} is {word} have {data.target!r} = {data.classes[sure[0]]!r}."
            )
    return ""
