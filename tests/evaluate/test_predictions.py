"""Predictions for tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from medilytica_widgets.errors import ColumnNotFoundError
from medilytica_widgets.evaluate import predictions


def test_classes_probabilities_and_confidence_with_the_inputs_index(iris: Any) -> None:
    frame = iris.data.frame.iloc[[5, 60, 140]].set_axis(["a", "b", "b"])
    found = predictions(frame, iris.prepared.preprocessor, iris.predictor, iris.prepared.classes, "classification")
    names = [f"probability_{name}" for name in iris.prepared.classes]
    assert list(found.columns) == ["prediction", *names, "confidence"]
    assert list(found.index) == ["a", "b", "b"]
    assert found["prediction"].tolist() == iris.data.frame[iris.data.target].astype(str).iloc[[5, 60, 140]].tolist()
    np.testing.assert_allclose(found[names].sum(axis=1), 1)
    np.testing.assert_array_equal(found["confidence"], found[names].max(axis=1))


def test_numbers_have_no_confidence(diabetes: Any) -> None:
    frame = diabetes.data.frame.iloc[:4]
    found = predictions(frame, diabetes.prepared.preprocessor, diabetes.predictor, [], "regression")
    assert list(found.columns) == ["prediction"]
    assert found["prediction"].dtype == np.float64


@pytest.mark.parametrize("table", ["iris", "diabetes"])
def test_no_rows_give_no_predictions(request: pytest.FixtureRequest, table: str) -> None:
    fitted = request.getfixturevalue(table)
    prepared = fitted.prepared
    found = predictions(
        fitted.data.frame.iloc[:0], prepared.preprocessor, fitted.predictor, prepared.classes, prepared.task
    )
    assert len(found) == 0 and "prediction" in found


def test_missing_columns_are_named(mixed: Any) -> None:
    frame = pd.DataFrame({"age": [50.0]})
    with pytest.raises(ColumnNotFoundError, match="'dose'.*'ward'"):
        predictions(frame, mixed.prepared.preprocessor, mixed.predictor, mixed.prepared.classes, "classification")
