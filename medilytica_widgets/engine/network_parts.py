"""What a network's training is made of: the module on its device, the rows, the loss and the paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ..algorithms import balanced_weights
from ..errors import InputError
from ..network import batch_normed, build
from ..network.custom_losses import try_loss
from . import devices
from .flat import FlatModel, Weights
from .heads import HeadPlan, stand_ins, target_rows
from .job import Job
from .memory import Forecast, available, forecast, micro_batch
from .perceptron.plan import plan_of
from .stepping import Objective, StepSettings
from .torch_model import TorchPredictor, module_pool, seed_dropout

if TYPE_CHECKING:
    from .heads_path import HeadsObjective


class NetworkParts:
    """Built once when a run starts.

    No generator is global: one of ``seed`` draws the initial weights and then dropout's masks, one of
    ``seed + 1`` the order of the rows in each epoch. A run therefore depends on nothing that trains
    beside it.

    Parameters
    ----------
    job : Job
    values : mapping
        The hyperparameters as they are in effect.
    device : str, optional
        The one that a resumed run was on; chosen when None.
    """

    def __init__(self, job: Job, values: Mapping[str, Any], device: str | None = None) -> None:
        assert job.head is not None  # Job fills it in
        self.job = job
        data = job.prepared
        _check_finite(data.X_train, data.feature_names)
        self.n_classes = job.n_classes if job.task == "classification" else 0
        plans = job.head_plans
        # on the processor first: that is where the network is made
        self._fitting_rows(values, "cpu", 1)
        module: nn.Module
        generator = torch.Generator()
        if plans is None:
            module = build(job.layers, job.n_features, job.head, job.n_classes, job.seed, generator)
        else:
            from .heads_model import build_headed

            for plan in plans:
                try_loss(plan.loss, plan.task, plan.n_classes)
            module = build_headed(job.layers, job.n_features, plans, job.seed, generator)
        self.n_weights = sum(p.numel() for p in module.parameters())
        if device is not None:
            self.device = devices.choose(device, self.n_weights, values["batch_size"])
        else:
            placed = devices.place(job.device, module, job.n_features, int(values["batch_size"]))
            self.device = torch.device(placed.device)
        # on the processor it goes on where the weights ended, as torch's own does in a script
        there = self.device.type != "cpu"
        self.dropout_generator = torch.Generator(self.device).manual_seed(job.seed + 2) if there else generator
        self.dropouts = seed_dropout(module, self.dropout_generator)
        self.order_generator = torch.Generator().manual_seed(job.seed + 1)
        size = self._step_rows(values)
        # batch normalisation cannot use a single row
        least = 2 if batch_normed(job.layers) else 1
        fitting = max(least, self._fitting_rows(values, self.device.type, size))
        self.part_rows = fitting if fitting < min(size, job.samples_per_epoch) else None
        self.model = FlatModel(module.to(self.device), values["optimizer"], values["momentum"], values)
        self.mean, self.std = 0.0, 1.0
        if plans is not None:
            self.mean, self.std = plans[0].mean, plans[0].std
        elif not self.n_classes:
            target = np.asarray(data.y_train, dtype=np.float64)
            self.mean, self.std = float(target.mean()), float(target.std()) or 1.0
        self.X, self.y = self._rows(data.X_train), self._target(data.y_train)
        self.X_val, self.y_val = self._rows(data.X_validation), self._target(data.y_validation)
        self.plan = plan_of(job.layers, job.n_features, job.head, job.n_classes) if plans is None else None
        self.objective = Objective(
            self.n_classes, self._class_weights(values), float(values.get("label_smoothing") or 0.0)
        )
        self.heads: HeadsObjective | None = None
        if plans is None:
            self._pool = module_pool(job.layers, job.n_features, job.head, job.n_classes, self.device)
        else:
            self._add_heads(plans, values)

    def _add_heads(self, plans: list[HeadPlan], values: Mapping[str, Any]) -> None:
        from .heads_model import headed_pool
        from .heads_path import objective_of

        job = self.job
        train, validation = (
            [target_rows(job.prepared, plan.head, k, part)[1] for k, plan in enumerate(plans)]
            for part in ("train", "validation")
        )
        self.heads = objective_of(plans, train, validation, values)
        self._pool = headed_pool(job.layers, job.n_features, plans, self.device)

    @property
    def log_variances(self) -> NDArray[np.float64]:
        """The logarithms of the noise variances of the heads whose weight is learned, in order."""
        from .heads_model import BALANCE

        spans = [span for span in self.model.spans if span.name.startswith(BALANCE)]
        found = [span.of(self.model.state.weights).detach().cpu().numpy() for span in spans]
        return np.asarray(found[0] if found else np.zeros(0), dtype=np.float64)

    def forecast(self, values: Mapping[str, Any], device: str, rows: int) -> Forecast:
        """Return the memory that a training with batches of so many rows takes."""
        job = self.job
        assert job.head is not None  # Job fills it in
        precision = "bfloat16" if values.get("precision") == "mixed" else "float32"
        heads, outputs = stand_ins(job.head_plans) if job.head_plans else ([job.head], [job.n_classes])
        return forecast(
            job.layers,
            job.n_features,
            heads,
            outputs,
            rows,
            values["optimizer"],
            precision=precision,
            n_rows=job.samples_per_epoch,
            device=device,
        )

    def _fitting_rows(self, values: Mapping[str, Any], device: str, rows: int) -> int:
        """Return the most rows up to ``rows`` whose forward and backward pass fit; see `memory.micro_batch`."""
        return micro_batch(lambda n: self.forecast(values, device, n), rows, available(device))

    @staticmethod
    def _step_rows(values: Mapping[str, Any]) -> int:
        return int(values["batch_size"]) * int(values.get("accumulation") or 1)

    @property
    def metric(self) -> str:
        """The readable metric beside the loss."""
        return "accuracy" if self.n_classes else "mean_absolute_error"

    def metric_value(self, total: float, rows: int) -> float:
        """Return the metric for a sum of hits (or of absolute errors) over some rows, in the target's own units."""
        return total / rows if self.n_classes else total / rows * self.std

    def settings(self, values: Mapping[str, Any]) -> StepSettings:
        """Return what the hyperparameters say of a step."""
        override, accumulation = values["dropout"], int(values.get("accumulation") or 1)
        size = int(values["batch_size"])
        return StepSettings(
            batch_size=self._step_rows(values),
            optimizer=values["optimizer"],
            weight_decay=values["weight_decay"],
            l1=values["l1"],
            l2=values["l2"],
            momentum=values["momentum"],
            nesterov=bool(values.get("nesterov")),
            clip_norm=values["clip_norm"],
            clip_value=values.get("clip_value"),
            dropout=tuple(layer.own if override is None else override for layer in self.dropouts),
            part_rows=size if accumulation > 1 else None,
        )

    def mixed(self, values: Mapping[str, Any]) -> bool:
        """Whether forward passes run in bfloat16: asked for, or on a device that gains from it."""
        wanted = values.get("precision", "auto")
        if wanted == "auto":
            return self.device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return bool(wanted == "mixed")

    def predictor(self, weights: Weights, epoch: float, version: int) -> TorchPredictor:
        """Return a copy of the weights as something that predicts."""
        job = self.job
        if self.heads is not None:
            from .heads_model import HeadsPredictor

            plans = self.heads.plans
            return HeadsPredictor(weights.named, self._pool, plans, job.n_features, epoch=epoch, version=version)
        return TorchPredictor(
            weights.named,
            self._pool,
            job.task,
            job.n_features,
            job.n_classes,
            epoch=epoch,
            version=version,
            target_mean=self.mean,
            target_std=self.std,
        )

    def _rows(self, X: NDArray[Any]) -> NDArray[np.float32]:
        rows = np.ascontiguousarray(X, dtype=np.float32)
        # torch shares memory with numpy, but only with arrays that may be written to
        return rows if rows.flags.writeable else rows.copy()

    def _target(self, y: NDArray[Any]) -> NDArray[Any]:
        if self.n_classes:
            target = np.array(y, dtype=np.int64)
            # compiled code would read past its tables
            if len(target) and not 0 <= target.min() <= target.max() < self.n_classes:
                raise InputError(
                    f"The target holds the class positions {target.min()} to {target.max()}, but there are "
                    f"{self.n_classes} classes; prepare the table anew."
                )
            return target
        return ((np.asarray(y, dtype=np.float64) - self.mean) / self.std).astype(np.float32)

    def _class_weights(self, values: Mapping[str, Any]) -> NDArray[np.float32] | None:
        if not self.n_classes or values.get("class_weight", "none") != "balanced":
            return None
        return balanced_weights(self.y, self.n_classes)


def _check_finite(rows: NDArray[Any], names: list[str]) -> None:
    good = np.isfinite(rows).all(axis=0)
    if not good.all():
        column = names[int(np.argmin(good))]
        raise InputError(
            f"Feature {column!r} holds NaN or infinite values after preparation; a network cannot learn from them. "
            "Set the column aside with exclude=, or clean it."
        )
