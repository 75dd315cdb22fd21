"""Neural networks from an experiment's side: every entry trains, answers, is stored, goes on and prints itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets.errors import InputError, ParameterError, ShapeError, StateError
from tests.code_trials import NETWORK_TOLERANCE, Interpreter

SMALL: dict[str, dict[str, Any]] = {
    "deep_mlp": {"width": 16, "normalisation": "batch"},
    "wide_and_deep": {"width": 16, "normalisation": "layer", "shape": "halving"},
    "conv1d": {"filters": 4, "width": 16, "normalisation": "group"},
    "lstm": {"units": 8, "depth": 2, "bidirectional": True},
    "gru": {"units": 8, "token_width": None},
    "ft_transformer": {"token_width": 8, "heads": 2, "blocks": 1},
}
SHORT = {"epochs": 3, "batch_size": 32}
TABLES = {"classification": "iris", "regression": "diabetes"}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    with Interpreter() as started:
        yield started


def experiment(algorithm: str, task: str = "classification", **values: Any) -> mw.Experiment:
    data = mw.load_dataset(TABLES[task])
    return mw.Experiment(data, algorithm, {**SHORT, **SMALL.get(algorithm, {}), **values}, seed=2)


@pytest.mark.parametrize("task", TABLES)
@pytest.mark.parametrize("algorithm", SMALL)
def test_an_entry_does_all_that_a_run_can(algorithm: str, task: str, tmp_path: Path, interpreter: Interpreter) -> None:
    exp = experiment(algorithm, task)
    run = exp.train(wait=True)
    assert run.status == "finished" and len(run.history) == 3 and np.isfinite(run.history["val_loss"]).all()
    predicted = run.predict(exp.data.frame)
    assert predicted["prediction"].notna().all() and predicted.iloc[:, -1].nunique() > 10

    run.save(tmp_path / "model.mw")
    pd.testing.assert_frame_equal(mw.load_model(tmp_path / "model.mw").predict(exp.data.frame), predicted)

    again = mw.Run.resume(run.folder / "epochs" / "00000001.safetensors", wait=True)
    pd.testing.assert_frame_equal(again.predict(exp.data.frame), predicted)
    again.close()

    expected = run.evaluate().metrics
    assert interpreter.metrics(exp.to_code(), tmp_path) == pytest.approx(expected, rel=NETWORK_TOLERANCE, abs=0.02)
    brought_back = mw.Experiment.from_spec(exp.spec.to_json(), exp.data)
    assert brought_back.spec == exp.spec and brought_back.layers == exp.layers
    exp.close()


def test_the_layers_follow_the_hyperparameters() -> None:
    exp = experiment("deep_mlp", blocks=1)
    assert [layer.kind for layer in exp.layers] == ["linear", "residual", "batch_norm", "activation"]
    exp.set("blocks", 3)
    assert [layer.kind for layer in exp.layers].count("residual") == 3
    assert exp.analysis().error is None and exp.spec.layers == []
    run = exp.train(wait=True)
    exp.set("blocks", 2)
    assert len(run._job.layers) == 6 and len(exp.layers) == 5
    exp.close()


def test_layers_that_follow_cannot_be_edited_one_by_one() -> None:
    exp = experiment("wide_and_deep")
    before = exp.layers
    for edit in (
        lambda: exp.add_layer(0, mw.Layer("linear", units=2)),
        lambda: exp.remove_layer(0),
        lambda: exp.move_layer(0, 1),
        lambda: exp.update_layer(0, units=3),
        lambda: exp.set_layers([]),
        lambda: exp.duplicate_layer(0),
        lambda: exp.configure_layer(0, name="first"),
        lambda: exp.place_head(0, 1),
    ):
        with pytest.raises(StateError, match=r"follow from its hyperparameters.*to_layers\(\)"):
            edit()
    assert exp.layers == before and not exp.can_undo


def test_to_layers_makes_the_stack_a_persons_own() -> None:
    exp = experiment("wide_and_deep", learning_rate=0.02, dropout=0.2)
    first = exp.train(wait=True)
    stack = exp.to_layers()
    assert exp.algorithm.id == "mlp" and exp.layers == stack == list(first._job.layers)
    assert exp.hyperparameters["learning_rate"] == 0.02 and exp.hyperparameters["dropout"] is None
    second = exp.train(wait=True)
    pd.testing.assert_frame_equal(first.predict(exp.data.frame), second.predict(exp.data.frame))
    exp.update_layer(0, units=5)
    assert exp.layers[0].options["units"] == 5
    assert exp.to_layers() == exp.layers
    exp.undo()
    exp.undo()
    assert exp.algorithm.id == "wide_and_deep" and exp.layers == stack and exp.spec.layers == []
    exp.close()


def test_the_builder_shows_layers_that_follow_and_says_why_they_stand() -> None:
    exp = experiment("ft_transformer")
    builder = mw.LayerBuilder(exp)
    assert "exp.to_layers()" in builder.fixed and "exp.to_layers()" in builder.static_html()
    assert [layer["kind"] for layer in builder.network["layers"]][:2] == ["tokens", "transformer_block"]
    exp.set("blocks", 2)
    builder.update_view()
    assert len(builder.network["layers"]) == len(exp.layers) == 6
    exp.to_layers()
    builder.update_view()
    assert builder.fixed == "" and builder.uses_layers
    builder.close()


def test_to_layers_of_an_algorithm_without_layers_is_refused() -> None:
    exp = mw.Experiment(mw.load_dataset("iris"), "random_forest")
    with pytest.raises(StateError, match="has no layers"):
        exp.to_layers()


def test_a_persons_stack_waits_while_another_network_is_tried() -> None:
    mine = [mw.Layer("linear", units=7)]
    exp = mw.Experiment(mw.load_dataset("iris"), layers=mine)
    exp.select_algorithm("ft_transformer")
    assert exp.layers[0].kind == "tokens"
    exp.select_algorithm("mlp")
    assert exp.layers == mine


def test_a_branch_keeps_the_shape_of_the_network() -> None:
    exp = experiment("deep_mlp")
    run = exp.train(wait=True)
    with pytest.raises(ParameterError, match="width shapes the network") as caught:
        run.branch(2, width=32)
    assert caught.value.nearest == 16
    other = run.branch(2, dropout=0.4, learning_rate=0.01, wait=True)
    assert other.status == "finished" and len(other.history) == 3
    exp.close()


def test_dropout_in_blocks_changes_while_a_run_trains_and_in_its_script(
    tmp_path: Path, interpreter: Interpreter
) -> None:
    exp = experiment("deep_mlp", epochs=12, normalisation="layer")
    run = exp.train(wait=False)
    run.pause()
    exp.set("dropout", 0.6)
    run.resume()
    run.wait(60)
    assert [mark.name for mark in run.marks] == ["dropout"]
    source = run.to_code()
    assert "module.p = 0.6" in source
    assert interpreter.metrics(source, tmp_path) == pytest.approx(run.evaluate().metrics, abs=NETWORK_TOLERANCE)
    exp.close()


def test_a_head_sits_on_a_layer_that_follows() -> None:
    data = mw.load_dataset("iris")
    heads = [
        mw.Head("classification", name="kind"),
        mw.Head("regression", name="width", target="petal width (cm)", at="deep"),
    ]
    exp = mw.Experiment(data, "wide_and_deep", {**SHORT, "width": 8}, heads=heads)
    run = exp.train(wait=True)
    assert {"prediction", "width_prediction"} <= set(run.predict(data.frame))
    exp.close()
    with pytest.raises(InputError, match="'nowhere'"):
        mw.Experiment(data, "wide_and_deep", heads=[mw.Head("classification", at="nowhere")])


def test_a_table_that_is_too_wide_is_refused_at_once() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 1001)).round(3)).add_prefix("x")
    data = mw.load_dataset(frame.assign(label=rng.integers(0, 2, 40)), target="label")
    with pytest.raises(ShapeError, match="at most 1,000 features"):
        mw.Experiment(data, "ft_transformer")
    exp = mw.Experiment(data, "mlp")
    exp.select_algorithm("ft_transformer")
    with pytest.raises(ShapeError, match="at most 1,000 features"):
        exp.train()
    assert exp.runs == []


# --- the autoencoder ---------------------------------------------------------------------------------------


def test_the_autoencoder_does_all_that_a_run_can(tmp_path: Path, interpreter: Interpreter) -> None:
    data = mw.load_dataset("breast_cancer")
    exp = mw.Experiment(data, "autoencoder", {"epochs": 12, "n_components": 3, "activation": "tanh"}, seed=4)
    run = exp.train(wait=True)
    losses = run.history["train_loss"].to_numpy()
    assert losses[-1] < 0.8 * losses[0] and run.history["epoch"].iloc[-1] == 12
    answers = run.predict(data.frame)
    assert list(answers) == ["anomaly", "score", "component_1", "component_2", "component_3"]
    assert answers["score"][answers["anomaly"]].min() > answers["score"][~answers["anomaly"]].max()
    assert answers["anomaly"].mean() == pytest.approx(0.05, abs=0.03)

    run.save(tmp_path / "model.mw")
    pd.testing.assert_frame_equal(mw.load_model(tmp_path / "model.mw").predict(data.frame), answers)
    expected = run.evaluate().metrics
    assert expected["roc_auc"] > 0.6
    assert interpreter.metrics(exp.to_code(), tmp_path) == pytest.approx(expected, abs=NETWORK_TOLERANCE)
    exp.close()


def test_an_autoencoder_grown_in_stages_is_one_fit() -> None:
    from medilytica_widgets.algorithms.autoencoder_estimator import Autoencoder

    rows = np.random.default_rng(0).normal(size=(90, 5)).astype(np.float32)
    whole = Autoencoder(n_components=2, width=8, epochs=7, batch_size=32, weight_decay=0.1).fit(rows)
    grown = Autoencoder(n_components=2, width=8, epochs=1, batch_size=32, weight_decay=0.1, warm_start=True)
    for epochs in (1, 3, 7):
        grown.set_params(epochs=epochs).fit(rows)
    assert grown.offset_ == whole.offset_
    np.testing.assert_array_equal(grown.transform(rows), whole.transform(rows))
    back = whole.inverse_transform(whole.transform(rows))
    assert whole.predict(rows[:0]).shape == (0,) and whole.transform(rows[:0]).shape == (0, 2)
    np.testing.assert_allclose(whole.score_samples(rows), -((rows - back) ** 2).mean(axis=1), rtol=1e-5)


def test_an_autoencoder_finds_what_breaks_the_pattern() -> None:
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(400, 1))
    rows = hidden * [1.0, -1.0, 0.5, 2.0] + rng.normal(scale=0.05, size=(400, 4))
    rows[:8, 1] *= -1.0
    data = mw.load_dataset(pd.DataFrame(rows, columns=list("abcd")))
    exp = mw.Experiment(data, "autoencoder", {"epochs": 60, "n_components": 1, "learning_rate": 0.01})
    score = exp.train(wait=True).predict(data.frame)["score"].to_numpy()
    broken = np.abs(rows[:8, 1]) > 0.5
    assert np.median(score[:8][broken]) > 5 * np.median(score[8:])
    exp.close()
    with pytest.raises(ParameterError, match="n_components is 9"):
        mw.Experiment(data, "autoencoder", {"n_components": 9}).train()
