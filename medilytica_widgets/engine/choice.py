"""Which path trains a perceptron, and on how many threads: a model of the costs, and a measurement where it is close.

A path changes the order of sums, so the same machine must always choose the same: what was once measured is kept
in a file, and the model alone decides where it is clear.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, hint
from .atomic import replacing, write_all
from .perceptron.plan import Plan, Stage

PATHS = ("auto", "compiled", "written", "general")
"""What can be asked for, as an argument or by the environment variable `VARIABLE`."""

VARIABLE = "MEDILYTICA_PATH"

CLEAR = 1.5
"""Where the model alone puts the compiled path ahead by this factor, nothing is measured."""

MARGIN = 1.2
"""How much faster another path must be than the compiled one, and many threads than one."""

PROBE_SECONDS = 0.03
"""After this time no measurement is repeated."""

PROBE_FLOPS = 1.4e8
"""Floating-point operations of one timed product at the most (with 32 rows or more): some 1.5 ms of a core. With
fewer, several threads look slower than they are."""

WIDE = 128 * 128
"""Weights of the largest layer from which on several threads are considered: with smaller ones a step has many short
waits, and on a machine that is busy with anything else each can take milliseconds."""

COLLAPSED = 0.7
"""Where all threads reach less than this part of one thread's speed, the machine was busy with something else; what
was measured then is used in this process and not kept."""

FORMAT = 1


@dataclass(frozen=True)
class Choice:
    """How steps are carried out.

    Attributes
    ----------
    path : str
        "compiled", "written" or "general".
    threads : int
        Of a step; 0 for a network without a plan, where `devices.place` finds them.
    reason : str
        For the log.
    """

    path: str
    threads: int
    reason: str


@dataclass(frozen=True)
class Speeds:
    """Floating-point operations a second in the matrix products of the largest stage.

    ``compiled`` is scipy's BLAS on one thread, ``single`` and ``many`` torch on one and on all threads.
    """

    compiled: float
    single: float
    many: float


def choose_path(
    plan: Plan | None,
    batch_size: int,
    optimizer: str,
    *,
    cores: int,
    cache: Path | None = None,
    path: str | None = None,
    measure: Callable[[Stage, int, int], Speeds] | None = None,
) -> Choice:
    """Return the path for a network on the processor.

    Parameters
    ----------
    plan : Plan or None
        None for a network that is no plain perceptron: only the general path serves it.
    batch_size : int
        Counts rounded up to a power of two.
    optimizer : str
        An id of `stepping.SLOTS`.
    cores : int
        Threads that torch may use.
    cache : Path, optional
        A JSON file of what was measured on this machine. It is made when missing, and ignored where it is damaged
        or was written with other versions or on another processor.
    path : str, optional
        One of `PATHS`, instead of the environment variable and of any choice.
    measure : callable, optional
        ``(largest stage, rows, threads) -> Speeds`` in place of `measure_speeds`.

    Raises
    ------
    InputError
        For a path that does not exist.
    """
    asked, whence = path, "It was asked for"
    if asked is None:
        asked, whence = os.environ.get(VARIABLE) or "auto", f"The environment variable {VARIABLE} asks for it"
    if asked not in PATHS:
        where = f"the environment variable {VARIABLE}" if path is None else "path"
        raise InputError(f"There is no training path {asked!r}, which {where} names. {hint(asked, PATHS)}")
    if plan is None:
        return Choice("general", 0, "No fast path serves this kind of network.")
    if asked != "auto" and asked != "general" and asked not in plan.paths:
        return Choice("general", 0, f"The {asked} path does not serve this network's activations.")
    if asked == "compiled":
        return Choice("compiled", 1, f"{whence}.")
    batch = 1 << max(0, batch_size - 1).bit_length()
    chosen = _choose(plan, batch, optimizer, cores, cache, measure or measure_speeds, asked)
    return chosen if asked == "auto" else Choice(asked, chosen.threads, f"{whence}.")


def _choose(
    plan: Plan,
    batch: int,
    optimizer: str,
    cores: int,
    cache: Path | None,
    measure: Callable[[Stage, int, int], Speeds],
    asked: str,
) -> Choice:
    open_to = [asked] if asked != "auto" else list(plan.paths)
    guess = costs(plan, batch, optimizer, GUESS, cores)
    wide = max(s.inputs * s.outputs for s in plan.stages if s.kind == "linear") >= WIDE
    rival = min(guess["written", 1], guess["written", cores]) if wide else guess["written", 1]
    if "compiled" in open_to and guess["compiled"] * CLEAR < rival:
        return Choice("compiled", 1, "Small layers: the calls of other paths would take longer than the arithmetic.")
    speeds = _measured(plan, batch, cores if wide else 1, cores, cache, measure)
    found = costs(plan, batch, optimizer, speeds, cores)
    single, many = found["written", 1], found["written", cores]
    threads = cores if wide and many * MARGIN < single else 1
    written = min(single, many) if threads == cores else single
    told = f"{written * 1e6:.0f} µs a step on {threads} thread{'s' if threads > 1 else ''}"
    if "compiled" not in open_to:
        return Choice("written", threads, f"Estimated from measured products: {told}.")
    compiled = found["compiled"]
    if written * MARGIN < compiled:
        return Choice(
            "written", threads, f"Estimated from measured products: {told}, compiled {compiled * 1e6:.0f} µs."
        )
    return Choice("compiled", 1, f"Estimated from measured products: {compiled * 1e6:.0f} µs a step, written {told}.")


# -- the model

GUESS = Speeds(compiled=60e9, single=80e9, many=160e9)
"""Against the compiled path, so that what is clear with these is clear on most machines."""

# Fitted to the steps a second of 30→64→64→2 and 100→512→512→10 at batches of 32, 256 and 4096 rows.
_STAGE = 1e-6
"""Seconds of the compiled path's calls for a stage and a step."""
_OPERATOR, _OPERATORS, _OPERATORS_OF_A_STEP = 2.2e-6, 12, 14
"""Seconds of one of the written path's operators, and how many it has for a stage and beside them."""
_VALUE, _WRITTEN_VALUE = 1.4e-9, 2.2e-9
"""Seconds for a value of a stage's output, in forward and backward together, on one thread."""
_WEIGHT = {"sgd": 0.3e-9, "nadam": 1.2e-9}
_OTHER_WEIGHT, _WRITTEN_WEIGHT = 0.7e-9, 1.1e-9
"""Seconds for a weight in the optimizer."""


def costs(plan: Plan, batch: int, optimizer: str, speeds: Speeds, cores: int) -> dict[str | tuple[str, int], float]:
    """Return the seconds of a step: of ``"compiled"``, ``("written", 1)`` and ``("written", cores)``."""
    stages = [stage for stage in plan.stages if stage.kind == "linear"]
    flops = sum(stage.inputs * stage.outputs for stage in stages) * 6.0 * batch
    # the first layer's inputs need no gradient
    flops -= 2.0 * batch * stages[0].inputs * stages[0].outputs
    values = float(batch * sum(stage.outputs for stage in plan.stages))
    calls = _OPERATOR * (_OPERATORS * len(stages) + _OPERATORS_OF_A_STEP)
    update = plan.size * _WRITTEN_WEIGHT
    return {
        ("written", cores): calls + flops / speeds.many + values * _WRITTEN_VALUE / cores + update,
        ("written", 1): calls + flops / speeds.single + values * _WRITTEN_VALUE + update,
        "compiled": _STAGE * len(stages)
        + flops / speeds.compiled
        + values * _VALUE
        + plan.size * _WEIGHT.get(optimizer, _OTHER_WEIGHT),
    }


# -- the measurement

_measuring = threading.Lock()
_known: dict[str, Speeds] = {}


def _measured(
    plan: Plan, batch: int, threads: int, cores: int, cache: Path | None, measure: Callable[[Stage, int, int], Speeds]
) -> Speeds:
    """Return the speeds for a plan, from the process's memory, the file, or now."""
    largest = max((s for s in plan.stages if s.kind == "linear"), key=lambda s: s.inputs * s.outputs)
    fitting = max(32, int(PROBE_FLOPS / (2.0 * largest.inputs * largest.outputs)))
    # a power of two as the batch is one: an odd number of rows would be a shape that BLAS serves badly
    rows = min(batch, 1 << (fitting.bit_length() - 1))
    key = f"{largest.inputs}x{largest.outputs}x{rows} on {threads}"
    # one at a time: two that run at once would time each other
    with _measuring:
        place = f"{cache}|{cores}|{key}"
        if place not in _known:
            kept = read_speeds(cache, cores) if cache is not None else {}
            if key not in kept:
                kept[key] = measure(largest, rows, threads)
                # threads that wait for a busy core make it slower than one: true now, and wrong tomorrow
                if cache is not None and kept[key].many >= COLLAPSED * kept[key].single:
                    _write(cache, cores, kept)
            _known[place] = kept[key]
        return _known[place]


def measure_speeds(stage: Stage, rows: int, threads: int) -> Speeds:
    """Time a stage's three matrix products; the best of a few repeats, because a busy machine only slows one down."""
    import torch
    from scipy.linalg import blas

    from .devices import limit_threads
    from .perceptron.blas import one_thread

    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, stage.inputs), dtype=np.float32)
    w = rng.standard_normal((stage.outputs, stage.inputs), dtype=np.float32)
    g = rng.standard_normal((rows, stage.outputs), dtype=np.float32)
    outs = [np.zeros_like(g), np.zeros_like(w), np.zeros_like(x)]
    tx, tw, tg, *touts = (torch.from_numpy(a) for a in (x, w, g, *outs))

    def by_scipy() -> None:
        blas.sgemm(1.0, w.T, x.T, c=outs[0].T, trans_a=1, overwrite_c=1)
        blas.sgemm(1.0, x.T, g.T, c=outs[1].T, trans_b=1, overwrite_c=1)
        blas.sgemm(1.0, w.T, g.T, c=outs[2].T, overwrite_c=1)

    def by_torch() -> None:
        torch.mm(tx, tw.t(), out=touts[0])
        torch.mm(tg.t(), tx, out=touts[1])
        torch.mm(tg, tw, out=touts[2])

    flops = 6.0 * rows * stage.inputs * stage.outputs
    deadline = time.perf_counter() + PROBE_SECONDS
    cpu, own = torch.device("cpu"), _own_clock()
    best = dict.fromkeys(("compiled", "single", "many"), math.inf)
    with one_thread():
        by_scipy()
        best["compiled"] = _best(by_scipy, deadline - 2 * PROBE_SECONDS / 3, own)
    with limit_threads(cpu, 1):
        by_torch()
        best["single"] = best["many"] = _best(by_torch, deadline - PROBE_SECONDS / 3, own)
    if threads > 1:
        with limit_threads(cpu, threads):
            # the first call starts the threads; on a busy machine a single product can take longer than all three above
            started = time.perf_counter()
            for _ in range(2):
                started = time.perf_counter()
                torch.mm(tx, tw.t(), out=touts[0])
            best["many"] = 3.0 * (time.perf_counter() - started)
            if best["many"] < 3.0 * best["single"]:
                best["many"] = _best(by_torch, deadline)
    return Speeds(**{name: flops / seconds for name, seconds in best.items()})


def _best(work: Callable[[], None], deadline: float, clock: Callable[[], float] = time.perf_counter) -> float:
    best, repeats = math.inf, 0
    while repeats < 2 or (repeats < 20 and time.perf_counter() < deadline):
        started = clock()
        work()
        best = min(best, clock() - started)
        repeats += 1
    return best


def _own_clock() -> Callable[[], float]:
    """Return the clock of this thread's own work, which stands while others have the core, if it is fine enough."""
    fine = time.get_clock_info("thread_time").resolution < 1e-6
    return time.thread_time if fine else time.perf_counter


# -- the file


def machine(cores: int) -> dict[str, Any]:
    """Return what a measurement holds for: versions, processor and cores."""
    found: dict[str, Any] = {"format": FORMAT, "cores": cores, "processor": _processor()}
    for package in ("torch", "numba", "scipy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = ""
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def read_speeds(cache: Path, cores: int) -> dict[str, Speeds]:
    """Return what a file holds for this machine; nothing where it is missing, damaged or of another one."""
    try:
        content = json.loads(cache.read_text(encoding="utf-8"))
        if content["machine"] != machine(cores):
            return {}
        kept = {str(key): Speeds(**{k: float(v) for k, v in s.items()}) for key, s in content["speeds"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {key: s for key, s in kept.items() if all(0.0 < v < math.inf for v in asdict(s).values())}


def _write(cache: Path, cores: int, kept: dict[str, Speeds]) -> None:
    content = {"machine": machine(cores), "speeds": {key: asdict(speeds) for key, speeds in sorted(kept.items())}}
    # without the file the next process measures again; nothing is lost that a run needs
    with contextlib.suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cache, durable=False) as file:
            write_all(file, json.dumps(content, indent=1).encode())
