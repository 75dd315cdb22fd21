"""What may be wrong with a table, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .kinds import Column, name_speaks
from .leakage import suspects

if TYPE_CHECKING:
    from .dataset import Dataset

#: A finding names at most this many rows.
ROWS_SHOWN = 1000
SMALL = 100
#: The smallest class is called rare when it has less than this share of what even classes would have.
RARE = 0.4


class FindingKind(StrEnum):
    """Kinds of findings."""

    EMPTY = "empty"
    CONSTANT = "constant"
    IDENTIFIER = "identifier"
    DUPLICATE_ROWS = "duplicate_rows"
    CLASS_IMBALANCE = "class_imbalance"
    LEAKAGE = "leakage"
    MIXED_TYPES = "mixed_types"
    MISSING_VALUES = "missing_values"
    UNNAMED_OR_DUPLICATE_COLUMNS = "unnamed_or_duplicate_columns"
    SMALL_TABLE = "small_table"


@dataclass(frozen=True)
class Finding:
    """One thing to know about a table.

    Attributes
    ----------
    kind : FindingKind
    columns : list of str
        The columns concerned; empty when it is about rows or the whole table.
    rows : list of int
        Row numbers concerned, at most 1 000 of them; empty when it is about columns.
    message : str
        What was found.
    advice : str
        What to do.
    """

    kind: FindingKind
    columns: list[str]
    rows: list[int]
    message: str
    advice: str


@dataclass(frozen=True)
class Quality:
    """All findings, the gravest first, and a score from 0 to 100 (100: nothing found)."""

    findings: list[Finding] = field(default_factory=list)
    score: int = 100

    def of(self, kind: FindingKind | str) -> list[Finding]:
        """Return the findings of one kind."""
        return [f for f in self.findings if f.kind == kind]


# points taken from the score by each finding of a kind, and by all of a kind together
_WEIGHTS: dict[FindingKind, tuple[float, float]] = {
    FindingKind.LEAKAGE: (12, 30),
    FindingKind.CLASS_IMBALANCE: (10, 10),
    FindingKind.DUPLICATE_ROWS: (8, 8),
    FindingKind.MIXED_TYPES: (5, 10),
    FindingKind.SMALL_TABLE: (10, 10),
    FindingKind.MISSING_VALUES: (2, 4),
    FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS: (3, 3),
    FindingKind.EMPTY: (2, 2),
    FindingKind.CONSTANT: (2, 2),
    FindingKind.IDENTIFIER: (0, 0),
}
#: Points taken for missing cells: as many as the mean share of them in the features, in percent, up to this.
_MOST_FOR_MISSING = 20


def assess(data: Dataset) -> Quality:
    """Return what may be wrong with a dataset, the gravest first."""
    order = list(_WEIGHTS)
    findings = sorted(_findings(data), key=lambda f: order.index(f.kind))
    lost = 0.0
    for kind, (each, most) in _WEIGHTS.items():
        lost += min(most, each * sum(f.kind == kind for f in findings))
    if data.features:
        share = sum(c.missing for c in data.features) / (len(data) * len(data.features))
        lost += min(_MOST_FOR_MISSING, 100 * share)
    return Quality(findings, max(0, round(100 - lost)))


def _findings(data: Dataset) -> Iterator[Finding]:
    yield from _columns(data)
    yield from _mixed(data)
    yield from _missing(data)
    if data.renamed:
        yield Finding(
            FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS,
            list(data.renamed),
            [],
            " ".join(list(data.renamed.values())[:5]),
            "Give every column a name of its own in the file, or with names=[…].",
        )
    yield from _rows(data)
    if data.task is None:
        return
    yield from _balance(data)
    for name, message in suspects(data):
        aside = data.column(name).role == "set_aside"
        yield Finding(
            FindingKind.LEAKAGE,
            [name],
            [],
            message,
            f"{name!r} is set aside already; leave it so."
            if aside
            else f"If {name!r} is not known before {data.target!r} is, set it aside: exclude=[{name!r}].",
        )


def _some(names: list[str]) -> str:
    return ", ".join(repr(name) for name in names[:5]) + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")


def _advice(columns: list[Column], reason: str) -> str:
    used = [c.name for c in columns if c.role == "feature"]
    return f"{reason}; set aside {_some(used)}." if used else "Set aside already; nothing needs to be done."


def _columns(data: Dataset) -> Iterator[Finding]:
    kinds: tuple[tuple[FindingKind, str, str], ...] = (
        (FindingKind.EMPTY, "No cell has a value", "An empty column teaches nothing"),
        (FindingKind.CONSTANT, "The value never changes", "A constant teaches nothing"),
        (FindingKind.IDENTIFIER, "Values name the rows", "A model would learn names by heart"),
    )
    for kind, what, reason in kinds:
        columns = [c for c in data.columns if c.kind == kind.value and c.role != "target"]
        if columns:
            names = [c.name for c in columns]
            yield Finding(kind, names, [], f"{what} in {_some(names)}.", _advice(columns, reason))
    for column in data.features:
        if (
            column.kind == "numeric"
            and not column.discrete
            and data.cells[column.name].values.dtype.kind == "i"
            and name_speaks(column.name, text=False) == "strong"
        ):
            yield Finding(
                FindingKind.IDENTIFIER,
                [column.name],
                [],
                f"{column.name!r} sounds like an identifier, though its values repeat ({column.distinct:,} different).",
                f"If it names things, set it aside: exclude=[{column.name!r}].",
            )


def _mixed(data: Dataset) -> Iterator[Finding]:
    for column in data.columns:
        cells, name = data.cells[column.name], column.name
        # prose and identifiers may hold a lone number without being mixed up
        prose = cells.storage == "text" and column.kind in ("text", "identifier") and cells.numeric_share < 0.2
        if not len(cells.odd) or prose:
            continue
        if cells.storage == "text":
            some = "hold numbers among words" if cells.numeric_share < 0.5 else "hold words among numbers"
            kept = "The column is kept as text; repair the cells if it should be one or the other."
        else:
            some = f"cannot be read as {'a number' if cells.storage == 'number' else 'a date'}"
            kept = "They count as missing; repair them if they mean something."
        yield Finding(
            FindingKind.MIXED_TYPES,
            [name],
            [int(r) for r in cells.odd[:ROWS_SHOWN]],
            f"{name!r} has mixed types: {len(cells.odd):,} of {len(data):,} cells {some}, the first in row "
            f"{int(cells.odd[0]):,}.",
            kept,
        )


def _missing(data: Dataset) -> Iterator[Finding]:
    if data.target is not None and data.column(data.target).missing:
        count = data.column(data.target).missing
        yield Finding(
            FindingKind.MISSING_VALUES,
            [data.target],
            _rows_of(pd.isna(data.cells[data.target].values)),
            f"The target {data.target!r} is missing in {count:,} rows ({count / len(data):.1%}).",
            "These rows are left out of training and testing.",
        )
    columns = sorted((c for c in data.features if c.missing), key=lambda c: -c.missing)
    if not columns:
        return
    rows = np.zeros(len(data), dtype=bool)
    for column in columns:
        rows |= pd.isna(data.cells[column.name].values)
    worst = ", ".join(f"{c.name!r} ({c.missing / len(data):.1%})" for c in columns[:3])
    half = [c.name for c in columns if c.missing > len(data) / 2]
    one = len(columns) == 1
    yield Finding(
        FindingKind.MISSING_VALUES,
        [c.name for c in columns],
        _rows_of(rows),
        f"{len(columns):,} feature{'' if one else 's'} with missing cells, in {int(rows.sum()):,} rows"
        f"{': ' if one else '; most in '}{worst}.",
        "Training fills numbers with the median and makes missing a category of its own."
        + (f" More than half is missing in {_some(half)}: consider setting aside." if half else ""),
    )


def _rows_of(chosen: NDArray[np.bool_]) -> list[int]:
    return [int(r) for r in np.flatnonzero(chosen)[:ROWS_SHOWN]]


def _rows(data: Dataset) -> Iterator[Finding]:
    used = [c.name for c in data.columns if c.kind not in ("identifier", "empty", "constant")]
    if used:
        repeated = np.flatnonzero(_row_hashes(data, used).duplicated().to_numpy())
        if len(repeated):
            yield Finding(
                FindingKind.DUPLICATE_ROWS,
                [],
                [int(r) for r in repeated[:ROWS_SHOWN]],
                f"{len(repeated):,} row{'s' if len(repeated) > 1 else ''} ({len(repeated) / len(data):.1%}) repeat"
                f"{'' if len(repeated) > 1 else 's'} an earlier one in all but identifiers.",
                "A copy in the test part makes results look better than they are; remove copies that are mistakes.",
            )
    if len(data) < SMALL:
        yield Finding(
            FindingKind.SMALL_TABLE,
            [],
            [],
            f"The table has {len(data):,} rows.",
            "Results on so few test rows vary by chance; prefer simple algorithms and read the intervals.",
        )


def _row_hashes(data: Dataset, names: list[str]) -> pd.Series[Any]:
    # 64-bit hashes of the rows, column by column: comparing whole rows is slow for wide tables
    total = np.zeros(len(data), dtype=np.uint64)
    for name in names:
        codes = pd.factorize(data.cells[name].values, use_na_sentinel=True)[0].astype(np.int64).view(np.uint64)
        with np.errstate(over="ignore"):
            total = (total ^ pd.util.hash_array(codes + np.uint64(2))) * np.uint64(1_099_511_628_211)
    return pd.Series(total)


def _balance(data: Dataset) -> Iterator[Finding]:
    from .target import target_of

    if data.task != "classification" or data.target is None:
        return
    y, present = target_of(data)
    counts = np.bincount(y[present], minlength=len(data.classes))
    smallest, largest = int(counts.argmin()), int(counts.argmax())
    share = counts[smallest] / counts.sum()
    if share * len(counts) < RARE:
        yield Finding(
            FindingKind.CLASS_IMBALANCE,
            [data.target],
            [int(r) for r in np.flatnonzero(y == smallest)[:ROWS_SHOWN]],
            f"The class {data.classes[smallest]!r} has {counts[smallest]:,} rows ({share:.1%}), "
            f"{data.classes[largest]!r} has {counts[largest]:,}.",
            "Accuracy hides mistakes on rare classes: look at balanced accuracy and at each class's recall.",
        )
