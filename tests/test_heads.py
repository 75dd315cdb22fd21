"""One network learns a class and a number together: experiment, history, evaluation, predictions, files, processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import (
    ColumnNotFoundError,
    HeadError,
    InputError,
    ShapeError,
    SpecError,
    TargetError,
    UnknownArgumentError,
)

LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]
# what the period follows from at once
PERIODS = ["koi_period_err1", "koi_period_err2"]
STACK = [mw.Layer("linear", units=48, name="wide"), mw.Layer("linear", units=24)]
CLASS, PERIOD = mw.Head("classification"), mw.Head("regression", target="koi_period", loss="huber", at="wide")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDILYTICA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def kepler() -> mw.Dataset:
    return mw.load_dataset("kepler", exclude=[*LEAKS, *PERIODS])


@pytest.fixture
def made() -> Iterator[Callable[..., mw.Experiment]]:
    kept: list[mw.Experiment] = []

    def make(data: Any, heads: Any = (CLASS, PERIOD), **values: Any) -> mw.Experiment:
        layers = values.pop("layers", STACK)
        kept.append(mw.Experiment(data, hyperparameters={"epochs": 25, **values}, layers=layers, heads=heads, seed=1))
        return kept[-1]

    yield make
    for exp in kept:
        exp.close()


def without_times(history: pd.DataFrame) -> pd.DataFrame:
    return history.drop(columns=["seconds", "samples_per_second"])


def test_one_network_learns_a_class_and_a_number_of_a_real_table(
    kepler: mw.Dataset, made: Callable[..., mw.Experiment], tmp_path: Path
) -> None:
    exp = made(kepler)
    assert [head.name for head in exp.spec.heads] == ["koi_disposition", "koi_period"]
    assert not any("koi_period" in name for name in exp.prepared().feature_names)
    run = exp.train().wait(240)
    metrics = run.evaluate().metrics
    prepared = exp.prepared()
    common = np.bincount(prepared.y_test).max() / len(prepared.y_test)
    assert metrics["accuracy"] > common + 0.15
    # always answering the training rows' median is the best that a constant can do
    truth, known = prepared.further["koi_period"].test, prepared.further["koi_period"].train
    constant = float(np.abs(truth - np.median(known)).mean())
    assert metrics["koi_period_mean_absolute_error"] < 0.85 * constant
    assert metrics["koi_period_r2"] > 0.3
    assert set(run.evaluate().heads) == {"koi_period"}
    assert "koi_period: Off by" in run.evaluate().sentence

    history = run.history
    assert list(history.columns[-10:]) == [
        "train_koi_disposition_loss",
        "val_koi_disposition_loss",
        "train_koi_disposition_accuracy",
        "val_koi_disposition_accuracy",
        "weight_koi_disposition",
        "train_koi_period_loss",
        "val_koi_period_loss",
        "train_koi_period_mean_absolute_error",
        "val_koi_period_mean_absolute_error",
        "weight_koi_period",
    ]
    total = history["train_koi_disposition_loss"] + history["train_koi_period_loss"]
    np.testing.assert_allclose(history["train_loss"], total, rtol=1e-5)

    frame = kepler.frame.drop(columns=["koi_period", "koi_disposition"]).head(20)
    found = run.predict(frame)
    assert list(found.columns) == [
        "prediction",
        *(f"probability_{name}" for name in run.classes),
        "confidence",
        "koi_period_prediction",
    ]
    model = mw.load_model(run.save(tmp_path / "two.mw"))
    pd.testing.assert_frame_equal(model.predict(frame), found)
    assert model.evaluate(kepler).metrics == pytest.approx(metrics, rel=1e-5)
    # rows that know only one of the two answers
    partly = kepler.frame.drop(columns=["koi_period"]).head(300)
    assert "koi_period_r2" not in model.evaluate(partly).metrics


def test_a_second_class_gets_its_own_columns(made: Callable[..., mw.Experiment]) -> None:
    data = mw.load_dataset("kepler", exclude=LEAKS)
    second = mw.Head("classification", name="delivery", target="koi_tce_delivname", weight=0.5)
    run = made(data, (CLASS, second), epochs=10, class_weight="balanced").train().wait(240)
    found = run.predict(data.frame.head(5))
    names = [name for name in found if name.startswith("delivery_")]
    classes = sorted(set(data.frame["koi_tce_delivname"].dropna()))
    assert names == ["delivery_prediction", *(f"delivery_probability_{c}" for c in classes), "delivery_confidence"]
    np.testing.assert_allclose(found[[f"delivery_probability_{c}" for c in classes]].sum(axis=1), 1.0)
    # 76 rows do not know it, and stay in the table
    target = run.prepared.further["delivery"]
    assert sum((~target.known(part)).sum() for part in ("train", "validation", "test")) == 76
    assert run.evaluate().heads["delivery"].n == target.known("test").sum() < len(target.test)


@pytest.mark.timeout(300)
def test_a_killed_run_with_heads_goes_on_bit_for_bit(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    heads = (CLASS, PERIOD.model_copy(update={"weight": "uncertainty"}))
    exp = made(kepler, heads, epochs=40, layers=[*STACK, mw.Layer("dropout", p=0.2)])
    whole = exp.train().wait(240)
    killed = exp.train(worker="process", checkpoint_epochs=5)
    while len(killed.telemetry) < 12 and killed.is_active:
        time.sleep(0.01)
    os.kill(killed.trainer.pid, signal.SIGKILL)
    with pytest.raises(mw.errors.MedilyticaError):
        killed.wait(60)
    resumed = mw.Run.resume(killed.id, kepler).wait(240)
    pd.testing.assert_frame_equal(without_times(resumed.history), without_times(whole.history), check_exact=True)
    assert resumed.evaluate().metrics == whole.evaluate().metrics
    resumed.close()


def test_branches_and_earlier_epochs_keep_the_heads(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    run = made(kepler, epochs=8).train().wait(240)
    branch = run.branch(4).wait(240)
    pd.testing.assert_frame_equal(without_times(branch.history), without_times(run.history), check_exact=True)
    early = run.at(2)
    assert early.evaluate().metrics["koi_period_mean_absolute_error"] > 0
    assert "koi_period_prediction" in early.predict(kepler.frame.head(3))


def test_a_specification_brings_the_heads_back(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    exp = made(kepler, (CLASS, PERIOD.model_copy(update={"weight": "uncertainty"})))
    again = mw.Experiment.from_spec(exp.spec.to_json(), kepler)
    assert again.spec == exp.spec
    assert again.heads[1].weight == "uncertainty" and again.heads[1].loss == "huber"
    assert exp.analysis().total_parameters == again.analysis().total_parameters


def test_layers_that_only_a_further_head_uses_are_used(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    layers = [
        mw.Layer("linear", units=16, name="shared"),
        mw.Layer("linear", units=8, name="numbers"),
        mw.Layer("linear", units=8, name="classes", inputs=["shared"]),
    ]
    heads = (CLASS, PERIOD.model_copy(update={"at": "numbers"}))
    run = made(kepler, heads, layers=layers, epochs=3).train().wait(240)
    assert np.isfinite(run.history["val_koi_period_loss"]).all()


@pytest.mark.parametrize(
    ("heads", "error", "words"),
    [
        ([CLASS, PERIOD.model_copy(update={"at": "nowhere"})], (HeadError, ShapeError), "no layer .*nowhere"),
        ([CLASS, PERIOD, PERIOD.model_copy(update={"loss": "mse"})], HeadError, "Two heads are called 'koi_period'"),
        ([CLASS, PERIOD, PERIOD.model_copy(update={"name": "again"})], HeadError, "learn the same"),
        ([CLASS, mw.Head("regression", target="koi_perod")], (HeadError, ColumnNotFoundError), "koi_perod"),
        ([CLASS, mw.Head("regression", target="koi_tce_delivname")], (HeadError, TargetError), "koi_tce_delivname"),
        ([CLASS, mw.Head("classification", target="koi_period")], (HeadError, TargetError), "koi_period"),
        ([mw.Head("classification", loss="binary_cross_entropy")], (HeadError, TargetError), "two classes apart"),
        ([CLASS, PERIOD.model_copy(update={"loss": "custom:nobody"})], (HeadError, SpecError), "nobody"),
        ([], SpecError, "at least one head"),
        (["classification"], InputError, "takes Head objects"),
        ([PERIOD, CLASS], (HeadError, SpecError), "koi_"),
    ],
)
def test_heads_that_cannot_be_are_refused_when_the_experiment_is_made(
    kepler: mw.Dataset, heads: Any, error: Any, words: str
) -> None:
    with pytest.raises(error, match=words):
        mw.Experiment(kepler, layers=STACK, heads=heads)


def test_what_is_refused_changes_nothing(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    exp = made(kepler)
    before = exp.spec
    with pytest.raises(HeadError):
        exp.set_heads([CLASS, PERIOD.model_copy(update={"target": "nobody", "name": "nobody"})])
    assert exp.spec == before
    # counts are 0 or more: found where the rows are looked at
    exp.set_heads([CLASS, mw.Head("regression", name="latitude", target="dec", loss="poisson")])
    negative = mw.Head("regression", name="err", target="koi_impact_err2", loss="poisson")
    exp.set_heads([CLASS, negative])
    with pytest.raises(TargetError, match="counts, 0 or more, but 'koi_impact_err2' goes down to"):
        exp.train()
    assert exp.runs == []


def test_a_head_says_what_it_does_not_take() -> None:
    with pytest.raises(UnknownArgumentError, match="Did you mean 'target'"):
        mw.Head("regression", traget="koi_period")
    with pytest.raises(SpecError, match="weight is -1"):
        mw.Head("regression", weight=-1)
    with pytest.raises(SpecError, match="hubr.*Did you mean 'huber'"):
        mw.Head("regression", loss="hubr")
    with pytest.raises((SpecError, InputError), match="delta"):
        mw.Head("regression", loss="huber", options={"delta": -1})


def test_estimators_say_that_they_have_one_target(kepler: mw.Dataset) -> None:
    with pytest.raises(HeadError, match="need a neural network"):
        mw.Experiment(kepler, algorithm="random_forest", heads=[CLASS, mw.Head("regression", target="koi_period")])


SCRIPTS: dict[str, dict[str, Any]] = {
    "several": {},
    "everything": {
        "weight_decay": 0.05,
        "optimizer": "adamw",
        "schedule": "cosine",
        "class_weight": "balanced",
        "patience": 3,
        "label_smoothing": 0.1,
    },
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", SCRIPTS)
def test_the_script_of_several_heads_finds_the_runs_metrics(
    case: str, made: Callable[..., mw.Experiment], tmp_path: Path
) -> None:
    weight: Any = "uncertainty" if case == "everything" else 1.0
    heads = [
        CLASS,
        PERIOD.model_copy(update={"weight": weight}),
        mw.Head("classification", name="delivery", target="koi_tce_delivname", loss="focal", weight=0.5),
        mw.Head("regression", name="planets", target="koi_tce_plnt_num", loss="poisson", weight=weight),
    ]
    data = mw.load_dataset("kepler", exclude=LEAKS)
    layers = [*STACK[:1], mw.Layer("dropout", p=0.1), *STACK[1:]]
    run = made(data, heads, epochs=6, layers=layers, **SCRIPTS[case]).train().wait(240)
    path = tmp_path / "script.py"
    path.write_text(run.to_code(), encoding="utf-8")
    done = subprocess.run([sys.executable, "-I", str(path)], capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}
    # another loop sums in another order
    assert found == pytest.approx(run.evaluate().metrics, rel=2e-2, abs=2e-2)


def test_what_a_program_cannot_say_of_heads_is_said(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    exp = made(kepler, accumulation=2)
    with pytest.raises(InputError, match='2 heads, and an estimator of scikit-learn learns one target.*style="torch"'):
        exp.to_code(style="sklearn")
    # what it is sent to says it
    assert "def fit(" in exp.to_code(style="torch")


def test_every_head_has_its_curves(kepler: mw.Dataset, made: Callable[..., mw.Experiment]) -> None:
    exp = made(kepler, epochs=3)
    plots = mw.MetricPlots(exp)
    assert plots.heads == []
    exp.train().wait(240)
    plots.update_view()
    assert [head["name"] for head in plots.heads] == ["koi_disposition", "koi_period"]
    for head in plots.heads:
        assert {f"{part}_{head[what]}" for part in ("train", "val") for what in ("loss", "metric")} <= set(
            plots.columns
        )
        assert len(head["figures"]) == 2
    assert set(plots.columns) <= set(exp.run.history.columns)
    page = str(plots.static_html())
    assert "koi_period: loss" in page and "koi_period: mean absolute error" in page
    plots.close()
