"""Where a network trains, and on how many threads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from ..errors import StateError

ACCELERATOR_FLOPS = 3e7
"""Below this many floating-point operations a step, launching the kernels costs an accelerator more than the arithmetic
costs a processor: about 40 launches of some 10 µs each."""

THREADS_FLOPS = 1e9
"""Below this many floating-point operations a step (some 10 ms of one core) a second thread saves little, and on a
machine that is busy with anything else torch's waiting threads make small networks several times slower."""


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
    """Return the device for a network.

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


@contextlib.contextmanager
def threads_for(device: torch.device, n_weights: int, batch_size: int) -> Iterator[int]:
    """Within the block, run this thread's torch operations on one thread where the network is small.

    `torch.set_num_threads` is not used: it holds for every thread that first uses torch afterwards,
    so a training would slow down someone else's cell for the rest of the session. OpenMP keeps the
    number per calling thread, and threadpoolctl (a dependency of scikit-learn) sets just that.

    Yields
    ------
    int
        The number of threads.
    """
    # asking makes torch set up this thread; done later, that would undo the limit
    count = torch.get_num_threads()
    if device.type != "cpu" or count == 1 or step_flops(n_weights, batch_size) >= THREADS_FLOPS:
        yield count
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="openmp"):
        yield torch.get_num_threads()
