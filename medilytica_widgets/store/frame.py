"""The list of runs as a DataFrame: filters, order and column types."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from ..errors import InputError, hint
from .record import FIELDS, STATUSES, RunRecord, storable, utc

if TYPE_CHECKING:
    import pandas as pd

HIDDEN = frozenset({"id", "spec", "metrics", "versions", "pid", "process_started"})
"""What the list leaves out of its columns: the id is the index, the rest is for `RunStore.get`."""

COLUMNS = tuple(name for name in FIELDS if name not in HIDDEN)
METRIC = "metric."
_DTYPES = {"text": "str", "whole": "Int64", "number": "float64", "time": "datetime64[us, UTC]", "json": "object"}
_SEARCHED = ("id", "name", "experiment", "algorithm", "status", "error", "author", "device")


@dataclass(frozen=True)
class Filter:
    """What `RunStore.list` was asked for, checked."""

    status: frozenset[str] | None
    algorithm: frozenset[str] | None
    experiment: frozenset[str] | None
    since: datetime | None
    tag: str | None
    text: str | None

    def matches(self, record: RunRecord) -> bool:
        """Return whether a record, with its status as read, is among what was asked for."""
        if self.status is not None and record.status not in self.status:
            return False
        if self.tag is not None and self.tag not in record.tags:
            return False
        if self.text is None:
            return True
        wanted = self.text.casefold()
        texts = [*(getattr(record, name) or "" for name in _SEARCHED), *record.tags]
        return any(wanted in text.casefold() for text in texts)


def make_filter(
    status: str | Collection[str] | None,
    algorithm: str | Collection[str] | None,
    experiment: str | Collection[str] | None,
    since: Any,
    tag: str | None,
    text: str | None,
) -> Filter:
    """Check what a person asked for; raises `InputError` for what cannot be."""
    statuses = _names(status)
    for name in statuses or ():
        if name not in STATUSES:
            raise InputError(f"No run is ever {name!r}. {hint(name, STATUSES)}")
    return Filter(statuses, _names(algorithm), _names(experiment), _since(since), tag or None, text or None)


def _names(given: str | Collection[str] | None) -> frozenset[str] | None:
    if given is None:
        return None
    return frozenset({given} if isinstance(given, str) else map(str, given))


def _since(given: Any) -> datetime | None:
    if given is None:
        return None
    if isinstance(given, timedelta):
        return datetime.now(UTC) - given
    try:
        if isinstance(given, str):
            given = datetime.fromisoformat(given)
        if isinstance(given, datetime):
            return utc(given)
        if isinstance(given, date):
            return utc(datetime.combine(given, time()))
    except (ValueError, OverflowError) as error:
        raise InputError(f"since={given!r} is no time: {error}. Write it like '2026-01-31 12:00'.") from error
    raise InputError(f"since takes a datetime, a date, a timedelta or an ISO 8601 text; a {type(given).__name__} came.")


def check_order(order: str) -> tuple[str, bool]:
    """Return the column to sort by, and whether downwards."""
    name = order.removeprefix("-")
    if name != "id" and name not in COLUMNS and not name.startswith(METRIC):
        raise InputError(f"Runs cannot be ordered by {name!r}. {hint(name, ('id', *COLUMNS, METRIC + '<name>'))}")
    return name, order.startswith("-")


def check_limit(limit: int | None) -> int | None:
    """Return the limit, or raise `InputError` for what is no number of runs."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
        raise InputError(f"limit takes a whole number from 0; {limit!r} came.")
    return limit


def make_frame(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row a record, indexed by id, with typed columns even where there are no rows."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for name in COLUMNS:
        values = [getattr(record, name) for record in records]
        columns[name] = pd.Series(values, dtype=_DTYPES[FIELDS[name]])
    for name in sorted({name for record in records for name in record.metrics}):
        values = [record.metrics.get(name) for record in records]
        columns[METRIC + storable(name)] = pd.Series(values, dtype="float64")
    frame = pd.DataFrame(columns)
    frame.index = pd.Index([record.id for record in records], name="id", dtype="str")
    return frame


def sort(frame: pd.DataFrame, order: str, limit: int | None) -> pd.DataFrame:
    """Return the first ``limit`` rows in that order; what is missing comes last, ties by number."""
    name, downwards = check_order(order)
    if name != "id" and name not in frame.columns:  # no run has this metric
        return frame.head(limit) if limit is not None else frame
    by = frame.index if name == "id" else frame[name]
    keyed = frame.assign(_by=by.map(str) if name == "tags" else by, _number=frame["number"])
    ordered = keyed.sort_values(["_by", "_number"], ascending=not downwards, kind="stable", na_position="last")
    found = ordered.drop(columns=["_by", "_number"])
    return found.head(limit) if limit is not None else found
