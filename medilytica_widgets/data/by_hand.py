"""Column kinds that a person chose: the cells are read again as that kind, or the error says which ones do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, hint
from .cleaning import DATE_FORMATS, FEW_VALUES, Cells, clean, labels, read_as
from .kinds import KINDS, Column
from .spec import Kind

_SHOWN = 3
#: Of words that were no dates by themselves, and of whole numbers: 20210304, 2021.
_FORMATS = (
    *DATE_FORMATS,
    "%d %B %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%Y %B",
    "%B %Y",
    "%b %Y",
    "%H:%M",
    "%H:%M:%S",
)
_NUMBER_FORMATS = ("%Y%m%d", "%Y")


def checked_kinds(kinds: Mapping[str, Kind] | None) -> dict[str, Kind]:
    """Return kinds given by hand as plain data.

    Raises
    ------
    DataError
        For a word that is no kind.
    """
    for column, kind in (kinds or {}).items():
        if kind not in KINDS:
            raise DataError(f"The kind of {column!r} is {kind!r}; {hint(str(kind), KINDS)}")
    return {str(column): kind for column, kind in (kinds or {}).items()}


def read_kind(name: str, series: pd.Series[Any], cells: Cells, kind: Kind, missing: Sequence[str]) -> Cells:
    """Read a column as a kind chosen by hand.

    Parameters
    ----------
    name : str
        For the error.
    series : Series
        The column as it came.
    cells : Cells
        The column as it was read without being told.
    kind : str
    missing : list of str
        Words that mean "no value".

    Returns
    -------
    Cells
        "categorical" and "text" hold the words as they were written; "numeric" numbers; "datetime" dates; other kinds
        leave the cells alone.

    Raises
    ------
    DataError
        Cells that are no number or no date; names the column and some of them.
    """
    if kind in ("categorical", "text"):
        if cells.storage == "text":
            return cells
        return Cells(read_as(series, "text", "", missing), "text")
    if kind == "numeric" and cells.storage != "number":
        if cells.storage == "datetime":
            raise DataError(
                f"{name!r} cannot be numeric: it holds dates, for example {_examples(cells.values, cells)}. Keep it as "
                "'datetime', whose numbers are days."
            )
        values = read_as(series, "number", "", missing)
        _refuse(name, "numeric", "no number", cells, np.isnan(values))
        return clean(pd.Series(values), missing)
    if kind == "datetime" and cells.storage != "datetime":
        return _as_dates(name, series, cells, missing)
    return cells


def _as_dates(name: str, series: pd.Series[Any], cells: Cells, missing: Sequence[str]) -> Cells:
    present = ~_absent(cells)
    best: tuple[int, str, NDArray[Any]] | None = None
    for form in _NUMBER_FORMATS if cells.storage == "number" else _FORMATS:
        values = read_as(series, "datetime", form, missing)
        lost = int((np.isnat(values) & present).sum())
        if best is None or lost < best[0]:
            best = (lost, form, values)
        if lost == 0:
            return Cells(values, "datetime", form)
    assert best is not None, "there is a format to try"
    _refuse(name, "datetime", "no date that is understood", cells, np.isnat(best[2]))
    return cells


def _refuse(name: str, kind: str, what: str, cells: Cells, gone: NDArray[np.bool_]) -> None:
    lost = gone & ~_absent(cells)
    if not lost.any():
        return
    count = int(lost.sum())
    some = "cell is" if count == 1 else "cells are"
    raise DataError(
        f"{name!r} cannot be {kind}: {count:,} {some} {what}, for example {_examples(cells.values[lost], cells)}. "
        f"Repair them, name them in missing=[…] if they mean that a value is missing, or choose another kind."
    )


def with_kind(column: Column, kind: Kind, cells: Cells) -> Column:
    """Return a column with the kind that was chosen by hand, which its values have to allow.

    Raises
    ------
    DataError
    """
    if column.kind == kind:
        return replace(column, evidence=f"chosen by hand; {column.evidence}")
    name, count = column.name, column.distinct
    several = f"it has {count:,} different values, for example {_examples(cells.values, cells)}"
    if column.kind == "empty":
        raise DataError(f"{name!r} cannot be {kind}: no cell of it has a value. Leave out its kind.")
    if kind in ("empty", "constant"):
        raise DataError(f"{name!r} cannot be {kind}: {several}. To leave it aside, use exclude=[{name!r}].")
    if kind == "binary" and count != 2:
        raise DataError(f"{name!r} cannot be binary, which takes two different values: {several}.")
    if count == 1 and kind != "identifier":
        raise DataError(
            f"{name!r} cannot be {kind}: its only value is {_examples(cells.values, cells)}, from which nothing can be "
            "learned. Leave out its kind."
        )
    discrete = False
    if kind == "numeric":
        values = cells.values[~_absent(cells)]
        discrete = bool(count <= FEW_VALUES and (values == np.trunc(values)).all())
    return replace(
        column,
        kind=kind,
        discrete=discrete,
        evidence=f"chosen by hand; by its values it would be {column.kind} ({column.evidence})",
    )


def _absent(cells: Cells) -> NDArray[np.bool_]:
    return np.asarray(pd.isna(cells.values), dtype=bool)


def _examples(values: NDArray[Any], cells: Cells) -> str:
    present = values[~np.asarray(pd.isna(values), dtype=bool)]
    different = pd.unique(present[:10_000])[:_SHOWN]
    words = [str(word) for word in labels(np.asarray(different), cells.storage)]
    return ", ".join(repr(word if len(word) <= 40 else word[:39] + "…") for word in words)
