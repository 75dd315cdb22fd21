"""A network with several heads as a torch module, and the snapshots of it that predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..network import build
from ..network.losses import predicted
from ..network.spec import Layer
from .heads import HeadPlan, stand_ins
from .predictors import Predictor
from .torch_model import ModulePool, TorchPredictor, check_size, fill

BALANCE = "balance."
"""What the names of learned weights of losses begin with; they are the last of a network's parameters."""


class Balance(nn.Module):
    """Holds the logarithms of the heads' noise variances, one for each head whose weight is learned."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(count))


class HeadedNetwork(nn.Module):
    """A network whose heads' outputs stand side by side, with the learned weights of their losses.

    Parameters
    ----------
    network : nn.Module
        Returns a tensor, or a tuple of one for each head.
    uncertain : int
        How many of the heads have a learned weight.
    """

    def __init__(self, network: nn.Module, uncertain: int) -> None:
        super().__init__()
        self.network = network
        if uncertain:
            self.balance = Balance(uncertain)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs of all heads, shape (rows, all outputs)."""
        found = self.network(x)
        return found if isinstance(found, Tensor) else torch.cat(found, dim=1)


def build_headed(
    layers: Sequence[Layer],
    n_features: int,
    plans: Sequence[HeadPlan],
    seed: int,
    generator: torch.Generator | None = None,
) -> HeadedNetwork:
    """Build a network with heads; see `medilytica_widgets.network.build`.

    Raises
    ------
    ShapeError
        For a stack that does not connect, or a head on a layer whose output is not one vector a row.
    """
    network = build(layers, n_features, *stand_ins(plans), seed, generator)
    return HeadedNetwork(network, sum(plan.uncertain for plan in plans))


def spans_of(plans: Sequence[HeadPlan]) -> list[slice]:
    """Return where each head's outputs lie among all of them."""
    spans, start = [], 0
    for plan in plans:
        spans.append(slice(start, start + plan.n_outputs))
        start += plan.n_outputs
    return spans


class HeadsPredictor(TorchPredictor):
    """The weights of a network with several heads at one moment; by itself it predicts for the first.

    Parameters
    ----------
    state, pool, n_features, epoch, version
        As `TorchPredictor`.
    plans : sequence of HeadPlan
    """

    def __init__(
        self,
        state: Mapping[str, Tensor] | Callable[[], Mapping[str, Tensor]],
        pool: ModulePool,
        plans: Sequence[HeadPlan],
        n_features: int,
        *,
        epoch: float = 0.0,
        version: int = 0,
    ) -> None:
        first = plans[0]
        super().__init__(
            state,
            pool,
            first.task,
            n_features,
            first.n_classes,
            epoch=epoch,
            version=version,
            target_mean=first.mean,
            target_std=first.std,
        )
        self.plans = tuple(plans)
        self._spans = spans_of(plans)

    @classmethod
    def restored(
        cls,
        layers: Sequence[Layer],
        n_features: int,
        plans: Sequence[HeadPlan],
        state: Mapping[str, Tensor],
        epoch: float = 0.0,
    ) -> HeadsPredictor:
        """Return a predictor for stored weights, on the CPU.

        Raises
        ------
        RuntimeError
            If the weights are not those of this network.
        """
        check_size(layers, n_features, *stand_ins(plans), state)
        pool = headed_pool(layers, n_features, plans, torch.device("cpu"))
        fill(pool, state)
        return cls(dict(state), pool, plans, n_features, epoch=epoch)

    @property
    def further(self) -> dict[str, Predictor]:
        """What predicts for each of the other heads, by name."""
        return {plan.name: _HeadView(self, k) for k, plan in enumerate(self.plans) if k}

    def of_head(self, index: int, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return a head's probabilities, shape (n, classes), or numbers in the target's own units, shape (n,)."""
        plan = self.plans[index]
        found = predicted(plan.meaning, self.outputs(rows)[:, self._spans[index]])
        return found if plan.task == "classification" else found * plan.std + plan.mean

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.of_head(0, rows)

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.of_head(0, rows)


class _HeadView(Predictor):
    """One of the further heads of a snapshot."""

    def __init__(self, whole: HeadsPredictor, index: int) -> None:
        plan = whole.plans[index]
        super().__init__(plan.task, whole.n_features, plan.n_classes, whole.epoch, whole.version)
        self._whole, self._index = whole, index

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self._whole.plans[self._index].classes

    @property
    def column(self) -> str:
        """The column that the head learned."""
        return self._whole.plans[self._index].head.target

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._whole.of_head(self._index, rows)

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._whole.of_head(self._index, rows)


def headed_pool(
    layers: Sequence[Layer], n_features: int, plans: Sequence[HeadPlan], device: torch.device
) -> ModulePool:
    """Return a pool of modules of a network with heads; their own weights do not matter."""

    def make() -> nn.Module:
        return build_headed(layers, n_features, plans, 0).to(device).eval()

    return ModulePool(make)
