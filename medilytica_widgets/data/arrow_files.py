"""Parquet, Feather and Arrow IPC files, folders of Parquet files, and tables that speak Arrow."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa

from ..errors import DataError, EmptyTableError
from .sampling import Reservoir, Sample, budget, parquet_bytes

ArrowForm = Literal["parquet", "feather", "stream"]

_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"
_CONTINUES = b"\xff\xff\xff\xff"


def arrow_form(content: bytes, suffix: str) -> ArrowForm | None:
    """Tell by its first bytes, or else its name, which kind of Arrow file it is; None for no such file."""
    if content.startswith(b"PAR1") or suffix in (".parquet", ".pq"):
        return "parquet"
    if content.startswith((_FILE, _FEATHER_1)):
        return "feather"
    if suffix in (".arrows", ".arrow", ".feather", ".ipc"):
        return "stream" if content.startswith(_CONTINUES) or suffix == ".arrows" else "feather"
    return None


def read_arrow(content: bytes, shown: str, form: ArrowForm) -> pd.DataFrame:
    """Read a file's content.

    Raises
    ------
    DataError
        It is damaged or cut off.
    """
    try:
        if form == "parquet":
            return pd.read_parquet(io.BytesIO(content))
        if form == "feather":
            return pd.read_feather(io.BytesIO(content))
        with pa.ipc.open_stream(io.BytesIO(content)) as stream:
            frame: pd.DataFrame = stream.read_pandas()
            return frame
    except Exception as error:  # the parsers raise many kinds; all of them mean that the file is damaged
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        what = "parquet" if form == "parquet" else "Arrow"
        raise DataError(
            f"{shown!r} is not a readable {what} table: {first}. It is damaged or cut off; save or download it again."
        ) from None


def speaks_arrow(source: Any) -> bool:
    """Tell whether an object gives its rows as Arrow (polars, pyarrow, DuckDB's relations, …)."""
    return hasattr(source, "__arrow_c_stream__") or isinstance(source, pa.RecordBatch)


def from_arrow(source: Any) -> pd.DataFrame:
    """Return an object's rows; those of an object in an object's cell stay what they are.

    Raises
    ------
    DataError
    """
    try:
        if isinstance(source, pa.RecordBatch):
            source = pa.Table.from_batches([source])
        table = source if isinstance(source, pa.Table) else pa.table(source)
        frame: pd.DataFrame = table.to_pandas()
        return frame
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise DataError(f"The {type(source).__name__} does not give its rows as a table: {error}.") from None


def parquet_files(folder: Path, given: str) -> list[Path]:
    """Return a folder's Parquet files, those of its folders too, in order of their names.

    Raises
    ------
    DataError
        There are none.
    """
    named = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in (".parquet", ".pq")
        and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    )
    for path in named:
        # to leave it out would be to load less than there is, and nobody would know
        if path.is_symlink() and not path.exists():
            raise DataError(
                f"{path.name!r} in the folder {given!r} is a link that leads nowhere. Repair it, or remove it."
            )
    found = [path for path in named if path.is_file()]
    if not found:
        raise DataError(
            f"The folder {given!r} holds no Parquet file. Give the path of one file, or a folder of Parquet files that "
            "are one table."
        )
    return found


def read_folder(
    folder: Path, given: str, rows: int | Literal["all"] | None, seed: int
) -> tuple[pd.DataFrame, Sample | None, list[str]]:
    """Read a folder's Parquet files as one table; folders called ``name=value`` become columns.

    Raises
    ------
    DataError
        There are none, one of them is damaged (it is named), or their columns have types that do not go together.
    """
    import duckdb
    import pyarrow.parquet as pq

    files = parquet_files(folder, given)
    need, total = 0, 0
    for path in files:
        try:
            footer = pq.read_metadata(path)
        except Exception as error:  # as above
            reason = (str(error).splitlines() or [""])[0].rstrip(".")
            raise DataError(
                f"{str(path.name)!r} in the folder {given!r} is not a readable parquet table: {reason}. It is damaged "
                "or cut off; save or download it again."
            ) from None
        need, total = need + parquet_bytes(footer), total + footer.num_rows
    if not total:
        raise EmptyTableError(f"The Parquet files in {given!r} hold no rows: there is nothing to load.")
    forced = rows is None and need > budget()
    keep = max(1, int(total * budget() / need)) if forced else rows if isinstance(rows, int) else None
    kept = Reservoir(keep if keep is not None and keep < total else None, seed)
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false")
        try:
            reader: Any = connection.sql(
                "select * from read_parquet($files, hive_partitioning = true, union_by_name = true)",
                params={"files": [_escaped(path) for path in files]},
            ).to_arrow_reader(1 << 16)
            frame: pd.DataFrame
            if kept.rows is None:
                frame = reader.read_all().to_pandas()
            else:
                for batch in reader:
                    kept.add(batch.to_pandas())
                frame = kept.frame()
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise DataError(f"The Parquet files in {given!r} are no one table: {reason}.") from None
    sample = None if kept.rows is None else Sample(len(frame), total, seed, forced)
    notes = [f"{len(files):,} Parquet files were read as one table."] if len(files) > 1 else []
    away = [path.name for path in files if not path.resolve().is_relative_to(folder.resolve())]
    if away:
        one = len(away) == 1
        some = f"{away[0]!r} is a link" if one else f"{len(away):,} of the files are links"
        notes.append(f"{some} out of the folder; what {'it leads' if one else 'they lead'} to was read.")
    # folders above this one are none of its partitions
    own = {part.split("=")[0] for path in files for part in path.relative_to(folder).parts[:-1] if "=" in part}
    above = {part.split("=")[0] for part in folder.absolute().parts if "=" in part} - own - set(footer.schema.names)
    frame = frame.drop(columns=[key for key in above if key in frame.columns])
    keys = [key for key in frame.columns if key in own]
    if keys:
        notes.append(f"Folder names give the column{'s' if len(keys) > 1 else ''} {', '.join(map(repr, keys))}.")
    return frame, sample, notes


def _escaped(path: Path) -> str:
    # a star or a bracket in a name is no pattern
    return "".join(f"[{mark}]" if mark in "*?[" else mark for mark in str(path))
