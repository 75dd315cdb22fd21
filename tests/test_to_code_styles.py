"""Every algorithm as a program, in every style: it finds the run's metrics, and reads as people write it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors
from tests import code_trials as trials

TABLES = {"classification": "wine", "regression": "diabetes"}
# the boosting and the forest weigh rows, each in its own way
ESTIMATORS = {
    "logistic_regression": {"class_weight": "balanced"},
    "random_forest": {"n_estimators": 8, "class_weight": "balanced"},
    "gradient_boosting": {"n_estimators": 8, "class_weight": "balanced"},
}
NETWORK = {"epochs": 3, "patience": 2, "dropout": 0.2, "accumulation": 2}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[trials.Interpreter]:
    with trials.Interpreter() as found:
        yield found


def hostile(task: str, folder: Path) -> mw.Dataset:
    """Return the table of hostile names, and leave it where its program looks for it."""
    frame = trials.hostile_frame(task)
    frame.to_csv(folder / "table.csv", index=False)
    return mw.load_dataset(frame, target=frame.columns[-1])


@pytest.mark.parametrize(("algorithm", "task"), trials.supervised())
def test_every_algorithms_script_finds_the_runs_metrics(
    algorithm: str, task: str, interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    entry = mw.algorithms.get(algorithm)
    data = mw.load_dataset(TABLES[task])
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=trials.short(entry, task), seed=3)
    expected = exp.train().wait(100).evaluate().metrics
    source = exp.to_code()
    trials.check_layout(source, tmp_path)
    assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, abs=0, rel=trials.tolerance(entry))
    exp.close()


@pytest.mark.parametrize("task", sorted(TABLES))
@pytest.mark.parametrize("algorithm", ["mlp", "random_forest"])
@pytest.mark.parametrize("style", ["script", "styled"])
def test_hostile_names_stay_names(
    algorithm: str, task: str, style: str, interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    style = {"mlp": "torch", "random_forest": "sklearn"}[algorithm] if style == "styled" else style
    entry = mw.algorithms.get(algorithm)
    name = '"""\nimport os\nos.abort()\n"""\\ \x00 \u2028 naïve ☃ {x}'
    data = hostile(task, tmp_path)
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=trials.short(entry, task), name=name)
    expected = exp.train().wait(100).evaluate().metrics
    source = exp.to_code(style=style)
    trials.check_layout(source, tmp_path)
    assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.tolerance(entry))
    exp.close()


@pytest.mark.parametrize("algorithm", ESTIMATORS)
def test_one_pipeline_of_scikit_learn_finds_the_runs_metrics(
    algorithm: str, interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    exp = mw.Experiment(mw.load_dataset("wine"), algorithm=algorithm, hyperparameters=ESTIMATORS[algorithm], seed=2)
    expected = exp.train().wait(100).evaluate().metrics
    source = exp.to_code(style="sklearn")
    assert source.count("model = Pipeline(") == 1 and "X_train" not in source
    trials.check_layout(source, tmp_path)
    assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.ESTIMATOR_TOLERANCE)
    exp.close()


@pytest.mark.parametrize("task", sorted(TABLES))
def test_the_pipelines_preparation_is_the_runs_bit_for_bit(task: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    exp = mw.Experiment(hostile(task, tmp_path), algorithm="random_forest", hyperparameters={"n_estimators": 2})
    path = tmp_path / "pipeline.py"
    path.write_text(exp.to_code(style="sklearn"), encoding="utf-8")
    names = runpy.run_path(str(path))
    found = names["model"][:-1].transform(names["frame"].iloc[names["test"]])
    np.testing.assert_array_equal(found, exp.prepared().X_test)
    assert found.dtype == np.float32
    # new rows go through the pipeline too, an unknown word and an empty cell among them
    rows = names["frame"].iloc[names["test"]].copy()
    rows.loc[rows.index[0], names["categories"]] = "never seen"
    rows.loc[rows.index[1], names["numbers"][0]] = np.nan
    assert np.isfinite(names["model"].predict(rows)).all()
    exp.close()


@pytest.mark.parametrize("task", sorted(TABLES))
def test_torch_functions_find_the_runs_metrics(task: str, interpreter: trials.Interpreter, tmp_path: Path) -> None:
    exp = mw.Experiment(mw.load_dataset(TABLES[task]), hyperparameters=NETWORK, seed=2)
    expected = exp.train().wait(100).evaluate().metrics
    source = exp.to_code(style="torch")
    assert "def fit(" in source and "def predict(" in source
    trials.check_layout(source, tmp_path)
    assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    # the functions hold the same steps as the script, in the same order
    assert interpreter.metrics(source, tmp_path) == interpreter.metrics(exp.to_code(), tmp_path)
    exp.close()


@pytest.mark.parametrize("algorithm", ["mlp", "random_forest"])
def test_a_notebook_finds_the_runs_metrics(algorithm: str, tmp_path: Path) -> None:
    entry = mw.algorithms.get(algorithm)
    name = "# <script>alert(1)</script>\n![x](http://localhost/x.png) `*_"
    data = hostile("classification", tmp_path)
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=trials.short(entry, "classification"), name=name)
    expected = exp.train().wait(100).evaluate().metrics
    text = exp.to_code(style="notebook")
    assert text == exp.to_code(style="notebook")
    notebook = nbformat.reads(text, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    heading = notebook.cells[0].source.splitlines()[0]
    # every sign with which Markdown or HTML begins something is escaped
    assert heading.startswith("# ")
    assert not any(sign in heading[2:].replace(f"\\{sign}", "") for sign in "#<[!`*_")
    trials.check_layout(text, tmp_path, "notebook.ipynb")
    assert trials.run_notebook(text, tmp_path) == pytest.approx(expected, rel=trials.tolerance(entry))
    exp.close()


def test_a_run_replays_its_mid_run_changes_in_every_style_of_a_network(
    interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 40, "batch_size": 32}, seed=4)
    run = exp.train()
    run.pause()
    exp.set("learning_rate", 0.03)
    exp.set("dropout", 0.4)
    run.resume()
    run.wait(60)
    assert [mark.name for mark in run.marks] == ["learning_rate", "dropout"]
    expected = run.evaluate().metrics
    for style in ("script", "torch", "sklearn"):
        source = run.to_code(style=style)
        trials.check_layout(source, tmp_path)
        assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    cells = json.loads(run.to_code(style="notebook"))["cells"]
    assert any("changed while it trained" in "".join(cell["source"]) for cell in cells)
    exp.close()


def test_a_style_that_cannot_say_it_is_refused_with_the_one_that_can() -> None:
    moons = mw.load_dataset("moons")
    network, forest = mw.Experiment(moons), mw.Experiment(moons, algorithm="random_forest")
    with pytest.raises(errors.InputError, match='Random forest.*style="sklearn"'):
        forest.to_code(style="torch")
    with pytest.raises(errors.InputError, match='Autoencoder is an estimator here.*style="sklearn"'):
        mw.Experiment(moons, algorithm="autoencoder").to_code(style="torch")
    with pytest.raises(errors.InputError, match="'notebok'.*'notebook'"):
        network.to_code(style="notebok")


def test_without_ruff_the_program_is_the_same_but_for_its_layout(
    interpreter: trials.Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exp = mw.Experiment(mw.load_dataset("iris"), algorithm="random_forest", hyperparameters={"n_estimators": 3})
    with_ruff = exp.to_code()
    monkeypatch.setattr("ruff.find_ruff_bin", lambda: str(tmp_path / "not there"))
    without = exp.to_code()
    assert without != with_ruff
    assert interpreter.metrics(without, tmp_path) == interpreter.metrics(with_ruff, tmp_path)


HEADS = {
    "binary": ("moons", mw.Head("classification", loss="binary_cross_entropy"), {}),
    "focal": ("moons", mw.Head("classification", loss="focal", gamma=1.5, weight=0.5), {"class_weight": "balanced"}),
    "huber": ("diabetes", mw.Head("regression", loss="huber", delta=0.5), {"patience": 2}),
    "quantile": ("diabetes", mw.Head("regression", loss="quantile", quantile=0.8), {}),
    "poisson": ("diabetes", mw.Head("regression", loss="poisson"), {}),
}


@pytest.mark.parametrize("case", HEADS)
def test_a_head_with_its_own_loss_is_printed(case: str, interpreter: trials.Interpreter, tmp_path: Path) -> None:
    table, head, values = HEADS[case]
    exp = mw.Experiment(mw.load_dataset(table), hyperparameters={"epochs": 4, **values}, heads=[head], seed=3)
    expected = exp.train().wait(100).evaluate().metrics
    for style in ("script", "torch", "sklearn"):
        source = exp.to_code(style=style)
        trials.check_layout(source, tmp_path)
        assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    exp.close()


# what a table of two numbers and a class asks of several heads: each case is one network
SEVERAL: dict[str, tuple[list[mw.Head], dict[str, Any]]] = {
    "plain": ([mw.Head("classification"), mw.Head("regression", target="size")], {"patience": 2}),
    "learned weights": (
        [
            mw.Head("classification", weight="uncertainty"),
            mw.Head("regression", target="size", loss="huber", weight="uncertainty"),
        ],
        {"weight_decay": 0.1, "accumulation": 3, "schedule": "plateau"},
    ),
    "balanced": (
        [
            mw.Head("classification", loss="focal"),
            mw.Head("classification", target="side", weight=0.5),
            mw.Head("regression", target="size", loss="poisson"),
        ],
        {"class_weight": "balanced", "accumulation": 2, "label_smoothing": 0.1},
    ),
    "one of learned weight": ([mw.Head("classification", weight="uncertainty")], {"accumulation": 2}),
}


def several(folder: Path) -> mw.Dataset:
    """Return a table with answers for several heads, some of them unknown."""
    frame = mw.load_dataset("moons").frame.assign(side=lambda t: np.where(t.x > 0.4, "right", "left"))
    frame["size"] = np.hypot(frame.x, frame.y)
    frame.loc[::7, "size"] = np.nan
    frame.loc[::5, "side"] = None
    frame.to_csv(folder / "table.csv", index=False)
    return mw.load_dataset(frame, target="label")


@pytest.mark.parametrize("case", SEVERAL)
def test_several_heads_are_functions_too(case: str, interpreter: trials.Interpreter, tmp_path: Path) -> None:
    heads, values = SEVERAL[case]
    values = {"epochs": 3, "batch_size": 16, "dropout": 0.1, **values}
    exp = mw.Experiment(several(tmp_path), hyperparameters=values, heads=heads, seed=3)
    expected = exp.train().wait(100).evaluate().metrics
    for style in ("script", "torch"):
        source = exp.to_code(style=style)
        assert style == "script" or ("def fit(" in source and "def predict(" in source)
        trials.check_layout(source, tmp_path)
        assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    with pytest.raises(errors.InputError, match='scikit-learn.*style="torch"'):
        exp.to_code(style="sklearn")
    exp.close()


def test_batches_that_are_added_up_make_the_step_of_a_large_one(
    interpreter: trials.Interpreter, tmp_path: Path
) -> None:
    heads, values = SEVERAL["balanced"]
    found = []
    for more in ({"batch_size": 64, "accumulation": 1}, {"batch_size": 16, "accumulation": 4}):
        exp = mw.Experiment(several(tmp_path), hyperparameters={**values, "epochs": 4, **more}, heads=heads, seed=3)
        found.append(interpreter.metrics(exp.to_code(style="torch"), tmp_path))
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_a_balanced_head_with_its_own_loss_adds_up(interpreter: trials.Interpreter, tmp_path: Path) -> None:
    values = {"epochs": 4, "accumulation": 3, "batch_size": 16, "class_weight": "balanced"}
    head = mw.Head("classification", loss="binary_cross_entropy", weight=2.0)
    exp = mw.Experiment(mw.load_dataset("breast_cancer"), hyperparameters=values, heads=[head], seed=3)
    expected = exp.train().wait(100).evaluate().metrics
    for style in ("script", "torch", "sklearn"):
        source = exp.to_code(style=style)
        trials.check_layout(source, tmp_path)
        assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    exp.close()


PIPED: dict[str, dict[str, Any]] = {
    "mlp": NETWORK,
    "deep_mlp": {"epochs": 2, "schedule": "cosine", "l2": 1e-3},
    "wide_and_deep": {"epochs": 2, "class_weight": "balanced"},
    "lstm": {"epochs": 2, "schedule": "one_cycle", "warmup": 0.5},
}


@pytest.mark.parametrize("algorithm", PIPED)
@pytest.mark.parametrize("task", sorted(TABLES))
def test_a_network_is_an_estimator_of_a_pipeline(
    algorithm: str, task: str, interpreter: trials.Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {k: v for k, v in PIPED[algorithm].items() if task == "classification" or k != "class_weight"}
    exp = mw.Experiment(mw.load_dataset(TABLES[task]), algorithm=algorithm, hyperparameters=values, seed=2)
    expected = exp.train().wait(100).evaluate().metrics
    source = exp.to_code(style="sklearn")
    trials.check_layout(source, tmp_path)
    assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=trials.NETWORK_TOLERANCE)
    # one pipeline of all, but where it looks at the validation rows
    assert ("Pipeline([(" in source.replace("\n", "").replace(" ", "")) and ("X_train" in source) == (
        "patience" in values
    )
    exp.close()


def test_the_estimator_that_a_program_defines_is_one_of_scikit_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    monkeypatch.chdir(tmp_path)
    layers = [mw.Layer("linear", units=8, init="orthogonal", frozen=True), mw.Layer("batch_norm")]
    exp = mw.Experiment(mw.load_dataset("wine"), hyperparameters={"epochs": 4}, layers=layers, seed=2)
    Path("pipeline.py").write_text(exp.to_code(style="sklearn"), encoding="utf-8")
    names = runpy.run_path("pipeline.py")
    model, rows, classes = names["model"], names["frame"].iloc[names["train"]], names["y_train"]
    twice = clone(model).fit(rows, classes)
    np.testing.assert_array_equal(twice.predict_proba(rows), model.predict_proba(rows))
    assert twice.score(rows, classes) == model.score(rows, classes)
    search = GridSearchCV(model, {"estimator__epochs": [1, 12]}, cv=2).fit(rows, classes)
    assert search.best_params_ == {"estimator__epochs": 12}


def test_steps_before_the_estimator_are_steps_of_the_pipeline(interpreter: trials.Interpreter, tmp_path: Path) -> None:
    exp = mw.Experiment(mw.load_dataset("wine"), algorithm="random_forest", preprocessing=["pca"], seed=1)
    expected = exp.train().wait(100).evaluate().metrics
    for style in ("script", "sklearn"):
        source = exp.to_code(style=style)
        assert "PCA(" in source
        trials.check_layout(source, tmp_path)
        # fitting and transforming at once rounds PCA's float32 otherwise than one after the other
        assert interpreter.metrics(source, tmp_path) == pytest.approx(expected, rel=1e-9 if style == "script" else 0.05)
    exp.close()
