"""DecisionBoundary: frames only for pages that painted the one before, coarse while training and fine at rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import wire
from medilytica_widgets.errors import ColumnNotFoundError, InputError
from medilytica_widgets.widgets import decision_boundary
from medilytica_widgets.widgets.decision_boundary import COARSE, FINE, DecisionBoundary


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    made = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 1_000_000})
    yield made
    made.close()


@pytest.fixture
def boundary(browser: Any, experiment: mw.Experiment) -> Iterator[DecisionBoundary]:
    widget = DecisionBoundary(experiment)
    yield widget
    widget.close()


def frames(browser: Any, widget: DecisionBoundary) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return [
        (envelope["body"], wire.decode(envelope["buffers"], buffers))
        for envelope, buffers in browser.custom(widget)
        if envelope["kind"] == "boundary.frame"
    ]


def next_frame(browser: Any, widget: DecisionBoundary, acknowledge: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Say that a frame was painted and wait for the one that follows it."""
    browser.post(widget, "boundary.ready", {"frame": acknowledge})
    browser.until(lambda: any(body["frame"] > acknowledge for body, _ in frames(browser, widget)))
    return frames(browser, widget)[-1]


def test_the_most_telling_pair_is_shown_first(boundary: DecisionBoundary) -> None:
    assert (boundary.axes["x"], boundary.axes["y"]) == tuple(boundary.axes["columns"][:2])
    assert boundary.classes == ["setosa", "versicolor", "virginica"]


def test_before_training_only_the_points_come(browser: Any, boundary: DecisionBoundary) -> None:
    body, arrays = next_frame(browser, boundary, -1)
    assert body["epoch"] is None
    assert set(arrays) == {"px", "py", "label"}
    assert len(arrays["px"]) == len(arrays["label"]) > 20
    assert "held at their median" in boundary.held


def test_no_page_no_work(boundary: DecisionBoundary, experiment: mw.Experiment) -> None:
    experiment.train()
    assert boundary._worker is None


def test_while_it_trains_each_painted_frame_brings_the_next(
    browser: Any, boundary: DecisionBoundary, experiment: mw.Experiment
) -> None:
    experiment.train()
    body, arrays = next_frame(browser, boundary, -1)
    while body["epoch"] is None:
        body, arrays = next_frame(browser, boundary, body["frame"])
    later, _ = next_frame(browser, boundary, body["frame"])
    assert arrays["classes"].shape == arrays["confidence"].shape == COARSE
    assert set(arrays["wrong"].tolist()) <= {0, 1}
    assert later["epoch"] > body["epoch"]


def test_a_frame_that_nobody_painted_is_the_last_one(
    browser: Any, boundary: DecisionBoundary, experiment: mw.Experiment
) -> None:
    experiment.train()
    body, _ = next_frame(browser, boundary, -1)
    browser.until(lambda: not boundary._ready)
    learned = len(experiment.run.telemetry)
    browser.until(lambda: len(experiment.run.telemetry) > learned + 20)
    assert frames(browser, boundary)[-1][0]["frame"] == body["frame"]


def test_a_page_that_opens_later_gets_the_latest_frame_in_the_answer(browser: Any, boundary: DecisionBoundary) -> None:
    body, arrays = next_frame(browser, boundary, -1)
    answer, buffers = browser.ask(boundary, "boundary.ready", {"frame": -1})
    assert answer["body"] == body
    assert np.array_equal(wire.decode(answer["buffers"], buffers)["px"], arrays["px"])


def test_at_rest_the_picture_is_refined(browser: Any, boundary: DecisionBoundary, experiment: mw.Experiment) -> None:
    experiment.train()
    body, arrays = next_frame(browser, boundary, -1)
    while "classes" not in arrays:
        body, arrays = next_frame(browser, boundary, body["frame"])
    experiment.run.pause()
    while arrays["classes"].shape != FINE:
        body, arrays = next_frame(browser, boundary, body["frame"])
    assert body["epoch"] == pytest.approx(experiment.run.predictor().epoch)


def test_other_columns_are_chosen_for_everyone(browser: Any, boundary: DecisionBoundary) -> None:
    next_frame(browser, boundary, -1)
    x, y = boundary.axes["columns"][2:4]
    browser.ask(boundary, "boundary.axes", {"x": x, "y": y})
    assert (boundary.axes["x"], boundary.axes["y"]) == (x, y)
    browser.until(lambda: frames(browser, boundary)[-1][0]["x"] == x)


@pytest.mark.parametrize(("x", "said"), [("petal width", "Did you mean"), ("species", "columns of numbers")])
def test_a_column_that_cannot_be_shown_is_refused(browser: Any, boundary: DecisionBoundary, x: str, said: str) -> None:
    before = boundary.axes
    answer, _ = browser.ask(boundary, "boundary.axes", {"x": x, "y": before["y"]})
    assert answer["kind"] == "boundary.axes.error" and said in answer["body"]["message"]
    assert boundary.axes == before


def test_columns_given_at_the_start_are_checked(browser: Any, experiment: mw.Experiment) -> None:
    names = mw.load_dataset("iris").features
    given = DecisionBoundary(experiment, y=names[0].name)
    assert given.axes["y"] == names[0].name != given.axes["x"]
    with pytest.raises(ColumnNotFoundError):
        DecisionBoundary(experiment, x="nothing")
    with pytest.raises(InputError, match="two different"):
        DecisionBoundary(experiment, x=names[0].name, y=names[0].name)


def test_one_column_of_numbers_is_said_not_drawn(browser: Any) -> None:
    rows = np.arange(60)
    sex, ill = np.where(rows % 2, "f", "m"), np.where(rows % 3, "y", "n")
    frame = pd.DataFrame({"age": rows % 17 + 0.5, "sex": sex, "ill": ill})
    boundary = DecisionBoundary(mw.Experiment(mw.load_dataset(frame, target="ill")))
    assert boundary.axes["reason"] == "The boundary needs two columns of numbers; this table has one, age."
    answer, _ = browser.ask(boundary, "boundary.ready", {"frame": -1})
    assert answer["kind"] == "boundary.ready.result" and frames(browser, boundary) == []


def test_regression_sends_values_instead_of_classes(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("diabetes"), hyperparameters={"epochs": 2})
    boundary = DecisionBoundary(experiment)
    experiment.train().wait(60)
    body, arrays = next_frame(browser, boundary, -1)
    assert boundary.classes == []
    assert len(arrays["value"]) == len(arrays["px"]) and "label" not in arrays
    assert body["value_range"][0] < body["value_range"][1]


def test_the_worker_ends_when_nothing_happens_and_comes_back(
    browser: Any, boundary: DecisionBoundary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_boundary, "_IDLE_SECONDS", 0.05)
    body, _ = next_frame(browser, boundary, -1)
    browser.until(lambda: boundary._worker is None)
    x, y = boundary.axes["columns"][1:3]
    browser.ask(boundary, "boundary.axes", {"x": x, "y": y})
    browser.until(lambda: frames(browser, boundary)[-1][0]["frame"] > body["frame"])


def test_a_failure_is_shown_beside_the_widget_until_a_frame_succeeds(
    browser: Any, boundary: DecisionBoundary, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise InputError("The column has no values.")

    with monkeypatch.context() as patch:
        patch.setattr(decision_boundary, "BoundaryGrid", fail)
        browser.post(boundary, "boundary.ready", {"frame": -1})
        browser.until(lambda: boundary.failure is not None)
    assert boundary.failure["message"] == "The column has no values."
    next_frame(browser, boundary, -1)
    assert boundary.failure is None


def test_close_ends_the_worker(browser: Any, boundary: DecisionBoundary) -> None:
    next_frame(browser, boundary, -1)
    boundary.close()
    browser.until(lambda: boundary._worker is None)
    browser.until(lambda: all(t.name != "medilytica-boundary" for t in threading.enumerate()))


def test_the_static_form_is_a_figure_over_the_chosen_columns(headless: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 2})
    boundary = DecisionBoundary(experiment)
    assert "Nothing was trained" in boundary.static_html()
    experiment.train()
    markup = boundary.static_html()
    assert 'class="mwr-plot"' in markup and boundary.axes["x"] in markup
    assert boundary._worker is None
