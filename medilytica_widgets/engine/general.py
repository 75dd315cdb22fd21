"""The path that serves every network: autograd on the module, torch's optimizer on the flat buffer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from .flat import FlatModel, adjust
from .flat_optimizer import FlatOptimizer
from .memory import is_out_of_memory
from .own_optimizer import OwnOptimizer
from .stepping import Objective, StepSettings, Totals
from .torch_model import SeededDropout


class GeneralPath:
    """Trains any module on any device.

    A batch that does not fit into the device's memory, or that is to be accumulated, goes through in
    parts whose gradients add up to exactly the batch's: the denominator of the mean is the whole
    batch's. Batch normalisation sees only the part.

    Parameters
    ----------
    model : FlatModel
    objective : Objective
    rows, target : Tensor
        The training rows on the device, float32 of shape (n, features), and int64 classes or float32 numbers.
    validation_rows, validation_target : Tensor
        Of the same form.
    dropouts : list of SeededDropout
        The network's own, in order.
    nesterov : bool
    threads : int
        Recorded only; the caller sets them.
    mixed : bool
        Whether forward and loss run in bfloat16 where that is safe (`torch.autocast`).
    part_rows : int, optional
        The most rows in one forward pass.
    note : callable
        Takes a sentence for the person.
    """

    name = "general"

    def __init__(
        self,
        model: FlatModel,
        objective: Objective,
        rows: Tensor,
        target: Tensor,
        validation_rows: Tensor,
        validation_target: Tensor,
        *,
        dropouts: list[SeededDropout],
        settings: StepSettings,
        threads: int,
        mixed: bool,
        part_rows: int | None,
        note: Callable[[str], None],
    ) -> None:
        self.threads = threads
        self.part_rows = part_rows
        self._evaluated_rows: int | None = None
        self._model, self._objective, self._note, self._mixed = model, objective, note, mixed
        self._X, self._y, self._X_val, self._y_val = rows, target, validation_rows, validation_target
        self._device = rows.device
        self._dropouts = dropouts
        self._module = model.module
        self._classes = objective.n_classes
        weights = objective.class_weights
        self._class_weights = None if weights is None else torch.from_numpy(weights).to(self._device)
        self._normed = any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in self._module.modules())
        self._matrices = [span for span in model.spans if len(span.shape) > 1]
        self._pairs = [(span.of(model.state.weights), span.of(model.state.gradient)) for span in self._matrices]
        self._optimizer = self._stepper(settings)
        # MPS has no float64
        wide = torch.float32 if self._device.type == "mps" else torch.float64
        self._totals = torch.zeros(2, dtype=wide, device=self._device)
        self._order: tuple[NDArray[np.int64], Tensor] | None = None
        self._set_up()

    def _set_up(self) -> None:
        """Make what a path of another kind needs beside, at the end of the construction."""

    def train(
        self,
        order: NDArray[np.int64],
        start: int,
        batches: int,
        rates: NDArray[np.float64],
        settings: StepSettings,
        loss: float = 0.0,
        hits: float = 0.0,
    ) -> Totals:
        """Carry out steps, see `medilytica_widgets.engine.stepping.Path`."""
        n, size, used, done = len(order), settings.batch_size, 0, start
        state = self._model.state
        for layer, p in zip(self._dropouts, settings.dropout, strict=True):
            layer.p = p
        self._optimizer.begin(settings)
        here = self._on_device(order)
        totals = self._totals
        totals[0], totals[1] = loss, hits
        for k in range(batches):
            end = min(done + size, n)
            if self._normed and end - done == 1:
                done = n  # batch normalisation cannot use a single row that is left over
                break
            rows = here[done:end]
            used += self._gradients(rows, end - done, settings.part_rows, totals)
            adjust(self._pairs, state.gradient, settings)
            self._optimizer.step(float(rates[k]))
            done = end
            if done == n:
                break
        self._optimizer.end()
        sums = totals.tolist()
        return Totals(done, used, sums[0], sums[1])

    def evaluate(self, start: int, end: int) -> tuple[float, float]:
        """Return the sums of loss and hits over some validation rows, in parts where memory does not suffice."""
        loss = hits = 0.0
        while start < end:
            most = min(filter(None, (end - start, self.part_rows, self._evaluated_rows)))
            try:
                sums = self._evaluate(start, start + most)
            except (RuntimeError, MemoryError) as error:
                if most == 1 or not is_out_of_memory(error):
                    raise
                self._evaluated_rows = most // 2
                continue
            loss, hits, start = loss + sums[0], hits + sums[1], start + most
        return loss, hits

    def _evaluate(self, start: int, end: int) -> tuple[float, float]:
        x, y = self._X_val[start:end], self._y_val[start:end]
        self._module.eval()
        try:
            with torch.no_grad(), self._precision():
                out = self._module(x)
                loss = self._mean_loss(out, y) * len(x)
                part = torch.stack((loss.float(), self._hits(out, y).float())).tolist()
        finally:
            self._module.train()
        return part[0], part[1]

    # -- one step

    def _stepper(self, settings: StepSettings, undecayed: int = 0) -> FlatOptimizer | OwnOptimizer:
        """Return what changes the weights; ``undecayed`` as of `FlatOptimizer`."""
        own = self._model.own
        return FlatOptimizer(self._model.state, settings, undecayed) if own is None else own.begun(undecayed)

    def _gradients(self, rows: Tensor, count: int, wanted: int | None, totals: Tensor) -> int:
        """Leave the batch's gradient in the flat buffer and return how many rows it is of.

        Where memory does not suffice, they go through in ever smaller parts.
        """
        least = 2 if self._normed else 1
        while True:
            part = min(count, wanted or count, self.part_rows or count)
            try:
                return self._accumulate(rows, count, part, totals)
            except (RuntimeError, MemoryError) as error:
                if part <= least or not is_out_of_memory(error):
                    raise
                self.part_rows = max(least, part // 2)
            # outside of the handler, whose traceback would keep the tensors
            if self._device.type == "cuda":
                torch.cuda.empty_cache()
            self._note(
                f"The device's memory did not suffice for {part} rows at once. Each batch now goes through in parts of "
                f"{self.part_rows} rows whose gradients are added up; the result is the same."
            )

    def _accumulate(self, rows: Tensor, count: int, part: int, totals: Tensor) -> int:
        self._model.state.gradient.zero_()
        if count <= part:
            x, y = self._X.index_select(0, rows), self._y.index_select(0, rows)
            with self._precision():
                out = self._module(x)
                loss = self._mean_loss(out, y)
            loss.backward()  # type: ignore[no-untyped-call]
            detached = loss.detach()
            totals[0].add_(detached, alpha=count)
            totals[1].add_(self._hits(out.detach(), y))
            return count
        if self._normed and count % part == 1:
            # batch normalisation cannot use a single row that is left over
            rows, count = rows[:-1], count - 1
        kept = [layer.generator.get_state() for layer in self._dropouts[:1]]
        loss_sum, hit_sum = 0.0, 0.0
        try:
            y_all = self._y.index_select(0, rows)
            over = count if self._class_weights is None else self._class_weights[y_all].sum()
            for start in range(0, count, part):
                x, y = self._X.index_select(0, rows[start : start + part]), y_all[start : start + part]
                with self._precision():
                    out = self._module(x)
                    loss = self._sum_loss(out, y) / over
                loss.backward()  # type: ignore[no-untyped-call]
                loss_sum += loss.item()
                hit_sum += self._hits(out.detach(), y).item()
        except (RuntimeError, MemoryError):
            # the same masks again in the smaller parts
            for layer, generator in zip(self._dropouts[:1], kept, strict=True):
                layer.generator.set_state(generator)
            raise
        totals[0] += loss_sum * count
        totals[1] += hit_sum
        return count

    def _precision(self) -> contextlib.AbstractContextManager[object]:
        if not self._mixed:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)

    def _mean_loss(self, out: Tensor, y: Tensor) -> Tensor:
        if not self._classes:
            return functional.mse_loss(out[:, 0], y)
        smoothing = self._objective.label_smoothing
        return functional.cross_entropy(out, y, weight=self._class_weights, label_smoothing=smoothing)

    def _sum_loss(self, out: Tensor, y: Tensor) -> Tensor:
        if not self._classes:
            return functional.mse_loss(out[:, 0], y, reduction="sum")
        smoothing = self._objective.label_smoothing
        return functional.cross_entropy(out, y, weight=self._class_weights, label_smoothing=smoothing, reduction="sum")

    def _hits(self, out: Tensor, y: Tensor) -> Tensor:
        """Return the number of right answers, or the sum of absolute errors."""
        return (out.argmax(1) == y).sum() if self._classes else (out[:, 0] - y).abs().sum()

    def _on_device(self, order: NDArray[np.int64]) -> Tensor:
        """Return an epoch's order on the device; moved there once."""
        if self._order is None or self._order[0] is not order:
            self._order = (order, torch.from_numpy(order).to(self._device))
        return self._order[1]
