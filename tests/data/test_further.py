"""Targets beside the table's own: taken out of the features, encoded from the training rows, gaps kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.data import load_dataset, prepare, split
from medilytica_widgets.data.further import FurtherTarget
from medilytica_widgets.errors import ColumnNotFoundError, TargetError


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "size"])
    frame["size"] = frame["size"] * 7 + 40
    frame["colour"] = rng.choice(["red", "green", "blue"], 200)
    frame["same"] = 1.5
    frame["label"] = np.where(frame["a"] > 0, "yes", "no")
    frame.loc[::9, "size"] = np.nan
    frame.loc[::11, "colour"] = None
    return frame


def test_further_targets_are_no_features_and_keep_their_gaps(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="label")
    parts = split(data)
    wanted = {"how_large": ("size", "regression"), "colour": ("colour", "classification")}
    prepared = prepare(data, parts, further=wanted)  # type: ignore[arg-type]
    assert prepared.feature_names == ["a", "b"]
    assert len(prepared.X_train) == len(parts.train) == 128
    size, colour = prepared.further["how_large"], prepared.further["colour"]
    assert isinstance(size, FurtherTarget) and size.column == "size"
    np.testing.assert_array_equal(size.train, frame["size"].to_numpy(np.float32)[parts.train])
    assert size.train.dtype == np.float32 and colour.train.dtype == np.int64
    assert colour.classes == ("blue", "green", "red")
    for part in ("train", "validation", "test"):
        there = frame["colour"].iloc[getattr(parts, part)]
        np.testing.assert_array_equal(colour.known(part), there.notna())
        named = [colour.classes[k] for k in colour.part(part)[colour.known(part)]]
        assert named == there.dropna().tolist()
        np.testing.assert_array_equal(size.known(part), ~np.isnan(size.part(part)))
        assert not size.known(part).all()
    # the scale is that of the training rows alone
    known = frame["size"].to_numpy(np.float32)[parts.train].astype(np.float64)
    assert size.mean == np.nanmean(known) or size.mean == pytest.approx(np.nanmean(known), rel=1e-12)
    assert size.std == pytest.approx(np.nanstd(known), rel=1e-12)
    assert size.mean != pytest.approx(np.nanmean(frame["size"]), rel=1e-6)


def test_nothing_can_be_put_among_them(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="label")
    prepared = prepare(data, split(data), further={"size": ("size", "regression")})
    with pytest.raises(TypeError):
        prepared.further["other"] = prepared.further["size"]  # type: ignore[index]
    assert prepare(data, split(data)).further == {}


@pytest.mark.parametrize(
    ("column", "task", "error", "words"),
    [
        ("siez", "regression", ColumnNotFoundError, "siez.*Did you mean 'size'"),
        ("colour", "regression", TargetError, "'colour' holds text"),
        ("size", "classification", TargetError, "classes of 'size'.*different numbers"),
        ("same", "regression", TargetError, "'same': it has the same value in every row"),
    ],
)
def test_what_cannot_be_learned_is_said(
    frame: pd.DataFrame, column: str, task: str, error: type[Exception], words: str
) -> None:
    data = load_dataset(frame, target="label")
    with pytest.raises(error, match=words):
        prepare(data, split(data), further={"head": (column, task)})  # type: ignore[dict-item]


def test_a_target_that_no_training_row_knows_is_refused(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="label")
    parts = split(data)
    frame["rare"] = np.nan
    frame.loc[parts.test[:9], "rare"] = np.arange(9.0) + 0.5
    with pytest.raises(TargetError, match="No training row has a value of 'rare'"):
        again = load_dataset(frame, target="label")
        prepare(again, parts, further={"rare": ("rare", "regression")})
