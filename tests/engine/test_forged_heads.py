"""Stored networks with heads that somebody changed: refused with a sentence, and nothing large is made for them."""

from __future__ import annotations

import copy
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from medilytica_widgets.engine import Trainer, restore_predictor, store_predictor
from medilytica_widgets.errors import ModelFileError
from medilytica_widgets.network import Layer
from tests.engine.heads_table import COUNT, KIND, LAYERS, MAIN, SIZE, job, rows

Facts = dict[str, Any]
HEADS = (MAIN, SIZE.model_copy(update={"weight": "uncertainty"}), KIND, COUNT)


@pytest.fixture(scope="module")
def stored() -> tuple[str, bytes, Facts]:
    trainer = Trainer(job(HEADS, rows(60), epochs=1))
    trainer.start()
    trainer.wait(60)
    found = store_predictor(trainer.predictor())
    trainer.close()
    return found


def entry(index: int, **values: Any) -> Callable[[Facts], None]:
    """Return what changes values of one head's entry."""

    def change(facts: Facts) -> None:
        facts["heads"][index] |= values

    return change


def head(index: int, **values: Any) -> Callable[[Facts], None]:
    """Return what changes values of the specification in one head's entry."""

    def change(facts: Facts) -> None:
        facts["heads"][index]["head"] |= values

    return change


def fact(**values: Any) -> Callable[[Facts], None]:
    """Return what changes values beside the heads."""
    return lambda facts: facts.update(values)


def without(index: int, name: str) -> Callable[[Facts], None]:
    """Return what leaves a value of one head's entry out."""

    def change(facts: Facts) -> None:
        del facts["heads"][index][name]

    return change


FORGERIES: dict[str, Callable[[Facts], None]] = {
    "a class too many": entry(0, classes=["a", "b", "c", "d"]),
    "a class too few": entry(0, classes=["a", "b"]),
    "no classes": entry(0, classes=[]),
    "classes of a number": entry(1, classes=["a"]),
    "classes that are a text": entry(0, classes="abc"),
    "classes that are a number": entry(0, classes=3),
    "a million classes": entry(0, classes=[str(n) for n in range(1_000_000)]),
    "mean NaN": entry(1, mean=float("nan")),
    "mean beyond numbers": entry(1, mean=10**400),
    "spread 0": entry(1, std=0.0),
    "spread endless": entry(1, std=float("inf")),
    "spread a text": entry(1, std="wide"),
    "another task": head(0, task="regression"),
    "no such task": head(0, task="surgery"),
    "no such loss": head(1, loss="own"),
    "a loss that nobody registered": head(1, loss="custom:os.system"),
    "a loss of another task": head(1, loss="cross_entropy"),
    "an option beyond its range": head(1, loss="huber", options={"delta": 1e300}),
    "an option that is not there": head(1, loss="huber", options={"__class__": 1}),
    "a weight that is not there": head(1, weight=1.0),
    "a weight learned that was not": head(0, weight="uncertainty"),
    "a weight below nothing": head(0, weight=-1.0),
    "a name that is none": head(1, name="../size"),
    "two of one name": head(1, name="grade"),
    "no such layer": head(2, at="nowhere"),
    "another layer": head(2, at=""),
    "a field that is not there": head(1, run="rm"),
    "no head in the entry": without(1, "head"),
    "no scale in the entry": without(1, "std"),
    "an entry that is a text": fact(heads=["grade", "size"]),
    "a head too few": lambda facts: facts["heads"].pop(),
    "a head too many": lambda facts: facts["heads"].append(copy.deepcopy(facts["heads"][1])),
    "heads that are a number": fact(heads=10**9),
    "heads that are a table": fact(heads={"0": {}}),
    "columns by the billion": fact(n_features=10**9),
    "columns without end": fact(n_features=float("inf")),
    "another number of columns": fact(n_features=5),
    "no columns": fact(n_features=0),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_entry_is_refused(stored: tuple[str, bytes, Facts], forgery: str) -> None:
    kind, content, given = stored
    facts = copy.deepcopy(given)
    restore_predictor(kind, content, facts, LAYERS, MAIN)
    FORGERIES[forgery](facts)
    with pytest.raises(ModelFileError):
        restore_predictor(kind, content, facts, LAYERS, MAIN)


def with_value(number: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def change(state: dict[str, torch.Tensor]) -> None:
        next(reversed(list(state.values()))).reshape(-1)[0] = number

    return change


def wider(state: dict[str, torch.Tensor]) -> None:
    name = next(iter(state))
    state[name] = torch.zeros(state[name].shape[0] + 1, *state[name].shape[1:])


def renamed(state: dict[str, torch.Tensor]) -> None:
    state["network.__class__"] = state.pop(next(iter(state)))


def of_another_type(state: dict[str, torch.Tensor]) -> None:
    name = next(iter(state))
    state[name] = state[name].double()


def balance_of_more_heads(state: dict[str, torch.Tensor]) -> None:
    state["balance.log_variance"] = torch.zeros(7)


@pytest.mark.parametrize(
    "change",
    [with_value(np.nan), with_value(np.inf), wider, renamed, of_another_type, balance_of_more_heads, dict.popitem],
)
def test_forged_weights_are_refused(
    stored: tuple[str, bytes, Facts], change: Callable[[dict[str, torch.Tensor]], Any]
) -> None:
    kind, content, facts = stored
    state = load(content)
    change(state)
    with pytest.raises(ModelFileError):
        restore_predictor(kind, save(state), facts, LAYERS, MAIN)


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_a_file_cut_short_is_refused(stored: tuple[str, bytes, Facts], cut: int) -> None:
    kind, content, facts = stored
    with pytest.raises(ModelFileError):
        restore_predictor(kind, content[:cut], facts, LAYERS, MAIN)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the size of the process is read from Linux's /proc")
def test_a_network_larger_than_its_weights_is_not_even_made(stored: tuple[str, bytes, Facts]) -> None:
    kind, content, facts = stored
    # 1.6 GB of weights
    layers = (Layer("linear", units=20_000, name="first"), Layer("linear", units=20_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match=r"400,\d+,\d+ weights, and \d+ are stored"):
        restore_predictor(kind, content, facts, layers, MAIN)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, sys.platform
