"""Tables that do not fit into memory: how much they would take, and a sample of their rows.

Every row draws a number from one seeded stream, and those with the smallest numbers stay, in their order. So a sample
depends on the seed and the order of the rows alone: not on how they came, in one piece or in many.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError

#: A table may take this share of the memory that is free.
SHARE = 0.5
#: What a byte of a text file takes while it is read: the bytes, the text, its cells, and the clean columns.
TEXT_FACTOR = 6
_BLOCK = 1 << 20
_CONTROL_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def budget() -> int:
    """Return how many bytes a table may take; a container's own limit counts."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for limit, used in _CONTROL_GROUPS:
        try:
            most, now = Path(limit).read_text().strip(), Path(used).read_text().strip()
        except OSError:
            continue
        if most.isdigit() and now.isdigit():
            free = min(free, max(0, int(most) - int(now)))
    return int(free * SHARE)


def checked_rows(rows: Any) -> int | Literal["all"] | None:
    """Return ``rows=…`` as it is meant.

    Raises
    ------
    DataError
    """
    if rows is None or rows == "all":
        return rows  # type: ignore[no-any-return]
    if isinstance(rows, bool) or not isinstance(rows, (int, np.integer)) or rows < 1:
        raise DataError(f"rows is {rows!r}; it takes a whole number of at least 1, or 'all'.")
    return int(rows)


@dataclass(frozen=True)
class Sample:
    """Which sample of a table was taken.

    Attributes
    ----------
    rows : int
        How many rows were kept.
    total : int
        How many there are.
    seed : int
    forced : bool
        Whether memory asked for it, not a person.
    """

    rows: int
    total: int
    seed: int
    forced: bool

    def note(self) -> str:
        """Say it in a sentence."""
        why = "the whole table would not fit into memory" if self.forced else "rows=… asks for it"
        return f"A sample of {self.rows:,} of {self.total:,} rows, drawn with the seed {self.seed}: {why}." + (
            " rows='all' loads them all, rows=… another number." if self.forced else ""
        )


class Reservoir:
    """Keeps a sample of the rows that pass.

    Parameters
    ----------
    rows : int or None
        How many to keep; None keeps all.
    seed : int
    """

    def __init__(self, rows: int | None, seed: int) -> None:
        self.rows = rows
        self.total = 0
        self._draw = np.random.default_rng(seed)
        self._keys: NDArray[np.float64] = np.empty(0)
        self._parts: list[pd.DataFrame] = []
        self._waiting = 0

    def add(self, part: pd.DataFrame) -> None:
        """Let rows pass."""
        if self.rows is None:
            self.total += len(part)
            self._parts.append(part)
            return
        keys = self._draw.random(len(part))
        self.total += len(part)
        good = np.flatnonzero(keys < self._keys.max()) if len(self._keys) >= self.rows else np.arange(len(part))
        self._parts.append(part.iloc[good])
        self._keys = np.concatenate([self._keys, keys[good]])
        self._waiting += len(good)
        # now and then, so that what is thrown away is not copied at every step
        if self._waiting > self.rows:
            self._trim()

    def _trim(self) -> None:
        self._waiting = 0
        if self.rows is None or len(self._keys) <= self.rows:
            return
        kept = smallest(self._keys, self.rows)
        self._parts = [pd.concat(self._parts, ignore_index=True).iloc[kept]]
        self._keys = self._keys[kept]

    def frame(self) -> pd.DataFrame:
        """Return the rows that stayed, in the order in which they came."""
        self._trim()
        if not self._parts:
            return pd.DataFrame()
        return pd.concat(self._parts, ignore_index=True) if len(self._parts) > 1 else _numbered(self._parts[0])


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reset_index(drop=True)


def smallest(keys: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the positions of the ``count`` smallest, in order of position."""
    if len(keys) <= count:
        return np.arange(len(keys))
    return np.sort(np.argpartition(keys, count - 1)[:count])


def positions(total: int, rows: int, seed: int) -> NDArray[np.int64]:
    """Return which of ``total`` rows a sample keeps, in order."""
    draw = np.random.default_rng(seed)
    keys, kept = np.empty(0), np.empty(0, dtype=np.int64)
    for start in range(0, total, _BLOCK):
        fresh = draw.random(min(_BLOCK, total - start))
        keys = np.concatenate([keys, fresh])
        kept = np.concatenate([kept, np.arange(start, start + len(fresh))])
        best = smallest(keys, rows)
        keys, kept = keys[best], kept[best]
    return kept


def sampled(frame: pd.DataFrame, rows: int | Literal["all"] | None, seed: int) -> tuple[pd.DataFrame, Sample | None]:
    """Return a table in memory, or the sample of it that ``rows`` asks for."""
    if not isinstance(rows, int) or len(frame) <= rows:
        return frame, None
    kept = frame.iloc[positions(len(frame), rows, seed)].reset_index(drop=True)
    return kept, Sample(rows, len(frame), seed, forced=False)


def within(parts: Iterable[pd.DataFrame], rows: int | Literal["all"] | None, seed: int, shown: str) -> Reservoir:
    """Collect parts of a table whose length nobody knows beforehand.

    Raises
    ------
    DataError
        They do not fit into memory, and no ``rows`` were named.
    """
    kept = Reservoir(rows if isinstance(rows, int) else None, seed)
    most, taken = budget(), 0
    for part in parts:
        kept.add(part)
        # clean columns are made of them while they are still there
        taken += 2 * int(part.memory_usage(deep=True).sum())
        if rows is None and taken > most:
            raise DataError(
                f"The answer of {shown} does not fit into memory: {kept.total:,} rows take {taken / 2e9:.1f} GB. Name "
                "fewer columns or rows in the query, or take a sample with rows=…."
            )
    return kept


def parquet_bytes(metadata: Any) -> int:
    """Return what a Parquet file's rows take in memory, from its footer."""
    total = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group)
        for index in range(rows.num_columns):
            column = rows.column(index)
            # text becomes Python objects, and numbers are there twice while they are cleaned
            wide = column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
            total += column.total_uncompressed_size + rows.num_rows * (64 if wide else 16)
    return total


def sampled_parquet(path: Path, wanted: int | Literal["all"] | None, seed: int) -> tuple[pd.DataFrame, Sample] | None:
    """Return a sample of a Parquet file that is too large, or None where it fits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        total = file.metadata.num_rows
        need, most = parquet_bytes(file.metadata), budget()
        if wanted == "all" or need <= most:
            return None
        rows = wanted if wanted is not None else max(1, int(total * most / need))
        if rows >= total:
            return None
        kept, tables, start, at = positions(total, rows, seed), [], 0, 0
        for batch in file.iter_batches(batch_size=1 << 16):
            end = int(np.searchsorted(kept, start + len(batch)))
            if end > at:
                tables.append(pa.Table.from_batches([batch.take(pa.array(kept[at:end] - start))]))
            start, at = start + len(batch), end
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas().reset_index(drop=True)
    return frame, Sample(rows, total, seed, forced=wanted is None)


def text_rows(head: bytes, wanted: Any) -> tuple[int, bool]:
    """Return how many rows of a text file that does not fit to keep, and whether memory asks for it."""
    if isinstance(wanted, int):
        return wanted, False
    lines = len(re.findall(rb"\r\n|\n|\r", head)) or 1
    return max(1, int(budget() / TEXT_FACTOR / (len(head) / lines))), True


def blocks(path: Path, size: int = 32 << 20) -> Iterator[bytes]:
    """Read a file piece by piece."""
    with open(path, "rb") as file:
        while piece := file.read(size):
            yield piece
