"""A preparation step by step: the stages end where a run's preparation does, whatever the steps."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.algorithms.chain import acts_on_columns, plan_of
from medilytica_widgets.data import load_dataset
from medilytica_widgets.data.stages import described, picture, said_alone, sampled_rows, stages

CHAINS: dict[str, list[Any]] = {
    "none": [],
    "all kinds": ["date_parts", "tfidf", "hashing_encoder", "mode_imputer"],
    "gaps and words": [
        mw.Step("mean_imputer", columns=["age"], indicator=True),
        mw.Step("target_encoder", columns=["patient"]),
        mw.Step("frequency_encoder", kind="categorical"),
        mw.Step("robust_scaler", kind="numeric"),
        mw.Step("select_k_best", k=4),
    ],
    "mixed": [
        mw.Step("polynomial_features", columns=["age", "dose"]),
        mw.Step("pca", columns=["age", "dose"], n_components=1),
        mw.Step("variance_threshold"),
    ],
}


def table(rows: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    phrases = ["no pain", "severe pain in the left arm", "feels well and walks", "headache again", "fever and cough"]
    made = pd.DataFrame(
        {
            "age": rng.normal(60, 10, rows).round(1),
            "dose": rng.uniform(0.1, 30, rows).round(2),
            "ward": rng.choice(["north", "south", "west"], rows),
            "when": pd.Timestamp("2021-01-01 05:00") + pd.to_timedelta(rng.integers(0, 800, rows), unit="h"),
            "note": [f"{'; '.join(rng.choice(phrases, 3))}, seen by doctor {i % 90}" for i in range(rows)],
            "patient": [f"P{i // 3:03d}" for i in range(rows)],
        }
    )
    made["ill"] = np.where(made["age"] + made["dose"] > 75, "yes", "no")
    made.loc[::13, ["age", "ward"]] = None
    made.loc[::17, "when"] = pd.NaT
    return made


@pytest.mark.parametrize("name", CHAINS)
def test_the_stages_end_where_a_run_begins(name: str) -> None:
    exp = mw.Experiment(load_dataset(table(), "ill"), "logistic_regression", preprocessing=CHAINS[name])
    ready = exp.prepared()
    steps = exp.preprocessing
    plan = plan_of(steps, "classification", 2, 0)
    rows = sampled_rows(exp.data, ready.split)
    assert rows.tolist() == sorted(ready.split.train)
    found = list(stages(exp.data, rows, plan, "classification"))
    first = sum(acts_on_columns(step.id) for step in steps)
    assert [stage.form for stage in found] == ["default", *["part"] * first, *["link"] * (len(steps) - first)]
    assert found[-1].width == len(ready.feature_names)
    widths = ready.preprocessor.widths
    assert [stage.width for stage in found[first:]] == widths
    for stage in found:
        assert stage.before.names, "each of these steps has something to do"
        for column in (stage.before.names[0], stage.before.names[-1], "no column"):
            told = json.loads(json.dumps(picture(stage, column), allow_nan=False))
            assert told["column"] in told["names"] == stage.before.names
            assert all(len(one["cells"]) == 5 for one in [*told["before"], *told["after"]])


def test_a_part_touches_its_columns_and_no_others() -> None:
    exp = mw.Experiment(load_dataset(table(), "ill"), "logistic_regression", preprocessing=CHAINS["gaps and words"])
    plan = plan_of(exp.preprocessing, "classification", 2, 0)
    found = list(stages(exp.data, sampled_rows(exp.data, exp.prepared().split), plan, "classification"))
    assert [stage.before.names for stage in found[1:4]] == [["age"], ["patient"], ["ward"]]
    assert found[1].after.names == ["age", "age=(missing)"]
    assert found[4].before.names == found[4].after.names and "age" in found[4].before.names


def test_a_date_and_a_gap_are_told_as_a_person_reads_them() -> None:
    exp = mw.Experiment(load_dataset(table(), "ill"), "logistic_regression")
    rows = np.array([0, 1, 2, 17, 18])
    stage = next(stages(exp.data, rows, plan_of([], "classification", 2, 0), "classification"))
    cells = picture(stage, "when")["before"][0]["cells"]
    assert cells[0] is None is cells[3] and cells[1] == str(exp.data.frame["when"].iloc[1])
    assert picture(stage, "ward")["before"][0]["cells"][0] is None


def test_a_regression_has_averages_and_a_table_without_a_target_neither() -> None:
    frame = table()[["age", "dose", "ward"]]
    exp = mw.Experiment(load_dataset(frame, "dose"), "linear_regression")
    rows = exp.prepared().split
    told = described(exp.data, rows, "regression")
    wanted = [frame["dose"].iloc[part].mean() for part in (rows.train, rows.validation, rows.test)]
    assert told["means"] == pytest.approx(wanted, rel=1e-5) and told["classes"] == []
    exp = mw.Experiment(load_dataset(frame, target=None), "kmeans")
    told = described(exp.data, exp.prepared().split, None)
    assert told["means"] == told["classes"] == [] and sum(told["parts"]) == len(frame)
    found = list(stages(exp.data, sampled_rows(exp.data, exp.prepared().split), plan_of([], None, 1, 0), None))
    assert found[0].width == len(exp.prepared().feature_names)


def test_what_a_step_says_loses_the_number_that_another_count_gave_it() -> None:
    assert said_alone("Step 1, PCA, cannot be fitted on these rows: x.") == "PCA cannot be fitted on these rows: x."
    assert said_alone("n is 5, but a step, pca, has 3.") == "n is 5, but a step, pca, has 3."
