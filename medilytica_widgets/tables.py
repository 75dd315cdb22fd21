"""Tables that were given in memory, kept beside the runs so that these can be opened again."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from .data import Dataset, DataSpec, load_dataset
from .engine.atomic import replacing
from .errors import CheckpointError, InputError
from .store import home

if TYPE_CHECKING:
    import pandas as pd

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
    """Write a table that came from memory to the home, on a thread of its own, unless it is there in one piece.

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
    try:
        path = _path(data.spec)
    except InputError as error:
        return f"The table is not kept with the run: {error.message}"
    with _lock:
        if _is_whole(path) or (data.spec.fingerprint in _writing and _writing[data.spec.fingerprint].is_alive()):
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
        If the content has changed, or a table from memory was not kept or is damaged.
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
        data = load_dataset(
            _read(path, spec),
            spec.target,
            exclude=spec.exclude,
            roles=dict(spec.roles),
            missing=spec.missing,
            name=spec.name,
            kinds=dict(spec.kinds),
        ).with_edits(spec.edits)
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


def _is_whole(path: Path) -> bool:
    """Say by its first and last bytes whether a table was written to its end."""
    try:
        with open(path, "rb") as file:
            start, _ = file.read(4), file.seek(-4, os.SEEK_END)
            return start == file.read(4) == b"PAR1"
    except OSError:
        return False


def _read(path: Path, spec: DataSpec) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError):
            # no table can be read from it, and the next one of the same content takes its place
            with contextlib.suppress(OSError):
                path.unlink()
        raise CheckpointError(
            f"The table {spec.name or 'of this run'!r} was kept in {path}, which is damaged ({error}). "
            "Give it with data=."
        ) from error


def _write(data: Dataset, path: Path) -> None:
    # a table that cannot be written is asked for when the run is opened again
    with contextlib.suppress(OSError, InputError, ValueError, TypeError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as raw:
            # what is unbuffered may write less than asked
            file = io.BufferedWriter(raw)
            try:
                # the edits stand in the specification
                data.loaded_frame().to_parquet(file)
                file.flush()
            finally:
                file.detach()
