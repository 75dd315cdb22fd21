"""How the values of single columns spread: outliers, skew, values that hardly change, rare categories.

All rules look at quantiles, not at means, so that what they look for does not hide itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .cleaning import labels
from .findings import ROWS_SHOWN, Finding, FindingKind

if TYPE_CHECKING:
    from .dataset import Dataset
    from .kinds import Column

#: A value is an outlier from so many standard deviations on; each side's is told by its own decile.
FAR = 8.0
#: More than this share of the rows are no outliers but a part of the column.
_MOST_OUTLIERS = 0.02
#: A value of a few whole numbers that is so many times as far from the others as they are from each other.
_GAP = 10
_DECILE = 1.2816
_LEAST = 30
#: Kelly's coefficient: how much longer the upper tail is than the lower, from -1 to 1. Exponential: 0.46, log-normal
#: with a sigma of 1: 0.56.
SKEWED = 0.5
_THIRD = 1.0
_SAMPLE = 20_000
NEARLY = 0.99
#: A category is rare with fewer rows than this, if these are at most this share.
RARE_ROWS = 5
_RARE_SHARE = 0.005
_MOST_CATEGORIES = 1_000


def findings_of(data: Dataset, codes: dict[str, NDArray[np.int64]]) -> Iterator[Finding]:
    """Yield what is unusual about the values of single columns; ``codes`` holds those of text columns as numbers."""
    skewed: list[tuple[str, float]] = []
    for column in data.columns:
        if column.role == "set_aside":
            continue
        cells = data.cells[column.name]
        target = column.role == "target"
        if cells.storage == "number" and not (target and data.task == "classification"):
            values = cells.values.astype(np.float64)
            yield from _outliers(data, column, values)
            amount = skew(values) if column.kind == "numeric" and not column.discrete else 0.0
            if abs(amount) >= SKEWED and _has_tail(values, amount):
                skewed.append((column.name, amount))
        if not target:
            yield from _nearly_constant(data, column, codes.get(column.name))
        if not target and column.kind == "categorical":
            yield from _rare(data, column, codes[column.name])
    if skewed:
        skewed.sort(key=lambda item: -abs(item[1]))
        worst = ", ".join(f"{name!r} ({amount:+.2f})" for name, amount in skewed[:3])
        one = len(skewed) == 1
        yield Finding(
            FindingKind.SKEW,
            [name for name, _ in skewed],
            [],
            f"{len(skewed):,} column{' is' if one else 's are'} strongly skewed{': ' if one else ', most of all '}"
            f"{worst}.",
            "A logarithm or a power transform helps linear models, neighbours and networks; trees do not mind.",
        )


def skew(values: NDArray[np.float64]) -> float:
    """Return Kelly's coefficient of skewness, (q90 + q10 - 2 q50) / (q90 - q10); 0 where it says nothing.

    Source: Kelley, "Fundamentals of Statistics", 1947; it is the deciles' form of Bowley's.
    """
    present = values[~np.isnan(values)]
    if len(present) < _LEAST:
        return 0.0
    low, middle, high = np.quantile(present, [0.1, 0.5, 0.9])
    # where a fifth is one value, as in a column of amounts that are mostly 0, this is no matter of skew
    return float((high + low - 2 * middle) / (high - low)) if low < middle < high else 0.0


def _has_tail(values: NDArray[np.float64], amount: float) -> bool:
    """Whether the third moment agrees: of two heaps the middle lies in one, and the deciles say nothing of a tail."""
    present = values[~np.isnan(values)]
    present = present[:: max(1, len(present) // _SAMPLE)]
    low, high = np.quantile(present, [0.01, 0.99])
    inner = present[(present >= low) & (present <= high)]
    spread = inner.std()
    standard = (inner - inner.mean()) / spread if spread > 0 else np.zeros(1)
    third = float((standard * standard * standard).mean())
    return abs(third) >= _THIRD and third * amount > 0


def outlying(values: NDArray[np.float64], discrete: bool = False) -> NDArray[np.bool_]:
    """Return which values lie far from the others.

    Parameters
    ----------
    values : ndarray of float64
        NaN is missing.
    discrete : bool
        Whether the column has few different whole numbers: there the gap to the next value counts.

    Returns
    -------
    ndarray of bool
        A value counts that is more than 8 standard deviations above or below the median, on the values and, where none
        is below 0 or none above, on the logarithms of their sizes too. The standard deviation of a side is told by its
        decile, as that of a normal distribution would be.
    """
    present = values[~np.isnan(values)]
    if len(present) < _LEAST:
        return np.zeros(len(values), dtype=bool)
    if discrete:
        return _by_gap(values, present)
    fences = _fences(present)
    if fences is None:
        return np.zeros(len(values), dtype=bool)
    far: NDArray[np.bool_] = (values < fences[0]) | (values > fences[1])
    if far.any() and (present.min() >= 0 or present.max() <= 0):
        # a long tail of sizes or amounts is no mistake as long as its logarithm is ordinary
        sizes = np.abs(present[present != 0])
        inner = _fences(np.log(sizes)) if len(sizes) >= _LEAST else None
        if inner is not None:
            logs = np.log(np.abs(values[far]) + np.finfo(np.float64).tiny)
            far[far] = ((logs < inner[0]) | (logs > inner[1])) & (values[far] != 0)
    return far


def _fences(present: NDArray[np.float64]) -> tuple[float, float] | None:
    low, middle, high = np.quantile(present, [0.1, 0.5, 0.9])
    if not low < middle < high:
        # mostly one value: the others among themselves
        rest = present[present != middle]
        if len(rest) < _LEAST:
            return None
        low, middle, high = np.quantile(rest, [0.1, 0.5, 0.9])
        if not low < middle < high:
            return None
        low, high = min(low, float(np.median(present))), max(high, float(np.median(present)))
    return float(middle - FAR * (middle - low) / _DECILE), float(middle + FAR * (high - middle) / _DECILE)


def _by_gap(values: NDArray[np.float64], present: NDArray[np.float64]) -> NDArray[np.bool_]:
    unique, counts = np.unique(present, return_counts=True)
    chosen = np.zeros(len(values), dtype=bool)
    if len(unique) < 3:
        return chosen
    for end, rest in ((unique[-1], unique[:-1]), (unique[0], unique[1:])):
        gap = abs(end - (rest[-1] if end > rest[-1] else rest[0]))
        if gap >= _GAP * max(1.0, rest[-1] - rest[0]) and counts[unique == end][0] <= max(1, 0.005 * len(present)):
            chosen |= values == end
    return chosen


def _outliers(data: Dataset, column: Column, values: NDArray[np.float64]) -> Iterator[Finding]:
    far = outlying(values, column.discrete)
    rows = np.flatnonzero(far)
    if not len(rows) or len(rows) > max(1, _MOST_OUTLIERS * (len(data) - column.missing)):
        return
    furthest = rows[np.argsort(-np.abs(values[rows] - np.nanmedian(values)))]
    shown = ", ".join(f"{values[row]:g}" for row in furthest[:3])
    low, high = np.nanmin(values[~far]), np.nanmax(values[~far])
    count = f"{len(rows):,} value{' lies' if len(rows) == 1 else 's lie'}"
    yield Finding(
        FindingKind.OUTLIERS,
        [column.name],
        [int(row) for row in rows[:ROWS_SHOWN]],
        f"{count} far from the rest of {column.name!r}: {shown}, where the others go from {low:g} to {high:g}.",
        "Look at these rows: a slip of the unit or of the decimal point is repaired or made missing; a true value "
        "stays.",
        len(rows),
    )


def _nearly_constant(data: Dataset, column: Column, codes: NDArray[np.int64] | None) -> Iterator[Finding]:
    if column.kind not in ("numeric", "binary", "categorical", "datetime") or len(data) - column.missing < 2 * _LEAST:
        return
    cells = data.cells[column.name]
    if codes is not None:
        counts = np.bincount(codes[codes >= 0])
        same = codes == counts.argmax()
    else:
        values = cells.values
        gone = np.isnat(values) if values.dtype.kind == "M" else np.isnan(values) if values.dtype.kind == "f" else None
        present = values if gone is None or not gone.any() else values[~gone]
        # a value that more than half of the rows have is the middle one
        same = values == np.partition(present, len(present) // 2)[len(present) // 2]
    share = float(same.sum()) / (len(data) - column.missing)
    if share < NEARLY:
        return
    value = labels(cells.values[np.flatnonzero(same)[:1]], cells.storage)[0]
    other = ~same & ~_missing(cells.values)
    count = int(other.sum())
    yield Finding(
        FindingKind.NEAR_CONSTANT,
        [column.name],
        [int(row) for row in np.flatnonzero(other)[:ROWS_SHOWN]],
        f"{column.name!r} is {str(value)[:40]!r} in {share:.2%} of its rows; {count:,} "
        f"{'row has' if count == 1 else 'rows have'} another value.",
        f"It can teach little: set it aside with exclude=[{column.name!r}], unless these few rows are what matters.",
        count,
    )


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    import pandas as pd

    return np.asarray(pd.isna(values), dtype=bool)


def _rare(data: Dataset, column: Column, codes: NDArray[np.int64]) -> Iterator[Finding]:
    counts = np.bincount(codes[codes >= 0])
    if len(counts) > _MOST_CATEGORIES:
        return
    rare = np.flatnonzero((counts < RARE_ROWS) & (counts <= _RARE_SHARE * (len(data) - column.missing)))
    if not len(rare):
        return
    rows = np.flatnonzero(np.isin(codes, rare))
    first = np.array([rows[codes[rows] == code][0] for code in rare[:3]])
    names = ", ".join(repr(str(word)[:40]) for word in labels(data.cells[column.name].values[first], "text"))
    more = f" and {len(rare) - 3:,} more" if len(rare) > 3 else ""
    yield Finding(
        FindingKind.RARE_CATEGORIES,
        [column.name],
        [int(row) for row in rows[:ROWS_SHOWN]],
        f"{len(rare):,} of the {len(counts):,} categories of {column.name!r} {'has' if len(rare) == 1 else 'have'} "
        f"fewer than {RARE_ROWS} rows: {names}{more}.",
        "So few rows teach nothing about them and may all fall into one part of the split; join them under one name.",
        len(rows),
    )
