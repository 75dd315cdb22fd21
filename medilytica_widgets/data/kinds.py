"""What a column is: its kind, and the evidence for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .cleaning import FEW_VALUES, Cells, labels
from .hints import Hint
from .naming import name_speaks, says_id
from .spec import Kind, Role
from .units import written_as

KINDS: tuple[Kind, ...] = get_args(Kind)

#: An identifier's values are different in at least this share of the rows …
IDENTIFIER_SHARE = 0.9
#: … or in this share, where name and width both speak for it: ids of stars, patients, customers with several rows each.
REPEATED_SHARE = 0.5
_WIDE = 100_000
_ORDER_ROWS = 20


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name : str
    kind : str
        "numeric", "categorical", "binary", "datetime", "text", "identifier", "constant" or
        "empty".
    discrete : bool
        Whether a numeric column holds at most 20 different whole numbers.
    missing, distinct : int
        Missing cells, and different present values.
    evidence : str
        What spoke for the kind, in words.
    role : {"feature", "target", "set_aside"}
    reason : str
        Why the column is set aside; empty when it is not.
    hints : tuple of Hint
        What the values seem to mean, each with its evidence: a unit, an order, a currency, a place, ….
    description : str
        What the file says of the column, in a comment line above its header; empty where it says nothing.
    unit : str
        Of its numbers, as the file states it or as the name gives it; empty where neither does.
    """

    name: str
    kind: Kind
    discrete: bool
    missing: int
    distinct: int
    evidence: str
    role: Role = "feature"
    reason: str = ""
    hints: tuple[Hint, ...] = ()
    description: str = ""
    unit: str = ""


def detect(name: str, cells: Cells) -> Column:
    """Return the column with its kind; its role is still "feature"."""
    values = cells.values
    if cells.storage == "text":
        absent = np.array([v is None for v in values], dtype=bool)
    else:
        absent = (
            np.isnan(values)
            if values.dtype.kind == "f"
            else (np.isnat(values) if values.dtype.kind == "M" else np.zeros(len(values), dtype=bool))
        )
    missing = int(absent.sum())
    present = values[~absent] if missing else values
    if not len(present):
        return Column(name, "empty", False, missing, 0, "no cell has a value")
    unique = pd.unique(present) if cells.storage == "text" else np.unique(present)
    distinct = len(unique)
    if distinct == 1:
        also = f", the other {missing:,} are missing" if missing else ""
        only = labels(np.asarray(unique), cells.storage)[0]
        return Column(name, "constant", False, missing, 1, f"{_short(only)} in {len(present):,} rows{also}")
    kind, discrete, evidence = _kind(name, cells, present, unique)
    return Column(name, kind, discrete, missing, distinct, evidence)


def _kind(name: str, cells: Cells, present: NDArray[Any], unique: NDArray[Any]) -> tuple[Kind, bool, str]:
    distinct, count = len(unique), len(present)
    if distinct == 2:
        first, second = sorted(str(v) for v in labels(np.asarray(unique), cells.storage))
        return "binary", False, f"two values: {_short(first)} and {_short(second)}"
    if cells.storage == "datetime":
        form = "" if cells.format == "ISO8601" else f", written as {cells.format}"
        return "datetime", False, f"{count:,} dates{form}"
    if cells.storage == "number":
        whole = bool(present.dtype.kind == "i" or np.all(present == np.trunc(present)))
        if whole:
            evidence = _number_evidence(name, present, distinct)
            if evidence:
                return "identifier", False, evidence
        discrete = whole and distinct <= FEW_VALUES
        shown = "whole numbers" if whole else "numbers"
        return "numeric", discrete, f"{distinct:,} different {shown} from {unique[0]:g} to {unique[-1]:g}"
    return _text_kind(name, present, unique)


def _number_evidence(name: str, present: NDArray[Any], distinct: int) -> str:
    share = distinct / len(present)
    if share < REPEATED_SHARE:
        return ""
    speaks = name_speaks(name, text=False)
    low = float(present.min())
    said = f"{distinct:,} different whole numbers in {len(present):,} rows"
    if share < IDENTIFIER_SHARE:
        return f"{said}, all large, and the name says id" if speaks and low >= _WIDE and says_id(name) else ""
    if speaks == "strong":
        return f"{said}, and the name says so"
    steps = np.diff(present)
    if len(present) >= _ORDER_ROWS and (np.all(steps == 1) or np.all(steps == -1)):
        return f"{said}, counting the rows one by one"
    if low >= _WIDE:
        if speaks:
            return f"{said}, all large, and the name says id"
        if len(str(int(low))) == len(str(int(present.max()))) and len(present) >= _ORDER_ROWS:
            return f"{said}, all {len(str(int(low)))} digits wide"
    return ""


def _text_kind(name: str, present: NDArray[Any], unique: NDArray[Any]) -> tuple[Kind, bool, str]:
    distinct, count = len(unique), len(present)
    sample = unique[:2000]
    lengths = np.array([len(v) for v in sample])
    spaces = float(np.mean([v.count(" ") for v in sample]))
    varied = f"{distinct:,} different texts in {count:,} rows"
    prose = spaces >= 4 or float(lengths.mean()) > 60
    if distinct / count >= IDENTIFIER_SHARE and not prose and not written_as([str(v) for v in sample[:100]]):
        if name_speaks(name, text=True):
            return "identifier", False, f"{varied}, and the name says so"
        digits = all(any(c.isdigit() for c in v) for v in sample)
        if digits and lengths.min() == lengths.max() and lengths.max() >= 4 and spaces == 0 and count >= 10:
            return "identifier", False, f"{varied}, all {lengths.max()} characters wide"
        if digits and spaces == 0 and count >= _ORDER_ROWS and bool(np.all(present[:-1] < present[1:])):
            return "identifier", False, f"{varied}, in rising order"
    if distinct <= FEW_VALUES or (distinct <= count // 2 and not prose):
        if distinct <= FEW_VALUES and prose and distinct > count // 2:
            return "text", False, f"{varied}, about {lengths.mean():.0f} characters long"
        return "categorical", False, f"{distinct:,} different labels"
    return "text", False, f"{varied}, about {lengths.mean():.0f} characters long"


def _short(value: object) -> str:
    word = str(value)
    return repr(word if len(word) <= 40 else word[:39] + "…")
