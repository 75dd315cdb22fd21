"""Metrics have scikit-learn's names and values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from medilytica_widgets.errors import InputError
from medilytica_widgets.metrics import METRICS, compute, names, score_lines

pytestmark = pytest.mark.filterwarnings("error")


def draw(seed: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.dirichlet(np.ones(k), size=n)
    truth = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    return truth, scores.argmax(axis=1), scores


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(0, 60))
def test_classification_is_what_sklearn_computes(seed: int, k: int, more: int) -> None:
    truth, guess, scores = draw(seed, k + more, k)
    found = compute("classification", truth, guess, scores, k)
    ranking = {"y_score": scores[:, 1]} if k == 2 else {"y_score": scores, "multi_class": "ovr"}
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, guess),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, guess),
            "f1_macro": sk.f1_score(truth, guess, average="macro"),
            "log_loss": sk.log_loss(truth, scores, labels=range(k)),
            "roc_auc": sk.roc_auc_score(truth, **ranking),
        }
    )
    assert list(found) == names("classification")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=50))
def test_regression_is_what_sklearn_computes(pairs: list[tuple[float, float]]) -> None:
    truth, guess = (np.array(side) for side in zip(*pairs, strict=True))
    found = compute("regression", truth, guess)
    assert found["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(truth, guess))
    assert found["root_mean_squared_error"] == pytest.approx(sk.root_mean_squared_error(truth, guess))
    if np.ptp(truth) > 1e-3:
        assert found["r2"] == pytest.approx(sk.r2_score(truth, guess), rel=1e-6)


def test_what_is_undefined_is_absent() -> None:
    truth, guess, scores = draw(0, 20, 3)
    kept = truth != 2
    assert "roc_auc" not in compute("classification", truth[kept], guess[kept], scores[kept], 3)
    assert set(compute("classification", truth, guess)) == {"accuracy", "balanced_accuracy", "f1_macro"}
    assert "r2" not in compute("regression", [5.0, 5.0], [4.0, 6.0])


def test_a_class_that_is_only_predicted_warns_of_nothing() -> None:
    found = compute("classification", [0, 0, 1], [0, 2, 1], None, 3)
    assert found["balanced_accuracy"] == pytest.approx(0.75)


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(InputError, match="no rows"):
        compute("classification", [], [])
    with pytest.raises(InputError, match="3 true values but 2"):
        compute("regression", [1, 2, 3], [1, 2])
    with pytest.raises(InputError, match="ranking"):
        compute("ranking", [1], [1])


def test_every_metric_is_described() -> None:
    for name, metric in METRICS.items():
        assert metric.id == name and metric.label and metric.help.endswith(".")
    assert not METRICS["log_loss"].greater_is_better
    assert METRICS["r2"].greater_is_better


@pytest.mark.parametrize("k", [2, 3])
def test_the_printed_lines_compute_the_same(k: int, capsys: pytest.CaptureFixture[str]) -> None:
    truth, guess, scores = draw(1, 40, k)
    given_names = {"y_test": truth, "predicted": guess, "probabilities": scores, "classes": ["c"] * k}
    exec("\n".join(score_lines("classification", k)), given_names)
    printed = dict(line.split() for line in capsys.readouterr().out.splitlines())
    found = compute("classification", truth, guess, scores, k)
    assert {name: float(value) for name, value in printed.items()} == pytest.approx(found)
