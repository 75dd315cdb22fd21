"""A new run that begins where another one stood at the end of an epoch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .checkpoints import TrainingState
from .stepping import SLOTS
from .telemetry import Mark, Telemetry


def branched(
    state: TrainingState,
    epoch: int,
    values: Mapping[str, Any],
    live: Mapping[str, Any],
    telemetry: Telemetry,
    marks: Sequence[Mark],
) -> TrainingState:
    """Return the state from which a branch begins.

    Parameters
    ----------
    state : TrainingState
        Of a network at the end of ``epoch``.
    epoch : int
    values : mapping
        The hyperparameters of the branch. Another optimizer begins with empty slots; a changed patience or
        schedule counts from here.
    live : mapping
        Those of them that may change while a run trains: where they differ the branch gets a mark.
    telemetry : Telemetry
        Of the run that it leaves; its rows up to ``epoch`` become the branch's own.
    marks : sequence of Mark
        Of that run.
    """
    before, facts = dict(state.facts["values"]), dict(state.facts)
    columns, _ = telemetry.read()
    rows = np.stack(list(columns.values()))
    rows = rows[:, columns["epoch"] <= epoch]
    tensors = {**state.tensors, "history": rows}
    changed = {name for name, value in values.items() if before.get(name) != value}
    if changed & {"optimizer", "momentum"}:
        tensors = {name: array for name, array in tensors.items() if not name.startswith("slot.")}
        empty = np.zeros_like(tensors["weights"])
        tensors |= {f"slot.{name}": empty for name in SLOTS[values["optimizer"]]}
        facts |= {"step": 0, "mu_product": 1.0}
    if "patience" in changed:
        facts["waited"] = 0
    if "schedule" in changed:
        facts["plateau"] = {**facts["plateau"], "factor": 1.0}
    if "batch_size" in changed:
        # another size may be another path's
        facts |= {"path": None, "threads": None}
    step = int(state.facts["step"])
    changes = [
        Mark(float(epoch), step, name, before.get(name), value, None, time.time())
        for name, value in live.items()
        if name in changed
    ]
    watched = np.where(np.isnan(columns["val_loss"]), columns["train_loss"], columns["val_loss"])[: rows.shape[1]]
    best = int(np.nanargmin(watched)) if rows.shape[1] and np.isfinite(watched).any() else None
    facts["values"] = dict(values)
    facts["run"] = {
        **facts["run"],
        "asked": dict(values),
        "best": None if best is None else [float(watched[best]), int(rows[0, best])],
        "marks": [dataclasses.asdict(m) for m in (*(m for m in marks if m.epoch <= epoch), *changes)],
        "clock": float(columns["seconds"][: rows.shape[1]].sum()),
        "position": [float(epoch), int(facts["step"])],
    }
    # its log and its sheets begin anew
    for name in ("log", "sheets", "notes"):
        facts["run"].pop(name, None)
    facts.pop("spec", None)
    return TrainingState(tensors, facts)
