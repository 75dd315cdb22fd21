"""Slips that people make: each gets a sentence that says what to do, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors


@pytest.fixture(scope="module")
def run():
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 2})
    yield exp.train().wait(60)
    exp.close()


def test_a_table_where_an_experiment_belongs() -> None:
    data = mw.load_dataset("moons")
    for widget in (mw.Workbench, mw.RunControls, mw.MetricPlots, mw.DecisionBoundary, mw.PerformanceDashboard):
        with pytest.raises(errors.InputError, match=r"shows an Experiment; a Dataset came.*mw\.Experiment"):
            widget(data)


def test_numbers_where_layers_belong() -> None:
    with pytest.raises(errors.InputError, match=r"mw\.Layer"):
        mw.Experiment(mw.load_dataset("moons"), layers=[64, 32])


def test_cells_that_cannot_be_used_are_said(run: mw.Run) -> None:
    name = run.preprocessor.inputs[0]
    rows = run.data.frame.head(3).astype(object)
    rows.loc[rows.index[0], name] = "old"
    with pytest.warns(UserWarning, match=f"{name}.*'old'.*missing"):
        run.predict(rows)
    rows[name] = "old"
    with pytest.raises(errors.DataError, match=f"{name}.*'old'"):
        run.predict(rows)


def test_rows_come_as_a_mapping_too_and_anything_else_is_refused(run: mw.Run) -> None:
    rows = run.data.frame.head(3)
    pd.testing.assert_frame_equal(run.predict(rows.to_dict("list")), run.predict(rows.reset_index(drop=True)))
    with pytest.raises(errors.InputError):
        run.predict([[1, 2, 3]])
    with pytest.raises(errors.InputError, match="DataFrame"):
        run.predict(3)
    with pytest.raises(errors.InputError, match="predict takes new rows as a DataFrame.*This is 'x'") as caught:
        run.predict("x")
    assert "constructor" not in caught.value.message


def test_damage_anywhere_in_a_model_is_damage(run: mw.Run, tmp_path: Path) -> None:
    path = run.save(tmp_path / "model.mw")
    content = bytearray(path.read_bytes())
    for start in range(300, len(content), 97):
        content[start] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(errors.ModelFileError, match="damaged"):
        mw.load_model(path)


def test_words_among_numbers_are_a_finding() -> None:
    rng = np.random.default_rng(0)
    mixed = [str(round(v, 2)) if k % 3 else "abc" for k, v in enumerate(rng.normal(size=90))]
    frame = pd.DataFrame({"m": mixed, "x": rng.normal(size=90), "y": ["a", "b"] * 45})
    found = mw.load_dataset(frame, target="y").quality().findings
    assert any(finding.kind == "mixed_types" and finding.columns == ["m"] for finding in found)


def test_a_first_row_taken_for_names_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "headless.csv"
    path.write_text("63,1,145,0\n67,1,160,2\n41,0,130,0\n")
    with pytest.raises(errors.ColumnNotFoundError, match=r"names=\["):
        mw.load_dataset(path, target="num")


def test_a_failed_run_has_no_result_to_show() -> None:
    exp = mw.Experiment(
        mw.load_dataset("moons"),
        hyperparameters={"learning_rate": 10.0, "optimizer": "sgd", "momentum": 0.99, "epochs": 500},
        layers=[mw.Layer("linear", units=64, activation="identity")] * 6,
    )
    dashboard = mw.PerformanceDashboard(exp)
    run = exp.train(wait=None)
    with pytest.raises(errors.DivergenceError):
        run.wait(60)
    assert dashboard.evaluation is None and run.evaluation_if_ready() is None
    assert exp.activity[0]["what"].startswith("failed: ")
    dashboard.close()
    exp.close()
