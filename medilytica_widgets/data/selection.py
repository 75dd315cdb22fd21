"""Rows that were chosen out of a view: their numbers are known, their cells are read when asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ..errors import InputError
from .cleaning import ROW
from .filters import View
from .paging import TablePager

if TYPE_CHECKING:
    import pandas as pd

MOST_RANGES = 10_000


class Selection:
    """Some rows of a table, in the order in which they were seen.

    Attributes
    ----------
    rows : ndarray of int64
        Their numbers in the table.
    """

    def __init__(self, pager: TablePager, rows: NDArray[np.integer[Any]]) -> None:
        self._pager = pager
        self.rows = np.asarray(rows, dtype=np.int64)

    @classmethod
    def of(cls, pager: TablePager, view: View, ranges: Iterable[tuple[int, int]]) -> Selection:
        """Return the rows at positions ``[start, end)`` of a view.

        Raises
        ------
        InputError
            A range begins below 0 or ends before it begins, or there are too many of them.
        """
        given = list(ranges)
        if len(given) > MOST_RANGES:
            raise InputError(f"{len(given):,} ranges of rows were chosen; {MOST_RANGES:,} are the most. Use a filter.")
        order = pager.order(view)
        total = pager.relation.rows if order is None else len(order)
        parts = [np.empty(0, dtype=np.int64)]
        end_before = 0
        for start, end in sorted(given):
            if start < 0 or end < start:
                raise InputError(f"Rows {start} to {end} cannot be chosen.")
            # what two ranges share is chosen once
            start, end = max(start, end_before), min(end, total)
            if start < end:
                parts.append(np.arange(start, end) if order is None else order[start:end].astype(np.int64))
                end_before = end
        return cls(pager, np.concatenate(parts))

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Selection of {len(self):,} rows>"

    def arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, without the row number."""
        return self._pager.table(self.rows).drop_columns([ROW])

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame whose index is their number in the table."""
        import pandas as pd

        frame: pd.DataFrame = self.arrow().to_pandas()
        frame.index = pd.Index(self.rows)
        return frame
