"""Runs in the run store: writing down what happens to one, and listing them."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .engine import ENDED
from .engine.processes import is_alive
from .errors import InputError, MedilyticaError
from .store import Retention, RunRecord, apply, default_store

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run

_log = logging.getLogger(__name__)
_retained = threading.Event()


def retain_soon() -> None:
    """Apply the limits that the environment sets, once a process and on a thread of its own."""
    if _retained.is_set():
        return
    _retained.set()
    try:
        limits = Retention.from_environment()
    except MedilyticaError as error:
        _log.warning("Old runs are kept: %s", error.message)
        return
    if limits is None:
        return

    def work() -> None:
        try:
            apply(default_store(), limits)
        except MedilyticaError as error:
            _log.warning("Old runs could not be removed: %s", error.message)

    threading.Thread(target=work, name="medilytica-retention", daemon=True).start()


class Recorder:
    """Keeps the store's record of one run up to date.

    Everything is handed to the store's own thread; a store that cannot be used never ends a run.

    Parameters
    ----------
    run : Run
    author : str, optional
    tags : tuple of str
    parent : str, optional
        Id of the run it goes back to.
    """

    def __init__(self, run: Run, author: str | None, tags: tuple[str, ...], parent: str | None) -> None:
        self._run, self._told, self.shares = run, 0, False
        self._record = RunRecord(
            id=run.id,
            number=run.number,
            name=run.name,
            experiment=run.spec.name,
            algorithm=run.algorithm,
            task=run.task,
            spec=run.spec.to_json(),
            data_hash=run.spec.data.content,
            epochs=run.progress()["epochs"],
            seed=run.spec.seed,
            author=author,
            tags=tags,
            parent=parent,
            folder=str(run.folder or ""),
        )

    def begin(self, again: bool) -> None:
        """Record that the run is there; with ``again``, that this process goes on with it."""
        new = self._record
        retain_soon()
        known = self._known() if again else None
        if not again or known is None:
            self._post(new)
            return
        self._record = new.changed(started=known.started)
        here = {name: getattr(new, name) for name in ("host", "pid", "process_started", "versions", "folder")}
        given = {name: getattr(new, name) for name in ("author", "tags") if getattr(new, name)}
        self._post(new.id, status="queued", error=None, ended=None, **here, **given)

    def join(self, known: RunRecord) -> None:
        """Go on with the record of a detached run that another process began.

        While that one lives, it hands the history to the tracking server itself.
        """
        self._record = known
        self._told = len(self._run.telemetry)
        self.shares = is_alive(known.pid, known.process_started)
        if self._run.status in ENDED and not known.metrics:
            # it ended while nobody was there who could have written more than its status
            ended = known.ended or datetime.now(UTC)
            self._post(known.id, **{**self._changes(self._run.status), "ended": ended})

    def _known(self) -> RunRecord | None:
        """Return what the store has of the run; None if it does not know it."""
        for _ in range(2):
            try:
                return default_store().get(self._run.id)
            except InputError:
                return None
            except MedilyticaError:
                # its file may have been taken away since it was opened
                with contextlib.suppress(MedilyticaError):
                    default_store().database.reopen()
        # it cannot say now, and a change of a run that it does not know does no harm
        return self._record

    def follow(self, status: str) -> None:
        """Take in a change of the run's status."""
        self._post(self._run.id, **self._changes(status))

    def _changes(self, status: str) -> dict[str, Any]:
        run, progress = self._run, self._run.progress()
        changes: dict[str, Any] = {
            "status": status,
            "epoch": progress["epoch"],
            "seconds": progress["seconds"],
            "path": run.path,
            "device": progress["device"],
        }
        if status == "running" and self._record.started is None:
            self._record = self._record.changed(started=datetime.now(UTC))
            changes["started"] = self._record.started
        if status in ENDED:
            self.rows()
            changes |= {"ended": datetime.now(UTC), "metrics": final_metrics(run)}
            changes["error"] = run.error.message if run.error is not None else None
        return changes

    def rows(self) -> None:
        """Hand what is new of the history to a tracking server, where there is one."""
        store = _store()
        if store is None or store.tracker is None or self.shares:
            return
        columns, end = self._run.telemetry.read(self._told)
        cells = zip(*(column.tolist() for column in columns.values()), strict=True)
        new = [dict(zip(columns, row, strict=True)) for row in cells]
        self._told = end
        store.log(self._run.id, new)

    def metrics(self, found: dict[str, float]) -> None:
        """Add the metrics of an evaluation on the held-out rows."""
        self._post(self._run.id, metrics={**final_metrics(self._run), **found})

    def _post(self, run: RunRecord | str, **changes: Any) -> None:
        store = _store()
        if store is None:
            return
        try:
            store.post(run, **changes)
        except MedilyticaError:
            _log.exception("the run store did not take a run")


def final_metrics(run: Run) -> dict[str, float]:
    """Return the last row of a run's history, as the store keeps it: losses and the readable metric."""
    columns, _ = run.telemetry.read(len(run.telemetry) - 1)
    left_out = ("epoch", "learning_rate", "seconds", "samples_per_second")
    return {
        name: float(values[-1])
        for name, values in columns.items()
        if name not in left_out and len(values) and not math.isnan(values[-1])
    }


def runs(
    *,
    status: str | Collection[str] | None = None,
    algorithm: str | Collection[str] | None = None,
    experiment: str | Collection[str] | None = None,
    since: Any = None,
    tag: str | None = None,
    text: str | None = None,
    limit: int | None = None,
    order: str = "-created",
) -> pd.DataFrame:
    """Return all runs that the run store knows, of this and of other kernels, newest first.

    See `medilytica_widgets.store.RunStore.list` for the filters and the columns.
    """
    return default_store().list(
        status=status,
        algorithm=algorithm,
        experiment=experiment,
        since=since,
        tag=tag,
        text=text,
        limit=limit,
        order=order,
    )


def prune(
    *,
    runs: int | None = None,
    days: float | None = None,
    bytes: int | None = None,
    dry_run: bool = False,
    records: bool = False,
) -> pd.DataFrame:
    """Remove checkpoints and kept epochs of runs that have ended, the oldest first.

    Parameters
    ----------
    runs : int, optional
        So many ended runs keep their files, the newest.
    days : float, optional
        Files of runs that ended longer ago go.
    bytes : int, optional
        So much may the files of all runs take.
    dry_run : bool
        Only say what would go.
    records : bool
        Whether the runs vanish from `runs` too.

    Returns
    -------
    DataFrame
        What was removed; see `medilytica_widgets.store.apply`.

    Raises
    ------
    InputError
        For a negative limit.
    """
    retention = Retention(runs=runs, days=days, bytes=bytes)
    return apply(default_store(), retention, dry_run=dry_run, records=records)


def _store() -> Any:
    try:
        return default_store()
    except MedilyticaError as error:
        _log.warning("Runs are not recorded: %s", error.message)
        return None


__all__ = ["Recorder", "prune", "runs"]
