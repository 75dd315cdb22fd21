"""What a column is taken for."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medilytica_widgets.data import Column, Dataset, load_dataset
from medilytica_widgets.data.kinds import KINDS

TRUTH = Path(__file__).with_name("truth.csv")


def kind_of(values: object, name: str = "value") -> Column:
    return load_dataset(pd.DataFrame({name: values})).columns[0]


RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("values", "name", "kind"),
    [
        (RNG.normal(size=50), "value", "numeric"),
        (RNG.integers(0, 90, 50), "age", "numeric"),
        ([0, 1] * 25, "sex", "binary"),
        ([True, False, None] * 9, "seen", "binary"),
        (["yes", "no"] * 25, "seen", "binary"),
        (["a", "b", "c"] * 9, "group", "categorical"),
        ([None] * 9, "gone", "empty"),
        ([7] * 9, "same", "constant"),
        ([7, None, 7], "same", "constant"),
        (pd.date_range("2020", periods=30), "seen", "datetime"),
        ([f"2021-03-{d:02d}" for d in range(1, 29)], "seen", "datetime"),
        ([f"{d}/{m}/1999" for d in range(1, 29) for m in (1, 2)], "born", "datetime"),
        (range(100, 150), "patient_id", "identifier"),
        (range(100, 150), "PatientID", "identifier"),
        (range(1, 51), "x", "identifier"),
        (RNG.permutation(50) + 10_000_000, "chart", "identifier"),
        ([f"K{i:05d}" for i in RNG.permutation(50)], "object", "identifier"),
        ([f"person {chr(65 + i % 26)}{i}" for i in range(50)], "full name", "identifier"),
        (RNG.permutation(50), "humid", "numeric"),
        (RNG.permutation(50), "value", "numeric"),
        (RNG.integers(0, 5, 50), "group_id", "numeric"),
        ([f"a longer remark, written by number {i}" for i in range(50)], "remark", "text"),
        ([f"{i:05d}" for i in range(0, 500, 10)] * 2, "zip", "categorical"),
        (pd.Categorical(["a", "b", "c"] * 9), "group", "categorical"),
        (pd.array([1, None, 3, 4] * 9, dtype="Int64"), "dose", "numeric"),
        (pd.to_timedelta(RNG.integers(0, 10**6, 50), unit="s"), "stay", "numeric"),
    ],
)
def test_kinds(values: object, name: str, kind: str) -> None:
    found = kind_of(values, name)
    assert found.kind == kind and found.evidence


def test_discrete_is_for_few_whole_numbers() -> None:
    assert kind_of([1, 2, 3] * 9).discrete
    assert kind_of([1.0, 2.0, None] + [3.0] * 9).discrete
    assert not kind_of([1.5, 2, 3] * 9).discrete
    assert not kind_of(RNG.permutation(50)).discrete


def test_ids_of_things_with_several_rows_are_identifiers_too() -> None:
    ids = RNG.permutation(np.repeat(RNG.permutation(400) + 757_450, 2)[:600])
    assert kind_of(ids, "kepid").kind == "identifier"
    assert kind_of(ids, "weight").kind == "numeric"


def test_floats_are_never_identifiers() -> None:
    assert kind_of(np.arange(50) + 0.5, "id").kind == "numeric"


def test_numbers_with_a_few_remarks_are_numbers() -> None:
    data = load_dataset(pd.DataFrame({"dose": [str(i * 1.5) for i in range(60)] + ["high", "low"]}))
    assert data.column("dose").kind == "numeric" and data.column("dose").missing == 2
    (finding,) = data.quality().of("mixed_types")
    assert finding.columns == ["dose"] and finding.rows == [60, 61]
    assert any("'dose'" in note for note in data.notes)


def test_labels_of_digits_and_letters_stay_labels() -> None:
    data = load_dataset(pd.DataFrame({"class": ["1", "2", "3", "K"] * 20}))
    assert data.column("class").kind == "categorical"
    assert data.frame["class"].tolist()[:4] == ["1", "2", "3", "K"]
    assert data.quality().of("mixed_types")


def test_a_frame_of_mixed_objects_loads() -> None:
    frame = pd.DataFrame({"m": [1, "two", None, 3.0, True, b"raw", float("nan")] * 9, "x": range(63)})
    data = load_dataset(frame)
    assert data.column("m").missing == 18
    assert set(data.frame["m"].dropna()) == {"1", "two", "3", "True", "raw"}
    assert data.quality().of("mixed_types")[0].columns == ["m"]


def test_infinite_values_are_missing_and_said() -> None:
    data = load_dataset(pd.DataFrame({"x": [1.5, np.inf, -np.inf, 4.0], "t": ["1", "inf", "nan", "2.5"]}))
    assert data.column("x").missing == 2 and data.column("t").missing == 2
    assert any("infinite" in note for note in data.notes)


def test_large_integers_keep_every_digit() -> None:
    data = load_dataset(pd.DataFrame({"n": ["9007199254740993", "9007199254740995", "7"] * 5}))
    assert data.frame["n"].tolist()[:2] == [9007199254740993, 9007199254740995]


def truths() -> Iterator[dict[str, str]]:
    """What a person who knows the tables says of every column."""
    with TRUTH.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


TABLES = {
    "adult_test.csv": "adult",
    "exoplanets_kepler_k2_tess.csv": "planets",
    "heart_disease_cleveland.csv": "heart",
    "kepler_koi_cumulative.csv": "kepler",
    "sms_spam_collection.tsv": "messages",
}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_the_real_tables_is_taken_for_what_it_is(table: str, request: pytest.FixtureRequest) -> None:
    data: Dataset = request.getfixturevalue(TABLES[table])
    expected = {row["column"]: row for row in truths() if row["table"] == table}
    assert [c.name for c in data.columns] == list(expected), "the truth is about every column"
    wrong = {}
    for column in data.columns:
        truth = expected[column.name]
        hints = " ".join(f"{hint.kind}={hint.value}" for hint in column.hints)
        found = (column.kind, "yes" if column.discrete else "", column.role, hints)
        told = (truth["kind"], truth["discrete"], truth["role"], truth["hints"])
        if found != told:
            wrong[column.name] = (found, told)
        assert column.evidence
    assert not wrong


CELLS = st.one_of(
    st.none(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.booleans(),
    st.dates().map(str),
    st.datetimes(),
    st.binary(max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=40), st.text(max_size=8))
def test_any_column_of_anything_loads(cells: list[object], name: str) -> None:
    data = load_dataset(pd.DataFrame({name: pd.Series(cells, dtype=object)}))
    column = data.columns[0]
    assert column.kind in KINDS
    assert 0 <= column.missing <= len(cells) and column.distinct <= len(cells)
    assert int(data.frame.iloc[:, 0].isna().sum()) == column.missing
    assert 0 <= data.quality().score <= 100
    for feature in data.summary()["features"]:
        assert all(0 <= height <= 1 for height in feature["histogram"])
