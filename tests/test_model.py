"""Saving and loading models."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pandas as pd
import pytest

import medilytica_widgets as mw
from medilytica_widgets import errors

ALGORITHMS = ("mlp", "logistic_regression", "random_forest", "gradient_boosting")
QUICK = {
    "mlp": {"epochs": 3},
    "logistic_regression": {},
    "random_forest": {"n_estimators": 8},
    "gradient_boosting": {"n_estimators": 8},
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_loaded_model_predicts_the_same(algorithm: str, tmp_path: Path) -> None:
    data = mw.load_dataset("kepler", target="koi_disposition", exclude=["koi_pdisposition", "koi_score"])
    exp = mw.Experiment(data, algorithm=algorithm, hyperparameters=QUICK[algorithm])
    run = exp.train().wait(120)
    path = run.save(tmp_path / "model.mw")
    model = mw.load_model(path)
    rows = data.frame.iloc[::97]
    pd.testing.assert_frame_equal(model.predict(rows), run.predict(rows))
    assert model.spec == run.spec
    assert model.evaluate(data).metrics == pytest.approx(run.evaluate().metrics)
    exp.close()


def test_a_regression_model_keeps_its_units(tmp_path: Path) -> None:
    data = mw.load_dataset("diabetes")
    exp = mw.Experiment(data, hyperparameters={"epochs": 5})
    run = exp.train().wait(60)
    model = mw.load_model(run.save(tmp_path / "model.mw"))
    pd.testing.assert_frame_equal(model.predict(data.frame), run.predict(data.frame))
    assert "confidence" not in model.predict(data.frame)
    exp.close()


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.MissingFileError, match="nothing.mw"):
        mw.load_model(tmp_path / "nothing.mw")
    garbage = tmp_path / "garbage.mw"
    garbage.write_bytes(b"not a model")
    with pytest.raises(errors.ModelFileError, match="garbage.mw"):
        mw.load_model(garbage)
    with zipfile.ZipFile(tmp_path / "foreign.mw", "w") as archive:
        archive.writestr("hello.txt", "hello")
    with pytest.raises(errors.ModelFileError, match="foreign.mw"):
        mw.load_model(tmp_path / "foreign.mw")


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 1})
    path = exp.train().wait(60).save(tmp_path / "model.mw")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.ModelFileError, match="damaged|not a model"):
        mw.load_model(path)
    exp.close()


def test_saving_replaces_atomically_and_says_where_it_cannot(tmp_path: Path) -> None:
    exp = mw.Experiment(mw.load_dataset("moons"), hyperparameters={"epochs": 1})
    run = exp.train().wait(60)
    path = run.save(tmp_path / "deep" / "model.mw")
    run.save(path)
    assert [p.name for p in path.parent.iterdir()] == ["model.mw"]
    with pytest.raises(errors.InputError, match="folder"):
        run.save(tmp_path / "deep")
    exp.close()
