"""Each supervised entry is the scikit-learn estimator that is written out here, and so is its script."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.linear_model import (
    BayesianRidge,
    ElasticNet,
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
)
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, MinMaxScaler, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.class_weight import compute_sample_weight

from medilytica_widgets import algorithms
from medilytica_widgets.algorithms.base import SUPERVISED
from medilytica_widgets.data import load_dataset, prepare, split

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

SEED = 3
ROWS = 120
TABLES = {
    "classification": (("iris", None), ("moons", None)),
    "regression": (("diabetes", None), ("iris", "petal width (cm)")),
}
Case = tuple[str, dict[str, Any], Callable[[], Any]]


def scaled(regressor: Any) -> TransformedTargetRegressor:
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def platt(machine: Any, folds: int = 5) -> CalibratedClassifierCV:
    return CalibratedClassifierCV(machine, method="sigmoid", cv=folds, ensemble=False)


CLASSIFICATION: list[Case] = [
    ("logistic_regression", {}, lambda: LogisticRegression(C=1.0, max_iter=1000)),
    ("logistic_regression", {"C": 0.2, "class_weight": "balanced"}, lambda: LogisticRegression(
        C=0.2, class_weight="balanced", max_iter=1000)),
    ("logistic_regression", {"penalty": "l1", "C": 0.3}, lambda: LogisticRegression(
        C=0.3, l1_ratio=1.0, solver="saga", max_iter=1000, random_state=SEED)),
    ("logistic_regression", {"penalty": "elasticnet", "l1_ratio": 0.7}, lambda: LogisticRegression(
        l1_ratio=0.7, solver="saga", max_iter=1000, random_state=SEED)),
    ("lda", {}, lambda: LinearDiscriminantAnalysis()),
    ("lda", {"shrinkage": "auto"}, lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")),
    ("lda", {"shrinkage": "set", "shrinkage_amount": 0.3}, lambda: LinearDiscriminantAnalysis(
        solver="lsqr", shrinkage=0.3)),
    ("qda", {}, lambda: QuadraticDiscriminantAnalysis(solver="eigen", shrinkage=0.01)),
    ("qda", {"shrinkage": "auto"}, lambda: QuadraticDiscriminantAnalysis(solver="eigen", shrinkage="auto")),
    ("knn", {}, lambda: KNeighborsClassifier(5, algorithm="brute")),
    ("knn", {"n_neighbors": 9, "weights": "distance", "metric": "manhattan"}, lambda: KNeighborsClassifier(
        9, weights="distance", metric="manhattan", algorithm="brute")),
    ("svm_linear", {}, lambda: platt(LinearSVC(max_iter=10_000, random_state=SEED))),
    ("svm_linear", {"penalty": "l1", "class_weight": "balanced", "folds": 3}, lambda: platt(
        LinearSVC(penalty="l1", class_weight="balanced", max_iter=10_000, random_state=SEED), 3)),
    ("svm_linear", {"loss": "linear", "C": 0.5}, lambda: platt(
        LinearSVC(C=0.5, loss="hinge", max_iter=10_000, random_state=SEED))),
    ("svm", {}, lambda: platt(SVC())),
    ("svm", {"kernel": "poly", "degree": 2, "coef0": 1.0, "C": 3.0}, lambda: platt(
        SVC(kernel="poly", degree=2, coef0=1.0, C=3.0))),
    ("svm", {"kernel": "sigmoid", "gamma": "set", "gamma_value": 0.05, "class_weight": "balanced"}, lambda: platt(
        SVC(kernel="sigmoid", gamma=0.05, class_weight="balanced"))),
    ("gaussian_nb", {}, lambda: GaussianNB()),
    ("gaussian_nb", {"class_weight": "balanced"}, lambda: GaussianNB(priors=None)),
    ("bernoulli_nb", {}, lambda: BernoulliNB(binarize=0.0)),
    ("bernoulli_nb", {"alpha": 0.3, "threshold": 0.5, "class_weight": "balanced"}, lambda: BernoulliNB(
        alpha=0.3, binarize=0.5, fit_prior=False)),
    ("bernoulli_nb", {"threshold": -0.5}, lambda: make_pipeline(
        Binarizer(threshold=-0.5), BernoulliNB(binarize=None))),
    ("multinomial_nb", {}, lambda: make_pipeline(MinMaxScaler(clip=True), MultinomialNB())),
    ("multinomial_nb", {"alpha": 0.1, "class_weight": "balanced"}, lambda: make_pipeline(
        MinMaxScaler(clip=True), MultinomialNB(alpha=0.1, fit_prior=False))),
    ("gaussian_process", {}, lambda: GaussianProcessClassifier(ConstantKernel(1.0) * RBF(1.0), random_state=SEED)),
    ("gaussian_process", {"kernel": "matern_3_2", "length_scale": 2.0}, lambda: GaussianProcessClassifier(
        ConstantKernel(1.0) * Matern(2.0, nu=1.5), random_state=SEED)),
    ("decision_tree", {}, lambda: DecisionTreeClassifier(random_state=SEED)),
    ("decision_tree", {"criterion": "entropy", "max_depth": 2, "class_weight": "balanced"}, lambda: (
        DecisionTreeClassifier(criterion="entropy", max_depth=2, class_weight="balanced", random_state=SEED))),
    ("random_forest", {"n_estimators": 25}, lambda: RandomForestClassifier(25, random_state=SEED)),
    ("extra_trees", {"n_estimators": 25}, lambda: ExtraTreesClassifier(25, random_state=SEED)),
    ("extra_trees", {"n_estimators": 15, "bootstrap": True, "class_weight": "balanced"}, lambda: ExtraTreesClassifier(
        15, bootstrap=True, random_state=SEED)),
    ("gradient_boosting", {"n_estimators": 15}, lambda: GradientBoostingClassifier(n_estimators=15, random_state=SEED)),
    ("hist_gradient_boosting", {"max_iter": 20}, lambda: HistGradientBoostingClassifier(
        max_iter=20, early_stopping=False, random_state=SEED)),
    ("hist_gradient_boosting", {"max_iter": 9, "class_weight": "balanced", "max_leaf_nodes": 4}, lambda: (
        HistGradientBoostingClassifier(
            max_iter=9, max_leaf_nodes=4, class_weight="balanced", early_stopping=False, random_state=SEED))),
    ("adaboost", {}, lambda: AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), random_state=SEED)),
    ("adaboost", {"max_depth": 2, "learning_rate": 0.3, "class_weight": "balanced"}, lambda: AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), learning_rate=0.3, random_state=SEED)),
    ("bagging", {"n_estimators": 15}, lambda: BaggingClassifier(
        DecisionTreeClassifier(), 15, random_state=SEED)),
    ("bagging", {"member": "linear", "n_estimators": 6, "max_samples": 0.5, "max_features": 0.5}, lambda: (
        BaggingClassifier(
            LogisticRegression(max_iter=1000), 6, max_samples=0.5, max_features=0.5, random_state=SEED))),
    ("bagging", {"member": "neighbours", "n_estimators": 6, "class_weight": "balanced"}, lambda: BaggingClassifier(
        KNeighborsClassifier(5, algorithm="brute"), 6, random_state=SEED)),
    ("voting", {}, lambda: VotingClassifier([
        ("linear", LogisticRegression(max_iter=1000)),
        ("forest", RandomForestClassifier(100, random_state=SEED)),
        ("boosting", HistGradientBoostingClassifier(early_stopping=False, random_state=SEED)),
    ], voting="soft")),
    ("voting", {"forest": False, "boosting": False, "bayes": True, "neighbours": True, "tree": True, "svm": True,
                "class_weight": "balanced"}, lambda: VotingClassifier([
        ("linear", LogisticRegression(max_iter=1000, class_weight="balanced")),
        ("bayes", GaussianNB()),
        ("neighbours", KNeighborsClassifier(5, algorithm="brute")),
        ("tree", DecisionTreeClassifier(max_depth=5, class_weight="balanced", random_state=SEED)),
        ("svm", platt(SVC(class_weight="balanced"), 3)),
    ], voting="soft")),
    ("stacking", {"forest": False, "boosting": False, "neighbours": True, "C": 0.2, "folds": 3}, lambda: (
        StackingClassifier([
            ("linear", LogisticRegression(max_iter=1000)),
            ("neighbours", KNeighborsClassifier(5, algorithm="brute")),
        ], LogisticRegression(C=0.2, max_iter=1000), cv=3))),
    ("stacking", {"forest": False, "boosting": False, "tree": True, "bayes": True, "passthrough": True}, lambda: (
        StackingClassifier([
            ("linear", LogisticRegression(max_iter=1000)),
            ("bayes", GaussianNB()),
            ("tree", DecisionTreeClassifier(max_depth=5, random_state=SEED)),
        ], LogisticRegression(max_iter=1000), cv=5, passthrough=True))),
]  # fmt: skip

REGRESSION: list[Case] = [
    ("linear_regression", {}, lambda: LinearRegression()),
    ("linear_regression", {"positive": True, "fit_intercept": False}, lambda: LinearRegression(
        positive=True, fit_intercept=False)),
    ("ridge", {}, lambda: Ridge(solver="svd")),
    ("ridge", {"alpha": 30, "positive": True}, lambda: Ridge(alpha=30.0, positive=True)),
    ("lasso", {}, lambda: scaled(Lasso(alpha=0.01, max_iter=10_000))),
    ("lasso", {"alpha": 0.1, "selection": "random"}, lambda: scaled(
        Lasso(alpha=0.1, max_iter=10_000, selection="random", random_state=SEED))),
    ("elastic_net", {}, lambda: scaled(ElasticNet(alpha=0.01, l1_ratio=0.5, max_iter=10_000))),
    ("elastic_net", {"alpha": 0.2, "l1_ratio": 0.9}, lambda: scaled(
        ElasticNet(alpha=0.2, l1_ratio=0.9, max_iter=10_000))),
    ("bayesian_ridge", {}, lambda: BayesianRidge()),
    ("bayesian_ridge", {"lambda_1": 0.01, "alpha_2": 10}, lambda: BayesianRidge(lambda_1=0.01, alpha_2=10.0)),
    ("knn", {}, lambda: KNeighborsRegressor(5, algorithm="brute")),
    ("knn", {"metric": "cosine", "n_neighbors": 3}, lambda: KNeighborsRegressor(3, metric="cosine", algorithm="brute")),
    ("svm_linear", {}, lambda: scaled(LinearSVR(
        epsilon=0.1, loss="squared_epsilon_insensitive", max_iter=10_000, random_state=SEED))),
    ("svm_linear", {"loss": "linear", "epsilon": 0.3}, lambda: scaled(LinearSVR(
        epsilon=0.3, max_iter=10_000, random_state=SEED))),
    ("svm", {}, lambda: scaled(SVR())),
    ("svm", {"kernel": "poly", "coef0": 1.0, "epsilon": 0.2, "gamma": "auto"}, lambda: scaled(
        SVR(kernel="poly", coef0=1.0, epsilon=0.2, gamma="auto"))),
    ("gaussian_process", {}, lambda: GaussianProcessRegressor(
        ConstantKernel(1.0) * RBF(1.0) + WhiteKernel(1.0), alpha=1e-8, normalize_y=True, random_state=SEED)),
    ("decision_tree", {}, lambda: DecisionTreeRegressor(random_state=SEED)),
    ("decision_tree", {"error": "absolute_error", "max_leaf_nodes": 6}, lambda: DecisionTreeRegressor(
        criterion="absolute_error", max_leaf_nodes=6, random_state=SEED)),
    ("random_forest", {"n_estimators": 25, "max_features": "third"}, lambda: RandomForestRegressor(
        25, max_features=1 / 3, random_state=SEED)),
    ("extra_trees", {"n_estimators": 25, "max_features": "all"}, lambda: ExtraTreesRegressor(25, random_state=SEED)),
    ("gradient_boosting", {"n_estimators": 15}, lambda: GradientBoostingRegressor(n_estimators=15, random_state=SEED)),
    ("hist_gradient_boosting", {"max_iter": 20, "loss": "absolute_error"}, lambda: HistGradientBoostingRegressor(
        loss="absolute_error", max_iter=20, early_stopping=False, random_state=SEED)),
    ("adaboost", {"max_depth": 3, "loss": "square"}, lambda: AdaBoostRegressor(
        DecisionTreeRegressor(max_depth=3), loss="square", random_state=SEED)),
    ("bagging", {"n_estimators": 15}, lambda: BaggingRegressor(
        DecisionTreeRegressor(), 15, random_state=SEED)),
    ("bagging", {"member": "linear", "n_estimators": 6, "max_features": 0.5}, lambda: BaggingRegressor(
        Ridge(solver="svd"), 6, max_features=0.5, random_state=SEED)),
    ("voting", {}, lambda: VotingRegressor([
        ("linear", Ridge(solver="svd")),
        ("forest", RandomForestRegressor(100, random_state=SEED)),
        ("boosting", HistGradientBoostingRegressor(early_stopping=False, random_state=SEED)),
    ])),
    ("stacking", {"forest": False, "boosting": False, "bayes": True, "tree": True, "svm": True, "neighbours": True,
                  "C": 0.1}, lambda: StackingRegressor([
        ("linear", Ridge(solver="svd")),
        ("bayes", BayesianRidge()),
        ("neighbours", KNeighborsRegressor(5, algorithm="brute")),
        ("tree", DecisionTreeRegressor(max_depth=5, random_state=SEED)),
        ("svm", scaled(SVR())),
    ], make_pipeline(StandardScaler(), Ridge(alpha=10.0, solver="svd")), cv=5)),
]  # fmt: skip

WEIGHTED = {"random_forest", "extra_trees", "gradient_boosting", "adaboost", "bagging", "gaussian_nb"}
"""Entries whose balanced classes are weights of rows."""

CASES = [
    pytest.param(task, table, *case, id=f"{case[0]}-{task[:5]}-{table[0]}-{'-'.join(case[1]) or 'defaults'}")
    for task, cases in (("classification", CLASSIFICATION), ("regression", REGRESSION))
    for case in cases
    for table in TABLES[task]
]


@cache
def rows(name: str, target: str | None) -> tuple[NDArray[Any], ...]:
    data = load_dataset(name) if target is None else load_dataset(name, target=target)
    made = prepare(data, split(data))
    assert made.task == ("regression" if name == "diabetes" or target else "classification")
    return made.X_train[:ROWS], made.y_train[:ROWS], made.X_test


def answers(model: Any, X: NDArray[Any], task: str) -> NDArray[np.float64]:
    return np.asarray(model.predict_proba(X) if task == "classification" else model.predict(X))


@cache
def ours(id: str, values: str, task: str, table: tuple[str, str | None]) -> NDArray[np.float64]:
    algorithm = algorithms.get(id)
    X, y, X_test = rows(*table)
    full = algorithm.validate(json.loads(values), task)
    model = algorithm.build(full, task, X.shape[1], len(np.unique(y)), SEED)
    return answers(model.fit(X, y, **algorithm.fit_arguments(full, y)), X_test, task)


@pytest.mark.parametrize(("task", "table", "id", "values", "bare"), CASES)
def test_the_entry_predicts_what_the_bare_estimator_does(
    task: str, table: tuple[str, str | None], id: str, values: dict[str, Any], bare: Callable[[], Any]
) -> None:
    X, y, X_test = rows(*table)
    weighted = id in WEIGHTED and values.get("class_weight") == "balanced"
    extra = {"sample_weight": compute_sample_weight("balanced", y)} if weighted else {}
    expected = answers(bare().fit(X, y, **extra), X_test, task)
    assert np.array_equal(ours(id, json.dumps(values), task, table), expected)
    # an answer that is the same for every row would be equal for any estimator
    assert np.ptp(expected, axis=0).max() > 0


@pytest.mark.parametrize(("task", "table", "id", "values", "bare"), CASES)
def test_the_script_predicts_what_the_entry_does(
    task: str, table: tuple[str, str | None], id: str, values: dict[str, Any], bare: Callable[[], Any]
) -> None:
    X, y, X_test = rows(*table)
    lines = algorithms.get(id).code(values, task, SEED, n_features=X.shape[1], n_classes=len(np.unique(y)))
    head = lines.index("")
    assert head > 0 and all(line.startswith("from ") for line in lines[:head])
    assert max(map(len, lines)) <= 120
    names: dict[str, Any] = {"X_train": X, "y_train": y, "X_test": X_test}
    exec("\n".join(lines), names)
    found = ours(id, json.dumps(values), task, table)
    if task == "classification":
        if id == "voting":
            # its members answer in float32, and the script makes their mean sum to one again
            found = found / found.sum(axis=1, keepdims=True)
        assert np.array_equal(names["probabilities"], found)
        assert names["predicted"].dtype == y.dtype
        assert np.array_equal(names["predicted"], found.argmax(axis=1))
    else:
        assert np.array_equal(names["predicted"], found)


def test_every_supervised_estimator_stands_in_the_table() -> None:
    libraries = {"xgboost", "lightgbm", "catboost"}
    claimed = {
        (entry.id, task)
        for entry in algorithms.list()
        if entry.engine == "estimator" and entry.id not in libraries
        for task in entry.tasks & SUPERVISED
    }
    written = {(id, "classification") for id, _, _ in CLASSIFICATION} | {(id, "regression") for id, _, _ in REGRESSION}
    assert claimed == written
