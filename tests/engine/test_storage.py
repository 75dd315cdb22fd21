"""Predictors as bytes."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import numpy as np
import pytest
import skops.io
from sklearn.pipeline import FunctionTransformer

from medilytica_widgets.data import Prepared
from medilytica_widgets.engine import Predictor, Trainer, restore_predictor, store_predictor
from medilytica_widgets.errors import ModelFileError
from medilytica_widgets.network import Head, Layer

Make = Callable[..., Trainer]
LAYERS = [Layer("linear", units=7), Layer("batch_norm"), Layer("dropout", p=0.2)]
ALGORITHMS = ["mlp", "logistic_regression", "random_forest", "gradient_boosting"]


def trained(make: Make, prepared: Prepared, algorithm: str, **values: object) -> Predictor:
    quick = {"mlp": {"epochs": 3}, "logistic_regression": {}}.get(algorithm, {"n_estimators": 5})
    trainer = make(prepared, algorithm, layers=LAYERS, **{**quick, **values})
    trainer.start()
    trainer.wait(60)
    return trainer.predictor()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_restored_predictor_answers_the_same(make: Make, iris: Prepared, algorithm: str) -> None:
    predictor = trained(make, iris, algorithm)
    kind, content, facts = store_predictor(predictor)
    again = restore_predictor(kind, content, json.loads(json.dumps(facts)), LAYERS, Head("classification"))
    np.testing.assert_array_equal(again.predict_proba(iris.X_test), predictor.predict_proba(iris.X_test))
    assert again.epoch == predictor.epoch


def test_a_restored_regression_keeps_its_units(make: Make, diabetes: Prepared) -> None:
    predictor = trained(make, diabetes, "mlp")
    again = restore_predictor(*store_predictor(predictor), LAYERS, Head("regression"))
    np.testing.assert_array_equal(again.predict(diabetes.X_test), predictor.predict(diabetes.X_test))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_damaged_bytes_are_refused(make: Make, iris: Prepared, algorithm: str) -> None:
    kind, content, facts = store_predictor(trained(make, iris, algorithm))
    with pytest.raises(ModelFileError):
        restore_predictor(kind, content[: len(content) // 2], facts, LAYERS, Head("classification"))


def test_weights_of_another_network_are_refused(make: Make, iris: Prepared) -> None:
    kind, content, facts = store_predictor(trained(make, iris, "mlp"))
    with pytest.raises(ModelFileError, match="do not fit its layers"):
        restore_predictor(kind, content, facts, [Layer("linear", units=8)], Head("classification"))
    with pytest.raises(ModelFileError, match="regression"):
        restore_predictor(kind, content, facts, LAYERS, Head("regression"))
    with pytest.raises(ModelFileError, match="oracle"):
        restore_predictor("oracle", content, facts, LAYERS, Head("classification"))


def test_foreign_types_are_refused(make: Make, iris: Prepared) -> None:
    _, _, facts = store_predictor(trained(make, iris, "logistic_regression"))
    foreign = skops.io.dumps(FunctionTransformer(func=io.open))
    with pytest.raises(ModelFileError, match="never writes"):
        restore_predictor("estimator", foreign, facts, [], Head("classification"))


def test_a_forged_tree_is_refused(make: Make, iris: Prepared) -> None:
    from medilytica_widgets.engine import EstimatorPredictor

    predictor = trained(make, iris, "random_forest")
    assert isinstance(predictor, EstimatorPredictor)
    tree = predictor.estimator.estimators_[0].tree_
    tree.children_left[0] = 10**6
    with pytest.raises(ModelFileError, match="damaged decision tree"):
        restore_predictor(*store_predictor(predictor), [], Head("classification"))


def test_an_estimator_that_answers_with_no_table_is_refused() -> None:
    from sklearn.preprocessing import KBinsDiscretizer

    from medilytica_widgets.engine import EstimatorPredictor

    rows = np.random.default_rng(0).normal(size=(40, 2))
    bins = KBinsDiscretizer(3, encode="onehot-dense", quantile_method="linear").fit(rows)
    bins._encoder.sparse_output = True
    kind, content, facts = store_predictor(EstimatorPredictor(bins, "transform", 2, 1))
    with pytest.raises(ModelFileError, match="does not answer with numbers"):
        restore_predictor(kind, content, facts, [], None)


def test_damage_that_only_some_rows_reach_is_said_when_they_come() -> None:
    from sklearn.ensemble import IsolationForest

    from medilytica_widgets.engine import EstimatorPredictor

    rows = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)
    forest = IsolationForest(n_estimators=1, random_state=0).fit(rows)
    kind, content, facts = store_predictor(EstimatorPredictor(forest, "anomaly", 2, 1))
    loaded = restore_predictor(kind, content, facts, [], None)
    whole = loaded.predict(rows)
    loaded.estimator._decision_path_lengths = [lengths[:3] for lengths in loaded.estimator._decision_path_lengths]
    with pytest.raises(ModelFileError, match="damaged"):
        loaded.predict(rows)
    forest._decision_path_lengths = [lengths[:3] for lengths in forest._decision_path_lengths]
    # one that was fitted here is not said to be a damaged file
    with pytest.raises(IndexError):
        EstimatorPredictor(forest, "anomaly", 2, 1).predict(rows)
    assert whole.dtype == np.bool_
