"""The steps of a network with several heads: one loss, the weighted sum of all heads' own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..algorithms import balanced_weights
from ..errors import InputError
from ..network.losses import uncertainty_factor
from .general import GeneralPath
from .heads import HeadPlan
from .heads_model import BALANCE, spans_of
from .memory import is_out_of_memory

MEAN, HITS, KNOWN = 0, 1, 2
"""Columns of `HeadsObjective.sums`: mean loss of a batch times its known rows, hits, known rows."""


@dataclass(eq=False)
class HeadsObjective:
    """The losses of all heads, and the sums of the epoch that is going on.

    Parameters
    ----------
    plans : tuple of HeadPlan
    targets, validation_targets : tuple of ndarray
        For each head, int64 classes with -1, or scaled float32 numbers with NaN, where a row has no value.
    class_weights : tuple of (ndarray of float32 or None)
    label_smoothing : float

    Attributes
    ----------
    sums : ndarray of float64, shape (heads, 3)
        Of the epoch's steps so far, see `MEAN`.
    validation : ndarray of float64, shape (heads, 4)
        Of the last pass over the validation rows: weighted losses, their weights, hits, known rows.
    """

    plans: tuple[HeadPlan, ...]
    targets: tuple[NDArray[Any], ...]
    validation_targets: tuple[NDArray[Any], ...]
    class_weights: tuple[NDArray[np.float32] | None, ...]
    label_smoothing: float = 0.0
    sums: NDArray[np.float64] = field(init=False)
    validation: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.sums = np.zeros((len(self.plans), 3))
        self.validation = np.zeros((len(self.plans), 4))

    def begin_epoch(self) -> None:
        """Forget the sums of the epoch that has ended."""
        self.sums[:] = 0.0

    def total(self, log_variances: NDArray[np.float64]) -> float:
        """Return the loss of the last pass over the validation rows; NaN where no head has a known row there."""
        learned = iter(log_variances)
        total, seen = 0.0, False
        for plan, (loss, weight, _, known) in zip(self.plans, self.validation, strict=True):
            s = float(next(learned)) if plan.uncertain else 0.0
            if known:
                seen = True
                total += plan.factor(s) * loss / weight + (0.5 * s if plan.uncertain else 0.0)
        return total if seen else math.nan

    def train_row(self, log_variances: NDArray[np.float64]) -> dict[str, float]:
        """Return the history's columns of each head for the epoch's steps; empty where there is only one head."""
        row: dict[str, float] = {}
        learned = iter(log_variances)
        for plan, (mean, hits, known) in zip(self.plans, self.sums, strict=True):
            s = float(next(learned)) if plan.uncertain else 0.0
            row[f"train_{plan.name}_loss"] = mean / known if known else math.nan
            row[f"train_{plan.name}_{plan.metric}"] = plan.metric_value(hits, known)
            row[f"weight_{plan.name}"] = plan.factor(s)
        return row if len(self.plans) > 1 else {}

    def validation_row(self) -> dict[str, float]:
        """Return the same for the last pass over the validation rows."""
        row: dict[str, float] = {}
        for plan, (loss, weight, hits, known) in zip(self.plans, self.validation, strict=True):
            row[f"val_{plan.name}_loss"] = loss / weight if known else math.nan
            row[f"val_{plan.name}_{plan.metric}"] = plan.metric_value(hits, known)
        return row if len(self.plans) > 1 else {}


def objective_of(
    plans: Sequence[HeadPlan],
    train: Sequence[NDArray[Any]],
    validation: Sequence[NDArray[Any]],
    values: Mapping[str, Any],
) -> HeadsObjective:
    """Return the objective for targets in their own units.

    Parameters
    ----------
    plans : sequence of HeadPlan
    train, validation : sequence of ndarray
        For each head, classes (-1 for none) or numbers (NaN for none).
    values : mapping
        The hyperparameters in effect.
    """
    scaled = [tuple(_scaled(plan, y) for plan, y in zip(plans, part, strict=True)) for part in (train, validation)]
    balanced = values.get("class_weight", "none") == "balanced"
    weights = tuple(
        balanced_weights(y[y >= 0], plan.n_classes) if balanced and plan.task == "classification" else None
        for plan, y in zip(plans, scaled[0], strict=True)
    )
    return HeadsObjective(tuple(plans), scaled[0], scaled[1], weights, float(values.get("label_smoothing") or 0.0))


def _scaled(plan: HeadPlan, y: NDArray[Any]) -> NDArray[Any]:
    if plan.task == "regression":
        return ((np.asarray(y, dtype=np.float64) - plan.mean) / plan.std).astype(np.float32)
    target = np.array(y, dtype=np.int64)
    if len(target) and not -1 <= target.min() <= target.max() < plan.n_classes:
        raise InputError(
            f"The target of the head {plan.name!r} holds the class positions {target.min()} to {target.max()}, but "
            f"there are {plan.n_classes} classes; prepare the table anew."
        )
    return target


class _Column:
    """One head's target on the device: the values with 0 where there is none, and which rows have one."""

    def __init__(self, y: NDArray[Any], device: torch.device) -> None:
        known = y >= 0 if y.dtype == np.int64 else ~np.isnan(y)
        self.values = torch.from_numpy(np.where(known, y, np.zeros((), dtype=y.dtype))).to(device)
        self.known = None if known.all() else torch.from_numpy(known).to(device)

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return values, and which are known, of some rows."""
        known = None if self.known is None else self.known.index_select(0, rows)
        return self.values.index_select(0, rows), known

    def cut(self, start: int, end: int) -> tuple[Tensor, Tensor | None]:
        """Return the same of rows that follow each other."""
        return self.values[start:end], None if self.known is None else self.known[start:end]


class HeadsPath(GeneralPath):
    """Trains a network with heads, on any device.

    The loss of a batch is the sum over the heads of factor · mean loss of the rows whose target is known; a head
    whose weight is learned adds the term of `medilytica_widgets.network.losses.uncertainty_factor`. A head of whose
    target a batch knows nothing has no part in its step.

    Parameters
    ----------
    model : FlatModel
        Of a `medilytica_widgets.engine.heads_model.HeadedNetwork`.
    objective, rows, target, validation_rows, validation_target
        As `GeneralPath`; the targets are the first head's and are not read.
    heads : HeadsObjective
        Its sums are continued in place.
    dropouts, settings, threads, mixed, part_rows, note
        As `GeneralPath`.
    """

    def __init__(self, *given: Any, heads: HeadsObjective, **named: Any) -> None:
        super().__init__(*given, **named)
        self._heads = heads
        self._spans = spans_of(heads.plans)
        self._columns = [_Column(y, self._device) for y in heads.targets]
        self._columns_val = [_Column(y, self._device) for y in heads.validation_targets]
        self._weights = [None if w is None else torch.from_numpy(w).to(self._device) for w in heads.class_weights]
        self._options = [
            {**plan.options, "class_weights": weights, "label_smoothing": heads.label_smoothing}
            if plan.loss.weighs
            else dict(plan.options)
            for plan, weights in zip(heads.plans, self._weights, strict=True)
        ]
        self._balance = dict(self._module.named_parameters()).get(f"{BALANCE}log_variance")
        learned = itertools.count()
        self._places = [next(learned) if plan.uncertain else None for plan in heads.plans]
        undecayed = 0 if self._balance is None else self._balance.numel()
        self._optimizer = self._stepper(named["settings"], undecayed)
        self._sums = torch.zeros(len(heads.plans), 3, dtype=self._totals.dtype, device=self._device)

    def train(self, *given: Any, **more: Any) -> Any:
        """Carry out steps, see `medilytica_widgets.engine.stepping.Path`; the heads' sums go on too."""
        self._sums.copy_(torch.from_numpy(self._heads.sums))
        found = super().train(*given, **more)
        self._heads.sums[:] = self._sums.cpu().numpy()
        return found

    def _evaluate(self, start: int, end: int) -> tuple[float, float]:
        if start == 0:
            self._heads.validation[:] = 0.0
        self._module.eval()
        try:
            with torch.no_grad():
                with self._precision():
                    out = self._module(self._X_val[start:end])
                columns = [column.cut(start, end) for column in self._columns_val]
                found = torch.stack([torch.stack(self._head(k, out, *columns[k])) for k in range(len(columns))])
                part = found.double().cpu().numpy() if self._device.type != "mps" else found.cpu().numpy()
        finally:
            self._module.train()
        self._heads.validation += part
        return float(part[:, 0].sum()), float(part[0, 2])

    def _head(self, k: int, out: Tensor, y: Tensor, known: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return sums over some rows: weighted losses, their weights, hits (or absolute errors), known rows."""
        plan, weights = self._heads.plans[k], self._weights[k]
        outputs = out[:, self._spans[k]].float()
        losses = plan.loss.per_row(outputs, y, self._options[k])
        counts = torch.ones_like(losses) if weights is None else weights[y]
        if weights is not None and not plan.loss.weighs:
            losses = losses * counts
        rights = self._rights(plan, outputs.detach(), y)
        if known is None:
            return losses.sum(), counts.sum(), rights.sum(), counts.new_full((), len(y))
        losses = torch.where(known, losses, losses.new_zeros(()))
        return losses.sum(), (counts * known).sum(), (rights * known).sum(), known.sum().to(counts.dtype)

    @staticmethod
    def _rights(plan: HeadPlan, outputs: Tensor, y: Tensor) -> Tensor:
        if plan.meaning == "logits":
            return (outputs.argmax(1) == y).float()
        if plan.meaning == "logit":
            return ((outputs[:, 0] > 0) == (y > 0)).float()
        values = outputs[:, 0].exp() if plan.meaning == "log_rate" else outputs[:, 0]
        return (values - y).abs()

    def _accumulate(self, rows: Tensor, count: int, part: int, totals: Tensor) -> int:
        self._model.state.gradient.zero_()
        whole = count <= part
        if not whole and self._normed and count % part == 1:
            # batch normalisation cannot use a single row that is left over
            rows, count = rows[:-1], count - 1
        kept = [] if whole else [layer.generator.get_state() for layer in self._dropouts[:1]]
        try:
            found = self._step(rows, count, part)
        except (RuntimeError, MemoryError) as error:
            if kept and is_out_of_memory(error):
                # the same masks again in the smaller parts
                self._dropouts[0].generator.set_state(kept[0])
            raise
        loss, sums = found
        totals[0].add_(loss, alpha=count)
        totals[1].add_(sums[0, HITS])
        self._sums.add_(sums)
        return count

    def _step(self, rows: Tensor, count: int, part: int) -> tuple[Tensor, Tensor]:
        """Add up the gradient of a batch; return its loss and its part of the heads' sums."""
        targets = [column.take(rows) for column in self._columns]
        over = [self._whole_weight(k, *targets[k]) for k in range(len(targets))]
        loss_sum = self._totals.new_zeros(())
        sums = torch.zeros_like(self._sums)
        for start in range(0, count, part):
            end = min(start + part, count)
            with self._precision():
                out = self._module(self._X.index_select(0, rows[start:end]))
            loss = out.new_zeros((), dtype=torch.float32)
            for k, plan in enumerate(self._heads.plans):
                y, known = targets[k]
                found, _, hits, known_rows = self._head(
                    k, out, y[start:end], None if known is None else known[start:end]
                )
                mean = found / over[k]
                loss = loss + self._term(k, plan, mean, targets[k][1], first=start == 0)
                all_known = count if known is None else known.sum()
                sums[k, MEAN] += mean.detach() * all_known
                sums[k, HITS] += hits
                sums[k, KNOWN] += known_rows
            loss.backward()
            loss_sum += loss.detach()
        return loss_sum, sums

    def _term(self, k: int, plan: HeadPlan, mean: Tensor, known: Tensor | None, *, first: bool) -> Tensor:
        """Return a head's part in the loss; what does not depend on rows only in the first part of a batch."""
        place = self._places[k]
        if place is None or self._balance is None:
            return mean * float(plan.head.weight)
        s = self._balance[place]
        term = uncertainty_factor(plan.loss) * torch.exp(-s) * mean
        if not first:
            return term
        return term + 0.5 * s if known is None else term + 0.5 * s * known.any()

    def _whole_weight(self, k: int, y: Tensor, known: Tensor | None) -> Tensor:
        """Return what a batch's summed losses are divided by; never 0."""
        weights = self._weights[k]
        if known is None:
            return torch.tensor(float(len(y)), device=self._device) if weights is None else weights[y].sum()
        counts = known.float() if weights is None else weights[y] * known
        total = counts.sum()
        # without a known row the sum of losses is 0 too
        return torch.where(total > 0, total, torch.ones_like(total))
