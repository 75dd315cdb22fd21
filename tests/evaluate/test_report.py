"""The held-out evaluation, its intervals and its sentence."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from medilytica_widgets.engine import Predictor
from medilytica_widgets.errors import InputError
from medilytica_widgets.evaluate import evaluate, intervals
from medilytica_widgets.metrics import compute

pytestmark = pytest.mark.filterwarnings("error")


class Fixed(Predictor):
    """Answers with what it was given: class scores, or numbers."""

    def __init__(self, answers: Any, task: str = "classification") -> None:
        table = np.asarray(answers, dtype=np.float64)
        super().__init__(task, 1, table.shape[1] if table.ndim == 2 else 1)
        self.answers = table

    def _probabilities(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.answers[: len(rows)]

    def _values(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.answers[: len(rows)]


def told(guess: list[int], truth: list[int], classes: list[str]) -> Any:
    scores = np.full((len(guess), len(classes)), 0.1 / (len(classes) - 1))
    scores[np.arange(len(guess)), guess] = 0.9
    return evaluate(Fixed(scores), np.zeros((len(truth), 1)), truth, "classification", classes)


def test_numbers_are_sklearns(iris: Any) -> None:
    data = iris.prepared
    found = evaluate(iris.predictor, data.X_test, data.y_test, "classification", data.classes)
    guess = iris.predictor.predict(data.X_test)
    np.testing.assert_array_equal(found.confusion, sk.confusion_matrix(data.y_test, guess))
    precision, recall, f1, support = sk.precision_recall_fscore_support(data.y_test, guess)
    assert [row["class"] for row in found.per_class] == data.classes
    for i, row in enumerate(found.per_class):
        assert (row["precision"], row["recall"], row["f1"]) == pytest.approx((precision[i], recall[i], f1[i]))
        assert row["support"] == support[i]
    assert found.metrics["accuracy"] == sk.accuracy_score(data.y_test, guess)
    assert found.n == len(data.y_test)
    assert json.loads(json.dumps(found.to_json()))["confusion"] == found.confusion.tolist()


def test_the_sentence_says_what_is_right_and_what_is_missed() -> None:
    truth = [0] * 60 + [1] * 40
    guess = [0] * 58 + [1] * 2 + [1] * 32 + [0] * 8
    assert told(guess, truth, ["no", "yes"]).sentence == (
        "Right for 90 of 100 rows it has never seen (83 to 94 with 95 % confidence, from 100 rows); "
        "'yes' is missed most often (20 %)."
    )


def test_the_sentence_of_a_model_without_errors() -> None:
    assert "100 of 100" in told([0, 1] * 10, [0, 1] * 10, ["no", "yes"]).sentence
    assert told([0, 1] * 10, [0, 1] * 10, ["no", "yes"]).sentence.endswith("it missed none.")


def test_almost_all_is_not_called_all() -> None:
    truth = [0] * 500 + [1] * 500
    assert "more than 99 of 100" in told([0] * 500 + [1] * 499 + [0], truth, ["no", "yes"]).sentence


def test_the_sentence_tells_a_model_that_learned_little() -> None:
    assert (
        "Always answering 'no' would be right for 90 of 100"
        in told([0] * 88 + [1] * 2 + [0] * 10, [0] * 90 + [1] * 10, ["no", "yes"]).sentence
    )


def test_a_class_without_rows_is_neither_missed_nor_a_warning() -> None:
    found = told([0, 0, 1], [0, 0, 1], ["a", "b", "c"])
    assert found.per_class[2]["support"] == 0
    assert "roc_auc" not in found.metrics
    assert "so it says nothing of the other classes" not in found.sentence
    only = told([0, 1], [0, 0], ["a", "b"])
    assert "all of them are 'a'" in only.sentence


def test_regression_in_words(diabetes: Any) -> None:
    data = diabetes.prepared
    found = evaluate(diabetes.predictor, data.X_test, data.y_test, "regression")
    guess = diabetes.predictor.predict(data.X_test)
    assert found.metrics["r2"] == pytest.approx(sk.r2_score(data.y_test, guess))
    assert found.sentence.startswith(f"Off by {found.metrics['mean_absolute_error']:.3g} on average on 88 rows")
    assert "% of the differences between the rows" in found.sentence
    assert (found.confusion.shape, found.per_class) == ((0, 0), [])
    worse = evaluate(Fixed([9.0, -9.0, 3.0], "regression"), np.zeros((3, 1)), [1.0, 2.0, 3.0], "regression")
    assert worse.sentence.endswith("no better than always answering the average.")


def test_nothing_to_evaluate_is_refused(iris: Any) -> None:
    with pytest.raises(InputError, match="no rows"):
        evaluate(iris.predictor, np.empty((0, 4)), [], "classification", iris.prepared.classes)
    with pytest.raises(InputError, match="2 rows but 1 answers"):
        evaluate(iris.predictor, np.zeros((2, 4)), [0], "classification", iris.prepared.classes)


@pytest.mark.parametrize("k", [2, 4])
def test_intervals_have_the_width_that_resampling_finds(k: int) -> None:
    rng = np.random.default_rng(5)
    n = 1500
    truth = rng.choice(k, n, p=np.arange(1, k + 1) / sum(range(1, k + 1)))
    logits = rng.normal(size=(n, k)) + 1.5 * np.eye(k)[truth]
    # ties, as trees make them
    scores = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1) + 0.02
    scores /= scores.sum(axis=1, keepdims=True)
    found = intervals.classification(truth, scores.argmax(axis=1), scores, k)
    drawn = [
        compute("classification", truth[i], scores[i].argmax(axis=1), scores[i], k)
        for i in (rng.integers(0, n, n) for _ in range(300))
    ]
    assert set(found) == set(drawn[0])
    for name, half in found.items():
        assert half == pytest.approx(1.96 * np.std([d[name] for d in drawn]), rel=0.15), name


def test_regression_intervals_have_the_width_that_resampling_finds() -> None:
    rng = np.random.default_rng(6)
    truth = rng.gamma(2.0, size=2000)
    guess = truth + rng.normal(0, 0.5, 2000) * truth
    found = intervals.regression(truth, guess)
    drawn = [compute("regression", truth[i], guess[i]) for i in (rng.integers(0, 2000, 2000) for _ in range(300))]
    for name, half in found.items():
        assert half == pytest.approx(1.96 * np.std([d[name] for d in drawn]), rel=0.15), name
    assert set(found) == set(drawn[0])


def test_few_perfect_rows_are_not_certain() -> None:
    found = told([0, 1] * 5, [0, 1] * 5, ["a", "b"])
    assert found.intervals["accuracy"] > 0.1
    assert found.intervals["balanced_accuracy"] > 0.1
    assert not {"f1_macro", "roc_auc"} & set(found.intervals)
    low, high = intervals.wilson(10, 10)
    assert (low, high) == pytest.approx((0.722, 1.0), abs=0.001)
