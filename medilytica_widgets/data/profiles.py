"""What is to be known of one column: its kind, how its values spread, what is missing, what it seems to mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .cleaning import Cells, labels
from .distributions import skew
from .spec import Kind

if TYPE_CHECKING:
    from .dataset import Dataset
    from .kinds import Column

BINS = 30
#: The most frequent values that are named; the others are counted together.
TOP = 12
_DAY = 86_400_000_000


def profile_of(data: Dataset, name: str) -> dict[str, Any]:
    """Return a JSON-able picture of a column.

    Parameters
    ----------
    data : Dataset
    name : str

    Returns
    -------
    dict
        ``name``, ``kind``, ``discrete``, ``role``, ``reason``, ``evidence``, ``description``, ``unit``, ``by_hand``,
        ``rows``, ``missing``, ``distinct``; ``choices``: the kinds that it could be given; ``hints``: kind, value and
        evidence of each; ``statistics``: pairs of a name and a number or a text; ``bars``: None, or

        - ``{"form": "histogram", "log", "dates", "edges", "counts"}`` with one edge more than counts (of dates,
          milliseconds since 1970), or
        - ``{"form": "categories", "items", "others", "rest"}`` with the most frequent values and their counts, the
          number of other values and their rows.

    Raises
    ------
    ColumnNotFoundError
    """
    column, cells = data.column(name), data.cells[name]
    present = cells.values[~np.asarray(pd.isna(cells.values), dtype=bool)]
    return {
        "name": name,
        "kind": column.kind,
        "discrete": column.discrete,
        "role": column.role,
        "reason": column.reason,
        "evidence": column.evidence,
        "description": column.description,
        "unit": column.unit,
        "by_hand": name in data.spec.kinds,
        "rows": len(data),
        "missing": column.missing,
        "distinct": column.distinct,
        "choices": choices(column, cells),
        "hints": [{"kind": hint.kind.value, "value": hint.value, "evidence": hint.evidence} for hint in column.hints],
        "statistics": [[label, value] for label, value in _statistics(column, cells, present)],
        "bars": _bars(column, cells, present),
    }


def choices(column: Column, cells: Cells) -> list[Kind]:
    """Return the kinds that a column could be given by hand, its own first."""
    if column.kind in ("empty", "constant"):
        return [column.kind]
    found: list[Kind] = ["categorical", "text", "identifier"]
    if column.distinct == 2:
        found.insert(0, "binary")
    # of words a reading may fail, which is said then
    if cells.storage != "datetime":
        found.insert(0, "numeric")
    if cells.storage != "number":
        found.append("datetime")
    return [column.kind, *(kind for kind in found if kind != column.kind)]


def _statistics(column: Column, cells: Cells, present: NDArray[Any]) -> list[tuple[str, float | int | str]]:
    if not len(present):
        return []
    if cells.storage == "number" and column.kind != "identifier":
        return _of_numbers(column, present.astype(np.float64))
    if cells.storage == "datetime":
        first, last = present.min(), present.max()
        span = int((last - first).astype(np.int64)) / _DAY
        return [("first", _date(first)), ("last", _date(last)), ("days between", round(span, 3))]
    words = labels(present, cells.storage)
    lengths = np.array([len(word) for word in words])
    if column.kind == "text":
        counted = [len(word.split()) for word in words]
        return [
            ("shortest, characters", int(lengths.min())),
            ("mean length, characters", _short(lengths.mean())),
            ("longest, characters", int(lengths.max())),
            ("mean words", _short(float(np.mean(counted)))),
        ]
    _, counts = np.unique(pd.factorize(words)[0], return_counts=True)
    return [
        ("most frequent, rows", int(counts.max())),
        ("most frequent, share", _short(counts.max() / len(words))),
        ("rarest, rows", int(counts.min())),
        ("mean length, characters", _short(lengths.mean())),
    ]


def _of_numbers(column: Column, values: NDArray[np.float64]) -> list[tuple[str, float | int | str]]:
    low, first, middle, third, high = np.quantile(values, [0, 0.25, 0.5, 0.75, 1])
    told: list[tuple[str, float | int | str]] = [
        ("mean", _short(values.mean())),
        ("standard deviation", _short(values.std(ddof=1) if len(values) > 1 else 0.0)),
        ("minimum", _short(low)),
        ("first quartile", _short(first)),
        ("median", _short(middle)),
        ("third quartile", _short(third)),
        ("maximum", _short(high)),
    ]
    zeros, negative = int((values == 0).sum()), int((values < 0).sum())
    told += [("zeros", zeros)] if zeros else []
    told += [("below zero", negative)] if negative else []
    if column.kind == "numeric" and not column.discrete:
        told.append(("skew (Kelly)", _short(skew(values))))
    return told


def _short(value: float) -> float:
    return float(f"{float(value):.6g}")


def _date(value: np.datetime64) -> str:
    return str(value.astype("datetime64[s]")).replace("T00:00:00", "").replace("T", " ")


def _bars(column: Column, cells: Cells, present: NDArray[Any]) -> dict[str, Any] | None:
    if not len(present) or column.kind == "identifier":
        return None
    if cells.storage == "text":
        return None if column.kind == "text" else _categories(present, cells, by_size=True)
    if column.distinct <= TOP:
        return _categories(present, cells, by_size=False)
    dates = cells.storage == "datetime"
    numbers = present.astype(np.int64) / 1000 if dates else present.astype(np.float64)
    low, high = np.quantile(numbers, [0.01, 0.99])
    log = bool(not dates and numbers.min() > 0 and high > 100 * low)
    shown = np.log10(numbers) if log else numbers
    # a histogram needs room between its edges, which neighbours among the largest numbers do not leave
    if not shown.min() + (shown.max() - shown.min()) / BINS > shown.min():
        return _categories(present, cells, by_size=False)
    counts, edges = np.histogram(shown, bins=BINS)
    if log:
        edges = 10.0**edges
    return {
        "form": "histogram",
        "log": log,
        "dates": dates,
        "edges": [_short(e) if not dates else float(e) for e in edges],
        "counts": [int(c) for c in counts],
    }


def _categories(present: NDArray[Any], cells: Cells, by_size: bool) -> dict[str, Any]:
    codes, unique = pd.factorize(present, sort=not by_size)
    counts = np.bincount(codes, minlength=len(unique))
    order = np.argsort(-counts, kind="stable")
    kept = order[:TOP] if by_size else np.arange(min(TOP, len(unique)))
    names = labels(np.asarray(unique)[kept], cells.storage)
    rest = int(counts.sum() - counts[kept].sum())
    items = [[str(name)[:160], int(counts[place])] for name, place in zip(names, kept, strict=True)]
    return {"form": "categories", "items": items, "others": len(unique) - len(kept), "rest": rest}
