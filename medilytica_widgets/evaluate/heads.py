"""What a network's further heads add to predictions and evaluations: the same as the first one's, under their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..data import Dataset, Prepared, class_names, target_of
from ..engine.predictors import Predictor
from ..errors import TargetError

if TYPE_CHECKING:
    from .report import Evaluation


def answers_of(prepared: Prepared, part: str = "test") -> dict[str, NDArray[Any]]:
    """Return the known answers of the further heads for one part of a table; -1 or NaN where there is none."""
    return {name: target.part(part) for name, target in prepared.further.items()}


def answers_in(table: Dataset, predictor: Predictor) -> dict[str, NDArray[Any]]:
    """Return what a table knows of the further heads' targets, for all of its rows; -1 or NaN where there is none.

    A target that is not in the table is left out.

    Raises
    ------
    TargetError
        For a class that the model does not know.
    """
    found: dict[str, NDArray[Any]] = {}
    for name, head in predictor.further.items():
        if head.column not in table.cells:
            continue
        values, known = target_of(table, "classification" if head.class_names else "regression", head.column)
        if head.class_names:
            there = class_names(table, head.column)
            unknown = [one for one in there if one not in head.class_names]
            if unknown:
                raise TargetError(f"{head.column!r} holds classes that the model does not know: {unknown[:5]}.")
            places = np.asarray([head.class_names.index(one) for one in there] or [-1], dtype=np.int64)
            values = np.where(known, places[values], -1)
        # as `prepare` holds them, so that a saved model finds what its run found
        found[name] = values if head.class_names else values.astype(np.float32)
    return found


def answer_columns(predictor: Predictor, rows: NDArray[np.float32], prefix: str = "") -> dict[str, Any]:
    """Return columns of predictions: ``prediction``, ``probability_<class>`` and ``confidence``, all with a prefix."""
    if predictor.task == "regression":
        return {f"{prefix}prediction": predictor.predict(rows)}
    classes = predictor.class_names
    scores = predictor.predict_proba(rows)
    names = np.asarray(list(classes), dtype=object)
    columns: dict[str, Any] = {f"{prefix}prediction": names[scores.argmax(axis=1)]}
    columns |= {f"{prefix}probability_{name}": scores[:, c] for c, name in enumerate(classes)}
    columns[f"{prefix}confidence"] = scores.max(axis=1)
    return columns


def further_columns(predictor: Predictor, rows: NDArray[np.float32]) -> dict[str, Any]:
    """Return the columns of all further heads: ``<head>_prediction`` and so on."""
    columns: dict[str, Any] = {}
    for name, head in predictor.further.items():
        columns |= answer_columns(head, rows, f"{name}_")
    return columns


def with_further(
    found: Evaluation,
    predictor: Predictor,
    rows: NDArray[Any],
    answers: Mapping[str, ArrayLike],
    evaluate: Callable[..., Evaluation],
) -> Evaluation:
    """Return an evaluation with the further heads' metrics and intervals, ``<head>_<metric>``, and their sentences.

    Rows without an answer are left out; a head without any is left out too.

    Parameters
    ----------
    found : Evaluation
        Of the first head.
    predictor : Predictor
    rows : ndarray of shape (n, features)
    answers : mapping
        By the names of heads.
    evaluate : callable
        `medilytica_widgets.evaluate.evaluate`.
    """
    heads: dict[str, Evaluation] = {}
    for name, head in predictor.further.items():
        if name not in answers:
            continue
        truth = np.asarray(answers[name])
        known = truth >= 0 if head.task == "classification" else ~np.isnan(truth)
        if known.any():
            heads[name] = evaluate(head, rows[known], truth[known], head.task, list(head.class_names))
    if not heads:
        return found
    metrics, intervals, sentence = dict(found.metrics), dict(found.intervals), found.sentence
    for name, one in heads.items():
        metrics |= {f"{name}_{metric}": value for metric, value in one.metrics.items()}
        intervals |= {f"{name}_{metric}": value for metric, value in one.intervals.items()}
        sentence += f" {name}: {one.sentence}"
    return replace(found, metrics=metrics, intervals=intervals, sentence=sentence, heads=heads)
