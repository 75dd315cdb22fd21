"""What may be wrong with a table, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .distributions import findings_of
from .findings import ROWS_SHOWN, Finding, FindingKind, Quality, ScorePart, scored
from .kinds import Column
from .leakage import suspects
from .memory import memory_finding, memory_of
from .naming import name_speaks
from .patterns import missing_together, repeated_rows

if TYPE_CHECKING:
    from .dataset import Dataset
    from .splits import Split

__all__ = ["Finding", "FindingKind", "Quality", "ScorePart", "assess"]

SMALL = 100
#: The smallest class is called rare when it has less than this share of what even classes would have.
RARE = 0.4


def assess(data: Dataset, parts: Split | None = None, available: int | None = None) -> Quality:
    """Return what may be wrong with a dataset, the gravest first.

    Parameters
    ----------
    data : Dataset
    parts : Split, optional
        The division that is looked at for rows on both sides; the default one of seed 0 when None.
    available : int, optional
        Bytes of memory that are left; asked of the machine when None.
    """
    memory = memory_of(data, available)
    if not any(c.kind != "empty" for c in data.columns):
        return scored([_without_values(data)], 1.0, memory)
    codes = {
        name: pd.factorize(cells.values, use_na_sentinel=True)[0].astype(np.int64)
        for name, cells in data.cells.items()
        if cells.storage == "text"
    }
    findings = list(_findings(data, codes, parts))
    if found := memory_finding(memory):
        findings.append(found)
    cells = len(data) * len(data.features)
    return scored(findings, sum(c.missing for c in data.features) / cells if cells else 0.0, memory)


def _without_values(data: Dataset) -> Finding:
    return Finding(
        FindingKind.EMPTY_TABLE,
        [c.name for c in data.columns],
        [],
        f"No cell of the table has a value: {len(data):,} rows × {len(data.columns):,} columns are missing.",
        "Check that the right file was saved and that missing=[…] names no value that means something.",
    )


def _findings(data: Dataset, codes: dict[str, NDArray[np.int64]], parts: Split | None) -> Iterator[Finding]:
    yield from _columns(data)
    yield from _mixed(data)
    yield from _missing(data)
    yield from missing_together(data)
    yield from findings_of(data, codes)
    if data.renamed:
        yield Finding(
            FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS,
            list(data.renamed),
            [],
            " ".join(list(data.renamed.values())[:5]),
            "Give every column a name of its own in the file, or with names=[…].",
        )
    yield from _rows(data, codes, parts)
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
            settled=aside,
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
            len(cells.odd),
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
            count,
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
        int(rows.sum()),
    )


def _rows_of(chosen: NDArray[np.bool_]) -> list[int]:
    return [int(r) for r in np.flatnonzero(chosen)[:ROWS_SHOWN]]


def _rows(data: Dataset, codes: dict[str, NDArray[np.int64]], parts: Split | None) -> Iterator[Finding]:
    yield from repeated_rows(data, codes, parts)
    if len(data) < SMALL:
        yield Finding(
            FindingKind.SMALL_TABLE,
            [],
            [],
            f"The table has {len(data):,} rows.",
            "Results on so few test rows vary by chance; prefer simple algorithms and read the intervals.",
        )


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
            int(counts[smallest]),
        )
