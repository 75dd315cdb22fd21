"""Tables that the tests of this room share."""

from __future__ import annotations

from pathlib import Path

import pytest

from medilytica_widgets.data import Dataset, load_dataset

TABLES = Path(__file__).resolve().parents[3] / "shared" / "data"

HEART = "age sex cp trestbps chol fbs restecg thalach exang oldpeak slope ca thal num".split()
ADULT = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex "
    "capital_gain capital_loss hours_per_week native_country income"
).split()


def _table(name: str) -> Path:
    path = TABLES / name
    if not path.exists():
        pytest.skip(f"the real table {name} is not on this machine")
    return path


@pytest.fixture(scope="session")
def kepler_file() -> Path:
    return _table("kepler_koi_cumulative.csv")


@pytest.fixture(scope="session")
def kepler(kepler_file: Path) -> Dataset:
    return load_dataset(kepler_file, target="koi_disposition")


@pytest.fixture(scope="session")
def heart() -> Dataset:
    return load_dataset(_table("heart_disease_cleveland.csv"), "num", names=HEART)


@pytest.fixture(scope="session")
def adult() -> Dataset:
    return load_dataset(_table("adult_test.csv"), "income", names=ADULT)


@pytest.fixture(scope="session")
def messages() -> Dataset:
    return load_dataset(_table("sms_spam_collection.tsv"), "label", names=["label", "text"])


@pytest.fixture(scope="session")
def planets() -> Dataset:
    return load_dataset(_table("exoplanets_kepler_k2_tess.csv"), "disposition")
