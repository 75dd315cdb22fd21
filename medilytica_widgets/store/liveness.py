"""Whether the process that trains a run still lives, and what that makes of the run's status."""

from __future__ import annotations

import functools
import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..engine.states import ENDED, LEGAL
from .home import run_folder

INTERRUPTED = "interrupted"
"""What the store answers for a run that says it trains while its process is gone."""

LIVE = tuple(status for status in LEGAL if status not in ENDED)
STATUS_FILE = "status.json"
# The kernel tells a process's start in ticks since boot, and the moment of boot shifts as the clock is set.
_TOLERANCE = 3.0
_LARGEST_STATUS_FILE = 1 << 20


@dataclass(frozen=True)
class Process:
    """A process, told apart from a later one that got the same pid by its start (seconds since 1970)."""

    host: str
    pid: int
    started: float


@functools.lru_cache(maxsize=4)
def _process(pid: int) -> Process:
    import psutil

    return Process(socket.gethostname(), pid, float(psutil.Process(pid).create_time()))


def this_process() -> Process:
    """Return the process that runs this; the same answer costs nothing the second time, also after a fork."""
    return _process(os.getpid())


def is_alive(pid: int | None, started: float | None) -> bool:
    """Return whether the process with that pid and start (any, if None) still runs on this machine."""
    import psutil

    if not pid or pid < 0:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return started is None or abs(float(process.create_time()) - started) <= _TOLERANCE
    except (psutil.NoSuchProcess, OverflowError):
        return False
    except psutil.AccessDenied:  # it is there, and it is someone else's
        return True


def read_status(folder: Path) -> dict[str, Any]:
    """Return what a detached child wrote last into its run's folder; empty where there is nothing readable."""
    try:
        with open(folder / STATUS_FILE, "rb") as file:
            content = json.loads(file.read(_LARGEST_STATUS_FILE))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) and content.get("status") in list(LEGAL) else {}


def resolve(row: Mapping[str, Any], alive: Callable[[int | None, float | None], bool] = is_alive) -> dict[str, Any]:
    """Return what of a record changes in the light of which processes live.

    A run of another machine stays as it is, and so does one whose process lives. Otherwise the status file of
    its folder decides, if the process that it names lives, if the record's process wrote it, or if it is newer than
    the record; without one the run is `INTERRUPTED`.

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
    if row["status"] not in LIVE or row["host"] != this_process().host:
        return {}
    if alive(row["pid"], row["process_started"]):
        return {}
    told = read_status(Path(row["folder"]) if row["folder"] else run_folder(row["id"]))
    # a process that lives speaks for itself, even if the record was written a moment after its last word
    lives = bool(told) and told["status"] in LIVE and alive(_number(told.get("pid")), told.get("process_started"))
    if not told or not (lives or _speaks_of(told, row)):
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


def _speaks_of(told: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    started, known = told.get("process_started"), row["process_started"]
    if told.get("pid") == row["pid"] and started is not None and known is not None:
        if abs(float(started) - float(known)) <= _TOLERANCE:
            return True
    written, updated = _moment(told.get("updated")), row["updated"]
    if written is None or updated is None:
        return written is not None
    if updated.tzinfo is None:
        updated = updated.replace(tzinfo=UTC)
    return bool(written >= updated)


def _moment(value: Any) -> datetime | None:
    """Return a time that was written as seconds since 1970 or as ISO 8601."""
    try:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
