"""PerformanceDashboard: the evaluation in plain values, saving a model, predicting a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import InputError
from medilytica_widgets.widgets.performance_dashboard import PerformanceDashboard, local_path, slug, typical


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    made = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 15, "learning_rate": 0.02}, name="Iris 1!")
    yield made
    made.close()


@pytest.fixture
def dashboard(browser: Any, experiment: mw.Experiment) -> Iterator[PerformanceDashboard]:
    widget = PerformanceDashboard(experiment)
    yield widget
    widget.close()


@pytest.fixture
def trained(browser: Any, dashboard: PerformanceDashboard, experiment: mw.Experiment) -> PerformanceDashboard:
    experiment.train().wait(60)
    browser.until(lambda: dashboard.evaluation is not None and dashboard.form is not None)
    return dashboard


def test_before_the_first_run_nothing_is_shown_and_nothing_can_be_saved(
    browser: Any, dashboard: PerformanceDashboard
) -> None:
    assert (dashboard.evaluation, dashboard.run, dashboard.path, dashboard.form) == (None, None, "", None)
    answer, _ = browser.ask(dashboard, "model.save", {"path": "m.mw"})
    assert answer["kind"] == "model.save.error" and "Press Train" in answer["body"]["message"]


def test_an_ended_run_is_evaluated_on_its_own(trained: PerformanceDashboard, experiment: mw.Experiment) -> None:
    found, state = experiment.run.evaluate(), trained.evaluation
    assert [tile["id"] for tile in state["tiles"]] == ["accuracy", "f1_macro", "log_loss", "roc_auc"]
    assert state["tiles"][0]["value"] == found.metrics["accuracy"]
    assert state["confusion"] == found.confusion.tolist()
    assert [row["class"] for row in state["per_class"]] == experiment.data.classes
    assert (state["n"], state["sentence"]) == (30, found.sentence)
    assert trained.run["name"] == "run 1"
    json.dumps(state, allow_nan=False)


def test_the_last_evaluation_stays_while_the_next_run_trains(
    browser: Any, trained: PerformanceDashboard, experiment: mw.Experiment
) -> None:
    experiment.set("epochs", 1_000_000)
    experiment.train()
    browser.until(lambda: trained.run["training"] == "run 2")
    assert trained.run["name"] == "run 1" and trained.evaluation is not None
    # one that has learned nothing would leave the first run's evaluation standing
    browser.until(lambda: len(experiment.run.telemetry) > 0)
    experiment.run.stop()
    browser.until(lambda: trained.run["name"] == "run 2")


def test_regression_has_tiles_of_its_own(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("diabetes"), hyperparameters={"epochs": 3})
    dashboard = PerformanceDashboard(experiment, compact=True)
    experiment.train().wait(60)
    browser.until(lambda: dashboard.evaluation is not None)
    labels = [tile["label"] for tile in dashboard.evaluation["tiles"]]
    assert labels == ["R²", "mean absolute error", "root mean squared error"]
    assert dashboard.evaluation["confusion"] == [] and dashboard.form is None


def test_the_model_is_saved_beside_the_notebook(
    browser: Any, trained: PerformanceDashboard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert trained.path == "iris_1.mw"
    answer, _ = browser.ask(trained, "model.save", {"path": "mine"})
    assert answer["body"]["sentence"].startswith("Saved mine.mw (")
    assert mw.load_model(tmp_path / "mine.mw").spec.algorithm == "mlp"
    again, _ = browser.ask(trained, "model.save", {"path": "mine.mw"})
    assert again["body"]["sentence"].startswith("Replaced mine.mw")


@pytest.mark.parametrize("path", ["", "  ", "/etc/model.mw", "../model.mw", "no/such/folder/model.mw"])
def test_a_model_is_not_saved_elsewhere(path: str) -> None:
    with pytest.raises(InputError):
        local_path(path)


@pytest.mark.parametrize(("name", "expected"), [("Kepler candidates", "kepler_candidates"), ("…", "model")])
def test_names_become_file_names(name: str, expected: str) -> None:
    assert slug(name) == expected


def test_one_row_is_predicted_from_the_form(
    browser: Any, trained: PerformanceDashboard, experiment: mw.Experiment
) -> None:
    fields = trained.form["fields"]
    assert len(fields) == 4 and trained.form["held"] == ""
    row = {field["name"]: field["value"] for field in fields}
    answer, _ = browser.ask(trained, "predict.row", {"values": row})
    expected = experiment.run.predict(pd.DataFrame([row])).iloc[0]
    assert answer["body"]["prediction"] == expected["prediction"]
    probabilities = dict(answer["body"]["probabilities"])
    assert list(probabilities) == experiment.data.classes
    assert sum(probabilities.values()) == pytest.approx(1)


def test_what_is_left_out_or_missing_is_filled_in(browser: Any, trained: PerformanceDashboard) -> None:
    name = trained.form["fields"][0]["name"]
    for values in ({}, {name: None}):
        answer, _ = browser.ask(trained, "predict.row", {"values": values})
        assert answer["kind"] == "predict.row.result"


@pytest.mark.parametrize("values", [{"nothing": 1.0}, {"petal length (cm)": "long"}])
def test_a_wrong_value_names_its_column(browser: Any, trained: PerformanceDashboard, values: dict[str, Any]) -> None:
    answer, _ = browser.ask(trained, "predict.row", {"values": values})
    assert answer["kind"] == "predict.row.error"
    assert next(iter(values)) in answer["body"]["message"]


def test_a_row_of_categories_is_predicted_too(browser: Any) -> None:
    rows = np.arange(120)
    table = pd.DataFrame(
        {
            "age": rows % 37 + 0.5,
            "height": rows % 29 + 150.25,
            "ward": np.array(["north", "south", "east"])[rows % 3],
            "smoker": np.where(rows % 5 == 0, "yes", "no"),
            "ill": np.where(rows % 3 == 0, "y", "n"),
        }
    )
    experiment = mw.Experiment(mw.load_dataset(table, target="ill"), "random_forest", {"n_estimators": 5})
    dashboard = PerformanceDashboard(experiment)
    experiment.train().wait(60)
    browser.until(lambda: dashboard.form is not None)
    fields = {field["name"]: field for field in dashboard.form["fields"]}
    assert fields["ward"]["kind"] == "choice" and set(fields["ward"]["choices"]) == {"north", "south", "east"}
    answer, _ = browser.ask(dashboard, "predict.row", {"values": {"ward": "north", "smoker": "no", "age": 20}})
    assert answer["body"]["prediction"] in ("y", "n")


def test_typical_values() -> None:
    assert typical(pd.Series([1.0, 2.00004, 9.0]), "numeric") == 2.0
    assert typical(pd.Series(["a", "b", "b", None]), "categorical") == "b"
    assert np.isnan(typical(pd.Series([None, None]), "categorical"))


def test_the_static_form_holds_numbers_matrix_and_classes(headless: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 2})
    dashboard = PerformanceDashboard(experiment)
    assert "nothing to test" in dashboard.static_html()
    run = experiment.train()
    markup = dashboard.static_html()
    assert markup.count('class="mwr-plot"') == 2
    assert f"{run.evaluate().metrics['accuracy']:.3f}" in markup and "held-out test rows: 30" in markup
