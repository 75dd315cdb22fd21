"""Patterns over rows: cells that are missing together, rows that repeat, and rows on both sides of the split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import MedilyticaError
from .findings import ROWS_SHOWN, Finding, FindingKind

if TYPE_CHECKING:
    from .dataset import Dataset
    from .splits import Split

#: Columns that are missing together do so with at least this correlation (phi) of their gaps …
TOGETHER = 0.95
#: … and in at least so many rows.
_LEAST = 5
_MOST_COLUMNS = 400
_SAMPLE_ROWS = 20_000


def missing_together(data: Dataset) -> Iterator[Finding]:
    """Yield groups of columns whose cells are missing in the same rows."""
    columns = [c for c in data.columns if _LEAST <= c.missing < len(data) and c.role != "target"]
    columns = sorted(columns, key=lambda c: -c.missing)[:_MOST_COLUMNS]
    if len(columns) < 2:
        return
    rows = np.arange(0, len(data), max(1, len(data) // _SAMPLE_ROWS))
    gaps = np.stack([np.asarray(pd.isna(data.cells[c.name].values[rows]), dtype=np.float32) for c in columns])
    spread = gaps.std(axis=1)
    known = np.flatnonzero(spread > 0)
    if len(known) < 2:
        return
    standard = (gaps[known] - gaps[known].mean(axis=1, keepdims=True)) / spread[known, None]
    close = standard @ standard.T / len(rows) >= TOGETHER
    order = {c.name: place for place, c in enumerate(data.columns)}
    for group in _groups(close):
        names = sorted((columns[known[place]].name for place in group), key=order.__getitem__)
        every = np.ones(len(data), dtype=bool)
        for name in names:
            every &= np.asarray(pd.isna(data.cells[name].values), dtype=bool)
        count = int(every.sum())
        if count < _LEAST:
            continue
        shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
        yield Finding(
            FindingKind.MISSING_TOGETHER,
            names,
            [int(row) for row in np.flatnonzero(every)[:ROWS_SHOWN]],
            f"{shown} are missing together, in {count:,} rows ({count / len(data):.1%}).",
            "One cause empties them all: find out which, because filling each alone hides it.",
            count,
        )


def _groups(close: NDArray[np.bool_]) -> list[list[int]]:
    """Return the groups of two and more that are linked, each in ascending order."""
    left, groups = set(range(len(close))), []
    while left:
        waiting = [min(left)]
        group = set(waiting)
        while waiting:
            for other in np.flatnonzero(close[waiting.pop()]):
                if int(other) in left and int(other) not in group:
                    group.add(int(other))
                    waiting.append(int(other))
        left -= group
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def repeated_rows(data: Dataset, codes: dict[str, NDArray[np.int64]], parts: Split | None) -> Iterator[Finding]:
    """Yield rows that repeat an earlier one, and rows to train on that are tested on as well.

    Parameters
    ----------
    data : Dataset
    codes : dict of str to ndarray of int64
        The values of each text column as numbers, -1 for missing.
    parts : Split, optional
        The division looked at; the default one of seed 0 when None.
    """
    used = [c.name for c in data.columns if c.kind not in ("identifier", "empty", "constant")]
    if not used:
        return
    hashes = _row_hashes(data, used, codes)
    again = pd.Series(hashes).duplicated().to_numpy()
    repeated = np.flatnonzero(again)
    if not len(repeated):
        return
    yield Finding(
        FindingKind.DUPLICATE_ROWS,
        [],
        [int(r) for r in repeated[:ROWS_SHOWN]],
        f"{len(repeated):,} row{'s' if len(repeated) > 1 else ''} ({len(repeated) / len(data):.1%}) repeat"
        f"{'' if len(repeated) > 1 else 's'} an earlier one in all but identifiers.",
        "A copy in the test part makes results look better than they are; remove copies that are mistakes.",
        len(repeated),
    )
    # nobody trains on an index, and without a target nothing is tested
    if data.task is not None and (divided := parts or _default_split(data)) is not None:
        yield from _both_sides(hashes, divided, chosen=parts is not None)


def _default_split(data: Dataset) -> Split | None:
    from .splits import split

    try:
        return split(data, seed=0)
    except MedilyticaError:
        # too few rows to divide, which is said elsewhere
        return None


def _both_sides(hashes: NDArray[np.uint64], parts: Split, chosen: bool) -> Iterator[Finding]:
    known = np.isin(hashes[parts.test], hashes[np.concatenate([parts.train, parts.validation])])
    rows = np.sort(parts.test[known])
    if not len(rows):
        return
    which = "this split" if chosen else "the default split (seed 0)"
    yield Finding(
        FindingKind.SPLIT_OVERLAP,
        [],
        [int(r) for r in rows[:ROWS_SHOWN]],
        f"{len(rows):,} of the {len(parts.test):,} test rows of {which} ({len(rows) / len(parts.test):.1%}) repeat a "
        "row that is trained on: the same row is on both sides.",
        "A model may know these answers by heart. Remove the copies, or keep all rows of one thing in one part.",
        len(rows),
    )


def _row_hashes(data: Dataset, names: list[str], codes: dict[str, NDArray[np.int64]]) -> NDArray[np.uint64]:
    # 64-bit hashes of the rows, column by column: comparing whole rows is slow for wide tables
    total = np.zeros(len(data), dtype=np.uint64)
    for name in names:
        values = codes.get(name)
        if values is None:
            values = data.cells[name].values
            if values.dtype.kind == "f":
                # one zero, and one way to be missing
                values = np.where(np.isnan(values), np.nan, values + 0.0)
            values = values.view(np.int64)
        with np.errstate(over="ignore"):
            total = (total ^ pd.util.hash_array(values.view(np.uint64))) * np.uint64(1_099_511_628_211)
    return total
