"""Accuracy is real: the runs reach what scikit-learn's own pipelines reach on the same split."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import accuracy_score
from sklearn.neural_network import MLPClassifier

import medilytica_widgets as mw

TABLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "kepler_koi_cumulative.csv"
LEAKS = ["koi_pdisposition", "koi_score", "koi_fpflag_nt", "koi_fpflag_ss", "koi_fpflag_co", "koi_fpflag_ec"]


@pytest.fixture(scope="module")
def exp():
    source = str(TABLE) if TABLE.exists() else "kepler"
    experiment = mw.Experiment(mw.load_dataset(source, target="koi_disposition", exclude=LEAKS), seed=0)
    yield experiment
    experiment.close()


@pytest.mark.timeout(300)
def test_perceptron_reaches_scikit_learns(exp: mw.Experiment) -> None:
    exp.select_algorithm("mlp")
    exp.set_layers([mw.Layer("linear", units=64, activation="relu"), mw.Layer("linear", units=64, activation="relu")])
    exp.apply_parameters({"learning_rate": 1e-3, "batch_size": 128, "epochs": 20})
    prepared = exp.prepared()
    peer = MLPClassifier((64, 64), learning_rate_init=1e-3, batch_size=128, max_iter=20, alpha=0, random_state=0)
    with pytest.warns(UserWarning, match="iterations"):
        peer.fit(prepared.X_train, prepared.y_train)
    _no_worse(exp, accuracy_score(prepared.y_test, peer.predict(prepared.X_test)))


@pytest.mark.timeout(300)
def test_gradient_boosting_reaches_scikit_learns(exp: mw.Experiment) -> None:
    exp.select_algorithm("gradient_boosting")
    exp.set("n_estimators", 20)
    prepared = exp.prepared()
    now = exp.hyperparameters
    peer = GradientBoostingClassifier(
        n_estimators=20, learning_rate=now["learning_rate"], max_depth=now["max_depth"], random_state=0
    )
    peer.fit(prepared.X_train, prepared.y_train)
    _no_worse(exp, accuracy_score(prepared.y_test, peer.predict(prepared.X_test)))


def _no_worse(exp: mw.Experiment, peer: float) -> None:
    ours = exp.train().wait(240).evaluate().metrics["accuracy"]
    n = len(exp.prepared().y_test)
    assert ours >= peer - 2 * np.sqrt(peer * (1 - peer) / n), f"ours {ours:.4f}, scikit-learn's {peer:.4f}, {n} rows"
    assert ours > 0.6
