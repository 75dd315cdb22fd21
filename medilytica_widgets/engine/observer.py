"""What looks at a network while it trains: weight sheets, lines of progress, and what ails it in words."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError
from .activations import collect_activations, stuck_shares
from .ailments import Diagnosis, layer_notes, prior_loss
from .diagnoses import Doctor
from .loop import Host
from .network_parts import NetworkParts
from .progress_line import ProgressLines
from .weight_sheet import Budget, Layout, sheet

SHEET_ROWS = 256
"""Rows that pass through the network to find stuck units."""
SHARE = 0.005
"""The part of the time that sheets may take, and looking at history rows too."""
LOOKS = 32
"""Times that sheet and row are looked at in the course of a run even where that takes more: a run that is over in half
a second may be as sick as a long one, and the doctor trusts nothing that it saw only once."""


class Observer:
    """Makes weight sheets as often as the budget allows, and has the doctor look at them and at the history.

    Parameters
    ----------
    host : Host
        Its log and its sheets are written to.
    parts : NetworkParts
    epochs : int
        Of the whole run.
    """

    def __init__(self, host: Host, parts: NetworkParts, epochs: int) -> None:
        self._host, self._parts, self._epochs = host, parts, epochs
        job, spans = parts.job, parts.model.spans
        self._layout = Layout([span.name for span in spans], [span.shape for span in spans])
        self._budget = Budget(host.sheet_every, parts.model.state.step, share=SHARE)
        self._before: NDArray[np.float32] | None = None
        objective = parts.objective
        # of several losses added up, or of one of another kind, there is no simple best constant answer
        prior = (
            prior_loss(parts.y, objective.n_classes, objective.class_weights, objective.label_smoothing)
            if parts.heads is None
            else None
        )
        outputs = job.n_classes if parts.heads is None else parts.heads.plans[0].n_outputs
        self._doctor = Doctor(layer_notes(job.layers, job.n_features, outputs), prior_loss=prior)
        self._lines = ProgressLines(host.log, parts.metric, epochs, "Epoch")
        self._row_at, self._row_epoch = -math.inf, 0.0

    def free_batches(self, step: int, epoch: float, steps_an_epoch: int) -> int:
        """Return how many batches may pass before the one that a sheet is made of; 0 where that is the next.

        Parameters
        ----------
        step : int
            Steps done.
        epoch : float
            Where the run is.
        steps_an_epoch : int
        """
        if self._budget.every is None:
            return sys.maxsize
        by_batches = max(0, self._budget.next_step(step) - step - 1)
        # a little less, because a sum of fractions may lie above the whole number
        to_mark = math.ceil((self._mark(epoch) - epoch) * steps_an_epoch - 1e-6) - 1
        free = max(by_batches, to_mark, 0)
        # at a step far away only the clock can forbid a sheet
        return min(free, by_batches) if self._budget.due(sys.maxsize, time.perf_counter()) else free

    def _mark(self, epoch: float) -> float:
        """Return the next epoch at which a look is due whatever it costs; the last one is the run's end."""
        marks = min(LOOKS, self._epochs)
        return min(self._epochs, (math.floor(epoch * marks / self._epochs + 1e-9) + 1) * self._epochs / marks)

    def before_step(self) -> None:
        """Remember the weights; the next chunk is the one batch that a sheet is made of."""
        self._before = _array(self._parts.model.state.weights).copy()

    def after_step(self, epoch: float, values: Mapping[str, Any], rows: NDArray[np.int64]) -> None:
        """Make a sheet of the step that was just done.

        Parameters
        ----------
        epoch : float
        values : mapping
            The hyperparameters in effect.
        rows : ndarray of int64
            Training rows in a random order; the first `SHEET_ROWS` of them pass through the network.
        """
        started = time.perf_counter()
        self._make_sheet(epoch, values, rows)
        self._budget.made(self._parts.model.state.step, started, time.perf_counter())

    def end(self, epoch: float, values: Mapping[str, Any]) -> None:
        """Make a sheet of the weights as they are at the end; they are not compared with any before."""
        latest = self._host.sheets.latest
        step = self._parts.model.state.step
        if self._budget.every is not None and step and (latest is None or latest.step < step):
            self._make_sheet(epoch, values, np.arange(min(SHEET_ROWS, len(self._parts.X))))

    def _make_sheet(self, epoch: float, values: Mapping[str, Any], rows: NDArray[np.int64]) -> None:
        parts, state = self._parts, self._parts.model.state
        inputs = torch.from_numpy(parts.X[rows[:SHEET_ROWS]]).to(parts.device)
        stuck = stuck_shares(collect_activations(parts.model.module, inputs), len(self._layout.names))
        made = sheet(
            self._layout,
            _array(state.weights),
            _array(state.gradient),
            self._before,
            stuck,
            epoch=epoch,
            step=state.step,
            time=time.time(),
        )
        self._host.sheets.add(made)
        self._tell(self._doctor.sheet(made, values), epoch)
        self._before = None

    def row(self, row: Mapping[str, float], values: Mapping[str, Any]) -> None:
        """Look at a history row, where the last look is long enough ago."""
        started = time.perf_counter()
        if started < self._row_at and row["epoch"] < self._row_epoch:
            return
        self._row_epoch = self._mark(row["epoch"])
        self._tell(self._doctor.row(row, values), row["epoch"])
        self._lines.row(row, self._parts.model.state.step)
        ended = time.perf_counter()
        self._row_at = ended + (ended - started) / SHARE

    def state(self) -> dict[str, Any]:
        """Return what the doctor remembers, as plain values."""
        return self._doctor.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Remember what another observer's `state` held; one that cannot be read is left out."""
        try:
            self._doctor.restore(state)
        except InputError as error:
            self._host.log.append("warning", error.message)

    def _tell(self, found: Sequence[Diagnosis], epoch: float) -> None:
        step = self._parts.model.state.step
        for item in found:
            self._host.log.append(item.level, item.message, epoch=epoch, step=step, advice=item.advice, kind=item.kind)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.detach().cpu().numpy()
    return array
