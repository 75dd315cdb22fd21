"""Splits, preprocessing and prediction on new rows."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from medilytica_widgets.data import Dataset, Preprocessor, load_dataset, prepare, split
from medilytica_widgets.errors import ColumnNotFoundError, DataError, ModelFileError, SpecError, TargetError

HOSTILE = [
    'a "quoted" name',
    "<script>alert(1)</script>",
    "two\nlines",
    "🚀 é",
    "__proto__",
    "'; drop table t; --",
    "[x]",
    "a\\b",
    "{0}",
]


def toy(rows: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "dose": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(10, 3, rows)),
            "sex": rng.integers(0, 2, rows),
            "town": rng.choice(["Bern", "Köln", "Graz"], rows),
            "seen": pd.date_range("2020-01-01", periods=rows, freq="D"),
            "y": rng.choice(["u", "v"], rows),
        }
    )


def test_shares_and_strata(kepler: Dataset) -> None:
    rows = split(kepler)
    assert (len(rows.train), len(rows.validation), len(rows.test)) == (6121, 1530, 1913)
    assert rows.stratified and rows.notes == []
    assert sorted(np.concatenate([rows.train, rows.validation, rows.test])) == list(range(9564))
    whole = (kepler.frame.koi_disposition == "CONFIRMED").mean()
    for part in (rows.train, rows.validation, rows.test):
        assert (kepler.frame.koi_disposition.iloc[part] == "CONFIRMED").mean() == pytest.approx(whole, abs=0.001)


def test_a_seed_gives_the_same_rows_and_scikit_learns(kepler: Dataset) -> None:
    rows = split(kepler, seed=5)
    np.testing.assert_array_equal(rows.train, split(kepler, seed=5).train)
    assert not np.array_equal(rows.train, split(kepler, seed=6).train)
    y = kepler.frame["koi_disposition"].to_numpy()
    rest, test = train_test_split(np.arange(9564), test_size=1913, random_state=5, stratify=y)
    np.testing.assert_array_equal(rows.test, test)
    np.testing.assert_array_equal(
        rows.validation, train_test_split(rest, test_size=1530, random_state=5, stratify=y[rest])[1]
    )


def test_rows_without_a_target_are_left_out(planets: Dataset) -> None:
    rows = split(planets)
    used = np.concatenate([rows.train, rows.validation, rows.test])
    assert planets.frame["disposition"].iloc[used].notna().all() and len(used) == 21267 - 7699
    assert "7,699 rows" in rows.notes[0]


def test_classes_too_small_to_stratify_fall_back_with_a_note() -> None:
    data = load_dataset(toy().assign(y=["once"] + ["u", "v", "w"] * 39 + ["u", "v"]), "y")
    rows = split(data)
    assert not rows.stratified and "at random" in rows.notes[0]


def test_splits_that_cannot_be() -> None:
    data = load_dataset(toy(), "y")
    with pytest.raises(SpecError, match=r"test=0\.9"):
        split(data, test=0.9, validation=0.2)
    with pytest.raises(DataError, match="cannot be divided"):
        split(load_dataset(toy(2).assign(y=["u", "v"]), "y"))
    with pytest.raises(DataError, match=r"2 rows cannot be divided"):
        split(load_dataset(toy(2)))


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 90), st.integers(0, 2**32 - 1), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_parts_never_overlap(rows: int, seed: int, test: float, validation: float) -> None:
    data = load_dataset(
        pd.DataFrame({"x": np.arange(rows) * 1.5, "y": ["u", "v"] * (rows // 2) + ["u"] * (rows % 2)}), "y"
    )
    parts = split(data, seed=seed, test=test, validation=validation)
    every = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(every) == list(range(rows)) and min(map(len, (parts.train, parts.validation, parts.test))) >= 1


def test_matrices_are_what_engines_take(kepler: Dataset) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ready = prepare(kepler, split(kepler))
    for part in ("train", "validation", "test"):
        X, y = getattr(ready, f"X_{part}"), getattr(ready, f"y_{part}")
        assert X.dtype == np.float32 and X.flags.c_contiguous and X.ndim == 2 and np.isfinite(X).all()
        assert y.dtype == np.int64 and len(X) == len(y) and set(y) == {0, 1, 2}
    assert ready.X_train.shape[1] == len(ready.feature_names) == len(set(ready.feature_names))
    aside = tuple(kepler.set_aside)
    assert not any(name.startswith(aside) for name in ready.feature_names)
    assert ready.classes == kepler.classes and ready.task == "classification"


def test_regression_keeps_its_own_units() -> None:
    data = load_dataset("diabetes")
    ready = prepare(data, split(data))
    assert ready.y_train.dtype == np.float32 and ready.y_train.mean() > 100 and ready.classes == []


def test_fitted_on_the_training_rows_only() -> None:
    table = toy()
    data = load_dataset(table, "y")
    rows = split(data)
    spoiled = table.copy()
    held = np.concatenate([rows.validation, rows.test])
    spoiled.loc[held, "dose"] = 1e6
    spoiled.loc[held, "town"] = "elsewhere"
    theirs = prepare(load_dataset(spoiled, "y"), rows)
    ours = prepare(data, rows)
    np.testing.assert_array_equal(ours.X_train, theirs.X_train)
    assert ours.preprocessor.numeric_scales() == theirs.preprocessor.numeric_scales()
    assert ours.feature_names == theirs.feature_names
    assert ours.preprocessor.numeric_scales()["dose"]["median"] == pytest.approx(
        float(np.nanmedian(table["dose"].iloc[rows.train]))
    )


def test_feature_names_match_the_columns() -> None:
    data = load_dataset(toy(), "y")
    ready = prepare(data, split(data))
    assert ready.feature_names == ["dose", "seen", "sex=0", "sex=1", "town=Bern", "town=Graz", "town=Köln"]
    first = data.frame.iloc[ready.split.train[0]]
    row = dict(zip(ready.feature_names, ready.X_train[0], strict=True))
    assert row[f"town={first.town}"] == 1 and row[f"sex={first.sex}"] == 1
    assert row["town=Bern"] + row["town=Graz"] + row["town=Köln"] == 1


def test_many_categories_share_a_rare_one() -> None:
    rng = np.random.default_rng(0)
    towns = [f"town{i}" for i in rng.integers(0, 200, 2000)]
    data = load_dataset(pd.DataFrame({"town": towns, "y": rng.choice(["u", "v"], 2000)}), "y")
    ready = prepare(data, split(data))
    assert len(ready.feature_names) == 50 and ready.feature_names[-1] == "town=(rare)"
    assert ready.preprocessor.transform({"town": ["never seen"]})[0, -1] == 1


def test_new_rows_in_any_form() -> None:
    data = load_dataset(toy(), "y")
    made = prepare(data, split(data)).preprocessor
    tidy = pd.DataFrame({"dose": [11.5], "sex": [1], "town": ["Bern"], "seen": [pd.Timestamp("2020-02-01")]})
    expected = made.transform(tidy)
    messy = pd.DataFrame(
        {"extra": ["?"], " seen ": ["2020-02-01"], "town": [" Bern "], "sex": [" 1.0"], "dose": ["11.5 "]}, index=[77]
    )
    np.testing.assert_array_equal(made.transform(messy), expected)
    np.testing.assert_array_equal(made.transform(tidy.astype({"sex": float}).convert_dtypes()), expected)
    np.testing.assert_array_equal(made.transform(tidy.assign(sex=[True])), expected)
    one_row = {"dose": "11.5", "sex": 1, "town": "Bern", "seen": "2020-02-01"}
    np.testing.assert_array_equal(made.transform(one_row), expected)
    unseen = made.transform(tidy.assign(town="Oslo"))
    names = made.feature_names
    assert [unseen[0, names.index(f"town={t}")] for t in ("Bern", "Graz", "Köln")] == [0, 0, 0]
    empty = made.transform({"dose": ["?"], "sex": [None], "town": [""], "seen": ["NA"]})
    assert np.isfinite(empty).all()
    assert made.transform(tidy.iloc[:0]).shape == (0, len(names))


def test_rows_that_cannot_be_used_are_named() -> None:
    data = load_dataset(toy(), "y")
    made = prepare(data, split(data)).preprocessor
    with pytest.raises(ColumnNotFoundError, match=r"'dose'.*Did you mean 'doses'"):
        made.transform({"doses": [1], "sex": [1], "town": ["Bern"], "seen": ["2020-02-01"]})
    with pytest.raises(ColumnNotFoundError, match="'sex', 'town', 'seen'"):
        made.transform({"dose": [1]})
    with pytest.raises(DataError, match="'dose' needs a number.*'much'"):
        made.transform({"dose": ["much"], "sex": [1], "town": ["Bern"], "seen": ["2020-02-01"]})


def test_whole_table_again_gives_the_same_matrix(kepler: Dataset, kepler_file: object) -> None:
    ready = prepare(kepler, split(kepler))
    raw = pd.read_csv(str(kepler_file), comment="#")
    np.testing.assert_array_equal(ready.preprocessor.transform(raw.iloc[ready.split.test]), ready.X_test)
    text = pd.read_csv(str(kepler_file), comment="#", dtype=str, keep_default_na=False)
    np.testing.assert_array_equal(ready.preprocessor.transform(text.iloc[ready.split.test]), ready.X_test)


def test_extreme_numbers_stay_finite() -> None:
    data = load_dataset(toy(), "y")
    made = prepare(data, split(data)).preprocessor
    row = {"dose": [1e300], "sex": [1], "town": ["Bern"], "seen": ["2020-02-01"]}
    assert np.isfinite(made.transform(row)).all()
    assert np.isfinite(made.transform({**row, "dose": [np.inf]})).all()


def test_a_column_missing_in_all_training_rows() -> None:
    table = toy()
    data = load_dataset(table, "y")
    rows = split(data)
    table["late"] = np.nan
    table.loc[rows.test, "late"] = np.arange(len(rows.test)) + 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ready = prepare(load_dataset(table, "y"), rows)
    assert np.isfinite(ready.X_test).all() and ready.X_test.shape[1] == len(ready.feature_names)


def test_parts_are_stored_without_trusting_anything() -> None:
    data = load_dataset(toy().assign(flag=np.random.default_rng(3).choice([0.5, 1.5, np.nan], 120)), "y")
    made = prepare(data, split(data)).preprocessor
    blob, plan = made.save_parts()
    assert set(skops.io.get_untrusted_types(data=blob)) <= {"numpy.dtype"}
    again = Preprocessor.from_parts(blob, json.loads(json.dumps(plan)))
    np.testing.assert_array_equal(again.transform(data.frame), made.transform(data.frame))
    assert again.feature_names == made.feature_names and again.inputs == made.inputs
    assert again.numeric_scales() == made.numeric_scales()
    with pytest.raises(ModelFileError):
        Preprocessor.from_parts(blob[:100], plan)
    with pytest.raises(ModelFileError):
        Preprocessor.from_parts(blob, {"inputs": [{}], "missing": []})


def test_keplers_parts_are_trusted_too(kepler: Dataset) -> None:
    blob, _ = prepare(kepler, split(kepler)).preprocessor.save_parts()
    assert set(skops.io.get_untrusted_types(data=blob)) <= {"numpy.dtype"}


def test_hostile_names_survive_everything() -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {name: rng.normal(size=60) if i % 2 else rng.choice(["a", "b", "c"], 60) for i, name in enumerate(HOSTILE)}
    )
    table["label"] = rng.choice(HOSTILE[:3], 60)
    data = load_dataset(table, "label")
    assert [c.name for c in data.columns] == [*HOSTILE, "label"]
    assert data.classes == sorted(HOSTILE[:3])
    ready = prepare(data, split(data))
    blob, plan = ready.preprocessor.save_parts()
    np.testing.assert_array_equal(
        Preprocessor.from_parts(blob, plan).transform(table.iloc[ready.split.test]), ready.X_test
    )
    with data.pager() as pager:
        assert pager.rows(0, 5, sort=[(HOSTILE[5], True)], search="a").total == len(
            table[table.map(str).apply(lambda c: c.str.contains("a", case=False)).any(axis=1)]
        )


def test_a_head_may_ask_for_regression(heart: Dataset) -> None:
    rows = split(heart, task="regression")
    ready = prepare(heart, rows, "regression")
    assert ready.task == "regression" and ready.y_train.dtype == np.float32 and not rows.stratified
    with pytest.raises(TargetError, match="regression cannot predict"):
        split(load_dataset("iris"), task="regression")


NAMES = st.text(min_size=1, max_size=10).filter(lambda s: s.strip() != "")
COLUMNS = st.dictionaries(NAMES, st.sampled_from(["number", "word", "flag", "date"]), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(COLUMNS, st.integers(0, 1000))
def test_any_table_prepares_to_finite_numbers(columns: dict[str, str], seed: int) -> None:
    rng = np.random.default_rng(seed)
    makers = {
        "number": lambda: rng.normal(size=50) * 10.0 ** rng.integers(-20, 20),
        "word": lambda: rng.choice(["a", "b ", "?", "ü", "x y"], 50),
        "flag": lambda: rng.choice([0.0, 1.0, np.nan], 50),
        "date": lambda: pd.Series(pd.date_range("1960", periods=50, freq="W")).where(rng.random(50) < 0.8),
    }
    table = pd.DataFrame({name: makers[kind]() for name, kind in columns.items()})
    table["the target itself"] = rng.choice(["u", "v"], 50)
    data = load_dataset(table, "the target itself")
    ready = prepare(data, split(data, seed=seed))
    assert np.isfinite(ready.X_train).all() and np.isfinite(ready.X_test).all()
    np.testing.assert_array_equal(ready.preprocessor.transform(table.iloc[ready.split.test]), ready.X_test)


def test_numbers_too_large_to_learn_from() -> None:
    table = toy().assign(huge=np.where(np.arange(120) % 2, 1e200, np.arange(120) * 1.5))
    data = load_dataset(table, "y")
    assert data.column("huge").missing == 60 and any("1e150" in note for note in data.notes)
    assert np.isfinite(prepare(data, split(data)).X_train).all()
    with pytest.raises(TargetError, match="32 bits"):
        split(load_dataset(toy().assign(y=np.arange(120) * 1e40), "y"))
