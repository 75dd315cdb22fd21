"""Steps before an algorithm: fitted on the training rows only, and the same everywhere."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, TargetEncoder

import medilytica_widgets as mw
from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.errors import DataError, ModelFileError, ParameterError, SpecError, TargetError
from medilytica_widgets.metrics import METRICS

CHAINS: list[list[Any]] = [
    ["min_max_scaler", mw.Step("pca", n_components=3)],
    [mw.Step("one_hot_encoder", max_categories=2), "mean_imputer"],
    ["ordinal_encoder", "knn_imputer", "variance_threshold"],
    ["target_encoder", "iterative_imputer", "polynomial_features", mw.Step("select_k_best", k=4)],
    ["frequency_encoder", "median_imputer", "robust_scaler", "truncated_svd"],
    ["recursive_elimination", "discretizer"],
    [mw.Step("select_k_best", score="mutual_information", k=5), "nmf"],
    ["select_from_model", "quantile_transformer"],
    ["pca", "pca"],
]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 240
    age = rng.normal(60, 10, n).round(1)
    dose = rng.uniform(0.1, 30, n).round(2)
    ward = rng.choice(["north", "south", "west", "attic"], n, p=[0.2, 0.45, 0.3, 0.05])
    smoker = rng.integers(0, 2, n)
    ill = (age - 60) / 10 + dose / 15 - 1 + smoker + (ward == "south") + rng.normal(0, 0.5, n) > 0.8
    made = pd.DataFrame({"age": age, "dose": dose, "ward": ward, "smoker": smoker})
    made["ill"] = np.where(ill, "yes", "no")
    made["level"] = (age / 7 + dose).round(3)
    made.loc[::13, "age"] = np.nan
    made.loc[::17, "ward"] = None
    return made


def experiment(frame: pd.DataFrame, steps: list[Any], target: str | None = "ill", **more: Any) -> mw.Experiment:
    more = {"algorithm": "logistic_regression", **more}
    other = {"ill": "level", "level": "ill"}.get(str(target))
    return mw.Experiment(
        load_dataset(frame.drop(columns=[other] if other else []), target), preprocessing=steps, **more
    )


def printed(code: str) -> dict[str, float]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "script", "exec"), {"__name__": "script"})
    return {name: float(value) for name, value in (line.split() for line in out.getvalue().splitlines())}


@pytest.mark.parametrize("steps", CHAINS, ids=lambda steps: "-".join(getattr(s, "id", s) for s in steps))
def test_a_chain_acts_alike_everywhere(
    steps: list[Any], frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exp = experiment(frame, steps)
    exp.data.frame.to_csv("table.csv", index=False)
    run = exp.train(wait=True, worker="thread")
    prepared = run.prepared
    assert prepared.X_train.dtype == np.float32 and prepared.X_train.flags.c_contiguous
    assert prepared.X_train.shape[1] == prepared.X_test.shape[1] == len(prepared.feature_names) > 0
    assert np.array_equal(prepared.preprocessor.transform(frame.iloc[prepared.split.test]), prepared.X_test)
    found = run.evaluate().metrics
    model = mw.load_model(run.save("model.mw"))
    assert model.evaluate(exp.data).metrics == found
    pd.testing.assert_frame_equal(model.predict(frame.head(7)), run.predict(frame.head(7)))
    assert printed(run.to_code()) == pytest.approx(found, abs=1e-12)
    # a pipeline hands columns on in another order of memory, in which sums round otherwise
    assert printed(run.to_code("sklearn")) == pytest.approx(found, abs=1e-6)
    assert mw.Experiment.from_spec(exp.spec.to_json(), exp.data).spec == exp.spec


@pytest.mark.parametrize("steps", CHAINS[:5], ids=lambda steps: "-".join(getattr(s, "id", s) for s in steps))
def test_a_chain_is_fitted_on_training_rows_only(steps: list[Any], frame: pd.DataFrame) -> None:
    exp = experiment(frame, steps)
    first = exp.prepared()
    spoiled = frame.copy()
    held_out = np.concatenate([first.split.validation, first.split.test])
    spoiled.loc[held_out, "age"] = 1e6
    spoiled.loc[held_out, "ward"] = "cellar"
    spoiled.loc[held_out, "dose"] = -5.0
    second = experiment(spoiled, steps).prepared()
    assert np.array_equal(second.split.train, first.split.train)
    assert np.array_equal(second.X_train, first.X_train)
    assert not np.array_equal(second.X_test, first.X_test)


def test_parity_with_a_pipeline_of_scikit_learn(frame: pd.DataFrame) -> None:
    exp = experiment(frame, ["min_max_scaler", mw.Step("pca", n_components=3)])
    run = exp.train(wait=True, worker="thread")
    plain = prepare(exp.data, split(exp.data))
    logistic = LogisticRegression(max_iter=1000, random_state=0)
    bare = make_pipeline(MinMaxScaler(clip=True), PCA(3, random_state=0), logistic).fit(plain.X_train, plain.y_train)
    answer = run.predict(frame.iloc[plain.split.test])
    assert np.allclose(answer["probability_yes"], bare.predict_proba(plain.X_test)[:, 1], atol=1e-6)
    assert run.prepared.feature_names == ["component_1", "component_2", "component_3"]


def test_a_target_encoder_lets_no_answer_leak_into_its_own_row(frame: pd.DataFrame) -> None:
    exp = experiment(frame, ["target_encoder"])
    prepared = exp.prepared()
    column = prepared.feature_names.index("ward")
    words = frame["ward"].fillna("(missing)").to_numpy(dtype=object)[prepared.split.train, None]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    encoder = TargetEncoder(target_type="binary", cv=folds)
    own = encoder.fit_transform(words, prepared.y_train)[:, 0]
    scaled = (own - own.mean()) / own.std()
    assert np.allclose(prepared.X_train[:, column], scaled, atol=1e-5)
    # as new rows, without leaving out the part that holds each, they have other values
    as_new = prepared.preprocessor.transform(frame.iloc[prepared.split.train])
    assert not np.allclose(as_new[:, column], prepared.X_train[:, column], atol=1e-5)


def test_names_follow_the_steps(frame: pd.DataFrame) -> None:
    def columns(*steps: Any) -> list[str]:
        return experiment(frame, list(steps)).prepared().feature_names

    wards = [f"ward={word}" for word in ("(missing)", "attic", "north", "south", "west")]
    assert columns() == ["age", "dose", "smoker=0", "smoker=1", *wards]
    assert columns("ordinal_encoder") == ["age", "dose", "smoker=0", "smoker=1", "ward"]
    assert columns(mw.Step("one_hot_encoder", max_categories=2))[4:] == ["ward=south", "ward=(rare)"]
    assert columns("ordinal_encoder", mw.Step("polynomial_features", interaction_only=True))[5] == "age dose"
    assert set(columns(mw.Step("select_k_best", k=2))) < set(columns())


def test_shares_are_those_of_the_training_rows(frame: pd.DataFrame) -> None:
    prepared = experiment(frame, ["frequency_encoder"]).prepared()
    words = frame["ward"].fillna("(missing)").iloc[prepared.split.train]
    share = words.map(words.value_counts(normalize=True)).to_numpy()
    column = prepared.feature_names.index("ward")
    assert np.allclose(prepared.X_train[:, column], (share - share.mean()) / share.std(), atol=1e-5)
    unseen = prepared.preprocessor.transform(frame.head(1).assign(ward="cellar"))
    assert unseen[0, column] == pytest.approx(-share.mean() / share.std(), abs=1e-5)


def test_gaps_are_filled_as_asked(frame: pd.DataFrame) -> None:
    age = {}
    for name in ("median_imputer", "mean_imputer", "knn_imputer", "iterative_imputer"):
        prepared = experiment(frame, [name]).prepared()
        gaps = frame["age"].isna().to_numpy()[prepared.split.train]
        age[name] = prepared.X_train[gaps, 0]
        assert np.isfinite(prepared.X_train).all() and gaps.sum() > 5
    assert np.ptp(age["mean_imputer"]) == 0 and abs(age["mean_imputer"][0]) < 1e-6
    assert np.ptp(age["median_imputer"]) == 0 and age["median_imputer"][0] != age["mean_imputer"][0]
    assert np.ptp(age["knn_imputer"]) > 0 and np.ptp(age["iterative_imputer"]) > 0
    assert np.array_equal(age["median_imputer"], _default_gaps(frame))


def _default_gaps(frame: pd.DataFrame) -> Any:
    prepared = experiment(frame, []).prepared()
    return prepared.X_train[frame["age"].isna().to_numpy()[prepared.split.train], 0]


def test_a_network_learns_on_the_transformed_columns(frame: pd.DataFrame) -> None:
    exp = experiment(frame, ["target_encoder", mw.Step("pca", n_components=3)], "level", algorithm="mlp")
    exp.set("epochs", 3)
    run = exp.train(wait=True, worker="thread")
    assert run.prepared.X_train.shape[1] == 3
    assert set(run.evaluate().metrics) <= set(METRICS)
    code = run.to_code()
    compile(code, "script", "exec")
    assert code.index("step = PCA(n_components=3") < code.index("torch.manual_seed")


def test_steps_work_without_a_target(frame: pd.DataFrame) -> None:
    bare = frame.drop(columns=["ill", "level"])
    run = experiment(bare, ["ordinal_encoder", "pca"], None, algorithm="kmeans").train(wait=True, worker="thread")
    assert run.evaluate().metrics["part_clustered"] == 1.0
    with pytest.raises(TargetError, match="Target encoder looks at the target"):
        experiment(bare, ["target_encoder"], None, algorithm="kmeans")


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([mw.Step("pca", n_components=50)], ParameterError, "prepared table has 9 columns only: take at most 9"),
        ([mw.Step("kernel_pca", n_components=5000)], ParameterError, "training rows only"),
        ([mw.Step("variance_threshold", threshold=90.0)], DataError, "Step 1, Variance threshold, cannot be fitted"),
    ],
)
def test_steps_that_the_table_does_not_allow(
    steps: list[Any], error: type[Exception], words: str, frame: pd.DataFrame
) -> None:
    exp = experiment(frame, steps)
    with pytest.raises(error, match=words):
        exp.prepared()


def test_steps_that_cannot_be_are_refused_at_once(frame: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match="no rule for others"):
        experiment(frame, ["tsne"])
    with pytest.raises(ParameterError, match="n_components"):
        experiment(frame, [mw.Step("pca", n_components=0)])


def test_a_changed_chain_is_prepared_anew(frame: pd.DataFrame) -> None:
    exp = experiment(frame, ["pca"])
    assert len(exp.prepared().feature_names) == 2
    exp.spec = {**exp.spec.to_json(), "preprocessing": [mw.Step("pca", n_components=4).to_json()]}
    assert len(exp.prepared().feature_names) == 4
    exp.undo()
    assert exp.prepared().feature_names == ["component_1", "component_2"]


def test_a_damaged_or_foreign_chain_is_refused(frame: pd.DataFrame) -> None:
    import skops.io

    from medilytica_widgets.data import Preprocessor

    blob, facts = experiment(frame, ["pca"]).prepared().preprocessor.save_parts()
    with pytest.raises(ModelFileError, match="cannot be read"):
        Preprocessor.from_parts(blob[:200], facts)
    content = skops.io.loads(blob, trusted=["numpy.dtype"])
    foreign = skops.io.dumps([*content, Path("x")])
    with pytest.raises(ModelFileError, match="types never written here"):
        Preprocessor.from_parts(foreign, facts)
