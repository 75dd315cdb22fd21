"""A constructor of somebody's own that raises: the panel and the browser of algorithms say so, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sklearn.linear_model import LogisticRegression

import medilytica_widgets as mw
from medilytica_widgets import registered


class Even(LogisticRegression):
    """A logistic regression that takes an even number of iterations."""

    def __init__(self, max_iter: int = 20) -> None:
        if max_iter % 2:
            raise ValueError("max_iter has to be even")
        super().__init__(max_iter=max_iter)


class Broken(LogisticRegression):
    """One whose file is gone."""

    def __init__(self, max_iter: int = 20) -> None:
        raise OSError("no such file")


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    mw.register.algorithm("even")(Even)
    mw.register.algorithm("broken")(Broken)
    made = mw.Experiment(mw.load_dataset("moons"), algorithm="even")
    yield made
    made.close()
    for entry in registered.entries("algorithm"):
        mw.register.remove("algorithm", entry.id)


def test_the_panel_says_why_beside_the_field(browser: Any, experiment: mw.Experiment) -> None:
    panel = mw.HyperparameterPanel(experiment)
    answer, _ = browser.ask(panel, "hyperparameters.set", {"name": "max_iter", "value": 31})
    assert answer["kind"] == "hyperparameters.set.error"
    assert answer["body"]["parameter"] == "max_iter"
    assert "cannot be made with max_iter=31: ValueError: max_iter has to be even" in answer["body"]["message"]
    assert experiment.hyperparameters["max_iter"] == 20
    answer, _ = browser.ask(panel, "hyperparameters.set", {"name": "max_iter", "value": 32})
    assert answer["kind"] == "hyperparameters.set.result"


def test_the_tree_says_why_it_was_not_chosen(browser: Any, experiment: mw.Experiment) -> None:
    tree = mw.AlgorithmBrowser(experiment)
    answer, _ = browser.ask(tree, "algorithm.select", {"id": "broken"})
    assert answer["kind"] == "algorithm.select.error"
    assert "OSError: no such file. Set other values, or mend its constructor" in answer["body"]["message"]
    assert experiment.algorithm.id == "even"
