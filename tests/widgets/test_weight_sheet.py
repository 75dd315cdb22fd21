"""WeightSheet: sheets reach who looks, seldom enough, with words where something is unhealthy."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import medilytica_widgets as mw
from medilytica_widgets import wire
from medilytica_widgets.engine import WeightSheet as Sheet
from medilytica_widgets.engine.weight_sheet import COLUMNS
from medilytica_widgets.widgets import weight_sheet
from medilytica_widgets.widgets._remarks import remarks, usual_gradient
from medilytica_widgets.widgets.weight_sheet import COURSE, POINTS, WeightSheet

HEALTHY = {"std": 0.1, "min": -1, "max": 1, "norm": 3, "gradient_norm": 0.1, "update_ratio": 1e-3}


def sheet(*rows: dict[str, float], shapes: tuple[tuple[int, ...], ...] | None = None, step: int = 0) -> Sheet:
    """A sheet of weights; what a row does not give is healthy or does not apply."""
    full = [{**dict.fromkeys(COLUMNS, math.nan), "mean": 0.0, **HEALTHY, **row} for row in rows]
    values = np.array([[row[name] for row in full] for name in COLUMNS])
    names = tuple(f"{k}.weight" for k in range(len(rows)))
    return Sheet(names, shapes or ((4, 4),) * len(rows), values, step / 10, step)


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    layers = [mw.Layer("linear", units=8, activation="relu"), mw.Layer("batch_norm")]
    made = mw.Experiment(mw.load_dataset("iris"), layers=layers, hyperparameters={"epochs": 3})
    yield made
    made.close()


@pytest.fixture
def run(experiment: mw.Experiment) -> mw.Run:
    """A run without sheets of its own: the tests add theirs."""
    run = experiment.train(wait=True, sheet_every=None)
    assert len(run.sheets) == 0
    return run


@pytest.fixture
def shown(browser: Any, run: mw.Run) -> Iterator[WeightSheet]:
    widget = WeightSheet(run)
    yield widget
    widget.close()


def events(browser: Any, widget: WeightSheet) -> list[dict[str, Any]]:
    return [envelope["body"] for envelope, _ in browser.custom(widget) if envelope["kind"] == "sheet.values"]


def read(browser: Any, widget: WeightSheet, run: mw.Run, cursor: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    answer, buffers = browser.ask(widget, "sheet.read", {"run": run.id, "cursor": cursor})
    assert answer["kind"] == "sheet.read.result", answer["body"]
    return answer["body"], wire.decode(answer.get("buffers", []), buffers)


def test_a_page_gets_the_latest_sheet_and_the_course_so_far(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    for step in range(1, 6):
        run.sheets.add(sheet({"norm": step}, {"gradient_norm": step / 10}, step=step))
    body, arrays = read(browser, shown, run)
    assert (body["count"], body["step"]) == (5, 5)
    assert arrays["values"].shape == (len(COLUMNS), 2)
    assert arrays["values"][COLUMNS.index("norm")].tolist() == [5.0, 3.0]
    assert arrays["steps"].tolist() == [1, 2, 3, 4, 5]
    assert arrays["course"][:, COURSE.index("norm"), 0].tolist() == [1, 2, 3, 4, 5]
    assert np.allclose(arrays["course"][:, COURSE.index("gradient_norm"), 1], [0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_page_that_asks_again_gets_only_what_is_new(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    run.sheets.add(sheet({}, {}, step=98))
    body, _ = read(browser, shown, run)
    run.sheets.add(sheet({}, {}, step=99))
    _, arrays = read(browser, shown, run, cursor=body["count"])
    assert arrays["steps"].tolist() == [99]


def test_a_long_course_comes_evenly_thinned_with_both_ends(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    for step in range(500):
        run.sheets.add(sheet({}, step=step))
    _, arrays = read(browser, shown, run)
    steps = arrays["steps"]
    assert len(steps) == POINTS
    assert (steps[0], steps[-1]) == (0, 499)
    assert np.diff(steps).max() <= 6


def test_nothing_is_sent_while_nobody_looks(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    run.sheets.add(sheet({}, {}, step=99))
    shown.flush()
    assert events(browser, shown) == []


def test_who_looks_gets_each_sheet_in_a_small_message(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    run.sheets.add(sheet({}, {}, step=98))
    read(browser, shown, run)
    browser.until(lambda: len(events(browser, shown)) == 1)
    shown._sent_at = -math.inf
    before = len(browser.messages(shown))
    run.sheets.add(sheet({}, {}, step=99))
    shown.flush()
    assert events(browser, shown)[-1]["step"] == 99
    sent = browser.messages(shown)[before:]
    assert sum(len(json.dumps(data)) + sum(map(len, buffers)) for data, buffers in sent) < 600


def test_who_stopped_looking_gets_no_more(
    browser: Any, shown: WeightSheet, run: mw.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(browser, shown, run)
    monkeypatch.setattr(weight_sheet, "INTEREST_SECONDS", 0.0)
    before = len(events(browser, shown))
    run.sheets.add(sheet({}, {}, step=99))
    shown.flush()
    assert len(events(browser, shown)) == before


def test_at_most_four_a_second_and_the_last_one_always(browser: Any, shown: WeightSheet, run: mw.Run) -> None:
    read(browser, shown, run)
    started = time.monotonic()
    step = 100
    while time.monotonic() - started < 1.0:
        step += 1
        run.sheets.add(sheet({}, {}, step=step))
        shown.mark()
    browser.until(lambda: events(browser, shown)[-1]["step"] == step)
    assert 2 <= len(events(browser, shown)) <= 4 * (time.monotonic() - started) + 2


def test_a_real_run_is_followed_to_its_last_sheet(browser: Any, experiment: mw.Experiment) -> None:
    experiment.set("epochs", 200)
    widget = WeightSheet(experiment)
    assert widget.run is None
    run = experiment.train(wait=False)
    browser.until(lambda: widget.run is not None)
    read(browser, widget, run)
    run.wait(60)
    browser.until(lambda: bool(events(browser, widget)) and events(browser, widget)[-1]["count"] == len(run.sheets))
    assert events(browser, widget)[-1]["step"] == run.sheets.latest.step
    assert widget.run["none"] == ""


def test_parameters_are_named_after_their_layers(browser: Any, experiment: mw.Experiment) -> None:
    experiment.set("epochs", 60)
    experiment.train(wait=True)
    body, _ = read(browser, WeightSheet(experiment), experiment.run)
    # what a normalisation learns stands under its own name
    assert [row["label"] for row in body["rows"]] == [
        "layer 1 weights",
        "layer 1 biases",
        "2.weight",
        "2.bias",
        "output layer weights",
        "output layer biases",
    ]
    assert body["rows"][0]["title"] == "0.weight: weights of layer 1 (8 units, relu)"
    assert body["rows"][0]["shape"] == [8, 4]


def test_an_estimator_has_no_weights_and_says_so(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), algorithm="random_forest", hyperparameters={"n_estimators": 2})
    run = experiment.train(wait=True)
    widget = WeightSheet(experiment)
    assert widget.run["none"].startswith("Random forest has no weights that are learned in steps")
    body, arrays = read(browser, widget, run)
    assert (body["count"], arrays) == (0, {})
    assert "no weights that are learned in steps" in widget.static_html()


def test_an_unknown_run_is_answered_with_what_to_do(browser: Any, shown: WeightSheet) -> None:
    answer, _ = browser.ask(shown, "sheet.read", {"run": "gone", "cursor": 0})
    assert answer["kind"] == "sheet.read.error"


def test_the_columns_are_explained(browser: Any, shown: WeightSheet) -> None:
    assert {column["id"] for column in shown.columns} == {*COLUMNS, "stuck"} - {"dead", "saturated"}
    assert all(column["help"].endswith(".") for column in shown.columns)


def test_the_static_form_holds_the_table_and_what_is_unhealthy(headless: Any, experiment: mw.Experiment) -> None:
    widget = WeightSheet(experiment)
    assert "Nothing was trained" in widget.static_html()
    experiment.set("epochs", 60)
    run = experiment.train(wait=True)
    markup = widget.static_html()
    assert "output layer weights" in markup and "update ratio" in markup
    assert "mwr-warning" not in markup
    latest = run.sheets.latest
    values = latest.values.copy()
    values[COLUMNS.index("update_ratio"), 0] = 0.5
    run.sheets.add(Sheet(latest.names, latest.shapes, values, 60.0, 9999))
    assert '<p class="mwr-warning">layer 1 weights, update ratio: One step changes these weights by 50%' in (
        widget.static_html()
    )
    assert headless.comms == []


# --- what is said of a sheet ----------------------------------------------------------------------------


def said(found: Sheet, usual: float | None = None) -> list[tuple[int, str, str]]:
    return [(remark["row"], remark["column"], remark["level"]) for remark in remarks(found, usual)]


def test_of_a_healthy_sheet_nothing_is_said() -> None:
    assert said(sheet({"dead": 0.1}, {"saturated": 0.2}, {})) == []


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"update_ratio": 0.2}, [(0, "update_ratio", "warning")]),
        ({"update_ratio": 1e-6}, [(0, "update_ratio", "note")]),
        ({"dead": 0.5}, [(0, "dead", "note")]),
        ({"dead": 0.95}, [(0, "dead", "warning")]),
        ({"saturated": 0.5}, [(0, "saturated", "warning")]),
        ({"gradient_norm": 2000.0}, [(0, "gradient_norm", "warning")]),
        ({"norm": math.inf}, [(0, "norm", "warning")]),
        ({"gradient_norm": math.nan}, [(0, "gradient_norm", "warning")]),
    ],
)
def test_what_the_diagnoses_tell_is_marked_at_its_cell(row: dict[str, float], expected: Any) -> None:
    assert said(sheet(row)) == expected


def test_a_bias_may_make_large_steps_but_not_be_infinite() -> None:
    assert said(sheet({"update_ratio": 5.0}, shapes=((4,),))) == []
    assert said(sheet({"norm": math.nan}, shapes=((4,),))) == [(0, "norm", "warning")]


def test_a_gradient_that_vanishes_is_marked_at_the_early_layer() -> None:
    assert said(sheet({"gradient_norm": 1e-9}, {}, {})) == [(0, "gradient_norm", "warning")]
    # and the last layer's, however small, vanishes nowhere
    assert said(sheet({}, {}, {"gradient_norm": 1e-9})) == []


def test_a_gradient_far_above_that_of_the_first_sheets_explodes() -> None:
    assert usual_gradient([sheet({})] * 4) is None
    usual = usual_gradient([sheet({"gradient_norm": 0.2})] * 5)
    assert usual == pytest.approx(0.2)
    large = sheet({"gradient_norm": 25.0}, {})
    assert said(large) == []
    assert said(large, usual) == [(0, "gradient_norm", "warning")]
