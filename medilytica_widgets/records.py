"""Runs in the run store: writing down what happens to one, listing them, and opening one again."""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .data import Dataset
from .engine import ENDED, TrainingState, drop_after, read_latest, read_state
from .errors import CheckpointError, MedilyticaError, MissingFileError, StateError
from .spec import load_spec
from .store import Retention, RunRecord, apply, default_store, run_folder
from .tables import check_table, load_table

if TYPE_CHECKING:
    import pandas as pd

    from .run import Run

_log = logging.getLogger(__name__)
ALIVE = ("queued", "running", "paused")


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
        self._run, self._told = run, 0
        self._record = RunRecord(
            id=run.id,
            number=run.number,
            name=run.name,
            experiment=run.spec.name,
            algorithm=run.algorithm,
            task=run.task,
            spec=run.spec.to_json(),
            data_hash=run.spec.data.fingerprint,
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
        if not again:
            self._post(new)
            return
        here = {name: getattr(new, name) for name in ("host", "pid", "process_started", "versions", "folder")}
        self._post(new.id, status="queued", error=None, ended=None, **here)

    def follow(self, status: str) -> None:
        """Take in a change of the run's status."""
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
        self._post(run.id, **changes)

    def rows(self) -> None:
        """Hand what is new of the history to a tracking server, where there is one."""
        store = _store()
        if store is None or store.tracker is None:
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


def open_run(run_id: str, data: Dataset | None = None) -> Run:
    """Return a run of this or an earlier kernel, to look at it, predict with it, branch it or command it.

    A detached run that still trains is attached: commands act, and its history grows here too.

    Parameters
    ----------
    run_id : str
        An id from `runs`, or the beginning of one that no other shares.
    data : Dataset, optional
        The table, where it cannot be loaded again as the specification says.

    Raises
    ------
    InputError
        For an id that the store does not know.
    StateError
        If the run trains inside of another kernel, or left no files.
    CheckpointError
        If the table has changed, or nothing readable was left.
    """
    from .experiment import Experiment

    record = default_store().get(run_id)
    folder = Path(record.folder) if record.folder else run_folder(record.id)
    spec = load_spec(record.spec)
    exp = Experiment.from_spec(spec, _table(spec, data))
    if (folder / "status.json").exists():
        return exp._open(record, folder, None)
    if record.status in ALIVE:
        raise StateError(
            f"{record.name} of {record.experiment!r} is {record.status} in another kernel (process {record.pid} on "
            f"{record.host}). Only runs that were started with detach=True can be opened while they train."
        )
    found = read_latest(folder)
    if found is None:
        raise StateError(f"{record.name} of {record.experiment!r} left no checkpoint in {folder}; train it anew.")
    return exp._open(record, folder, found[1])


def resume_run(source: str | PathLike[str], data: Dataset | None = None, *, wait: bool | None = None) -> Run:
    """Go on with a run that ended before its time: see `Run.resume`."""
    from .experiment import Experiment

    path, state = _read(source)
    facts = state.facts.get("spec") or {}
    if "experiment" not in facts:
        raise CheckpointError(f"{path} does not say which experiment it is of; take a checkpoint from a run's folder.")
    spec = load_spec(facts["experiment"])
    run_id = str(facts["run"])
    folder = path.parent if path.parent.name != "epochs" else path.parent.parent
    # a copy elsewhere is a run of its own, and so is one of an epoch that later ones followed
    own = folder == run_folder(run_id) and path.parent == folder
    if own:
        _refuse_living(run_id)
    exp = Experiment.from_spec(spec, _table(spec, data))
    number = int(facts["number"])
    if own:
        # what was learned after the checkpoint is learned anew
        drop_after(folder, float(state.facts["epoch"]))
        return exp._begin(resume=state, run_id=run_id, number=number, parent=facts.get("parent"), wait=wait)
    return exp._begin(resume=state, parent=run_id, wait=wait)


def _read(source: str | PathLike[str]) -> tuple[Path, TrainingState]:
    path = Path(source).expanduser()
    if not path.exists() and isinstance(source, str) and "/" not in source and "." not in source:
        try:
            record = default_store().get(source)
            path = Path(record.folder) if record.folder else run_folder(record.id)
        except MedilyticaError:
            # a kernel may be killed before the store has heard of its run
            if re.fullmatch("[0-9a-f]{12}", source):
                path = run_folder(source)
    if not path.exists():
        raise MissingFileError(
            f"There is no checkpoint, run folder or run {str(source)!r}. mw.runs() lists the runs with their folders."
        )
    path = path.absolute()
    if not path.is_dir():
        return path, read_state(path)
    found = read_latest(path)
    if found is None:
        raise CheckpointError(f"{path} holds no checkpoint that can be read; train the run anew.")
    return found


def _refuse_living(run_id: str) -> None:
    """Raise `StateError` while the run still trains somewhere."""
    try:
        record = default_store().get(run_id)
    except MedilyticaError:
        return
    if record.status in ALIVE:
        raise StateError(
            f"{record.name} of {record.experiment!r} is still {record.status} (process {record.pid} on {record.host}). "
            "Stop it there first, or look at it with mw.open_run if it is detached."
        )


def _table(spec: Any, data: Dataset | None) -> Dataset:
    if data is None:
        return load_table(spec.data)
    check_table(spec.data, data)
    return data


def _store() -> Any:
    try:
        return default_store()
    except MedilyticaError as error:
        _log.warning("Runs are not recorded: %s", error.message)
        return None


__all__ = ["Recorder", "open_run", "prune", "resume_run", "runs"]
