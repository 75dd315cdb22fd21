"""How much of ended runs' files is kept: by number, by age, by size."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .home import folder_bytes, remove_folder, run_folder
from .liveness import INTERRUPTED, LIVE
from .record import RunRecord, utc

if TYPE_CHECKING:
    import pandas as pd

    from .store import RunStore


@dataclass(frozen=True)
class Retention:
    """The limits; None means none.

    Parameters
    ----------
    runs : int, optional
        So many ended runs keep their files, the newest.
    days : float, optional
        Files of runs that ended longer ago go.
    bytes : int, optional
        So much may all runs' files take; living runs count, but only ended ones are removed.

    Raises
    ------
    InputError
        For a negative limit.
    """

    runs: int | None = None
    days: float | None = None
    bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("runs", "days", "bytes"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0):
                raise InputError(f"Retention takes a number from 0 for {name}; {value!r} came. None means no limit.")

    @classmethod
    def from_environment(cls) -> Retention | None:
        """Return the limits that ``MEDILYTICA_KEEP_RUNS``, ``_DAYS`` and ``_BYTES`` set; None where none is set.

        Raises
        ------
        InputError
            For a value that is no number from 0.
        """
        found: dict[str, Any] = {}
        for name, kind in (("runs", int), ("days", float), ("bytes", int)):
            variable = f"MEDILYTICA_KEEP_{name.upper()}"
            given = os.environ.get(variable, "").strip()
            if not given:
                continue
            try:
                found[name] = kind(given)
            except ValueError:
                raise InputError(f"{variable} is {given!r}, but it takes a number from 0.") from None
        return cls(**found) if found else None


def apply(
    store: RunStore,
    retention: Retention,
    *,
    now: datetime | None = None,
    dry_run: bool = False,
    records: bool = False,
) -> pd.DataFrame:
    """Remove the files of ended runs beyond the limits, those that ended first going first.

    What goes is the folder of a run: its checkpoints and its kept epochs. Its record stays in the store, so
    it is still listed, but no longer reopened. A run that lives is never touched, nor is one of another
    machine that says it does; an interrupted run counts as ended when it was last heard of. A branch has its
    own copy of what it shares with its parent, so a parent may go before it.

    Parameters
    ----------
    store : RunStore
    retention : Retention
    now : datetime, optional
        Ages count back from it.
    dry_run : bool
        Remove nothing; only say what would go.
    records : bool
        Remove the records too.

    Returns
    -------
    DataFrame
        One row a removed run, indexed by id: name, ended, bytes and reason ("runs", "days" or "bytes").

    Raises
    ------
    InputError
        If a folder cannot be removed; those before it are gone.
    StateError
        If the store cannot be read.
    """
    import pandas as pd

    moment = utc(now) if now is not None else datetime.now(UTC)
    sizes: dict[str, int] = {}
    ended: list[RunRecord] = []
    for record in store.records():
        folder = run_folder(record.id)
        if folder.is_dir():
            sizes[record.id] = folder_bytes(folder)
            if record.has_ended or record.status == INTERRUPTED:
                ended.append(record)
    ended.sort(key=lambda record: (_end(record), record.id))
    going = _going(ended, sizes, retention, moment)
    removed: list[dict[str, Any]] = []
    for record, reason in going:
        if not dry_run:
            # it may have been resumed while others were removed
            if store.get(record.id).status in LIVE:
                continue
            if records:
                store.delete(record.id)
            else:
                remove_folder(record.id)
        row = {"id": record.id, "name": record.name, "ended": _end(record), "bytes": sizes[record.id], "reason": reason}
        removed.append(row)
    frame = pd.DataFrame(removed, columns=["id", "name", "ended", "bytes", "reason"])
    frame["ended"] = frame["ended"].astype("datetime64[us, UTC]")
    return frame.astype({"id": "str", "name": "str", "bytes": "int64", "reason": "str"}).set_index("id")


def _end(record: RunRecord) -> datetime:
    return record.ended or record.updated or record.created


def _going(
    ended: list[RunRecord], sizes: dict[str, int], retention: Retention, now: datetime
) -> list[tuple[RunRecord, str]]:
    """Return which of the ended runs, oldest first, are beyond a limit, and beyond which."""
    total, left = sum(sizes.values()), len(ended)
    going = []
    for record in ended:
        if retention.days is not None and (now - _end(record)).total_seconds() > retention.days * 86_400:
            reason = "days"
        elif retention.runs is not None and left > retention.runs:
            reason = "runs"
        elif retention.bytes is not None and total > retention.bytes:
            reason = "bytes"
        else:
            # the rest is newer, and neither their number nor their size is too large
            break
        going.append((record, reason))
        left -= 1
        total -= sizes[record.id]
    return going
