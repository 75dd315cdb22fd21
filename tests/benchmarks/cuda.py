"""On a GPU: the graph path beside a bare graph of the same step and the textbook loop. Without one it says so."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from medilytica_widgets.engine.cuda_graph import GraphPath
from medilytica_widgets.engine.flat import FlatModel
from medilytica_widgets.engine.stepping import Objective, StepSettings

from .harness import race, record

ROWS = 100_000
SHAPES = {"30→64→64→2": (30, 64, 2), "100→512→512→10": (100, 512, 10)}
BATCHES = (32, 256, 4096)
ROUNDS = 7
LIMIT = 1.25
"""Times the bare graph's seconds that the graph path may take."""
MOST_STEPS = 400


def reason() -> str:
    """Return why nothing can be measured here, or nothing."""
    return "" if torch.cuda.is_available() else "there is no CUDA device on this machine"


def main(rounds: int = ROUNDS, quick: bool = False) -> None:
    """Measure at all shapes and batch sizes, and write the table; without a GPU only say why not."""
    why = reason()
    if why:
        print(f"The GPU benchmark was skipped: {why}.")
        return
    lines = [
        f"Device: {torch.cuda.get_device_name()}, torch {torch.__version__}. One epoch or {MOST_STEPS} batches, Adam, "
        f"float32; medians of {rounds} interleaved rounds. The bare graph replays forward, backward and torch's fused "
        "capturable Adam on one batch that never changes: no rows are gathered, nothing is counted.",
        "",
        "| network | batch | contestant | µs a step | spread | against the bare graph |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    slower = []
    for name, shape in SHAPES.items():
        for batch in BATCHES:
            steps = min(MOST_STEPS, ROWS // batch)
            timings = race(contestants(shape, batch, steps), rounds)
            bare = next(t.median for t in timings if t.name == "bare graph")
            for timing in timings:
                times = timing.median / bare
                each = timing.median / steps * 1e6
                lines.append(f"| {name} | {batch} | {timing.name} | {each:.1f} | {timing.spread} | {times:.2f} |")
                if timing.name == "graph path" and times > LIMIT:
                    slower.append(f"{name} at {batch}: {times:.2f}")
    lines += ["", f"Slower than {LIMIT} times the bare graph: {', '.join(slower) or 'nowhere'}."]
    record("Training on a GPU", lines, write=not quick)


def contestants(shape: tuple[int, int, int], batch: int, steps: int) -> dict[str, Callable[[], float | None]]:
    """Return the contestants, each warm and ready: a call trains ``steps`` batches and returns its seconds."""
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.standard_normal((ROWS, shape[0]), dtype=np.float32)).cuda()
    y = torch.from_numpy(rng.integers(0, shape[2], ROWS)).cuda()
    return {
        "bare graph": _bare(shape, X[:batch].clone(), y[:batch].clone(), steps),
        "graph path": _ours(shape, X, y, batch, steps),
        "textbook loop, rows on the device": _textbook(shape, X, y, batch, steps),
    }


def _network(shape: tuple[int, int, int]) -> nn.Sequential:
    n_features, units, outputs = shape
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(n_features, units),
        nn.ReLU(),
        nn.Linear(units, units),
        nn.ReLU(),
        nn.Linear(units, outputs),
    ).cuda()


def _timed(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started


def _bare(shape: tuple[int, int, int], x: torch.Tensor, y: torch.Tensor, steps: int) -> Callable[[], float]:
    model = _network(shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True, capturable=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        step()

    def replay() -> None:
        for _ in range(steps):
            graph.replay()

    return lambda: _timed(replay)


def _ours(shape: tuple[int, int, int], X: torch.Tensor, y: torch.Tensor, batch: int, steps: int) -> Callable[[], float]:
    settings, notes = StepSettings(batch, "adam"), []
    path = GraphPath(
        FlatModel(_network(shape), "adam", settings.momentum),
        Objective(shape[2]),
        X,
        y,
        X[:0],
        y[:0],
        dropouts=[],
        settings=settings,
        threads=1,
        mixed=False,
        part_rows=None,
        note=notes.append,
    )
    rng, rates = np.random.default_rng(1), np.full(steps, 1e-3)
    orders = itertools.cycle([rng.permutation(ROWS) for _ in range(3)])
    path.train(next(orders), 0, steps, rates, settings)

    def train() -> None:
        # a new order each time, as each epoch has one; it is drawn beforehand, and moved to the device here
        path.train(next(orders), 0, steps, rates, settings)
        assert not notes, notes

    return lambda: _timed(train)


def _textbook(
    shape: tuple[int, int, int], X: torch.Tensor, y: torch.Tensor, batch: int, steps: int
) -> Callable[[], float]:
    model = _network(shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def train() -> None:
        order, total = torch.randperm(ROWS, device=X.device), 0.0
        for k in range(steps):
            rows = order[k * batch : (k + 1) * batch]
            optimizer.zero_grad()
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()

    return lambda: _timed(train)


if __name__ == "__main__":
    main()
