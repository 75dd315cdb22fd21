"""Predictions for a table, with the confidence of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..data import Preprocessor
from ..engine.predictors import Predictor
from ..errors import InputError


def predictions(
    frame: pd.DataFrame, preprocessor: Preprocessor, predictor: Predictor, classes: Sequence[str], task: str
) -> pd.DataFrame:
    """Predict every row of a table.

    Parameters
    ----------
    frame : DataFrame
        With the preprocessor's input columns; others are ignored.
    preprocessor : Preprocessor
    predictor : Predictor
    classes : sequence of str
        Names in the order of the class indices; not read for regression.
    task : {"classification", "regression"}

    Returns
    -------
    DataFrame
        With the input's index. ``prediction``: the class (str) or the number (float64). For classification
        also ``probability_<class>`` of each class and ``confidence``, the largest of them.

    Raises
    ------
    ColumnNotFoundError
        Names the columns that are missing.
    """
    if not isinstance(frame, pd.DataFrame):
        try:
            frame = pd.DataFrame(frame)
        except (ValueError, TypeError) as error:
            raise InputError(f"New rows come as a DataFrame with the model's columns; {error}.") from error
    rows = preprocessor.transform(frame)
    if task == "regression":
        return pd.DataFrame({"prediction": predictor.predict(rows)}, index=frame.index)
    scores = predictor.predict_proba(rows)
    names = np.asarray(list(classes), dtype=object)
    columns = {"prediction": names[scores.argmax(axis=1)]}
    columns |= {f"probability_{name}": scores[:, c] for c, name in enumerate(classes)}
    columns["confidence"] = scores.max(axis=1)
    return pd.DataFrame(columns, index=frame.index)
