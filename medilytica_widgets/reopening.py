"""Runs of earlier kernels: opened to be looked at, or resumed where their last checkpoint stands."""

from __future__ import annotations

import dataclasses
import os
import platform
import re
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import Dataset
from .engine import ENDED, Job, Trainer, TrainingState, read_latest, read_state
from .engine.lock import FolderLock
from .engine.run_folder import CHECKPOINT, EPOCHS, PREVIOUS, STALE_SECONDS
from .errors import CheckpointError, InputError, MedilyticaError, MissingFileError, StateError, check_kwargs
from .launching import begin
from .options import TrainOptions
from .run import Run
from .spec import load_spec
from .store import LIVE, RunRecord, default_store, files_of, is_training, read_status, run_folder
from .tables import check_table, keep_table, load_table

if TYPE_CHECKING:
    from .experiment import Experiment


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
    folder = files_of(record.id, record.folder)
    told = read_status(folder)
    lives = is_training(told)
    if not lives and record.status in LIVE:
        raise StateError(
            f"{record.name} of {record.experiment!r} is {record.status} in another kernel (process {record.pid} on "
            f"{record.host}). Only runs that were started with detach=True can be opened while they train, and from "
            f"the same machine.{_advice(record)}"
        )
    found = None if lives else read_latest(folder)
    attached = lives or _left_word(folder, told, found)
    if not attached and found is None:
        raise StateError(f"{record.name} of {record.experiment!r} left no checkpoint in {folder}; train it anew.")
    exp = Experiment.from_spec(load_spec(record.spec), _table(load_spec(record.spec), data))
    return _attached(exp, record, folder) if attached or found is None else _ended(exp, record, folder, *found)


def _left_word(folder: Path, told: Mapping[str, Any], found: tuple[Path, TrainingState] | None) -> bool:
    """Whether a process that is gone told in the folder all that it knew, and did so last."""
    from .engine.channel import RECORD

    if not told or (told["status"] not in ENDED and told.get("host") != platform.node()):
        return False
    try:
        return found is None or (folder / RECORD).stat().st_mtime >= found[0].stat().st_mtime
    except OSError:
        return found is None and told["status"] in ENDED


def _attached(exp: Experiment, record: RunRecord, folder: Path) -> Run:
    """Return a run whose process lives, or left word in its folder."""
    from .engine.job_files import read_about
    from .engine.remote import RemoteTrainer

    about = read_about(folder)
    if not about:
        found = read_latest(folder)
        about = _facts(found[1]) if found is not None else {}
    job = _job(exp, about)
    run = _opened(exp, record, folder, job, RemoteTrainer.attach(folder, job), about)
    run.follow(record)
    return run


def _ended(exp: Experiment, record: RunRecord, folder: Path, path: Path, state: TrainingState) -> Run:
    """Return a run as its last checkpoint shows it."""
    about = _facts(state)
    job = _job(exp, about)
    trainer = Trainer.ended(job, _completed(path, folder, state), record.status, record.error)
    return _opened(exp, record, folder, job, trainer, about)


def _opened(
    exp: Experiment, record: RunRecord, folder: Path, job: Job, trainer: Trainer, about: Mapping[str, Any]
) -> Run:
    options = TrainOptions.restored(about.get("options") or {}, {"author": record.author, "tags": record.tags})
    run = Run(
        job,
        exp.spec,
        exp.data,
        record.number,
        options,
        run_id=record.id,
        parent=record.parent,
        remade=about.get("remade") or (),
        trainer=trainer,
        folder=folder,
    )
    exp._add(run)
    run.status_changed.connect(lambda status: exp._on_status(run, status, defer=False))
    return run


def resume_run(
    source: str | PathLike[str], data: Dataset | None = None, *, wait: bool | None = None, **options: Any
) -> Run:
    """Go on with a run that ended before its time: see `Run.resume`."""
    check_kwargs("Run.resume", options, ("wait", *TrainOptions.__dataclass_fields__))
    place = _find(source)
    folder = place if place.is_dir() else place.parent
    # a copy elsewhere is a run of its own, and so is one of an epoch that later ones followed
    own = _is_home_of(folder) and (place.is_dir() or place.name in (CHECKPOINT, PREVIOUS))
    lock = None
    if own:
        _refuse_living(folder.name)
        lock = FolderLock.take(folder)
    try:
        return _resumed(place, folder, own, data, options, lock, wait)
    except BaseException:
        if lock is not None and not lock.passed_on:
            lock.release()
        raise


def _resumed(
    place: Path,
    folder: Path,
    own: bool,
    data: Dataset | None,
    options: Mapping[str, Any],
    lock: FolderLock | None,
    wait: bool | None,
) -> Run:
    from .experiment import Experiment

    path, state = _read(place)
    about = _facts(state)
    if "experiment" not in about:
        raise CheckpointError(f"{path} does not say which experiment it is of; take a checkpoint from a run's folder.")
    spec, run_id = load_spec(about["experiment"]), str(about["run"])
    if own and run_id != folder.name:
        raise CheckpointError(f"{path} is a checkpoint of run {run_id}; name a folder in which nothing was mixed.")
    exp = Experiment.from_spec(spec, _table(spec, data))
    known = TrainOptions.restored(about.get("options") or {}, options)
    return begin(
        exp,
        known,
        job=_job(exp, about),
        resume=_completed(path, folder.parent if folder.name == EPOCHS else folder, state),
        run_id=run_id if own else None,
        number=int(about["number"]) if own else None,
        parent=about.get("parent") if own else run_id,
        remade=about.get("remade") or (),
        lock=lock,
        wait=wait,
    )


def _find(source: str | PathLike[str]) -> Path:
    """Return the file or the folder that was named, by its path or by a run's id."""
    path = Path(source).expanduser()
    if not path.exists() and isinstance(source, str) and "/" not in source and "." not in source:
        try:
            record = default_store().get(source)
            path = files_of(record.id, record.folder)
        except MedilyticaError as error:
            if re.fullmatch("[0-9a-f]{12}", source):
                # a kernel may be killed before the store has heard of its run
                path = run_folder(source)
            elif isinstance(error, InputError) and re.fullmatch("[0-9a-f]+", source):
                # of the beginning of an id the store says whether none or several have it
                raise
    if not path.exists():
        raise MissingFileError(
            f"There is no checkpoint, run folder or run {str(source)!r}. mw.runs() lists the runs with their folders."
        )
    return path.absolute()


def _read(place: Path) -> tuple[Path, TrainingState]:
    if not place.is_dir():
        return place, read_state(place)
    found = read_latest(place)
    if found is None:
        raise CheckpointError(f"{place} holds no checkpoint that can be read; train the run anew.")
    return found


def _is_home_of(folder: Path) -> bool:
    """Whether a folder is the one that a run of its name has in this home."""
    return re.fullmatch("[0-9a-f]{12}", folder.name) is not None and (
        folder.resolve() == run_folder(folder.name).resolve()
    )


def _refuse_living(run_id: str) -> None:
    """Raise `StateError` while the run still trains somewhere else; of this process the folder's lock tells."""
    try:
        record = default_store().get(run_id)
    except MedilyticaError:
        return
    # a disk that was full holds the store's news back, and the record then says what no longer is
    here = record.pid == os.getpid() and record.host == platform.node()
    if record.status in LIVE and not here:
        raise StateError(
            f"{record.name} of {record.experiment!r} is still {record.status} (process {record.pid} on {record.host}). "
            f"Stop it there first, or look at it with mw.open_run if it is detached.{_advice(record)}"
        )


def _advice(record: RunRecord) -> str:
    """Return what else to know of a run on a machine that cannot be asked."""
    if record.host == platform.node():
        return ""
    return (
        f" If that machine is gone, the run counts as interrupted {STALE_SECONDS / 60:g} minutes after its last sign."
    )


def _facts(state: TrainingState) -> dict[str, Any]:
    """Return what the run that wrote a state said of itself."""
    return dict(state.facts.get("spec") or {})


def _job(exp: Experiment, about: Mapping[str, Any]) -> Job:
    """Return the job that a run began with: a branch keeps the values of the history that it shares."""
    job = exp._job()
    start = {name: value for name, value in (about.get("start") or {}).items() if name in job.values}
    return dataclasses.replace(job, values={**job.values, **start})


def _completed(path: Path, folder: Path, state: TrainingState) -> TrainingState:
    """Return a kept epoch with the history that led to it, where it carries none and a checkpoint knows it."""
    if "history" in state.tensors or "run" not in state.facts:
        return state
    found = read_latest(folder)
    if found is None or found[0] == path or "history" not in found[1].tensors:
        return state
    history = found[1].tensors["history"]
    rows = history[:, np.asarray(history[0] <= float(state.facts["epoch"]))]
    return TrainingState({**state.tensors, "history": rows}, state.facts)


def _table(spec: Any, data: Dataset | None) -> Dataset:
    if data is None:
        return load_table(spec.data)
    check_table(spec.data, data)
    # where what was kept is damaged or gone
    keep_table(data)
    return data
