"""Whether the process that trains a run still lives, and what that makes of the run's status."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.processes import is_alive, this_process
from ..engine.run_folder import STALE_SECONDS, last_touched
from ..engine.states import ENDED, LEGAL
from .home import files_of

Mark = str | float | None
"""What tells a process from a later one with the same number, see `medilytica_widgets.engine.processes.is_alive`."""

INTERRUPTED = "interrupted"
"""What the store answers for a run that says it trains while its process is gone."""

LIVE = tuple(status for status in LEGAL if status not in ENDED)
STATUS_FILE = "status.json"
_LARGEST_STATUS_FILE = 1 << 20


def read_status(folder: Path) -> dict[str, Any]:
    """Return what a detached child wrote last into its run's folder; empty where there is nothing readable."""
    try:
        with open(folder / STATUS_FILE, "rb") as file:
            content = json.loads(file.read(_LARGEST_STATUS_FILE))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("status") in list(LEGAL) else {}


def resolve(row: Mapping[str, Any], alive: Callable[[int | None, Mark], bool] = is_alive) -> dict[str, Any]:
    """Return what of a record changes in the light of which processes live.

    A run whose process lives stays as it is. Of one on another machine, such as a container that was replaced, that
    is believed as long as the record or something in the run's folder, where it can be seen from here, is younger
    than `STALE_SECONDS`. A detached run lives by the process that its status file names. Otherwise the status file
    decides if it is newer than the record; without one the run is `INTERRUPTED`.

    Parameters
    ----------
    row : mapping
        id, status, host, pid, process_started, folder, epoch, ended and updated of a record.
    alive : callable
        `is_alive`, or one that remembers its answers while a list is made.

    Returns
    -------
    dict
        The fields that change, with their values as read.
    """
    if row["status"] not in LIVE:
        return {}
    folder = files_of(row["id"], row["folder"])
    told, here = read_status(folder), this_process().host
    heard = row["host"] != here and _heard_of(row, folder)
    trains = heard if row["host"] != here else alive(row["pid"], row["process_started"])
    # a process that lives speaks for itself, even if the record was written a moment after its last word
    away = told.get("host", here) != here
    lives = bool(told) and told["status"] in LIVE and (heard if away else _lives(told, alive))
    # and so does one that was killed: the kernel that followed it may have written the record after that
    killed = not (lives or away) and told.get("detached") is True and told["status"] in LIVE and _has_begun(told)
    speaks = lives or killed or _is_newer(told, row)
    if trains and not (speaks and told.get("detached") and _has_begun(told)):
        return {}
    if not speaks:
        return {"status": INTERRUPTED}
    changes: dict[str, Any] = {"status": told["status"]}
    if told["status"] in ENDED:
        changes["ended"] = row["ended"] or _moment(told.get("updated"))
        changes["error"] = str(told["error"]) if told.get("error") else row.get("error")
    elif not lives:
        changes["status"] = INTERRUPTED
    epoch = told.get("epoch")
    if isinstance(epoch, (int, float)) and not isinstance(epoch, bool) and epoch > (row["epoch"] or 0):
        changes["epoch"] = float(epoch)
    return changes


def is_training(told: Mapping[str, Any]) -> bool:
    """Return whether the process that a status file tells of trains on this machine now."""
    return bool(told) and told["status"] in LIVE and told.get("host") == this_process().host and _lives(told, is_alive)


def _lives(told: Mapping[str, Any], alive: Callable[[int | None, Mark], bool]) -> bool:
    mark = told.get("birth")
    return isinstance(mark, str) and alive(_number(told.get("pid")), mark)


def _has_begun(told: Mapping[str, Any]) -> bool:
    """Whether the file is the training process's own, and not what the kernel wrote before there was one."""
    return told["status"] in ENDED or bool(_number(told.get("pid")))


def _heard_of(row: Mapping[str, Any], folder: Path) -> bool:
    if not folder.is_dir():
        return True  # not to be seen from here, so nothing is known
    updated, recently = _aware(row["updated"]), time.time() - STALE_SECONDS
    return (updated is not None and updated.timestamp() > recently) or last_touched(folder) > recently


def _is_newer(told: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    written, updated = _moment(told.get("updated")), _aware(row["updated"])
    return written is not None and (updated is None or written >= updated)


def _aware(moment: datetime | None) -> datetime | None:
    """Return a time of the database, which is UTC where it names no zone."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _moment(value: Any) -> datetime | None:
    """Return a time that was written as seconds since 1970 or as ISO 8601."""
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
