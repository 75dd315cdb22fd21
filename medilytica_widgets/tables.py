"""Tables that were given in memory, kept beside the runs so that these can be opened again."""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import uuid
from pathlib import Path

from .data import Dataset, DataSpec, load_dataset
from .errors import CheckpointError, InputError
from .store import home

FRAME = "<frame>"
LARGEST = 2**30
"""Bytes of a table in memory beyond which it is not kept."""

_writing: dict[str, threading.Thread] = {}
_lock = threading.Lock()


@atexit.register
def _finish() -> None:
    for thread in list(_writing.values()):
        thread.join(10.0)


def keep_table(data: Dataset) -> str:
    """Write a table that came from memory to the home, on a thread of its own, unless it is there.

    Returns
    -------
    str
        What the person should know, empty if nothing.
    """
    if data.spec.source != FRAME:
        return ""
    size = int(data.frame.memory_usage(deep=False).sum())
    if size > LARGEST:
        return (
            f"The table has {size / 2**30:.1f} GB in memory and is not kept with the run. To open the run again in "
            "another kernel, give the table with data=."
        )
    path = _path(data.spec)
    with _lock:
        if path.exists() or (data.spec.fingerprint in _writing and _writing[data.spec.fingerprint].is_alive()):
            return ""
        thread = threading.Thread(target=_write, args=(data, path), name="medilytica-table", daemon=True)
        _writing[data.spec.fingerprint] = thread
        thread.start()
    return ""


def load_table(spec: DataSpec) -> Dataset:
    """Return the table of a specification, with the content that it had.

    Raises
    ------
    CheckpointError
        If the content has changed, or a table from memory was not kept.
    """
    if spec.source != FRAME:
        data = Dataset.from_spec(spec)
    else:
        path = _path(spec)
        writing = _writing.get(spec.fingerprint)
        if writing is not None:
            writing.join(60.0)
        if not path.exists():
            raise CheckpointError(
                f"The table {spec.name or 'of this run'!r} was given in memory and was not kept. Give it with data=."
            )
        import pandas as pd

        data = load_dataset(
            pd.read_parquet(path),
            spec.target,
            exclude=spec.exclude,
            roles=dict(spec.roles),
            missing=spec.missing,
            name=spec.name,
        )
    check_table(spec, data)
    return data


def check_table(spec: DataSpec, data: Dataset) -> None:
    """Raise `CheckpointError` if a table has another content than the specification's had."""
    if spec.fingerprint and data.spec.fingerprint != spec.fingerprint:
        raise CheckpointError(
            f"The content of {data.name!r} is not what the run was trained on. Give the earlier table with data=, or "
            "train a new run."
        )


def _path(spec: DataSpec) -> Path:
    return home() / "tables" / f"{spec.fingerprint}.parquet"


def _write(data: Dataset, path: Path) -> None:
    # a table that cannot be written is asked for when the run is opened again
    with contextlib.suppress(OSError, InputError, ValueError, TypeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            data.frame.to_parquet(partial)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
