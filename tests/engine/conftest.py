"""Runs on small real tables, closed when a test ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import Prepared, load_dataset, prepare, split
from medilytica_widgets.engine import Job, Trainer
from medilytica_widgets.network import Layer

SMALL = (Layer("linear", units=8),)
ENDLESS = 1_000_000
"""Epochs of a run that a test stops itself."""


def _prepared(name: str) -> Prepared:
    data = load_dataset(name)
    return prepare(data, split(data))


@pytest.fixture(scope="session")
def moons() -> Prepared:
    return _prepared("moons")


@pytest.fixture(scope="session")
def iris() -> Prepared:
    return _prepared("iris")


@pytest.fixture(scope="session")
def diabetes() -> Prepared:
    return _prepared("diabetes")


@pytest.fixture
def make() -> Iterator[Callable[..., Trainer]]:
    """Return ``make(prepared, algorithm="mlp", layers=…, seed=0, **values) -> Trainer``."""
    made: list[Trainer] = []

    def factory(
        prepared: Prepared, algorithm: Any = "mlp", layers: Sequence[Layer] = SMALL, seed: int = 0, **values: Any
    ) -> Trainer:
        found = algorithms.get(algorithm) if isinstance(algorithm, str) else algorithm
        made.append(Trainer(Job(found, values, prepared, layers=layers, seed=seed)))
        return made[-1]

    yield factory
    for trainer in made:
        trainer.close()


@pytest.fixture
def endless() -> int:
    return ENDLESS


@pytest.fixture
def until() -> Callable[..., None]:
    """Return a function that waits for a condition; its deadline is there to fail instead of hanging."""

    def wait(condition: Callable[[], bool], seconds: float = 30.0) -> None:
        over = threading.Event()
        timer = threading.Timer(seconds, over.set)
        timer.daemon = True
        timer.start()
        try:
            while not condition():
                assert not over.is_set(), "the condition did not come true in time"
                over.wait(0.002)
        finally:
            timer.cancel()

    return wait


@pytest.fixture
def train() -> Iterator[Callable[..., Trainer]]:
    """Return ``train(job, **more) -> Trainer``, which has ended."""
    made: list[Trainer] = []

    def run(given: Job, **more: Any) -> Trainer:
        made.append(Trainer(given, **more))
        made[-1].start()
        made[-1].wait(120)
        return made[-1]

    yield run
    for trainer in made:
        trainer.close()
