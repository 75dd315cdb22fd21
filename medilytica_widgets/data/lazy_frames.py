"""Lazy frames of polars: only the rows of the sample and the columns that are not excluded are collected."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..errors import DataError, MedilyticaError, MissingExtraError
from .arrow_files import from_arrow
from .sampling import Sample, budget, checked_rows, positions

#: So many rows on top say how much memory a row takes.
_HEAD = 1_000
#: What a cell of words takes as Python objects, and one of numbers while it is cleaned.
_WORDS, _NUMBERS = 64, 16


def is_lazy(source: Any) -> bool:
    """Tell whether an object is a lazy frame of polars; polars itself is not loaded for it."""
    kind = type(source)
    return kind.__name__ == "LazyFrame" and kind.__module__.split(".")[0] == "polars"


def collected(
    source: Any, exclude: Collection[str], rows: int | Literal["all"] | None, seed: int
) -> tuple[pd.DataFrame, Sample | None, list[str]]:
    """Collect what is needed of a lazy frame.

    Parameters
    ----------
    source : polars.LazyFrame
    exclude : collection of str
        Columns that are left out.
    rows : int, "all" or None
        As of `load_dataset`.
    seed : int

    Returns
    -------
    frame : DataFrame
    sample : Sample or None
    skipped : list of str
        The columns that were left out.

    Raises
    ------
    MissingExtraError
        polars cannot be imported.
    DataError
        The query of the lazy frame fails.
    """
    try:
        import polars
    except ImportError:
        raise MissingExtraError(
            "A polars LazyFrame is given, and polars cannot be imported here. Install it: pip install polars; or give "
            "the collected table, frame.collect()."
        ) from None
    try:
        names = source.collect_schema().names()
        skipped = [name for name in names if name in exclude]
        if len(skipped) == len(names):
            raise DataError("All columns of the LazyFrame are excluded. Leave some of them to learn from.")
        wanted = source.drop(skipped) if skipped else source
        total = int(wanted.select(polars.len()).collect(engine="streaming").item())
        need = total * _row_bytes(wanted.head(_HEAD).collect())
        most = budget()
        wish = checked_rows(rows)
        forced = wish is None and need > most
        keep = max(1, int(total * most / need)) if forced else wish if isinstance(wish, int) else total
        if keep >= total:
            return from_arrow(wanted.collect()), None, skipped
        kept = positions(total, keep, seed)
        index = _free("row", names)
        picked = polars.LazyFrame({index: kept.astype(np.uint32 if total < 2**32 else np.uint64)})
        numbered = wanted.with_row_index(index).with_columns(polars.col(index).cast(picked.collect_schema()[index]))
        table = numbered.join(picked, on=index, how="semi").sort(index).drop(index).collect(engine="streaming")
        return from_arrow(table), Sample(len(table), total, seed, forced), skipped
    except MedilyticaError:
        raise
    except Exception as error:  # whatever a function in the query raises
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(f"The LazyFrame cannot be collected: {reason}.") from None


def _row_bytes(head: Any) -> int:
    """Return what a row takes in memory, judged by the first rows."""
    if not len(head):
        return 1
    cells = sum(_NUMBERS if kind.is_numeric() or kind.is_temporal() else _WORDS for kind in head.dtypes)
    return int(head.estimated_size() / len(head)) + cells


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name
