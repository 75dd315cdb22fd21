"""The tree of algorithms: what it documents, what it chooses, which scores it shows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import load_dataset
from medilytica_widgets.experiment import Experiment
from medilytica_widgets.widgets.algorithm_browser import AlgorithmBrowser


@pytest.fixture
def experiment() -> Iterator[Experiment]:
    made = Experiment(load_dataset("moons"), hyperparameters={"epochs": 2})
    yield made
    made.close()


def test_it_documents_every_registered_algorithm(browser: Any, experiment: Experiment) -> None:
    tree = AlgorithmBrowser(experiment)
    assert [entry["id"] for entry in tree.catalogue] == [a.id for a in algorithms.list_()]
    first = tree.catalogue[0]
    assert first["name"] == "Multilayer perceptron"
    assert all(first[name] for name in ("category", "tasks", "summary", "when", "when_not", "references"))
    assert first["parameters"][0] == "learning rate"
    assert (tree.selected, tree.task, tree.scores) == ("mlp", "classification", {})


def test_the_catalogue_is_small(browser: Any, experiment: Experiment) -> None:
    assert len(json.dumps(AlgorithmBrowser(experiment).catalogue)) < 2000 * len(algorithms.list_())


def test_what_cannot_learn_the_target_says_why(browser: Any) -> None:
    tree = AlgorithmBrowser(Experiment(load_dataset("diabetes")))
    reasons = {entry["id"]: entry["unavailable"] for entry in tree.catalogue}
    assert "classification only" in reasons["logistic_regression"]
    assert reasons["random_forest"] == ""


def test_one_that_is_registered_later_comes_into_the_tree(browser: Any, experiment: Experiment) -> None:
    tree = AlgorithmBrowser(experiment)
    known = len(tree.catalogue)
    forest = algorithms.get("random_forest")
    algorithms.register(dataclasses.replace(forest, id="another_forest", name="Another forest"))
    try:
        experiment.set("epochs", 3)
        browser.until(lambda: len(tree.catalogue) > known)
        assert tree.catalogue[-1]["name"] == "Another forest"
        assert len(tree.catalogue) == known + 1
    finally:
        algorithms.unregister("another_forest")


def test_a_click_chooses_for_everyone(browser: Any, experiment: Experiment) -> None:
    tree, other = AlgorithmBrowser(experiment), AlgorithmBrowser(experiment)
    answer, _ = browser.ask(tree, "algorithm.select", {"id": "random_forest"})
    assert answer["kind"] == "algorithm.select.result"
    assert experiment.algorithm.id == tree.selected == "random_forest"
    browser.until(lambda: other.selected == "random_forest")


def test_one_that_does_not_fit_is_refused_and_nothing_changes(browser: Any) -> None:
    experiment = Experiment(load_dataset("diabetes"))
    tree = AlgorithmBrowser(experiment)
    answer, _ = browser.ask(tree, "algorithm.select", {"id": "logistic_regression"})
    assert answer["kind"] == "algorithm.select.error"
    assert "Logistic regression" in answer["body"]["message"]
    assert tree.selected == experiment.algorithm.id == "mlp"


def test_a_finished_run_leaves_its_score_at_its_algorithm(browser: Any, experiment: Experiment) -> None:
    tree = AlgorithmBrowser(experiment)
    run = experiment.train(wait=True)
    browser.until(lambda: "mlp" in tree.scores)
    expected = {"value": run.evaluate().metrics["accuracy"], "metric": "accuracy", "run": "run 1"}
    assert tree.scores == {"mlp": expected}


def test_the_best_run_counts_and_a_new_view_knows_it(browser: Any, experiment: Experiment) -> None:
    experiment.set("learning_rate", 1e-6)
    poor = experiment.train(wait=True).evaluate().metrics["accuracy"]
    experiment.set("learning_rate", 0.01)
    experiment.set("epochs", 30)
    good = experiment.train(wait=True).evaluate().metrics["accuracy"]
    assert good > poor
    assert AlgorithmBrowser(experiment).scores["mlp"]["value"] == good


def test_a_regression_is_scored_by_r2(browser: Any) -> None:
    experiment = Experiment(load_dataset("diabetes"), algorithm="random_forest")
    experiment.train(wait=True).evaluate()
    assert AlgorithmBrowser(experiment).scores["random_forest"]["metric"] == "r2"


def test_the_static_form_says_what_was_chosen(headless: Any, experiment: Experiment) -> None:
    experiment.train().evaluate()
    markup = AlgorithmBrowser(experiment).static_html()
    assert "Multilayer perceptron" in markup
    assert "accuracy" in markup
    assert headless.comms == []
