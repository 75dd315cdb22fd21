"""The panel of the preparation: what travels, what it changes, what it computes of each step, the static form."""

from __future__ import annotations

import json
import threading
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.data import load_dataset, prepare, split, stages
from medilytica_widgets.errors import StateError
from medilytica_widgets.widgets.preprocess_panel import WAYS, PreprocessPanel

HOSTILE = "<img src=x onerror=alert(1)>"


def people(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    made = pd.DataFrame(
        {
            "age": rng.normal(60, 10, rows).round(1),
            "dose": rng.uniform(0.1, 30, rows).round(2),
            HOSTILE: rng.choice(["north", "south", "west"], rows),
            "patient": [f"P{k}" for k in rng.integers(0, 60, rows)],
        }
    )
    made["ill"] = np.where(made["age"] + made["dose"] > 75, "yes", "no")
    made.loc[::7, "age"] = None
    return made


def experiment(steps: Any = (), rows: int = 300, **more: Any) -> mw.Experiment:
    more = {"algorithm": "logistic_regression", **more}
    return mw.Experiment(load_dataset(people(rows), "ill"), preprocessing=steps, **more)


def computed(panel: PreprocessPanel, browser: Any, state: str = "ready") -> dict[str, Any]:
    """Ask for what the steps do, and return it once it is there."""
    browser.ask(panel, "steps.watch", {})
    browser.until(lambda: panel.facts.get("version") == panel.version and panel.facts["state"] == state, 60)
    return panel.facts


def asked(browser: Any, panel: PreprocessPanel, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = browser.ask(panel, kind, body)[0]
    assert answer["kind"] == f"{kind}.result", answer
    return answer["body"]


def refused(browser: Any, panel: PreprocessPanel, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = browser.ask(panel, kind, body)[0]
    assert answer["kind"] == f"{kind}.error", answer
    return answer["body"]


def test_the_panel_shows_what_can_be_chosen(browser: Any) -> None:
    panel = PreprocessPanel(experiment())
    state = json.loads(json.dumps(panel.get_state()))
    known = {entry["id"] for entry in state["catalogue"]}
    assert known == {entry.id for entry in mw.algorithms.list(task="transform")} - {"tsne"}
    assert all(entry["summary"] and entry["category"] for entry in state["catalogue"])
    assert {way["id"] for way in state["ways"]} == {way["id"] for way in WAYS}
    assert state["steps"] == [] and state["split"]["method"] == "auto"
    assert [column["role"] for column in state["columns"]].count("target") == 1
    # what happens without any step is said
    assert "median" in " ".join(state["usual"]) and "2 columns of numbers" in state["usual"][0]


def test_steps_are_added_changed_moved_and_removed_as_single_steps_of_undo(browser: Any) -> None:
    exp = experiment()
    panel, other = PreprocessPanel(exp), PreprocessPanel(exp)
    asked(browser, panel, "steps.add", {"step": {"id": "pca"}, "index": 0})
    asked(browser, panel, "steps.add", {"step": {"id": "robust_scaler"}, "index": 0})
    assert [step.id for step in exp.preprocessing] == ["robust_scaler", "pca"]
    asked(browser, panel, "steps.update", {"index": 0, "fields": {"columns": ["age", "dose"]}})
    asked(browser, panel, "steps.update", {"index": 1, "fields": {"options": {"n_components": 3}}})
    assert exp.preprocessing == [mw.Step("robust_scaler", columns=["age", "dose"]), mw.Step("pca", n_components=3)]
    assert panel.forms["pca"] == mw.algorithms.get("pca").parameters.to_json()
    asked(browser, panel, "steps.update", {"index": 0, "fields": {"kind": "numeric"}})
    assert exp.preprocessing[0] == mw.Step("robust_scaler", kind="numeric")
    asked(browser, panel, "steps.update", {"index": 0, "fields": {"columns": [], "kind": ""}})
    assert exp.preprocessing[0] == mw.Step("robust_scaler")
    asked(browser, panel, "steps.move", {"index": 1, "to": 0})
    asked(browser, panel, "steps.remove", {"index": 1})
    assert exp.preprocessing == [mw.Step("pca", n_components=3)]
    # the other view follows, and so does this one where Python edits
    browser.until(lambda: [step["id"] for step in other.steps] == ["pca"])
    exp.add_step("discretizer")
    browser.until(
        lambda: [step["name"] for step in panel.steps] == [mw.algorithms.get(id).name for id in ("pca", "discretizer")]
    )
    for _ in range(9):
        exp.undo()
    assert exp.preprocessing == [] and not exp.can_undo
    asked(browser, panel, "spec.redo", {})
    assert [step["id"] for step in panel.steps] == ["pca"] and panel.can_redo
    asked(browser, panel, "spec.undo", {})
    assert panel.steps == [] and not panel.can_undo


def test_what_is_wrong_is_said_of_its_field_and_changes_nothing(browser: Any) -> None:
    exp = experiment([mw.Step("pca", n_components=2)])
    panel = PreprocessPanel(exp)
    before = exp.spec
    body = refused(browser, panel, "steps.update", {"index": 0, "fields": {"options": {"n_components": 0}}})
    assert body["parameter"] == "n_components" and body["nearest"] == 1
    body = refused(browser, panel, "steps.update", {"index": 0, "fields": {"options": {"n_component": 2}}})
    assert "Did you mean 'n_components'" in body["message"]
    body = refused(browser, panel, "steps.update", {"index": 0, "fields": {"columns": ["aeg"]}})
    assert "'aeg'" in body["message"] and "Did you mean 'age'" in body["message"]
    assert "Did you mean" in refused(browser, panel, "steps.update", {"index": 0, "fields": {"column": []}})["message"]
    assert "no step 4" in refused(browser, panel, "steps.remove", {"index": 4})["message"]
    assert (
        "is no preprocessing step"
        in refused(browser, panel, "steps.add", {"step": {"id": "random_forest"}, "index": 0})["message"]
    )
    body = refused(browser, panel, "split.set", {"fields": {"method": "grouped", "column": "patients"}})
    assert "Did you mean 'patient'" in body["message"]
    body = refused(browser, panel, "split.set", {"fields": {"test": 0.9}})
    assert "leave no rows" in body["message"]
    assert exp.spec == before and not exp.can_undo


def test_each_step_is_computed_and_looked_at(browser: Any) -> None:
    exp = experiment([mw.Step("robust_scaler", columns=["dose"]), "mean_imputer", mw.Step("pca", n_components=2)])
    panel = PreprocessPanel(exp)
    assert panel.facts == {}  # nothing is computed before somebody looks
    facts = computed(panel, browser)
    ready = exp.prepared()
    assert facts["split"]["parts"] == [len(ready.X_train), len(ready.X_validation), len(ready.X_test)]
    assert [one["name"] for one in facts["split"]["classes"]] == ["no", "yes"]
    counts = pd.Series(ready.y_train).value_counts()
    assert [one["rows"][0] for one in facts["split"]["classes"]] == [counts[0], counts[1]]
    assert facts["rows"] == facts["of"] == len(ready.X_train)
    # the mean takes the median's place before the others; the columns are those that a run has
    wide = ready.preprocessor.widths
    assert wide[1:] == [wide[0], 2]
    assert (facts["width"], facts["widths"]) == (wide[0], [wide[0], wide[0], 2]) and facts["error"] is None
    told = asked(browser, panel, "steps.picture", {"step": 0, "column": "", "version": panel.version})
    assert (told["column"], told["names"]) == ("dose", ["dose"])
    before, after = told["before"][0], told["after"][0]
    assert before["name"] == after["name"] == "dose" and sum(before["bars"]["counts"]) == facts["rows"]
    rows = np.sort(ready.split.train)
    dose = exp.data.frame["dose"].to_numpy()[rows]
    scaled = (dose - np.median(dose)) / np.subtract(*np.percentile(dose, [75, 25]))
    assert after["cells"] == pytest.approx(scaled[:5], rel=1e-4)
    told = asked(browser, panel, "steps.picture", {"step": -1, "column": HOSTILE, "version": panel.version})
    assert told["before"][0]["cells"] == exp.data.frame[HOSTILE].iloc[rows[:5]].tolist()
    assert [column["name"] for column in told["after"]] == [f"{HOSTILE}={word}" for word in ("north", "south", "west")]
    told = asked(browser, panel, "steps.picture", {"step": 1, "column": "age", "version": panel.version})
    gap = exp.data.frame["age"].iloc[rows[:5]].isna().to_numpy()
    assert [cell is None for cell in told["before"][0]["cells"]] == gap.tolist()
    told = asked(browser, panel, "steps.picture", {"step": 2, "column": "age", "version": panel.version})
    assert [column["name"] for column in told["after"]] == ["component_1", "component_2"]
    # another preparation makes what was computed old
    exp.set_preprocessing(["pca"])
    browser.until(lambda: panel.version == facts["version"] + 1)
    computed(panel, browser)
    assert (
        "not computed"
        in refused(browser, panel, "steps.picture", {"step": 0, "column": "", "version": facts["version"]})["message"]
    )


def test_a_step_that_cannot_be_fitted_says_so_at_its_place(browser: Any) -> None:
    exp = experiment(["robust_scaler"])
    panel = PreprocessPanel(exp)
    asked(browser, panel, "steps.add", {"step": {"id": "select_k_best"}, "index": 1})
    asked(browser, panel, "steps.add", {"step": {"id": "pca", "options": {"n_components": 500}}, "index": 1})
    facts = computed(panel, browser, "failed")
    assert facts["error"]["step"] == 1 and facts["error"]["parameter"] == "n_components"
    assert not facts["error"]["message"].startswith("Step") and facts["widths"] == [facts["width"], None, None]
    # rows that cannot be divided are refused at once; those that no longer can, because the seed was another, are told
    body = refused(browser, panel, "split.set", {"fields": {"method": "group_kfold", "column": HOSTILE, "folds": 9}})
    assert "3 groups" in body["message"] and exp.split.method == "auto"


def test_computing_can_be_stopped_and_a_newer_preparation_takes_its_place(
    browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = experiment(["robust_scaler", "pca"])
    panel = PreprocessPanel(exp)
    begun, go_on, real = threading.Event(), threading.Event(), stages.stages

    def held(*given: Any) -> Any:
        found = real(*given)
        yield next(found)
        begun.set()
        assert go_on.wait(60)
        yield from found

    monkeypatch.setattr(stages, "stages", held)
    asked(browser, panel, "steps.watch", {})
    assert begun.wait(60)
    # the widget answers while it computes
    browser.until(lambda: panel.facts["done"] == 1)
    assert panel.facts["state"] == "busy" and panel.facts["total"] == 3
    asked(browser, panel, "steps.stop", {})
    assert panel.facts["state"] == "stopped"
    asked(browser, panel, "steps.add", {"step": {"id": "min_max_scaler"}, "index": 0})
    monkeypatch.setattr(stages, "stages", real)
    found = computed(panel, browser)
    go_on.set()
    assert len(found["widths"]) == 3 and panel.facts == found
    panel.close()


def test_the_split_is_set_and_counted(browser: Any) -> None:
    exp = experiment()
    panel = PreprocessPanel(exp)
    asked(browser, panel, "split.set", {"fields": {"method": "grouped", "column": "patient"}})
    assert exp.spec.split.arguments() == panel.split and panel.split["column"] == "patient"
    groups = computed(panel, browser)["split"]["groups"]
    assert sum(groups) == exp.data.frame["patient"].nunique()
    asked(browser, panel, "split.set", {"fields": {"method": "group_kfold"}})
    asked(browser, panel, "split.set", {"fields": {"folds": 4, "fold": 3}})
    assert exp.split.model_dump() == {
        "validation": 0.16,
        "test": 0.2,
        "method": "group_kfold",
        "column": "patient",
        "folds": 4,
        "fold": 3,
    }
    asked(browser, panel, "split.set", {"fields": {"method": "random"}})
    assert exp.split.model_dump() == {"validation": 0.16, "test": 0.2, "method": "random"}
    for _ in range(4):
        asked(browser, panel, "spec.undo", {})
    assert exp.split.method == "auto" and not exp.can_undo


def test_nothing_of_validation_and_test_rows_is_looked_at() -> None:
    steps = ["mean_imputer", mw.Step("robust_scaler"), mw.Step("select_k_best", k=3)]
    frame = people()
    exp = experiment(steps)
    rows = exp.prepared().split
    other = frame.copy()
    held_out = np.concatenate([rows.validation, rows.test])
    other.loc[held_out, ["age", "dose"]] = 1e6
    other.loc[held_out, HOSTILE] = "cellar"
    told = []
    for table in (frame, other):
        panel = PreprocessPanel(mw.Experiment(load_dataset(table, "ill"), "logistic_regression", preprocessing=steps))
        facts = panel._walk.now(panel.version, panel._preparation())
        assert facts["state"] == "ready"
        pictures = [panel._walk.picture(panel.version, step, "") for step in (-1, 0, 1, 2)]
        told.append(json.dumps([facts["widths"], pictures]))
    assert told[0] == told[1]


def test_many_rows_are_sampled_and_said(monkeypatch: pytest.MonkeyPatch, browser: Any) -> None:
    monkeypatch.setattr(stages, "ROWS", 100)
    exp = experiment(["pca"])
    panel = PreprocessPanel(exp)
    facts = computed(panel, browser)
    assert (facts["rows"], facts["of"]) == (100, len(exp.prepared().X_train))
    seen = stages.sampled_rows(exp.data, exp.prepared().split)
    assert set(seen) < set(exp.prepared().split.train)


def test_other_kinds_of_columns_are_shown_and_computed_anew(browser: Any) -> None:
    exp = experiment()
    panel = PreprocessPanel(exp)
    first = computed(panel, browser)
    kinds = {column["name"]: column["kind"] for column in panel.columns}
    assert kinds["patient"] == "categorical"
    exp.set_kinds({"patient": "text"})
    browser.until(lambda: {"name": "patient", "kind": "text", "role": "set_aside"} in panel.columns)
    assert panel.version > first["version"] and "1 column is set aside" in panel.usual[-1]
    assert computed(panel, browser)["width"] < first["width"]


def test_the_last_stage_is_what_a_run_prepares() -> None:
    exp = experiment(["mode_imputer", mw.Step("power_transformer", kind="numeric"), mw.Step("pca", n_components=2)])
    panel = PreprocessPanel(exp)
    panel._walk.now(panel.version, panel._preparation())
    last = panel._walk._stages[2]
    data = exp.data
    parts = split(data, **exp.split.arguments())
    plan = mw.algorithms.chain.plan_of(exp.preprocessing, "classification", 2, 0)
    ready = prepare(data, parts, plan=plan)
    order = np.argsort(parts.train)
    for place in range(2):
        # steps hand their columns on in single precision here
        assert last.after.values(place) == pytest.approx(ready.X_train[order, place], abs=1e-4)


def test_a_picture_before_it_is_computed_is_refused() -> None:
    panel = PreprocessPanel(experiment())
    with pytest.raises(StateError, match="not computed"):
        panel._walk.picture(panel.version, -1, "")


def test_the_static_form_says_it_all(headless: Any) -> None:
    panel = PreprocessPanel(
        experiment(
            [mw.Step("robust_scaler", columns=["dose"]), mw.Step("pca", n_components=3)],
            split={"method": "group_kfold", "column": "patient", "fold": 1},
        )
    )
    page = panel.static_html()
    for words in (
        "k-fold by group",
        "fold 2 of 5",
        "1. Robust scaler",
        "2. Principal",
        "n components 3",
        "average of 0",
    ):
        assert words in page
    assert HOSTILE not in page
    failing = PreprocessPanel(experiment([mw.Step("pca", n_components=500)]))
    assert "n_components" in failing.static_html()


def test_a_run_that_began_with_another_preparation_is_marked(browser: Any) -> None:
    # long enough to be caught in the act
    exp = experiment(algorithm="mlp", hyperparameters={"epochs": 1000, "batch_size": 1})
    panel = PreprocessPanel(exp)
    run = exp.train(worker="thread")

    def paused() -> bool:
        run.pause()
        return run.status == "paused"

    browser.until(paused, 60)
    exp.add_step("robust_scaler")
    browser.until(lambda: panel.pending, 60)
    exp.undo()
    browser.until(lambda: not panel.pending, 60)
    exp.set_split("random")
    browser.until(lambda: panel.pending, 60)
    run.stop()
    browser.until(lambda: not panel.pending, 60)
    exp.close()
