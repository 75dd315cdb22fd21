"""The training loop of networks: no synchronisation with the device except at the end of a chunk of batches."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..algorithms.schedules import schedule_factor
from ..errors import InputError
from ..network import build
from . import devices
from .failures import diverged
from .job import Job
from .loop import Host
from .torch_model import TorchPredictor, dropout_generator, module_pool, seed_dropout

CHUNK_SECONDS = 0.02
"""How long the loop runs before it looks at its mailbox."""
LARGEST_CHUNK = 4096
"""Batches between two looks into the mailbox, at the most."""

VALIDATION_ROWS = 8192


class TorchLoop:
    """Trains the network of a job.

    No generator is global: one of ``seed`` draws the initial weights and then dropout's masks, one of
    ``seed + 1`` the order of the rows in each epoch. A run therefore depends on nothing that trains
    beside it.

    Parameters
    ----------
    job : Job
    host : Host
    """

    path = "lean"

    def __init__(self, job: Job, host: Host) -> None:
        self._host = host
        self._values = dict(job.values)
        data = job.prepared
        _check_finite(data.X_train, data.feature_names)
        self._classes = job.n_classes if job.task == "classification" else 0
        self._task, self._features, self._outputs = job.task, job.n_features, job.n_classes
        assert job.head is not None  # Job fills it in
        model = build(job.layers, job.n_features, job.head, job.n_classes, job.seed)
        n_weights = sum(p.numel() for p in model.parameters())
        self._n_weights = n_weights
        self._device = devices.choose(job.device, n_weights, self._values["batch_size"])
        self.device = self._device.type
        self._dropouts = seed_dropout(model, dropout_generator(model, job.seed, self._device))
        self._model = model.to(self._device)
        # optimizers change these tensors in place, so the references stay good
        self._tensors = dict(self._model.state_dict())
        self._parameters = [p for p in self._model.parameters() if p.requires_grad]
        self._weights = [p for p in self._parameters if p.dim() > 1]
        self._normed = any(isinstance(m, nn.BatchNorm1d) for m in self._model)
        self._order = torch.Generator().manual_seed(job.seed + 1)
        self._mean, self._std = 0.0, 1.0
        if not self._classes:
            target = np.asarray(data.y_train, dtype=np.float64)
            self._mean, self._std = float(target.mean()), float(target.std()) or 1.0
        self._X, self._y = self._place(data.X_train, data.y_train)
        self._X_val, self._y_val = self._place(data.X_validation, data.y_validation)
        self._pool = module_pool(job.layers, job.n_features, job.head, job.n_classes, self._device)
        self._optimizer = self._make_optimizer()
        self.set("dropout", self._values["dropout"])
        self._chunk = 1
        self._epoch, self._step, self._position = 0, 0, 0.0
        self._best: dict[str, Tensor] | None = None
        self._best_epoch = 0

    # -- what the trainer asks for

    def run(self) -> None:
        """Train all epochs, or until patience is over."""
        with devices.threads_for(self._device, self._n_weights, self._values["batch_size"]):
            self._host.checkpoint("batch")
            best, waited = math.inf, 0
            patience = self._values["patience"]
            for epoch in range(self._values["epochs"]):
                self._epoch = epoch
                self._apply_rate()
                row = self._train_epoch()
                row |= self._validate()
                self._position = float(epoch + 1)
                self._host.advance(self._position, self._step)
                if patience is not None:
                    watched = row["train_loss"] if math.isnan(row["val_loss"]) else row["val_loss"]
                    waited = 0 if watched < best else waited + 1
                    if watched < best:
                        best, self._best, self._best_epoch = watched, self._clone(), epoch + 1
                self._host.row(row)
                self._host.checkpoint("epoch")
                if patience is not None and waited >= patience:
                    self._host.note(
                        f"Stopped after epoch {epoch + 1}: the validation loss had not fallen for {patience} epochs. "
                        f"The weights are those of epoch {self._best_epoch}."
                    )
                    return

    def set(self, name: str, value: Any) -> None:
        """Change a live hyperparameter; a new learning rate is the new base of the schedule."""
        self._values[name] = value
        if name == "learning_rate":
            self._apply_rate()
        elif name == "weight_decay":
            for group in self._optimizer.param_groups:
                group["weight_decay"] = value
        elif name == "dropout":
            for layer in self._dropouts:
                layer.p = layer.own if value is None else value

    def snapshot(self, version: int) -> TorchPredictor | None:
        """Return a copy of the weights; None before the first step and when they are not finite."""
        if self._step == 0:
            return None
        state = self._clone()
        return self._predictor(state, self._position, version) if _finite(state) else None

    def final(self, version: int) -> TorchPredictor | None:
        """Return the weights to keep: with patience the best epoch's, else the last."""
        if self._best is not None:
            return self._predictor(self._best, float(self._best_epoch), version)
        if self._step == 0:
            return None
        state = self._clone()
        if not _finite(state):
            raise diverged(self._epoch + 1, "weights", math.inf, self._values)
        return self._predictor(state, self._position, version)

    # -- one epoch

    def _train_epoch(self) -> dict[str, float]:
        n, used = len(self._X), 0
        order = torch.randperm(n, generator=self._order).to(self._device)
        done, loss, hits, seconds = 0, 0.0, 0.0, 0.0
        while done < n:
            started = time.perf_counter()
            batches = 1 if self._host.one_batch() else self._chunk
            done, rows, totals = self._train_chunk(order, done, batches)
            elapsed = time.perf_counter() - started
            seconds += elapsed
            if not math.isfinite(totals[0]):
                raise diverged(self._epoch + 1, "loss", totals[0], self._values)
            used += rows
            loss += totals[0]
            hits += totals[1]
            # at most doubled at once: the first batches of a run are slow, a later one may have been interrupted
            fitting = batches * CHUNK_SECONDS / max(elapsed, 1e-9)
            # where an epoch has fewer batches than a chunk, the chunk would double without end
            self._chunk = int(max(1, min(2 * batches, fitting, LARGEST_CHUNK)))
            self._position = self._epoch + done / n
            self._host.advance(self._position, self._step)
            self._host.checkpoint("batch")
        return {
            "epoch": float(self._epoch + 1),
            "train_loss": loss / used,
            f"train_{self._metric}": self._metric_value(hits, used),
            "learning_rate": float(self._optimizer.param_groups[0]["lr"]),
            "seconds": seconds,
            "samples_per_second": n / seconds if seconds > 0 else math.nan,
        }

    def _train_chunk(self, order: Tensor, done: int, batches: int) -> tuple[int, int, list[float]]:
        """Train some batches; return where the epoch stands, the rows used, and the sums of loss and hits."""
        n, size, used = len(order), int(self._values["batch_size"]), 0
        l1, l2, clip = self._values["l1"], self._values["l2"], self._values["clip_norm"]
        model, optimizer = self._model, self._optimizer
        totals = torch.zeros(2, device=self._device)
        loss_total, hit_total = totals[0], totals[1]
        for _ in range(batches):
            end = min(done + size, n)
            if self._normed and end - done == 1:
                done = n  # batch normalisation cannot use a single row that is left over
                break
            rows = order[done:end]
            x, y = self._X.index_select(0, rows), self._y.index_select(0, rows)
            # what Optimizer.zero_grad(set_to_none=True) does, without its bookkeeping
            for parameter in self._parameters:
                parameter.grad = None
            out = model(x)
            loss = self._loss(out, y)
            loss.backward()  # type: ignore[no-untyped-call]
            if l1 or l2:
                self._penalise(l1, l2)
            if clip is not None:
                nn.utils.clip_grad_norm_(self._parameters, clip)
            optimizer.step()
            loss_total.add_(loss.detach(), alpha=end - done)
            hit_total.add_(self._hits(out.detach(), y))
            self._step += 1
            used += end - done
            done = end
            if done == n:
                break
        return done, used, totals.tolist()

    def _validate(self) -> dict[str, float]:
        n = len(self._X_val)
        if n == 0:
            return {"val_loss": math.nan, f"val_{self._metric}": math.nan}
        loss = hits = 0.0
        for start in range(0, n, VALIDATION_ROWS):
            if start:
                self._host.checkpoint("validation")
            x, y = self._X_val[start : start + VALIDATION_ROWS], self._y_val[start : start + VALIDATION_ROWS]
            self._model.eval()
            with torch.no_grad():
                out = self._model(x)
                part = torch.stack((self._loss(out, y) * len(x), self._hits(out, y).to(out.dtype))).tolist()
            self._model.train()
            loss += part[0]
            hits += part[1]
        if not math.isfinite(loss):
            raise diverged(self._epoch + 1, "validation loss", loss, self._values)
        return {"val_loss": loss / n, f"val_{self._metric}": self._metric_value(hits, n)}

    # -- parts

    @property
    def _metric(self) -> str:
        return "accuracy" if self._classes else "mean_absolute_error"

    def _metric_value(self, total: float, n: int) -> float:
        return total / n if self._classes else total / n * self._std

    def _loss(self, out: Tensor, y: Tensor) -> Tensor:
        return functional.cross_entropy(out, y) if self._classes else functional.mse_loss(out[:, 0], y)

    def _hits(self, out: Tensor, y: Tensor) -> Tensor:
        """Return the number of right answers, or the sum of absolute errors."""
        return (out.argmax(1) == y).sum() if self._classes else (out[:, 0] - y).abs().sum()

    def _penalise(self, l1: float, l2: float) -> None:
        """Add the gradient of ``l2 · Σw² + l1 · Σ|w|``; its value is not part of the reported loss."""
        for weight in self._weights:
            assert weight.grad is not None
            if l2:
                weight.grad.add_(weight.detach(), alpha=2.0 * l2)
            if l1:
                weight.grad.add_(weight.detach().sign(), alpha=l1)

    def _apply_rate(self) -> None:
        factor = schedule_factor(self._values["schedule"], self._epoch, self._values["epochs"])
        for group in self._optimizer.param_groups:
            group["lr"] = self._values["learning_rate"] * factor

    def _make_optimizer(self) -> torch.optim.Optimizer:
        rate, decay = self._values["learning_rate"], self._values["weight_decay"]
        name = self._values["optimizer"]
        if name == "rmsprop":
            return torch.optim.RMSprop(self._parameters, lr=rate, weight_decay=decay)
        if name == "sgd":
            momentum = self._values["momentum"]
            return torch.optim.SGD(self._parameters, lr=rate, momentum=momentum, weight_decay=decay, fused=True)
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(self._parameters, lr=rate, weight_decay=decay, fused=True)

    def _place(self, X: NDArray[Any], y: NDArray[Any]) -> tuple[Tensor, Tensor]:
        if self._classes:
            target = torch.from_numpy(np.array(y, dtype=np.int64))
        else:
            scaled = (np.asarray(y, dtype=np.float64) - self._mean) / self._std
            target = torch.from_numpy(scaled.astype(np.float32))
        rows = np.ascontiguousarray(X, dtype=np.float32)
        # torch shares memory with numpy, but only with arrays that may be written to
        shared = torch.from_numpy(rows if rows.flags.writeable else rows.copy())
        return shared.to(self._device), target.to(self._device)

    def _clone(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self._tensors.items()}

    def _predictor(self, state: dict[str, Tensor], epoch: float, version: int) -> TorchPredictor:
        return TorchPredictor(
            state,
            self._pool,
            self._task,
            self._features,
            self._outputs,
            epoch=epoch,
            version=version,
            target_mean=self._mean,
            target_std=self._std,
        )


def _finite(state: dict[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in state.values() if t.is_floating_point())


def _check_finite(rows: NDArray[Any], names: list[str]) -> None:
    good = np.isfinite(rows).all(axis=0)
    if not good.all():
        column = names[int(np.argmin(good))]
        raise InputError(
            f"Feature {column!r} holds NaN or infinite values after preparation; a network cannot learn from them. "
            "Set the column aside with exclude=, or clean it."
        )
