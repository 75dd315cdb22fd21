"""What the store knows of a run: one table of fields that the schema, the rows, the list and the backup read."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Literal

from ..engine.processes import this_process
from ..engine.states import ENDED, LEGAL
from ..errors import InputError, hint
from .home import check_id
from .liveness import INTERRUPTED

Kind = Literal["text", "whole", "number", "time", "json"]

FIELDS: dict[str, Kind] = {
    "id": "text",
    "number": "whole",
    "name": "text",
    "experiment": "text",
    "algorithm": "text",
    "task": "text",
    "status": "text",
    "error": "text",
    "created": "time",
    "started": "time",
    "ended": "time",
    "updated": "time",
    "seconds": "number",
    "epoch": "number",
    "epochs": "whole",
    "spec": "json",
    "metrics": "json",
    "data_hash": "text",
    "versions": "json",
    "host": "text",
    "pid": "whole",
    "process_started": "number",
    "folder": "text",
    "path": "text",
    "device": "text",
    "seed": "whole",
    "author": "text",
    "parent": "text",
    "tags": "json",
}
"""Every field of a record and how it is stored."""

REQUIRED = frozenset({"id", "number", "name", "experiment", "algorithm", "task", "status", "created", "epoch"})
"""The fields that are never None."""

STATUSES = (*LEGAL, INTERRUPTED)
_PACKAGES = ("medilytica-widgets", "numpy", "pandas", "scikit-learn", "torch", "numba", "safetensors", "skops")
# PostgreSQL stores no NUL and UTF-8 no half of a surrogate pair
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WHOLE = 2**63 - 1


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for name in _PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return tuple(found)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide a run's result."""
    return dict(_versions())


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is local time, as everywhere in Python."""
    return moment.astimezone(UTC)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run as the store knows it; JSON-able through `to_json`.

    Parameters
    ----------
    id : str
        Twelve digits of 0-9 and a-f.
    number : int
        1, 2, … within its experiment.
    name, experiment, algorithm, task : str
    status : str
        "queued", "running", "paused", "finished", "stopped" or "failed". The store itself also answers
        "interrupted": the process that trained it is gone, and resuming goes on from the last checkpoint.
    error : str, optional
        Why it failed.
    created, started, ended, updated : datetime
        In UTC; ``updated`` is the store's own.
    seconds : float, optional
        Of training.
    epoch : float
        How far it came, in epochs of ``epochs``.
    spec : dict
        The experiment's specification.
    metrics : dict of str to float
        NaN and infinities are kept.
    data_hash : str
    versions : dict of str to str
        See `versions`.
    host, pid, process_started
        The process that trains it; this one if left out.
    folder : str
        Of its files; empty stands for ``run_folder(id)``.
    path, device : str
        Which loop trained it, and on what.
    seed : int, optional
    author : str, optional
    parent : str, optional
        Id of the run it was branched from.
    tags : tuple of str

    Raises
    ------
    InputError
        For an id or a status that cannot be.
    """

    id: str
    number: int = 0
    name: str = ""
    experiment: str = ""
    algorithm: str = ""
    task: str = ""
    status: str = "queued"
    error: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: datetime | None = None
    ended: datetime | None = None
    updated: datetime | None = None
    seconds: float | None = None
    epoch: float = 0.0
    epochs: int | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    data_hash: str = ""
    versions: dict[str, str] = field(default_factory=versions)
    host: str | None = field(default_factory=lambda: this_process().host)
    pid: int | None = field(default_factory=lambda: this_process().pid)
    process_started: float | None = field(default_factory=lambda: this_process().started)
    folder: str = ""
    path: str = ""
    device: str = ""
    seed: int | None = None
    author: str | None = None
    parent: str | None = None
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id(self.id)
        if self.status not in STATUSES:
            raise InputError(f"A run cannot be {self.status!r}. {hint(self.status, STATUSES)}")
        for name in ("created", "started", "ended", "updated"):
            moment = getattr(self, name)
            if moment is not None:
                object.__setattr__(self, name, utc(moment))
        object.__setattr__(self, "tags", tuple(self.tags))

    @property
    def has_ended(self) -> bool:
        """Whether it is "finished", "stopped" or "failed"."""
        return self.status in ENDED

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: times as ISO 8601, numbers that are not finite as "NaN", "Infinity" or "-Infinity"."""
        return {name: plain(getattr(self, name)) for name in FIELDS}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> RunRecord:
        """Bring back what `to_json` gave.

        Raises
        ------
        InputError
            For fields that are unknown, missing or of the wrong type.
        """
        unknown = [name for name in values if name not in FIELDS]
        if unknown:
            raise InputError(
                f"A record of a run holds the unknown field {unknown[0]!r}; a later version of the package wrote it."
            )
        try:
            row = {name: _from_json(value, FIELDS[name]) for name, value in values.items()}
            return of_row(row)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"A record of a run is damaged: {error}") from error

    def changed(self, **changes: Any) -> RunRecord:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def plain(value: Any) -> Any:
    """Return a value as JSON holds it; what JSON does not know becomes its text."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, datetime):
        return utc(value).isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # a numpy scalar or array
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return str(value)


def storable(text: str) -> str:
    """Return a text that every database and every table can hold: NUL and half surrogate pairs become U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def to_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return some fields as every database can store them.

    In texts, NUL and halves of surrogate pairs become U+FFFD; whole numbers are clipped to 64 bits; a number
    that is not finite becomes None (metrics keep theirs, being JSON).
    """
    return {name: _stored(name, value, FIELDS[name]) for name, value in values.items()}


def _stored(name: str, value: Any, kind: Kind) -> Any:
    if value is None:
        return {"text": "", "whole": 0, "number": 0.0}.get(kind) if name in REQUIRED else None
    if kind == "text":
        return storable(str(value))
    if kind == "whole":
        return max(-_WHOLE, min(_WHOLE, int(value)))
    if kind == "number":
        number = float(value)
        return number if math.isfinite(number) else 0.0 if name in REQUIRED else None
    if kind == "time":
        return utc(value)
    # ASCII, so that nothing in it is unstorable
    return json.dumps(plain(value), ensure_ascii=True, allow_nan=False)


def _from_json(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "time":
        return datetime.fromisoformat(value)
    if kind == "json":
        return json.dumps(value)
    wanted: dict[str, tuple[type, ...]] = {"text": (str,), "whole": (int,), "number": (int, float)}
    if not isinstance(value, wanted[kind]) or isinstance(value, bool):
        raise InputError(f"A record of a run is damaged: {value!r} stands where a {kind} belongs.")
    return value


def of_row(row: Mapping[str, Any]) -> RunRecord:
    """Return the record of a row of the table; a time without a zone is UTC there."""
    values: dict[str, Any] = {f.name: row[f.name] for f in fields(RunRecord) if f.name in row}
    for name, value in values.items():
        kind = FIELDS[name]
        if kind == "time" and value is not None and value.tzinfo is None:
            values[name] = value.replace(tzinfo=UTC)
        elif kind == "json":
            values[name] = json.loads(value) if value else [] if name == "tags" else {}
        elif kind == "text" and value is None and name in ("data_hash", "folder", "path", "device"):
            values[name] = ""
    values["metrics"] = {name: float(value) for name, value in values.get("metrics", {}).items()}
    values["tags"] = tuple(str(tag) for tag in values.get("tags", ()))
    return RunRecord(**values)
