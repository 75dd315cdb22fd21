"""The network of a run: dropout with a generator of its own, and snapshots of the weights that predict."""

from __future__ import annotations

import contextlib
import functools
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..network import build
from ..network.analysis import Heads, Outputs, require
from ..network.spec import Head, Layer
from .predictors import Predictor

if TYPE_CHECKING:
    from .heads import HeadPlan

PREDICT_ROWS = 16384
"""Rows in one forward pass of a prediction, which bounds its memory."""


class SeededDropout(nn.Module):
    """Dropout whose mask comes from a generator of its own.

    torch's own draws from the process's global generator, so runs that train at the same time would
    change each other. On the CPU the masks are bit for bit those of `torch.nn.Dropout` after
    ``torch.manual_seed`` with the generator's seed.

    Parameters
    ----------
    p : float
        The part that is dropped.
    generator : torch.Generator
        On the device of the inputs.
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        self.own = p
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Return the input, in training mode with a random part set to 0 and the rest scaled up."""
        if not self.training or self.p == 0.0:
            return x
        keep = 1.0 - self.p
        return x * torch.empty_like(x).bernoulli_(keep, generator=self.generator).div_(keep)


def seed_dropout(model: nn.Module, generator: torch.Generator) -> list[SeededDropout]:
    """Replace every dropout layer of a network, in its order, and return the new ones; they share the generator."""
    replaced = []
    for parent in list(model.modules()):
        for name, module in list(parent.named_children()):
            if isinstance(module, nn.Dropout):
                seeded = SeededDropout(module.p, generator)
                setattr(parent, name, seeded)
                replaced.append(seeded)
    return replaced


class ModulePool:
    """Modules to predict with, as many as threads predict at once.

    `torch.func.functional_call` puts the weights into the module for the time of the call, so two
    threads must not use one module.

    Parameters
    ----------
    make : callable
        Returns a new module in evaluation mode.
    """

    def __init__(self, make: Callable[[], nn.Module]) -> None:
        self._make = make
        self._free: queue.SimpleQueue[nn.Module] = queue.SimpleQueue()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[nn.Module]:
        """Hold a module that no other thread has."""
        try:
            module = self._free.get_nowait()
        except queue.Empty:
            module = self._make()
        try:
            yield module
        finally:
            self._free.put(module)


class TorchPredictor(Predictor):
    """The weights of a network at one moment.

    Parameters
    ----------
    state : mapping of str to Tensor, or callable
        Weights and buffers by name, never changed after they were given here; or what returns them at first use.
    pool : ModulePool
        Modules of the same network.
    task, n_features, n_classes, epoch, version
        As `Predictor`.
    target_mean, target_std : float
        A regression's outputs are multiplied by ``target_std`` and added to ``target_mean``.

    Attributes
    ----------
    plans : tuple of HeadPlan
        Of a network with several heads, or one out of the ordinary; empty for others.
    """

    plans: tuple[HeadPlan, ...] = ()

    def __init__(
        self,
        state: Mapping[str, Tensor] | Callable[[], Mapping[str, Tensor]],
        pool: ModulePool,
        task: str,
        n_features: int,
        n_classes: int,
        *,
        epoch: float = 0.0,
        version: int = 0,
        target_mean: float = 0.0,
        target_std: float = 1.0,
    ) -> None:
        super().__init__(task, n_features, n_classes, epoch, version)
        self._source = state
        self._pool = pool
        self.target_mean = target_mean
        self.target_std = target_std

    @classmethod
    def from_state(
        cls,
        layers: Sequence[Layer],
        n_features: int,
        head: Head,
        n_classes: int,
        state: Mapping[str, Tensor],
        *,
        target_mean: float = 0.0,
        target_std: float = 1.0,
        epoch: float = 0.0,
    ) -> TorchPredictor:
        """Return a predictor for stored weights, on the CPU.

        Parameters
        ----------
        layers, head
            The network's specification.
        n_features, n_classes : int
            Columns of the rows; classes (1 for regression).
        state : mapping of str to Tensor
            What `state` returned.
        target_mean, target_std, epoch
            As of the predictor that was stored.

        Raises
        ------
        RuntimeError
            If the weights are not those of this network.
        """
        check_size(layers, n_features, head, n_classes, state)
        pool = module_pool(layers, n_features, head, n_classes, torch.device("cpu"))
        fill(pool, state)
        return cls(
            dict(state),
            pool,
            head.task,
            n_features,
            n_classes,
            epoch=epoch,
            target_mean=target_mean,
            target_std=target_std,
        )

    @functools.cached_property
    def _state(self) -> dict[str, Tensor]:
        found = self._source() if callable(self._source) else self._source
        # each in memory of its own: matrix products sum in another order where a matrix begins amid a buffer, and a
        # stored model shall answer bit for bit as the run does
        own = {name: value.detach().clone() for name, value in found.items()}
        self._source = own
        return own

    def state(self) -> dict[str, Tensor]:
        """Return copies of the weights and buffers by name, on the CPU, contiguous."""
        return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in self._state.items()}

    def outputs(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the network's raw outputs, float64 of shape (n, outputs)."""
        device = next(iter(self._state.values())).device
        parts = []
        with torch.no_grad(), self._pool.borrow() as module:
            for start in range(0, len(rows), PREDICT_ROWS):
                batch = torch.tensor(rows[start : start + PREDICT_ROWS]).to(device)
                out = torch.func.functional_call(module, self._state, (batch,))
                parts.append(out.cpu().numpy().astype(np.float64))
        return np.concatenate(parts)

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        logits = self.outputs(rows)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.outputs(rows)[:, 0] * self.target_std + self.target_mean


def check_size(
    layers: Sequence[Layer],
    n_features: int,
    head: Heads,
    n_outputs: Outputs,
    state: Mapping[str, Tensor],
) -> None:
    """Raise before a network is made that has more weights than are stored: a forged one would fill the memory.

    Raises
    ------
    RuntimeError
    """
    wanted, there = (
        require(layers, n_features, head, n_outputs).total_parameters,
        sum(v.numel() for v in state.values()),
    )
    if wanted > there:
        raise RuntimeError(f"the network has {wanted:,} weights, and {there:,} are stored")


def fill(pool: ModulePool, state: Mapping[str, Tensor]) -> None:
    """Put weights into a module of the pool, to see whether they are those of its network.

    Raises
    ------
    RuntimeError
        Where they are not.
    """
    with pool.borrow() as module:
        for name, value in module.state_dict().items():
            if name in state and state[name].dtype != value.dtype:
                raise RuntimeError(f"{name} is stored as {state[name].dtype} and has to be {value.dtype}")
        module.load_state_dict(dict(state))


def module_pool(
    layers: Sequence[Layer], n_features: int, head: Head, n_outputs: int, device: torch.device
) -> ModulePool:
    """Return a pool of modules of the network; their own weights do not matter."""

    def make() -> nn.Module:
        return build(layers, n_features, head, n_outputs, seed=0).to(device).eval()

    return ModulePool(make)
