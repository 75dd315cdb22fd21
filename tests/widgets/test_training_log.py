"""TrainingLog: every line reaches a page once, whoever comes when, and a report holds the last ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import medilytica_widgets as mw
from medilytica_widgets.engine import TrainingLog as EngineLog
from medilytica_widgets.errors import InputError
from medilytica_widgets.widgets.training_log import LINES_A_MESSAGE, LONGEST, TrainingLog


@pytest.fixture
def experiment() -> Iterator[mw.Experiment]:
    made = mw.Experiment(mw.load_dataset("iris"), hyperparameters={"epochs": 3})
    yield made
    made.close()


@pytest.fixture
def run(experiment: mw.Experiment) -> mw.Run:
    return experiment.train(wait=True)


@pytest.fixture
def shown(browser: Any, run: mw.Run) -> Iterator[TrainingLog]:
    widget = TrainingLog(run)
    yield widget
    widget.close()


def events(browser: Any, widget: TrainingLog) -> list[dict[str, Any]]:
    return [envelope["body"] for envelope, _ in browser.custom(widget) if envelope["kind"] == "log.lines"]


def lines(browser: Any, widget: TrainingLog) -> list[dict[str, Any]]:
    return [entry for body in events(browser, widget) for entry in body["entries"]]


def test_new_lines_reach_everyone_once(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    start = run.log.total
    run.log.append("info", "one")
    shown.flush()
    run.log.append("warning", "two", epoch=2.5, step=7, advice="Try three.")
    shown.flush()
    shown.flush()
    sent = events(browser, shown)
    assert [(body["cursor"], body["next"]) for body in sent] == [(start, start + 1), (start + 1, start + 2)]
    (entry,) = sent[1]["entries"]
    assert (entry["level"], entry["message"], entry["advice"]) == ("warning", "two", "Try three.")
    assert (entry["number"], entry["epoch"], entry["step"]) == (start + 1, 2.5, 7)


def test_a_new_line_in_a_log_of_9_000_is_a_small_message(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    for number in range(9_000):
        run.log.append("training", f"line {number}")
    shown.flush()
    before = len(browser.messages(shown))
    run.log.append("training", "one more")
    shown.flush()
    sent = browser.messages(shown)[before:]
    assert sum(len(json.dumps(data)) for data, _ in sent) < 500


def test_many_lines_at_once_come_in_parts_that_join(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    start = run.log.total
    for number in range(2 * LINES_A_MESSAGE + 5):
        run.log.append("info", f"line {number}")
    shown.flush()
    sent = events(browser, shown)
    assert [len(body["entries"]) for body in sent] == [LINES_A_MESSAGE, LINES_A_MESSAGE, 5]
    assert [body["cursor"] for body in sent] == [start, *(body["next"] for body in sent[:-1])]
    assert sent[-1]["next"] == run.log.total


def test_a_late_page_reads_everything_in_parts(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    for number in range(LINES_A_MESSAGE + 5):
        run.log.append("info", f"line {number}")
    cursor, read = 0, []
    while cursor < run.log.total:
        answer, _ = browser.ask(shown, "log.read", {"run": run.id, "cursor": cursor})
        assert len(answer["body"]["entries"]) <= LINES_A_MESSAGE
        read += answer["body"]["entries"]
        cursor = answer["body"]["next"]
    assert [entry["number"] for entry in read] == list(range(run.log.total))


def test_lines_that_are_no_longer_kept_leave_a_gap_in_the_numbers(
    browser: Any, shown: TrainingLog, run: mw.Run
) -> None:
    for number in range(12_000):
        run.log.append("training", f"line {number}")
    answer, _ = browser.ask(shown, "log.read", {"run": run.id, "cursor": 0})
    numbers = [entry["number"] for entry in answer["body"]["entries"]]
    assert answer["body"]["total"] == run.log.total > 12_000
    assert numbers == sorted(set(numbers))
    assert answer["body"]["next"] == numbers[-1] + 1 > len(numbers)


def test_warnings_and_errors_are_counted_for_the_badge(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    before = shown.run["warnings"]
    run.log.append("warning", "a")
    run.log.append("error", "b")
    run.log.append("info", "c")
    shown.flush()
    assert shown.run["warnings"] == before + 2
    late = TrainingLog(run)
    assert late.run["warnings"] == before + 2


def test_the_lines_of_a_real_run_arrive_while_it_trains(browser: Any, experiment: mw.Experiment) -> None:
    widget = TrainingLog(experiment)
    assert widget.run is None
    run = experiment.train(wait=True)
    browser.until(lambda: len(lines(browser, widget)) == len(run.log) > 0)
    assert [entry["number"] for entry in lines(browser, widget)] == [entry.number for entry in run.log.read()[0]]
    browser.until(lambda: widget.run["status"] == "finished")


def test_a_line_between_two_epochs_is_seen_without_a_signal(browser: Any, experiment: mw.Experiment) -> None:
    experiment.set("epochs", 1_000_000)
    widget = TrainingLog(experiment)
    run = experiment.train(wait=False)
    browser.until(lambda: widget.run is not None and widget.run["status"] == "running")
    # what the training tells of its epochs does not reach the widget any more: only its own look can find the line
    run.telemetry_advanced.disconnect(widget.run_advanced)
    run.log.append("info", "in mid-epoch")
    browser.until(lambda: any(entry["message"] == "in mid-epoch" for entry in lines(browser, widget)))
    run.stop()


def test_another_run_starts_at_its_first_line(browser: Any, experiment: mw.Experiment, run: mw.Run) -> None:
    widget = TrainingLog(experiment)
    second = experiment.train(wait=True)
    browser.until(lambda: len(lines(browser, widget)) == len(second.log))
    assert {body["run"] for body in events(browser, widget)} == {second.id}
    assert events(browser, widget)[0]["cursor"] == 0
    assert widget.run["name"] == "run 2"


def test_one_run_is_followed_whatever_the_experiment_does(
    browser: Any, experiment: mw.Experiment, run: mw.Run, shown: TrainingLog
) -> None:
    experiment.train(wait=True)
    shown.flush()
    assert shown.run["name"] == "run 1"
    answer, _ = browser.ask(shown, "log.read", {"run": experiment.runs[1].id, "cursor": 0})
    assert answer["kind"] == "log.read.error"


def test_a_message_of_any_length_stays_bounded(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    run.log.append("info", "x" * 1_000_000)
    shown.flush()
    assert len(lines(browser, shown)[-1]["message"]) == LONGEST


def test_an_estimator_tells_of_its_stages(browser: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), algorithm="random_forest", hyperparameters={"n_estimators": 2})
    widget = TrainingLog(experiment)
    experiment.train(wait=True)
    browser.until(lambda: any("Stage 2 of 2" in entry["message"] for entry in lines(browser, widget)))


def test_anything_else_is_refused_with_what_to_give(browser: Any) -> None:
    with pytest.raises(InputError, match="follows an Experiment or a Run; a str came"):
        TrainingLog("run 1")  # type: ignore[arg-type]


def test_close_lets_the_run_go(browser: Any, shown: TrainingLog, run: mw.Run) -> None:
    connected = len(run.status_changed)
    shown.close()
    assert len(run.status_changed) == connected - 2


def test_the_static_form_tells_warnings_first_and_escapes_them(headless: Any, experiment: mw.Experiment) -> None:
    widget = TrainingLog(experiment)
    assert "Nothing was trained" in widget.static_html()
    run = experiment.train(wait=True)
    run.log.append("warning", "<script>alert(1)</script>", epoch=3, advice="Lower it.")
    markup = widget.static_html()
    assert "<script>" not in markup
    assert '<p class="mwr-warning">Warning at epoch 3: &lt;script&gt;' in markup
    assert markup.index("mwr-warning") < markup.index("mwr-values")
    assert "Lower it." in markup
    assert headless.comms == []


def test_the_static_form_of_a_run_without_lines_says_so(headless: Any) -> None:
    experiment = mw.Experiment(mw.load_dataset("iris"), algorithm="random_forest")
    run = experiment.train(wait=True)
    run.trainer.log = EngineLog()
    assert "Run 1 wrote no log." in TrainingLog(experiment).static_html()
