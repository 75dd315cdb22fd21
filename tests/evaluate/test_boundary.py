"""The decision boundary: each pixel is what the model answers there."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.errors import ColumnNotFoundError, InputError
from medilytica_widgets.evaluate import BoundaryGrid, boundary, boundary_columns, default_axes


def pixels(axis_range: tuple[float, float], log: bool, n: int) -> np.ndarray:
    low, high = np.log10(axis_range) if log else axis_range
    centres = low + (np.arange(n) + 0.5) / n * (high - low)
    return 10**centres if log else centres


def test_each_pixel_is_the_models_answer(mixed: Any) -> None:
    found = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", (17, 11))
    assert found.classes.shape == found.confidence.shape == (11, 17)
    assert found.classes.dtype == found.confidence.dtype == np.uint8
    assert (found.x_log, found.y_log) == (False, True)
    xs = np.tile(pixels(found.x_range, False, 17), 11)
    ys = np.repeat(pixels(found.y_range, True, 11)[::-1], 17)
    frame = pd.DataFrame({"age": xs, "dose": ys} | {k: [v] * len(xs) for k, v in found.held.items()})
    scores = mixed.predictor.predict_proba(mixed.prepared.preprocessor.transform(frame))
    np.testing.assert_array_equal(found.classes.ravel(), scores.argmax(axis=1))
    np.testing.assert_array_equal(found.confidence.ravel(), np.rint(255 * scores.max(axis=1)))


def test_the_top_row_is_the_highest_value(mixed: Any) -> None:
    found = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", (20, 20))
    ill = mixed.prepared.classes.index("yes")
    assert (found.classes[0, -8:] == ill).all()
    assert (found.classes[-1, :8] != ill).all()


def test_others_are_held_at_median_or_most_frequent(mixed: Any) -> None:
    rows = mixed.data.frame.iloc[mixed.split.train]
    found = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", (4, 4), split=mixed.split)
    assert found.held["ward"] == "south"
    assert found.held["smoker"] == rows["smoker"].mode().iloc[0]
    assert found.held["day"] == rows["day"].median().isoformat()
    assert found.held_sentence == "All others held at their median or most frequent value."


def test_values_by_hand_are_used_and_said(mixed: Any) -> None:
    made = {"held": {"smoker": 1, "ward": "west"}, "resolution": (30, 30)}
    base = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", (30, 30), {"smoker": 0})
    found = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", **made)
    assert found.held_sentence == "Held: smoker = 1, ward = west; all others at their median."
    assert not np.array_equal(base.classes, found.classes)


def test_two_columns_alone_hold_nothing() -> None:
    data = load_dataset("moons")
    prepared = prepare(data, split(data))
    grid = BoundaryGrid(prepared.preprocessor, data, *boundary_columns(data))
    assert (grid.held, grid.held_sentence) == ({}, "")


def test_points_are_test_rows_with_their_errors(mixed: Any) -> None:
    found = boundary(mixed.prepared.preprocessor, mixed.predictor, mixed.data, "age", "dose", (4, 4), split=mixed.split)
    test = mixed.data.frame.iloc[mixed.split.test]
    low, high = found.x_range
    inside = test["age"].between(low, high) & test["dose"].between(*found.y_range)
    assert len(found.points["x"]) == inside.sum() <= 400
    np.testing.assert_array_equal(found.points["x"], test["age"][inside])
    guess = mixed.predictor.predict(mixed.prepared.X_test)
    np.testing.assert_array_equal(found.points["wrong"], (guess != mixed.prepared.y_test)[inside.to_numpy()])
    np.testing.assert_array_equal(found.points["label"], mixed.prepared.y_test[inside.to_numpy()])


def test_at_most_400_points_the_same_each_time() -> None:
    rng = np.random.default_rng(0)
    data = load_dataset(
        pd.DataFrame({"a": rng.normal(size=3000), "b": rng.normal(size=3000), "y": rng.choice(["u", "v"], 3000)}),
        target="y",
    )
    prepared = prepare(data, split(data))
    grids = [BoundaryGrid(prepared.preprocessor, data, "a", "b", (4, 4)) for _ in range(2)]
    from sklearn.naive_bayes import GaussianNB

    from medilytica_widgets.engine import EstimatorPredictor

    predictor = EstimatorPredictor(GaussianNB().fit(prepared.X_train, prepared.y_train), "classification", 2, 2)
    first, second = (grid.frame(predictor).points["x"] for grid in grids)
    assert len(first) == 400
    np.testing.assert_array_equal(first, second)


def test_regression_shows_values_on_one_scale(diabetes: Any) -> None:
    x, y = default_axes(diabetes.data)
    found = boundary(
        diabetes.prepared.preprocessor, diabetes.predictor, diabetes.data, x, y, (12, 9), split=diabetes.split
    )
    assert found.value_range is not None
    low, high = found.value_range
    assert low < diabetes.prepared.y_train.mean() < high
    assert (found.classes == 0).all()
    assert np.ptp(found.confidence) > 10
    assert not found.points["wrong"].any()
    assert found.points["value"].shape == found.points["x"].shape


def test_a_further_frame_prepares_nothing_anew(mixed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = BoundaryGrid(mixed.prepared.preprocessor, mixed.data, "age", "dose", (200, 200))
    first = grid.frame(mixed.predictor)

    def refuse(frame: pd.DataFrame) -> None:
        raise AssertionError("prepared again")

    monkeypatch.setattr(grid, "_preprocessor", type("Closed", (), {"transform": staticmethod(refuse)}))
    np.testing.assert_array_equal(grid.frame(mixed.predictor).classes, first.classes)


def test_a_grid_too_large_to_keep_gives_the_same_picture(mixed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = BoundaryGrid(mixed.prepared.preprocessor, mixed.data, "age", "dose", (31, 23)).frame(mixed.predictor)
    monkeypatch.setattr("medilytica_widgets.evaluate.grid.MOST_CELLS", 1000)
    parts = BoundaryGrid(mixed.prepared.preprocessor, mixed.data, "age", "dose", (31, 23)).frame(mixed.predictor)
    np.testing.assert_array_equal(kept.classes, parts.classes)
    np.testing.assert_array_equal(kept.confidence, parts.confidence)


def test_a_preprocessor_that_mixes_columns_is_prepared_in_full(mixed: Any) -> None:
    class Mixing:
        inputs = mixed.prepared.preprocessor.inputs

        def transform(self, frame: pd.DataFrame) -> np.ndarray:
            product = frame["age"].to_numpy(np.float64) * frame["dose"].to_numpy(np.float64)
            return np.stack([product, product], axis=1).astype(np.float32)

    from sklearn.linear_model import LogisticRegression

    from medilytica_widgets.engine import EstimatorPredictor

    mixing: Any = Mixing()
    X = mixing.transform(mixed.data.frame.fillna({"age": 60}))
    y = (X[:, 0] > np.median(X[:, 0])).astype(np.int64)
    model = LogisticRegression().fit(X, y)
    found = boundary(mixing, EstimatorPredictor(model, "classification", 2, 2), mixed.data, "age", "dose", (15, 15))
    x, dose = pixels(found.x_range, False, 15), pixels(found.y_range, True, 15)[::-1]
    expected = model.predict(mixing.transform(pd.DataFrame({"age": np.tile(x, 15), "dose": np.repeat(dose, 15)})))
    np.testing.assert_array_equal(found.classes.ravel(), expected)


def test_impossible_axes_are_refused_with_reasons(mixed: Any) -> None:
    preprocessor, data = mixed.prepared.preprocessor, mixed.data
    for x, y, held, error, words in (
        ("agee", "dose", None, ColumnNotFoundError, "Did you mean 'age'"),
        ("age", "ill", None, ColumnNotFoundError, "does not use a column 'ill'"),
        ("age", "age", None, InputError, "two different"),
        ("age", "ward", None, InputError, "'ward' is categorical"),
        ("age", "dose", {"dose": 3}, InputError, "is an axis"),
        ("age", "dose", {"dosis": 3}, ColumnNotFoundError, "dosis"),
    ):
        with pytest.raises(error, match=words):
            BoundaryGrid(preprocessor, data, x, y, held=held)
    with pytest.raises(InputError, match="2 by 2"):
        BoundaryGrid(preprocessor, data, "age", "dose", (1, 50))


def test_the_most_telling_columns_come_first(mixed: Any) -> None:
    assert set(boundary_columns(mixed.data)) == {"age", "dose"}
    rng = np.random.default_rng(0)
    signal = rng.normal(size=500)
    frame = pd.DataFrame(
        {
            "noise": rng.normal(size=500),
            "good": signal + rng.normal(0, 0.3, 500),
            "good_err": signal,
            "copy": signal + rng.normal(0, 0.35, 500),
            "fair": signal + rng.normal(0, 2.0, 500),
            "target": np.where(signal > 0, "a", "b"),
        }
    )
    names = boundary_columns(load_dataset(frame, target="target"))
    assert names[:2] == ["good", "fair"]
    assert names[-1] == "good_err"
    assert default_axes(load_dataset(frame, target="target")) == ("good", "fair")
    numbers = frame.assign(target=signal * 2)
    assert boundary_columns(load_dataset(numbers, target="target"))[0] == "good"


def test_too_few_numbers_for_a_picture_are_said() -> None:
    frame = pd.DataFrame({"a": np.linspace(0, 1, 60) ** 2, "c": ["x", "y", "z"] * 20, "t": ["u", "v"] * 30})
    data = load_dataset(frame, target="t")
    assert boundary_columns(data) == ["a"]
    with pytest.raises(InputError, match="only 'a'"):
        default_axes(data)


def test_thousands_of_columns_are_ranked_in_seconds() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 4000)), columns=[f"g{i}" for i in range(4000)])
    frame["t"] = np.where(frame["g1234"] > 0, "u", "v")
    data = load_dataset(frame, target="t")
    started = time.monotonic()
    assert boundary_columns(data)[0] == "g1234"
    assert time.monotonic() - started < 20
