"""What a grid shows: rows that can be asked for, and what is known of every column."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from ..errors import InputError
from .dataset import Dataset
from .loading import load_dataset
from .relation import ArrowRelation, ParquetRelation, Relation, storage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A frame or Arrow table of more rows is shown as it is: to find out all about its columns would take seconds.
LOOKED_AT_ROWS = 200_000
SAMPLED_CELLS = 20_000
_KINDS = {"number": "numeric", "datetime": "datetime", "bool": "binary"}


@dataclass
class GridTable:
    """A table, its columns and where they came from.

    Attributes
    ----------
    relation : Relation
    name : str
        For display.
    columns : list of dict
        ``name, kind, role, reason, evidence, missing`` of every column; ``missing`` is None where nobody counted.
    data : Dataset or None
        None for a table that is shown as it lies.
    target : str or None
    """

    relation: Relation
    name: str
    columns: list[dict[str, Any]]
    data: Dataset | None = None
    target: str | None = None

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of every column."""
        return {column["name"]: column["kind"] for column in self.columns}


def open_table(source: Any) -> GridTable:
    """Return what a grid shows of a source.

    A path of a Parquet file, or of a folder with some, is left where it is; a frame or Arrow table of more than 200 000
    rows is shown as it is; anything else that `load_dataset` reads becomes a dataset first.
    """
    if isinstance(source, (str, Path)) and (path := _parquet(source)) is not None:
        return _as_it_lies(ParquetRelation(path), path.name)
    if isinstance(source, pa.Table) and source.num_rows > LOOKED_AT_ROWS:
        return _as_it_lies(ArrowRelation(source), "table")
    if isinstance(source, pd.DataFrame) and len(source) > LOOKED_AT_ROWS:
        return _as_it_lies(ArrowRelation.of_frame(source), "table")
    if isinstance(source, Relation):
        return _as_it_lies(source, "table")
    data = source if isinstance(source, Dataset) else load_dataset(source)
    told = [
        {
            "name": column.name,
            "kind": column.kind,
            "role": column.role,
            "reason": column.reason,
            "evidence": column.evidence,
            "missing": column.missing,
        }
        for column in data.columns
    ]
    return GridTable(ArrowRelation.of_frame(data.frame), data.name, told, data, data.target)


def with_columns(table: GridTable, added: Mapping[str, Any], evidence: str) -> GridTable:
    """Return the table with further columns behind its own, for example predictions.

    Raises
    ------
    InputError
        They have another number of rows.
    """
    relation = table.relation
    assert isinstance(relation, ArrowRelation)
    arrays: list[pa.Array] = []
    for name, values in added.items():
        if len(values) != relation.rows:
            raise InputError(f"{name!r} has {len(values):,} rows, the table {relation.rows:,}.")
        arrays.append(pa.array(values, from_pandas=True))
    wider = relation.widened(list(added), arrays)
    new = wider.names[len(relation.names) :]
    told = [
        {
            "name": name,
            "kind": _KINDS.get(storage_of(kind), "categorical"),
            "role": "result",
            "reason": "",
            "evidence": evidence,
            "missing": int(array.null_count),
        }
        for name, kind, array in zip(new, wider.types[len(relation.names) :], arrays, strict=True)
    ]
    return GridTable(wider, table.name, [*table.columns, *told], table.data, table.target)


def characters(table: pa.Table, length: Any) -> dict[str, int]:
    """Return the longest cell of each column of some sampled rows, in characters, as ``length`` counts them."""
    return {
        name: max((length(value) for value in table.column(name).to_pylist()), default=1) for name in table.column_names
    }


def sampled(relation: Relation, connection: Any) -> pa.Table:
    """Return rows for a look at the columns: evenly from a table in memory, the first ones of a file."""
    rows = max(5, SAMPLED_CELLS // max(1, len(relation.names)))
    if isinstance(relation, ArrowRelation):
        chosen = np.arange(0, relation.rows, max(1, -(-relation.rows // rows)))
        return relation.take(connection, chosen)
    return relation.slice(connection, 0, min(200, rows))


def _as_it_lies(relation: Relation, name: str) -> GridTable:
    told = [
        {
            "name": column,
            "kind": _KINDS.get(storage_of(kind), "text"),
            "role": "feature",
            "reason": "",
            "evidence": f"stored as {kind}",
            "missing": None,
        }
        for column, kind in zip(relation.names, relation.types, strict=True)
    ]
    return GridTable(relation, name, told)


def _parquet(source: str | Path) -> Path | None:
    if isinstance(source, str) and ("://" in source or "\0" in source or len(source) > 1000):
        return None
    path = Path(source).expanduser()
    if path.suffix.lower() in (".parquet", ".pq"):
        return path
    return path if path.is_dir() and any(path.rglob("*.parquet")) else None
