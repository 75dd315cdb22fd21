"""A network's training as a `TrainingState`, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import CheckpointError
from .checkpoints import TrainingState
from .flat import Weights
from .held import copied
from .stepping import EpochState, Totals
from .torch_model import TorchPredictor

if TYPE_CHECKING:
    from .job import Job
    from .torch_loop import TorchLoop

_BUFFER, _SLOT, _BEST = "buffer.", "slot.", "best."


def export_state(loop: TorchLoop, at: EpochState | None = None) -> TrainingState:
    """Return where a loop stands, copied: weights, optimizer, generators, schedule, patience, place in the epoch.

    Parameters
    ----------
    loop : TorchLoop
    at : EpochState, optional
        What to say of weights, optimizer and order in place of the present: the end of the epoch at which the
        loop stands, where more epochs were trained in the same call.
    """
    parts = loop.parts
    if at is None:
        state = parts.model.state
        slots = {name: _copy(value) for name, value in state.slots.items()}
        # mid-epoch: the state from which this epoch's order was drawn
        order = _copy(loop.order_state)
        at = EpochState(_copy(state.weights), slots, order, state.step, state.mu_product)
    tensors: dict[str, NDArray[Any]] = {"weights": at.weights}
    tensors |= {_SLOT + name: value for name, value in at.slots.items()}
    tensors |= {_BUFFER + name: _copy(value) for name, value in parts.model.buffers.items()}
    tensors["generator.order"] = at.order_state
    tensors["generator.dropout"] = _copy(parts.dropout_generator.get_state())
    if loop.best is not None:
        tensors[_BEST + "weights"] = _copy(loop.best.flat)
        tensors |= {_BEST + _BUFFER + name: _copy(value) for name, value in loop.best.buffers.items()}
    facts = {
        "kind": "network",
        "epoch": loop.epoch,
        "done": loop.done,
        "step": at.step,
        "mu_product": at.mu_product,
        "sums": [loop.sums.rows, loop.sums.loss, loop.sums.hits],
        "seconds": loop.seconds,
        "rate": loop.rate,
        "waited": loop.waited,
        "best_loss": loop.best_loss,
        "best_epoch": loop.best_epoch,
        "plateau": loop.plateau.state(),
        "values": dict(loop.values),
        "path": loop.path,
        "threads": loop.threads,
        "device": loop.device,
        "spans": [[span.name, list(span.shape)] for span in parts.model.spans],
        "target_mean": parts.mean,
        "target_std": parts.std,
        "observer": loop.observer.state(),
    }
    if parts.model.own is not None:
        facts["optimizer"], kept = parts.model.own.state()
        tensors |= kept
    if parts.heads is not None:
        facts["heads"] = [plan.to_json() for plan in parts.heads.plans]
        tensors["heads.sums"] = parts.heads.sums.copy()
    return TrainingState(tensors, facts)


def import_state(loop: TorchLoop, saved: TrainingState) -> None:
    """Put a loop where another one of the same job stood.

    Raises
    ------
    CheckpointError
        If it is of another network or optimizer.
    """
    from ..algorithms.schedules import Plateau

    parts, state, facts = loop.parts, loop.parts.model.state, saved.facts
    if facts.get("kind") != "network":
        raise CheckpointError("The checkpoint is not one of a network; take the run's own checkpoint.")
    spans = [[span.name, list(span.shape)] for span in parts.model.spans]
    wanted = {"weights", *(_SLOT + name for name in state.slots), *(_BUFFER + n for n in parts.model.buffers)}
    missing = wanted - saved.tensors.keys()
    if facts.get("spans") != spans or missing:
        raise CheckpointError(
            "The checkpoint is of another network or optimizer than the experiment's. Resume it with the "
            "specification it was trained by."
        )
    try:
        _load(state.weights, saved.tensors["weights"])
        for name, slot in state.slots.items():
            _load(slot, saved.tensors[_SLOT + name])
        for name, buffer in parts.model.buffers.items():
            _load(buffer, saved.tensors[_BUFFER + name])
        parts.order_generator.set_state(_bytes(saved.tensors["generator.order"]))
        parts.dropout_generator.set_state(_bytes(saved.tensors["generator.dropout"]))
        if _BEST + "weights" in saved.tensors:
            buffers = {n: torch.from_numpy(saved.tensors[_BEST + _BUFFER + n].copy()) for n in parts.model.buffers}
            best = torch.from_numpy(saved.tensors[_BEST + "weights"].copy())
            loop.best = Weights(best.to(parts.device), parts.model.spans, buffers)
        state.step, state.mu_product = int(facts["step"]), float(facts["mu_product"])
        loop.epoch, loop.done, loop.seconds = int(facts["epoch"]), int(facts["done"]), float(facts["seconds"])
        rows, loss, hits = facts["sums"]
        loop.sums = Totals(loop.done, int(rows), float(loss), float(hits))
        if parts.model.own is not None and facts.get("optimizer"):
            parts.model.own.load(facts["optimizer"], saved.tensors)
        if parts.heads is not None:
            parts.heads.sums[:] = saved.tensors["heads.sums"]
        loop.rate = float(facts["rate"])
        loop.waited, loop.best_epoch = int(facts["waited"]), int(facts["best_epoch"])
        loop.best_loss = float(facts["best_loss"])
        # a branch may have another patience
        loop.plateau = Plateau.from_state({**facts["plateau"], "patience": loop.plateau.patience})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"The checkpoint is incomplete ({error}); take an earlier one.") from error
    loop.order_state = parts.order_generator.get_state()
    loop.settings = parts.settings(loop.values)


def predictor_of(job: Job, saved: TrainingState, *, best: bool = True) -> TorchPredictor:
    """Return what a checkpoint of a network predicts, on the CPU.

    Parameters
    ----------
    job : Job
        Of the run that wrote it.
    saved : TrainingState
    best : bool
        Whether the weights of the best epoch are taken where patience kept them, as at a run's end.

    Raises
    ------
    CheckpointError
        If it is of another network.
    """
    assert job.head is not None  # Job fills it in
    facts = saved.facts
    try:
        best = best and facts["values"]["patience"] is not None
        kept = _BEST if best and _BEST + "weights" in saved.tensors else ""
        state: dict[str, torch.Tensor] = {}
        flat, start = torch.from_numpy(np.array(saved.tensors[kept + "weights"])), 0
        for name, shape in facts["spans"]:
            size = int(np.prod(shape))
            state[name] = flat[start : start + size].view(*shape)
            start += size
        prefix = kept + _BUFFER
        for name in saved.tensors:
            if name.startswith(prefix):
                state[name.removeprefix(prefix)] = torch.from_numpy(np.array(saved.tensors[name]))
        epoch = float(facts["best_epoch"] if kept else facts["run"]["position"][0])
        if "heads" in facts:
            from .heads import HeadPlan
            from .heads_model import HeadsPredictor

            plans = [HeadPlan.from_json(plain) for plain in facts["heads"]]
            return HeadsPredictor.restored(job.layers, job.n_features, plans, state, epoch)
        return TorchPredictor.from_state(
            job.layers,
            job.n_features,
            job.head,
            job.n_classes,
            state,
            target_mean=float(facts["target_mean"]),
            target_std=float(facts["target_std"]),
            epoch=epoch,
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"The checkpoint is of another network ({error}); take the run's own.") from error


def _copy(tensor: torch.Tensor) -> NDArray[Any]:
    return copied(tensor.detach().cpu().contiguous().numpy())


def _load(tensor: torch.Tensor, saved: NDArray[Any]) -> None:
    if tuple(saved.shape) != tuple(tensor.shape):
        raise ValueError(f"shape {saved.shape} instead of {tuple(tensor.shape)}")
    tensor.copy_(torch.from_numpy(np.array(saved)))


def _bytes(saved: NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(saved, dtype=np.uint8))
