"""What a stored file holds, told without keeping it in memory: its size as a table and its first rows.

A large file is read by a process of its own, so that neither its memory nor a damaged file is the kernel's trouble:
``python -m medilytica_widgets.data.upload_look PATH NAME`` writes what `look` returns as JSON.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from ..errors import MedilyticaError
from .uploads import Uploaded, as_labelled

if TYPE_CHECKING:
    from .dataset import Dataset

#: Larger files are read by a process of their own.
APART_BYTES = 4 << 20
APART_SECONDS = 300.0
PREVIEW_ROWS = 8
PREVIEW_COLUMNS = 40
LONGEST_CELL = 120
_ENCODED = "utf-8"


class Look(TypedDict):
    """What a file turned out to be; with an ``error`` the rest is empty."""

    rows: int
    columns: int
    error: str
    names: list[str]
    kinds: list[str]
    cells: list[list[Any]]
    found: dict[str, Any]
    sheets: list[str]


def look_at(file: Uploaded, options: Mapping[str, Any] | None = None) -> Look:
    """Read a stored file and return what it holds; a large one in a process of its own. Never raises.

    Parameters
    ----------
    file : Uploaded
    options : mapping, optional
        How it is read, by hand: what `load_dataset` takes of ``delimiter``, ``decimal``, ``quotechar``, ``header``,
        ``encoding``, ``comment`` and ``sheet``.
    """
    if file.size <= APART_BYTES:
        return look(file.path, file.name, options)
    told_options = json.dumps(dict(options or {}))
    command = [sys.executable, "-m", "medilytica_widgets.data.upload_look", str(file.path), file.name, told_options]
    try:
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=APART_SECONDS, check=False
        )
        # what a library prints stands before it
        told: Look = json.loads(done.stdout.decode(_ENCODED).splitlines()[-1])
        return told
    except subprocess.TimeoutExpired:
        return _failed(
            f"{file.name!r} was not read after {APART_SECONDS / 60:.0f} minutes. It is stored; try dataset()."
        )
    except (OSError, ValueError, IndexError):
        return _failed(f"{file.name!r} could not be read: the process that read it ended early, perhaps for memory.")


def look(path: Path, name: str, options: Mapping[str, Any] | None = None) -> Look:
    """Read a stored file here and return what it holds. Never raises."""
    from .loading import load_dataset

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = load_dataset(path, **{"name": name, **(options or {})})
        names = [column.name for column in data.columns[:PREVIEW_COLUMNS]]
        first = data.frame.loc[: PREVIEW_ROWS - 1, names]
        return {
            "rows": len(data),
            "columns": len(data.columns),
            "error": "",
            "names": names,
            "kinds": [str(column.kind) for column in data.columns[:PREVIEW_COLUMNS]],
            "cells": [[_cell(value) for value in row] for row in first.itertuples(index=False, name=None)],
            "found": _found(data),
            "sheets": _sheets(path) if data.reading.form == "excel" else [],
        }
    except MedilyticaError as error:
        return _failed(as_labelled(error.message, path, name))
    except Exception as error:  # whatever a reader does with bytes that somebody sent
        return _failed(
            f"{name!r} could not be read: {type(error).__name__}: {as_labelled(str(error)[:300], path, name)}"
        )


def _failed(error: str) -> Look:
    return {"rows": 0, "columns": 0, "error": error, "names": [], "kinds": [], "cells": [], "found": {}, "sheets": []}


def _found(data: Dataset) -> dict[str, Any]:
    """Return how a file was read, in the words of `load_dataset`; nothing of a file that says so itself."""
    text, sheet = data.reading.text, data.reading.sheet
    if text is None:
        return {} if sheet is None else {"sheet": sheet}
    return {
        "delimiter": text.delimiter,
        "decimal": "," if any(style.decimal == "," for style in text.styles) else ".",
        "quotechar": text.marks.quotechar,
        "header": 0 if text.header else None,
        "encoding": text.encoding,
        "comment": text.marks.comment,
    }


def _sheets(path: Path) -> list[str]:
    import python_calamine

    return [str(name) for name in python_calamine.CalamineWorkbook.from_path(str(path)).sheet_names]


def _cell(value: Any) -> Any:
    """Return a cell as JSON holds it: a number that a browser reads exactly, a text, or None for a missing one."""
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (int, float)) and (math.isfinite(value) and abs(value) < 2**53):
        return value
    text = str(value).removesuffix(" 00:00:00") if hasattr(value, "year") else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"


if __name__ == "__main__":
    sys.stdout.buffer.write(
        ("\n" + json.dumps(look(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])))).encode(_ENCODED)
    )
