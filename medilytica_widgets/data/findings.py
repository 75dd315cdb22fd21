"""Findings about a table and the score that they make up.

The score goes from 0 to 100. It is the sum of seven parts, each of which starts at its full points (`PARTS`) and loses:

- for each finding of a kind its points, up to the most that this kind may take (`POINTS`), unless it is settled;
- completeness besides as many points as the mean share of missing cells in the features, in percent, up to 20;
- never more than it has.

A table in which no cell has a value scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

#: A finding names at most this many rows.
ROWS_SHOWN = 1000

Severity = Literal["error", "warning", "note"]


class FindingKind(StrEnum):
    """Kinds of findings, the gravest first."""

    EMPTY_TABLE = "empty_table"
    LEAKAGE = "leakage"
    SPLIT_OVERLAP = "split_overlap"
    MEMORY = "memory"
    CLASS_IMBALANCE = "class_imbalance"
    DUPLICATE_ROWS = "duplicate_rows"
    MIXED_TYPES = "mixed_types"
    SMALL_TABLE = "small_table"
    MISSING_VALUES = "missing_values"
    MISSING_TOGETHER = "missing_together"
    OUTLIERS = "outliers"
    UNNAMED_OR_DUPLICATE_COLUMNS = "unnamed_or_duplicate_columns"
    EMPTY = "empty"
    CONSTANT = "constant"
    NEAR_CONSTANT = "near_constant"
    RARE_CATEGORIES = "rare_categories"
    SKEW = "skew"
    IDENTIFIER = "identifier"


_ERRORS = frozenset({FindingKind.EMPTY_TABLE, FindingKind.LEAKAGE, FindingKind.MEMORY})
_NOTES = frozenset(
    {
        FindingKind.EMPTY,
        FindingKind.CONSTANT,
        FindingKind.NEAR_CONSTANT,
        FindingKind.RARE_CATEGORIES,
        FindingKind.SKEW,
        FindingKind.IDENTIFIER,
        FindingKind.MISSING_TOGETHER,
        FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS,
    }
)


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
    count : int
        How many rows are concerned altogether.
    settled : bool
        Whether nothing needs to be done any more, because the column is set aside; it takes no points then.
    """

    kind: FindingKind
    columns: list[str]
    rows: list[int]
    message: str
    advice: str
    count: int = 0
    settled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", max(self.count, len(self.rows)))

    @property
    def severity(self) -> Severity:
        """Return "error" (results would be wrong), "warning" (worse than they could be) or "note" (good to know)."""
        if self.kind in _NOTES or self.settled:
            return "note"
        return "error" if self.kind in _ERRORS else "warning"


@dataclass(frozen=True)
class ScorePart:
    """One part of the score.

    Attributes
    ----------
    name : str
    points, most : float
        What the part has and what it could have.
    kinds : tuple of FindingKind
        What takes points from it.
    reason : str
        What took points, in words; empty where nothing did.
    """

    name: str
    points: float
    most: float
    kinds: tuple[FindingKind, ...]
    reason: str = ""


@dataclass(frozen=True)
class Memory:
    """What a table takes, in bytes.

    Attributes
    ----------
    table : int
        The clean columns.
    training : int
        The prepared matrix of all rows, and what preparing it takes besides.
    available : int or None
        What the machine or the container has left; None where that cannot be told.
    """

    table: int
    training: int
    available: int | None


@dataclass(frozen=True)
class Quality:
    """All findings, the gravest first, and a score from 0 to 100 (100: nothing found) with its parts."""

    findings: list[Finding] = field(default_factory=list)
    score: int = 100
    parts: list[ScorePart] = field(default_factory=list)
    memory: Memory | None = None

    def of(self, kind: FindingKind | str) -> list[Finding]:
        """Return the findings of one kind."""
        return [f for f in self.findings if f.kind == kind]


#: Points of each part, and the kinds of findings that take some of them.
PARTS: dict[str, tuple[float, tuple[FindingKind, ...]]] = {
    "completeness": (
        25,
        (FindingKind.EMPTY_TABLE, FindingKind.MISSING_VALUES, FindingKind.MISSING_TOGETHER, FindingKind.EMPTY),
    ),
    "honesty": (20, (FindingKind.LEAKAGE, FindingKind.SPLIT_OVERLAP)),
    "consistency": (
        15,
        (FindingKind.MIXED_TYPES, FindingKind.OUTLIERS, FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS),
    ),
    "uniqueness": (10, (FindingKind.DUPLICATE_ROWS,)),
    "balance": (10, (FindingKind.CLASS_IMBALANCE,)),
    "information": (
        10,
        (
            FindingKind.CONSTANT,
            FindingKind.NEAR_CONSTANT,
            FindingKind.RARE_CATEGORIES,
            FindingKind.SKEW,
            FindingKind.IDENTIFIER,
        ),
    ),
    "size": (10, (FindingKind.SMALL_TABLE, FindingKind.MEMORY)),
}
#: Points taken by each finding of a kind, and by all of a kind together.
POINTS: dict[FindingKind, tuple[float, float]] = {
    FindingKind.EMPTY_TABLE: (25, 25),
    FindingKind.LEAKAGE: (8, 20),
    FindingKind.SPLIT_OVERLAP: (4, 4),
    FindingKind.MEMORY: (10, 10),
    FindingKind.CLASS_IMBALANCE: (10, 10),
    FindingKind.DUPLICATE_ROWS: (8, 8),
    FindingKind.MIXED_TYPES: (5, 10),
    FindingKind.SMALL_TABLE: (10, 10),
    FindingKind.MISSING_VALUES: (2, 4),
    FindingKind.MISSING_TOGETHER: (0, 0),
    FindingKind.OUTLIERS: (1, 4),
    FindingKind.UNNAMED_OR_DUPLICATE_COLUMNS: (3, 3),
    FindingKind.EMPTY: (2, 2),
    FindingKind.CONSTANT: (2, 2),
    FindingKind.NEAR_CONSTANT: (1, 3),
    FindingKind.RARE_CATEGORIES: (0.5, 2),
    FindingKind.SKEW: (0, 0),
    FindingKind.IDENTIFIER: (0, 0),
}
_MOST_FOR_MISSING = 20


def scored(findings: Sequence[Finding], missing: float, memory: Memory | None = None) -> Quality:
    """Return the findings in order with the score; ``missing`` is the mean share of missing cells in the features."""
    order = {kind: place for place, kind in enumerate(FindingKind)}
    grave = {"error": 0, "warning": 1, "note": 2}
    ordered = sorted(findings, key=lambda f: (grave[f.severity], order[f.kind]))
    parts = []
    for name, (most, kinds) in PARTS.items():
        lost, said = 0.0, []
        if name == "completeness" and missing:
            lost += min(_MOST_FOR_MISSING, 100 * missing)
            said.append(f"{missing:.1%} of the features' cells are missing")
        for kind in kinds:
            each, largest = POINTS[kind]
            count = sum(f.kind == kind and not f.settled for f in ordered)
            if count and each:
                lost += min(largest, each * count)
                said.append(f"{kind.value.replace('_', ' ')}{f' ({count} findings)' if count > 1 else ''}")
        points = 0.0 if any(f.kind == FindingKind.EMPTY_TABLE for f in ordered) else max(0.0, most - lost)
        parts.append(ScorePart(name, points, most, kinds, "; ".join(said)))
    return Quality(ordered, round(sum(part.points for part in parts)), parts, memory)
