"""JSON and JSON Lines: records, columns, and what interfaces wrap around them; nesting goes one level deep."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from ..errors import DataError, EmptyTableError
from .text_guess import decode


def read_json(content: bytes, shown: str, lines: bool) -> tuple[pd.DataFrame, tuple[str, str], list[str]]:
    """Read a table from JSON.

    Parameters
    ----------
    content : bytes
    shown : str
        The file's name for messages.
    lines : bool
        Whether the name promises one record a line.

    Returns
    -------
    frame : DataFrame
        Objects in cells are columns of their own, ``outer.inner``.
    shape : (str, str)
        "records", "lines", "columns", "split" or "wrapped"; and of "wrapped", the name that holds the records.
    notes : list of str

    Raises
    ------
    EncodingError, EmptyTableError, DataError
    """
    text, _ = decode(content, shown)
    text = text.lstrip("\ufeff")
    if not lines:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            if "\n" not in text.strip() or error.msg != "Extra data":
                raise DataError(
                    f"{shown!r} is not readable as JSON: {error.msg} in line {error.lineno:,}, column {error.colno:,}. "
                    "It is damaged or cut off; save it again."
                ) from None
            return _table(_records(text, shown), shown), ("lines", ""), ["The file holds one JSON record a line."]
        except RecursionError:
            raise DataError(f"{shown!r} is nested too deeply for a table.") from None
        return _shaped(value, shown)
    return _table(_records(text, shown), shown), ("lines", ""), []


def _records(text: str, shown: str) -> list[Any]:
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            records.append(json.loads(line))
        except (json.JSONDecodeError, RecursionError) as error:
            what = getattr(error, "msg", "it is nested too deeply")
            raise DataError(f"{shown!r}: line {number:,} is no JSON record ({what}). Repair or delete it.") from None
        if not isinstance(records[-1], dict):
            kind = type(records[-1]).__name__
            raise DataError(
                f'{shown!r}: line {number:,} holds a {kind} where a record, {{"name": value}}, is expected.'
            )
    return records


def _shaped(value: Any, shown: str) -> tuple[pd.DataFrame, tuple[str, str], list[str]]:
    if isinstance(value, list):
        return _table(value, shown), ("records", ""), []
    if not isinstance(value, dict):
        raise DataError(f"{shown!r} holds a single {type(value).__name__}, which is no table.")
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        rows = value["data"]
        odd = next((at for at, row in enumerate(rows) if not isinstance(row, list)), None)
        odd = (
            next((at for at, row in enumerate(rows) if len(row) != len(value["columns"])), None) if odd is None else odd
        )
        if odd is not None:
            raise DataError(f"{shown!r}: row {odd + 1:,} of its data has not {len(value['columns'])} cells. Repair it.")
        return pd.DataFrame(rows, columns=pd.Index(value["columns"], dtype=object)), ("split", ""), []
    lists = [key for key, held in value.items() if isinstance(held, list) and held and isinstance(held[0], dict)]
    others = [key for key, held in value.items() if isinstance(held, list) and key not in lists]
    if len(lists) == 1 and not others:
        note = f"The records stand in {lists[0]!r}; what is beside it is left out." if len(value) > 1 else ""
        return _table(value[lists[0]], shown), ("wrapped", lists[0]), [note] if note else []
    if value and all(isinstance(held, list) for held in value.values()):
        lengths = {key: len(held) for key, held in value.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{key!r} {length:,}" for key, length in list(lengths.items())[:4])
            raise DataError(f"{shown!r} has columns of different lengths ({said}). Repair it.")
        return pd.DataFrame(value), ("columns", ""), []
    if value and all(isinstance(held, dict) for held in value.values()):
        return pd.DataFrame(value).reset_index(drop=True), ("columns", ""), []
    if not value:
        raise EmptyTableError(f"{shown!r} holds an empty object: there is nothing to load.")
    raise DataError(
        f"{shown!r} is no table: it takes a list of records, one record a line, or an object with a list for each "
        "column."
    )


def _table(records: list[Any], shown: str) -> pd.DataFrame:
    if not records:
        raise EmptyTableError(f"{shown!r} holds no records: there is nothing to load.")
    odd = next((at for at, record in enumerate(records, start=1) if not isinstance(record, dict)), None)
    if odd is not None:
        kind = type(records[odd - 1]).__name__
        raise DataError(f'{shown!r}: record {odd:,} is a {kind} where {{"name": value}} is expected.')
    if any(isinstance(cell, dict) for record in records for cell in record.values()):
        return pd.json_normalize(records, max_level=1)
    return pd.DataFrame(records)
