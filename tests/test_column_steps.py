"""Steps for some of a table's columns, and those that read text, dates and very many categories."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import medilytica_widgets as mw
from medilytica_widgets.algorithms.chain import check_steps
from medilytica_widgets.data import load_dataset
from medilytica_widgets.errors import ColumnNotFoundError, DataError, ModelFileError, ParameterError, SpecError

pytestmark = [
    pytest.mark.filterwarnings("ignore:Bins whose width are too small:UserWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*are constant:UserWarning"),
    pytest.mark.filterwarnings("ignore:invalid value encountered in divide:RuntimeWarning"),
]
CHAINS: dict[str, list[Any]] = {
    "code": [mw.Step("autoencoder", n_components=3, epochs=3, activation="tanh", depth=2)],
    "two codes": [
        mw.Step("autoencoder", columns=["age", "dose"], n_components=1, epochs=2),
        mw.Step("autoencoder", kind="categorical", n_components=2, epochs=2, activation="none"),
    ],
    "all kinds": ["date_parts", "tfidf", "hashing_encoder", "mode_imputer"],
    "dates": [
        mw.Step("date_parts", keep=True, hour=True, day=True, cyclical=False),
        mw.Step("mean_imputer", indicator=True),
    ],
    "text": [mw.Step("tfidf", columns=["note"], min_rows=1, phrase=2, stop_words="english", sublinear=True)],
    "gaps": [
        mw.Step("knn_imputer", columns=["age"], indicator=True),
        mw.Step("constant_imputer", columns=["dose"], value=3.5),
        mw.Step("mode_imputer", kind="categorical"),
        mw.Step("target_encoder", columns=["patient"]),
    ],
    "words": [
        mw.Step("frequency_encoder", columns=["patient"]),
        "ordinal_encoder",
        mw.Step("iterative_imputer", indicator=True),
        mw.Step("quantile_transformer", columns=["dose"]),
    ],
    "matrix": [
        mw.Step("hashing_encoder", columns=["patient"], n_columns=4, signed=False),
        mw.Step("discretizer", columns=["age"]),
        mw.Step("polynomial_features", columns=["dose", "smoker"]),
        mw.Step("power_transformer", kind="datetime"),
        mw.Step("select_k_best", k=9),
    ],
    "numbers as categories": [mw.Step("one_hot_encoder", columns=["smoker", "rooms"]), "median_imputer"],
}
TRANSFORMS = [entry.id for entry in mw.algorithms.list(task="transform") if entry.id != "tsne"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 240
    age, dose = rng.normal(60, 10, n).round(1), rng.uniform(0.1, 30, n).round(2)
    ward, smoker = rng.choice(["north", "south", "west", "attic"], n), rng.integers(0, 2, n)
    hours = pd.to_timedelta(rng.integers(0, 800 * 24, n), unit="h")
    phrases = ["no pain", "severe pain in the left arm", "feels well and walks", "headache again", "fever and cough"]
    made = pd.DataFrame(
        {
            "age": age,
            "dose": dose,
            "ward": ward,
            "smoker": smoker,
            "rooms": rng.integers(1, 5, n).astype(float),
            "when": pd.Timestamp("2021-01-01 05:00") + hours,
            "note": [f"{'; '.join(rng.choice(phrases, 3))}, seen by doctor {i % 90}" for i in range(n)],
            "patient": [f"P{i // 3:03d}" for i in range(n)],
        }
    )
    ill = (age - 60) / 10 + dose / 15 - 1 + smoker + (ward == "south") + rng.normal(0, 0.5, n) > 0.8
    made["ill"] = np.where(ill, "yes", "no")
    for column, step in (("age", 13), ("ward", 17), ("note", 19), ("when", 23)):
        made.loc[::step, column] = None
    return made


def experiment(frame: pd.DataFrame, steps: list[Any], **more: Any) -> mw.Experiment:
    more = {"algorithm": "logistic_regression", **more}
    return mw.Experiment(load_dataset(frame, "ill"), preprocessing=steps, **more)


def printed(code: str) -> dict[str, float]:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "script", "exec"), {"__name__": "script"})
    return {name: float(value) for name, value in (line.split() for line in out.getvalue().splitlines())}


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_acts_alike_everywhere(
    name: str, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exp = experiment(frame, CHAINS[name])
    frame.to_csv("table.csv", index=False)
    run = exp.train(wait=True, worker="thread")
    prepared, found = run.prepared, run.evaluate().metrics
    assert len(set(prepared.feature_names)) == prepared.X_train.shape[1] == prepared.X_test.shape[1]
    assert np.array_equal(prepared.preprocessor.transform(frame.iloc[prepared.split.test]), prepared.X_test)
    model = mw.load_model(run.save("model.mw"))
    assert model.evaluate(exp.data).metrics == found
    pd.testing.assert_frame_equal(model.predict(frame.head(7)), run.predict(frame.head(7)))
    assert printed(run.to_code()) == pytest.approx(found, abs=1e-12)
    # a pipeline hands columns on in another order of memory, in which sums round otherwise
    assert printed(run.to_code("sklearn")) == pytest.approx(found, abs=1e-6)
    notebook = json.loads(run.to_code("notebook"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert printed("\n".join(cells)) == pytest.approx(found, abs=1e-12)
    assert "medilytica" not in "".join(cells)
    assert mw.Experiment.from_spec(exp.spec.to_json(), exp.data).spec == exp.spec


def spoiled(frame: pd.DataFrame, rows: Any) -> pd.DataFrame:
    """Return a table whose rows hold wild values in every column but the target."""
    other = frame.copy()
    wild = {
        "age": -1e5,
        "dose": 1e6,
        "ward": "cellar",
        "smoker": 1,
        "rooms": 99.0,
        "when": pd.Timestamp("1931-05-05"),
        "note": "zebra quartz, a note of quite other words than any before",
        "patient": "Q999",
    }
    for column, value in wild.items():
        other.loc[rows, column] = value
    return other


LIMITED = {
    "mean_imputer": {"columns": ["age", "dose"], "indicator": True},
    "mode_imputer": {"kind": "categorical"},
    "knn_imputer": {"columns": ["age", "dose"]},
    "one_hot_encoder": {"columns": ["rooms"]},
    "target_encoder": {"columns": ["patient"]},
    "frequency_encoder": {"kind": "categorical"},
    "hashing_encoder": {"columns": ["ward"]},
    "tfidf": {"columns": ["note"]},
    "date_parts": {"kind": "datetime"},
    "quantile_transformer": {"kind": "numeric"},
    "discretizer": {"columns": ["age"]},
    "polynomial_features": {"kind": "numeric"},
    "select_k_best": {"kind": "categorical", "k": 3},
    "pca": {"columns": ["age", "dose"], "n_components": 1},
    "autoencoder": {"kind": "categorical", "epochs": 1},
}
SMALL: dict[str, Any] = {"autoencoder": {"epochs": 1}}


@pytest.mark.parametrize(
    ("step", "options"),
    [*((step, SMALL.get(step, {})) for step in TRANSFORMS), *LIMITED.items()],
    ids=[*TRANSFORMS, *(f"{step}-limited" for step in LIMITED)],
)
def test_held_out_rows_change_nothing_that_was_fitted(step: str, options: Any, frame: pd.DataFrame) -> None:
    steps = [mw.Step(step, **options)]
    first = experiment(frame, steps).prepared()
    held_out = np.concatenate([first.split.validation, first.split.test])
    second = experiment(spoiled(frame, held_out), steps).prepared()
    assert np.array_equal(second.split.train, first.split.train)
    assert np.array_equal(second.X_train, first.X_train) and second.feature_names == first.feature_names
    # what was fitted says the same of any row
    rows = frame.iloc[first.split.test]
    assert np.array_equal(second.preprocessor.transform(rows), first.preprocessor.transform(rows))
    assert not np.array_equal(second.X_test, first.X_test)


def test_a_column_of_chance_does_not_look_predictive_after_target_encoding() -> None:
    rng = np.random.default_rng(1)
    n = 600
    frame = pd.DataFrame({"code": [f"c{k}" for k in rng.integers(0, 200, n)], "ill": rng.choice(["no", "yes"], n)})
    data = load_dataset(frame, "ill")
    exp = mw.Experiment(data, "logistic_regression", preprocessing=["target_encoder"])
    prepared = exp.prepared()
    scores = cross_val_score(LogisticRegression(), prepared.X_train, prepared.y_train, cv=5, scoring="roc_auc")
    assert abs(scores.mean() - 0.5) < 0.1
    # encoded with their own answers the same rows look easy
    leaking = prepared.preprocessor.transform(frame.iloc[prepared.split.train])
    assert cross_val_score(LogisticRegression(), leaking, prepared.y_train, cv=5, scoring="roc_auc").mean() > 0.75


def test_the_code_of_an_autoencoder_is_a_matrix_for_any_algorithm(frame: pd.DataFrame) -> None:
    steps = [mw.Step("autoencoder", n_components=2, epochs=4)]
    prepared = experiment(frame, steps, seed=5).prepared()
    assert prepared.feature_names == ["component_1", "component_2"]
    from medilytica_widgets.algorithms.autoencoder_estimator import Autoencoder

    plain = experiment(frame, [], seed=5).prepared()
    bare = Autoencoder(n_components=2, epochs=4, random_state=5).fit(plain.X_train)
    assert np.array_equal(bare.transform(plain.X_test), prepared.X_test)
    for algorithm in ("kmeans", "mlp", "random_forest"):
        run = experiment(frame, steps, algorithm=algorithm).train(wait=True, worker="thread")
        assert run.prepared.X_train.shape[1] == 2 and run.evaluate().metrics
    with pytest.raises(ParameterError, match="contamination"):
        mw.algorithms.validate("autoencoder", {"contamination": 0.2}, "transform")
    with pytest.raises(ParameterError, match="columns only"):
        experiment(frame, [mw.Step("autoencoder", n_components=4, columns=["age", "dose"])]).prepared()


def test_dates_are_taken_apart_as_pandas_does() -> None:
    moments = pd.date_range("1999-12-31 20:00", periods=2000, freq="7h") + pd.Timedelta("59min59s")
    n = len(moments)
    frame = pd.DataFrame({"when": moments, "ill": np.where(np.arange(n) % 3, "yes", "no")})
    steps = [mw.Step("date_parts", hour=True, day=True, cyclical=False)]
    exp = mw.Experiment(load_dataset(frame, "ill"), "logistic_regression", preprocessing=steps)
    prepared = exp.prepared()
    rows = prepared.split.train
    dates = frame["when"].dt
    truth = {name: getattr(dates, name) for name in ("year", "month", "day", "hour")}
    truth["weekday"] = dates.day_of_week
    assert set(prepared.feature_names) == {f"when {part}" for part in truth}
    for part, values in truth.items():
        own = values.to_numpy()[rows].astype(float)
        column = prepared.X_train[:, prepared.feature_names.index(f"when {part}")]
        assert np.allclose(column, (own - own.mean()) / own.std(), atol=1e-5), part


def test_december_lies_beside_january(frame: pd.DataFrame) -> None:
    days = pd.date_range("2020-01-01", periods=1461, freq="D")
    table = pd.DataFrame({"when": days, "ill": np.where(np.arange(1461) % 2, "yes", "no")})
    steps = [mw.Step("date_parts", year=False, weekday=False)]
    exp = mw.Experiment(load_dataset(table, "ill"), "logistic_regression", preprocessing=steps)
    made = exp.prepared().preprocessor.transform(pd.DataFrame({"when": ["2021-12-15", "2021-01-15", "2021-07-15"]}))
    near, far = np.linalg.norm(made[0] - made[1]), np.linalg.norm(made[0] - made[2])
    assert near < far / 2


def test_texts_and_hashes_are_those_of_scikit_learn(frame: pd.DataFrame) -> None:
    steps = [mw.Step("tfidf", max_words=20), mw.Step("hashing_encoder", columns=["ward"], n_columns=8)]
    prepared = experiment(frame, steps).prepared()
    names = prepared.feature_names
    words = frame["note"].fillna("(missing)")
    reader = TfidfVectorizer(max_features=20, min_df=2).fit(words.iloc[prepared.split.train])
    places = [names.index(f"note: {word}") for word in reader.get_feature_names_out()]
    wanted = reader.transform(words.iloc[prepared.split.test]).toarray()
    assert np.allclose(prepared.X_test[:, places], wanted, atol=1e-6) and len(places) == 20
    hashes = prepared.X_test[:, [names.index(f"ward #{k}") for k in range(1, 9)]]
    assert np.array_equal(np.abs(hashes).sum(axis=1), np.ones(len(hashes)))
    one_word = HashingVectorizer(n_features=8, norm=None, lowercase=False, token_pattern=r"(?s).+")
    assert np.array_equal(
        hashes, one_word.transform(frame["ward"].fillna("(missing)").iloc[prepared.split.test]).toarray()
    )
    unseen = prepared.preprocessor.transform(frame.head(1).assign(ward="a ward that nobody knows", note="zebra"))
    assert np.abs(unseen[0, [names.index(f"ward #{k}") for k in range(1, 9)]]).sum() == 1


def test_gaps_are_filled_for_each_column_as_asked(frame: pd.DataFrame) -> None:
    table = frame.assign(dose=frame["dose"].where(np.arange(len(frame)) % 11 > 0))
    steps = [mw.Step("constant_imputer", columns=["dose"], value=7.0, indicator=True), "mode_imputer"]
    prepared = experiment(table, steps).prepared()
    rows = table.iloc[prepared.split.train]
    names = prepared.feature_names
    filled = rows["dose"].fillna(7.0)
    dose = prepared.X_train[:, names.index("dose")]
    assert np.allclose(dose, (filled - filled.mean()) / filled.std(ddof=0), atol=1e-5)
    told = prepared.X_train[:, names.index("dose=(missing)")] > 0
    assert np.array_equal(told, rows["dose"].isna().to_numpy())
    # the mode of categories too: their gaps are no category any more
    assert "ward=(missing)" not in names and "dose=(missing)" in names
    common = f"ward={rows['ward'].mode()[0]}"
    assert (prepared.X_train[rows["ward"].isna().to_numpy(), names.index(common)] == 1).all()


def test_a_step_for_some_columns_leaves_the_others(frame: pd.DataFrame) -> None:
    plain = experiment(frame, []).prepared()
    steps = [mw.Step("min_max_scaler", columns=["dose"]), mw.Step("discretizer", kind="datetime", encode="numbers")]
    made = experiment(frame, steps).prepared()
    assert set(made.feature_names) == set(plain.feature_names)
    for name in plain.feature_names:
        before, after = (p.X_train[:, p.feature_names.index(name)] for p in (plain, made))
        if name == "dose":
            assert after.min() == 0 and after.max() == pytest.approx(1)
        elif name == "when":
            assert set(np.unique(after)) == {0, 1, 2, 3, 4}
        else:
            assert np.array_equal(before, after)


def test_a_step_for_all_columns_is_written_as_it_always_was() -> None:
    assert mw.Step("pca", n_components=5).to_json() == {"id": "pca", "options": {"n_components": 5}}
    assert mw.Step("pca").model_dump(mode="json") == {"id": "pca", "options": {}}
    limited = mw.Step("pca", columns=["a", "b"], n_components=1)
    assert (
        limited.model_dump(mode="json")
        == limited.to_json()
        == {
            "id": "pca",
            "options": {"n_components": 1},
            "columns": ["a", "b"],
        }
    )
    assert mw.Step("pca", columns="a") == mw.Step("pca", columns=["a"]) != mw.Step("pca", kind="numeric")
    assert check_steps([limited.to_json()]) == [mw.Step("pca", columns=["a", "b"], n_components=1)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_step_for_a_named_column_goes_before_one_for_its_kind(frame: pd.DataFrame, turned: bool) -> None:
    wide, narrow = mw.Step("mean_imputer", kind="numeric"), mw.Step("constant_imputer", columns=["age"], value=-7.0)
    exp = experiment(frame, [narrow, wide] if turned else [wide, narrow])
    code = exp.to_code()
    assert "-7" in code and "mean" in code
    with pytest.raises(SpecError, match="both treat the column"):
        experiment(frame, [wide, mw.Step("knn_imputer", kind="numeric")]).prepared()


@pytest.mark.parametrize(
    ("steps", "error", "words"),
    [
        ([mw.Step("pca", columns=["aeg"])], ColumnNotFoundError, "is for the column 'aeg'.*'age'"),
        ([mw.Step("tfidf", columns=["age"])], SpecError, "cannot treat the column 'age': it holds numbers"),
        ([mw.Step("date_parts", columns=["ward"])], SpecError, "cannot treat the column 'ward'.*is for dates"),
        ([mw.Step("ordinal_encoder", columns=["age"])], SpecError, "cannot treat the column 'age'"),
        ([mw.Step("robust_scaler", columns=["ill"])], SpecError, "'ill', which is the target"),
        ([mw.Step("pca", kind="identifier")], SpecError, "kind 'identifier', and there is none. There are: binary"),
        (["pca", mw.Step("robust_scaler", columns=["age"])], SpecError, "Step 2, Robust scaler.*before that"),
        # counted as a person does, with the steps on the table's own columns
        (
            ["mean_imputer", "pca", "ordinal_encoder", mw.Step("robust_scaler", columns=["age"])],
            SpecError,
            "Step 4, Robust scaler.*before that",
        ),
        ([mw.Step("robust_scaler", columns=["note"])], SpecError, "'note', from which nothing is learned: .*text"),
        (
            [mw.Step("mean_imputer", columns=["age"]), mw.Step("knn_imputer", columns=["age"])],
            SpecError,
            "Mean imputer and Nearest-neighbours imputer both treat the column 'age'",
        ),
        ([mw.Step("tfidf", min_rows=500)], DataError, "cannot be prepared so"),
    ],
)
def test_steps_that_the_table_does_not_allow(
    steps: list[Any], error: type[Exception], words: str, frame: pd.DataFrame
) -> None:
    if "before that" not in words and error is not DataError:
        # told as soon as it is said, by a new experiment and by one that there is
        with pytest.raises(error, match=words):
            experiment(frame, steps)
        other = experiment(frame, ["robust_scaler"])
        with pytest.raises(error, match=words):
            other.set_preprocessing(steps)
        assert other.preprocessing == [mw.Step("robust_scaler")] and not other.can_undo
        return
    exp = experiment(frame, steps)
    with pytest.raises(error, match=words):
        exp.prepared()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([mw.Step("pca", columns=["age"], kind="numeric")], "not for both"),
        ([mw.Step("pca", kind="number")], "'numeric'"),
        ([mw.Step("pca", columns=["age", "age"])], "'age' twice"),
        (["mean_imputer", "mode_imputer"], r"columns=\[…\]"),
    ],
)
def test_steps_that_cannot_be_are_refused_at_once(steps: list[Any], words: str, frame: pd.DataFrame) -> None:
    with pytest.raises(SpecError, match=words):
        experiment(frame, steps)


def test_damaged_words_are_refused(frame: pd.DataFrame) -> None:
    import skops.io

    from medilytica_widgets.data import Preprocessor

    made = experiment(frame, ["tfidf", "hashing_encoder", "date_parts"]).prepared().preprocessor
    blob, facts = made.save_parts()
    assert Preprocessor.from_parts(blob, facts).feature_names == made.feature_names

    def changed(name: str, **values: Any) -> bytes:
        content = skops.io.loads(blob, trusted=["numpy.dtype"])
        vars(content.named_transformers_[name]).update(values)
        return bytes(skops.io.dumps(content))

    for name, values, words in (
        ("tfidf_1", {"vocabulary_": {"pain": 10**9}}, "list of words"),
        ("tfidf_1", {"token_pattern": "(a+)+$"}, "list of words"),
        ("hashing_encoder_1", {"n_features": 2**30}, "hashing"),
        ("hashing_encoder_1", {"ngram_range": (1, 10**6)}, "hashing"),
    ):
        with pytest.raises(ModelFileError, match=words):
            Preprocessor.from_parts(changed(name, **values), facts)
    with pytest.raises(ModelFileError, match="takes dates apart"):
        Preprocessor.from_parts(blob, {**facts, "dates": {"when": {"when x": "century"}}})
