"""How runs begin: of an experiment as it is, of a checkpoint, or of an earlier epoch of another run."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .algorithms.base import ARCHITECTURE
from .engine import Job, TrainingState, drop_after
from .engine.branching import branched
from .engine.lock import FolderLock
from .errors import ParameterError
from .headless import is_headless
from .options import TrainOptions
from .run import Run
from .spec_values import departures
from .tables import keep_table

if TYPE_CHECKING:
    from .experiment import Experiment
    from .spec import ExperimentSpec

_STEADY = ("constant", "plateau")
"""Schedules whose rate does not depend on how many epochs there are to be."""


def begin(
    exp: Experiment,
    options: TrainOptions | None = None,
    *,
    job: Job | None = None,
    spec: ExperimentSpec | None = None,
    resume: TrainingState | None = None,
    run_id: str | None = None,
    number: int | None = None,
    parent: str | None = None,
    remade: Sequence[str] = (),
    lock: FolderLock | None = None,
    wait: bool | None = None,
) -> Run:
    """Make a run of an experiment and start it: of the specification as it is, or of another job on the same data.

    With ``run_id`` an earlier run goes on in its folder, whose ``lock`` is passed along. Where anything fails the
    experiment has no run more than before.
    """
    with exp._lock:
        job = job or exp._job()
        run = Run(
            job,
            spec or exp.spec,
            exp.data,
            number or len(exp._runs) + 1,
            options,
            run_id=run_id,
            resume=resume,
            parent=parent,
            remade=remade,
        )
        exp._add(run)
    blocking = is_headless() if wait is None else wait
    try:
        run.hold(lock)
        if run_id is not None and resume is not None and run.folder is not None:
            from .engine.job_files import remove_process_files

            # what was learned after the checkpoint is learned anew, and who trained here before has no say any more
            drop_after(run.folder, float(resume.facts["epoch"]))
            remove_process_files(run.folder)
        run.status_changed.connect(lambda status: exp._on_status(run, status, defer=blocking))
        run.record(again=run_id is not None)
        remark = keep_table(exp.data)
        if remark:
            run.log.append("info", remark)
        exp.run_added.emit(run)
        exp._note(run.name, f"{'goes on' if resume else 'started'} with {job.algorithm.name.lower()}")
        run.start()
    except BaseException:
        with exp._lock:
            exp._runs.remove(run)
        run.close()
        raise
    if blocking:
        try:
            run.wait()
        finally:
            # headless widgets update their outputs here, on the thread that owns the cell
            exp.run_ended.emit(run)
    return run


def branch(run: Run, state: TrainingState, epoch: int, changes: Mapping[str, Any], wait: bool | None) -> Run:
    """Start a run that goes on where another one stood at an epoch's end; see `Run.branch`."""
    exp, before = run.experiment, run.trainer.job
    table = before.algorithm.parameters
    values = before.algorithm.validate({**before.values, **state.facts["values"], **changes}, exp.task)
    for name in changes:
        if table[name].group == ARCHITECTURE and not table[name].live and values[name] != before.values[name]:
            raise ParameterError(
                f"{name} shapes the network, and a branch goes on with the weights of {before.values[name]!r}; leave "
                "it, or start a run of its own with exp.train().",
                name,
                before.values[name],
            )
    live = {name: value for name, value in values.items() if table[name].live}
    begun = branched(state, epoch, values, live, run.telemetry, run.marks)
    spec = run.spec.model_copy(update={"hyperparameters": departures(before.algorithm, values, exp.task)})
    # what changed at the branch is a mark, so the start's values stay those of the shared history
    start = {name: before.values[name] if table[name].live else value for name, value in values.items()}
    remade = [name for name, value in start.items() if value != before.values[name]]
    if all(given.get("schedule") in _STEADY for given in (before.values, start)):
        # a run that was to be as long from the start did the same until then
        remade = [name for name in remade if name != "epochs"]
    return begin(
        exp,
        run.options,
        job=dataclasses.replace(before, values=start),
        spec=spec,
        resume=begun,
        parent=run.id,
        remade=tuple(dict.fromkeys([*run.remade, *remade])),
        wait=wait,
    )
