"""Fitted models on real tables."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import pytest

from medilytica_widgets import algorithms
from medilytica_widgets.data import Dataset, Prepared, Split, load_dataset, prepare, split
from medilytica_widgets.engine import Job, Predictor, Trainer


class Fitted(NamedTuple):
    data: Dataset
    split: Split
    prepared: Prepared
    predictor: Predictor


def _fit(data: Dataset, algorithm: str, **values: Any) -> Fitted:
    rows = split(data)
    prepared = prepare(data, rows)
    trainer = Trainer(Job(algorithms.get(algorithm), values, prepared))
    trainer.start()
    trainer.wait(60)
    predictor = trainer.predictor()
    trainer.close()
    return Fitted(data, rows, prepared, predictor)


@pytest.fixture(scope="session")
def iris() -> Fitted:
    return _fit(load_dataset("iris"), "logistic_regression")


@pytest.fixture(scope="session")
def diabetes() -> Fitted:
    return _fit(load_dataset("diabetes"), "random_forest", n_estimators=10)


@pytest.fixture(scope="session")
def mixed() -> Fitted:
    """Numbers, a number over decades, categories, a flag, dates and missing cells."""
    import numpy as np

    rng = np.random.default_rng(0)
    n = 400
    age = rng.normal(60, 10, n).round(1)
    dose = 10 ** rng.uniform(-1, 3, n)
    ward = rng.choice(["north", "south", "west"], n, p=[0.2, 0.5, 0.3])
    smoker = rng.integers(0, 2, n)
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D")
    ill = (age - 60) / 10 + np.log10(dose) - 1 + smoker + rng.normal(0, 0.5, n) > 0.5
    frame = pd.DataFrame({"age": age, "dose": dose, "ward": ward, "smoker": smoker, "day": day, "ill": ill})
    frame["ill"] = np.where(ill, "yes", "no")
    frame.loc[::17, "age"] = np.nan
    frame.loc[::23, "ward"] = None
    return _fit(load_dataset(frame, target="ill"), "random_forest", n_estimators=15)
