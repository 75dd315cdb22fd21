"""Views of one target name the head they show, and offer no column that another head learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import ColumnNotFoundError
from medilytica_widgets.widgets.decision_boundary import DecisionBoundary
from medilytica_widgets.widgets.performance_dashboard import PerformanceDashboard

TWO = [mw.Head("classification", name="kind"), mw.Head("regression", target="size")]


@pytest.fixture
def experiment() -> mw.Experiment:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 3)), columns=["a", "b", "size"])
    frame["kind"] = np.where(frame["a"] + frame["size"] > 0, "up", "down")
    data = mw.load_dataset(frame, target="kind")
    return mw.Experiment(data, hyperparameters={"epochs": 2}, heads=TWO)


def test_the_boundary_names_its_head_and_offers_inputs_only(browser: Any, experiment: mw.Experiment) -> None:
    boundary = DecisionBoundary(experiment)
    assert boundary.about == "The picture shows kind, the main head of 2."
    assert sorted(boundary.axes["columns"]) == ["a", "b"]
    with pytest.raises(ColumnNotFoundError):
        DecisionBoundary(experiment, x="size", y="a")


def test_the_boundary_follows_the_next_runs_heads(browser: Any, experiment: mw.Experiment) -> None:
    experiment.set_heads(TWO[:1])
    boundary = DecisionBoundary(experiment, x="size", y="a")
    assert boundary.about == ""
    experiment.set_heads(TWO)
    experiment.train().wait(60)
    browser.until(lambda: boundary.about != "")
    assert (boundary.axes["x"], boundary.axes["y"]) == ("b", "a")
    browser.ask(boundary, "boundary.ready", {"frame": -1})
    browser.until(lambda: any(e["kind"] == "boundary.frame" for e, _ in browser.custom(boundary)))
    assert boundary.failure is None


def test_the_dashboard_names_its_head_and_asks_for_inputs_only(browser: Any, experiment: mw.Experiment) -> None:
    dashboard = PerformanceDashboard(experiment)
    run = experiment.train().wait(60)
    run.evaluate()
    dashboard.flush()
    assert dashboard.about == "The metrics above are those of kind, the main head of 2."
    assert sorted(field["name"] for field in dashboard.form["fields"]) == ["a", "b"]
    experiment.set_heads(TWO[:1])
    experiment.train().wait(60).evaluate()
    dashboard.flush()
    assert dashboard.about == ""
    assert sorted(field["name"] for field in dashboard.form["fields"]) == ["a", "b", "size"]


def test_a_row_is_answered_by_every_head(browser: Any, experiment: mw.Experiment) -> None:
    experiment.set_heads([*TWO, mw.Head("classification", name="again", target="kind", loss="focal")])
    dashboard = PerformanceDashboard(experiment)
    run = experiment.train().wait(60)
    run.evaluate()
    values = {"a": 0.5, "b": -1.0}
    answer, _ = browser.ask(dashboard, "predict.row", {"values": values})
    body, expected = answer["body"], run.predict(pd.DataFrame([values])).iloc[0]
    assert (body["head"], body["prediction"]) == ("kind", expected["prediction"])
    size, again = body["further"]
    assert size == {"head": "size", "prediction": float(expected["size_prediction"]), "probabilities": []}
    assert (again["head"], again["prediction"]) == ("again", expected["again_prediction"])
    shares = [[name, float(expected[f"again_probability_{name}"])] for name in ("down", "up")]
    assert again["probabilities"] == shares
    # of one head it is the answer alone
    experiment.set_heads(TWO[:1])
    experiment.train().wait(60).evaluate()
    answer, _ = browser.ask(dashboard, "predict.row", {"values": {"a": 0.5}})
    assert sorted(answer["body"]) == ["prediction", "probabilities"]


def test_reports_say_it_too(headless: Any, experiment: mw.Experiment) -> None:
    experiment.train()
    for view in (DecisionBoundary(experiment), PerformanceDashboard(experiment)):
        assert "kind, the main head of 2." in view.static_html()
