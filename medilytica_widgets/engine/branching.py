"""A new run that begins where another one stood at the end of an epoch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..algorithms.own import hyperparameter, own_optimizer
from .checkpoints import TrainingState
from .stepping import OWN, SLOTS
from .telemetry import Mark, Telemetry

_OBJECTIVE = {"label_smoothing", "class_weight"}
"""What changes the loss itself: no loss after it can be compared with one before."""
_PATH = {"batch_size", "accumulation", "precision", "optimizer"}
"""What may ask for another path or number of threads."""


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
        schedule counts from here, and so does patience that was over. Without patience, or with another loss, no
        earlier epoch is the best one any more.
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
    own = own_optimizer(values["optimizer"])
    options = {hyperparameter(own.id, name) for name in own.parameters} if own is not None else set()
    if changed & {"optimizer", "momentum", *options}:
        tensors = {name: array for name, array in tensors.items() if not name.startswith(("slot.", OWN))}
        facts.pop("optimizer", None)
        empty = np.zeros_like(tensors["weights"])
        tensors |= {f"slot.{name}": empty for name in SLOTS.get(values["optimizer"], ())}
        facts |= {"step": 0, "mu_product": 1.0}
    patience = values["patience"]
    rescaled = bool(changed & _OBJECTIVE)
    if "patience" in changed or (patience is not None and facts["waited"] >= patience):
        facts["waited"] = 0
    if patience is None or rescaled:
        tensors = {name: array for name, array in tensors.items() if not name.startswith("best.")}
        facts |= {"best_loss": math.inf, "best_epoch": 0, "waited": 0}
    if "plateau_patience" in changed:
        facts["plateau"] = {**facts["plateau"], "waited": 0}
    if "schedule" in changed:
        facts["plateau"] = {**facts["plateau"], "factor": 1.0, "best": None, "waited": 0}
    if rescaled:
        facts["plateau"] = {**facts["plateau"], "best": None, "waited": 0}
        # the doctor would compare them too
        facts.pop("observer", None)
    if changed & _PATH:
        facts |= {"path": None, "threads": None}
    step = int(state.facts["step"])
    changes = [
        Mark(float(epoch), step, name, before.get(name), value, None, time.time())
        for name, value in live.items()
        if name in changed
    ]
    watched = np.where(np.isnan(columns["val_loss"]), columns["train_loss"], columns["val_loss"])[: rows.shape[1]]
    comparable = not rescaled and bool(np.isfinite(watched).any())
    best = int(np.nanargmin(watched)) if comparable else None
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
