"""How much memory a training needs, how much there is, and what to do when it does not suffice.

The arithmetic needs no torch; `available` and `free` load it only for a device other than the processor.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..algorithms.own import own_optimizer
from ..errors import InputError, OutOfMemoryError, hint
from ..network.analysis import LayerRow, require
from ..network.spec import Head, Layer
from .kept import values_of
from .stepping import SLOTS

if TYPE_CHECKING:
    import torch

PRECISIONS: dict[str, tuple[int, int, bool]] = {
    "float32": (4, 4, False),
    "float64": (8, 8, False),
    "bfloat16": (4, 2, True),
    "float16": (4, 2, True),
}
"""Bytes of a weight, bytes of an activation, and whether autocast makes a copy of the weights for each step."""

_SCRATCH = {"rmsprop": 1, "nadam": 2}
"""Values for every weight that an optimizer needs for the time of a step; the others are one fused operation."""

MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "unable to allocate",
    "bad_alloc",
    "alloc_failed",
    "invalid buffer size",
)
"""What the allocators of torch, CUDA, cuBLAS, MPS and the C++ library write when memory does not suffice."""


@dataclass(frozen=True)
class Forecast:
    """Bytes that a training takes beyond what is in use before it starts.

    Attributes
    ----------
    data : int
        Targets, the order of an epoch, and the rows where they are copied to a device; on the processor the rows
        stay where the prepared table holds them.
    parameters, gradients, optimizer : int
        The weights; their gradients and the largest layer's once more, while it is added up; what the optimizer
        keeps for every weight, and needs in between.
    activations : int
        Of one batch, forward and backward.
    batch_size : int
        Rows of that batch.
    """

    data: int
    parameters: int
    gradients: int
    optimizer: int
    activations: int
    batch_size: int

    @property
    def fixed(self) -> int:
        """What stays the same whatever the batch size is."""
        return self.data + self.parameters + self.gradients + self.optimizer

    @property
    def total(self) -> int:
        """The sum of all parts."""
        return self.fixed + self.activations

    def sentence(self) -> str:
        """Return the forecast in words, with sizes in MB or GB (powers of ten)."""
        return (
            f"Training needs about {_size(self.total)} of memory: data {_size(self.data)}, "
            f"parameters {_size(self.parameters)}, gradients {_size(self.gradients)}, "
            f"optimizer {_size(self.optimizer)}, activations of a batch of {self.batch_size} {_size(self.activations)}."
        )


def forecast(
    layers: Sequence[Layer],
    n_features: int,
    head: Head | Sequence[Head],
    n_outputs: int | Sequence[int],
    batch_size: int,
    optimizer: str,
    *,
    precision: str = "float32",
    n_rows: int,
    device: str,
) -> Forecast:
    """Return what a training will take.

    Parameters
    ----------
    layers : sequence of Layer
        The hidden stack.
    n_features : int
    head : Head or sequence of Head
    n_outputs : int or sequence of int
    batch_size : int
        More than there are rows counts as all rows.
    optimizer : str
        A key of `stepping.SLOTS`.
    precision : str
        A key of `PRECISIONS`: of the activations; weights are float32 except for "float64".
    n_rows : int
        Training rows.
    device : str
        "cpu", "cuda" or "mps".

    Raises
    ------
    ShapeError
        For a stack that does not connect.
    InputError
        For an unknown optimizer or precision.
    """
    # of a registered one nobody knows what it keeps; two values for each weight is much
    slots = len(SLOTS.get(optimizer, ())) if own_optimizer(optimizer) is None else 2
    if not slots:
        raise InputError(f"There is no optimizer {optimizer!r}. {hint(optimizer, SLOTS)}")
    if precision not in PRECISIONS:
        raise InputError(f"There is no precision {precision!r}. {hint(precision, PRECISIONS)}")
    weight_bytes, value_bytes, copied = PRECISIONS[precision]
    analysis = require(layers, n_features, head, n_outputs)
    batch = max(1, min(batch_size, n_rows)) if n_rows else batch_size
    weights = analysis.total_parameters
    largest = max(row.parameters for row in (*analysis.rows, *analysis.heads))
    outputs = [n_outputs] if isinstance(n_outputs, int) else list(n_outputs)
    kept, widest = _values_of_a_row(
        layers, analysis.rows, n_features, sum(outputs), device=device, value_bytes=value_bytes
    )
    # of every further head an int64 or float32 with a flag, for each row
    targets = 12 * (len(outputs) - 1)
    rows_bytes = 0 if device == "cpu" else n_rows * n_features * weight_bytes
    return Forecast(
        data=rows_bytes + n_rows * (16 + targets),
        parameters=analysis.total_bytes * weight_bytes // 4 + (weights * value_bytes if copied else 0),
        gradients=(weights + largest) * weight_bytes,
        optimizer=weights * (slots + _SCRATCH.get(optimizer, 0)) * weight_bytes,
        # backward, the gradients of a layer's output and of its input are there at once
        activations=batch * ((kept + 2 * widest) * value_bytes + n_features * weight_bytes + 16 + targets),
        batch_size=batch,
    )


def _values_of_a_row(
    layers: Sequence[Layer], rows: Sequence[LayerRow], n_features: int, n_outputs: int, *, device: str, value_bytes: int
) -> tuple[int, int]:
    """Return the values that one row keeps for backward, and the width of the widest that is there for a moment."""
    kept, widest = 0, n_outputs
    for index, (layer, row) in enumerate(zip(layers, rows, strict=True)):
        found = values_of(layer, row, index, n_features, device=device, value_bytes=value_bytes)
        kept, widest = kept + found.kept, max(widest, found.widest)
    return kept + 2 * n_outputs, widest  # the logits and their logarithms


def micro_batch(forecast_of: Callable[[int], Forecast], batch_size: int, available: int) -> int:
    """Return the largest of ``batch_size``, its half, its quarter … whose forecast fits.

    Parameters
    ----------
    forecast_of : callable
        ``rows of a batch -> Forecast``.
    batch_size : int
    available : int
        Bytes.

    Raises
    ------
    OutOfMemoryError
        When not even a batch of one row fits; the message says which part is in the way.
    """
    rows = batch_size
    while True:
        wanted = forecast_of(rows)
        if wanted.total <= available:
            return rows
        if rows == 1:
            break
        rows = (rows + 1) // 2
    weights = wanted.parameters + wanted.gradients + wanted.optimizer
    parts = {
        "fewer rows or fewer columns": wanted.data,
        "narrower layers, or the optimizer 'sgd'": weights,
        "narrower layers": wanted.activations,
    }
    raise OutOfMemoryError(
        f"The training does not fit: even with a batch of one row it needs {_size(wanted.total)}, and "
        f"{_size(available)} are free. Its weights, gradients and optimizer take {_size(weights)}, "
        f"the data {_size(wanted.data)}. Try {max(parts, key=lambda words: parts[words])}."
    )


def _size(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= 0.95 * factor:
            return f"{count / factor:.1f} {unit}"
    return f"{max(count, 0) / 1e6:.2f} MB"


# -- what there is


def available(device: str | torch.device) -> int:
    """Return the bytes that a training on the device can still take.

    On the processor it is the least of what the system, the control groups (version 1 and 2) and the limit of
    the process's address space leave; on a device also what torch's allocator holds and does not use.
    """
    kind = str(device).split(":")[0]
    if kind == "cpu":
        import psutil

        limits = [int(psutil.virtual_memory().available), *cgroup_free(), *_address_space()]
        return max(0, min(limits))
    import torch

    if kind == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        return int(free_bytes + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    return max(0, int(torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()))


_V2 = ("memory.max", "memory.current", "inactive_file")
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def cgroup_free(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """Return what each control group above this process leaves; nothing where there is no limit.

    Parameters
    ----------
    root : Path
        Where the groups are mounted.
    own : Path
        The list of this process's groups (``man 7 cgroups``).
    """
    found: list[int] = []
    for folder, names in _groups(root, own):
        limit_name, used_name, cache_name = names
        with contextlib.suppress(OSError, ValueError):  # "max", or a group that this process may not see
            limit = int((folder / limit_name).read_text())
            used = int((folder / used_name).read_text())
            # files that the system keeps in memory as long as nobody needs it are counted as used
            found.append(max(0, limit - used + _stat(folder / "memory.stat", cache_name)))
    return found


def _groups(root: Path, own: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        parts = line.split(":", 2)
        if len(parts) != 3 or (parts[1] and "memory" not in parts[1].split(",")):
            continue
        names = _V1 if parts[1] else _V2
        # "unified" where both versions are mounted; in a container the path may be the host's, so its parents count
        for base in [root / "memory"] if parts[1] else [root, root / "unified"]:
            folder = base / parts[2].lstrip("/")
            while True:
                if (folder / names[0]).is_file():
                    yield folder, names
                if folder == base or base not in folder.parents:
                    break
                folder = folder.parent


def _stat(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        if line.startswith(name + " "):
            return int(line.split()[1])
    return 0


def _address_space() -> list[int]:
    try:
        import resource
    except ImportError:  # Windows has none
        return []
    import psutil

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if limit == resource.RLIM_INFINITY else [limit - int(psutil.Process(os.getpid()).memory_info().vms)]


# -- when it did not suffice


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory did not suffice, on whatever device.

    Python, numpy and pandas raise a `MemoryError`; torch raises its own error on CUDA and a plain `RuntimeError`
    on the processor and on MPS, which only the words tell apart.
    """
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in MEMORY_WORDS)


def free(device: str | torch.device) -> None:
    """Give back what nothing refers to any more, the device's cached blocks too.

    A frame that still holds tensors (a traceback does) keeps them: call it after the error was let go.
    """
    gc.collect()
    kind = str(device).split(":")[0]
    if kind == "cpu":
        return
    import torch

    if kind == "cuda":
        with torch.cuda.device(device):
            torch.cuda.empty_cache()
    elif kind == "mps":
        torch.mps.empty_cache()
