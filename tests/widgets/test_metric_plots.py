"""MetricPlots: every row reaches a page once, in small messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import medilytica_widgets as mw
from medilytica_widgets import wire
from medilytica_widgets.engine import Mark, Telemetry
from medilytica_widgets.widgets.metric_plots import MetricPlots


class FakeRun:
    """A run whose rows the test writes itself."""

    def __init__(self, experiment: mw.Experiment, number: int = 1) -> None:
        from psygnal import Signal

        class Signals:
            status_changed = Signal(str)
            telemetry_advanced = Signal(int)
            marked = Signal(object)

        self.signals = Signals()
        self.status_changed = self.signals.status_changed
        self.telemetry_advanced = self.signals.telemetry_advanced
        self.marked = self.signals.marked
        self.id, self.name, self.status, self.algorithm = f"run-{number}", f"run {number}", "running", "mlp"
        self.task, self.trainer = "classification", SimpleNamespace(job=SimpleNamespace(heads=()))
        names = ("epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy", "learning_rate", "seconds")
        self.telemetry = Telemetry(names)
        self.marks: list[Mark] = []

    def progress(self) -> dict[str, Any]:
        return {"epochs": 50, "best_epoch": 1}

    def add(self, rows: int) -> None:
        for _ in range(rows):
            at = len(self.telemetry) + 1
            self.telemetry.append({name: at + k / 10 for k, name in enumerate(self.telemetry.columns)})


@pytest.fixture
def experiment(monkeypatch: pytest.MonkeyPatch) -> Iterator[mw.Experiment]:
    made = mw.Experiment(mw.load_dataset("iris"))
    yield made
    made._runs.clear()


@pytest.fixture
def run(experiment: mw.Experiment) -> FakeRun:
    return FakeRun(experiment)


@pytest.fixture
def plots(browser: Any, experiment: mw.Experiment, run: FakeRun) -> Iterator[MetricPlots]:
    widget = MetricPlots(experiment)
    experiment._runs.append(run)  # type: ignore[arg-type]
    experiment.run_added.emit(run)
    browser.until(lambda: widget.run is not None)
    yield widget
    widget.close()


def events(browser: Any, widget: MetricPlots) -> list[tuple[dict[str, Any], np.ndarray[Any, Any] | None]]:
    found = []
    for envelope, buffers in browser.custom(widget):
        if envelope["kind"] == "curve.rows":
            arrays = wire.decode(envelope["buffers"], buffers) if "buffers" in envelope else {}
            found.append((envelope["body"], arrays.get("rows")))
    return found


def test_the_skeletons_come_without_rows_and_follow_the_task(browser: Any) -> None:
    plots = MetricPlots(mw.Experiment(mw.load_dataset("diabetes")))
    assert plots.metric == "mean_absolute_error"
    assert plots.columns[-1] == "val_mean_absolute_error"
    assert [len(trace["x"]) for figure in plots.figures for trace in figure["data"]] == [0] * 6
    assert len(json.dumps(plots.figures)) < 6000


def test_new_rows_reach_everyone_once(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.add(2)
    plots.flush()
    run.add(1)
    plots.flush()
    plots.flush()
    sent = events(browser, plots)
    assert [(body["cursor"], len(rows)) for body, rows in sent if rows is not None] == [(0, 2), (2, 1)]
    assert sent[1][1].tolist() == [[3.0, 3.1, 3.2, 3.3, 3.4]]


def test_one_more_point_on_a_curve_of_10_000_is_a_small_message(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.add(10_000)
    plots.flush()
    before = len(browser.messages(plots))
    run.add(1)
    plots.flush()
    sent = browser.messages(plots)[before:]
    # the Jupyter protocol's own headers take about 600 bytes of the 2 KB that a point may cost
    assert sum(len(json.dumps(data)) + sum(map(len, buffers)) for data, buffers in sent) < 500


def test_a_late_page_gets_the_whole_curve_and_its_marks(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.add(5)
    run.marks.append(Mark(2.5, 40, "learning_rate", 0.01, 0.003, "you", 0.0))
    plots.flush()
    answer, buffers = browser.ask(plots, "curve.read", {"run": run.id, "cursor": 0})
    rows = wire.decode(answer["buffers"], buffers)["rows"]
    assert rows[:, 0].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (answer["body"]["total"], answer["body"]["cursor"]) == (5, 0)
    assert answer["body"]["marks"] == [
        {"epoch": 2.5, "name": "learning_rate", "before": 0.01, "after": 0.003, "author": "you"}
    ]


def test_a_page_that_is_behind_gets_only_what_it_lacks(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.add(5)
    answer, buffers = browser.ask(plots, "curve.read", {"run": run.id, "cursor": 3})
    assert wire.decode(answer["buffers"], buffers)["rows"][:, 0].tolist() == [4.0, 5.0]


def test_a_very_long_curve_comes_in_parts(
    browser: Any, plots: MetricPlots, run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medilytica_widgets.widgets.metric_plots._ROWS_AN_ANSWER", 3)
    run.add(5)
    answer, buffers = browser.ask(plots, "curve.read", {"run": run.id, "cursor": 0})
    assert len(wire.decode(answer["buffers"], buffers)["rows"]) == 3
    assert answer["body"]["total"] == 5


def test_marks_travel_when_they_are_new(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.add(1)
    plots.flush()
    run.marks.append(Mark(1.0, 4, "dropout", None, 0.2, None, 0.0))
    run.marked.emit(run.marks[0])
    browser.until(lambda: "marks" in events(browser, plots)[-1][0])
    run.add(1)
    plots.flush()
    (_, first), (body, rows), (last, _) = events(browser, plots)
    assert rows is None and body["marks"][0]["after"] == 0.2
    assert "marks" not in last


def test_a_new_run_starts_at_row_0_and_the_old_one_is_let_go(
    browser: Any, plots: MetricPlots, run: FakeRun, experiment: mw.Experiment
) -> None:
    run.add(3)
    plots.flush()
    other = FakeRun(experiment, 2)
    experiment._runs.append(other)  # type: ignore[arg-type]
    experiment.run_added.emit(other)
    other.add(1)
    plots.flush()
    body, rows = events(browser, plots)[-1]
    assert (body["run"], body["cursor"], len(rows)) == ("run-2", 0, 1)
    assert plots.run["name"] == "run 2"
    assert (len(run.telemetry_advanced), len(other.telemetry_advanced)) == (0, 1)


def test_an_unknown_run_is_answered_with_what_to_do(browser: Any, plots: MetricPlots) -> None:
    answer, _ = browser.ask(plots, "curve.read", {"run": "gone", "cursor": 0})
    assert answer["kind"] == "curve.read.error"


def test_close_lets_the_run_go(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    plots.close()
    assert len(run.telemetry_advanced) == 0


def test_a_real_run_arrives_whole(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 12})
    plots = MetricPlots(experiment)
    run = experiment.train().wait(60)
    browser.until(lambda: sum(len(rows) for _, rows in events(browser, plots) if rows is not None) == 12)
    whole = np.concatenate([rows for _, rows in events(browser, plots) if rows is not None])
    assert np.allclose(whole, run.history[plots.columns].to_numpy())


def test_the_static_form_holds_both_charts(headless: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 3})
    plots = MetricPlots(experiment)
    assert "Nothing was trained" in plots.static_html()
    experiment.train()
    assert plots.static_html().count('class="mwr-plot"') == 2


def test_a_mark_of_any_value_can_be_sent() -> None:
    from medilytica_widgets.widgets.metric_plots import _mark_json

    odd = SimpleNamespace(epoch=np.float64(1), name="x", before=float("inf"), after=("a", 1), author=None)
    assert json.loads(json.dumps(_mark_json(odd)))["after"] == "('a', 1)"


def fake_head(name: str, task: str, weight: float | str = 1.0) -> Any:
    return SimpleNamespace(name=name, task=task, weight=weight)


def test_several_heads_send_their_curves_and_learned_weights(browser: Any, experiment: mw.Experiment) -> None:
    plots = MetricPlots(experiment)
    assert plots.heads == []
    run = FakeRun(experiment)
    heads = (fake_head("kind", "classification", 0.5), fake_head("size", "regression", "uncertainty"))
    run.trainer.job.heads = heads
    extra = ["train_kind_loss", "val_kind_loss", "train_kind_accuracy", "val_kind_accuracy"]
    extra += ["train_size_loss", "val_size_loss", "train_size_mean_absolute_error", "val_size_mean_absolute_error"]
    run.telemetry = Telemetry((*run.telemetry.columns, *extra, "weight_kind", "weight_size"))
    experiment._runs.append(run)  # type: ignore[arg-type]
    experiment.run_added.emit(run)
    browser.until(lambda: plots.run is not None)
    # a weight that does not change needs no column
    assert plots.columns[5:] == [*extra, "weight_size"]
    assert [(h["name"], h["loss"], h["metric"], h["weight"]) for h in plots.heads] == [
        ("kind", "kind_loss", "kind_accuracy", 0.5),
        ("size", "size_loss", "size_mean_absolute_error", None),
    ]
    titles = [[f["layout"]["title"]["text"] for f in figures] for figures in (plots.figures, plots.heads[1]["figures"])]
    assert titles == [["total loss of all heads", "kind: accuracy"], ["size: loss", "size: mean absolute error"]]
    run.add(1)
    plots.flush()
    _, rows = events(browser, plots)[-1]
    assert rows is not None and rows[0, -1] == 1 + run.telemetry.columns.index("weight_size") / 10
    plots.close()


def test_a_long_name_of_a_head_is_cut_in_a_title_but_not_in_its_columns(
    browser: Any, experiment: mw.Experiment
) -> None:
    run = FakeRun(experiment)
    run.trainer.job.heads = (fake_head("a" * 500, "classification"), fake_head("b", "regression"))
    experiment._runs.append(run)  # type: ignore[arg-type]
    plots = MetricPlots(experiment)
    title = plots.heads[0]["figures"][0]["layout"]["title"]["text"]
    assert title.startswith("aaa") and title.endswith("…: loss") and len(title) < 40
    assert plots.heads[0]["name"] == "a" * 500
    assert f"train_{'a' * 500}_loss" in plots.columns
    plots.close()


def test_the_next_run_with_one_head_has_no_heads(browser: Any, plots: MetricPlots, run: FakeRun) -> None:
    run.trainer.job.heads = (fake_head("kind", "classification"), fake_head("size", "regression"))
    plots.flush()
    assert len(plots.heads) == 2
    run.trainer.job.heads = ()
    plots.flush()
    assert plots.heads == []
    assert plots.columns == ["epoch", "train_loss", "val_loss", "train_accuracy", "val_accuracy"]
    assert plots.figures[0]["layout"]["title"]["text"] == "loss (cross entropy)"
