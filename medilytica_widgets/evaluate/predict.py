"""Predictions for a table, with the confidence of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..data import Preprocessor
from ..data.plan import output_names
from ..engine.predictors import EstimatorPredictor, Predictor
from ..errors import InputError
from .heads import further_columns


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
    task : {"classification", "regression", "clustering", "anomaly", "transform"}

    Returns
    -------
    DataFrame
        With the input's index. ``prediction``: the class (str) or the number (float64). For classification
        also ``probability_<class>`` of each class and ``confidence``, the largest of them. For clustering
        ``cluster`` (int64, -1 for none) and, of a mixture, ``probability_<cluster>``; for anomalies ``anomaly``
        (bool) and ``score`` (larger is more unusual), and of an autoencoder its code, ``component_1`` and so on; for a
        transformation its columns. Each further head of a
        network adds the same columns as the first, their names begun with ``<head>_``.

    Raises
    ------
    StateError
        For a transformation that has no rule for new rows.
    ColumnNotFoundError
        Names the columns that are missing.
    """
    if not isinstance(frame, pd.DataFrame):
        try:
            frame = pd.DataFrame(frame)
        except (ValueError, TypeError) as error:
            raise InputError(
                "predict takes new rows as a DataFrame with the model's columns, or as what makes one: a dict with a "
                f"list for each column, or a list with a dict for each row. This is {_shown(frame)}."
            ) from error
    rows = preprocessor.transform(frame)
    if isinstance(predictor, EstimatorPredictor) and task in ("clustering", "anomaly", "transform"):
        return _without_target(rows, predictor, preprocessor.feature_names, frame.index)
    more = further_columns(predictor, rows)
    if task == "regression":
        return pd.DataFrame({"prediction": predictor.predict(rows), **more}, index=frame.index)
    scores = predictor.predict_proba(rows)
    names = np.asarray(list(classes), dtype=object)
    columns = {"prediction": names[scores.argmax(axis=1)]}
    columns |= {f"probability_{name}": scores[:, c] for c, name in enumerate(classes)}
    columns["confidence"] = scores.max(axis=1)
    return pd.DataFrame({**columns, **more}, index=frame.index)


def _shown(given: object) -> str:
    text = repr(given)
    return f"{text if len(text) <= 60 else text[:60] + '…'} ({type(given).__name__})"


def _without_target(
    rows: NDArray[np.float32], predictor: EstimatorPredictor, names: Sequence[str], index: pd.Index[Any]
) -> pd.DataFrame:
    found = predictor.predict(rows)
    if predictor.task == "anomaly":
        answers = {"anomaly": found, "score": predictor.scores(rows)}
        if hasattr(predictor.estimator, "transform"):
            codes = predictor.estimator.transform(rows)
            answers |= {f"component_{k + 1}": codes[:, k] for k in range(codes.shape[1])}
        return pd.DataFrame(answers, index=index)
    if predictor.task == "transform":
        return pd.DataFrame(found, columns=output_names(predictor.estimator, names), index=index)
    columns = {"cluster": found}
    shares = predictor.memberships(rows)
    if shares is not None:
        columns |= {f"probability_{k}": shares[:, k] for k in range(shares.shape[1])}
    return pd.DataFrame(columns, index=index)
