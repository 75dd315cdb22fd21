"""Where a network trains, and on how many threads."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import nn

from ..errors import StateError
from . import openmp
from .memory import is_out_of_memory

ACCELERATOR_FLOPS = 3e7
"""Below this many floating-point operations a step, launching the kernels costs an accelerator more than the arithmetic
costs a processor: about 40 launches of some 10 µs each."""

THREADS_FLOPS = 1e9
"""Below this many floating-point operations a step (some 10 ms of one core) a second thread saves little, and on a
machine that is busy with anything else torch's waiting threads make small networks several times slower."""

CLEAR = 10.0
"""A step this many times above or below such a number is not probed: the outcome is known."""

PROBE_SECONDS = 0.03
"""What the timed steps of a probe may take together; where they would take longer, the formula decides."""

MARGIN = 1.2
"""How much faster the probe must find something other than one thread of the processor."""


class Placement(NamedTuple):
    """Where steps are carried out: "cpu", "cuda" or "mps", and processor threads."""

    device: str
    threads: int


_probed: dict[tuple[object, ...], Placement] = {}


def step_flops(n_weights: int, batch_size: int) -> float:
    """Return the floating-point operations of one step: forward, and twice that backward."""
    return 6.0 * n_weights * batch_size


def available() -> list[str]:
    """Return the devices of this machine, the fastest first."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def choose(wanted: str, n_weights: int, batch_size: int) -> torch.device:
    """Return the device for a network, by a formula.

    Parameters
    ----------
    wanted : str
        "auto", "cpu", "cuda" or "mps".
    n_weights : int
    batch_size : int

    Raises
    ------
    StateError
        If the wanted device is not there.
    """
    here = available()
    if wanted == "auto":
        small = step_flops(n_weights, batch_size) < ACCELERATOR_FLOPS
        return torch.device("cpu" if small else here[0])
    if wanted not in here:
        raise StateError(f"The device {wanted!r} is not there; this machine has {', '.join(here)}. Take 'auto'.")
    return torch.device(wanted)


def place(
    wanted: str,
    module: nn.Module,
    n_features: int,
    batch_size: int,
    *,
    candidates: Sequence[Placement] | None = None,
    forced: Placement | None = None,
) -> Placement:
    """Return device and threads for a network; where the formulas leave it open, after timing some real steps.

    The answer is kept for the process by shape and batch size (rounded to a power of two), so that a second run
    of the same network gets the same.

    Parameters
    ----------
    wanted : str
        "auto", "cpu", "cuda" or "mps".
    module : nn.Module
        On the processor; it and its generators stay as they are.
    n_features : int
    batch_size : int
    candidates : sequence of Placement, optional
        Instead of those that `candidates_for` finds.
    forced : Placement, optional
        What a run that is resumed had; returned as it is if its device is there.

    Raises
    ------
    StateError
        If the wanted or forced device is not there.
    """
    if forced is not None:
        return Placement(choose(forced.device, 0, 0).type, forced.threads)
    shapes = tuple(tuple(p.shape) for p in module.parameters())
    n_weights = sum(p.numel() for p in module.parameters())
    bucket = 1 << max(0, batch_size - 1).bit_length()
    if candidates is None:
        candidates = candidates_for(wanted, n_weights, bucket)
    if len(candidates) == 1:
        return candidates[0]
    key = (wanted, tuple(candidates), str(module), shapes, bucket)
    if key not in _probed:
        try:
            seconds = probe(module, n_features, batch_size, candidates)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            seconds = None
        if seconds is None:
            device = choose(wanted, n_weights, bucket).type
            _probed[key] = Placement(device, _threads(device, n_weights, bucket))
        else:
            _probed[key] = _fastest(candidates, seconds)
    return _probed[key]


def candidates_for(wanted: str, n_weights: int, batch_size: int) -> list[Placement]:
    """Return the placements between which only a measurement decides, the safest first."""
    flops = step_flops(n_weights, batch_size)
    every = torch.get_num_threads()
    device = choose(wanted, n_weights, batch_size).type
    if wanted != "auto" and device != "cpu":
        return [Placement(device, every)]
    found: list[Placement] = []
    if device == "cpu" or (wanted == "auto" and flops < CLEAR * ACCELERATOR_FLOPS):
        if every == 1 or flops < THREADS_FLOPS * CLEAR:
            found.append(Placement("cpu", 1))
        if every > 1 and flops >= THREADS_FLOPS / CLEAR:
            found.append(Placement("cpu", every))
    fastest = available()[0]
    if wanted == "auto" and fastest != "cpu" and flops >= ACCELERATOR_FLOPS / CLEAR:
        found.append(Placement(fastest, every))
    return found


def probe(module: nn.Module, n_features: int, batch_size: int, candidates: Sequence[Placement]) -> list[float] | None:
    """Return the seconds of one step for each candidate, or None where the time for a probe does not suffice.

    A step is forward and backward on random rows, in evaluation mode, so that no mask is drawn and no running
    statistic moves. Of up to three timed steps the fastest counts: a busy machine only ever slows one down.
    """
    generators = {id(g): g for m in module.modules() for g in vars(m).values() if isinstance(g, torch.Generator)}
    rows = torch.randn(batch_size, n_features, generator=torch.Generator().manual_seed(0))
    steps = []
    for candidate in candidates:
        device = torch.device(candidate.device)
        own = copy.deepcopy(module, dict(generators)).to(device).eval()
        steps.append((candidate, device, own, rows.to(device)))
    spent = 0.0
    found: list[float] = []
    for candidate, device, own, x in steps:
        with limit_threads(device, candidate.threads):
            warm = _timed(own, x, device)
            warm = min(warm, _timed(own, x, device))
            best = float("inf")
            for _ in range(3):
                left = (PROBE_SECONDS - spent) / (len(steps) - len(found))
                if warm > left:
                    break
                seconds = _timed(own, x, device)
                spent += seconds
                best = min(best, seconds)
        if best == float("inf"):
            return None
        found.append(best)
    return found


def _timed(module: nn.Module, rows: torch.Tensor, device: torch.device) -> float:
    _synchronize(device)
    started = time.perf_counter()
    module(rows).square().mean().backward()
    _synchronize(device)
    return time.perf_counter() - started


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _fastest(candidates: Sequence[Placement], seconds: Sequence[float]) -> Placement:
    """Return the fastest; the first stays unless another one is faster by the margin."""
    best = min(range(len(candidates)), key=lambda k: seconds[k])
    return candidates[best if seconds[best] * MARGIN < seconds[0] else 0]


def _threads(device: str, n_weights: int, batch_size: int) -> int:
    small = device == "cpu" and step_flops(n_weights, batch_size) < THREADS_FLOPS
    return 1 if small else torch.get_num_threads()


@contextlib.contextmanager
def limit_threads(device: torch.device, threads: int) -> Iterator[int]:
    """Within the block, run this thread's torch operations on ``threads`` threads.

    `torch.set_num_threads` is not used: it holds for every thread that first uses torch afterwards,
    so a training would slow down someone else's cell for the rest of the session. OpenMP keeps the
    number per calling thread.

    Yields
    ------
    int
        The number of threads.
    """
    # asking makes torch set up this thread; done later, that would undo the limit
    count = torch.get_num_threads()
    if device.type != "cpu" or threads <= 0 or threads == count:
        yield count
        return
    with openmp.limit(threads):
        yield torch.get_num_threads()


@contextlib.contextmanager
def threads_for(device: torch.device, n_weights: int, batch_size: int) -> Iterator[int]:
    """Within the block, run this thread's torch operations on one thread where the network is small.

    Yields
    ------
    int
        The number of threads.
    """
    with limit_threads(device, _threads(device.type, n_weights, batch_size)) as count:
        yield count
